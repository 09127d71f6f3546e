from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from feedback.blind_test import Answer, BlindTest, Refused
from tests.feedback.protocol import GOOD, answer_turn, answered, open_test, rows, vote_for


@pytest.fixture
def tester(blind_test: BlindTest) -> str:
    return blind_test.enrol("1").id


def test_a_failed_turn_can_be_tried_again_and_both_attempts_stay(blind_test: BlindTest, tester: str) -> None:
    battle = blind_test.start_battle(tester, None, "Mine?")
    first = blind_test.start_turn(tester, battle.id, "Mine?")
    blind_test.fail_turn(first.id, "both", "crashed")
    second = blind_test.start_turn(tester, battle.id, "Mine?")
    assert (second.number, second.attempt) == (1, 2)
    blind_test.finish_turn(second.id, GOOD)
    blind_test.vote(tester, battle.id, "right")
    assert [turn.status for turn in blind_test.battle(tester, battle.id).turns] == ["failed", "complete"]


def test_a_failed_follow_up_forbids_the_vote_until_it_is_repeated(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    turn = blind_test.start_turn(tester, battle.id, "And then?")
    blind_test.fail_turn(turn.id, "model1", "crashed")
    with pytest.raises(Refused):
        blind_test.vote(tester, battle.id, "left")
    answer_turn(blind_test, tester, battle.id, "And then?")
    blind_test.vote(tester, battle.id, "left")
    assert rows(blind_test, "SELECT turns FROM votes") == [(2,)]


@pytest.mark.parametrize("text", ["", "  \n ", "\u200b\u200d"])
def test_a_blank_answer_is_a_failure(blind_test: BlindTest, tester: str, text: str) -> None:
    battle = blind_test.start_battle(tester, None, "Mine?")
    turn = blind_test.start_turn(tester, battle.id, "Mine?")
    finished = blind_test.finish_turn(turn.id, GOOD | {"model2": Answer(text, 0, 0.1)})
    assert finished.status == "failed"
    assert rows(blind_test, "SELECT model, error FROM failures") == [("model2", "blank answer")]


def test_a_stopped_turn_is_kept_but_not_voted_on(blind_test: BlindTest, tester: str) -> None:
    battle = blind_test.start_battle(tester, None, "Mine?")
    turn = blind_test.start_turn(tester, battle.id, "Mine?")
    stopped = {model: Answer("cut", 1, 0.5, stopped="cancelled") for model in GOOD}
    assert blind_test.finish_turn(turn.id, stopped).status == "cancelled"
    with pytest.raises(Refused, match="stopped"):
        blind_test.vote(tester, battle.id, "left")
    assert blind_test.start_turn(tester, battle.id, "Mine?").attempt == 2


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200d\ufeff", "\x00\x01", None, 7, "x" * 20_000])
def test_an_impossible_question_is_refused(blind_test: BlindTest, tester: str, text: Any) -> None:
    with pytest.raises(Refused, match=r"empty|20,000"):
        blind_test.start_battle(tester, None, text)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "![x](http://e.x/y.png)", "🎨 a\nb\tc", "'; DROP TABLE votes;"]
)
def test_any_other_text_is_stored_as_it_is(blind_test: BlindTest, tester: str, text: str) -> None:
    assert blind_test.start_battle(tester, None, text).prompt == text


def test_control_characters_and_lone_surrogates_are_removed(blind_test: BlindTest, tester: str) -> None:
    assert blind_test.start_battle(tester, None, " a\x00b\r\nc\ud800 ").prompt == "ab\nc?"


def test_an_edited_suggestion_is_the_testers_own(blind_test: BlindTest, tester: str) -> None:
    prompt = blind_test.suggestions(tester)[0]
    battle = blind_test.start_battle(tester, prompt.id, prompt.text + " Really?")
    assert battle.category == "own"
    assert battle.prompt_id.startswith("own-")
    blind_test.abandon(tester, battle.id, "edited")
    with pytest.raises(Refused, match="not among"):
        blind_test.start_battle(tester, "q99", "?")


def test_only_one_round_is_open_at_a_time(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    with pytest.raises(Refused, match="open already"):
        blind_test.start_battle(tester, None, "Another?")
    assert blind_test.last_battle(tester) == battle
    blind_test.abandon(tester, battle.id, "boring")
    with pytest.raises(Refused, match="abandoned"):
        blind_test.vote(tester, battle.id, "left")
    again = answered(blind_test, tester)
    assert again.round == 1


def test_turns_are_limited_and_follow_each_other(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    answer_turn(blind_test, tester, battle.id, "Second?")
    turn = blind_test.start_turn(tester, battle.id, "Third?")
    with pytest.raises(Refused, match="being written"):
        blind_test.start_turn(tester, battle.id, "Fourth?")
    blind_test.finish_turn(turn.id, GOOD)
    with pytest.raises(Refused, match="3 questions"):
        blind_test.start_turn(tester, battle.id, "Fourth?")
    with pytest.raises(Refused, match="complete already"):
        blind_test.finish_turn(turn.id, GOOD)
    with pytest.raises(Refused, match="complete already"):
        blind_test.fail_turn(turn.id, "model1", "late")


def test_the_first_turn_asks_the_rounds_question(blind_test: BlindTest, tester: str) -> None:
    battle = blind_test.start_battle(tester, None, "Mine?")
    with pytest.raises(Refused, match="another question"):
        blind_test.start_turn(tester, battle.id, "Other?")


@pytest.mark.parametrize(
    "answers",
    [
        {"model1": Answer("x", 1, 1.0)},
        GOOD | {"model3": Answer("x", 1, 1.0)},
        GOOD | {"model1": Answer("x", -1, 1.0)},
        GOOD | {"model1": Answer("x", 1, float("inf"))},
        GOOD | {"model1": Answer("x", 1, 1.0, stopped="tired")},
    ],
)
def test_impossible_answers_are_refused(blind_test: BlindTest, tester: str, answers: dict) -> None:
    battle = blind_test.start_battle(tester, None, "Mine?")
    turn = blind_test.start_turn(tester, battle.id, "Mine?")
    with pytest.raises(Refused):
        blind_test.finish_turn(turn.id, answers)
    assert blind_test.last_battle(tester).turns[-1].status == "pending"


def test_rounds_end_with_the_quota(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db", rounds=2)
    tester = test.enrol("1").id
    with pytest.raises(Refused, match="0 of 2"):
        test.close(tester, "quota")
    vote_for(test, tester, ["model1", "tie"])
    with pytest.raises(Refused, match="All 2 rounds"):
        test.start_battle(tester, None, "More?")
    test.close(tester, "quota")
    assert test.tester(tester).closed_why == "quota"


def test_a_restart_resumes_the_round_with_the_same_sides(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db")
    tester = test.enrol("1").id
    battle = answered(test, tester)
    test.start_turn(tester, battle.id, "And?")
    test.database.close()
    again = open_test(tmp_path / "v.db")
    assert again.label == test.label
    assert again.recover() == 1
    resumed = again.last_battle(tester)
    assert (resumed.id, resumed.left_model) == (battle.id, battle.left_model)
    assert [turn.status for turn in resumed.turns] == ["complete", "failed"]
    assert again.start_turn(tester, battle.id, "And?").attempt == 2


def test_turns_that_nobody_works_on_are_settled_in_every_study(tmp_path: Path) -> None:
    old = open_test(tmp_path / "v.db")
    tester = old.enrol("1").id
    old.start_turn(tester, old.start_battle(tester, None, "Mine?").id, "Mine?")
    new = open_test(tmp_path / "v.db", temperature=0.2)
    other = new.enrol("1").id
    new.start_turn(other, new.start_battle(other, None, "Mine?").id, "Mine?")
    assert old.recover("another study began", own=True) == 1
    assert rows(old, "SELECT error FROM failures") == [("another study began",)]
    assert rows(old, "SELECT status FROM turns ORDER BY id") == [("failed",), ("pending",)]
    assert old.recover() == 1, "at a start, whichever study the app runs"
    assert rows(old, "SELECT COUNT(*) FROM turns WHERE status = 'pending'") == [(0,)]
