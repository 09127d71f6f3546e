"""What an exported file holds and what its columns mean."""

from __future__ import annotations

import json
import platform
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .. import __version__
from ..battles import timestamp
from ..statistics.exclusion import NOTHING, rules_of
from ..statistics.load import load_outcomes
from .companions import COMPANIONS
from .rows import CODEBOOK


@dataclass(frozen=True)
class Manifest:
    """What an exported file holds, so that it can be cited and checked."""

    format: str  # name of the format
    rows: int  # rows of the format in the file (votes, pairs, completions or battles)
    filters: dict[str, Any]  # what was asked for
    dropped: list[dict[str, Any]]  # ``{"reason", "n"}`` of votes that the format has no row for
    sha256: str  # of the file
    size_bytes: int
    # Of each study its label, hashes, models with the hash of their weights, error rate, the category of each question
    # by its id, and the rules of exclusion with what the statistics leave out by them; the file keeps those votes.
    studies: list[dict[str, Any]]
    versions: dict[str, str]  # of Diptych, the schema, Python and SQLite
    created_at: str  # UTC, ISO 8601


# Which votes have no row, by format; the tabular formats keep them all.
_DROPPED = {"dpo": ("superseded", "tie", "both_bad"), "kto": ("superseded", "tie"), "arena": ("superseded",)}
_REASONS = {
    "superseded": "votes superseded by a correction or by added reasons",
    "tie": "ties: neither answer is preferred",
    "both_bad": "both bad: neither answer is preferred",
}


def describe(connection: sqlite3.Connection, format: str, study_id: int | None, sha256: str, size: int) -> Manifest:
    """The manifest of a file that was just written from this snapshot."""
    which = {"study": study_id}
    counts: dict[str, int] = dict(
        connection.execute(
            "SELECT CASE WHEN superseded THEN 'superseded' ELSE choice END, COUNT(*) FROM votes"
            " WHERE (:study IS NULL OR study_id = :study) GROUP BY 1",
            which,
        ).fetchall()
    )
    dropped = _DROPPED.get(format, ())
    withdrawn = connection.execute(
        "SELECT COALESCE(SUM(withdrawn_votes), 0) FROM testers WHERE (:study IS NULL OR study_id = :study)", which
    ).fetchone()[0]
    studies = [
        _described(connection, row)
        for row in connection.execute(
            "SELECT * FROM studies WHERE (:study IS NULL OR id = :study) ORDER BY id", which
        ).fetchall()
    ]
    schema = connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id DESC LIMIT 1").fetchone()[0]
    return Manifest(
        format=format,
        rows=count(connection, format, study_id)
        if format in COMPANIONS
        else sum(number for name, number in counts.items() if name not in dropped) * (2 if format == "kto" else 1),
        filters={"study": studies[0]["label"] if study_id is not None and studies else None},
        dropped=[{"reason": _REASONS[name], "n": counts[name]} for name in dropped if counts.get(name)]
        + ([{"reason": "votes of testers who withdrew", "n": withdrawn}] if withdrawn else []),
        sha256=sha256,
        size_bytes=size,
        studies=studies,
        versions={
            "diptych": __version__,
            "schema": schema,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
        created_at=timestamp(datetime.now(timezone.utc)),
    )


def count(connection: sqlite3.Connection, companion: str, study_id: int | None) -> int:
    """Rows of a table beside ``votes.csv``."""
    row = connection.execute(f"SELECT COUNT(*) FROM ({COMPANIONS[companion].sql})", {"study": study_id}).fetchone()
    return int(row[0])


_BANK = "SELECT prompt_id, category FROM prompts WHERE study_id = ? AND position IS NOT NULL ORDER BY position"


def _described(connection: sqlite3.Connection, study: sqlite3.Row) -> dict[str, Any]:
    """A study in a manifest: its hashes, error rate, rules of exclusion and what they leave out."""
    rules = rules_of(study["definition"])
    excluded = () if rules == NOTHING else load_outcomes(connection, study["id"], rules).excluded
    bank = connection.execute(_BANK, [study["id"]]).fetchall()
    names = ("label", "alpha", "study_hash", "models_hash", "prompt_bank_hash", "secret_sha256", "code_version")
    return {name: study[name] for name in names} | {
        "models": json.loads(study["models"]),
        "questions": {row["prompt_id"]: row["category"] for row in bank},
        "exclusion": rules.settings,
        "excluded_from_statistics": [{"reason": reason, "n": n} for reason, n in excluded],
    }


_MESSAGES = "list of {role, content}"
_OTHER_CODEBOOKS = {
    "dpo": (
        ("prompt", _MESSAGES, "", "The first question."),
        ("chosen", _MESSAGES, "", "What followed on the side that won, from its first answer to its last."),
        ("rejected", _MESSAGES, "", "What followed on the side that lost."),
    ),
    "kto": (
        ("prompt", _MESSAGES, "", "The first question."),
        ("completion", _MESSAGES, "", "What followed on one side, from its first answer to its last."),
        ("label", "flag", "", "true: this side won; false: it lost, or both were bad."),
    ),
    "arena": (
        ("question_id", "text", "", "Number of the round."),
        ("model_a", "text", "", "The model on the left."),
        ("model_b", "text", "", "The model on the right."),
        ("winner", "text", "", "model_a, model_b, tie or tie (bothbad)."),
        ("judge", "text", "", "arena_user_ and the tester's opaque id."),
        ("conversation_a", _MESSAGES, "", "What was said on the left."),
        ("conversation_b", _MESSAGES, "", "What was said on the right."),
        ("turn", "integer", "", "Questions answered before the vote."),
        ("anony", "flag", "", "true: the models were hidden."),
        ("language", "text", "", "unknown: it is not detected."),
        ("tstamp", "number", "seconds", "When the vote was saved, since 1970, UTC."),
    ),
}


def codebook(format: str) -> str:
    """The columns of a format as a Markdown table: name, type, unit, meaning."""
    lines = [f"# Codebook of the {format} export", ""]
    if format == "csv":
        lines += [
            "A text that a spreadsheet would run as a formula, or that begins with an apostrophe, has one"
            " apostrophe more in front.",
            "",
        ]
    if format == "sqlite":
        lines += [
            "A copy of the database: tables studies, testers, prompts, battles, turns, answers, failures, votes,"
            " guesses, looks, tallies. The secret of a study that is open, or in which a session is, is blanked.",
            "",
            "The columns of the other tabular exports are joined from them:",
            "",
        ]
    others = _OTHER_CODEBOOKS | {name: companion.columns for name, companion in COMPANIONS.items()}
    columns = others.get(format) or [(column.name, column.type, column.unit, column.meaning) for column in CODEBOOK]
    lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(column)} |" for column in columns]
    return "\n".join(lines) + "\n"
