"""A request that comes again, since its answer was lost, is done once."""

from __future__ import annotations

import secrets
from collections import Counter

import pytest

from feedback.assignment import first_side, left_model
from feedback.blind_test import BlindTest, NotNow, Refused, Repeated
from tests.feedback.protocol import Clock, answer_turn, answered, open_test

TOKEN = "A" * 32


def test_one_click_enrols_once_and_counts_an_invite_once(blind_test: BlindTest) -> None:
    first = blind_test.enrol("1", token=TOKEN)
    assert blind_test.enrol("1", token=TOKEN) == first
    assert blind_test.tester(TOKEN) == first
    for token in ("", "short", "x" * 5000, "A" * 31 + "!"):
        with pytest.raises(Refused, match="reload"):
            blind_test.enrol("1", token=token)
    blind_test.withdraw(TOKEN)
    with pytest.raises(Refused, match="deleted"):
        blind_test.enrol("1", token=TOKEN)


def test_a_token_is_another_tester_in_another_study(blind_test: BlindTest) -> None:
    here = blind_test.enrol("1", token=TOKEN)
    there = open_test(blind_test.database.path, name="Another study")
    assert there.tester(TOKEN) is None
    assert there.enrol("1", token=TOKEN).code != here.code, "nobody can be followed from one to the other"


def test_each_request_is_done_once(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    prompt = blind_test.suggestions(tester)[0]
    key = secrets.token_hex(8)
    battle = blind_test.start_battle(tester, prompt.id, prompt.text, key)
    assert blind_test.was_done(tester, key)
    for act in (
        lambda: blind_test.start_battle(tester, prompt.id, prompt.text, key),
        lambda: blind_test.abandon(tester, battle.id, "late", key),
        lambda: blind_test.vote(tester, battle.id, "left", request=key),
    ):
        with pytest.raises(Repeated):
            act()
    with pytest.raises(Refused, match="out of date"):
        blind_test.abandon(tester, battle.id, "", "?")
    assert blind_test.last_battle(tester) == battle


def test_a_late_copy_of_a_vote_does_not_undo_an_undo(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    blind_test.vote(tester, battle.id, "left", request="first-vote")
    blind_test.undo_vote(tester, battle.id, "its-undoing")
    with pytest.raises(Repeated):
        blind_test.vote(tester, battle.id, "left", request="first-vote")
    assert blind_test.battle(tester, battle.id).vote is None


def test_a_request_that_is_refused_can_come_again(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    with pytest.raises(Refused, match="Answer B was not on your screen"):
        blind_test.vote(tester, battle.id, "left", seen={"left": 2.0, "right": 0}, request="the-same-key")
    assert not blind_test.was_done(tester, "the-same-key")
    blind_test.vote(tester, battle.id, "left", seen={"left": 2.0, "right": 1.0}, request="the-same-key")
    connection = blind_test.database.connection
    assert tuple(connection.execute("SELECT left_seen, right_seen FROM votes").fetchone()) == (2.0, 1.0)


def test_a_vote_waits_until_both_answers_can_have_been_looked_at(blind_test: BlindTest, clock: Clock) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester, chars=(150, 5000))
    long, short = ("left", "right") if battle.left_model == "model2" else ("right", "left")
    for seen, letter in (({short: 1.4, long: 9.0}, short), ({short: 1.5, long: 1.9}, long)):
        with pytest.raises(Refused, match=f"Answer {'A' if letter == 'left' else 'B'} was on your screen for a moment"):
            blind_test.vote(tester, battle.id, "left", seen=seen)
    blind_test.vote(tester, battle.id, "left", seen={short: 1.5, long: 2.0})
    blind_test.undo_vote(tester, battle.id)
    answer_turn(blind_test, tester, battle.id, "And then?", (100, 300))
    with pytest.raises(NotNow):  # whatever a browser says; it comes again by itself
        blind_test.vote(tester, battle.id, "left", seen={"left": 60, "right": 60})
    clock.forward(1.9 / 60)
    with pytest.raises(NotNow):
        blind_test.vote(tester, battle.id, "left", seen={"left": 60, "right": 60})
    clock.forward(0.2 / 60)
    blind_test.vote(tester, battle.id, "left", seen={"left": 60, "right": 60})
    row = blind_test.database.connection.execute("SELECT * FROM votes WHERE superseded = 0").fetchone()
    assert row["left_seen"] == row["right_seen"] == row["server_seconds"] < 2.2, (
        "no more than the server's clock allows"
    )


def test_a_clock_that_was_set_back_keeps_nobody_from_voting(blind_test: BlindTest, clock: Clock) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    clock.forward(-30)
    blind_test.vote(tester, battle.id, "left", vote_seconds=3.0, seen={"left": 3, "right": 3})
    row = blind_test.database.connection.execute("SELECT * FROM votes").fetchone()
    assert (row["server_seconds"], row["vote_seconds"], row["left_seen"], row["right_seen"]) == (None, 3.0, 3.0, 3.0)


def test_words_without_a_vote_are_kept_and_go_with_a_withdrawal(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    blind_test.remark(tester, battle.id, ["Clearer"], "Too")
    blind_test.remark(tester, battle.id, ["Clearer"], "Too short")
    blind_test.close(tester, "quit")
    blind_test.remark(tester, battle.id, [], "Too short, said late")
    connection = blind_test.database.connection
    assert [tuple(row) for row in connection.execute("SELECT comment FROM remarks")] == [("Too short, said late",)]
    other = blind_test.enrol("1").id
    with pytest.raises(Refused, match="not yours"):
        blind_test.remark(other, battle.id, [], "not mine")
    blind_test.withdraw(tester)
    assert (
        connection.execute("SELECT (SELECT COUNT(*) FROM remarks), (SELECT COUNT(*) FROM requests)").fetchone()[0] == 0
    )


def test_words_that_were_taken_back_are_not_kept(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    blind_test.remark(tester, battle.id, ["Clearer"], "I know who wrote that")
    blind_test.remark(tester, battle.id, [], " \n")
    blind_test.close(tester, "quit")
    assert blind_test.database.connection.execute("SELECT COUNT(*) FROM remarks").fetchone()[0] == 0


def test_in_each_block_of_earlier_releases_every_model_is_first_once_on_either_side() -> None:
    for tester in map(str, range(20)):
        for block in range(5):
            places = range(4 * block, 4 * block + 4)
            secret = "ab" * 32
            cells = Counter((left_model(secret, tester, n), first_side(secret, tester, n, apart=False)) for n in places)
            assert len(cells) == 4, cells
