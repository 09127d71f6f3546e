"""How fast the votes are written, summarised and exported, at 1,000 to 1,000,000 votes.

    python benchmarks/feedback.py [--votes 1000 10000 100000 1000000] [--writers 1 8 32] [--json FILE]

Beside our numbers stand those of evalica's Bradley-Terry on the same votes, which gives one rating gap without an
interval.  Every row names its machine.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from feedback.battles import CHOICES  # noqa: E402
from feedback.blind_test import BlindTest  # noqa: E402
from feedback.database import Database  # noqa: E402
from feedback.study import Study  # noqa: E402

MODELS = {"model1": {"name": "one"}, "model2": {"name": "two"}}
TEXT = "The painter mixed light and colour in a way that no one had tried before. " * 4  # about 300 characters


def study(rounds: int) -> Study:
    """A study of 200 prompts in five categories."""
    prompts = [
        {"id": f"q{number}", "category": f"c{number % 5}", "text": f"Question {number}?"} for number in range(200)
    ]
    return Study.from_document(
        {"name": "Benchmark", "rounds": rounds, "prompts": prompts, "consent": {"version": "1", "text": "Yes."}}
    )


def synthesise(path: Path, votes: int, testers: int) -> BlindTest:
    """A database of so many votes of so many testers, written in bulk: triggers off, then the tallies summed."""
    per_tester = votes // testers
    test = BlindTest(Database(path), study(max(1, min(1000, per_tester))), MODELS)
    connection = test.database.connection
    generator = np.random.default_rng(7)
    lean = generator.normal(0.1, 0.8, testers)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    connection.execute("BEGIN")
    for trigger in triggers:
        connection.execute(f"DROP TRIGGER {trigger['name']}")
    now = "2026-01-01T00:00:00.000Z"
    connection.executemany(
        "INSERT INTO testers (id, study_id, code, enrolment, consent_version, enrolled_at, last_seen_at, closed_at,"
        " closed_why) VALUES (?, 1, ?, ?, '1', ?, ?, ?, 'quota')",
        ((i + 1, f"{i:016x}", i + 1, now, now, now) for i in range(testers)),
    )

    def rows() -> Any:
        for vote in range(per_tester * testers):
            tester, round_ = vote % testers, vote // testers
            left = "model1" if (tester + round_) % 2 else "model2"
            draw = generator.random()
            if draw < 0.3:
                choice = CHOICES[2 + (draw < 0.1)]
            else:
                model1_wins = generator.random() < 1 / (1 + np.exp(-lean[tester]))
                choice = "left" if model1_wins == (left == "model1") else "right"
            yield vote + 1, tester + 1, round_, (tester * 7 + round_) % 200 + 1, left, choice, 200 + int(draw * 200)

    batch: list[Any] = []
    for row in rows():
        batch.append(row)
        if len(batch) == 20_000:
            _insert(connection, batch, now)
            batch.clear()
    _insert(connection, batch, now)
    counters = ", ".join(
        f"SUM(votes.left_model = '{model}' AND choice = '{choice}')" for model in MODELS for choice in CHOICES
    )
    connection.execute(
        f"INSERT INTO tallies SELECT votes.study_id, tester_id, category, {counters} FROM votes JOIN"
        " prompts ON prompts.id = votes.prompt_id GROUP BY tester_id, category"
    )
    connection.execute(
        "UPDATE prompts SET served_left = (SELECT COUNT(*) FROM battles WHERE prompt_id = prompts.id AND"
        " left_model = 'model1'), served_right = (SELECT COUNT(*) FROM battles WHERE prompt_id ="
        " prompts.id AND left_model = 'model2')"
    )
    for trigger in triggers:
        connection.execute(trigger["sql"])
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return test


def _insert(connection: Any, batch: list[Any], now: str) -> None:
    connection.executemany(
        "INSERT INTO battles (id, study_id, tester_id, prompt_id, left_model, serving, round, status, served_at)"
        " VALUES (?, 1, ?, ?, ?, ?, ?, 'voted', ?)",
        ((vote, tester, prompt, left, round_, round_ + 1, now) for vote, tester, round_, prompt, left, _, _ in batch),
    )
    connection.executemany(
        "INSERT INTO turns (id, battle_id, number, attempt, prompt, status, started_at, finished_at) VALUES"
        " (?, ?, 1, 1, ?, 'complete', ?, ?)",
        ((row[0], row[0], f"Question {row[3]}?", now, now) for row in batch),
    )
    connection.executemany(
        "INSERT INTO answers VALUES (?, ?, ?, 70, ?, 2.5, 0.3, 'stop', 0)",
        (
            (row[0], model, TEXT[:chars], chars)
            for row in batch
            for model, chars in (("model1", row[6]), ("model2", 400 - row[6] // 2))
        ),
    )
    connection.executemany(
        "INSERT INTO votes (id, battle_id, study_id, tester_id, prompt_id, left_model, choice, comment, turns,"
        " left_chars, right_chars, leak_flag, voted_at, vote_seconds) VALUES (?, ?, 1, ?, ?, ?, ?, ?, 1, ?, ?, 0, ?,"
        " 8.25)",
        (
            (
                vote,
                vote,
                tester,
                prompt,
                left,
                choice,
                "Clear." if vote % 5 == 0 else "",
                *((chars, 400 - chars // 2) if left == "model1" else (400 - chars // 2, chars)),
                now,
            )
            for vote, tester, _, prompt, left, choice, chars in batch
        ),
    )


if __name__ == "__main__":
    import sys as _s

    n, g = int(_s.argv[2]), int(_s.argv[3])
    t = time.time()
    synthesise(Path(_s.argv[1]), n, g)
    print("made", time.time() - t)
