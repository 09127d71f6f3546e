"""Small tables beside ``votes.csv``, whose columns are fixed: guesses, testers, good-enough answers, remarks."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .rows import hide_formula

_CHUNK = 2000  # rows that are turned into bytes at a time


class Companion(NamedTuple):
    """A table beside ``votes.csv``: its columns as (name, type, unit, meaning), and the SQL that reads it."""

    columns: tuple[tuple[str, str, str, str], ...]
    sql: str


_STUDY = ("study", "text", "", "The study: its name and a hash of its settings and models.")
_TESTER = ("tester_id", "text", "", "Opaque id of the tester.")

_OF_TESTERS = (
    " JOIN studies ON studies.id = testers.study_id WHERE (:study IS NULL OR testers.study_id = :study)"
    " ORDER BY testers.id"
)

COMPANIONS = {
    "guesses": Companion(
        (
            _STUDY,
            _TESTER,
            ("answer", "text", "", "Which side the tester took for Model 1: left_last, right_last or dont_know."),
            ("left_model", "text", "", "The model on the left of the round that the guess is about."),
            ("guessed_at", "time", "", "When the guess was saved, UTC, ISO 8601."),
        ),
        "SELECT label, code, answer, left_model, guessed_at FROM guesses JOIN testers ON testers.id ="
        " guesses.tester_id JOIN battles ON battles.id = guesses.battle_id" + _OF_TESTERS,
    ),
    "testers": Companion(
        (
            _STUDY,
            _TESTER,
            ("enrolment", "integer", "", "1 for the first tester who consented, 2 for the second, ..."),
            ("consent_version", "text", "", "Version of the text that the tester agreed to."),
            ("enrolled_at", "time", "", "When the consent was saved, UTC, ISO 8601."),
            ("closed_at", "time", "", "When the session ended, UTC, ISO 8601; empty while it is open."),
            ("closed_why", "text", "", "quota (all rounds voted), quit, timeout or withdrawn."),
            ("withdrawn_votes", "integer", "", "Votes that a withdrawal removed."),
            ("background", "text", "", "Answers on the tester's background as a JSON object, by the question's id."),
            (
                "consent_language",
                "text",
                "",
                "In which language the tester read that text, as a code of ISO 639; empty where that is not known: a"
                " consent from before this was noted, or a study's own text on a page in the language of each browser.",
            ),
        ),
        "SELECT label, code, enrolment, consent_version, enrolled_at, testers.closed_at, closed_why, withdrawn_votes,"
        " NULLIF(background, '{}'), consent_language FROM testers" + _OF_TESTERS,
    ),
    "good_enough": Companion(
        (
            _STUDY,
            ("vote_id", "integer", "", "Number of the vote, as in votes.csv."),
            ("good_enough", "text", "", "yes or no: whether the better answer was good enough in itself."),
        ),
        "SELECT label, votes.id, iif(good_enough, 'yes', 'no') FROM votes JOIN studies ON studies.id = votes.study_id"
        " WHERE good_enough IS NOT NULL AND (:study IS NULL OR votes.study_id = :study) ORDER BY votes.id",
    ),
    "remarks": Companion(
        (
            _STUDY,
            _TESTER,
            ("battle_id", "integer", "", "Number of the round that was served, as in votes.csv."),
            ("prompt_id", "text", "", "Id of the first question in the study's bank; own-... for a tester's own."),
            ("prompt", "text", "", "The first question."),
            ("left_model", "text", "", "The model on the left: model1 or model2."),
            ("status", "text", "", "abandoned or open (no vote was given), or voted (written after the session)."),
            ("reasons", "text", "", "Reasons ticked, as a JSON list; empty when none."),
            ("comment", "text", "", "What the tester wrote beside the answers."),
            ("written_at", "time", "", "When it was saved, UTC, ISO 8601."),
        ),
        "SELECT label, code, battles.id, prompts.prompt_id, prompts.text, left_model, battles.status,"
        " NULLIF(remarks.reasons, '[]'), remarks.comment, written_at FROM remarks JOIN battles ON battles.id ="
        " remarks.battle_id JOIN prompts ON prompts.id = battles.prompt_id JOIN testers ON testers.id ="
        " battles.tester_id" + _OF_TESTERS,
    ),
}


def stream_companion(connection: sqlite3.Connection, name: str, study_id: int | None) -> Iterator[bytes]:
    """The table as CSV, its header first."""
    rows = connection.execute(COMPANIONS[name].sql, {"study": study_id})
    yield _csv([[column[0] for column in COMPANIONS[name].columns]])
    while chunk := rows.fetchmany(_CHUNK):
        yield _csv(chunk)


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(
        [hide_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return buffer.getvalue().encode()


def beside(path: str | Path, name: str) -> Path:
    """The file of a companion that belongs to an exported ``votes.csv``: ``votes.guesses.csv``."""
    return Path(path).with_suffix(f".{name}.csv")
