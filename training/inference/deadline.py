"""How long a server may take in all. httpx bounds each single read, so who sends a byte now and then is never late."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpcore
import httpx

_thread = threading.local()  # `deadline`: of what this thread is reading


class Deadline:
    """Within it, what a thread reads through a client that is :func:`timed` has so many seconds in all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._before: Deadline | None = None
        self.renew()

    def renew(self, seconds: float | None = None) -> None:
        """As many seconds again, or so many: something has come."""
        self._seconds = self._seconds if seconds is None else seconds
        self._until = time.monotonic() + self._seconds

    def left(self) -> float:
        """Seconds that are left. Raises httpcore.ReadTimeout."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout(f"no answer within {self._seconds:g} s")
        return seconds

    def __enter__(self) -> Deadline:
        self._before = getattr(_thread, "deadline", None)
        _thread.deadline = self
        return self

    def __exit__(self, *_: object) -> None:
        if getattr(_thread, "deadline", None) is self:  # a generator may be closed in another thread
            _thread.deadline = self._before


def timed(client: httpx.Client) -> httpx.Client:
    """Let the connections that a client opens, directly or by a proxy, end at the deadline of who reads."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _Backend()  # httpx has no argument for it
    return client


class _Backend(httpcore.SyncBackend):
    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(*args, **options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self.write, self.close, self.get_extra_info = stream.write, stream.close, stream.get_extra_info  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadline: Deadline | None = getattr(_thread, "deadline", None)
        if deadline is not None:
            left = deadline.left()
            timeout = left if timeout is None else min(timeout, left)
        return self._stream.read(max_bytes, timeout)

    def start_tls(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(*args, **options))
