from __future__ import annotations

import csv
import io
import json
import threading
from pathlib import Path

import pytest

from feedback.blind_test import BlindTest, Refused
from feedback.check import check
from feedback.database import Database
from feedback.export import stream
from feedback.rules import MAX_CHANGES
from feedback.statistics import load_study, summary
from tests.feedback.protocol import GOOD, READING_MINUTES, Clock, answered, choice_for, open_test, rows, vote_for


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
    assert blind_test.last_battle(tester).status == "voted"
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
