"""Was the test blind?  What testers guessed, before the reveal, about which model was trained from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .outcomes import VotesError
from .preference import MIN_TESTERS, mean_of_testers

if TYPE_CHECKING:
    from pandas import DataFrame

ANSWERS = ("left_last", "right_last", "dont_know")
MODELS = ("model1", "model2")


def guess_table(guesses: DataFrame) -> NDArray[np.int64]:
    """(3, 2) testers by guess (left, right, don't know) and truth (model1 left, right). Raises VotesError."""
    if missing := [name for name in ("answer", "left_model") if name not in guesses.columns]:
        raise VotesError(f"columns {', '.join(missing)} are missing in the guesses; export them again")
    table = np.zeros((3, 2), np.int64)
    for answer, left in zip(guesses["answer"], guesses["left_model"], strict=True):
        if answer not in ANSWERS or left not in MODELS:
            raise VotesError(f"guess {answer!r} about {left!r} is unknown; answers are {', '.join(ANSWERS)}")
        table[ANSWERS.index(answer), MODELS.index(left)] += 1
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
    arms = [bang(int(table[arm, arm]), int(table[1 - arm, arm]), int(table[2, arm])) for arm in (0, 1)]
    return result | {"james": james(table), "bang_left": arms[0], "bang_right": arms[1]}


def bang(right: int, wrong: int, unknown: int) -> float | None:
    """Bang's index of one arm, p_right - p_wrong; 0 is blind, 1 is not.  (Bang 2004.)"""
    n = right + wrong + unknown
    return (right - wrong) / n if n else None


def james(table: NDArray[np.int64]) -> float | None:
    """James' index: 1 is blind (all don't know), 1/2 chance guessing, 0 not blind.

    BI = (1 + d + q kappa) / 2 with d the share of don't know, q = 1 - d and kappa the weighted agreement of guess and
    truth (right 0, wrong 1/2).  Null without testers, and where all guessed alike with one side only: chance agreement
    is undefined then.  Source: James et al. 1996.
    """
    guesses = int(table[:2].sum())
    if not guesses:
        return 1.0 if table.sum() else None
    unknown = float(table[2].sum() / table.sum())
    guessed = table[:2] / guesses
    observed = float(guessed[0, 1] + guessed[1, 0]) / 2
    expected = float(np.outer(guessed.sum(axis=1), guessed.sum(axis=0))[[0, 1], [1, 0]].sum()) / 2
    return (1 + unknown + (1 - unknown) * (observed - expected) / expected) / 2 if expected else None
