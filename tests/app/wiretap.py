"""A proxy that keeps every byte that a browser receives from the app."""

from __future__ import annotations

import contextlib
import re
import socket
import threading


class Wiretap:
    """Forwards connections to a port of this machine; `received` is what went back, headers and streams included."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._chunks: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def received(self) -> str:
        return b"".join(self._chunks).decode("utf-8", "replace")

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self._record, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        """Requests, as they are but for asking for uncompressed answers."""
        while data := _receive(client):
            server.sendall(re.sub(rb"(?i)accept-encoding: [^\r]*", b"Accept-Encoding: identity", data))
        _end(server)

    def _record(self, server: socket.socket, client: socket.socket) -> None:
        while data := _receive(server):
            self._chunks.append(data)
            try:
                client.sendall(data)
            except OSError:
                break
        _end(client)


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


def _end(target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
