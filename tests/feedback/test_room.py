"""No session, and no address, makes the database grow without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedback import rules, sessions
from feedback.blind_test import BlindTest, Refused
from tests.feedback.protocol import Clock, answered, open_test


def fill(test: BlindTest, tester: str, most: int = 10_000) -> int:
    """Rounds begun and left, with questions as long as they may be, until no more can be."""
    for number in range(most):
        try:
            battle = test.start_battle(tester, None, f"{number:05}" + "x" * 1995)
            test.start_turn(tester, battle.id, battle.prompt)
        except Refused as error:
            if "room for" not in str(error):
                raise
            return number
        test.fail_turn(test.battle(tester, battle.id).turns[-1].id, "both", "?")
        test.abandon(tester, battle.id, "another question")
    raise AssertionError("it grows without end")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "SPARE_CHARS", 1000)


def test_a_session_ends_before_it_fills_the_disk_and_its_votes_are_still_taken(
    tmp_path: Path, clock: Clock, narrow: None
) -> None:
    test = open_test(tmp_path / "v.db", clock, rounds=2)
    tester = test.enrol("1").id
    battle = answered(test, tester)
    test.vote(tester, battle.id, "left", comment="y" * 2000)
    begun = fill(test, tester)
    assert begun < rules.room(2, 3) / 2000
    again = open_test(tmp_path / "v.db", clock, rounds=2)
    assert fill(again, tester) == 0, "a restart makes no room"
    with pytest.raises(Refused, match="room for in one session"):
        test.remark(tester, battle.id, [], "z" * 2000)
    assert answered(test, test.enrol("1").id).votable, "and others go on"


def test_words_on_a_round_that_is_voted_find_no_room_either_but_a_vote_does(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = open_test(tmp_path / "v.db", clock, rounds=2)
    tester = test.enrol("1").id
    battle = answered(test, tester)
    monkeypatch.setattr(sessions, "room", lambda *_: 100)
    with pytest.raises(Refused, match="room for in one session"):
        test.vote(tester, battle.id, "left", comment="words")
    test.vote(tester, battle.id, "left")
    with pytest.raises(Refused, match="room for in one session"):
        test.explain_vote(tester, battle.id, [], "words")
    assert test.battle(tester, battle.id).vote is not None


def test_many_sessions_of_one_address_share_what_sixty_have(
    tmp_path: Path, clock: Clock, narrow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "TESTERS_AT_ONCE", 2)
    test = open_test(tmp_path / "v.db", clock, rounds=1, address_hash=True)
    begun = [fill(test, test.enrol("1", address="192.0.2.1").id) for _ in range(4)]
    assert begun[0] == begun[1] > 0
    assert begun[3] == 0
    assert fill(test, test.enrol("1", address="192.0.2.2").id) == begun[0]
    clock.forward(24 * 60 + 1)
    assert fill(test, test.enrol("1", address="192.0.2.1").id) == begun[0], "one hand shuts nobody out for good"


def test_whoever_uses_all_that_a_study_offers_has_room(tmp_path: Path, clock: Clock) -> None:
    test = open_test(tmp_path / "v.db", clock, rounds=3, max_turns=2)
    tester = test.enrol("1").id
    for number in range(3):
        battle = answered(test, tester, f"{number}" + "q" * 1999)
        turn = test.start_turn(tester, battle.id, "q" * 2000)
        test.fail_turn(turn.id, "both", "?")
        test.vote(tester, answered_again(test, tester, battle.id), "left", comment="c" * 2000)
        for change in range(8):
            test.explain_vote(tester, battle.id, [], f"{change}" + "c" * 1999)


def answered_again(test: BlindTest, tester: str, battle: int) -> int:
    from tests.feedback.protocol import answer_turn

    answer_turn(test, tester, battle, "q" * 2000)
    return battle
