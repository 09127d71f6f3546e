"""What every request and every response is held to: known routes, our own origin, small bodies, no foreign content."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.language import tr
from app.login import BROWSER, COOKIE
from feedback.messages import mark

MAX_BODY_BYTES = 1 << 20
MAX_FORM_BYTES = 4096  # of what is no event: the login
BODY_SECONDS = 30.0  # for a whole body, however slowly it is sent
OUR_WORD = "X-Diptych"  # a header that tells our own refusal from a proxy's
FOREIGN = mark(
    "This request came from another site's page; open this app's own page. If this is it, the proxy in front must pass"
    " on the Host and scheme that the browser asked for."
)
READS = ("GET", "HEAD")
ADMIN = "/admin"

# Gradio registers some sixty routes a page: uploads, deep links, recordings, code editing, reloads. These are what the
# pages ask for; whatever else there is, or comes with an upgrade, is not there.
FRAMED = "/static/js/iframeResizer.contentWindow.min.js"  # what a page asks for that is shown in a frame
_PAGE = ("/", "/config", "/theme.css", "/manifest.json", "/favicon.ico", "/robots.txt", FRAMED)
_BOTH_PAGES = dict.fromkeys((*_PAGE, "/gradio_api/info", "/gradio_api/startup-events"), READS)
_BELOW = ("/assets/",)
EVENTS = "/gradio_api/run/predict"  # of testers: one plain request each
ADMIN_EVENTS = f"{ADMIN}/gradio_api/queue/join"  # of researchers: their answers come through a stream
EXPORTS = (f"{ADMIN}/export/", f"{ADMIN}/comparison/")
ROUTES = {
    **_BOTH_PAGES,
    EVENTS: ("POST",),
    "/healthz": READS,
    "/metrics": READS,
    ADMIN: READS,
    **{ADMIN + path: methods for path, methods in _BOTH_PAGES.items()},
    ADMIN_EVENTS: ("POST",),
    f"{ADMIN}/gradio_api/queue/data": ("GET",),
    f"{ADMIN}/login": (*READS, "POST"),
    f"{ADMIN}/logout": ("POST",),
    f"{ADMIN}/session": READS,
}
HEARTBEAT = f"{ADMIN}/gradio_api/heartbeat/"  # by which Gradio knows when a page that keeps something is closed
PREFIXES = (*_BELOW, *(ADMIN + path for path in _BELOW), HEARTBEAT, *EXPORTS)
_ASKED = (f"{ADMIN}/login", f"{ADMIN}/gradio_api/queue/data")  # what a query changes; elsewhere it is not even read
_MAX_QUERY = 200  # characters

# Gradio builds its templates with `new Function` and its styles inline; nothing may come from another host.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)


_HOST = re.compile(r"[A-Za-z0-9._~-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_BELOW_IT = re.compile(
    r"(?:(?!\.)[A-Za-z0-9_.@~-]{1,200}/){0,4}(?!\.)[A-Za-z0-9_.@~-]{1,200}"
)  # no name is hidden or `..`
_NAMES = ("host", "x-forwarded-host")  # what the pages and the check of origins take for the app's own name
_MAX_NAMES = 10  # of the proxies that a request came through
# Other cookies, those of all that runs on other ports of this host among them, are not even read.
_OUR_COOKIES = re.compile(rf"(?:^|;)\s*((?:{COOKIE}|{BROWSER})=[^;\s]*)".encode())
_MAX_COOKIES = 16 << 10  # bytes, twice what most servers take; 60,000 semicolons took 3 ms to look through
_NEVER = (b"x-gradio-server",)  # by which anybody could tell Gradio another address of its own


class SubPath:
    """ASGI middleware for proxies that leave the app's own root on a path, where others take it off."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take it off; the server puts it before every path, so that here it stands there twice."""
        root = scope.get("root_path", "")
        if root and scope["type"] == "http" and route_of(scope) == root:  # what a page asks for lies below a slash
            query = scope["query_string"].decode("latin-1")
            await RedirectResponse(f"{root}/{query and '?'}{query}")(scope, receive, send)
            return
        if root and scope["type"] == "http" and route_of(scope).startswith(f"{root}/"):
            raw = scope.get("raw_path", b"").removeprefix(root.encode())
            scope = {**scope, "path": route_of(scope), "raw_path": raw}
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Origins:
    """Whom the pages trust besides themselves; by default nobody."""

    frames: tuple[str, ...] = ()  # origins whose pages may show ours in a frame, such as `https://huggingface.co`
    scripts: tuple[str, ...] = ()  # origins whose pages may send requests and read the answers


class Protection:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, origins: Origins | None = None) -> None:
        self.app = app
        self.origins = origins or Origins()
        self._headers = {
            "Content-Security-Policy": " ".join((_POLICY, *self.origins.frames)),
            "Cross-Origin-Resource-Policy": "same-origin",
            # Not `no-referrer`: browsers would then send `Origin: null` with our own login form.
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is closed, foreign or too large; add the headers to everything else."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        query = scope["query_string"] if route_of(scope) in _ASKED else b""
        scope = {**scope, "headers": _read(scope["headers"])}
        scope["query_string"] = query if len(query) <= _MAX_QUERY else b""
        send = self._with_headers(Headers(scope=scope), send)
        if refusal := self._refusal(scope):
            await refusal(scope, receive, send)
            return
        if scope["method"] == "HEAD" and not route_of(scope).startswith((*EXPORTS, HEARTBEAT)):
            scope["method"] = "GET"  # which is all that Gradio's routes know; the server leaves the body out
        await self.app(scope, _bounded(receive, _most(route_of(scope))), send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, method, path = Headers(scope=scope), scope["method"], route_of(scope)
        names = [part for name in _NAMES for value in headers.getlist(name) for part in value.split(",")]
        if len(headers.getlist("host")) > 1 or len(names) > _MAX_NAMES or not all(map(is_host, names)):
            return PlainTextResponse("The name of the host is none.", 400)
        if method == "OPTIONS" and headers.get("origin") in self.origins.scripts:
            return Response(status_code=204, headers={"Access-Control-Allow-Headers": "content-type"})
        if not is_open(method, path):
            return PlainTextResponse("There is nothing here.", 404)
        sensitive = method not in READS or path.startswith(EXPORTS)
        if sensitive and headers.get("origin") not in self.origins.scripts and not is_own(scope):
            return PlainTextResponse(tr(FOREIGN), 403, {OUR_WORD: "origin"})
        if declared_length(headers) > (most := _most(path)):
            return PlainTextResponse(f"The request is larger than {most} bytes.", 413)
        return None

    def _with_headers(self, asked: Headers, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.lower().startswith("access-control-")]:
                    if name.lower() != "access-control-allow-headers" or message["status"] != 204:
                        del headers[name]  # Gradio lets every origin in
                if (origin := asked.get("origin")) and origin in self.origins.scripts:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers.add_vary_header("Origin")
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return send_with_headers


def _read(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers as the app reads them."""
    return [
        (name, b"; ".join(_OUR_COOKIES.findall(value, 0, _MAX_COOKIES)) if name == b"cookie" else value)
        for name, value in headers
        if name not in _NEVER and not (name == b"range" and b"," in value)  # a hundred parts of a file, each looked for
    ]


def _most(route: str) -> int:
    """How many bytes a request may bring."""
    return MAX_BODY_BYTES if route in (EVENTS, ADMIN_EVENTS) else MAX_FORM_BYTES


def is_host(value: str) -> bool:
    """Whether a name, with a port perhaps, can be put into an address as it is."""
    return bool(_HOST.fullmatch(value.strip()))


def route_of(scope: Scope) -> str:
    """The path below the app's own root."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_open(method: str, path: str) -> bool:
    """Whether there is such a route for browsers and scripts."""
    if path in ROUTES:
        return method in ROUTES[path]
    prefix = next((prefix for prefix in PREFIXES if path.startswith(prefix)), None)
    return method in READS and prefix is not None and bool(_BELOW_IT.fullmatch(path[len(prefix) :]))


def is_own(scope: Scope) -> bool:
    """Whether a request comes from a page of ours, which every browser says with a request that changes something.

    One that says nothing is a script's; a script that changes something says `Origin` too. Without it there are only
    downloads, with the password in each request: a cookie could have been borrowed by a page in an old browser.
    """
    headers, reads = Headers(scope=scope), scope["method"] in READS
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin" or (reads and site == "none")  # none: typed into the address bar
    if origin := headers.get("origin"):
        return _is_same(origin, scope["scheme"], (headers.get("host"), headers.get("x-forwarded-host")))
    return reads and "cookie" not in headers


def _is_same(origin: str, scheme: str, hosts: Iterable[str | None]) -> bool:
    """Whether an origin is one of these hosts; a proxy that ends TLS may not say so, hence `http` fits both schemes."""
    try:
        parts = urlsplit(origin)
        standard = {"http": 80, "https": 443}[parts.scheme]
        asked = (parts.hostname, parts.port or standard)
        known = {(host.hostname, host.port or standard) for host in (urlsplit(f"//{h}") for h in hosts if h)}
    except (KeyError, ValueError):
        return False
    return asked in known and (scheme != "https" or parts.scheme == "https")


def declared_length(headers: Headers) -> int:
    """The length of a body as the request declares it."""
    value = headers.get("content-length", "0")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else MAX_BODY_BYTES + 1


def _bounded(receive: Receive, most: int) -> Receive:
    """A body that is sent in chunks without a length, or drop by drop, ends as if the client had hung up."""
    received, whole, deadline = 0, False, time.monotonic() + BODY_SECONDS

    async def receive_some() -> Message:
        nonlocal received, whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, deadline - time.monotonic()))
        except asyncio.TimeoutError:
            return {"type": "http.disconnect"}
        received += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message if received <= most else {"type": "http.disconnect"}

    return receive_some
