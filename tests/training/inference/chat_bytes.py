"""What servers of chat models send, as text, as events and as bytes of a socket."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.any_server import SSE, Reply, Server
from training.inference.openai_client import Client

FIELDS = {
    "messages": [{"role": "user", "content": "Hello?"}], "max_tokens": 8, "temperature": 0.0, "seed": 0, "top_p": 0.9,
}  # fmt: skip
HTML = {"Content-Type": "text/html"}


def say(client: Client) -> str:
    return "".join(more for more, _ in client.chat(FIELDS, lambda seconds: None))


def at(server: Server) -> Client:
    return Client(f"{server.url}/v1", "m")


def sse(*lines: str) -> Reply:
    return 200, SSE, "".join(lines).encode()


def delta(**fields: Any) -> str:
    return f"data: {json.dumps({'choices': [{'delta': fields}]}, ensure_ascii=False)}\n\n"


END = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
LINE = "A sentence that is long enough to be told apart from chance."


def choice(**fields: Any) -> str:
    return f"data: {json.dumps({'choices': [fields]})}\n\n"


WHOLE = {"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(text: str) -> bytes:
    return f"{len(text.encode()):x}\r\n{text}\r\n".encode()


def _take_request(connection: socket.socket) -> None:
    """All of it: what is left unread when a connection is closed resets it, and the client loses its answer."""
    came = b""
    while b"\r\n\r\n" not in came:
        if not (more := connection.recv(65536)):
            return
        came += more
    head, _, body = came.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        if not (more := connection.recv(65536)):
            return
        body += more


@contextmanager
def dribbling(pieces: Callable[[socket.socket], None], wrap: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server of bytes: what each connection gets, once its request is there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    connection = wrap.wrap_socket(connection, server_side=True) if wrap else connection
                    _take_request(connection)
                    pieces(connection)
                    connection.close()
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
