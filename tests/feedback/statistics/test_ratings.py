from __future__ import annotations

import evalica
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from feedback.statistics.ratings import davidson, elo_gap, logit
from tests.feedback.protocol import VECTORS, dataset_d

FOUR = VECTORS["bt_four_models"]
WINS = np.array(FOUR["input"]["wins"])
TIES = np.array(FOUR["input"]["ties_upper"]) + np.array(FOUR["input"]["ties_upper"]).T


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


def test_elo_gap_is_the_vector_and_evalicas() -> None:
    wanted = VECTORS["bt_two_models_elo"]["expected"]
    assert elo_gap(wanted["theta"]) == pytest.approx(wanted["elo_gap_A_minus_B"], abs=1e-5)
    assert logit(wanted["theta"]) == pytest.approx(wanted["logit"], abs=1e-6)
    winners = {"left": evalica.Winner.X, "right": evalica.Winner.Y}
    frame = dataset_d()
    scores = evalica.bradley_terry(
        frame["left_model"],
        frame["right_model"],
        [winners.get(choice, evalica.Winner.Draw) for choice in frame["choice"]],
        tolerance=1e-12,
        limit=10_000,
    ).scores
    assert elo_gap(wanted["theta"]) == pytest.approx(400 * np.log10(scores["model1"] / scores["model2"]), abs=1e-3)


@pytest.mark.parametrize("theta", [None, 0.0, 1.0])
def test_elo_gap_is_null_when_one_model_has_all(theta: float | None) -> None:
    assert elo_gap(theta) is None


def test_davidson_of_two_is_the_vector() -> None:
    case = VECTORS["davidson_two_models"]
    ratio, nu = davidson(case["input"]["wins_A"], case["input"]["wins_B"], case["input"]["ties"])
    assert ratio == pytest.approx(case["expected"]["log_strength_ratio"], abs=1e-5)
    assert nu == pytest.approx(case["expected"]["nu"], abs=1e-5)
    assert davidson(3, 0, 1) == (None, None)


def test_davidson_of_two_is_the_general_one() -> None:
    wins, ties = np.array([[0, 35.0], [22, 0]]), np.array([[0, 23.0], [23, 0]])
    strengths, nu = davidson_strengths(wins, ties)
    assert (strengths[0] - strengths[1], nu) == pytest.approx(davidson(35, 22, 23), abs=1e-5)


def test_four_models_are_the_vector() -> None:
    wanted = FOUR["expected"]
    assert bradley_terry(WINS, TIES) == pytest.approx(np.array(wanted["bt_log_strength_mean_zero"]), abs=1e-5)
    strengths, nu = davidson_strengths(WINS, TIES)
    assert strengths == pytest.approx(np.array(wanted["davidson_log_strength_mean_zero"]), abs=1e-5)
    assert nu == pytest.approx(wanted["davidson_nu"], abs=1e-5)


def test_bradley_terry_of_two_is_the_closed_form() -> None:
    strengths = bradley_terry(np.array([[0, 35.0], [22, 0]]), np.array([[0, 23.0], [23, 0]]))
    assert strengths[0] - strengths[1] == pytest.approx(logit(0.58125), abs=1e-9)
