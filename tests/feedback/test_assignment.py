from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest

from feedback.assignment import Candidate, left_model, rank_prompts
from feedback.blind_test import BlindTest
from feedback.statistics import load_votes
from tests.feedback.protocol import vote_for

SECRET = "5e" * 32


def test_each_block_of_four_has_two_of_each_side() -> None:
    for tester in range(200):
        sides = [left_model(SECRET, f"t{tester}", serving) for serving in range(40)]
        for block in range(0, 40, 4):
            assert sides[block : block + 4].count("model1") == 2
        lead = np.cumsum([1 if side == "model1" else -1 for side in sides])
        assert np.abs(lead).max() <= 2


def test_all_six_orders_of_a_block_are_equally_likely() -> None:
    orders: dict[tuple[str, ...], int] = {}
    for tester in range(3000):
        order = tuple(left_model(SECRET, f"t{tester}", serving) for serving in range(4))
        orders[order] = orders.get(order, 0) + 1
    assert len(orders) == 6
    assert max(abs(count - 500) for count in orders.values()) < 5 * np.sqrt(500)


def test_a_draw_can_be_done_again_by_hand() -> None:
    key = bytes.fromhex(SECRET)
    ranks = sorted(range(4), key=lambda j: hmac.new(key, f"t|1|{j}".encode(), hashlib.sha256).digest())
    assert [left_model(SECRET, "t", 4 + place) for place in range(4)] == [
        "model1" if ranks.index(place) < 2 else "model2" for place in range(4)
    ]


def test_another_secret_draws_otherwise() -> None:
    first, second = ([left_model(secret, "t", serving) for serving in range(64)] for secret in (SECRET, "a1" * 32))
    assert first != second


def test_prompts_come_least_served_first_then_by_need_of_the_side() -> None:
    model1_left = left_model(SECRET, "t", 0) == "model1"
    left_heavy, right_heavy = Candidate(1, "a", "c", 3, 1), Candidate(2, "b", "c", 1, 3)
    rare = Candidate(3, "d", "c", 1, 1)
    ranked = rank_prompts(SECRET, "t", 0, [left_heavy, right_heavy, rare])
    assert ranked == [rare, right_heavy, left_heavy] if model1_left else [rare, left_heavy, right_heavy]


def test_ties_are_broken_by_the_tester() -> None:
    fresh = [Candidate(key, f"q{key}", "c", 0, 0) for key in range(10)]
    first = {rank_prompts(SECRET, f"t{tester}", 0, fresh)[0].prompt_id for tester in range(100)}
    assert len(first) == 10


def test_balance_over_prompts_and_testers_with_drop_out(blind_test: BlindTest) -> None:
    """The specification's measure: 20% of the testers leave early."""
    generator = np.random.default_rng(4)
    for _ in range(30):
        tester = blind_test.enrol("1")
        rounds = 8 if generator.random() < 0.8 else int(generator.integers(0, 8))
        vote_for(blind_test, tester.id, ["tie"] * rounds)
        blind_test.close(tester.id, "quit")
    rows = blind_test.database.connection.execute("SELECT served_left, served_right FROM prompts").fetchall()
    served = [left + right for left, right in rows]
    assert max(served) - min(served) <= 1
    assert max(abs(left - right) for left, right in rows) <= 2
    per_tester = blind_test.database.connection.execute(
        "SELECT SUM(left_model = 'model1') - SUM(left_model = 'model2') FROM battles GROUP BY tester_id"
    ).fetchall()
    assert max(abs(row[0]) for row in per_tester) <= 2


def test_two_hundred_rounds_are_balanced_and_their_winners_are_the_models_chosen(blind_test: BlindTest) -> None:
    """Sides in balance over all and within each tester; whoever is chosen wins, on whichever side it stood."""
    outcomes = ["model1", "model2", "tie", "model1", "both_bad", "model1", "model2", "model1"]
    for _ in range(25):
        vote_for(blind_test, blind_test.enrol("1").id, outcomes)
    votes = load_votes(blind_test.database)
    on_left = votes["left_model"] == "model1"
    assert on_left.sum() == pytest.approx(100, abs=1)
    assert set(on_left.groupby(votes["tester_id"]).sum()) == {4}, "half of each tester's rounds"
    assert votes["winner_model"].value_counts().to_dict() == {"model1": 100, "model2": 50, "tie": 25, "both_bad": 25}
    chosen = votes[votes["winner_model"].isin(["model1", "model2"])]
    assert set(chosen["choice"]) == {"left", "right"}
    assert ((chosen["choice"] == "left") == (chosen["left_model"] == chosen["winner_model"])).all()
