"""`python -m app.guard COMMAND ...`: run a command that must not outlive whoever started it.

Nothing can be done when a process is killed, so its children cannot count on being ended by it. But the kernel closes
its end of a pipe: the guard reads its standard input, and when that ends, it ends the command and all that the command
has started. Works wherever there are process groups, with no call of one system alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

GRACE_SECONDS = 3.0


def main(command: list[str]) -> int:
    """Run `command` in this process group; its exit code (128 + the signal's number where a signal ended it)."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: None)  # meant for the group; the child's exit code is told all the same
    deserted = threading.Event()
    threading.Thread(target=_end_with_input, args=(deserted,), daemon=True).start()
    code = child.wait()
    if deserted.is_set():
        os.killpg(0, signal.SIGKILL)  # what the command started and left
    return code if code >= 0 else 128 - code


def _end_with_input(deserted: threading.Event) -> None:
    os.read(sys.stdin.fileno(), 1)
    deserted.set()
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
