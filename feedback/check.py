"""Is a database of votes what the protocol would have made?  Every finding is one line."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from .assignment import Candidate, first_side, left_model, rank_prompts
from .database import Database
from .statistics.load import load_outcomes, load_tally
from .statistics.outcomes import VotesError

MOST_SHOWN = 50  # faults that one examination lists


def check(database: Database) -> list[str]:
    """The faults that are found, at most ``MOST_SHOWN`` of a kind one by one; an empty list means none.

    Looks at the file's own integrity, the schema, foreign keys, one current vote a battle, the assignment derived
    again from each study's secret, hashes, orphans, the tallies and the order of times.
    """
    with database.snapshot() as connection:
        broken = _file(connection)
        if broken:
            return broken  # nothing read from a broken file can be trusted
        return [finding for examine in _EXAMINATIONS for finding in _shortened(examine(connection))]


def _shortened(findings: Iterator[str]) -> Iterator[str]:
    """The first findings of one examination, and how many more there are."""
    yield from islice(findings, MOST_SHOWN)
    if more := sum(1 for _ in findings):
        yield f"... and {more:,} more like these"


def _file(connection: sqlite3.Connection) -> list[str]:
    try:
        return [f"file: {row[0]}" for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        return [f"file: {error}"]


def _schema(connection: sqlite3.Connection) -> Iterator[str]:
    """Tables, indexes and triggers as a fresh database has them: a rule that was dropped is not enforced."""
    from sqlite_utils import Database as Tables  # late: loads pandas

    from .schema import migrations

    fresh = Tables(memory=True)
    migrations.apply(fresh)
    listing = (
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlite_%'"
        " AND name NOT LIKE 'idx__sqlite_%'"
    )
    wanted = {(kind, name): sql for kind, name, sql in fresh.conn.execute(listing)}
    found = {(kind, name): sql for kind, name, sql in connection.execute(listing)}
    for kind, name in sorted(wanted.keys() | found.keys()):
        ours, theirs = wanted.get((kind, name)), found.get((kind, name))
        if ours != theirs:
            what = "is missing" if theirs is None else "is not ours" if ours is None else "was changed"
            yield f"schema: {kind} {name} {what}"


def _foreign_keys(connection: sqlite3.Connection) -> Iterator[str]:
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield f"foreign keys: row {row[1]} of {row[0]} points to a missing row of {row[2]}"


# Each query gives one row a fault; the text is filled from its columns.
_QUERIES = (
    (
        "votes: battle {0} has {1} current votes",
        "SELECT battle_id, COUNT(*) FROM votes WHERE superseded = 0 GROUP BY battle_id HAVING COUNT(*) > 1",
    ),
    (
        "votes: vote {0} is on battle {1}, whose latest question has no complete pair of answers",
        "SELECT id, battle_id FROM votes v WHERE superseded = 0 AND (SELECT status FROM turns WHERE battle_id ="
        " v.battle_id ORDER BY number DESC, attempt DESC LIMIT 1) IS NOT 'complete'",
    ),
    (
        "votes: vote {0} says {1} turns, {2} and {3} characters, leak {4}; its answers say otherwise",
        """
        SELECT v.id, v.turns, v.left_chars, v.right_chars, v.leak_flag FROM votes v
            LEFT JOIN turns t ON t.battle_id = v.battle_id AND t.status = 'complete' AND t.number <= v.turns
            LEFT JOIN answers a ON a.turn_id = t.id
        GROUP BY v.id HAVING COUNT(DISTINCT t.id) <> v.turns
            OR SUM((a.model = v.left_model) * a.chars) <> v.left_chars
            OR SUM((a.model <> v.left_model) * a.chars) <> v.right_chars OR MAX(a.leak_flag) <> v.leak_flag
        """,
    ),
    (
        "votes: the sides of vote {0} are not those of its battle {1}",
        "SELECT v.id, b.id FROM votes v JOIN battles b ON b.id = v.battle_id WHERE v.left_model <> b.left_model"
        " OR v.tester_id <> b.tester_id OR v.prompt_id <> b.prompt_id OR v.study_id <> b.study_id",
    ),
    (
        "battles: battle {0} is {1}, but has {2} current votes",
        "SELECT b.id, b.status, COUNT(v.id) FROM battles b LEFT JOIN votes v ON v.battle_id = b.id AND v.superseded = 0"
        " GROUP BY b.id HAVING (b.status = 'voted') <> (COUNT(v.id) > 0)",
    ),
    (
        "battles: tester {0} has {1} open battles",
        "SELECT code, COUNT(*) FROM battles JOIN testers ON testers.id = tester_id WHERE status = 'open'"
        " GROUP BY tester_id HAVING COUNT(*) > 1",
    ),
    (
        "battles: the servings of tester {0} have gaps ({1} battles, the last is number {2})",
        "SELECT code, COUNT(*), MAX(serving) + 1 FROM battles JOIN testers ON testers.id = tester_id GROUP BY tester_id"
        " HAVING COUNT(*) <> MAX(serving) + 1",
    ),
    (
        "battles: tester {0} has {1} votes in a study of {2} rounds",
        "SELECT code, COUNT(*), rounds FROM votes JOIN testers ON testers.id = tester_id JOIN studies ON studies.id ="
        " votes.study_id WHERE superseded = 0 GROUP BY tester_id HAVING COUNT(*) > rounds",
    ),
    (
        "testers: a withdrawn tester ({0}) still has text or votes",
        "SELECT code FROM testers WHERE closed_why = 'withdrawn' AND (EXISTS (SELECT 1 FROM votes WHERE tester_id ="
        " testers.id) OR EXISTS (SELECT 1 FROM turns JOIN battles ON battles.id = battle_id WHERE tester_id ="
        " testers.id))",
    ),
    (
        "testers: enrolments of study {0} have gaps ({1} testers, the last is number {2})",
        "SELECT label, COUNT(*), MAX(enrolment) FROM testers JOIN studies ON studies.id = study_id GROUP BY study_id"
        " HAVING COUNT(*) <> MAX(enrolment)",
    ),
    (
        "answers: turn {0} is {1} with {2} answers",
        "SELECT t.id, t.status, COUNT(a.model) FROM turns t LEFT JOIN answers a ON a.turn_id = t.id GROUP BY t.id"
        " HAVING t.status IN ('complete', 'cancelled') AND COUNT(a.model) <> 2",
    ),
    (
        "answers: the {1} answer of turn {0} has {2} characters, not {3}",
        "SELECT turn_id, model, length(text), chars FROM answers WHERE length(text) <> chars",
    ),
    (
        "prompts: prompt {0} was served {1} times, its counter says {2}",
        "SELECT prompt_id, n, counter FROM (SELECT prompts.prompt_id, COUNT(battles.id) AS n, served_left +"
        " served_right"
        " AS counter FROM prompts LEFT JOIN battles ON battles.prompt_id = prompts.id GROUP BY prompts.id)"
        " WHERE n <> counter",
    ),
    (
        "times: {0} {1} goes back in time ({2}, then {3})",
        """
        SELECT * FROM (
            SELECT 'battle', b.id, t.enrolled_at, b.served_at FROM battles b JOIN testers t ON t.id = b.tester_id
                WHERE b.served_at < t.enrolled_at
            UNION ALL SELECT 'turn', turns.id, served_at, started_at
                FROM turns JOIN battles ON battles.id = battle_id WHERE started_at < served_at
            UNION ALL SELECT 'turn', id, started_at, finished_at FROM turns WHERE finished_at < started_at
            UNION ALL SELECT 'vote', v.id, finished_at, voted_at FROM votes v
                JOIN turns ON turns.battle_id = v.battle_id AND turns.number = v.turns AND turns.status = 'complete'
                WHERE voted_at < finished_at
            UNION ALL SELECT 'vote', id, voted_at, superseded_at FROM votes WHERE superseded_at < voted_at
            UNION ALL SELECT 'tester', id, enrolled_at, closed_at FROM testers WHERE closed_at < enrolled_at
            UNION ALL SELECT 'guess of tester', g.tester_id, revealed_at, guessed_at
                FROM guesses g JOIN testers ON testers.id = g.tester_id WHERE revealed_at < guessed_at)
        """,
    ),
    (
        "times: battle {0} of tester {1} was served at {2}, before an earlier one",
        "SELECT b.id, code, b.served_at FROM battles b JOIN battles earlier ON earlier.tester_id = b.tester_id AND"
        " earlier.serving = b.serving - 1 JOIN testers ON testers.id = b.tester_id"
        " WHERE b.served_at < earlier.served_at",
    ),
)


def _consistency(connection: sqlite3.Connection) -> Iterator[str]:
    for text, query in _QUERIES:
        for row in connection.execute(query):
            yield text.format(*row)


def _tallies(connection: sqlite3.Connection) -> Iterator[str]:
    """The running tallies against a fresh count of the votes."""
    for study in connection.execute("SELECT id, label FROM studies").fetchall():
        try:
            outcomes, (tally, _) = load_outcomes(connection, study["id"]), load_tally(connection, study["id"])
        except VotesError as error:
            yield f"statistics: {error}"
            continue
        if tally.counts.shape != outcomes.testers.counts.shape or (tally.counts != outcomes.testers.counts).any():
            yield f"tallies: those of study {study['label']} are not the sums of its votes"


def _studies(connection: sqlite3.Connection) -> Iterator[str]:
    """Hashes of the studies' settings, models, prompts and secrets."""
    for study in connection.execute("SELECT * FROM studies").fetchall():
        label, definition = study["label"], json.loads(study["definition"])
        bank = json.dumps(definition["prompts"], ensure_ascii=False, sort_keys=True)
        for name, content, digest in (
            ("settings", study["definition"].encode(), study["study_hash"]),
            ("models", study["models"].encode(), study["models_hash"]),
            ("prompts", bank.encode(), study["prompt_bank_hash"]),
            ("secret", bytes.fromhex(study["secret"]), study["secret_sha256"]),
        ):
            if hashlib.sha256(content).hexdigest() != digest:
                yield f"studies: the {name} of {label} are not those of its hash"
        stored = connection.execute(
            "SELECT prompt_id, category, text FROM prompts WHERE study_id = ? AND position IS"
            " NOT NULL ORDER BY position",
            [study["id"]],
        ).fetchall()
        if [tuple(row) for row in stored] != [(p["id"], p["category"], p["text"]) for p in definition["prompts"]]:
            yield f"studies: the prompts stored for {label} are not those of its settings"


def _assignment(connection: sqlite3.Connection) -> Iterator[str]:
    """Every side and every scheduled prompt, derived again from the secret in the order of serving."""
    for study in connection.execute("SELECT * FROM studies").fetchall():
        bank = {
            row["id"]: Candidate(row["id"], row["prompt_id"], row["category"], 0, 0)
            for row in connection.execute(
                "SELECT id, prompt_id, category FROM prompts WHERE study_id = ? AND position IS NOT NULL", [study["id"]]
            )
        }
        seen: dict[int, set[int]] = {}
        for battle in connection.execute(
            "SELECT battles.*, code FROM battles JOIN testers ON testers.id = tester_id WHERE battles.study_id = ?"
            " ORDER BY battles.id",
            [study["id"]],
        ):
            how = (study["block_size"], battle["assignment"])
            drawn = left_model(study["secret"], battle["code"], battle["serving"], *how)
            if drawn != battle["left_model"]:
                yield (
                    f"assignment: battle {battle['id']} has {battle['left_model']} on the left, the secret says {drawn}"
                )
            of_first = (study["block_size"], bool(battle["first_apart"]))
            first = first_side(study["secret"], battle["code"], battle["serving"], *of_first)
            if battle["first_side"] not in (None, first):  # None: served before this was drawn
                yield f"assignment: battle {battle['id']} shows {battle['first_side']} first, the secret says {first}"
            unseen = (bank[key] for key in bank.keys() - seen.setdefault(battle["tester_id"], set()))
            due = next(iter(rank_prompts(study["secret"], battle["code"], battle["serving"], unseen, *how)), None)
            if battle["scheduled_prompt_id"] != (due.key if due else None):
                yield f"assignment: battle {battle['id']} was not scheduled with the prompt that was due"
            seen[battle["tester_id"]].add(battle["prompt_id"])
            _serve(bank, battle)


def _serve(bank: dict[int, Candidate], battle: Any) -> None:
    if prompt := bank.get(battle["prompt_id"]):
        served = "served_left" if battle["left_model"] == "model1" else "served_right"
        bank[prompt.key] = replace(prompt, **{served: getattr(prompt, served) + 1})


_EXAMINATIONS: tuple[Callable[[sqlite3.Connection], Iterator[str]], ...] = (
    _schema,
    _foreign_keys,
    _studies,
    _consistency,
    _assignment,
    _tallies,
)
