"""What a browser says it measured, and what the server's own clock allows."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from feedback.blind_test import BlindTest, Refused
from feedback.check import check
from tests.feedback.protocol import READING_MINUTES, answered


def _stored(test: BlindTest, battle: int) -> list[tuple[Any, ...]]:
    columns = "vote_seconds, left_seen, right_seen, server_seconds"
    query = f"SELECT DISTINCT {columns} FROM votes WHERE battle_id = ?"
    return [tuple(row) for row in test.database.connection.execute(query, [battle])]


def test_no_answer_was_on_a_screen_for_longer_than_it_was_there(blind_test: BlindTest) -> None:
    """Whatever is claimed; and words that are added to a vote change none of it."""
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "left", vote_seconds=9e8, seen={"left": 3600, "right": 2.5})
    blind_test.explain_vote(tester, battle.id, [], "later")
    [(said, left, right, measured)] = _stored(blind_test, battle.id)
    assert measured == pytest.approx(60 * READING_MINUTES, abs=0.1)
    assert said == left == measured
    assert right == 2.5
    assert check(blind_test.database) == []


def test_the_database_itself_refuses_more_than_its_clock_says(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "left", seen={"left": 1.0, "right": 1.0})
    connection = blind_test.database.connection
    names = [row[1] for row in connection.execute("PRAGMA table_info(votes)")][1:]
    connection.execute("UPDATE votes SET superseded = 1, superseded_at = voted_at")
    for claim in ("vote_seconds", "left_seen", "right_seen"):
        values = ", ".join({"superseded": "0", "superseded_at": "NULL", claim: "99"}.get(name, name) for name in names)
        with pytest.raises(sqlite3.IntegrityError, match="no browser has shown answers for longer"):
            connection.execute(f"INSERT INTO votes ({', '.join(names)}) SELECT {values} FROM votes")


def test_words_beside_a_vote_from_before_the_servers_clock_keep_its_times(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "left", vote_seconds=4.0, seen={"left": 3.0, "right": 2.0})
    connection = blind_test.database.connection
    for name in ("votes_timed_once", "votes_fixed"):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("UPDATE votes SET server_seconds = NULL")
    blind_test.explain_vote(tester, battle.id, ["Clearer"], "")
    assert _stored(blind_test, battle.id) == [(4.0, 3.0, 2.0, None)]


@pytest.mark.parametrize("claim", [float("nan"), float("inf"), 10**400, -1, True, "5", None, [1]])
def test_what_is_no_number_of_seconds_is_refused(blind_test: BlindTest, claim: Any) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    with pytest.raises(Refused, match="must be a number of seconds"):
        blind_test.vote(tester, battle.id, "left", seen={"left": 1.0, "right": claim})
    assert blind_test.battle(tester, battle.id).vote is None
