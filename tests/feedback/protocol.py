"""A study, its clock, and testers who vote by the protocol: what the tests of this folder share."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from feedback.assignment import first_side
from feedback.blind_test import Answer, Battle, BlindTest
from feedback.database import Database
from feedback.export.rows import COLUMNS, vote_rows
from feedback.study import Study

READING_MINUTES = 0.5
GOOD = {"model1": Answer("one", 1, 0.5), "model2": Answer("two", 1, 0.5)}
VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())


def load_votes(database: Database) -> pd.DataFrame:
    """All votes, superseded ones included, with every column of votes.csv."""
    return pd.DataFrame(vote_rows(database.connection, None).fetchall(), columns=list(COLUMNS))


def document(**changes: Any) -> dict[str, Any]:
    """A study file as a parsed TOML document."""
    prompts = [
        {"id": f"q{number:02}", "category": "art" if number % 2 else "ai", "text": f"Question {number}?"}
        for number in range(1, 11)
    ]
    return {
        "name": "Test study",
        "rounds": 12,
        "reveal": "end",
        "alpha": 0.05,
        "session_timeout_minutes": 60,
        "max_turns": 3,
        "max_new_tokens": 64,
        "temperature": 0.7,
        "top_p": 0.9,
        "reasons": ["Clearer", "Shorter"],
        "consent": {"version": "1", "text": "You agree."},
        "prompts": prompts,
    } | changes


class Clock:
    """A clock that moves when told, and a millisecond at every look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def forward(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)


def open_test(path: Path, clock: Clock | None = None, **changes: Any) -> BlindTest:
    """A blind test on a database file; ``changes`` are settings of the study."""
    return BlindTest(
        Database(path),
        Study.from_document(document(**changes)),
        {"model1": {"name": "one"}, "model2": {"name": "two"}},
        clock or Clock(),
    )


def rows(test: BlindTest, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in test.database.connection.execute(sql)]


def answered(
    test: BlindTest,
    tester_id: str,
    text: str | None = None,
    chars: tuple[int, int] = (20, 30),
    prompt_id: str | None = None,
) -> Battle:
    """Start a round and let both models answer; ``chars`` are the lengths of model1's and model2's answers."""
    if text is None:
        prompt = (
            next(p for p in test.study.prompts if p.id == prompt_id) if prompt_id else test.suggestions(tester_id)[0]
        )
        prompt_id, text = prompt.id, prompt.text
    battle = test.start_battle(tester_id, prompt_id, text)
    answer_turn(test, tester_id, battle.id, text, chars)
    if isinstance(test._clock, Clock):
        test._clock.forward(READING_MINUTES)  # no browser can say that its tester read for longer
    return test.battle(tester_id, battle.id)


def answer_turn(test: BlindTest, tester_id: str, battle_id: int, text: str, chars: tuple[int, int] = (20, 30)) -> None:
    """Ask one question and save both answers."""
    turn = test.start_turn(tester_id, battle_id, text)
    test.finish_turn(turn.id, {"model1": Answer("a" * chars[0], 5, 1.0, 0.1), "model2": Answer("b" * chars[1], 6, 2.0)})


def choice_for(battle: Battle, winner: str) -> str:
    """The side to choose so that ``winner`` wins."""
    return winner if winner in ("tie", "both_bad") else "left" if battle.left_model == winner else "right"


def vote_for(test: BlindTest, tester_id: str, winners: Iterable[str]) -> None:
    """Vote on scheduled prompts so that these win in turn."""
    for winner in winners:
        battle = answered(test, tester_id)
        test.vote(tester_id, battle.id, choice_for(battle, winner))


def dataset_d() -> pd.DataFrame:
    """The explicit 80 votes of the vectors, with the columns that ``stats --csv`` needs; everybody is closed."""
    rows = []
    for number, row in enumerate(VECTORS["_dataset_D"]["rows"]):
        left, right = ("model1", "model2") if row["a_side"] == "left" else ("model2", "model1")
        winner = {"A": "model1", "B": "model2"}.get(row["winner"], row["winner"])
        lengths = {"model1": row["len_a"], "model2": row["len_b"]}
        rows.append(
            {
                "vote_id": number,
                "tester_id": row["participant"],
                "enrolment": int(row["participant"][1:]),
                "tester_closed": 1,
                "prompt_id": row["prompt"],
                "category": "art",
                "left_model": left,
                "right_model": right,
                "choice": "left" if winner == left else "right" if winner == right else winner,
                "left_chars": lengths[left],
                "right_chars": lengths[right],
            }
        )
    return pd.DataFrame(rows)


def show_first_as_before(connection: sqlite3.Connection) -> None:
    """Let every battle begin with the side that earlier releases would have drawn."""
    fixed = connection.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE 'battles_first_%'").fetchall()
    for name, _ in fixed:
        connection.execute(f"DROP TRIGGER {name}")
    served = "SELECT battles.id, secret, code, serving FROM battles JOIN testers ON testers.id = tester_id"
    for battle, *draw in connection.execute(f"{served} JOIN studies ON studies.id = battles.study_id").fetchall():
        side = first_side(*draw, apart=False)
        connection.execute("UPDATE battles SET first_apart = 0, first_side = ? WHERE id = ?", [side, battle])
    for _, sql in fixed:
        connection.execute(sql)
