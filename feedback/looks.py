"""The look log: who watches a running study should be able to show how often."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from .battles import timestamp
from .database import Database, insert
from .statistics.load import load_counts
from .statistics.summary import summarise_counts

SAME_LOOK = timedelta(minutes=1)
# With the clock set back a look may be written twice, and none is lost.
_SEEN = """
SELECT 1 FROM (
    SELECT MIN(julianday(looked_at)) AS first, MAX(julianday(looked_at)) AS last FROM looks
    WHERE study_id = :study_id AND kind = :kind AND votes = :votes AND testers_closed = :testers_closed
        AND e_value IS :e_value AND ci_low IS :ci_low AND ci_high IS :ci_high)
WHERE julianday(:looked_at) >= last AND julianday(:looked_at) - last < MAX(:least, last - first)
"""


def log_look(database: Database, study_id: int, kind: str, result: Mapping[str, Any]) -> bool:
    """Write down that results were seen, with what the anytime interval said; False when the file is read-only.

    What shows the same as an earlier look of its kind tells nothing further: it is written down again after a minute,
    and from then on after as long as from its first look to its latest. So the log grows with what there is to see,
    and with the logarithm of time: some twenty lines a year of a sight that does not change.

    Args:
        kind: ``results``, ``stats``, ``report``, ``export csv``, ...
        result: a summary, or its parts ``n_votes``, ``n_testers_closed`` and ``anytime``.
    """
    if database.readonly:
        return False
    seen, now = result["anytime"], datetime.now(timezone.utc)
    look = {
        "study_id": study_id, "looked_at": timestamp(now), "kind": kind, "votes": result["n_votes"],
        "testers_closed": result["n_testers_closed"], "e_value": seen["e_value"],
        "ci_low": seen["ci_low"], "ci_high": seen["ci_high"],
    }  # fmt: skip
    # Without a transaction, which would wait for testers' votes.
    least = SAME_LOOK / timedelta(days=1)
    if database.connection.execute(_SEEN, look | {"least": least}).fetchone():
        return True
    with database.transaction() as connection:
        insert(connection, "looks", **look)
    return True


def log_look_at(database: Database, study: sqlite3.Row, kind: str) -> bool:
    """The same where nothing of the study, a row of ``studies``, was computed to be shown."""
    testers, _ = load_counts(database.connection, study)
    return log_look(database, study["id"], kind, summarise_counts(testers, study["alpha"]))
