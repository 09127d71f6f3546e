"""One app at a time on a database."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from feedback.claim import Claim, low_space
from feedback.database import DatabaseError

HOLD = """
import sys
from feedback.claim import Claim
claim = Claim(sys.argv[1])  # an object that nobody holds lets go of its lock
claim.take()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_database(tmp_path: Path) -> None:
    path = tmp_path / "votes.db"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DatabaseError, match=f"process {holder.pid} on .* since .* UTC.*--db"):
            Claim(path).take()
        holder.kill()  # as a power cut would
    mine = Claim(path)
    mine.take()
    with pytest.raises(DatabaseError, match=f"process {os.getpid()}"):
        Claim(path).take()
    mine.free()
    Claim(path).take()


def test_a_link_to_the_database_is_the_same_database(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(tmp_path / "votes.db")
    mine = Claim(tmp_path / "votes.db")
    mine.take()
    with pytest.raises(DatabaseError, match="is in use"):
        Claim(link).take()
    mine.free()
    Claim(link).take()


def test_a_database_with_two_names_is_refused_under_each(tmp_path: Path) -> None:
    """By the other name a second app would have another lock, and SQLite another log, beside the same file."""
    (tmp_path / "votes.db").touch()
    try:
        os.link(tmp_path / "votes.db", tmp_path / "other.db")
    except OSError:
        pytest.skip("this disk has no hard links")
    for name in ("votes.db", "other.db"):
        with pytest.raises(DatabaseError, match=r"has another name as well.*name a copy"):
            Claim(tmp_path / name).take()
    (tmp_path / "other.db").unlink()
    mine = Claim(tmp_path / "votes.db")
    mine.take()
    mine.free()


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="this system has no /proc, a folder in which not even root can make a file"
)
def test_a_folder_that_takes_no_files_is_not_called_in_use() -> None:
    with pytest.raises(DatabaseError, match="takes no files; name a file in another folder"):
        Claim("/proc/votes.db").take()


def test_a_stranger_s_files_beside_the_database_stay_as_they_are(tmp_path: Path) -> None:
    for name in ("votes.db.holder", "votes.db.lock"):
        (tmp_path / name).write_text("mine")
    mine = Claim(tmp_path / "votes.db")
    mine.take()
    with pytest.raises(DatabaseError, match="is in use by another Diptych;"):
        Claim(tmp_path / "votes.db").take()
    mine.free()
    assert (tmp_path / "votes.db.holder").read_text() == "mine"
    assert (tmp_path / "votes.db.lock").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_disk_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """As Linux answers on a network file system whose server has no lock daemon."""

    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(DatabaseError, match=r"keeps no locks.*local disk"):
        Claim(tmp_path / "votes.db").take()


def test_little_space_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert low_space(tmp_path / "votes.db") == "" or "MB are left" in low_space(tmp_path / "votes.db")
    monkeypatch.setattr("feedback.claim.LOW_SPACE", 1 << 60)
    assert "MB are left on its disk" in low_space(tmp_path / "votes.db")
