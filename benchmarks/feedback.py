"""How fast the votes are written, summarised and exported, at 1,000 to 1,000,000 votes.

    python benchmarks/feedback.py [--votes 1000 10000 100000 1000000] [--writers 1 8 32] [--out FILE.md] [--json FILE]

Beside our numbers stand those of evalica's and of FastChat's Bradley-Terry on the same votes, which give one rating gap
without an interval.  The first line names the machine; ``--votes 1000 --writers 1 --kills 2`` is over in seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fastchat_rating import compute_bt
from benchmarks.outputs import own_file, write
from feedback.battles import CHOICES
from feedback.blind_test import Answer, BlindTest
from feedback.database import Database
from feedback.export import FORMATS
from feedback.statistics import load_study
from feedback.statistics.outcomes import Outcomes
from feedback.statistics.preference import pooled
from feedback.statistics.ratings import elo_gap
from feedback.study import Study

ROOT = Path(__file__).resolve().parents[1]
NOW = "2026-01-01T00:00:00.000Z"
MODELS = {"model1": {"name": "one"}, "model2": {"name": "two"}}
TEXT = "The painter mixed light and colour in a way that no one had tried before. " * 6  # more than any answer here


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
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    connection.execute("BEGIN")
    for trigger in triggers:
        connection.execute(f"DROP TRIGGER {trigger['name']}")
    connection.executemany(
        "INSERT INTO testers (id, study_id, code, enrolment, consent_version, enrolled_at, last_seen_at, closed_at,"
        " closed_why) VALUES (?, 1, ?, ?, '1', ?, ?, ?, 'quota')",
        ((i + 1, f"{i:016x}", i + 1, NOW, NOW, NOW) for i in range(testers)),
    )
    rows = _rows(per_tester, testers)
    while batch := list(islice(rows, 20_000)):
        _insert(connection, batch)
    counters = ", ".join(
        f"SUM(votes.left_model = '{model}' AND choice = '{choice}')" for model in MODELS for choice in CHOICES
    )
    connection.execute(
        f"INSERT INTO tallies SELECT votes.study_id, tester_id, category, {counters} FROM votes JOIN"
        " prompts ON prompts.id = votes.prompt_id GROUP BY tester_id, category"
    )
    for trigger in triggers:
        connection.execute(trigger["sql"])
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return test


def _rows(per_tester: int, testers: int) -> Iterator[tuple[Any, ...]]:
    """Vote, tester, round, prompt, left model, choice and length of model1's answer, for testers of various leaning."""
    generator = np.random.default_rng(7)
    lean = generator.normal(0.1, 0.8, testers)
    for vote in range(per_tester * testers):
        round_, tester = divmod(vote, testers)
        left = "model1" if (tester + round_) % 2 else "model2"
        draw = generator.random()
        if draw < 0.3:
            choice = CHOICES[2 + (draw < 0.1)]
        else:
            model1_wins = generator.random() < 1 / (1 + np.exp(-lean[tester]))
            choice = "left" if model1_wins == (left == "model1") else "right"
        yield vote + 1, tester + 1, round_, (tester * 7 + round_) % 200 + 1, left, choice, 200 + int(draw * 200)


def _insert(connection: Any, batch: list[Any]) -> None:
    connection.executemany(
        "INSERT INTO battles (id, study_id, tester_id, prompt_id, left_model, serving, round, status, served_at)"
        " VALUES (?, 1, ?, ?, ?, ?, ?, 'voted', ?)",
        ((vote, tester, prompt, left, round_, round_ + 1, NOW) for vote, tester, round_, prompt, left, _, _ in batch),
    )
    connection.executemany(
        "INSERT INTO turns (id, battle_id, number, attempt, prompt, status, started_at, finished_at) VALUES"
        " (?, ?, 1, 1, ?, 'complete', ?, ?)",
        ((row[0], row[0], f"Question {row[3]}?", NOW, NOW) for row in batch),
    )
    connection.executemany(
        "INSERT INTO answers (turn_id, model, text, tokens, chars, seconds, first_token_seconds, stopped, leak_flag)"
        " VALUES (?, ?, ?, 70, ?, 2.5, 0.3, 'stop', 0)",
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
                NOW,
            )
            for vote, tester, _, prompt, left, choice, chars in batch
        ),
    )


# -- what is measured --------------------------------------------------------------------------------------------------


def seconds(action: Callable[[], object], times: int = 3) -> float:
    """The shortest of several runs."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - began)
    return best


def in_fresh_process(path: Path, code: str) -> dict[str, float]:
    """Run code that prints JSON in a process of its own, so that caches are cold and memory is its own."""
    program = (
        f"import sys, json, time, resource; sys.path.insert(0, {str(ROOT)!r})\n"
        "import numpy, pandas, scipy.stats, scipy.optimize, krippendorff\n"
        "from feedback.database import Database\n"
        "from feedback.statistics import load_study, summary\n"
        "from feedback.statistics.load import load_tally\n"
        "from feedback.statistics.summary import summarise_counts\n"
        "from feedback.export import stream\n"
        f"database = Database({str(path)!r})\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"began, worked = time.perf_counter(), time.process_time()\n{code}\n"
        "print(json.dumps({'seconds': time.perf_counter() - began, 'cpu_seconds': time.process_time() - worked,"
        " 'megabytes': (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    result: dict[str, float] = json.loads(output)
    return result


COLD = "study = load_study(database); summary(study.outcomes, study.guesses)"
TALLY = "testers, _ = load_tally(database.connection, 1); summarise_counts(testers)"


def reading(path: Path, votes: int) -> Iterator[dict[str, Any]]:
    """Summaries and exports of one database, each in a fresh process."""
    for name, code in (("summary, cold", COLD), ("summary, from the tally", TALLY)):
        yield {"what": name, "votes": votes, **in_fresh_process(path, code)}
    for name in FORMATS:
        result = in_fresh_process(path, f"for chunk in stream(database, {name!r}): pass")
        yield {"what": f"export {name}", "votes": votes, **result, "rows_per_second": votes / result["seconds"]}


def rivals(path: Path, votes: int) -> Iterator[dict[str, Any]]:
    """The rating gap, in arena points, of votes in memory: ours with its interval, evalica's and FastChat's without."""
    import evalica
    import pandas as pd

    database = Database(path)
    outcomes = load_study(database).outcomes
    yield {"what": "our Elo gap and its interval", "votes": votes, **rated(lambda: our_gap(outcomes))}
    rows = database.connection.execute("SELECT left_model, choice FROM votes WHERE superseded = 0").fetchall()
    xs = [row[0] for row in rows]
    ys = ["model2" if x == "model1" else "model1" for x in xs]
    winners = {"left": evalica.Winner.X, "right": evalica.Winner.Y}
    ws = [winners.get(row[1], evalica.Winner.Draw) for row in rows]

    def evalica_gap() -> float:
        scores = evalica.bradley_terry(xs, ys, ws).scores
        return 400 * math.log10(scores["model1"] / scores["model2"])

    yield {"what": "evalica bradley_terry", "votes": votes, **rated(evalica_gap)}
    names = {"left": "model_a", "right": "model_b"}
    battles = pd.DataFrame({"model_a": xs, "model_b": ys, "winner": [names.get(row[1], "tie") for row in rows]})

    def fastchat_gap() -> float:
        ratings = compute_bt(battles)
        return ratings["model1"] - ratings["model2"]

    yield {"what": "FastChat compute_bt", "votes": votes, **rated(fastchat_gap)}


def our_gap(outcomes: Outcomes) -> float:
    """The pooled share, its CR3 interval, and both as arena points."""
    testers = replace(outcomes).testers  # counted anew: the counts of an Outcomes are kept
    estimate = pooled(testers.sums, testers.votes)
    gap, *_ = (elo_gap(estimate[name]) for name in ("estimate", "ci_low", "ci_high"))
    assert gap is not None
    return gap


def rated(rate: Callable[[], float]) -> dict[str, float]:
    """A rating gap and the seconds it takes."""
    return {"seconds": seconds(rate), "gap": rate()}


def writing(writers: int, votes_each: int = 50) -> dict[str, Any]:
    """Durable votes a second: the vote alone, its round having been answered before."""
    with tempfile.TemporaryDirectory() as folder:
        test = BlindTest(Database(Path(folder) / "v.db"), study(1000), MODELS)
        ready = []
        for _ in range(writers * votes_each):
            tester = test.enrol("1").id
            battle = test.start_battle(tester, None, "Why?")
            turn = test.start_turn(tester, battle.id, "Why?")
            test.finish_turn(turn.id, {model: Answer(TEXT, 70, 2.5) for model in MODELS})
            ready.append((tester, battle.id))
        began = time.perf_counter()
        threads = [
            threading.Thread(
                target=lambda share: [test.vote(*entry, "left") for entry in share], args=(ready[place::writers],)
            )
            for place in range(writers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed = time.perf_counter() - began
        kept = test.database.connection.execute("SELECT COUNT(*) FROM votes").fetchone()[0]
    return {
        "what": f"votes written, {writers} writers",
        "votes": kept,
        "seconds": elapsed,
        "rows_per_second": kept / elapsed,
    }


def killing(times: int = 20) -> dict[str, Any]:
    """Votes that were acknowledged and are missing after ``kill -9``, over several kills."""
    lost = acknowledged = 0
    with tempfile.TemporaryDirectory() as folder:
        program = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmarks.feedback import voter;"
            f" voter({str(Path(folder) / 'v.db')!r})"
        )
        for number in range(times):
            with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                saved = [int(process.stdout.readline()) for _ in range(5 + number)]
                process.send_signal(signal.SIGKILL)
                saved += [int(line) for line in process.stdout if line.endswith("\n")]
            rows = Database(Path(folder) / "v.db").connection.execute("SELECT id FROM votes").fetchall()
            lost += len(set(saved) - {row[0] for row in rows})
            acknowledged += len(saved)
    return {"what": f"votes lost over {times} kills", "votes": acknowledged, "lost": lost}


def voter(path: str) -> None:
    """Vote for ever, naming each vote once it is saved."""
    test = BlindTest(Database(path), study(1000), MODELS)
    tester = test.enrol("1").id
    while True:
        battle = test.start_battle(tester, None, "Why?")
        turn = test.start_turn(tester, battle.id, "Why?")
        test.finish_turn(turn.id, {model: Answer(TEXT, 70, 2.5) for model in MODELS})
        print(test.vote(tester, battle.id, "left").id, flush=True)


def shown(row: dict[str, Any]) -> str:
    """A result as a line of the table."""
    parts = [f"{row['what']:28}", f"{row['votes']:>9,} votes"]
    parts += [
        f"{row[key]:{form}} {unit}"
        for key, form, unit in (
            ("seconds", "9.3f", "s"),
            ("cpu_seconds", "9.3f", "s of CPU"),
            ("rows_per_second", "11,.0f", "a second"),
            ("megabytes", "7.0f", "MB"),
            ("lost", "d", "lost"),
            ("gap", ".2f", "points"),
        )
        if key in row
    ]
    return "  ".join(parts)


def markdown(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table under the machine's description."""
    machine, *rows = results
    lines = [", ".join(map(str, machine.values())), ""]
    lines += ["| what | votes | seconds | of CPU | a second | MB | lost | gap |", "|---|---|---|---|---|---|---|---|"]
    forms = (
        ("votes", ","), ("seconds", ".3f"), ("cpu_seconds", ".3f"), ("rows_per_second", ",.0f"), ("megabytes", ".0f"),
        ("lost", "d"), ("gap", ".2f"),
    )  # fmt: skip
    lines += [
        f"| {row['what']} | " + " | ".join(format(row[key], form) if key in row else "" for key, form in forms) + " |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of votes, statistics and exports.")
    parser.add_argument("--votes", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--writers", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--kills", type=int, default=20, help="how often a voting process is killed")
    parser.add_argument("--json", type=own_file, help="also write the rows as JSON")
    parser.add_argument("--out", type=own_file, help="also write the rows as a Markdown table")
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = [
        {
            "machine": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        }
    ]
    print(" ".join(map(str, results[0].values())))

    def take(row: dict[str, Any]) -> None:
        results.append(row)
        print(shown(row), flush=True)

    for writers in arguments.writers:
        take(writing(writers))
    if arguments.writers:
        take(killing(arguments.kills))
    for votes in arguments.votes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "v.db"
            synthesise(path, votes, max(100, min(20_000, votes // 50))).database.close()
            os.sync()  # or the disk would go on writing while we measure
            for row in (*reading(path, votes), *rivals(path, votes)):
                take(row)
    write(arguments.out, markdown(results))
    write(arguments.json, json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
