"""Gradio's scripts, styles and fonts: compressed once, and kept by browsers, as their names change with their content.

A first page asks for more than fifty of them. Gradio compresses each anew for each visitor and lets no browser keep it,
which costs a few hundred milliseconds of CPU time a page, in the thread that all testers share. And it has more than a
page needs: 32 MB of a program for films, which took a second of that thread for whoever asked.
"""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path

import anyio
import gradio
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.protection import ADMIN, FRAMED, READS, route_of

FOLDER = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
KEPT = "public, max-age=31536000, immutable"
MAX_BYTES = 1_000_000  # of a file; those of plots and films, which no page shows, have more
PART = 1 << 16  # sent at once, so that who reads slowly has no more in memory
_TEXTS = (".js", ".css", ".svg")  # fonts are packed


class Assets:
    """ASGI middleware that answers for `/assets`, and for what a page in a frame asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        small = (path for path in FOLDER.iterdir() if path.is_file() and path.stat().st_size <= MAX_BYTES)
        self._files = {f"/assets/{path.name}": path for path in small} | {FRAMED: FOLDER.parent / FRAMED[1:]}
        self._packed: dict[str, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file that is known by its name; what else is asked for there is not there."""
        route = route_of(scope).removeprefix(ADMIN) if scope["type"] == "http" else ""
        if scope.get("method") not in READS or not (route in self._files or route.startswith("/assets/")):
            await self.app(scope, receive, send)
            return
        if route not in self._files:
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send)
            return
        path = self._files[route]
        headers = {"vary": "Accept-Encoding", "cache-control": KEPT if route != FRAMED else "no-cache"}
        headers["content-type"] = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if path.suffix in _TEXTS and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            if route not in self._packed:
                self._packed[route] = await anyio.to_thread.run_sync(lambda: gzip.compress(path.read_bytes(), 9))
            content = self._packed[route]
            headers["content-encoding"] = "gzip"
        else:
            content = await anyio.to_thread.run_sync(path.read_bytes)
        headers["content-length"] = str(len(content))
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        for place in range(0, len(content), PART) if scope["method"] == "GET" else ():
            await send({"type": "http.response.body", "body": content[place : place + PART], "more_body": True})
        await send({"type": "http.response.body", "body": b""})
