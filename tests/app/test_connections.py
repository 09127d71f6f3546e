"""Half-open connections, slow readers and crowds: whoever holds connections open keeps nobody else out."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from app import connections
from app.client import Proxies
from app.connections import (
    MAX_AHEAD,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_PIECES,
    Door,
    protocol_for,
    raise_file_limit,
)
from benchmarks.page import run
from tests.app.serving import App, wait_until

MANY = 1100


@contextlib.contextmanager
def held(port: int, number: int, begun: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that say this much and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, number + 500)), hard))
    opened: list[socket.socket] = []
    try:
        for _ in range(number):
            connection = socket.create_connection(("127.0.0.1", port), 10)
            with contextlib.suppress(OSError):  # made room for a later one already
                connection.sendall(begun)
            opened.append(connection)
        yield opened
    finally:
        for connection in opened:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_thousand_half_open_connections_keep_nobody_out(besieged: App, begun: bytes) -> None:
    before = besieged.log.stat().st_size
    with held(besieged.port, MANY, begun):
        for _ in range(5):
            assert httpx.get(f"{besieged.url}/healthz", timeout=10).status_code == 200
        process = psutil.Process(besieged.pid)
        wait_until(lambda: len(process.net_connections("tcp")) < connections.MAX_HALF_OPEN + 50)
    assert besieged.log.stat().st_size - before < 5000


def test_malformed_requests_do_not_fill_the_log(besieged: App) -> None:
    before = besieged.log.stat().st_size
    for _ in range(300):
        with socket.create_connection(("127.0.0.1", besieged.port), 10) as connection:
            connection.sendall(b"\x00\x1b[2J GET secret-text HTTP/1.1\r\n\r\n")
            with contextlib.suppress(OSError):
                connection.recv(1000)
    written = besieged.log.read_text(encoding="utf-8")[-20_000:]
    assert besieged.log.stat().st_size - before < 10_000
    assert "secret-text" not in written
    assert "\x1b" not in written


class Transport:
    """What a protocol writes to."""

    def __init__(self, host: str = "203.0.113.7") -> None:
        self.host = host
        self.aborted = False

    def get_extra_info(self, name: str) -> Any:
        return {"peername": (self.host, 50000), "sockname": ("127.0.0.1", 1)}.get(name)

    def abort(self) -> None:
        self.aborted = True

    close = abort

    def is_closing(self) -> bool:
        return self.aborted

    def write(self, data: bytes) -> None:
        """Taken."""

    def pause_reading(self) -> None:
        """The rest is given all the same."""

    resume_reading = pause_reading


def connect(door: Door, loop: asyncio.AbstractEventLoop, host: str = "203.0.113.7") -> tuple[Any, Transport]:
    import uvicorn
    from uvicorn.server import ServerState

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    config = uvicorn.Config(app, log_config=None, ws="none")
    config.load()
    made: Any = protocol_for(door)
    protocol, transport = made(config, ServerState(), {}, loop), Transport(host)
    protocol.connection_made(transport)
    return protocol, transport


def test_headers_that_never_end_and_readers_that_never_read_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.1)
    monkeypatch.setattr(connections, "WRITE_SECONDS", 0.1)

    async def play() -> None:
        loop, door = asyncio.get_running_loop(), Door(10)
        silent, slow, served, big = (connect(door, loop) for _ in range(4))
        slow[0].data_received(b"GET / HTTP/1.1\r\nHost: x\r\n")
        served[0].data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(70):
            big[0].data_received(
                b"" if big[1].aborted else b"GET / HTTP/1.1\r\n" if _ == 0 else b"X: " + b"y" * 997 + b"\r\n"
            )
        assert big[1].aborted, "headers have a length"
        await asyncio.sleep(0.3)
        assert silent[1].aborted
        assert slow[1].aborted
        assert not served[1].aborted, "an answer may take its time"
        served[0].pause_writing()
        served[0].resume_writing()
        await asyncio.sleep(0.3)
        assert not served[1].aborted
        served[0].pause_writing()
        await asyncio.sleep(0.3)
        assert served[1].aborted
        for protocol, _ in (silent, slow, served, big):
            protocol.connection_lost(None)
        assert not door.all
        assert not door.by_address
        assert not door.half_open

    run(play())


@pytest.mark.parametrize(("ahead", "answers"), [(MAX_AHEAD, 1 + MAX_AHEAD), (50_000, 500)])
def test_of_requests_that_wait_for_no_answer_only_a_few_are_kept(besieged: App, ahead: int, answers: int) -> None:
    """uvicorn kept all that came, at a hundred times their size, and read more with each answer that it gave."""
    requests = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * (1 + ahead)
    received = b""

    def send() -> None:
        with contextlib.suppress(OSError):
            connection.sendall(requests)

    with socket.create_connection(("127.0.0.1", besieged.port), 30) as connection, ThreadPoolExecutor(1) as pool:
        pool.submit(send)
        with contextlib.suppress(ConnectionError):
            while received.count(b"HTTP/1.1 404") < answers and (part := connection.recv(1 << 16)):
                received += part
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    assert (received.count(b"HTTP/1.1 404") == answers) is (ahead == MAX_AHEAD)


def test_a_request_has_a_number_of_headers(besieged: App) -> None:
    few, many = ([("X-Some", "thing")] * number for number in (MAX_HEADERS - 10, MAX_HEADERS + 1))
    assert httpx.get(f"{besieged.url}/healthz", headers=few).status_code == 200
    assert httpx.get(f"{besieged.url}/healthz", headers=many).status_code == 400


def test_a_body_has_a_number_of_pieces() -> None:
    """A megabyte of single bytes took 48 ms, of whoever sent it."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def play() -> None:
        protocol, transport = connect(Door(2), asyncio.get_running_loop())
        protocol.data_received(head + b"1\r\nx\r\n" * MAX_PIECES)
        assert not transport.aborted
        protocol.data_received(b"1\r\nx\r\n")
        assert transport.aborted

    run(play())


BEGUN = b"POST /admin/login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
IN_PIECES = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begun", "goes_on"),
    [
        (BEGUN, b"GET / HTTP/1.1\r\nX: "),  # the next request, while an answer takes as long as a wrong password does
        (BEGUN, b"GET /"),
        (IN_PIECES, b"1\r\nx\r\n0\r\nX: "),  # what may follow a body in pieces
        (IN_PIECES, b"1;x="),  # and what may stand beside each of them
    ],
)
def test_what_never_ends_is_not_kept_while_an_answer_is_on_its_way(begun: bytes, goes_on: bytes) -> None:
    """A gigabyte of it was, of anybody who sent a request that is answered late."""

    async def play() -> None:
        protocol, transport = connect(Door(2), asyncio.get_running_loop())
        protocol.data_received(begun)
        protocol.data_received(goes_on)
        for _ in range(MAX_HEADER_BYTES // 1000 - 1):
            protocol.data_received(b"y" * 1000)
            assert not transport.aborted
        for _ in range(2):
            protocol.data_received(b"y" * 1000)
        assert transport.aborted

    run(play())


def test_a_body_and_hundreds_of_requests_after_each_other_may_be_long() -> None:
    """What counts is what comes beside a body, and within one answer."""

    async def play() -> None:
        protocol, transport = connect(Door(2), asyncio.get_running_loop())
        for _ in range(100):
            protocol.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 2000 + b"\r\n\r\n")
            assert not transport.aborted
            protocol.cycle.response_complete = True
        protocol.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        for _ in range(200):
            protocol.data_received(b"z" * 1000)
        assert not transport.aborted

    run(play())


def test_an_address_has_a_number_of_connections_and_a_trusted_proxy_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "MAX_HALF_OPEN", 2)

    async def play() -> None:
        loop, door = asyncio.get_running_loop(), Door(30)
        crowd = [connect(door, loop) for _ in range(3)]
        assert [transport.aborted for _, transport in crowd] == [True, False, False], "the oldest without a request"
        for protocol, _ in crowd[1:]:
            protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connect(door, loop)[1].aborted, "the address has its three"
        assert not connect(door, loop, "2001:db8::1")[1].aborted
        door.exempt = Proxies.read("192.0.2.1, ::1,10.1.0.0/16")
        for host in ("192.0.2.1", "::1", "::ffff:10.1.2.3"):  # as addresses, and as one of a network
            burst = [connect(door, loop, host) for _ in range(5)]  # before a byte of any is read
            assert not any(transport.aborted for _, transport in burst)
            assert door.by_address[host] == 5 > connections.MAX_CONNECTIONS

    run(play())


def test_the_limit_of_open_files_is_raised_and_said(besieged: App) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, soft), hard))
        before, now = raise_file_limit()
        assert before == min(512, soft)
        assert now == min(hard, connections.MAX_FILES) or hard == resource.RLIM_INFINITY
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "open files" in besieged.log.read_text(encoding="utf-8")


def test_an_idle_page_costs_no_request(besieged: App) -> None:
    """A connection that is kept open after an answer is uvicorn's to close, not cut while an answer is on its way."""
    with httpx.Client(base_url=besieged.url) as http:
        assert http.get("/healthz").status_code == 200
        time.sleep(1)
        assert http.get("/healthz").status_code == 200
