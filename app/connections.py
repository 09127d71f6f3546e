"""Who may hold a connection open, and for how long: half-open ones, slow readers and crowds keep nobody else out.

uvicorn waits for ever for a request's first line, its headers, and for a client that reads nothing. Here each has a
time; an address has a number of connections, and of those without a request the oldest makes room for the next.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, defaultdict, deque
from collections.abc import Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from app.client import network

HEADER_SECONDS = 10.0  # until a request's headers are there, from the first connection or the first byte
WRITE_SECONDS = 30.0  # a client that takes nothing of an answer for so long is gone
MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 100  # lines; each is looked at again and again, and browsers behind proxies send some forty
MAX_PIECES = 4096  # of a body: as they come in packets, or as its sender parts it, of a byte each if he likes
MAX_AHEAD = 16  # requests sent before the answers to those before them; browsers send none
MAX_LEFT_BYTES = 16 << 20  # of a body that was refused before it was read, and is dropped as it comes
MAX_HALF_OPEN = 128  # of one address, without a request yet
MAX_CONNECTIONS = 600  # of one address: thirty browsers have some two hundred
MAX_FILES = 65_536
RESERVED_FILES = 256  # for the database, the models and pages


@dataclass
class Door:
    """The connections that are open."""

    most: int  # of all addresses together
    exempt: Container[str] = frozenset()  # addresses that stand for many clients: proxies that are trusted
    all: set[Any] = field(default_factory=set)
    by_address: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    half_open: dict[str, OrderedDict[Any, None]] = field(default_factory=lambda: defaultdict(OrderedDict))

    def admit(self, connection: Any, address: str) -> bool:
        """Whether there is room for one more; an address's oldest connection without a request may make some."""
        most, half_open = (self.most, self.most) if address in self.exempt else (MAX_CONNECTIONS, MAX_HALF_OPEN)
        if self.by_address[address] >= most:
            return False
        waiting = self.half_open[address]
        if len(waiting) >= half_open or (len(self.all) >= self.most and waiting):
            waiting.popitem(last=False)[0].close()
        if len(self.all) >= self.most:
            return False
        self.all.add(connection)
        self.by_address[address] += 1
        waiting[connection] = None
        return True

    def began(self, connection: Any, address: str) -> None:
        """A request has come."""
        if address in self.half_open:
            self.half_open[address].pop(connection, None)

    def gone(self, connection: Any, address: str) -> None:
        """A connection is closed."""
        if connection in self.all:
            self.all.discard(connection)
            self.began(connection, address)
            self.by_address[address] -= 1
            if not self.by_address[address]:
                del self.by_address[address]
                self.half_open.pop(address, None)


if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol
else:
    Protocol = AutoHTTPProtocol
_TELLS_BODIES = hasattr(Protocol, "on_body")  # httptools' does; h11 keeps no headers that are too long, nor trailers


class TimedProtocol(Protocol):
    """uvicorn's protocol with a door and with timeouts; `door` is set by :func:`protocol_for`."""

    door: Door
    pipeline: deque[Any]  # of httptools' protocol: what was sent ahead
    _address = ""
    _header_bytes = 0
    _beside = 0  # bytes since the request that is being answered began, bodies left out
    _body_bytes = 0  # in what was read last
    _in_body = False
    _pieces = 0
    _reading: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Admit the client, or close at once."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self._address = host if host in self.door.exempt else network(host)
        if self.door.admit(self, self._address):
            self._reading = self.loop.call_later(HEADER_SECONDS, self.close)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self.door.gone(self, self._address)
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; headers have a time and a length.

        So has what comes beside bodies while an answer is on its way, which takes as long as a wrong password does: of
        the next request's headers, or of what may follow a body in pieces, all would be kept that a client sends.
        """
        if not self._is_answering():
            self._beside = 0
        self._body_bytes = 0
        super().data_received(data)
        self._beside += len(data) - self._body_bytes
        if self._is_answering():
            if self._beside > MAX_HEADER_BYTES and _TELLS_BODIES:
                self.close()
                return
            self._header_bytes = 0
            if self._reading is not None:
                self._reading.cancel()
                self._reading = None
            self.door.began(self, self._address)
            return
        self._header_bytes += len(data)
        if self._header_bytes > (MAX_LEFT_BYTES if self._in_body else MAX_HEADER_BYTES):
            self.close()
        elif self._reading is None:
            self._reading = self.loop.call_later(HEADER_SECONDS, self._look)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """One more line of headers; what is raised here ends the connection with 400."""
        super().on_header(name, value)  # type: ignore[misc]
        if len(self.headers) > MAX_HEADERS:
            raise ValueError("too many headers")

    def on_headers_complete(self) -> None:
        """What follows is the body (told by httptools alone; h11 keeps no headers that are too long, and reads on when
        a request is answered).

        uvicorn keeps what a client sends ahead, of which every answer lets it read more: 3 kB of 30 bytes.
        """
        if len(self.pipeline) >= MAX_AHEAD:
            raise ValueError("too many requests ahead")
        super().on_headers_complete()  # type: ignore[misc]
        self._in_body, self._pieces = True, 0

    def on_body(self, body: bytes) -> None:
        """One more piece of a body (of httptools as well): each has its cost, however little is in it."""
        self._body_bytes += len(body)
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            raise ValueError("too many pieces")
        super().on_body(body)  # type: ignore[misc]

    def on_message_complete(self) -> None:
        """What follows is the next request."""
        self._in_body = False
        super().on_message_complete()  # type: ignore[misc]

    def _look(self) -> None:
        """Close where headers that were begun have not ended; an idle connection is uvicorn's to close."""
        self._reading = None
        if not self._is_answering():
            self.close()

    def close(self) -> None:
        """End the connection now, whatever is still to be sent."""
        if self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(WRITE_SECONDS, self.close)

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None


def protocol_for(door: Door) -> type[TimedProtocol]:
    """The protocol class of one server."""
    return type("DoorProtocol", (TimedProtocol,), {"door": door})


def raise_file_limit() -> tuple[int, int]:
    """Allow this process as many open files as the system does, up to MAX_FILES; the limit before and now."""
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return soft, soft
        with contextlib.suppress(ValueError, OSError):  # macOS says more than it allows
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_FILES, MAX_FILES
