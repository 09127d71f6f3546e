"""Locks between processes: who alone may change a file, or has a folder. They go with the process that holds them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

try:
    import fcntl
except ImportError:  # Windows opens no folder and lets nobody read a locked file: there names are locked, see below
    fcntl = None  # type: ignore[assignment]

Handle = int | FileLock | None
"""What is to be locked: an open file or folder, on Windows a lock of its name, None where there is nothing."""


def alone_with(path: Path) -> Handle:
    """Wait for a file that others may replace, which is made where it is missing; the handle keeps it locked."""
    if fcntl is None:
        handle = _of_name(path)
        lock(handle)
        return handle
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        lock(file)
        if path.exists() and os.stat(path).st_ino == os.fstat(file).st_ino:
            return file
        os.close(file)  # another process has replaced it


def opened(folder: Path) -> Handle:
    """A folder to lock; None where it is gone."""
    if fcntl is None:
        return _of_name(folder) if folder.is_dir() else None
    try:
        return os.open(folder, os.O_RDONLY)
    except OSError:
        return None


def _of_name(path: Path) -> FileLock:
    """Among the programs of one user on one machine, which is whom two runs at once are kept apart from."""
    folder = Path(tempfile.gettempdir()) / "diptych-locks"
    folder.mkdir(exist_ok=True)
    name = hashlib.sha256(os.path.normcase(path.resolve()).encode()).hexdigest()[:32]
    return FileLock(folder / f"{name}.lock")


def close(handle: Handle) -> None:
    """Close what was opened, and with it its lock."""
    if isinstance(handle, int):
        os.close(handle)
    elif handle is not None:
        handle.release()


def lock(handle: Handle, wait: bool = True) -> bool | None:
    """Lock an open file or folder until it is closed. False where another process has it, None on a disk without
    locks, as some on networks are."""
    if handle is None:
        return None
    try:
        if not isinstance(handle, int):
            handle.acquire(timeout=-1 if wait else 0)
            return True
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (BlockingIOError, Timeout):
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Whether this process alone has the folder, until the block ends; folders made for that and left empty go."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    handle = opened(folder)
    try:
        yield lock(handle, wait=False) is not False
    finally:
        close(handle)
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()
