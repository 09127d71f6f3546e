"""How often one tester, or one address, may ask. Kept in memory for the length of the window and nowhere else."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from feedback.blind_test import Refused

HOUR = 3600.0
TESTER_LIMIT = 120  # questions an hour of one tester
ADDRESS_LIMIT = 1000  # questions and new sessions an hour from one address: a class behind one router must fit
MAX_KEYS = 10_000  # before those whose window has passed are forgotten


class Window:
    """Counts events by key within the last `seconds`; `limit` 0 is no limit."""

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.seconds = seconds
        self._clock = clock
        self._events: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """Seconds until another event of this key is allowed; 0 when it is now."""
        with self._lock:
            events = self._recent(key)
            if not self.limit or len(events) < self.limit:
                return 0.0
            return events[-self.limit] + self.seconds - self._clock()

    def count(self, key: str) -> None:
        """Write down an event."""
        if not self.limit:
            return
        with self._lock:
            if len(self._events) >= MAX_KEYS:
                for other in list(self._events):
                    self._recent(other)
            self._events.setdefault(key, deque(maxlen=self.limit)).append(self._clock())

    def _recent(self, key: str) -> deque[float]:
        """The key's events within the window; a key without any is forgotten."""
        events = self._events.get(key, deque())
        while events and events[0] <= self._clock() - self.seconds:
            events.popleft()
        if not events:
            self._events.pop(key, None)
        return events


class Limits:
    """What one tester and one address may do within an hour; 0 is no limit."""

    def __init__(
        self, tester: int = TESTER_LIMIT, address: int = ADDRESS_LIMIT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._testers = Window(tester, HOUR, clock)
        self._addresses = Window(address, HOUR, clock)

    def check(self, address: str, tester_id: str = "") -> None:
        """Raises Refused with when to come back."""
        if wait := self._testers.wait(tester_id) if tester_id else 0.0:
            raise Refused(f"You have asked {self._testers.limit:,} questions within an hour; come back {_in(wait)}.")
        if wait := self._addresses.wait(address):
            raise Refused(f"Too many questions came from your network within an hour; come back {_in(wait)}.")

    def count(self, address: str, tester_id: str = "") -> None:
        """Write down a question, or without a tester a new session."""
        self._addresses.count(address)
        if tester_id:
            self._testers.count(tester_id)


def _in(seconds: float) -> str:
    if seconds < 90:
        return f"in {max(1, round(seconds))} seconds"
    return f"in {round(seconds / 60)} minutes"
