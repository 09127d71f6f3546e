"""Bootstrap intervals against scipy's, and what they are told apart by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from training.evaluation.intervals import mean_interval, paired_difference, paired_ratio_difference, ratio_interval

RNG = np.random.default_rng(3)
SIZES = RNG.integers(20, 200, 120).astype(float)
BITS = SIZES * RNG.gamma(2.0, 0.5, 120)


def test_intervals_are_those_of_scipy() -> None:
    theirs = stats.bootstrap((BITS,), np.mean, n_resamples=9999, method="percentile", rng=1).confidence_interval
    ours = mean_interval(BITS)
    assert ours.estimate == pytest.approx(BITS.mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), rel=0.01)

    def ratio(above: np.ndarray, below: np.ndarray, axis: int) -> np.ndarray:
        return above.sum(axis) / below.sum(axis)

    theirs = stats.bootstrap(
        (BITS, SIZES), ratio, paired=True, n_resamples=9999, method="percentile", rng=1
    ).confidence_interval
    ours = ratio_interval(BITS, SIZES)
    assert ours.estimate == pytest.approx(BITS.sum() / SIZES.sum())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), rel=0.01)


def test_the_same_seed_gives_the_same_interval_and_another_one_nearly_so() -> None:
    assert mean_interval(BITS, seed=5) == mean_interval(BITS, seed=5) != mean_interval(BITS, seed=6)


def test_a_paired_difference_leaves_out_how_hard_the_items_are() -> None:
    better = BITS * 0.97
    difference = paired_difference(better, BITS)
    assert difference.estimate == pytest.approx((better - BITS).mean())
    assert difference.high < 0
    assert mean_interval(better).high > mean_interval(BITS).low  # which alone would not have told them apart
    per_byte = paired_ratio_difference(better, BITS, SIZES)
    assert per_byte.estimate == pytest.approx((better.sum() - BITS.sum()) / SIZES.sum())
    assert per_byte.low < per_byte.estimate < per_byte.high < 0


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = [
        low <= 0.3 <= high
        for seed in range(100)
        for low, high in [
            (interval.low, interval.high)
            for interval in [mean_interval(np.random.default_rng(seed).random(100) < 0.3, seed, 500)]
        ]
    ]
    assert 0.86 <= np.mean(held) <= 0.99


@pytest.mark.parametrize(
    ("values", "message"),
    [([], "no items"), ([1.0, float("nan")], "not a finite number"), ([[1.0], [2.0]], "give as many of one")],
)
def test_what_has_no_interval_is_refused(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_interval(values)
    with pytest.raises(ValueError, match="must be positive"):
        ratio_interval([1.0, 2.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="give as many"):
        paired_difference([1.0, 2.0], [1.0])
