"""Gradio's scripts and styles: compressed once, and kept by browsers, since their names change with their content.

A first page asks for more than fifty of them. Gradio compresses each anew for each visitor and lets no browser keep it,
which costs a few hundred milliseconds of CPU time a page, in the thread that all testers share.
"""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path

import anyio
import gradio
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

FOLDER = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
KEPT = "public, max-age=31536000, immutable"


class Assets:
    """ASGI middleware that answers for `/assets`; what it does not have, or not for this browser, is Gradio's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._names = {path.name for path in FOLDER.iterdir() if path.suffix in (".js", ".css")}
        self._packed: dict[str, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file that is known by its name, else ask the app."""
        name = _asked(scope)
        if name not in self._names:
            await self.app(scope, receive, send)
            return
        if name not in self._packed:
            self._packed[name] = await anyio.to_thread.run_sync(_pack, name)
        headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding", "Cache-Control": KEPT}
        response = Response(self._packed[name], headers=headers, media_type=mimetypes.guess_type(name)[0])
        await response(scope, receive, send)


def _asked(scope: Scope) -> str:
    """The name of the file that a browser which reads gzip asks for, of either page."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return ""
    path = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix("/admin")
    folder, _, name = path.rpartition("/")
    return name if folder == "/assets" and "gzip" in Headers(scope=scope).get("accept-encoding", "") else ""


def _pack(name: str) -> bytes:
    return gzip.compress((FOLDER / name).read_bytes(), 9)
