from __future__ import annotations

import csv
import io
import sqlite3
from pathlib import Path

import pytest

from feedback.blind_test import BlindTest, Refused
from feedback.export.companions import stream_companion
from feedback.export.manifest import codebook
from tests.feedback.protocol import Clock, answered, open_test, vote_for


def test_no_consent_no_data(blind_test: BlindTest) -> None:
    with pytest.raises(Refused, match="consent text has changed"):
        blind_test.enrol("0")
    assert blind_test.database.connection.execute("SELECT COUNT(*) FROM testers").fetchone()[0] == 0


BACKGROUND = [{"id": "experience", "text": "How often do you use chatbots?", "options": ["daily <b>", "never"]}]


def test_enrolment_counts_up_and_background_is_kept(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db", background=BACKGROUND)
    first = test.enrol("1", {"experience": "daily <b>"})
    second = test.enrol("1")
    assert (first.enrolment, second.enrolment) == (1, 2)
    assert test.tester(first.id).background == {"experience": "daily <b>"}
    assert test.tester(second.id).background == {}, "nobody has to answer"
    assert first.id != second.id
    assert len(first.id) >= 32
    for answers, words in (({"experience": "weekly"}, "no answer"), ({"age": "never"}, "no question")):
        with pytest.raises(Refused, match=words):
            test.enrol("1", answers)


def test_the_language_of_a_consent_is_kept_exported_and_deleted_with_the_rest(blind_test: BlindTest) -> None:
    connection = blind_test.database.connection
    testers = [blind_test.enrol("1", language=language).id for language in ("ar", "zh", None)]
    with pytest.raises(sqlite3.IntegrityError, match="an enrolment is fixed"):
        connection.execute("UPDATE testers SET consent_language = 'en'")
    blind_test.withdraw(testers[1])
    exported = b"".join(stream_companion(connection, "testers", blind_test.study_id)).decode()
    assert [row["consent_language"] for row in csv.DictReader(io.StringIO(exported))] == ["ar", "", ""]
    assert "| consent_language | text |" in codebook("testers")


def test_an_invite_lets_in_so_many_until_it_is_revoked(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db", access="invite")
    once, often = test.make_invite("for Ada", 1), test.make_invite("the course", None)
    guest = test.enrol("1", invite=f" {once} ")
    for _ in range(3):
        test.enrol("1", invite=often)
    with pytest.raises(Refused, match="used already"):
        test.enrol("1", invite=once)
    test.withdraw(guest.id)
    with pytest.raises(Refused, match="used already"):
        test.enrol("1", invite=once)
    course, ada = test.invites()
    assert [(i.label, i.uses, i.used, i.valid) for i in (ada, course)] == [
        ("for Ada", 1, 1, False),
        ("the course", None, 3, True),
    ]
    test.revoke_invite(course.id)
    test.revoke_invite(course.id)
    for code, words in ((often, "not valid"), ("guess", "not valid"), ("", "needs an invite code"), (None, "needs")):
        with pytest.raises(Refused, match=words):
            test.enrol("1", invite=code)
    with pytest.raises(Refused, match="none of this study's"):
        test.revoke_invite(77)
    with pytest.raises(Refused, match="0 uses"):
        test.make_invite("", 0)
    assert test.database.connection.execute("SELECT COUNT(*) FROM testers").fetchone()[0] == 4
    for file in tmp_path.iterdir():
        assert often.encode() not in file.read_bytes(), "only a hash is kept"


def test_an_open_study_asks_for_no_invite(blind_test: BlindTest) -> None:
    assert blind_test.enrol("1", invite="whatever").enrolment == 1


def test_an_idle_session_is_closed_at_its_timeout(blind_test: BlindTest, clock: Clock) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    clock.forward(59)
    blind_test.vote(tester, battle.id, "left")
    last_seen = clock.now
    open_one = answered(blind_test, tester)
    clock.forward(600)
    with pytest.raises(Refused, match="after 60 minutes without activity"):
        blind_test.vote(tester, open_one.id, "left")
    assert blind_test.tester(tester).closed_why == "timeout"
    row = blind_test.database.connection.execute("SELECT closed_at FROM testers").fetchone()
    assert row["closed_at"].startswith(f"{last_seen.hour + 1:02}:".join(["2026-01-01T", ""]))
    assert blind_test.battle(tester, open_one.id).status == "abandoned"


def test_a_vote_looks_at_no_session_that_is_not_idle(tmp_path: Path, clock: Clock) -> None:
    """Each action first closes what is idle: the steps of SQLite that this takes do not grow with the sessions."""
    test = open_test(tmp_path / "v.db", clock)
    connection = test.database.connection
    steps: list[int] = []

    def more(testers: int) -> int:
        for _ in range(testers):
            test.enrol("1")
        steps.clear()
        connection.set_progress_handler(lambda: steps.append(1), 1)
        test.close_expired()
        connection.set_progress_handler(None, 0)
        return len(steps)

    few = more(3)
    assert 0 < few == more(300)


def test_a_finished_session_that_is_left_open_closes_by_quota(tmp_path: Path, clock: Clock) -> None:
    test = open_test(tmp_path / "v.db", clock, rounds=1)
    tester = test.enrol("1").id
    vote_for(test, tester, ["tie"])
    clock.forward(61)
    assert test.close_expired() == 1
    assert test.tester(tester).closed_why == "quota"


def test_closing_is_final_and_idempotent(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    with pytest.raises(Refused, match="no reason"):
        blind_test.close(tester, "bored")
    blind_test.close(tester, "quit")
    blind_test.close(tester, "timeout")
    assert blind_test.tester(tester).closed_why == "quit"
    for call in (
        lambda: blind_test.vote(tester, battle.id, "left"),
        lambda: blind_test.start_battle(tester, None, "More?"),
        lambda: blind_test.start_turn(tester, battle.id, "More?"),
    ):
        with pytest.raises(Refused, match="ended when you left"):
            call()


def test_the_guess_is_about_the_last_voted_round_and_given_once(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    with pytest.raises(Refused, match="nothing to guess"):
        blind_test.guess(tester, "dont_know")
    vote_for(blind_test, tester, ["tie", "tie"])
    last = blind_test.last_battle(tester)
    answered(blind_test, tester)  # served, not voted: not what the guess is about
    with pytest.raises(Refused, match="no answer"):
        blind_test.guess(tester, "left")
    blind_test.guess(tester, "left_last")
    with pytest.raises(Refused, match="saved already"):
        blind_test.guess(tester, "right_last")
    row = blind_test.database.connection.execute("SELECT battle_id, answer FROM guesses").fetchone()
    assert tuple(row) == (last.id, "left_last")


def test_no_guess_after_the_reveal(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    vote_for(blind_test, tester, ["tie"])
    blind_test.close(tester, "quit")
    blind_test.tally(tester)
    with pytest.raises(Refused, match="too late"):
        blind_test.guess(tester, "left_last")


def test_withdrawing_removes_every_word_and_leaves_a_count(tmp_path: Path) -> None:
    blind_test = open_test(tmp_path / "votes.db", background=BACKGROUND)
    leaver, stayer = blind_test.enrol("1", {"experience": "never"}).id, blind_test.enrol("1").id
    vote_for(blind_test, leaver, ["model1"])
    battle = answered(blind_test, leaver, "UNIQUE-QUESTION?", (200, 200))
    blind_test.vote(leaver, battle.id, "left", comment="UNIQUE-COMMENT")
    turn = blind_test.start_battle(leaver, None, "Shared?")
    blind_test.abandon(leaver, turn.id, "UNIQUE-REASON")
    shared = answered(blind_test, stayer, "Shared?")
    blind_test.vote(stayer, shared.id, "left")
    blind_test.guess(leaver, "dont_know")
    assert not blind_test.has_withdrawn(leaver)
    assert blind_test.withdraw(leaver) == 2
    assert blind_test.has_withdrawn(leaver)
    assert not blind_test.has_withdrawn("unknown")
    assert blind_test.tester(leaver) is None
    connection = blind_test.database.connection
    counts = {
        table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        for table in ("votes", "turns", "answers", "guesses", "tallies", "testers", "battles")
    }
    assert counts == {"votes": 1, "turns": 1, "answers": 2, "guesses": 0, "tallies": 1, "testers": 2, "battles": 4}
    left = connection.execute("SELECT withdrawn_votes, background FROM testers WHERE enrolment = 1").fetchone()
    assert tuple(left) == (2, "{}")
    assert connection.execute("SELECT text FROM prompts WHERE text = 'Shared?'").fetchone()
    for file in blind_test.database.path.parent.iterdir():
        assert b"UNIQUE-" not in file.read_bytes(), file


def test_a_withdrawn_question_can_be_asked_again(blind_test: BlindTest) -> None:
    leaver, other = blind_test.enrol("1").id, blind_test.enrol("1").id
    blind_test.start_battle(leaver, None, "Mine?")
    blind_test.withdraw(leaver)
    assert blind_test.start_battle(other, None, "Mine?").prompt == "Mine?"


def test_a_tester_has_one_name(blind_test: BlindTest) -> None:
    """What the code of a token is made of was a second one, with limits and a turn on its way of its own."""
    tester = blind_test.enrol("1").id
    assert blind_test.tester(tester) is not None
    alias = f"{blind_test.label}|{tester}"
    assert blind_test.tester(alias) is None
    with pytest.raises(Refused, match="not known here"):
        blind_test.start_battle(alias, None, "Mine?")
    blind_test.withdraw(tester)
    assert not blind_test.has_withdrawn(alias)
