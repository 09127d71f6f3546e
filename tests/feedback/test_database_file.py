"""The file of a database in use: what is deleted, replaced, overwritten or copied back is found at the next write."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from feedback.blind_test import BlindTest
from feedback.check import check
from feedback.database import Database, DatabaseError
from tests.feedback.protocol import answered, open_test, vote_for


@pytest.fixture
def running(tmp_path: Path) -> BlindTest:
    """A test with a vote, as a running app has it: opened before, checkpointed once."""
    test = open_test(tmp_path / "votes.db")
    vote_for(test, test.enrol("1").id, ["model1"])
    test.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    test.database.probe()
    return test


def delete(path: Path) -> None:
    path.unlink()


def delete_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def empty_log(path: Path) -> None:
    os.truncate(path.with_name(path.name + "-wal"), 0)


def cut_log(path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    os.truncate(log, log.stat().st_size // 2)


def replace_with_other(path: Path) -> None:
    other = path.with_name("other.db")
    Database(other).close()
    os.replace(other, path)


def overwrite_with_other(path: Path) -> None:
    other = path.with_name("other.db")
    Database(other).close()
    path.write_bytes(other.read_bytes())


def overwrite_with_noise(path: Path) -> None:
    path.write_bytes(b"\x00" * path.stat().st_size)


def truncate(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (delete, "was deleted"),
        (delete_log, "lost its log"),
        (empty_log, "lost its log"),
        (cut_log, "lost its log"),
        (replace_with_other, "was replaced"),
        (overwrite_with_other, "was overwritten"),
        (overwrite_with_noise, "was overwritten"),
        (truncate, "was overwritten"),
    ],
)
def test_a_vote_is_not_said_to_be_saved_in_a_file_that_is_gone(
    running: BlindTest, harm: Callable[[Path], None], words: str
) -> None:
    tester = running.enrol("1").id
    battle = answered(running, tester)
    harm(running.database.path)
    for _ in range(2):
        with pytest.raises(DatabaseError, match=words):
            running.vote(tester, battle.id, "left")
        with pytest.raises(DatabaseError, match=words):
            running.database.probe()


@pytest.mark.parametrize("harm", [delete, replace_with_other])
def test_what_a_deleted_file_held_is_saved_beside_it(running: BlindTest, harm: Callable[[Path], None]) -> None:
    harm(running.database.path)
    with pytest.raises(DatabaseError):
        running.database.probe()
    [rescued] = running.database.path.parent.glob("votes.db.rescued-*")
    assert [row[0] for row in sqlite3.connect(rescued).execute("SELECT COUNT(*) FROM votes")] == [1]
    assert check(Database(rescued)) == []


def test_an_older_copy_in_its_place_is_found_out(running: BlindTest) -> None:
    path = running.database.path
    copy = path.read_bytes()
    for _ in range(3):
        vote_for(running, running.enrol("1").id, ["tie"])
    running.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    running.database.probe()
    path.write_bytes(copy)
    with pytest.raises(DatabaseError, match="was overwritten"):
        running.database.probe()


def test_what_others_do_with_the_file_is_no_alarm(running: BlindTest) -> None:
    path = running.database.path
    for round_ in range(4):
        other = Database(path)  # the command line, which writes a look and folds the log into the file
        other.probe()
        other.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.backup(path.with_name(f"backup{round_}.db"))
        other.close()
        os.utime(path)
        vote_for(running, running.enrol("1").id, ["tie"])
    assert check(running.database) == []


def test_a_write_that_is_rolled_back_is_no_alarm(running: BlindTest) -> None:
    def fail() -> None:
        with running.database.transaction() as connection:
            connection.execute("UPDATE testers SET last_seen_at = last_seen_at")
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail()
        running.database.probe()
