"""A sentence for browsers without JavaScript, in which Gradio shows an empty page."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SENTENCE = (
    b"<noscript><p>This page needs JavaScript, which is turned off in this browser. Please turn it on for this page and"
    b" reload it.</p></noscript>"
)


class NoScript:
    """ASGI middleware that puts the sentence at the end of a page (Gradio's `head` is put there by a script)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

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
            page = page.replace(b"</body>", SENTENCE + b"</body>", 1)
            MutableHeaders(scope=start)["content-length"] = str(len(page))
            await send(start)
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, send_whole)
