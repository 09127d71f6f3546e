"""The researchers' login: one user, a password, a session in a cookie, and guesses that take longer and longer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
import unicodedata
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from app.client import address, is_local

USER = "admin"
COOKIE = "diptych-admin"
BROWSER = "diptych-browser"  # names a browser that has logged in before, so that others' guesses do not delay it
SESSION_SECONDS = 8 * 3600
BROWSER_SECONDS = 30 * 24 * 3600
FREE_TRIES = 3  # wrong passwords before answers are delayed
FIRST_DELAY_SECONDS = 0.5  # doubled with each further one
LONGEST_DELAY_SECONDS = 8.0  # the right password is in within 10 s, whatever others try from the same address
FORGET_SECONDS = 900.0  # without a wrong password
MAX_KEYS = 10_000  # addresses and browsers remembered; the one that has been quiet for longest is forgotten first
MAX_SESSIONS = 1000
ENDED = "Your login has ended. Log in again at /admin."

# Whoever sees the login has none: nothing that was typed under another is left in this tab (see app/admin.js).
SCRIPT = """
if (top !== self) document.getElementById("direct").hidden = false;
try {
  const drafts = `diptych${location.pathname.replace(/\\/login\\/?$/, "")}.draft.`;
  for (const item of Object.keys(sessionStorage)) if (item.startsWith(drafts)) sessionStorage.removeItem(item);
} catch {}
"""
STYLE = (Path(__file__).parent / "login.css").read_text(encoding="utf-8")


@dataclass
class Tries:
    """Wrong passwords of one address or one browser. The same one again is no new guess."""

    number: int = 0
    last: float = 0.0
    known: deque[bytes] = field(default_factory=lambda: deque(maxlen=16))


class Guesses:
    """How long the next answer to a password takes, by address and by browser."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, Tries] = OrderedDict()

    def delay(self, key: str) -> float:
        """Seconds to wait before an answer."""
        tries = self._tries.get(key)
        if tries is None or time.monotonic() - tries.last > FORGET_SECONDS or tries.number < FREE_TRIES:
            return 0.0
        return float(min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(20, tries.number - FREE_TRIES)))

    def count(self, key: str, digest: bytes) -> None:
        """Write a wrong password down, unless it is one of the last again, as a script or a proxy repeats it."""
        tries, now = self._tries.setdefault(key, Tries()), time.monotonic()
        if now - tries.last > FORGET_SECONDS:
            tries.number = 0
        if digest not in tries.known:
            tries.known.append(digest)
            tries.number, tries.last = tries.number + 1, now
        self._tries.move_to_end(key)
        while len(self._tries) > MAX_KEYS:
            self._tries.popitem(last=False)


class Login:
    """Checks who may see `/admin`: a session's cookie, or user and password by HTTP Basic for scripts."""

    def __init__(self, password: str, root_path: str = "") -> None:
        self._key = secrets.token_bytes(32)
        self._right = self._digest(password)
        self._root_path = root_path  # what a proxy takes off, and redirects need again
        self._sessions: OrderedDict[str, float] = OrderedDict()  # token -> when it ends
        self._browsers: OrderedDict[str, float] = OrderedDict()  # those that have logged in -> until when it counts
        self._guesses = Guesses()
        self.router = APIRouter()
        for path, handler, methods in (
            ("/admin/login", self.page, ["GET", "HEAD"]),
            ("/admin/login", self.log_in, ["POST"]),
            ("/admin/logout", self.log_out, ["POST"]),
            ("/admin/session", self.session, ["GET", "HEAD"]),
        ):
            self.router.add_api_route(path, handler, methods=methods, include_in_schema=False)

    async def user(self, request: Request) -> str | None:
        """The user of this request, or None; a browser that asks for the page is sent to the login."""
        if self._ends(request) is not None or await self._has_password(request):
            return USER
        if request.url.path.rstrip("/").endswith("/admin") and _wants_page(request):
            raise HTTPException(303, headers={"Location": f"{self._root_path}/admin/login"})
        return None

    def has_session(self, request: Request) -> bool:
        """Whether the request carries the cookie of a session that has not ended."""
        return self._ends(request) is not None

    async def required(self, request: Request) -> str:
        """The user, or the error 401; a dependency of FastAPI routes."""
        user = await self.user(request)
        if user is None and _wants_page(request):
            raise HTTPException(303, headers={"Location": f"{self._root_path}/admin/login"})
        if user is None:
            raise HTTPException(401, "Log in at /admin first, or send user and password.", _BASIC)
        return user

    def _ends(self, request: Request) -> float | None:
        """When this request's session ends; None without one."""
        token = request.cookies.get(COOKIE, "")
        ends = self._sessions.get(token)
        if ends is not None and ends < time.monotonic():
            del self._sessions[token]
            return None
        return ends

    async def _has_password(self, request: Request) -> bool:
        """Whether HTTP Basic says the right one. Another user's is a proxy's own affair, and no guess."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            name, _, password = base64.b64decode(value[:2000], validate=True).decode().partition(":")
        except ValueError:
            return False
        return name == USER and await self._check(request, name, password)

    async def _check(self, request: Request, name: str, password: str) -> bool:
        """Whether a password is right, after a delay that depends on the wrong ones before and not on this one."""
        digest = self._digest(password)
        right = (name == USER) & secrets.compare_digest(digest, self._right)
        if is_local(request):
            return right
        browser = request.cookies.get(BROWSER, "")
        known = self._browsers.get(browser, 0.0) > time.monotonic()
        key = f"browser {browser}" if known else f"address {address(request)}"
        delay = self._guesses.delay(key)
        if not right:
            self._guesses.count(key, digest)
        await asyncio.sleep(delay)
        return right

    def _digest(self, password: str) -> bytes:
        """Of one length, so that comparing takes as long whatever was typed; without what typing adds to a password.

        One system types "é" as one character and another as two; what is copied from a mail or a file has a blank or a
        line end behind it.
        """
        text = unicodedata.normalize("NFC", password).strip()
        return hashlib.blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=32).digest()

    def page(self, request: Request) -> Response:
        """The form. Who has just logged in, and has no session, learns that the browser kept none."""
        if "in" not in request.query_params:
            return _form("")
        if self._ends(request) is not None:
            return RedirectResponse(f"{self._root_path}/admin/", 303)
        return _form(
            "The password was right, but this browser did not keep the login, as it does for a page in another site's "
            "frame. Open the address below in a tab of its own.", 401, direct=True,
        )  # fmt: skip

    async def log_in(self, request: Request) -> Response:
        """Begin a session: a redirect for a browser, `{"success": true}` for a script."""
        username, password = await _typed(request)
        if not await self._check(request, username, password):
            if _wants_page(request):
                return _form("User or password is wrong.", 401)
            raise HTTPException(401, "User or password is wrong.")
        home = RedirectResponse(f"{self._root_path}/admin/login?in", 303)
        response: Response = home if _wants_page(request) else JSONResponse({"success": True})
        for cookie, known, most, seconds in (
            (COOKIE, self._sessions, MAX_SESSIONS, SESSION_SECONDS),
            (BROWSER, self._browsers, MAX_KEYS, BROWSER_SECONDS),
        ):
            token = secrets.token_urlsafe(32)
            known[token] = time.monotonic() + seconds
            if len(known) > most:
                known.popitem(last=False)
            # Lax, so that a link to /admin on another site's page finds the login; what changes anything is only
            # taken from our own pages (see app/protection.py).
            response.set_cookie(
                cookie, token, max_age=seconds, httponly=True, samesite="lax", secure=request.url.scheme == "https",
                path=f"{self._root_path}/admin",
            )  # fmt: skip
        return response

    def log_out(self, request: Request) -> Response:
        """End the session."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        response = RedirectResponse(f"{self._root_path}/admin/login", 303)
        response.delete_cookie(COOKIE, path=f"{self._root_path}/admin")
        return response

    async def session(self, request: Request) -> Response:
        """How many seconds this session still lasts, and its name; 401 once it has ended, which the open page says."""
        headers = {"Cache-Control": "no-store"}
        ends, token = self._ends(request), request.cookies.get(COOKIE, "")
        if ends is None:
            if not await self._has_password(request):
                return JSONResponse({"error": ENDED}, 401, headers)
            ends, token = time.monotonic() + SESSION_SECONDS, ""  # as a proxy says it with each request
        return JSONResponse(
            {"seconds": round(ends - time.monotonic()), "login": self._digest(token).hex()}, headers=headers
        )


async def _typed(request: Request) -> tuple[str, str]:
    """User and password of a form; nothing for what is no text."""
    try:
        form = await request.form()
    except ValueError as error:  # a form may say how its text is written, also in a way in which none can be read
        raise HTTPException(400, "This is no form of the login.") from error
    user, password = (form.get(name) for name in ("username", "password"))
    return user if isinstance(user, str) else "", password if isinstance(password, str) else ""


_BASIC = {"WWW-Authenticate": 'Basic realm="Diptych"'}


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _form(problem: str, status: int = 200, direct: bool = False) -> Response:
    shown = "" if direct else " hidden"
    return HTMLResponse(
        f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Diptych: researchers</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>
<body><main><h1>Researchers</h1><form method="post" action="login">
<label>User<input name="username" autocomplete="username" required value="{USER}"></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required autofocus></label>
<p role="alert">{escape(problem)}</p><button>Log in</button></form>
<p id="direct"{shown}><a href="login" target="_blank" rel="noopener">Open this page in a tab of its own</a></p>
<p class="hint">The password was printed when the app started, or is in DIPTYCH_ADMIN_PASSWORD.</p>
</main><script>{SCRIPT}</script></body></html>""",
        status,
        {"Cache-Control": "no-store"},
    )
