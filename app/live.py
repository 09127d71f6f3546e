"""What is going on in a running app, for researchers: testers, the queue, the models, what went wrong. No results."""

from __future__ import annotations

import functools
import time
from datetime import datetime, timedelta, timezone
from html import escape

from app import metrics
from app.components import bare_table, numbers, row
from app.results import WINNERS
from app.runtime import Runtime
from feedback.battles import timestamp
from feedback.database import Database
from feedback.statistics.patterns import suspicious

ACTIVE_MINUTES = 5
RECENT_ANSWERS = 50  # of each model, for its speed
RECENT_FAILURES = 10
PATTERN_SECONDS = 60.0

_TESTERS = """
SELECT COUNT(*), SUM(closed_at IS NULL), SUM(closed_at IS NULL AND last_seen_at >= :since),
       SUM(closed_why IS 'quota'), SUM(closed_why IS 'quit'), SUM(closed_why IS 'timeout'),
       SUM(closed_why IS 'withdrawn')
FROM testers WHERE study_id = :study
"""
_TURNS = """
SELECT COUNT(*), COALESCE(SUM(turns.status = 'complete'), 0), COALESCE(SUM(turns.status = 'cancelled'), 0),
       COALESCE(SUM(turns.status = 'failed'), 0)
FROM turns JOIN battles ON battles.id = battle_id WHERE study_id = :study
"""
_FLAGGED = """
SELECT COUNT(*) FROM answers JOIN turns ON turns.id = turn_id JOIN battles ON battles.id = battle_id
WHERE study_id = :study AND leak_flag = 1
"""
_SPEED = """
SELECT SUM(tokens) / NULLIF(SUM(seconds), 0), AVG(first_token_seconds), AVG(seconds), AVG(tokens) FROM (
    SELECT tokens, seconds, first_token_seconds FROM answers JOIN turns ON turns.id = turn_id
        JOIN battles ON battles.id = battle_id
    WHERE study_id = :study AND model = :model AND turns.status = 'complete' ORDER BY turn_id DESC LIMIT :recent)
"""
_FAILURES = """
SELECT failed_at, model, error FROM failures JOIN turns ON turns.id = turn_id JOIN battles ON battles.id = battle_id
WHERE study_id = :study ORDER BY failures.id DESC LIMIT :recent
"""


def live_html(runtime: Runtime) -> str:
    """The whole tab, as things are now."""
    blind_test = runtime.blind_test
    if runtime.rounds is None or blind_test is None:
        return f"<h1>Live</h1><p>{escape(runtime.failure or 'The models are being prepared.')}</p>"
    connection, study = runtime.database.connection, blind_test.study_id
    since = timestamp(datetime.now(timezone.utc) - timedelta(minutes=ACTIVE_MINUTES))
    testers = connection.execute(_TESTERS, {"study": study, "since": since}).fetchone()
    enrolled, opened, active, quota, early, timeout, withdrawn = (number or 0 for number in testers)
    asked, complete, stopped, failed = connection.execute(_TURNS, {"study": study}).fetchone()
    flagged = connection.execute(_FLAGGED, {"study": study}).fetchone()[0]
    running, waiting = (metrics.REGISTRY.get_sample_value(f"diptych_turns_{state}") for state in ("running", "waiting"))
    now = {
        f"Active in {ACTIVE_MINUTES} min": active,
        "Being answered": int(running or 0),
        "Waiting": int(waiting or 0),
        "Failed turns": failed,
        "Flagged answers": flagged,
    }
    sessions = {
        "Consented": enrolled, "Open": opened, "Finished": quota, "Left early": early, "Timed out": timeout,
        "Withdrew": withdrawn,
    }  # fmt: skip
    turns = {"Asked": asked, "Answered by both": complete, "Stopped": stopped, "Failed": failed}
    patterns = _patterns(runtime.database, study, int(time.monotonic() / PATTERN_SECONDS))
    tables = _models(runtime, study) + _counts("Testers", sessions) + _counts("Questions", turns)
    tables += _counts("Patterns of scripts", patterns)
    return (
        f'<p class="over">{escape(blind_test.label)}</p><h1>Live</h1>{numbers(now)}'
        f'<div class="tables" tabindex="0" role="region" aria-label="Live">{tables}</div>{_failures(runtime, study)}'
    )


@functools.lru_cache(1)
def _patterns(database: Database, study: int, when: int) -> dict[str, int]:
    """Votes by pattern, looked for once in a while, since every vote and comment is read for it."""
    found = suspicious(database.connection, study)
    return {str(entry["pattern"]).capitalize(): int(entry["votes"]) for entry in found}


def _models(runtime: Runtime, study: int) -> str:
    health, rows = runtime.health(), []
    for model in ("model1", "model2"):
        speed = runtime.database.connection.execute(
            _SPEED, {"study": study, "model": model, "recent": RECENT_ANSWERS}
        ).fetchone()
        rows.append(row(escape(health[model]), *map(_number, speed), head=WINNERS[model]))
    titles = ("Model", "State", "Tokens/s", "First token, s", "Whole answer, s", "Tokens")
    return bare_table(titles, rows, f"Models, last {RECENT_ANSWERS} answers of each")


def _counts(caption: str, counts: dict[str, int]) -> str:
    rows = "".join(row(f"{value:,}", head=name) for name, value in counts.items())
    return f"<table><caption>{caption}</caption><tbody>{rows}</tbody></table>"


def _failures(runtime: Runtime, study: int) -> str:
    rows = runtime.database.connection.execute(_FAILURES, {"study": study, "recent": RECENT_FAILURES}).fetchall()
    if not rows:
        return ""
    items = "".join(
        f"<li><span>{escape(failed_at[:19].replace('T', ' '))} UTC · {WINNERS.get(model, 'Both')}</span>"
        f" {escape(error)}</li>"
        for failed_at, model, error in rows
    )
    return f'<h2 class="failures">The last failures</h2><ul class="failures">{items}</ul>'


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
