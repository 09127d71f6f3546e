"""Whether a model prefers what testers preferred, on pairs that were held back, and what length has to do with it.

Pairs of one tester depend on one another, so the intervals are clustered by tester: CR3, t with G-1 degrees of freedom,
as for the pooled share of the votes. Drawing testers again instead takes 11% of coins for a taste where they are eight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes a second to load, and every command waits for it

LEAST_PAIRS, LEAST_TESTERS = 30, 8
"""Of held-out pairs, and of testers behind them, below which nothing is claimed: an interval over fewer groups is too
narrow (Cameron, Gelbach & Miller 2008)."""
ROUNDING = 1e-9
"""Of a sum of shares: testers that differ by no more are alike."""


def accuracy(preferred: Sequence[float] | np.ndarray, testers: Sequence[str] | np.ndarray) -> dict[str, float | None]:
    """The share of pairs in which the preferred answer is ahead, with an interval clustered by tester.

    Args:
        preferred: (N,) 1 where it is ahead, 0 where the other is, 1/2 where neither.
        testers: (N,) whose vote it was.
    """
    if not len(testers):
        return {"accuracy": None, "ci_low": None, "ci_high": None}
    values = np.asarray(preferred, np.float64)
    names, group = np.unique(np.asarray(testers, object).astype(str), return_inverse=True)
    if len(names) < 2:
        return {"accuracy": float(values.mean()), "ci_low": None, "ci_high": None}
    n, share, pairs = len(values), float(values.mean()), np.bincount(group)
    off = np.bincount(group, values - share)
    if np.any(np.abs(off) > ROUNDING):
        reach = float(stdtrit(len(names) - 1, 0.975) * np.sqrt(np.sum((off / (n - pairs)) ** 2)))
    else:  # all testers alike: as far as their number alone can tell (Clopper & Pearson)
        reach = 1 - 0.025 ** (1 / len(names))
    return {"accuracy": share, "ci_low": max(0.0, share - reach), "ci_high": min(1.0, share + reach)}


def ahead(differences: np.ndarray) -> np.ndarray:
    """1 where a difference is positive, 0 where it is negative, 1/2 where there is none."""
    return np.where(differences > 0, 1.0, np.where(differences < 0, 0.0, 0.5))


def compare(before: np.ndarray, after: np.ndarray, sizes: np.ndarray, testers: Sequence[str]) -> dict[str, Any]:
    """The part ``held_out`` of a report.

    ``before`` and ``after`` say how often the preferred answer is the likelier one, by the byte; ``gain`` how often it
    gained more of likelihood by the training than the other, which is what the training aims at.

    Args:
        before, after: (N, 2) log-likelihoods of the preferred answer and the other one.
        sizes: (N, 2) their bytes.
        testers: (N,) whose vote each was.
    """
    names, n_testers = np.asarray(testers, object).astype(str), len(set(testers))
    per_byte = [likelihoods / np.maximum(sizes, 1) for likelihoods in (before, after)]
    gained = after - before
    longer = sizes[:, 0] > sizes[:, 1] if len(sizes) else np.zeros(0, bool)
    gain = ahead(gained[:, 0] - gained[:, 1])
    few = len(before) < LEAST_PAIRS or n_testers < LEAST_TESTERS
    pairs, people = (
        f"{n} {word}{'s' * (n != 1)}" for n, word in ((len(before), "held-out pair"), (n_testers, "tester"))
    )
    why = f"{pairs} of {people} are too few to judge; {LEAST_PAIRS} pairs of {LEAST_TESTERS} testers are needed"
    return {
        "before": accuracy(ahead(per_byte[0][:, 0] - per_byte[0][:, 1]), testers),
        "after": accuracy(ahead(per_byte[1][:, 0] - per_byte[1][:, 1]), testers),
        "gain": accuracy(gain, testers),
        "gain_where_preferred_is_longer": accuracy(gain[longer], names[longer]),
        "gain_where_preferred_is_not": accuracy(gain[~longer], names[~longer]),
        "n": len(before),
        "testers": n_testers,
        "judged": not few,
        "why_not": why if few else None,
    }


def lengths(sizes: np.ndarray) -> dict[str, Any]:
    """How far votes follow length alone: how often the preferred answer is the longer one, and the mean bytes."""
    if not len(sizes):
        return {"preferred_is_longer": None, "preferred_bytes": None, "other_bytes": None}
    return {
        "preferred_is_longer": float(ahead(sizes[:, 0] - sizes[:, 1]).mean()),
        "preferred_bytes": float(sizes[:, 0].mean()),
        "other_bytes": float(sizes[:, 1].mean()),
    }


def describe_votes(found: Mapping[str, Any] | None) -> Iterator[str]:
    """What a model card says of a version that learned from votes; nothing of any other."""
    if not found:
        return
    pairs, held_out, guards = found["pairs"], found["held_out"], found["guards"]
    learned = f"{pairs['learned_votes']:,} of " if "learned_votes" in pairs else ""  # older reports have none
    yield from ("## Learned from votes", "")
    yield (
        f"This version learned by {found['method']} from {learned}{pairs['votes']:,} votes of {pairs['testers']:,} "
        f"testers of a blind test (study `{found['study']}`, votes `{found['votes_hash'][:16]}`). It was made from the "
        f"weights `{found['parent']['hash'][:16]}`."
    )
    if again := found.get("replay"):
        yield (
            f"Beside them it learned {again['samples']:,} samples of its own training data again, {again['share']:.0%} "
            "of the tokens."
        )
    yield ""
    if held_out["judged"]:
        gain, before, after = held_out["gain"], held_out["before"], held_out["after"]
        yield (
            f"On {held_out['n']:,} pairs that were held back the preferred answer gained more likelihood than the "
            f"other in {gain['accuracy']:.1%} (50% is nothing learned; interval clustered by tester "
            f"{gain['ci_low']:.1%} to {gain['ci_high']:.1%}); it is the likelier one in {after['accuracy']:.1%}, "
            f"before in {before['accuracy']:.1%}."
        )
    else:
        yield f"Nothing is claimed of what it learned: {held_out['why_not']}."
    for what, key in (("Held-out bits per byte", "bits_per_byte"), ("Closed-book accuracy", "closed_book")):
        if guard := guards.get(key):
            yield f"{what}: {guard['after']:.3f}, before {guard['before']:.3f}; the limit was {guard['limit']:.3f}."
    if not found["accepted"]:
        yield f"**Refused**: {'; '.join(found['refused_because'])}."
