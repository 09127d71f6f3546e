from __future__ import annotations

import sqlite3

import pytest

from feedback.__main__ import main
from feedback.blind_test import BlindTest
from feedback.check import check
from feedback.database import Database
from tests.feedback.protocol import answer_turn, answered, open_test, show_first_as_before, vote_for


@pytest.fixture
def study(blind_test: BlindTest) -> BlindTest:
    """What happens in a real study: own questions, follow-ups, corrections, failures, withdrawal, a second study."""
    for number in range(6):
        tester = blind_test.enrol("1").id
        vote_for(blind_test, tester, ["model1", "tie"])
        battle = answered(blind_test, tester, f"Own question {number % 2}?")
        answer_turn(blind_test, tester, battle.id, "And?")
        blind_test.vote(tester, battle.id, "left")
        blind_test.undo_vote(tester, battle.id)
        failed = blind_test.start_turn(tester, battle.id, "More?")
        blind_test.fail_turn(failed.id, "model1", "crashed")
        blind_test.abandon(tester, battle.id, "tired")
        vote_for(blind_test, tester, ["model2"])
        blind_test.guess(tester, "dont_know")
        if number == 2:
            blind_test.withdraw(tester)
        elif number % 2:
            blind_test.close(tester, "quit")
    other = open_test(blind_test.database.path, rounds=3)
    vote_for(other, other.enrol("1").id, ["both_bad"])
    return blind_test


def test_a_study_by_the_protocol_has_no_fault(study: BlindTest) -> None:
    assert check(study.database) == []


FAULTS = [
    (
        "UPDATE battles SET left_model = CASE left_model WHEN 'model1' THEN 'model2' ELSE 'model1' END WHERE id = 1",
        ["assignment: battle 1 has", "sides of vote 1", "foreign keys"],
    ),
    (
        "UPDATE battles SET first_side = CASE first_side WHEN 'left' THEN 'right' ELSE 'left' END WHERE id = 3",
        ["assignment: battle 3 shows"],
    ),
    (
        "UPDATE battles SET scheduled_prompt_id = scheduled_prompt_id % 10 + 1 WHERE id = 2",
        ["assignment: battle 2 was not scheduled"],
    ),
    (  # another first digit, whichever it was: the secret is drawn anew each time
        "UPDATE studies SET secret = iif(substr(secret, 1, 1) = 'f', '0', 'f') || substr(secret, 2)",
        ["the secret of", "assignment"],
    ),
    ("UPDATE studies SET alpha = 0.05, definition = replace(definition, '0.05', '0.5')", ["the settings of"]),
    ("UPDATE prompts SET text = 'Changed?' WHERE id = 1", ["prompts stored"]),
    (
        "INSERT INTO votes (id, battle_id, study_id, tester_id, prompt_id, left_model, choice, reasons, comment,"
        " good_enough, turns, left_chars, right_chars, leak_flag, voted_at, client_time, vote_seconds, superseded,"
        " superseded_at) SELECT 999, battle_id, study_id, tester_id, prompt_id, left_model, choice, reasons, comment,"
        " good_enough, turns, left_chars, right_chars, leak_flag, voted_at, client_time, vote_seconds, 0, NULL"
        " FROM votes"
        " WHERE id = 1",
        ["battle 1 has 2 current votes", "tallies"],
    ),
    ("DELETE FROM votes WHERE id = 1", ["battle 1 is voted, but has 0", "tallies"]),
    ("UPDATE votes SET choice = 'both_bad' WHERE id = 1", ["tallies"]),
    ("UPDATE votes SET left_chars = 5 WHERE id = 1", ["vote 1 says 1 turns, 5 and"]),
    ("UPDATE votes SET voted_at = '2020-01-01T00:00:00.000Z' WHERE id = 1", ["vote 1 goes back in time"]),
    ("UPDATE answers SET text = text || '!' WHERE turn_id = 1 AND model = 'model1'", ["model1 answer of turn 1"]),
    ("DELETE FROM answers WHERE turn_id = 1 AND model = 'model1'", ["turn 1 is complete with 1"]),
    ("DELETE FROM battles WHERE id = 1", ["foreign keys: row", "servings of tester"]),
    ("DELETE FROM testers WHERE id = 1", ["foreign keys", "enrolments of study"]),
    ("UPDATE prompts SET served_left = served_left + 1 WHERE id = 1", ["its counter says"]),
    ("DROP TRIGGER votes_fixed", ["trigger votes_fixed is missing"]),
    ("CREATE TABLE extra (x)", ["table extra is not ours"]),
]


@pytest.mark.parametrize(("tampering", "findings"), FAULTS)
def test_each_tampering_is_found(
    study: BlindTest, tampering: str, findings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = study.database.path
    with sqlite3.connect(path) as connection:  # as somebody would who knows how to get round our rules
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        unique = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'votes_one_current'").fetchone()[0]
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        if "999" in tampering:
            connection.execute("DROP INDEX votes_one_current")
        if not tampering.startswith("DROP"):
            connection.execute(tampering)
        for name, sql in triggers:
            if name not in tampering:
                connection.execute(sql)
        if "999" in tampering:
            connection.execute(unique.replace("UNIQUE ", ""))
    found = check(Database(path))
    for finding in findings:
        assert any(finding in line for line in found), found
    assert main(["check", "--db", str(path)]) == 1
    assert "fault" in capsys.readouterr().out


def test_which_side_earlier_releases_showed_first_is_no_fault(study: BlindTest) -> None:
    path = study.database.path
    with sqlite3.connect(path) as connection:
        show_first_as_before(connection)
    assert check(Database(path)) == []


def test_the_command_says_that_all_is_well(study: BlindTest, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--db", str(study.database.path)]) == 0
    assert "no faults" in capsys.readouterr().out
