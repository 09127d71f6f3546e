"""How many threads a training uses beside other programs, and how they wait for each other.

A step is thousands of products and passes, and at the end of each all threads wait for the last. Two things make that
slow where other programs run (`benchmarks/contention.py`):

- A thread that waits spins, for milliseconds by OpenMP's default, on a core that another thread needs. Here it spins
  for about as long as a sleeping thread needs to wake, and then sleeps.
- A thread whose core is shared makes the others wait. ``FreeCores`` tries whether fewer are faster.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import MutableMapping
from dataclasses import dataclass

import psutil

from training.common.workers import usable_cores, visible_cores

SPINS = "10000"
"""Turns of GNU OpenMP's waiting loop before a thread sleeps, about 0.1 ms. Its own default is 300,000."""
WINDOW_SECONDS = 2.0
"""Of steps between two looks at the cores; the kernel counts their use in hundredths of a second."""
PAUSE_SECONDS = 20.0
"""Between two tries with fewer threads; twice as long after each that was slower, up to ``LONGEST_PAUSE``."""
LONGEST_PAUSE = 320.0


def spin_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let OpenMP's threads sleep after a short wait, unless the user has chosen. PyTorch must not be imported yet."""
    if not environment.keys() & {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}:
        environment["GOMP_SPINCOUNT"] = SPINS


def stay_within_limit(environment: MutableMapping[str, str] = os.environ, usable: int | None = None) -> None:
    """As many threads as a container's limit keeps busy, unless the user has chosen: OpenMP counts all cores, and
    threads that the limit stops make the others wait. PyTorch must not be imported yet."""
    usable = usable_cores() if usable is None else usable
    if usable < visible_cores():
        environment.setdefault("OMP_NUM_THREADS", str(usable))


@dataclass(frozen=True)
class Use:
    """How many cores were used by this process, by others, and by nobody."""

    own: float
    others: float
    idle: float


class FreeCores:
    """Follows what other programs leave of the cores: ``after_step`` between the steps of a ``with`` block.

    While threads often wait for a core, fewer are tried, and kept if steps are faster: one thread on a free core beats
    two of which one has to share its own. They are tried where there is a sign of threads that wait for each other: an
    idle core, or more CPU time a step than was once enough; and once where the run has not been undisturbed yet.
    They become more again when a core is idle, or when the fewer have to wait for cores as well, since each brings a
    share of the machine.

    ``most`` threads is what PyTorch has chosen. Nothing is followed where that is one, or where the user has chosen it
    (``OMP_NUM_THREADS``): another number of threads adds up in another order, so only a run with a fixed number or on a
    quiet machine repeats another one to the last digit.
    """

    def __init__(self, follow: bool = True) -> None:
        import torch

        self._set_threads = torch.set_num_threads
        self.most = self.threads = torch.get_num_threads()
        self.follow = follow and self.most > 1 and "OMP_NUM_THREADS" not in os.environ
        self._start: tuple[float, ...] | None = None
        self._steps: list[float] = []
        self._left: tuple[int, float, float] | None = None  # while fewer are tried: the threads, step and use before
        self._next_try, self._pause = 0.0, PAUSE_SECONDS
        self._least, self._knows_least = math.inf, False  # CPU seconds of a step
        self._reported = False

    def __enter__(self) -> FreeCores:
        return self

    def __exit__(self, *_: object) -> None:
        if self.threads != self.most:
            self._change(self.most)

    def after_step(self, seconds: float) -> str:
        """Note a step of so many seconds, and change the number of threads if need be; what to tell the user of it."""
        if not self.follow:
            return ""
        self._steps.append(seconds)
        if self._start is not None and time.monotonic() - self._start[0] < WINDOW_SECONDS:
            return ""
        step = statistics.median(self._steps)
        use = self._look()
        if use is None:
            return ""
        tried = self._left is not None
        threads = self.next(use, step, time.monotonic())
        if threads != self.threads:
            self._change(threads)
        elif tried and not self._reported:
            self._reported = True
            return (
                f"other programs use {use.others:.1f} cores, so {threads} of {self.most} threads are faster; they "
                "become more when cores are free (OMP_NUM_THREADS fixes the number)"
            )
        return ""

    def next(self, use: Use, step: float, now: float) -> int:
        """How many threads to go on with, after a while in which a step took so many seconds."""
        used = use.own * step
        wasted, self._least = used > 1.35 * self._least, min(self._least, used)
        if self._left is not None:
            (before, its_step, its_used), self._left, self._knows_least = self._left, None, True
            faster = step < 0.95 * its_step
            if not faster:
                self._least = its_used  # so this is no waste
            self._pause = PAUSE_SECONDS if faster else min(2 * self._pause, LONGEST_PAUSE)
            self._next_try = now + self._pause
            return self.threads if faster else before
        waiting = use.own < 0.85 * self.threads
        self._knows_least = self._knows_least or not waiting
        if self.threads < self.most and (waiting or use.idle > 0.5):
            return min(self.most, self.threads + max(1, int(use.idle + 0.5)))
        worth_a_try = wasted or use.idle > 0.25 or not self._knows_least
        if self.threads > 1 and waiting and use.others > 0.25 and worth_a_try and now >= self._next_try:
            self._left = self.threads, step, used
            return max(1, min(self.threads - 1, int(use.own + use.idle + 0.25)))
        return self.threads

    def _look(self) -> Use | None:
        """How the cores were used since the last look; None where that was not steps and little else."""
        now = (time.monotonic(), time.process_time(), *_busy_and_idle())
        before, steps = self._start, sum(self._steps)
        self._start, self._steps = now, []
        if before is None:
            return None
        wall, own, busy, idle = (b - a for a, b in zip(before, now, strict=True))
        return Use(own / wall, max(0.0, busy - own) / wall, idle / wall) if steps > 0.9 * wall else None

    def _change(self, threads: int) -> None:
        self.threads = threads
        self._set_threads(threads)
        self._start = None  # the next step is not judged: kernels for this number of threads are made in it


def _busy_and_idle() -> tuple[float, float]:
    """Seconds that the cores this process may use have been busy and idle, all together."""
    cores = psutil.cpu_times(percpu=True)
    if hasattr(os, "sched_getaffinity"):
        cores = [cores[number] for number in os.sched_getaffinity(0) if number < len(cores)]
    idle = sum(core.idle + getattr(core, "iowait", 0.0) for core in cores)
    kinds = ("user", "nice", "system", "irq", "softirq", "steal", "interrupt", "dpc")
    return sum(getattr(core, kind, 0.0) for core in cores for kind in kinds), idle
