"""What something costs in CPU time: what else a machine does adds to it and never takes from it; the least counts."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

TRIES, MOST_TRIES = 3, 20


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of one call, in all threads of this process.

    Without the collector, as in `timeit`: it walks all that the process holds, far more in the middle of the suite
    (0.5 s, where what is timed takes 0.05).
    """
    gc.disable()
    try:
        begun = time.process_time()
        work()
        return time.process_time() - begun
    finally:
        gc.enable()


def costs_less_than(times: float, work: Callable[[], object], reference: Callable[[], object]) -> bool:
    """Whether work's least cost is below so many times the least of the reference: three tries of each, in turns, and
    as long as it is not, up to twenty."""
    costs, references = [], []
    for number in range(1, MOST_TRIES + 1):
        costs.append(cpu_seconds(work))
        references.append(cpu_seconds(reference))
        if number >= TRIES and min(costs) < times * min(references):
            return True
    return False


def stays_within(limit: float, cost: Callable[[], float]) -> bool:
    """Whether the least of up to twenty costs is within the limit, as fast as Python runs here."""
    costs = []
    for _ in range(MOST_TRIES):
        costs.append(cost())
        if costs[-1] <= limit:
            return True
    return min(costs) <= limit * slowness()


def slowness() -> float:
    """How many times slower Python runs now than on the CPU that the limits are meant for; at least 1.

    An AVX2-only EPYC with busy neighbours takes 17 to 22 ms for this loop, and a Zen 4 at rest under 8.
    """
    times = []
    for _ in range(7):
        begun = time.thread_time()
        total = 0
        for number in range(100_000):
            total += number * number % 7
        times.append((time.thread_time() - begun) * 1000)
    return max(1.0, min(times) / 8)
