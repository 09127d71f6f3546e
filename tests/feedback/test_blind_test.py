from __future__ import annotations

import csv
import io
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from feedback.blind_test import Answer, BlindTest, Refused
from feedback.check import check
from feedback.database import Database
from feedback.export import stream
from feedback.rules import MAX_CHANGES
from feedback.statistics import load_study, summary
from tests.feedback.protocol import READING_MINUTES, Clock, answer_turn, answered, choice_for, open_test, vote_for

GOOD = {"model1": Answer("one", 1, 0.5), "model2": Answer("two", 1, 0.5)}


def rows(test: BlindTest, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in test.database.connection.execute(sql)]


@pytest.fixture
def tester(blind_test: BlindTest) -> str:
    return blind_test.enrol("1").id


def test_a_round_from_question_to_vote(blind_test: BlindTest, tester: str) -> None:
    prompt = blind_test.suggestions(tester)[0]
    battle = blind_test.start_battle(tester, prompt.id, prompt.text)
    assert (battle.round, battle.prompt, battle.status) == (1, prompt.text, "open")
    turn = blind_test.start_turn(tester, battle.id, prompt.text)
    assert blind_test.finish_turn(turn.id, GOOD).status == "complete"
    vote = blind_test.vote(tester, battle.id, "left", ["Clearer"], "Fine.", good_enough=True, vote_seconds=3.5)
    assert (vote.choice, vote.reasons, vote.comment, vote.good_enough) == ("left", ("Clearer",), "Fine.", True)
    assert blind_test.progress(tester) == (1, 12)
    assert blind_test.open_battle(tester) is None
    assert blind_test.last_battle(tester).vote == vote


def test_what_was_saved_is_there_for_another_connection(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "tie")
    other = Database(blind_test.database.path)
    assert other.connection.execute("SELECT choice FROM votes").fetchone()[0] == "tie"
    assert other.connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


def test_a_vote_without_two_finished_answers_is_refused(blind_test: BlindTest, tester: str) -> None:
    battle = blind_test.start_battle(tester, None, "Mine?")
    with pytest.raises(Refused, match="nothing to compare"):
        blind_test.vote(tester, battle.id, "left")
    turn = blind_test.start_turn(tester, battle.id, "Mine?")
    with pytest.raises(Refused, match="being written"):
        blind_test.vote(tester, battle.id, "left")
    blind_test.fail_turn(turn.id, "model2", "out of memory")
    with pytest.raises(Refused, match="could not be finished"):
        blind_test.vote(tester, battle.id, "left")
    assert rows(blind_test, "SELECT model, error FROM failures") == [("model2", "out of memory")]
    assert rows(blind_test, "SELECT COUNT(*) FROM votes") == [(0,)]


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


def test_one_vote_a_battle(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "left")
    for choice in ("left", "right"):
        with pytest.raises(Refused, match="voted already"):
            blind_test.vote(tester, battle.id, choice)
    assert rows(blind_test, "SELECT choice FROM votes") == [("left",)]


def test_undo_keeps_the_old_row(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "left")
    blind_test.undo_vote(tester, battle.id)
    assert blind_test.progress(tester)[0] == 0
    with pytest.raises(Refused, match="no vote to undo"):
        blind_test.undo_vote(tester, battle.id)
    blind_test.vote(tester, battle.id, "both_bad")
    assert rows(blind_test, "SELECT choice, superseded FROM votes ORDER BY id") == [("left", 1), ("both_bad", 0)]


def test_a_tie_is_never_both_bad(blind_test: BlindTest, tester: str) -> None:
    """In the table, the tester's tally, the statistics and every export that has both."""
    vote_for(blind_test, tester, ["tie", "both_bad", "both_bad"])
    counts = blind_test.database.connection.execute("SELECT choice, COUNT(*) FROM votes GROUP BY choice").fetchall()
    assert dict(map(tuple, counts)) == {"tie": 1, "both_bad": 2}
    study = load_study(blind_test.database)
    assert summary(study.outcomes)["counts"] == {"model1": 0, "model2": 0, "tie": 1, "both_bad": 2}
    exports = {name: b"".join(stream(blind_test.database, name)).decode() for name in ("csv", "arena", "kto", "dpo")}
    assert [row["winner_model"] for row in csv.DictReader(io.StringIO(exports["csv"]))] == [
        "tie",
        "both_bad",
        "both_bad",
    ]
    assert [row["winner"] for row in json.loads(exports["arena"])] == ["tie", "tie (bothbad)", "tie (bothbad)"]
    assert len(exports["kto"].splitlines()) == 4, "both bad is two bad answers, a tie none"
    assert exports["dpo"] == "", "neither prefers an answer"
    blind_test.close(tester, "quit")
    assert blind_test.tally(tester) == {"model1": 0, "model2": 0, "tie": 1, "both_bad": 2}


def test_a_vote_explained_later_keeps_the_old_row(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "right", vote_seconds=2.0)
    blind_test.explain_vote(tester, battle.id, ["Clearer"], "So.", good_enough=False)
    rows = blind_test.database.connection.execute(
        "SELECT choice, reasons, comment, good_enough, vote_seconds, superseded FROM votes ORDER BY id"
    ).fetchall()
    assert [tuple(row) for row in rows] == [
        ("right", "[]", "", None, 2.0, 1),
        ("right", '["Clearer"]', "So.", 0, 2.0, 0),
    ]
    with pytest.raises(Refused, match="good_enough"):
        blind_test.explain_vote(tester, battle.id, [], "", good_enough="yes")


def test_undo_ends_with_the_next_round(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "left")
    answered(blind_test, tester)
    with pytest.raises(Refused, match="next round has begun"):
        blind_test.undo_vote(tester, battle.id)


def test_another_testers_round_is_out_of_reach(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    stranger = blind_test.enrol("1").id
    for call in (
        lambda: blind_test.vote(stranger, battle.id, "left"),
        lambda: blind_test.start_turn(stranger, battle.id, "And?"),
        lambda: blind_test.abandon(stranger, battle.id, "bored"),
        lambda: blind_test.undo_vote(stranger, battle.id),
        lambda: blind_test.reveal(stranger, battle.id),
        lambda: blind_test.battle(stranger, battle.id),
    ):
        with pytest.raises(Refused, match="not yours"):
            call()


@pytest.mark.parametrize("token", ["", "forged", "../..", "\ud800", "x" * 10_000])
def test_a_forged_token_is_unknown(blind_test: BlindTest, token: str) -> None:
    assert blind_test.tester(token) is None
    with pytest.raises(Refused, match="not known"):
        blind_test.suggestions(token)


def test_the_database_holds_no_token(blind_test: BlindTest, tester: str) -> None:
    vote_for(blind_test, tester, ["tie"])
    dump = "\n".join(blind_test.database.connection.iterdump())
    assert tester not in dump
    assert blind_test.tester(tester).code in dump
    assert blind_test.tester(blind_test.tester(tester).code) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"choice": "Left"}, "'Left'|\"Left\""),
        ({"choice": ""}, "choose one of"),
        ({"reasons": ["Nicer"]}, "Nicer"),
        ({"vote_seconds": -1}, "vote_seconds"),
        ({"vote_seconds": float("nan")}, "vote_seconds"),
        ({"vote_seconds": "3"}, "vote_seconds"),
        ({"good_enough": "yes"}, "good_enough"),
    ],
)
def test_a_malformed_vote_is_refused(blind_test: BlindTest, tester: str, change: dict, words: str) -> None:
    battle = answered(blind_test, tester)
    with pytest.raises(Refused, match=words):
        blind_test.vote(tester, battle.id, **{"choice": "left"} | change)
    with pytest.raises(Refused):
        blind_test.vote(tester, str(battle.id), "left")
    assert rows(blind_test, "SELECT COUNT(*) FROM votes") == [(0,)]


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
    assert blind_test.open_battle(tester).id == battle.id
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
    assert blind_test.open_battle(tester).turns[-1].status == "pending"


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
    resumed = again.open_battle(tester)
    assert (resumed.id, resumed.left_model) == (battle.id, battle.left_model)
    assert [turn.status for turn in resumed.turns] == ["complete", "failed"]
    assert again.start_turn(tester, battle.id, "And?").attempt == 2


def test_other_models_or_settings_are_another_study(tmp_path: Path) -> None:
    first, second = open_test(tmp_path / "v.db"), open_test(tmp_path / "v.db", alpha=0.1)
    third = BlindTest(first.database, first.study, {"model1": {"name": "new"}, "model2": {}})
    assert len({first.label, second.label, third.label}) == 3
    tester = first.enrol("1")
    assert second.tester(tester.id) is None
    assert third.enrol("1").enrolment == 1


def test_a_vote_is_changed_only_so_often_and_then_stays(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "left")
    for number in range(1, MAX_CHANGES):
        if number % 2:
            blind_test.undo_vote(tester, battle.id)
            blind_test.vote(tester, battle.id, "right")
        else:
            blind_test.explain_vote(tester, battle.id, [], f"comment {number}")
    for change in (
        lambda: blind_test.undo_vote(tester, battle.id),
        lambda: blind_test.explain_vote(tester, battle.id, [], "once more"),
    ):
        with pytest.raises(Refused, match="it stays as it is now"):
            change()
    assert rows(blind_test, "SELECT COUNT(*), SUM(superseded = 0), MAX(choice) FROM votes") == [
        (MAX_CHANGES, 1, "right")
    ]
    assert check(blind_test.database) == []


def test_what_a_browser_says_of_its_time_is_bounded_by_the_servers_clock(blind_test: BlindTest, tester: str) -> None:
    """Both are kept; a change of the vote keeps the first ones."""
    clock = blind_test._clock
    assert isinstance(clock, Clock)
    for claimed, minutes, kept in ((3599.5, 0.0, 30.0), (12.0, 1.0, 12.0), (None, 0.0, None)):
        battle = answered(blind_test, tester)
        clock.forward(minutes)
        blind_test.vote(tester, battle.id, "left", vote_seconds=claimed)
        clock.forward(5)
        blind_test.explain_vote(tester, battle.id, [], "later")
        times = rows(blind_test, f"SELECT vote_seconds, server_seconds FROM votes WHERE battle_id = {battle.id}")
        assert len(set(times)) == 1
        [(said, measured), *_] = times
        assert measured == pytest.approx(60 * (READING_MINUTES + minutes), abs=0.1)
        assert said == (None if kept is None else pytest.approx(kept, abs=0.1))
    for nonsense in (10**400, 1e300, -1, True, "5"):
        with pytest.raises(Refused, match="vote_seconds"):
            blind_test.vote(tester, battle.id, "left", vote_seconds=nonsense)


# -- the reveal -------------------------------------------------------------------------------------------------------


def test_nothing_is_revealed_before_the_end(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "left")
    for call in (lambda: blind_test.reveal(tester, battle.id), lambda: blind_test.tally(tester)):
        with pytest.raises(Refused, match="end of the session"):
            call()
    blind_test.close(tester, "quit")
    assert blind_test.reveal(tester, battle.id) == {"left": battle.left_model, "right": battle.right_model}
    assert blind_test.tally(tester) == {"model1": 0, "model2": 0, "tie": 0, "both_bad": 0, battle.left_model: 1}


def test_reveal_after_each_vote_fixes_that_vote(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db", reveal="vote")
    tester = test.enrol("1").id
    battle = answered(test, tester)
    with pytest.raises(Refused, match="after your vote"):
        test.reveal(tester, battle.id)
    test.vote(tester, battle.id, "left")
    test.reveal(tester, battle.id)
    with pytest.raises(Refused, match="have been shown"):
        test.undo_vote(tester, battle.id)
    with pytest.raises(Refused, match="too late to guess"):
        test.guess(tester, "left_last")
    left = answered(test, tester)
    test.abandon(tester, left.id, "another question")
    with pytest.raises(Refused, match="of a round that has one"):
        test.reveal(tester, left.id)
    with test.database.transaction() as connection, pytest.raises(sqlite3.IntegrityError, match="only a voted round"):
        connection.execute("UPDATE battles SET revealed_at = served_at WHERE id = ?", [left.id])
    how = test.database.connection.execute("SELECT DISTINCT assignment FROM battles").fetchall()
    assert [tuple(row) for row in how] == [("independent",)]
    assert check(test.database) == []
    test.close(tester, "quit")
    with pytest.raises(Refused, match="of a round that has one"):
        test.reveal(tester, left.id)


def test_a_study_may_never_reveal(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db", reveal="never")
    tester = test.enrol("1").id
    battle = answered(test, tester)
    test.vote(tester, battle.id, "left")
    test.close(tester, "quit")
    with pytest.raises(Refused, match="does not show"):
        test.reveal(tester, battle.id)
    with pytest.raises(Refused, match="does not show"):
        test.tally(tester)


def test_the_tally_counts_models_not_sides(blind_test: BlindTest, tester: str) -> None:
    vote_for(blind_test, tester, ["model1"] * 4 + ["model2"] * 3 + ["tie"] * 2 + ["both_bad"])
    blind_test.close(tester, "quit")
    assert blind_test.tally(tester) == {"model1": 4, "model2": 3, "tie": 2, "both_bad": 1}


def test_the_secret_is_promised_and_told_at_the_close(blind_test: BlindTest) -> None:
    import hashlib

    promised = blind_test.secret_sha256
    assert blind_test.secret is None
    tester = blind_test.enrol("1").id
    assert blind_test.close_study() is None, "it would tell the sides of a round that is still to come"
    assert blind_test.start_battle(tester, None, "Still here?").status == "open"
    blind_test.close(tester, "quit")
    secret = blind_test.close_study()
    assert secret == blind_test.secret
    assert secret is not None
    assert hashlib.sha256(bytes.fromhex(secret)).hexdigest() == promised
    with pytest.raises(Refused, match="closed"):
        blind_test.enrol("1")


# -- many at once -----------------------------------------------------------------------------------------------------


def test_simultaneous_votes_leave_one(blind_test: BlindTest, tester: str) -> None:
    battle = answered(blind_test, tester)
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def vote(choice: str) -> None:
        barrier.wait()
        try:
            outcomes.append(blind_test.vote(tester, battle.id, choice).choice)
        except Refused:
            outcomes.append("refused")

    threads = [threading.Thread(target=vote, args=(choice,)) for choice in ("left", "right") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("refused") == 7
    assert len(rows(blind_test, "SELECT 1 FROM votes")) == 1


def test_eight_testers_at_once_lose_nothing(blind_test: BlindTest) -> None:
    errors: list[BaseException] = []

    def take_part() -> None:
        try:
            tester = blind_test.enrol("1").id
            for _ in range(6):
                battle = answered(blind_test, tester)
                blind_test.vote(tester, battle.id, choice_for(battle, "model1"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=take_part) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert rows(blind_test, "SELECT COUNT(*), COUNT(DISTINCT tester_id) FROM votes") == [(48, 8)]
    assert sorted(rows(blind_test, "SELECT enrolment FROM testers")) == [(number,) for number in range(1, 9)]


def test_two_processes_share_a_database(tmp_path: Path) -> None:
    first = open_test(tmp_path / "v.db", Clock())
    second = open_test(tmp_path / "v.db", Clock())
    tester = first.enrol("1")
    assert second.tester(tester.id).enrolment == 1
    assert second.enrol("1").enrolment == 2
