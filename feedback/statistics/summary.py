"""All statistics of a study in one dictionary, the form that ``python -m feedback stats --json`` writes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .anytime import anytime, closed_prefix, interval
from .bias import agreement, length_controlled, position
from .blinding import blinding, guess_table
from .outcomes import VERDICTS, Outcomes, TesterCounts
from .preference import (
    MIN_TESTERS,
    holm,
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

    Raises VotesError.

    Args:
        votes: a table with the columns of ``votes.csv``, or outcomes that were loaded already.
        guesses: one row a tester who guessed, columns ``answer`` and ``left_model`` (of the last round); optional.
        alpha: error rate; intervals cover 1 - alpha.
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
            "by_category": estimates(
                "category",
                (
                    (name, outcomes.testers_within(outcomes.category == place))
                    for place, name in enumerate(outcomes.categories)
                ),
                alpha,
            ),
            **subgroups(outcomes, alpha),
            "good_enough": _good_enough(outcomes),
            "excluded": excluded(outcomes.testers, outcomes.superseded, outcomes.excluded, outcomes.unjudged),
        }
    )
    return {name: by_vote[name] if name in by_vote else by_tester[name] for name in KEYS}


# The order in which the dictionary reads well: the study, the answer, its checks, what may have disturbed it.
KEYS = (
    "n_votes", "n_testers", "n_testers_closed", "counts",
    "preference", "pooled", "two_way", "sign_flip", "sign_test", "anytime",
    "position", "length_controlled", "elo_gap", "davidson", "icc", "agreement", "blinding", "power",
    "by_category", "without_flagged", "by_turns", "by_background", "good_enough", "excluded",
)  # fmt: skip


def summarise_counts(testers: TesterCounts, alpha: float = 0.05) -> dict[str, Any]:
    """The part of :func:`summary` that needs only each tester's counts, which a tally keeps up to date."""
    totals, y = testers.totals, testers.means
    ties = totals["tie"] + totals["both_bad"]
    preference = _ruled(mean_of_testers(y, alpha), testers, alpha)
    everyone = _ruled(pooled(testers.sums, testers.votes, alpha), testers, alpha)
    icc = intraclass_correlation(testers.sums, testers.square_sums, testers.votes)
    log_ratio, nu = davidson(totals["model1"], totals["model2"], ties)
    side = position(testers, alpha)
    needed = _testers_needed(testers, icc, alpha)
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
            "power": {"testers_needed": needed, "testers_to_go": None if needed is None else max(0, needed - len(y))},
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


def subgroups(outcomes: Outcomes, alpha: float = 0.05) -> dict[str, Any]:
    """The preference without flagged answers, by number of turns and by each answer on the testers' background.

    Null, or an empty list, where the votes do not say.
    """
    without = None
    if outcomes.flagged is not None:
        without = category_estimate(outcomes.testers_within(~outcomes.flagged), alpha)
    turns = []
    if outcomes.turns is not None:
        values = np.flatnonzero(np.bincount(outcomes.turns, minlength=1))
        turns = [(int(value), outcomes.testers_within(outcomes.turns == value)) for value in values]
    background = []
    for question in sorted({question for answers in outcomes.background for question in answers}):
        given = np.array([answers.get(question, "") for answers in outcomes.background])
        names, testers = np.unique(given[given != ""]), outcomes.testers
        masks = ((str(name), given == name) for name in names)
        groups = ((name, TesterCounts(testers.counts[mask], testers.closed[mask])) for name, mask in masks)
        background += [{"question": question, **entry} for entry in estimates("answer", groups, alpha)]
    return {"without_flagged": without, "by_turns": estimates("turns", turns, alpha), "by_background": background}


def estimates(name: str, groups: Iterable[tuple[Any, TesterCounts]], alpha: float = 0.05) -> list[dict[str, Any]]:
    """The preference within each group, with p-values that allow for as many looks as there are groups (Holm)."""
    entries = [{name: group, **category_estimate(testers, alpha)} for group, testers in groups]
    for entry, adjusted in zip(entries, holm([entry["p_value"] for entry in entries]), strict=True):
        entry["p_holm"] = adjusted
    return entries


def _good_enough(outcomes: Outcomes) -> dict[str, Any] | None:
    """Answers to "is the better answer good enough?", by the model that won; null where nobody was asked."""
    if outcomes.good_enough is None:
        return None
    result: dict[str, Any] = {}
    for name, score in (("model1", 1.0), ("model2", 0.0), ("neither", 0.5)):
        said = outcomes.good_enough[outcomes.score == score]
        no, yes = (int((said == VERDICTS.index(verdict)).sum()) for verdict in ("no", "yes"))
        result[name] = {"yes": yes, "no": no, "share": yes / (yes + no) if yes + no else None}
    return result


def category_estimate(testers: TesterCounts, alpha: float = 0.05) -> dict[str, Any]:
    """Numbers of votes and testers, and the mean over testers with its interval and p-value, of some votes."""
    estimate = _ruled(mean_of_testers(testers.means, alpha), testers, alpha)
    keys = ("estimate", "ci_low", "ci_high", "p_value")
    return {
        "n_votes": int(testers.votes.sum()),
        "n_testers": len(testers.closed),
        **{key: estimate[key] for key in keys},
    }


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


def excluded(
    testers: TesterCounts,
    superseded: int,
    by_rules: tuple[tuple[str, int], ...],
    unjudged: tuple[tuple[str, int], ...] = (),
) -> list[dict[str, Any]]:
    """What is left out of which number, and how many; also which votes a rule could not look at."""
    number = len(testers.closed)
    return [
        {"reason": reason, "n": n}
        for reason, n in (
            ("votes superseded by a correction or by added reasons", superseded),
            *((f"{reason} (rule of the study)", n) for reason, n in by_rules),
            *unjudged,
            (
                "testers not yet in the anytime interval: their session, or one enrolled before, is open",
                number - closed_prefix(testers.closed),
            ),
            (
                f"testers without t intervals and their p-values, for there are fewer than {MIN_TESTERS}",
                number if number < MIN_TESTERS else 0,
            ),
        )
        if n
    ]
