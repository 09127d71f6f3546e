"""The language of each request, and what a page holds before its scripts run: its language, their texts in it, and
sentences for browsers without JavaScript and for scripts that did not arrive, with which Gradio shows an empty page."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.language import ENGLISH, attributes, chosen, current, script_texts, speaking, tr
from app.protection import ADMIN, route_of
from app.runtime import Runtime
from feedback.messages import mark

NO_SCRIPT = mark(
    "This page needs JavaScript, which is turned off in this browser. Please turn it on for this page and reload it."
)
INCOMPLETE = mark("A part of this page did not arrive. Please reload it.")
_ARRIVAL = (Path(__file__).parent / "arrival.js").read_text(encoding="utf-8")


class Languages:
    """ASGI middleware that finds out the language of each request; researchers' pages are in English."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self.app = app
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the language of the study or the browser."""
        language = ENGLISH
        if scope["type"] == "http" and not route_of(scope).startswith(ADMIN):
            wishes = ",".join(Headers(scope=scope).getlist("accept-language"))
            language = chosen(self._runtime.study, wishes)
        with speaking(language):
            await self.app(scope, receive, send)


class PageTexts:
    """ASGI middleware that puts the texts into a page (Gradio's `head` is put there by a script)."""

    def __init__(self, app: ASGIApp, script: str) -> None:
        self.app = app
        self._script = script

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a page back until it is whole; let everything else through."""
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        page = b""

        async def send_whole(message: Message) -> None:
            nonlocal start, page
            if message["type"] == "http.response.start" and "text/html" in Headers(raw=message["headers"]).get(
                "content-type", ""
            ):
                start = message
                return
            if start is None:
                await send(message)
                return
            page += message.get("body", b"")
            if message.get("more_body"):
                return
            page = self._with_texts(page)
            headers = MutableHeaders(scope=start)
            headers["content-length"] = str(len(page))
            headers["content-language"] = current()
            await send(start)
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, send_whole)

    def _with_texts(self, page: bytes) -> bytes:
        end = f"<noscript><p>{escape(tr(NO_SCRIPT))}</p></noscript>"
        end += f'<p id="incomplete" hidden><a href="">{escape(tr(INCOMPLETE))}</a></p>'
        texts = json.dumps(script_texts(self._script), ensure_ascii=False).replace("<", "\\u003c")
        end = f'<script type="application/json" id="texts" {attributes(current(), "data-")}>{texts}</script>{end}'
        page = page.replace(b"<head>", f"<head><script>{_ARRIVAL}</script>".encode(), 1)
        page = page.replace(b'lang="en"', attributes(current()).encode(), 1)
        return page.replace(b"</body>", end.encode() + b"</body>", 1)
