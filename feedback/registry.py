"""How studies and questions enter the database, how a tester leaves it, and when a study's secret may be told."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any

from . import __version__
from .assignment import BLOCK_SIZE
from .database import Database, insert
from .rules import RefusedCall
from .study import OWN_CATEGORY, Study
from .study_rules import shown
from .versions import as_before

PRIMARY_STATISTIC = "tester-mean preference, t interval"
# CROSS JOIN: a study's idle testers are found by the index `testers_open`, where SQLite would go through all open ones.
_IDLE = """
SELECT testers.id FROM studies CROSS JOIN testers ON testers.study_id = studies.id WHERE testers.closed_at IS NULL
    AND last_seen_at <= strftime('%Y-%m-%dT%H:%M:%fZ', :now, '-' || session_timeout_minutes || ' minutes')
"""
_CLOSE_IDLE = f"""
UPDATE testers SET
    closed_at = (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', last_seen_at, '+' || session_timeout_minutes || ' minutes')
                 FROM studies WHERE studies.id = study_id),
    closed_why = CASE WHEN (SELECT COUNT(*) FROM votes WHERE votes.study_id = testers.study_id
                            AND votes.tester_id = testers.id AND superseded = 0)
                      >= (SELECT rounds FROM studies WHERE studies.id = study_id) THEN 'quota' ELSE 'timeout' END
WHERE id IN ({_IDLE})
"""

# Of a row of studies: whether its secret still foretells a side.
SECRET_KEPT = (
    "(closed_at IS NULL OR EXISTS (SELECT 1 FROM testers WHERE study_id = studies.id AND testers.closed_at IS NULL))"
)


def register(connection: sqlite3.Connection, study: Study, models: Mapping[str, Any], now: str) -> sqlite3.Row:
    """Find a study by its settings and models, or write it down with a new secret; returns its row.

    A study that an earlier release began goes on where it knows nothing else of the models than what is here.
    """
    find = "SELECT * FROM studies WHERE study_hash = ? AND models_hash = ?"
    description, models_hash = _described(models)
    for known in (models_hash, _described(as_before(models))[1]):
        found: sqlite3.Row | None = connection.execute(find, [study.hash, known]).fetchone()
        if found is not None:
            return found
    secret = secrets.token_hex(32)
    row = {
        "label": f"{study.name}#{hashlib.sha256((study.hash + models_hash).encode()).hexdigest()[:8]}",
        "name": study.name,
        "study_hash": study.hash,
        "models_hash": models_hash,
        "definition": study.canonical,
        "models": description,
        "secret": secret,
        "secret_sha256": hashlib.sha256(bytes.fromhex(secret)).hexdigest(),
        "block_size": BLOCK_SIZE,
        "rounds": study.rounds,
        "alpha": study.alpha,
        "session_timeout_minutes": study.session_timeout_minutes,
        "primary_statistic": PRIMARY_STATISTIC,
        "prompt_bank_hash": study.prompt_bank_hash,
        "code_version": __version__,
        "opened_at": now,
    }
    key = insert(connection, "studies", **row)
    connection.executemany(
        "INSERT INTO prompts (study_id, prompt_id, category, text, position) VALUES (?, ?, ?, ?, ?)",
        [(key, prompt.id, prompt.category, prompt.text, position) for position, prompt in enumerate(study.prompts)],
    )
    inserted: sqlite3.Row = connection.execute(find, [study.hash, models_hash]).fetchone()
    return inserted


def _described(models: Mapping[str, Any]) -> tuple[str, str]:
    """The models' descriptions as JSON, and its hash."""
    description = json.dumps(models, sort_keys=True, ensure_ascii=False, default=str)
    return description, hashlib.sha256(description.encode()).hexdigest()


def earlier(connection: sqlite3.Connection, study: sqlite3.Row) -> sqlite3.Row | None:
    """The newest study with this one's settings, other models and testers, while this one has no testers yet."""
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM studies WHERE study_hash = :study_hash AND id <> :id"
        " AND EXISTS (SELECT 1 FROM testers WHERE study_id = studies.id)"
        " AND NOT EXISTS (SELECT 1 FROM testers WHERE study_id = :id) ORDER BY id DESC LIMIT 1",
        {"study_hash": study["study_hash"], "id": study["id"]},
    ).fetchone()
    return row


def prompt_key(connection: sqlite3.Connection, study_id: int, prompt_id: str | None, text: str) -> int:
    """The key of a prompt of the bank, or of the tester's own question (shared by all who ask the same).

    Raises Refused for one that the bank lacks.
    """
    if prompt_id is not None:
        row = connection.execute(
            "SELECT id, text FROM prompts WHERE study_id = ? AND prompt_id = ? AND position IS NOT NULL",
            [study_id, prompt_id],
        ).fetchone()
        if row is None:
            raise RefusedCall(f"{shown(prompt_id)} is not among this study's questions; choose one or write your own.")
        if row["text"] == text:
            return int(row["id"])
    own = "own-" + hashlib.sha256(text.encode()).hexdigest()[:16]
    connection.execute(
        "INSERT OR IGNORE INTO prompts (study_id, prompt_id, category, text) VALUES (?, ?, ?, ?)",
        [study_id, own, OWN_CATEGORY, text],
    )
    row = connection.execute(
        "SELECT id, text FROM prompts WHERE study_id = ? AND prompt_id = ?", [study_id, own]
    ).fetchone()
    if row["text"] != text:  # emptied by a withdrawal, asked again by somebody else
        connection.execute("UPDATE prompts SET text = ? WHERE id = ?", [text, row["id"]])
    return int(row["id"])


def remove_tester(connection: sqlite3.Connection, key: int) -> None:
    """Delete what a withdrawn tester wrote, read and chose; the triggers allow it for withdrawn testers only.

    The bare assignments stay (which prompt of the bank, which side); own questions that nobody else asked are emptied.
    """
    battles = "(SELECT id FROM battles WHERE tester_id = :key)"
    turns = f"(SELECT id FROM turns WHERE battle_id IN {battles})"
    for statement in (
        "DELETE FROM guesses WHERE tester_id = :key",
        "DELETE FROM requests WHERE tester_id = :key",
        f"DELETE FROM remarks WHERE battle_id IN {battles}",
        "DELETE FROM votes WHERE tester_id = :key",
        "DELETE FROM tallies WHERE tester_id = :key",
        f"DELETE FROM failures WHERE turn_id IN {turns}",
        f"DELETE FROM answers WHERE turn_id IN {turns}",
        f"DELETE FROM turns WHERE battle_id IN {battles}",
        "UPDATE battles SET status = 'withdrawn', reason = NULL WHERE tester_id = :key",
        "UPDATE prompts SET text = '' WHERE position IS NULL AND id IN (SELECT prompt_id FROM battles WHERE"
        " tester_id = :key) AND NOT EXISTS (SELECT 1 FROM battles WHERE prompt_id = prompts.id"
        " AND status <> 'withdrawn')",
    ):
        connection.execute(statement, {"key": key})


def revealed_secret(connection: sqlite3.Connection, study_id: int) -> str | None:
    """A study's secret, or None while somebody may still be served a round that it foretells."""
    row = connection.execute(f"SELECT secret FROM studies WHERE id = ? AND NOT {SECRET_KEPT}", [study_id]).fetchone()
    return None if row is None else str(row[0])


def close_expired(database: Database, now: str) -> int:
    """Close every session that was idle for its study's timeout, as of that moment; returns how many.

    A timeout that is fixed beforehand keeps a tester who wandered off from holding up the anytime interval.
    """
    if database.connection.execute(f"{_IDLE} LIMIT 1", {"now": now}).fetchone() is None:
        return 0
    with database.transaction() as connection:
        connection.execute(
            "UPDATE battles SET status = 'abandoned', reason = 'timeout', closed_at = :now"
            f" WHERE status = 'open' AND tester_id IN ({_IDLE})",
            {"now": now},
        )
        return connection.execute(_CLOSE_IDLE, {"now": now}).rowcount
