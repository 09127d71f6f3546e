"""The look log: who watches a running study should be able to show how often."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from .battles import timestamp
from .database import Database


def log_look(database: Database, study_id: int, kind: str, result: Mapping[str, Any]) -> bool:
    """Write down that results were seen, with what the anytime interval said; False when the file is read-only.

    Args:
        kind: ``results``, ``stats``, ``report``, ``export csv``, ...
        result: a summary, or its parts ``n_votes``, ``n_testers_closed`` and ``anytime``.
    """
    if database.readonly:
        return False
    seen = result["anytime"]
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO looks (study_id, looked_at, kind, votes, testers_closed, e_value, ci_low, ci_high)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                study_id,
                timestamp(datetime.now(timezone.utc)),
                kind,
                result["n_votes"],
                result["n_testers_closed"],
                seen["e_value"],
                seen["ci_low"],
                seen["ci_high"],
            ],
        )
    return True
