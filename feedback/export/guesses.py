"""What testers guessed, as a small table beside ``votes.csv``: the blinding index needs it."""

from __future__ import annotations

import csv
import io
import sqlite3
from pathlib import Path

GUESS_COLUMNS = ("study", "tester_id", "answer", "left_model", "guessed_at")


def guess_rows(connection: sqlite3.Connection, study_id: int | None) -> list[tuple[str, ...]]:
    """One row a tester who guessed; ``left_model`` is the model on the left of the round that the guess is about."""
    return [
        tuple(row)
        for row in connection.execute(
            "SELECT label, code, answer, left_model, guessed_at FROM guesses JOIN testers ON testers.id ="
            " guesses.tester_id"
            " JOIN battles ON battles.id = guesses.battle_id JOIN studies ON studies.id = testers.study_id"
            " WHERE (:study IS NULL OR testers.study_id = :study) ORDER BY testers.id",
            {"study": study_id},
        )
    ]


def guesses_csv(connection: sqlite3.Connection, study_id: int | None) -> bytes:
    """The table as CSV; empty when nobody guessed."""
    rows = guess_rows(connection, study_id)
    if not rows:
        return b""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(GUESS_COLUMNS)
    writer.writerows(rows)
    return buffer.getvalue().encode()


def guesses_beside(path: str | Path) -> Path:
    """The file of guesses that belongs to an exported ``votes.csv``: ``votes.guesses.csv``."""
    return Path(path).with_suffix(".guesses.csv")
