"""A command as a child process that never outlives the app, and the runs of such that a researcher begins."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app import processes
from training.common.checkpoint_folder import HOME

LOGS = Path(os.environ.get("DIPTYCH_LOGS") or HOME / "logs").expanduser().resolve()
"""One log a run of a training or a measurement."""
GUARD = [sys.executable, "-m", "app.guard"]
GRACE_SECONDS = 3.0
TAIL_BYTES = 4096  # of a log, in which its last line stands
MOST_CHARS = 300  # of that line on the page


class Child:
    """Runs one command after the other, from the repository's root, until it is closed."""

    def __init__(self) -> None:
        self.closed = False
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, command: Sequence[str], log: Path) -> None:
        """Start `command`, its output in the file `log`, unless this was closed."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, self._lock:
            if self.closed:
                return
            # A group of its own, so that the child's workers end with it; Ctrl-C reaches only this process. The pipe
            # closes with this process, however it ends, and then the guard ends the group.
            self._process = subprocess.Popen(
                [*GUARD, *command], cwd=HOME, stdin=subprocess.PIPE, stdout=output, stderr=output,
                **processes.beginning(),
            )  # fmt: skip

    @property
    def pid(self) -> int | None:
        """The process that lives as long as the command; None where none was begun."""
        return None if self._process is None else self._process.pid

    def wait(self) -> int:
        """The exit code of what was begun, or -1 when this was closed before."""
        if self._process is None:
            return -1
        with self._process:  # closes the pipe at the end
            return self._process.wait()

    def run(self, command: Sequence[str], log: Path) -> int:
        """Begin `command` and wait for its exit code."""
        self._process = None
        self.begin(command, log)
        return self.wait()

    def close(self) -> None:
        """End the command and everything that it started."""
        with self._lock:
            self.closed = True
            process = self._process
        if process is None or process.poll() is not None:
            return
        for how in (processes.ask, processes.end):
            try:
                how(process.pid)
                process.wait(GRACE_SECONDS)
                return
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                return


@dataclass(frozen=True)
class Progress:
    """How a run is: `state` is idle, running, done, refused, failed or stopped; `text` says so in words."""

    state: str
    text: str = ""
    share: float | None = None


class Run:
    """Commands that a researcher begins and may stop, in a thread of their own; one run at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child = Child()
        self._progress = Progress("idle")
        self._what = "It"  # that is being begun, as the beginning of a sentence

    def _begin(self, text: str, work: Callable[[Child], Progress]) -> None:
        """Let `work` run commands and say how they ended, unless a run is under way; returns at once."""
        with self._lock:
            if self._progress.state == "running":
                return
            child = self._child = Child()
            self._progress = Progress("running", text)

        def run() -> None:
            try:
                self._progress = work(child)
            except (OSError, ValueError) as error:  # no log, no process, an argument that can be none
                reason = getattr(error, "strerror", None) or error
                self._progress = Progress("failed", f"{self._what} could not be begun: {reason}.")

        threading.Thread(target=run, name="run", daemon=True).start()

    @property
    def progress(self) -> Progress:
        """How far it is, or how the last one ended."""
        return self._progress

    def stop(self) -> None:
        """End the run and all that it started; what it had written stays."""
        self._child.close()


def short_path(path: Path) -> str:
    """`path` from the repository's root where it lies below, as a user would type it."""
    return str(path.relative_to(HOME)) if path.is_relative_to(HOME) else str(path)


def last_line(log: Path) -> str:
    """The newest line of a log in which a progress bar writes over itself; an error's, without its bar."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    return next((line for line in reversed(lines) if line), "")


def reason(log: Path) -> str:
    """The newest line of a failed run's log as the end of a sentence, without its full stop and our folder's name."""
    return last_line(log).replace(f"{HOME}{os.sep}", "")[:MOST_CHARS].rstrip(".")


def unwritable(folder: Path) -> str:
    """That a folder, or the one in which it would be made, cannot be written; empty where it can."""
    there = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    is_writable = there.is_dir() and os.access(there, os.W_OK)
    return "" if is_writable else f"The folder {short_path(there)} cannot be written."
