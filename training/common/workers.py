"""Work spread over processes, with results in order and few of them in memory."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

MOST_WORKERS = 8


class WorkersError(ValueError):
    """Work that could not be finished; the message is one line and says what to do."""


def visible_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """The cores that this process can keep busy: a container's limit (``docker run --cpus 2``) is one of time and
    leaves all cores to be seen."""
    cores = visible_cores()
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with contextlib.suppress(OSError, ValueError):  # no limit is "max", or -1
            quota, period = " ".join((groups / name).read_text(encoding="ascii") for name in names).split()
            if int(quota) > 0:
                cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def default_workers() -> int:
    """A process for each core that this one can use, up to 8: reading the files keeps no more than that busy."""
    return max(1, min(MOST_WORKERS, usable_cores()))


class Workers:
    """Processes that are started at the first work that is worth it, and end with the block.

    They are spawned, not forked: a fork of a process that has used PyTorch's threads may hang.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = default_workers() if count is None else count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """``function`` of each task, in order; a single task is done in this process."""
        waiting = iter(tasks)
        first = list(islice(waiting, 2))
        if self.count == 1 or len(first) < 2:
            yield from map(function, chain(first, waiting))
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.count, multiprocessing.get_context("spawn"), initializer=_begin_worker
            )
        running: deque[Future[Result]] = deque()
        try:
            for task in chain(first, waiting):
                running.append(self._pool.submit(partial(_do, function), task))
                if len(running) > 2 * self.count:
                    yield running.popleft().result()
                    release_freed_memory()
            while running:
                yield running.popleft().result()
        except BrokenProcessPool as error:
            raise WorkersError(
                "a process that shared the work was ended from outside, perhaps for want of memory; close other "
                "programs and run the command again"
            ) from error


def release_freed_memory() -> None:
    """Give what was freed back to the system, where glibc would keep it.

    Batches of many sizes leave a heap with holes, which grows for as long as there is work.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _do(function: Callable[[Task], Result], task: Task) -> Result:
    try:
        return function(task)
    finally:
        release_freed_memory()


def _begin_worker() -> None:
    """Leave Ctrl-C to the process that started this one, and end with it even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
