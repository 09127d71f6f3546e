"""How often one tester and one address may ask."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.client import address
from app.limits import (
    ADDRESS_EVENTS,
    ALL_CODES,
    COUNTED_CODES,
    FREE_CODES,
    HOUR,
    LONGEST_DELAY,
    MAX_KEYS,
    SESSION_LIMIT,
    TESTER_BYTES,
    Bucket,
    Later,
    Limits,
    Line,
    Window,
)  # fmt: skip
from benchmarks.page import run
from feedback.blind_test import Refused
from feedback.entry import WrongCode
from tests.feedback.protocol import open_test


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_tester_is_told_when_to_come_back() -> None:
    clock = Clock()
    limits = Limits(tester=2, address=0, clock=clock)
    for clock.now in (0.0, 600.0):
        limits.check("here", "ada")
        limits.count("here", "ada")
    with pytest.raises(Refused, match=r"2 questions within an hour; come back in 50 minutes\.$"):
        limits.check("elsewhere", "ada")
    limits.check("here", "bob")
    clock.now = HOUR - 20
    with pytest.raises(Refused, match="in 20 seconds"):
        limits.check("here", "ada")
    clock.now = HOUR
    limits.check("here", "ada")


def test_an_address_is_limited_over_all_its_testers_and_new_sessions() -> None:
    limits = Limits(tester=0, address=3, clock=Clock())
    limits.count("here")
    limits.count("here", "ada")
    limits.count("here", "bob")
    with pytest.raises(Refused, match="from your network"):
        limits.check("here", "carol")
    limits.check("there", "carol")


def test_what_is_past_is_forgotten() -> None:
    clock = Clock()
    window = Window(1, 10, clock)
    for number in range(MAX_KEYS):
        window.count(str(number))
    clock.now = 11
    window.count("last")
    assert len(window._events) == 1
    unlimited = Window(0, 10, clock)
    unlimited.count("x")
    assert unlimited.wait("x") == 0


def test_many_addresses_at_once_cost_no_more_each_than_a_few() -> None:
    """Whoever has a /48 of IPv6 has 65,536; from the 10,000th on all were looked at for each further one."""
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return 0.0

    window = Window(1, 10, clock)
    for number in range(4 * MAX_KEYS):
        window.count(str(number))
    assert looks < 5 * 4 * MAX_KEYS


def test_of_many_at_the_same_moment_no_more_pass_than_are_left() -> None:
    limits, passed, barrier = Limits(tester=5, address=0, clock=Clock()), [], threading.Barrier(30)

    def ask(_: int) -> None:
        barrier.wait()
        try:
            with limits.counted("here", "ada"):
                passed.append(1)
        except Refused:
            pass

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(ask, range(30)))
    assert len(passed) == 5


def test_what_is_refused_is_not_counted() -> None:
    limits = Limits(tester=1, address=1, clock=Clock())
    with pytest.raises(Refused, match="empty"), limits.counted("here", "ada"):
        raise Refused("The question is empty.")
    with limits.counted("here", "ada"):
        pass
    with pytest.raises(Refused, match="1 question "), limits.counted("here", "ada"):
        pass


def test_a_class_of_thirty_behind_one_address_fits_and_a_crowd_does_not() -> None:
    """Twice thirty testers who each ask eight questions and send an event every three seconds for half an hour."""
    clock = Clock()
    limits = Limits(clock=clock)
    testers = [f"tester {number}" for number in range(SESSION_LIMIT)]
    for _ in testers:
        limits.check("school")
        limits.count("school")
    with pytest.raises(Refused, match="people have begun from your network"):
        limits.check("school")
    limits.check("elsewhere")
    for round_ in range(8):
        for number, tester in enumerate(testers):
            clock.now = 225 * round_ + 3 * number
            with limits.counted("school", tester):
                pass
            for _ in range(75):
                limits.event("school", tester, 2000)


def test_events_and_bytes_of_an_address_and_of_a_tester_are_limited() -> None:
    clock = Clock()
    limits = Limits(clock=clock)
    for _ in range(ADDRESS_EVENTS):
        limits.event("here", "", 300)
    with pytest.raises(Refused, match="from your network; it goes on in 1 second\\."):
        limits.event("here", "", 300)
    limits.event("there", "", 300)
    for _ in range(TESTER_BYTES // 250_000):
        clock.now += 1
        limits.event("there", "ada", 250_000)
    with pytest.raises(Refused, match="This page has sent too much"):
        limits.event("there", "ada", 250_000)
    limits.event("there", "bob", 250_000)
    Limits(tester=0, address=0).event("here", "ada", 1 << 40)


def test_a_bucket_forgets_whom_it_has_not_seen_for_longest() -> None:
    bucket = Bucket(10, 10, Clock())
    for number in range(MAX_KEYS + 5):
        assert bucket.take(str(number), 10) == 0
    assert len(bucket._levels) == MAX_KEYS
    assert bucket.take(str(MAX_KEYS), 1) == 1


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("203.0.113.7:4711", "203.0.113.7"),  # as some proxies tell it: each connection was an address of its own
        ("[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64"),
        ("[::ffff:203.0.113.7]:4711", "203.0.113.7"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_visitor_counts_by_his_whole_network(host: str, counted: str) -> None:
    request: Any = SimpleNamespace(client=SimpleNamespace(host=host))
    assert address(request) == counted


def test_no_more_begin_at_the_same_moment_than_may_and_who_is_refused_is_not_counted() -> None:
    limits, passed, barrier = Limits(clock=Clock(), sessions=5), [], threading.Barrier(30)

    def begin(_: int) -> None:
        barrier.wait()
        try:
            with limits.counted("here"):
                passed.append(1)
        except Refused:
            pass

    with pytest.raises(Refused, match="closed"), limits.counted("here"):
        raise Refused("This study is closed.")
    with ThreadPoolExecutor(30) as pool:
        list(pool.map(begin, range(30)))
    assert len(passed) == 5


def test_wrong_codes_are_answered_later_and_later_and_count_as_no_session() -> None:
    clock = Clock()
    limits, delays = Limits(clock=clock, sessions=1), []
    for _ in range(10 * COUNTED_CODES):
        delays.append(limits.delay("here"))
        with pytest.raises(WrongCode), limits.counted("here"):
            raise WrongCode("This code is not the study's.")
    assert delays[: FREE_CODES + 3] == [0.0] * FREE_CODES + [0.5, 1.0, 2.0]
    assert max(delays) == LONGEST_DELAY
    assert delays[FREE_CODES + 5 :] == [LONGEST_DELAY] * (10 * COUNTED_CODES - FREE_CODES - 5)
    limits.check("here")  # one hand locks nobody out: the right code is in after the longest delay
    assert limits.delay("there") == 0
    clock.now = HOUR
    assert limits.delay("here") == 0
    with limits.counted("here"):
        pass


def guesses(limits: Limits, address: str, number: int, looked_at: list[str]) -> list[Any]:
    async def guess() -> None:
        async with limits.code(address):
            looked_at.append(address)
            await asyncio.sleep(0)
            with pytest.raises(WrongCode), limits.counted(address):
                raise WrongCode("This code is not the study's.")

    return [guess() for _ in range(number)]


def test_of_guesses_from_many_addresses_few_are_looked_at_and_a_class_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address has three at once, and who has a network of IPv6 has sixty-five thousand addresses."""
    monkeypatch.setattr("app.limits.FREE_CODES", 1 << 20)  # as from ever new addresses
    monkeypatch.setattr("app.limits.LONGEST_LINE", 1.0)
    limits = Limits()
    limits._line = Line(HOUR)

    async def play() -> None:
        looked_at: list[str] = []
        crowd = asyncio.gather(
            *(one for n in range(600) for one in guesses(limits, f"2001:db8:{n}::/64", 1, looked_at)),
            *guesses(limits, "203.0.113.7", 500, looked_at), return_exceptions=True,
        )  # fmt: skip
        while len(looked_at) <= ALL_CODES:
            await asyncio.sleep(0.01)
        assert len(looked_at) == ALL_CODES + 1, "and the first in line, however many come at the same moment"
        crowd.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await crowd
        assert limits._trying == 0

        looked_at.clear()
        limits._line = Line(0.05)
        attack = asyncio.gather(*guesses(limits, "203.0.113.7", 500, looked_at), return_exceptions=True)
        await asyncio.sleep(0)
        for student in range(30):
            async with limits.code("school"):
                looked_at.append(f"student {student}")
        strangers = [who for who in looked_at if not who.startswith("student")]
        assert len(strangers) <= 32, "an attacker has one turn for each of the class, however many connections he has"
        told = [error for error in await attack if isinstance(error, Later)]
        assert len(told) >= 400, "nor may he hold a place for each of them"

    run(play())


def test_without_wrong_codes_and_without_limits_nobody_stands_in_line() -> None:
    async def play(limits: Limits, wrong: int) -> None:
        for _ in range(wrong):
            limits._all_codes.count("")
        for _ in range(200):
            async with limits.code("school"):
                pass

    run(play(Limits(), ALL_CODES - 1))
    run(play(Limits(address=0), 10 * ALL_CODES))


def test_wrong_invites_which_nobody_guesses_lock_nobody_out(tmp_path: Path) -> None:
    """Counted as guesses of a short code they would shut a whole class out, behind one address, by one hand."""
    test = open_test(tmp_path / "invites.db", access="invite")
    limits, code = Limits(), test.make_invite(uses=None)
    for _ in range(101):
        with pytest.raises(Refused, match="not valid"), limits.counted("school"):
            test.enrol("1", invite="wrong")
    assert limits.delay("school") == 0
    with limits.counted("school"):
        test.enrol("1", invite=code)
