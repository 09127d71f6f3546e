from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from feedback.blind_test import BlindTest, Refused
from feedback.check import check
from tests.feedback.protocol import answered, open_test, vote_for


@pytest.fixture
def tester(blind_test: BlindTest) -> str:
    return blind_test.enrol("1").id


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
