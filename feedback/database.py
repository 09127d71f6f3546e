"""The SQLite file of votes: opened safely, migrated after a backup, written durably, shared by threads."""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

BUSY_SECONDS = 3  # then the tester is told, and the page tries again
MOST_WRITES = (1 << 31) - 1  # that fit into the header
STOPPED = "while the app was running; nothing is saved until it is restarted"
MIN_SQLITE = (3, 37, 0)  # STRICT tables
_PACKAGE = Path(__file__).resolve().parent
DEFAULT_PATH = (_PACKAGE if (_PACKAGE.parent / "pyproject.toml").is_file() else Path.cwd()) / "diptych.db"
"""In the repository; of an installed package in the folder that it is used from."""


log = logging.getLogger(__name__)


class DatabaseError(RuntimeError):
    """The database cannot be used: one line that says why and what to do."""


class _Connection(sqlite3.Connection):
    """A thread's connection, closed when nobody has it any more: a server's threads come and go."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it was never opened
            self.close()


class Database:
    """One SQLite file; safe to share between threads and with other processes.

    Args:
        path: the file, made when it is missing unless ``readonly``.  A file of an older version is backed up and
            migrated in one transaction.
        readonly: never write; an older or missing file is then an error.

    Raises:
        DatabaseError: the file is unwritable, corrupt, locked, or of a newer version.
    """

    def __init__(self, path: str | Path, *, readonly: bool = False) -> None:
        if sqlite3.sqlite_version_info < MIN_SQLITE:
            raise DatabaseError(f"SQLite {sqlite3.sqlite_version} is too old; use a Python built with 3.37 or newer")
        self.path = Path(path)
        must_be_reached(self.path)
        self.readonly = readonly
        self._local = threading.local()
        self._write_lock = threading.Lock()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._watch: FileWatch | None = None
        with _explained(self.path):
            self._refuse_others()
            if not readonly:
                self.connection.execute("PRAGMA journal_mode = WAL")
            self._migrate()
            if not readonly:
                self._watch = FileWatch(self.path, self.connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection, in autocommit mode; write only inside :meth:`transaction`."""
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with _explained(self.path):
                connection = self._local.connection = self._connect()
                self._connections.add(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write: all of it is on the disk when the block ends, or none of it is.

        Threads of this process queue for a lock, which is fairer and faster than SQLite's own retries.

        Raises:
            DatabaseError: disk full, locked by another process for ``BUSY_SECONDS``, unwritable, or no longer the file
                that was opened.
            sqlite3.IntegrityError: a constraint or trigger refused the write (the transaction is rolled back).
        """
        connection = self.connection
        with self._write_lock, _explained(self.path):
            self._must_be_ours(connection)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                writes = self._watch.count(connection) if self._watch is not None else 0
                connection.execute("COMMIT")
                if self._watch is not None:
                    self._watch.writes = writes
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._must_be_ours(connection)  # what went into a deleted file is gone with the last process that has it

    def probe(self) -> None:
        """Whether a vote could be saved now: writes, durably.  Raises DatabaseError."""
        with self.transaction():
            pass

    def _must_be_ours(self, connection: sqlite3.Connection) -> None:
        if self._watch is None or (problem := self._watch.problem()) is None:
            return
        if not self._watch.rescued:
            self._watch.rescued = True
            self._rescue(connection)
        raise DatabaseError(f"{self.path}: {problem} {STOPPED}")

    def _rescue(self, connection: sqlite3.Connection) -> None:
        """Write what is still open of a file that was deleted or replaced beside it, once."""
        target = _beside(self.path, "rescued")
        try:
            _copy(connection, target)
        except sqlite3.Error:
            log.error("%s was deleted, replaced or overwritten; what it held could not be saved", self.path)
            target.unlink(missing_ok=True)
            return
        log.error("%s was deleted, replaced or overwritten; what it held is in %s", self.path, target)

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own that keeps seeing the database as it is now; for long reads, one thread at a time."""
        with _explained(self.path), closing(self._connect()) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            yield connection

    def backup(self, target: str | Path) -> None:
        """Copy the database into one file with SQLite's online backup, while it is in use. Raises DatabaseError."""
        target = Path(target)
        if target.is_file():
            raise DatabaseError(f"{target}: is there already; name a new file, for a backup replaces nothing")
        with _explained(target):
            _copy(self.connection, target)

    @classmethod
    def existing(cls, path: str | Path) -> Database:
        """Open a database that is there; to be read alone where it cannot be written. Raises DatabaseError."""
        path = Path(path)
        must_be_reached(path)
        if not path.exists():
            raise DatabaseError(f"{path}: does not exist; name the app's database with --db")
        return cls(path, readonly=not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)))

    def close(self) -> None:
        """Close every connection; the object cannot be used again."""
        for connection in list(self._connections):
            connection.close()
        self._local = threading.local()

    def _connect(self) -> _Connection:
        # Threads keep to their own connection; only close() and a snapshot handed on cross, and those never overlap.
        connection: _Connection = sqlite3.connect(
            self._uri(), uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False,
            factory=_Connection,
        )  # fmt: skip
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")  # so that REPLACE cannot get round the delete triggers
        connection.execute("PRAGMA synchronous = FULL")  # a vote is on the disk before the page says so
        connection.execute("PRAGMA cache_size = -256")  # KiB; a busy app has a hundred connections
        connection.execute("PRAGMA secure_delete = ON")  # what a tester withdraws is overwritten
        return connection

    def _uri(self) -> str:
        uri = self.path.absolute().as_uri()
        if not self.readonly:
            return uri
        # On a disk that cannot be written SQLite cannot share a log; without one the file alone is the database.
        alone = not self.path.with_name(self.path.name + "-wal").exists() and not os.access(self.path.parent, os.W_OK)
        return f"{uri}?immutable=1" if alone else f"{uri}?mode=ro"

    def _refuse_others(self) -> None:
        """Before anything is written: the first thing would be the file's journal mode."""
        tables = {name for (name,) in self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "_sqlite_migrations" not in tables:
            raise DatabaseError(f"{self.path}: is a SQLite file of another program; name another file with --db")

    def _migrate(self) -> None:
        from sqlite_utils import Database as Tables  # late: loads pandas, half a second that a help text can do without

        from .schema import VERSIONS, migrations

        tables = Tables(self.connection, recursive_triggers=False, execute_plugins=False)
        applied = [migration.name for migration in migrations.applied(tables)]
        if newer := [name for name in applied if name not in VERSIONS]:
            raise DatabaseError(
                f"{self.path}: was written by a newer version (schema {newer[-1]!r});"
                " update Diptych, or name another file with --db"
            )
        pending = migrations.pending(tables)
        if not pending:
            return
        if self.readonly:
            raise DatabaseError(f"{self.path}: has an older schema; open it once with write access to migrate it")
        if applied:
            self.backup(_beside(self.path, "backup", f"-before-{pending[0].name}"))
        with self.transaction():  # a second process that opens the same new file waits here, then finds nothing to do
            migrations.apply(tables)


def _beside(path: Path, kind: str, why: str = "") -> Path:
    """Where a copy of a database goes that is made now."""
    return path.with_name(f"{path.name}.{kind}-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}{why}")


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    """A database in one file, by SQLite's online backup."""
    with closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def insert(connection: sqlite3.Connection, table: str, **values: Any) -> int:
    """Add a row with these columns to a table; returns its key."""
    columns, places = ", ".join(values), ", ".join("?" * len(values))
    cursor = connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", list(values.values()))
    return cursor.lastrowid or 0


class FileWatch:
    """Notices that a database's file, or the log beside it, is no longer the one that was opened.

    SQLite goes on with the files that it has open, and says "committed" into one that nobody can open again.  A deleted
    or replaced file has another inode.  One that was overwritten has the same, so its header is asked whenever it has
    changed (by a checkpoint, or by somebody else): which database it is (``application_id``, drawn at the first
    opening), and whether it has lost writes that were in it before (``user_version`` counts them).  So it is
    where the log has become shorter.  Two or three `stat` calls, some 5 microseconds a transaction.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.rescued = False
        self._log_path = path.with_name(path.name + "-wal")
        if not connection.execute("PRAGMA application_id").fetchone()[0]:
            connection.execute(f"PRAGMA application_id = {1 + secrets.randbelow(MOST_WRITES - 1)}")
        self._file, self.writes = self._file_state(connection)
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")  # so that the file itself can tell, if nobody reads it
        self._log, self._log_size = _inode_and_size(self._log_path)
        self._seen = self._state()
        found = self._header()
        # Writes in the file itself, its log left aside; -1 where it does not know yet who it is.
        self._floor = found[1] if found is not None and found[0] == self._file else -1

    def problem(self) -> str | None:
        """What happened to the file, or None."""
        state = self._state()
        if state is None:
            return "was deleted"
        if self._seen is None or state[:2] != self._seen[:2]:
            return "was replaced by another file"
        inode, size = _inode_and_size(self._log_path)
        if self._log is None:
            self._log = inode
        elif inode != self._log or (size < self._log_size and not self._holds_all()):
            return "lost its log (the file that ends in -wal)"
        self._log_size = size
        if state != self._seen:
            found = self._header()
            if found is None or (self._floor >= 0 and (found[0] != self._file or found[1] < self._floor)):
                return "was overwritten"
            self._seen, self._floor = state, found[1] if found[0] == self._file else -1
        return None

    def count(self, connection: sqlite3.Connection) -> int:
        """Count a transaction, within it; returns how many there were. Raises DatabaseError."""
        file, writes = self._file_state(connection)
        if file != self._file or writes < self.writes:
            raise DatabaseError(f"{self.path}: was overwritten {STOPPED}")
        if writes < MOST_WRITES:
            connection.execute(f"PRAGMA user_version = {writes + 1}")
        return min(writes + 1, MOST_WRITES)

    def _holds_all(self) -> bool:
        """Whether the file has every write without its log, as after a checkpoint that truncates it."""
        found = self._header()
        return found is not None and found[0] == self._file and found[1] >= self.writes

    def _state(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    @staticmethod
    def _file_state(connection: sqlite3.Connection) -> tuple[int, int]:
        pragmas = ("application_id", "user_version")
        file, writes = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas)
        return int(file), int(writes)

    def _header(self) -> tuple[int, int] | None:
        """Identity and writes as the file itself has them, its log left aside; None where it is no database.

        Asked through SQLite: to open and close the file ourselves would drop the locks that SQLite holds on it
        (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
        """
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?immutable=1", uri=True)) as alone:
                alone.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # an empty file has every header
                return self._file_state(alone)
        except sqlite3.Error:
            return None


def _inode_and_size(path: Path) -> tuple[tuple[int, int] | None, int]:
    try:
        found = os.stat(path)
    except OSError:
        return None, 0
    return (found.st_dev, found.st_ino), found.st_size


def must_be_reached(path: Path) -> None:
    """Refuse a file below a folder that cannot be entered, at which all else fails. Raises DatabaseError."""
    try:
        path.stat()
    except PermissionError:
        raise DatabaseError(
            f"{path}: a folder above it cannot be entered; check its permissions, or name another file with --db"
        ) from None
    except OSError:
        return


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one line that says what to do."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        raise DatabaseError(f"{path}: {remedy(str(error), path)}") from error


def restore(source: str | Path, target: str | Path) -> Path | None:
    """Put a backup in the place of a database, which is kept beside it; returns where, or None if there was none.

    A backup of an older version is migrated, as when any database is opened.  A damaged database is set aside as it is.

    Raises:
        DatabaseError: the backup is damaged, none of ours or of a newer version, or the database is in use or cannot
            be written; the database is then as it was.
    """
    from .schema import VERSIONS  # late, as above

    source, target = Path(source), Path(target)
    if not source.is_file():
        raise DatabaseError(f"{source}: does not exist; name a backup with --from")
    if target.exists() and source.samefile(target):
        raise DatabaseError(f"{source}: is the database itself; name its backup with --from")
    with _explained(source), closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as backup:
        state = backup.execute("PRAGMA quick_check(1)").fetchone()[0]
        ours = backup.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()[0]
        if state != "ok" or not ours:
            raise DatabaseError(
                f"{source}: is {'damaged' if ours else 'no database of Diptych'}; name another backup with --from"
            )
        names = {name for (name,) in backup.execute("SELECT name FROM _sqlite_migrations")}
        if newer := names.difference(VERSIONS):
            raise DatabaseError(
                f"{source}: was written by a newer version (schema {min(newer)!r}); update Diptych, or name another"
                " backup with --from"
            )
        kept = _set_aside(target) if target.exists() else None
        with _explained(target), closing(sqlite3.connect(target, timeout=BUSY_SECONDS)) as database:
            backup.backup(database)
    Database(target).close()  # migrates
    return kept


def _set_aside(path: Path) -> Path:
    kept = _beside(path, "backup", "-before-restore")
    try:
        Database(path).backup(kept)
    except DatabaseError as error:
        if "locked" in str(error) or "another program" in str(error):
            raise
        if not _may_be_damaged(path):
            raise DatabaseError(
                f"{path}: is no database, nothing is put in its place; name the database with --db, or move this away"
            ) from error
        for suffix in ("-wal", "-shm", ""):  # damaged: the files themselves
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(kept.with_name(kept.name + suffix))
    return kept


def _may_be_damaged(path: Path) -> bool:
    """Whether a file that is no database may have been one: its beginning says so, or was lost in a crash."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return False
    return start == b"SQLite format 3\0" or not start.strip(b"\0")


def remedy(message: str, path: Path) -> str:
    """What SQLite's message about a file means for its user, and what to do."""
    lowered = message.lower()
    if "unable to open" in lowered:
        if path.is_dir():
            return "is a folder; name a file with --db"
        if not path.parent.is_dir():
            return f"cannot be opened, there is no folder {path.parent}; make it or name another file with --db"
        if not path.exists():
            return "does not exist or cannot be made here; check the path and its permissions"
        return "cannot be opened; check its permissions"
    for signs, remedy_text in _REMEDIES.items():
        if re.search(signs, lowered):
            return remedy_text
    return f"SQLite says: {message.partition(' with text ')[0]}"  # what testers wrote is not for logs


_REMEDIES = {
    "read-?only": "cannot be written; check its permissions and those of its folder, or name another file with --db",
    "locked|busy": f"is locked by another program for over {BUSY_SECONDS} s; close that program and try again",
    "full": "cannot grow, the disk is full; free some space and try again",
    "i/o error": "cannot be read or written; check the disk, the space and the quota that are left on it",
    "not a database|malformed|corrupt": "is corrupt or no SQLite database; restore a backup or name another file with"
    " --db",
}
"""By what SQLite says, in that order."""
