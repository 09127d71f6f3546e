"""Was the test blind?  What testers guessed, before the reveal, about which model was trained from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..assignment import MODELS
from ..battles import GUESSES
from .outcomes import VotesError
from .preference import MIN_TESTERS, mean_of_testers

if TYPE_CHECKING:
    from pandas import DataFrame


def guess_table(guesses: DataFrame) -> NDArray[np.int64]:
    """(3, 2) testers by guess (left, right, don't know) and by truth (model1 was left, right in the last round).

    Raises:
        VotesError: a column is missing, or an answer or model is unknown.
    """
    if missing := [name for name in ("answer", "left_model") if name not in guesses.columns]:
        raise VotesError(f"columns {', '.join(missing)} are missing in the guesses; export them again")
    table = np.zeros((3, 2), np.int64)
    for answer, left in zip(guesses["answer"], guesses["left_model"], strict=True):
        if answer not in GUESSES or left not in MODELS:
            raise VotesError(f"guess {answer!r} about {left!r} is unknown; answers are {', '.join(GUESSES)}")
        table[GUESSES.index(answer), MODELS.index(left)] += 1
    return table


def blinding(table: NDArray[np.int64], alpha: float = 0.05) -> dict[str, Any]:
    """The overall index with its interval and test, James' index, and Bang's index per side.

    ``index``: mean over testers of +1 (right), -1 (wrong), 0 (don't know); 0 is blind, 1 is not.  Its t interval is
    null below ten testers; ``p_value`` is the exact binomial test among those who guessed.
    """
    right = int(table[0, 0] + table[1, 1])
    wrong = int(table[0, 1] + table[1, 0])
    result: dict[str, Any] = dict.fromkeys(("index", "ci_low", "ci_high", "p_value"))
    testers = int(table.sum())
    if testers:
        values = np.repeat([1.0, -1.0, 0.0], [right, wrong, testers - right - wrong])
        estimate = mean_of_testers(values, alpha, null=0.0)
        result["index"] = estimate["estimate"]
        if testers >= MIN_TESTERS:
            result.update(ci_low=estimate["ci_low"], ci_high=estimate["ci_high"])
    if right + wrong:
        from scipy import stats

        result["p_value"] = float(stats.binomtest(right, right + wrong).pvalue)
    arms = [bang(int(table[arm, arm]), int(table[1 - arm, arm]), int(table[2, arm]))[0] for arm in (0, 1)]
    return result | {"james": james(table)[0], "bang_left": arms[0], "bang_right": arms[1]}


def bang(right: int, wrong: int, unknown: int) -> tuple[float | None, float | None]:
    """Bang's index of one arm, p_right - p_wrong, and its standard error; 0 is blind, 1 is not.  (Bang 2004.)"""
    n = right + wrong + unknown
    if not n:
        return None, None
    estimate = (right - wrong) / n
    return estimate, float(np.sqrt(((right + wrong) / n - estimate**2) / n))


def james(table: NDArray[np.int64]) -> tuple[float | None, float | None]:
    """James' index and its standard error: 1 is blind (all don't know), 1/2 chance guessing, 0 not blind.

    BI = (1 + d + q kappa) / 2 with d the share of don't know, q = 1 - d and kappa the weighted agreement of guess and
    truth (right 0, wrong 1/2).  The error is by the delta method.  Null without testers; 1 when nobody guessed.
    Source: James et al. 1996.
    """
    n = int(table.sum())
    if not n:
        return None, None
    shares = table / n
    if not table[:2].sum():
        return 1.0, 0.0
    if _disagreement(shares)[1] == 0:  # all guessed alike with one side only: chance agreement is undefined
        return None, None
    gradient = np.zeros_like(shares)
    step = 1e-6
    for cell in np.ndindex(*shares.shape):
        nudge = np.zeros_like(shares)
        nudge[cell] = step
        gradient[cell] = (_james_index(shares + nudge) - _james_index(shares - nudge)) / (2 * step)
    variance = (np.sum(shares * gradient**2) - np.sum(shares * gradient) ** 2) / n
    return _james_index(shares), float(np.sqrt(max(variance, 0.0)))


def _disagreement(shares: NDArray[np.float64]) -> tuple[float, float]:
    """Observed and expected weighted disagreement among those who guessed."""
    guessed = shares[:2] / shares[:2].sum()
    wrong = np.array([[0.0, 0.5], [0.5, 0.0]])
    expected = np.outer(guessed.sum(axis=1), guessed.sum(axis=0))
    return float(np.sum(wrong * guessed)), float(np.sum(wrong * expected))


def _james_index(shares: NDArray[np.float64]) -> float:
    unknown = float(shares[2].sum() / shares.sum())
    observed, expected = _disagreement(shares)
    return (1 + unknown + (1 - unknown) * (observed - expected) / expected) / 2
