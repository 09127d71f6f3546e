"""What a report tells besides the statistics: the study, the flow of its testers, what was served, who looked."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from ..registry import revealed_secret


@dataclass(frozen=True)
class Facts:
    """Everything of one study that is not a statistic."""

    study: dict[str, Any]  # its row, ``definition`` and ``models`` parsed, ``secret`` None while it foretells anything
    flow: list[tuple[str, int]]  # testers at each step, from consent to what was excluded, as (step, number)
    unvoted: dict[str, tuple[int, int]]  # by the model on the left: rounds without a vote, and all that were served
    failures: dict[str, int]  # failed answers by model
    flagged: int  # current votes on an answer that told who wrote it
    reasons: dict[str, int]  # how often each reason was ticked, by winner
    vote_seconds: list[float]  # times to a vote, in seconds
    prompts: list[sqlite3.Row]  # each prompt of the bank with its servings and votes
    looks: list[int]  # testers whose session was over at every look that was logged


def gather(connection: sqlite3.Connection, study_id: int) -> Facts:
    """Read the facts of a study."""

    def rows(sql: str) -> list[sqlite3.Row]:
        return connection.execute(sql, {"study": study_id}).fetchall()

    def pairs(sql: str) -> dict[str, int]:
        return dict(map(tuple, rows(sql)))

    study = dict(rows("SELECT * FROM studies WHERE id = :study")[0])
    study.update(definition=json.loads(study["definition"]), models=json.loads(study["models"]))
    study["secret"] = revealed_secret(connection, study_id)
    return Facts(
        study=study,
        flow=_flow(rows),
        unvoted={
            row[0]: (row[1], row[2])
            for row in rows(
                "SELECT left_model, SUM(status = 'abandoned'), COUNT(*) FROM battles WHERE study_id = :study"
                " AND status IN ('voted', 'abandoned') GROUP BY 1"
            )
        },
        failures=pairs(
            "SELECT model, COUNT(*) FROM failures JOIN turns ON turns.id = turn_id JOIN battles ON battles.id ="
            " battle_id WHERE study_id = :study GROUP BY 1"
        ),
        flagged=rows("SELECT COUNT(*) FROM votes WHERE study_id = :study AND superseded = 0 AND leak_flag = 1")[0][0],
        reasons=pairs(
            "SELECT json_each.value, COUNT(*) FROM votes, json_each(votes.reasons) WHERE study_id = :study AND"
            " superseded = 0 GROUP BY 1 ORDER BY 2 DESC"
        ),
        vote_seconds=[
            row[0]
            for row in rows(
                "SELECT vote_seconds FROM votes WHERE study_id = :study AND superseded = 0 AND vote_seconds IS NOT NULL"
            )
        ],
        prompts=rows(
            "SELECT prompts.prompt_id, category, text, served_left, served_right, COUNT(votes.id) AS votes"
            " FROM prompts LEFT JOIN votes ON votes.prompt_id = prompts.id AND superseded = 0 WHERE"
            " prompts.study_id = :study AND position IS NOT NULL GROUP BY prompts.id ORDER BY position"
        ),
        looks=[row[0] for row in rows("SELECT testers_closed FROM looks WHERE study_id = :study ORDER BY id")],
    )


def _flow(rows: Any) -> list[tuple[str, int]]:
    row = rows(
        "SELECT COUNT(*) AS consented, COUNT(invite) AS invited, SUM(EXISTS (SELECT 1 FROM votes WHERE"
        " votes.study_id = testers.study_id AND votes.tester_id = testers.id AND superseded = 0)) AS voted,"
        " SUM(closed_why = 'quota') AS quota, SUM(closed_why = 'quit') AS quit, SUM(closed_why = 'timeout') AS"
        " timeout, SUM(closed_why = 'withdrawn') AS withdrawn, SUM(closed_at IS NULL) AS still_open"
        " FROM testers WHERE study_id = :study"
    )[0]
    places = rows("SELECT SUM(COALESCE(uses, used)) AS places FROM invites WHERE study_id = :study")[0]["places"]
    steps = (
        ("Consented", "consented"),
        ("Of these by invitation", "invited"),
        ("Gave at least one vote that stands", "voted"),
        ("Finished: voted on all rounds", "quota"),
        ("Left early", "quit"),
        ("Timed out", "timeout"),
        ("Withdrew (everything removed)", "withdrawn"),
        ("Session still open", "still_open"),
    )
    flow = [(step, int(row[name] or 0)) for step, name in steps]
    return [("Invited (places of all codes)", int(places)), *flow] if places else flow
