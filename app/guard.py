"""`python -m app.guard COMMAND ...`: run a command that must not outlive whoever started it.

Nothing can be done when a process is killed, so its children cannot count on being ended by it. But the kernel closes
its end of a pipe: the guard reads its standard input, and when that ends, it ends the command and all that the command
has started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

from app import processes

GRACE_SECONDS = 3.0


def main(command: list[str]) -> int:
    """Run `command` in this process group; its exit code (128 + the signal's number where a signal ended it)."""
    signal.signal(processes.HEARD, lambda *_: None)  # meant for the group; the child's exit code is told all the same
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    deserted = threading.Event()
    threading.Thread(target=_end_with_input, args=(deserted, child.pid), daemon=True).start()
    code = child.wait()
    if deserted.is_set():
        processes.end(processes.own(), child.pid)  # what the command started and left
    return code if code >= 0 else 128 - code


def _end_with_input(deserted: threading.Event, command: int) -> None:
    os.read(sys.stdin.fileno(), 1)
    deserted.set()
    processes.ask(processes.own())
    time.sleep(GRACE_SECONDS)
    processes.end(processes.own(), command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
