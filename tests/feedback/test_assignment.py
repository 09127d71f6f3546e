from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest

from feedback.assignment import (
    BY_SIDE,
    INDEPENDENT,
    Candidate,
    first_side,
    left_model,
    rank_prompts,
    shuffle_prompts,
)
from feedback.blind_test import BlindTest
from tests.feedback.protocol import answered, load_votes, vote_for

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


def test_prompts_come_least_served_first_and_the_rest_is_drawn() -> None:
    rare = Candidate(3, "d", "c", 1, 1)
    for tester in range(50):
        heavy = [Candidate(1, "a", "c", 3, 1), Candidate(2, "b", "c", 1, 3)]
        first, *others = rank_prompts(SECRET, f"t{tester}", 0, [*heavy, rare])
        assert first == rare
        swapped = [Candidate(1, "a", "c", 1, 3), Candidate(2, "b", "c", 3, 1)]
        keys = [prompt.key for prompt in rank_prompts(SECRET, f"t{tester}", 0, [*swapped, rare])]
        assert [prompt.key for prompt in (first, *others)] == keys, "on which side a model stood changes nothing"


def test_battles_of_the_first_rule_can_still_be_derived() -> None:
    model1_left = left_model(SECRET, "t", 0) == "model1"
    left_heavy, right_heavy = Candidate(1, "a", "c", 3, 1), Candidate(2, "b", "c", 1, 3)
    ranked = rank_prompts(SECRET, "t", 0, [left_heavy, right_heavy], assignment=BY_SIDE)
    assert ranked == ([right_heavy, left_heavy] if model1_left else [left_heavy, right_heavy])


def test_neither_what_is_shown_nor_its_order_goes_with_the_side() -> None:
    """Level 0.1%: by chance alone one seed in a thousand would fail; this one is fixed.

    The prompts have known surpluses, as a tester has them from reveals. The agreement of the order with the surplus is
    compared with the side by a permutation test.
    """
    generator = np.random.default_rng(13)
    surplus = generator.integers(-2, 3, 12)
    bank = [Candidate(key, f"q{key}", "c", int(4 + s), int(4 - s)) for key, s in enumerate(surplus)]
    for assignment in ("blocks", INDEPENDENT):
        sides, orders, firsts = [], [], []
        for tester in range(400):
            sides.append(left_model(SECRET, f"t{tester}", 0, assignment=assignment) == "model1")
            ranked = rank_prompts(SECRET, f"t{tester}", 0, bank, assignment=assignment)[:6]
            shown = shuffle_prompts(SECRET, f"t{tester}", 0, ranked)
            firsts.append(surplus[shown[0].key])
            orders.append(np.dot([surplus[prompt.key] for prompt in shown], np.arange(6) - 2.5))
        for seen in (orders, firsts):
            gap = abs(np.corrcoef(seen, sides)[0, 1])
            shuffled = [abs(np.corrcoef(seen, generator.permutation(sides))[0, 1]) for _ in range(2000)]
            assert np.mean(np.array(shuffled) >= gap) > 0.001


def test_sides_that_are_shown_after_each_vote_foretell_nothing() -> None:
    """Each side is drawn by itself: three known sides leave the fourth a coin's toss (level 0.1%, fixed seed)."""
    sides = np.array(
        [[left_model(SECRET, f"t{t}", s, assignment=INDEPENDENT) == "model1" for s in range(4)] for t in range(2000)]
    )
    assert abs(sides.mean() - 0.5) < 3.3 * 0.5 / np.sqrt(sides.size)
    for left in range(4):
        fourth = sides[sides[:, :3].sum(axis=1) == left, 3]
        assert abs(fourth.mean() - 0.5) < 3.3 * 0.5 / np.sqrt(len(fourth))
    assert len({tuple(row) for row in sides.tolist()}) == 16


def test_two_rounds_that_begin_with_the_same_side_say_nothing_of_each_other() -> None:
    """The page tells which answer a narrow screen shows first. Of two rounds of a block that began alike the models
    were always swapped, so who knew one by its words knew the other. By chance a third of them stand alike."""
    alike, cells = [], {}
    for tester in range(1500):
        sides = [left_model(SECRET, f"t{tester}", serving) for serving in range(4)]
        firsts = [first_side(SECRET, f"t{tester}", serving) for serving in range(4)]
        assert firsts.count("left") == 2, "either side is first in half of each block"
        alike += [sides[m] == sides[n] for m in range(4) for n in range(m) if firsts[m] == firsts[n]]
        for cell in zip(sides, firsts, strict=True):
            cells[cell] = cells.get(cell, 0) + 1
    assert len(alike) == 3000
    assert abs(np.mean(alike) - 1 / 3) < 5 * np.sqrt(2 / 9 / 3000)
    assert max(abs(count - 1500) for count in cells.values()) < 5 * np.sqrt(1500)


def test_ties_are_broken_by_the_tester() -> None:
    fresh = [Candidate(key, f"q{key}", "c", 0, 0) for key in range(10)]
    first = {rank_prompts(SECRET, f"t{tester}", 0, fresh)[0].prompt_id for tester in range(100)}
    assert len(first) == 10


def test_balance_over_prompts_and_testers_with_drop_out(blind_test: BlindTest) -> None:
    """The specification's measure, where testers take the question that is due: 20% of them leave early."""
    generator = np.random.default_rng(4)
    for _ in range(30):
        tester = blind_test.enrol("1")
        rounds = 8 if generator.random() < 0.8 else int(generator.integers(0, 8))
        for _ in range(rounds):
            row = blind_test._row(blind_test.database.connection, tester.id)
            due = blind_test._schedule(blind_test.database.connection, row)[0].prompt_id
            assert due in {prompt.id for prompt in blind_test.suggestions(tester.id)}, "what is due is shown, somewhere"
            blind_test.vote(tester.id, answered(blind_test, tester.id, prompt_id=due).id, "tie")
        blind_test.close(tester.id, "quit")
    rows = blind_test.database.connection.execute("SELECT served_left, served_right FROM prompts").fetchall()
    served = [left + right for left, right in rows]
    assert max(served) - min(served) <= 1
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
