"""How often one tester, or one address, may ask. Kept in memory for the length of the window and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from feedback.blind_test import Refused
from feedback.entry import WrongCode
from feedback.messages import Message, many

HOUR = 3600.0
TESTER_LIMIT = 120  # questions an hour of one tester
ADDRESS_LIMIT = 1000  # questions and new sessions an hour from one address: a class behind one router must fit
SESSION_LIMIT = 60  # new sessions an hour from one address: two classes of thirty
TESTER_BYTES = 4 << 20  # an hour; a round takes some ten thousand
ADDRESS_BYTES = 64 << 20
FREE_CODES = 3  # wrong ones within an hour before answers to an address are delayed
LONGEST_DELAY = 8.0  # seconds; the right code is in after them, whatever others try from the same address
COUNTED_CODES = 20  # remembered of an address: more change no delay
ALL_CODES = 100  # wrong ones within an hour, from everywhere, before codes are looked at one after another
CODE_SECONDS = 2.0  # for each then: ten thousand take six hours, a class of thirty a minute
LONGEST_LINE = 20.0  # seconds that a request is held there; an address has one place in it whatever others have
ADDRESS_EVENTS = 2000  # within a minute and a half, then 1,300 a minute; thirty testers send some thirty a minute each
EVENT_SECONDS = 90.0
MAX_KEYS = 10_000  # before those whose window has passed are looked for, to be forgotten


log = logging.getLogger(__name__)


class Later(Refused):
    """Too much at the moment; the same is possible after so many seconds, which `{when}` in the text tells."""

    def __init__(self, text: str | Message, seconds: float) -> None:
        message = text if isinstance(text, Message) else Message(text)
        super().__init__(replace(message, values={**message.values, "when": _in(seconds)}))
        self.seconds = seconds


class Window:
    """Counts events by key within the last `seconds`; `limit` 0 is no limit."""

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.seconds = seconds
        self._clock = clock
        self._events: dict[str, deque[float]] = {}
        self._next_look = MAX_KEYS
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """Seconds until another event of this key is allowed; 0 when it is now."""
        with self._lock:
            events = self._recent(key)
            if not self.limit or len(events) < self.limit:
                return 0.0
            return events[-self.limit] + self.seconds - self._clock()

    def number(self, key: str) -> int:
        """Events of this key within the window."""
        with self._lock:
            return len(self._recent(key))

    def count(self, key: str) -> None:
        """Write down an event."""
        if not self.limit:
            return
        with self._lock:
            if len(self._events) >= self._next_look:
                for other in list(self._events):
                    self._recent(other)
                self._next_look = max(MAX_KEYS, 2 * len(self._events))  # else who has many addresses has all looked at
            self._events.setdefault(key, deque(maxlen=self.limit)).append(self._clock())

    def refund(self, key: str) -> None:
        """Take back the last event of a key: what was counted did not happen."""
        with self._lock:
            if events := self._events.get(key):
                events.pop()

    def _recent(self, key: str) -> deque[float]:
        """The key's events within the window; a key without any is forgotten."""
        events = self._events.get(key, deque())
        while events and events[0] <= self._clock() - self.seconds:
            events.popleft()
        if not events:
            self._events.pop(key, None)
        return events


class Bucket:
    """Amounts by key: `limit` at once, and as much again within `seconds`; 0 is no limit. A few numbers a key."""

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.seconds = seconds
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is in it, and when that was so
        self._lock = threading.Lock()

    def take(self, key: str, amount: float) -> float:
        """Put an amount in, and return 0; or leave it out and return the seconds until it fits."""
        if not self.limit:
            return 0.0
        with self._lock:
            now, drain = self._clock(), self.limit / self.seconds
            level, then = self._levels.pop(key, (0.0, now))
            level = max(0.0, level - (now - then) * drain)
            over = level + amount - self.limit
            self._levels[key] = (level if over > 0 else level + amount, now)
            while len(self._levels) > MAX_KEYS:
                self._levels.popitem(last=False)
            return max(0.0, over / drain)


class Line:
    """Lets one after another pass, so many seconds apart, by turns over keys: who is many waits for himself."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    async def turn(self, key: str) -> None:
        """Wait for one's turn. Raises Later where those of the same key fill the time that there is."""
        own = self._waiting.get(key, deque())
        wait = len(own) * len(self._waiting) * self.seconds
        if own and wait > LONGEST_LINE:
            raise Later("Too much came from your network; it goes on {when}.", wait)
        place = asyncio.get_running_loop().create_future()
        own.append(place)
        self._waiting[key] = own
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._call())
        await place

    async def _call(self) -> None:
        while self._waiting:
            key, own = self._waiting.popitem(last=False)
            place = own.popleft()
            if own:
                self._waiting[key] = own
            if not place.done():
                place.set_result(None)
                await asyncio.sleep(self.seconds)


class Limits:
    """What one tester and one address may do within an hour; 0 is no limit.

    Args:
        tester: questions of a tester.
        address: questions and new sessions from an address; 0 also lifts the limits on its sessions, events and bytes.
        sessions: new sessions from an address.
    """

    def __init__(
        self,
        tester: int = TESTER_LIMIT,
        address: int = ADDRESS_LIMIT,
        clock: Callable[[], float] = time.monotonic,
        sessions: int = SESSION_LIMIT,
    ) -> None:
        self._testers = Window(tester, HOUR, clock)
        self._addresses = Window(address, HOUR, clock)
        self._sessions = Window(sessions if address else 0, HOUR, clock)
        self._codes = Window(COUNTED_CODES if address else 0, HOUR, clock)
        self._all_codes = Window(ALL_CODES if address else 0, HOUR, clock)
        self._trying = 0  # codes that are being looked at
        self._line = Line(CODE_SECONDS)
        self._tester_bytes = Bucket(TESTER_BYTES if tester else 0, HOUR, clock)
        self._address_bytes = Bucket(ADDRESS_BYTES if address else 0, HOUR, clock)
        self._events = Bucket(ADDRESS_EVENTS if address else 0, EVENT_SECONDS, clock)
        self.sessions = self._sessions.limit
        self._lock = threading.Lock()

    def check(self, address: str, tester_id: str = "") -> None:
        """Raises Refused with when to come back."""
        if wait := self._testers.wait(tester_id) if tester_id else 0.0:
            text = many(
                "You have asked {n:,} question within an hour; come back {when}.",
                "You have asked {n:,} questions within an hour; come back {when}.",
                n=self._testers.limit,
            )
            raise Later(text, wait)
        if wait := self._addresses.wait(address):
            raise Later("Too many questions came from your network within an hour; come back {when}.", wait)
        if wait := 0.0 if tester_id else self._sessions.wait(address):
            text = many(
                "{n:,} person has begun from your network within an hour; come back {when}.",
                "{n:,} people have begun from your network within an hour; come back {when}.",
                n=self._sessions.limit,
            )
            raise Later(text, wait)

    def count(self, address: str, tester_id: str = "") -> None:
        """Write down a question, or without a tester a new session."""
        for window, key in self._windows(address, tester_id):
            window.count(key)

    def _windows(self, address: str, tester_id: str) -> tuple[tuple[Window, str], tuple[Window, str]]:
        """Where a question of a tester counts, or without one a new session, and under which key."""
        own = (self._testers, tester_id) if tester_id else (self._sessions, address)
        return (self._addresses, address), own

    @contextmanager
    def counted(self, address: str, tester_id: str = "") -> Iterator[None]:
        """Count a question, or without a tester a new session, and take that back if it is refused. Raises Refused.

        However many come at the same moment, no more of them pass than are left.
        """
        with self._lock:
            self.check(address, tester_id)
            self.count(address, tester_id)
        try:
            yield
        except BaseException as error:
            if isinstance(error, WrongCode):
                self._codes.count(address)
                self._all_codes.count("")
            for window, key in self._windows(address, tester_id):
                window.refund(key)
            raise

    def delay(self, address: str) -> float:
        """For how many seconds the next code from an address is left waiting, right or wrong."""
        wrong = self._codes.number(address)
        return min(LONGEST_DELAY, 0.5 * 2.0 ** (wrong - FREE_CODES)) if wrong >= FREE_CODES else 0.0

    @asynccontextmanager
    async def code(self, address: str) -> AsyncIterator[None]:
        """Wait until a code may be looked at, within. Raises Later.

        A delay by address alone would let who has many addresses, or many connections, try as many at once.
        """
        if delay := self.delay(address):
            await asyncio.sleep(delay)
        if self._all_codes.limit and self._all_codes.number("") + self._trying >= self._all_codes.limit:
            log.warning("codes of this study are being guessed; each is looked at %g s after the last", CODE_SECONDS)
            await self._line.turn(address)
        self._trying += 1
        try:
            yield
        finally:
            self._trying -= 1

    def event(self, address: str, token: str, size: int) -> None:
        """Count an event of the page with so many bytes, before anything is done with it. Raises Refused."""
        wait = self._events.take(address, 1) or self._address_bytes.take(address, size)
        if wait:
            raise Later("Too much came from your network; it goes on {when}.", wait)
        if wait := self._tester_bytes.take(token, size) if token else 0.0:
            raise Later("This page has sent too much; it goes on {when}.", wait)


def _in(seconds: float) -> Message:
    if seconds < 90:
        return many("in {n} second", "in {n} seconds", n=max(1, round(seconds)))
    return many("in {n} minute", "in {n} minutes", n=round(seconds / 60))
