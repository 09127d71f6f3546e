"""Bootstrap intervals over items: the percentile interval of Efron & Tibshirani (1993), chapter 13.

Items (questions, conversations) are what was sampled, so items are drawn again, never tokens: the tokens of one answer
depend on one another. Two models that answered the same items are compared item by item, which leaves out how hard the
items are (Miller 2024, "Adding error bars to evals", arXiv:2411.00640).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

DRAWS = 10_000
SEED = 0
LEVEL = 0.95
CHUNK = 2_000_000
"""Numbers drawn at a time, so that many items need little memory."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its 95% interval."""

    estimate: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """As it stands in ``evaluation.json``."""
        return asdict(self)


def mean_interval(values: Sequence[float] | np.ndarray, seed: int = SEED, draws: int = DRAWS) -> Interval:
    """The mean of values (N,). Raises ValueError: no values, or one that is no number."""
    values = np.asarray(values, np.float64)
    _check(values, np.ones_like(values))
    n = len(values)
    if ((values == 0) | (values == 1)).all():  # right or wrong: how many are right in a draw is binomial
        means = np.random.default_rng(seed).binomial(n, values.mean(), draws) / n
    else:
        (sums,) = _resampled_sums(values, seed=seed, draws=draws)
        means = sums / n
    return _interval(values.mean(), means)


def ratio_interval(
    numerators: Sequence[float] | np.ndarray,
    denominators: Sequence[float] | np.ndarray,
    seed: int = SEED,
    draws: int = DRAWS,
) -> Interval:
    """The ratio of two sums over items, (N,) each: bits over bytes, for example.

    Raises:
        ValueError: no items, one that is no number, or a sum below that is not positive.
    """
    above, below = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    _check(above, below)
    ratios = np.divide(*_resampled_sums(above, below, seed=seed, draws=draws))
    return _interval(above.sum() / below.sum(), ratios)


def paired_difference(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> Interval:
    """The mean of a − b over items that both models were given, (N,) each, in the same order.

    Raises:
        ValueError: no items, one that is no number, or other numbers of items.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    _check(first, second, positive=False)
    return mean_interval(first - second)


def paired_ratio_difference(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    denominators: Sequence[float] | np.ndarray,
) -> Interval:
    """The difference of two ratios of sums over the same items: bits per byte of one model minus that of another.

    Raises:
        ValueError: as for ``ratio_interval``.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    _check(first, second, positive=False)
    return ratio_interval(first - second, denominators)


def _check(first: np.ndarray, second: np.ndarray, *, positive: bool = True) -> None:
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"{first.size} and {second.size} values: give as many of one as of the other")
    if not len(first):
        raise ValueError("no items to take an interval over; give at least one")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a value is not a finite number; leave out what was not measured")
    if positive and not (second.min() >= 0 and second.sum() > 0):
        raise ValueError("the sum below the line must be positive; give items that have a size")


def _resampled_sums(*columns: np.ndarray, seed: int, draws: int) -> tuple[np.ndarray, ...]:
    """Each column's sum over the same N items drawn with replacement, ``draws`` times: (draws,) each."""
    n = len(columns[0])
    generator = np.random.default_rng(seed)
    sums: list[list[np.ndarray]] = [[] for _ in columns]
    per_chunk = max(1, CHUNK // n)
    for start in range(0, draws, per_chunk):
        drawn = generator.integers(n, size=(min(per_chunk, draws - start), n), dtype=np.int32)
        for found, column in zip(sums, columns, strict=True):
            found.append(column.take(drawn).sum(axis=1))
    return tuple(np.concatenate(found) for found in sums)


def _interval(estimate: float, resampled: np.ndarray) -> Interval:
    low, high = np.quantile(resampled[np.isfinite(resampled)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(estimate), float(low), float(high))
