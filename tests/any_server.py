"""An OpenAI-compatible server that answers whatever a test wants, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]
SSE = {"Content-Type": "text/event-stream"}
JSON = {"Content-Type": "application/json"}


def events(*deltas: Any, finish: str | None = "stop", more: dict[str, Any] | None = None) -> Reply:
    """A stream: each delta in an event, in raw UTF-8, then the end."""
    chunks = [{"choices": [{"delta": delta}], **(more or {})} for delta in deltas]
    chunks += [{"choices": [{"delta": {}, "finish_reason": finish}]}] if finish else []
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    return 200, SSE, "".join([*lines, "data: [DONE]\n\n"]).encode("utf-8", "surrogatepass")


def refusal(status: int, message: str, **headers: str) -> Reply:
    return status, {**JSON, **headers}, json.dumps({"error": {"message": message}}).encode()


class Server(ThreadingHTTPServer):
    """Answers as `chat` and `models` say; keeps what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.chat: Callable[[dict[str, Any]], Reply] = lambda body: events({"content": "ok"})
        self.models: Reply = (200, JSON, json.dumps({"data": [{"id": "m"}]}).encode())
        self.prefix = "/v1"
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        here = self.path.split("?")[0] == f"{self.server.prefix}/models"
        self._send(self.server.models if here else (404, {"Content-Type": "text/html"}, b"<h1>Not found</h1>"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        here = self.path.split("?")[0] == f"{self.server.prefix}/chat/completions"
        self._send(self.server.chat(body) if here else refusal(404, "Not Found"))

    def _send(self, reply: Reply) -> None:
        status, headers, data = reply
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def any_server() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
