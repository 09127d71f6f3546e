"""The two pages and their configurations, which Gradio makes once.

Gradio makes them anew for each visitor, at 5 to 10 ms of the thread that all testers share. While the app runs only one
thing in them differs: the address under which they were asked for. So they are made under a name that no host has, and
its place is filled for each request. What depends on the study or the tester comes with the pages' first event; of each
language that testers read there is a page.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.language import current
from app.login import Login
from app.protection import ADMIN, READS, route_of

PLACE = b"http://address.invalid"  # a name that is kept from use (RFC 6761)
_PATHS = ("/", "/config", "/gradio_api/info")
_OWN = tuple(ADMIN + path for path in _PATHS)
_GZIP = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  # RFC 1952, 2.3: no name, no time, of no system
_NOTHING_MORE = b"\x01\x00\x00\xff\xff"
_OF_THE_VISITOR = (b"host", b"accept", b"accept-encoding", b"x-forwarded-host", b"x-forwarded-proto")


@dataclass(frozen=True)
class Page:
    """What Gradio made: bytes with :data:`PLACE` where the address belongs."""

    content: bytes
    media_type: str

    @functools.cached_property
    def packed(self) -> list[bytes]:
        """What stands between the places, each part compressed for itself, so that an address fits between."""
        parts = []
        for part in self.content.split(PLACE):
            packer = zlib.compressobj(5, wbits=-zlib.MAX_WBITS)
            parts.append(packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH))
        return parts


class Pages:
    """ASGI middleware that answers for the pages; who is not logged in is left to what lies behind it."""

    def __init__(self, app: ASGIApp, login: Login) -> None:
        self.app = app
        self._login = login
        self._made: dict[tuple[str, str], Page] = {}  # by path and language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a page as it was made; a query changes nothing in it."""
        path = route_of(scope) if scope["type"] == "http" and scope["method"] in READS else ""
        if path not in _PATHS and not (path in _OWN and self._login.has_session(Request(scope))):
            await self.app(scope, receive, send)
            return
        page = self._made.get((path, current())) or await self._make(scope, receive)
        if page is None:  # Gradio would not; its own words say why
            await self.app(scope, receive, send)
            return
        self._made[path, current()] = page
        headers = {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Accept-Language"}
        address = _address(scope)
        content = page.content.replace(PLACE, address)
        if "gzip" in Headers(scope=scope).get("accept-encoding", "") and len(content) > 1000:
            headers["Content-Encoding"] = "gzip"
            content = _packed(page.packed, address, content)
        await Response(content, headers=headers, media_type=page.media_type)(scope, receive, send)

    async def _make(self, scope: Scope, receive: Receive) -> Page | None:
        """The page as Gradio answers under the name that no host has."""
        headers = [(name, value) for name, value in scope["headers"] if name not in _OF_THE_VISITOR]
        headers += [(b"host", PLACE.removeprefix(b"http://")), (b"accept", b"text/html")]
        asked = {**scope, "headers": headers, "method": "GET", "scheme": "http", "query_string": b""}
        parts: list[bytes] = []
        start: Message = {}

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            parts.append(message.get("body", b""))

        await self.app(asked, receive, keep)
        if start.get("status") != 200:
            return None
        return Page(b"".join(parts), Headers(raw=start["headers"]).get("content-type", "text/html"))


def _packed(parts: list[bytes], address: bytes, content: bytes) -> bytes:
    """The content as gzip, of parts that are packed already: to pack all of it takes 9 ms for each name that a visitor
    calls the app by."""
    size = len(address)
    as_it_is = b"\0" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + address  # RFC 1951, 3.2.4
    sums = zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")
    return _GZIP + as_it_is.join(parts) + _NOTHING_MORE + sums


def _address(scope: Scope) -> bytes:
    """Scheme and host as the visitor sees them, also behind a proxy; `protection` has checked what they are made of."""
    headers = Headers(scope=scope)
    host = _first(headers.get("x-forwarded-host")) or headers.get("host")
    if not host:
        name, port = scope.get("server") or ("localhost", None)
        host = f"{name}:{port}" if port else name
    secure = scope["scheme"] == "https" or _first(headers.get("x-forwarded-proto")) == "https"
    return f"{'https' if secure else 'http'}://{host}".encode("latin-1")


def _first(value: str | None) -> str:
    return (value or "").partition(",")[0].strip()
