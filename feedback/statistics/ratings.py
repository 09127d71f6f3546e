"""Votes on the scales that model arenas use: Elo gaps, Bradley-Terry and Davidson strengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def logit(theta: float | None) -> float | None:
    """ln(theta / (1 - theta)); null at 0 and 1, where it is infinite."""
    return float(np.log(theta / (1 - theta))) if theta is not None and 0 < theta < 1 else None


def elo_gap(theta: float | None) -> float | None:
    """400 log10(theta / (1 - theta)): arena points by which model1 is ahead.

    With two models this is exactly the gap that Bradley-Terry programs fit, ties counted as half a win each.  Null
    when one model has every vote.
    """
    log_odds = logit(theta)
    return None if log_odds is None else 400 / float(np.log(10)) * log_odds


def davidson(wins1: int, wins2: int, ties: int) -> tuple[float | None, float | None]:
    """Davidson's model of two: the log of the strengths' ratio, ln(w1/w2), and nu = t / sqrt(w1 w2).

    nu says how readily testers call a tie (0 never; 2 makes equal models tie half of the time).  Null when a model
    never won.
    """
    if not wins1 or not wins2:
        return None, None
    return float(np.log(wins1 / wins2)), float(ties / np.sqrt(wins1 * wins2))


def bradley_terry(wins: NDArray[np.float64], ties: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Log strengths, mean 0, of any number of models; ``wins[i, j]`` counts i over j, a tie is half a win each.

    ``ties`` is symmetric.  Maximum likelihood by the minorise-maximise steps of Hunter (2004).
    """
    won = wins + (0 if ties is None else ties / 2)
    played = won + won.T
    strength = np.ones(len(won))
    for _ in range(10_000):
        updated = won.sum(axis=1) / (played / (strength[:, None] + strength[None, :])).sum(axis=1)
        updated /= np.exp(np.log(updated).mean())
        if np.max(np.abs(np.log(updated / strength))) < 1e-12:
            break
        strength = updated
    return np.log(updated)


def davidson_strengths(wins: NDArray[np.float64], ties: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Davidson's log strengths, mean 0, and nu, of any number of models (``ties`` symmetric); maximum likelihood."""
    from scipy import optimize

    models = len(wins)

    def negative_log_likelihood(parameters: NDArray[np.float64]) -> float:
        strength, log_nu = parameters[:-1], parameters[-1]
        middle = (strength[:, None] + strength[None, :]) / 2
        first, second = np.broadcast_arrays(strength[:, None], strength[None, :])
        total = np.logaddexp(np.logaddexp(first, second), log_nu + middle)
        upper = np.triu(ties, 1)
        return float(-np.sum(wins * (first - total)) - np.sum(upper * (log_nu + middle - total)))

    fit = optimize.minimize(negative_log_likelihood, np.zeros(models + 1), method="BFGS", options={"gtol": 1e-8})
    return fit.x[:-1] - fit.x[:-1].mean(), float(np.exp(fit.x[-1]))
