"""A process with all that it starts, begun and ended together: a process group, on Windows the tree below it."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import Any

IS_WINDOWS = os.name == "nt"
"""There a group can be asked to end, but not be ended; a child keeps its parent's number when the parent has ended."""
# Windows' Ctrl-Break reaches a group, and Python handles it; its SIGTERM ends a process at once.
ASKING = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
HEARD = getattr(signal, "SIGBREAK", signal.SIGTERM)


def beginning() -> dict[str, Any]:
    """What `subprocess.Popen` needs, so that a terminal's Ctrl-C does not reach it, and `ask` and `end` do."""
    if IS_WINDOWS:
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def own() -> int:
    """The leader of the group that this process was begun as."""
    return os.getpid() if IS_WINDOWS else 0


def ask(leader: int) -> None:
    """Ask a group to end, so that a training saves its state first. Raises ProcessLookupError where it has ended."""
    if IS_WINDOWS:
        try:
            os.kill(leader, ASKING)
        except ProcessLookupError:
            raise
        except OSError as error:  # Windows' own for a number that nobody has, or a process without a console
            raise ProcessLookupError(str(error)) from error
    else:
        os.killpg(leader, signal.SIGTERM)


def end(leader: int, *others: int) -> None:
    """End them at once, the leader last.

    Args:
        others: processes that the leader has started and that may have ended before what they started.

    Raises:
        ProcessLookupError: the leader has ended, and with it its group.
    """
    if not IS_WINDOWS:
        os.killpg(leader, signal.SIGKILL)
        return
    import psutil

    for process in _below({leader, *others}):
        with suppress(psutil.Error):
            if process.pid != leader:
                process.kill()
    try:
        psutil.Process(leader).kill()
    except psutil.Error as error:
        raise ProcessLookupError(str(error)) from error


def _below(roots: set[int]) -> list[Any]:
    """Those of `roots` that run, and every process whose parents lead to one of them."""
    import psutil

    parents = {process.pid: (process, process.info["ppid"]) for process in psutil.process_iter(["ppid"])}
    found: set[int] = set(roots)
    while more := {pid for pid, (_, parent) in parents.items() if parent in found and pid not in found}:
        found |= more
    return [parents[pid][0] for pid in found & parents.keys()]
