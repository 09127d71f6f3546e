"""The researchers' login: one user, a password, a session in a cookie, and a limit on guessing."""

from __future__ import annotations

import base64
import secrets
import time
from collections import defaultdict, deque
from html import escape
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

USER = "admin"
COOKIE = "diptych-admin"
SESSION_SECONDS = 8 * 3600
MAX_FAILURES = 10  # of one address within FAILURE_SECONDS
FAILURE_SECONDS = 300

STYLE = (Path(__file__).parent / "login.css").read_text(encoding="utf-8")


class Login:
    """Checks who may see `/admin`: a session's cookie, or user and password by HTTP Basic for scripts."""

    def __init__(self, password: str, root_path: str = "") -> None:
        self._password = password
        self._root_path = root_path  # what a proxy takes off, and redirects need again
        self._sessions: dict[str, float] = {}  # token -> when it ends
        self._failures: dict[str, deque[float]] = defaultdict(deque)
        self.router = APIRouter()
        self.router.add_api_route("/admin/login", self.page, methods=["GET"], include_in_schema=False)
        self.router.add_api_route("/admin/login", self.log_in, methods=["POST"], include_in_schema=False)
        self.router.add_api_route("/admin/logout", self.log_out, methods=["GET", "POST"], include_in_schema=False)

    def user(self, request: Request) -> str | None:
        """The user of this request, or None; a browser that asks for the page is sent to the login."""
        if self._has_session(request) or self._has_password(request):
            return USER
        if request.url.path.rstrip("/").endswith("/admin") and "text/html" in request.headers.get("accept", ""):
            raise HTTPException(303, headers={"Location": f"{self._root_path}/admin/login"})
        return None

    def required(self, request: Request) -> str:
        """The user, or the error 401; a dependency of FastAPI routes."""
        user = self.user(request)
        if user is None:
            raise HTTPException(401, "Log in at /admin first, or send user and password.", _BASIC)
        return user

    def _has_session(self, request: Request) -> bool:
        token = request.cookies.get(COOKIE, "")
        ends = self._sessions.get(token)
        if ends is None:
            return False
        if ends < time.monotonic():
            del self._sessions[token]
            return False
        return True

    def _has_password(self, request: Request) -> bool:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            return False
        return self._check(request, name, password)

    def _check(self, request: Request, name: str, password: str) -> bool:
        address = request.client.host if request.client else ""
        failures, now = self._failures[address], time.monotonic()
        while failures and failures[0] < now - FAILURE_SECONDS:
            failures.popleft()
        if len(failures) >= MAX_FAILURES:
            wait = int(failures[0] + FAILURE_SECONDS - now) + 1
            raise HTTPException(429, f"Too many wrong passwords; try again in {wait} s.", {"Retry-After": str(wait)})
        right = secrets.compare_digest(name.encode(), USER.encode())
        right &= secrets.compare_digest(password.encode(), self._password.encode())
        if not right:
            failures.append(now)
        return right

    def page(self, request: Request) -> Response:
        """The form."""
        return HTMLResponse(_form(""))

    def log_in(
        self, request: Request, username: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
    ) -> Response:
        """Begin a session: a redirect for a browser, `{"success": true}` for a script."""
        wants_page = "text/html" in request.headers.get("accept", "")
        if not self._check(request, username, password):
            if wants_page:
                return HTMLResponse(_form("User or password is wrong."), 401)
            raise HTTPException(401, "User or password is wrong.")
        token = secrets.token_urlsafe(32)
        self._sessions[token] = time.monotonic() + SESSION_SECONDS
        home = RedirectResponse(f"{self._root_path}/admin/", 303)
        response: Response = home if wants_page else JSONResponse({"success": True})
        response.set_cookie(
            COOKIE,
            token,
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def log_out(self, request: Request) -> Response:
        """End the session."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        response = RedirectResponse(f"{self._root_path}/admin/login", 303)
        response.delete_cookie(COOKIE)
        return response


_BASIC = {"WWW-Authenticate": 'Basic realm="Diptych"'}


def _form(problem: str) -> str:
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Diptych: researchers</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>
<body><main><h1>Researchers</h1><form method="post" action="login">
<label>User<input name="username" autocomplete="username" required value="{USER}"></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required autofocus></label>
<p role="alert">{escape(problem)}</p><button>Log in</button></form>
<p class="hint">The password was printed when the app started, or is in DIPTYCH_ADMIN_PASSWORD.</p>
</main></body></html>"""
