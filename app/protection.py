"""What every response and every request is held to: no foreign content, no large bodies, no uploads."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1 << 20
# No component takes files, the testers' page asks directly while a queue would keep whatever anybody joins, and a deep
# link writes to the disk.
CLOSED_PATHS = (
    "/gradio_api/upload",
    "/gradio_api/queue",
    "/gradio_api/call",
    "/gradio_api/deep_link",
    "/admin/gradio_api/upload",
    "/admin/gradio_api/deep_link",
)

HEADERS = {
    # Gradio builds its templates with `new Function` and its styles inline; nothing may come from another host.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Protection:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is closed or too large; add the headers to everything else."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"].removeprefix(scope.get("root_path", "")).startswith(CLOSED_PATHS):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send)
            return
        if _declared_length(scope) > MAX_BODY_BYTES:
            await PlainTextResponse(f"The request is larger than {MAX_BODY_BYTES} bytes.", 413)(scope, receive, send)
            return
        received = 0

        async def receive_some() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:  # sent in chunks without a length
                return {"type": "http.disconnect"}
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive_some, send_with_headers)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else MAX_BODY_BYTES + 1
    return 0
