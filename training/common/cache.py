"""Where things stay that can be made again: downloads, and prepared data."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


class CacheError(ValueError):
    """The cache cannot be written; the message is one line and says what to do."""


KEPT_DAYS = 30
"""What no run has used for so long is removed when others are written."""


def is_forgotten(path: Path) -> bool:
    """Whether no run has used a file of the cache, and touched it then, for ``KEPT_DAYS``."""
    return time.time() - path.stat().st_mtime > KEPT_DAYS * 86_400


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/diptych`` or ``~/.cache/diptych``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diptych"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone with a folder of the cache that is to be made: two trainings may start at the same time.

    Raises:
        CacheError: the cache cannot be written.
    """
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise CacheError(
            f"{folder.parent}: cannot be written ({error.strerror}); set XDG_CACHE_HOME to a folder that can"
        ) from error
    try:
        yield
    finally:
        lock.release()


def give_a_home() -> None:
    """Name a home and a user in the environment where the system knows neither, as in a container started with
    ``--user 12345``: else libraries make a folder called ``~``, or end at asking who is there."""
    try:
        import pwd
    except ImportError:  # Windows knows both
        return
    _without_relative_places()
    number = os.getuid()
    try:
        pwd.getpwuid(number)
        return
    except KeyError:
        os.environ.setdefault("LOGNAME", f"user{number}")
    if not os.environ.get("HOME"):
        home = Path(tempfile.gettempdir()) / f"diptych-home-{number}"
        with contextlib.suppress(OSError):
            home.mkdir(mode=0o700)
        os.environ["HOME"] = str(home) if _is_private(home) else tempfile.mkdtemp(prefix="diptych-home-")


def _without_relative_places() -> None:
    """Take out of the environment what names a place by where the command is typed, or no place: an empty ``HOME`` is
    the root of all folders for Python, and what is relative is to be ignored by the rules of XDG. ``~`` is the home."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        if (given := os.environ.pop(name, None)) and os.path.isabs(place := os.path.expanduser(given)):
            os.environ[name] = place


def _is_private(folder: Path) -> bool:
    """Whether a folder is ours and closed to others: in a shared place somebody may have made it, or a link, first."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
