"""One app at a time on a database: a second one would take the first one's answers on their way for dead."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from .database import DatabaseError, must_be_reached

LOW_SPACE = 200 << 20  # bytes; below this a researcher is warned


class Claim:
    """A lock beside a database, held while an app writes it; other commands may read and write as before.

    The operating system lets go of it when the process ends, however it ends.
    """

    def __init__(self, database: str | Path) -> None:
        self._path = Path(database)
        path = self._path.resolve()  # a link names the same file
        self._lock = FileLock(path.with_name(path.name + ".lock"), timeout=0)
        self._holder = path.with_name(path.name + ".holder")

    def take(self) -> None:
        """Take the lock, and write down who has it.

        Raises:
            DatabaseError: another app has it, the file has two names, or the folder cannot be written.
        """
        must_be_reached(self._path)
        if self._path.is_dir() or not self._path.parent.is_dir():
            return  # as the database itself will say
        if self._path.exists() and self._path.stat().st_nlink > 1:  # log and lock go by the name
            raise DatabaseError(
                f"{self._path}: has another name as well (a hard link), under which a second app would not be noticed;"
                " name a copy of it with --db"
            )
        try:
            self._lock.acquire()
        except Timeout:
            if not os.path.lexists(self._lock.lock_file):  # nobody has it: no file can be made there, as in /proc
                raise DatabaseError(
                    f"{self._path}: its folder takes no files; name a file in another folder with --db"
                ) from None
            raise DatabaseError(
                f"{self._path}: is in use by {self._in_words()}; stop that app, or name another file with --db"
            ) from None
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOTSUP):
                raise DatabaseError(
                    f"{self._path}: its disk keeps no locks, as some network file systems; name a file on a local disk"
                    " with --db"
                ) from None
            raise DatabaseError(
                f"{self._path}: its folder cannot be written ({error.strerror}); check its permissions, or name another"
                " file with --db"
            ) from None
        holder = {"process": os.getpid(), "machine": socket.gethostname(), "since": _now()}
        if self._read_holder() or not os.path.lexists(self._holder):  # else it is somebody's file
            with suppress(OSError):  # who holds it is a help, no more
                self._holder.write_text(json.dumps(holder), encoding="utf-8")

    def free(self) -> None:
        """Let go of it."""
        if self._lock.is_locked:
            if self._read_holder():
                self._holder.unlink(missing_ok=True)
            self._lock.release()

    def _in_words(self) -> str:
        holder = self._read_holder()
        if holder is None:
            return "another Diptych"
        return f"another Diptych (process {holder['process']} on {holder['machine']}, since {holder['since']})"

    def _read_holder(self) -> dict[str, object] | None:
        """Who has it; None where nobody wrote that down, or where the file is another's."""
        with suppress(OSError, ValueError):
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            if isinstance(holder, dict) and holder.keys() == {"process", "machine", "since"}:
                return holder
        return None


def low_space(path: str | Path) -> str:
    """A line about the disk of a database where little is left on it, else nothing."""
    try:
        free = shutil.disk_usage(Path(path).absolute().parent).free
    except OSError:
        return ""
    if free >= LOW_SPACE:
        return ""
    return f"{path}: {free >> 20} MB are left on its disk; votes cannot be saved on a full one, so free some space"


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
