"""All statistics of a study in one dictionary, the form that ``python -m feedback stats --json`` writes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .anytime import anytime, closed_prefix, interval
from .bias import agreement, length_controlled, position
from .blinding import blinding, guess_table
from .outcomes import Outcomes, TesterCounts
from .preference import (
    MIN_TESTERS,
    intraclass_correlation,
    mean_of_testers,
    pooled,
    sample_size,
    sign_flip,
    sign_test,
    two_way,
)
from .ratings import davidson, elo_gap

if TYPE_CHECKING:
    from pandas import DataFrame

_ESTIMATE = ("estimate", "se", "df", "ci_low", "ci_high", "p_value", "method")
_POSITION = ("left_estimate", "ci_low", "ci_high", "p_value", "estimate_adjusted")


def summary(votes: DataFrame | Outcomes, guesses: DataFrame | None = None, *, alpha: float = 0.05) -> dict[str, Any]:
    """Every statistic of one study's votes; estimates are shares preferring model1, what cannot be had is None.

    Args:
        votes: a table with the columns of ``votes.csv``, or outcomes that were loaded already.
        guesses: one row a tester who guessed, columns ``answer`` and ``left_model`` (of the last round); optional.
        alpha: error rate; intervals cover 1 - alpha.

    Raises:
        VotesError: the table breaks a rule; one line.
    """
    outcomes = votes if isinstance(votes, Outcomes) else Outcomes.from_frame(votes)
    table = guess_table(guesses) if guesses is not None else np.zeros((3, 2), np.int64)
    by_tester = summarise_counts(outcomes.testers, alpha)
    length = length_controlled(outcomes)
    by_vote: dict[str, Any] = _rounded(
        {
            "two_way": _ruled(two_way(outcomes, alpha), outcomes.testers, alpha),
            "length_controlled": {key: length[key] for key in ("logit", "elo_gap")},
            "agreement": {"alpha": agreement(outcomes)},
            "blinding": blinding(table, alpha),
            "by_category": [
                {"category": name, **category_estimate(outcomes.testers_within(place), alpha)}
                for place, name in enumerate(outcomes.categories)
            ],
            "excluded": _excluded(outcomes),
        }
    )
    return {name: by_vote[name] if name in by_vote else by_tester[name] for name in KEYS}


# The order in which the dictionary reads well: the study, the answer, its checks, what may have disturbed it.
KEYS = (
    "n_votes",
    "n_testers",
    "n_testers_closed",
    "counts",
    "preference",
    "pooled",
    "two_way",
    "sign_flip",
    "sign_test",
    "anytime",
    "position",
    "length_controlled",
    "elo_gap",
    "davidson",
    "icc",
    "agreement",
    "blinding",
    "power",
    "by_category",
    "excluded",
)


def summarise_counts(testers: TesterCounts, alpha: float = 0.05) -> dict[str, Any]:
    """The part of :func:`summary` that needs only each tester's counts, which a tally keeps up to date."""
    totals, y = testers.totals, testers.means
    ties = totals["tie"] + totals["both_bad"]
    preference = _ruled(mean_of_testers(y, alpha), testers, alpha)
    everyone = _ruled(pooled(testers.sums, testers.votes, alpha), testers, alpha)
    icc = intraclass_correlation(testers.sums, testers.square_sums, testers.votes)
    log_ratio, nu = davidson(totals["model1"], totals["model2"], ties)
    side = position(testers, alpha)
    return _rounded(
        {
            "n_votes": int(testers.votes.sum()),
            "n_testers": len(y),
            "n_testers_closed": int(testers.closed.sum()),
            "counts": totals,
            "preference": preference,
            "pooled": everyone,
            "sign_flip": {"p_value": sign_flip(y)},
            "sign_test": sign_test(y, alpha),
            "anytime": anytime(y[: closed_prefix(testers.closed)], alpha),
            "position": {key: side[key] for key in _POSITION},
            "elo_gap": elo_gap(everyone["estimate"]),
            "davidson": {"log_ratio": log_ratio, "nu": nu},
            "icc": icc,
            "power": {"testers_needed": _testers_needed(testers, icc, alpha)},
        }
    )


def _rounded(result: dict[str, Any]) -> dict[str, Any]:
    """Floats to twelve digits, so that the order in which votes were added up cannot be seen."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: rounded(child) for name, child in value.items()}
        if isinstance(value, list):
            return [rounded(child) for child in value]
        return float(f"{value:.12g}") if isinstance(value, float) else value

    return {name: rounded(value) for name, value in result.items()}


def category_estimate(testers: TesterCounts, alpha: float = 0.05) -> dict[str, Any]:
    """Number of votes, and the mean over testers with its interval, of one category's votes."""
    estimate = _ruled(mean_of_testers(testers.means, alpha), testers, alpha)
    return {"n_votes": int(testers.votes.sum()), **{key: estimate[key] for key in ("estimate", "ci_low", "ci_high")}}


def _ruled(estimate: dict[str, Any], testers: TesterCounts, alpha: float) -> dict[str, Any]:
    """Apply the rules for t intervals: none below ten testers; without spread, the betting interval instead."""
    result = {key: estimate[key] for key in _ESTIMATE}
    if len(testers.closed) < MIN_TESTERS:
        result.update(ci_low=None, ci_high=None, p_value=None)
        result["method"] += f"; no interval below {MIN_TESTERS} testers"
    elif result["df"] and (result["se"] or 0.0) < 1e-12:
        low, high = interval(testers.means, alpha)
        result.update(ci_low=low, ci_high=high, p_value=sign_flip(testers.means))
        result["method"] += "; betting interval and sign-flip p, for the testers do not differ"
    return result


def _testers_needed(testers: TesterCounts, icc: float | None, alpha: float) -> int | None:
    """Testers in all for 80% power, were the truth what is observed now."""
    if icc is None:
        return None
    votes, totals = int(testers.votes.sum()), testers.totals
    needed = sample_size(
        float(testers.means.mean()),
        (totals["tie"] + totals["both_bad"]) / votes,
        max(icc, 0.0),
        votes / len(testers.votes),
        alpha,
    )
    return None if needed is None else math.ceil(needed)


def _excluded(outcomes: Outcomes) -> list[dict[str, Any]]:
    testers = len(outcomes.closed)
    waiting = testers - closed_prefix(outcomes.closed)
    return [
        {"reason": reason, "n": n}
        for reason, n in (
            ("votes superseded by a correction", outcomes.superseded),
            ("testers not yet in the anytime interval: their session, or one enrolled before, is open", waiting),
            (
                f"testers without t intervals and their p-values, for there are fewer than {MIN_TESTERS}",
                testers if testers < MIN_TESTERS else 0,
            ),
        )
        if n
    ]
