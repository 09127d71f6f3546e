from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from feedback.statistics.blinding import bang, blinding, guess_table, james
from feedback.statistics.outcomes import VotesError
from tests.feedback.protocol import VECTORS

PUBLISHED = VECTORS["blinding_indices"]["expected"][0]
TABLE = np.array(PUBLISHED["x_rows_guess_T_P_DK__cols_arm_T_P"])


def test_james_is_the_published_index() -> None:
    estimate, error = james(TABLE)
    assert estimate == pytest.approx(PUBLISHED["james"]["est"], abs=1e-6)
    assert error == pytest.approx(PUBLISHED["james"]["se"], abs=1e-6)


@pytest.mark.parametrize("arm", [0, 1])
def test_bang_is_the_published_index(arm: int) -> None:
    estimate, error = bang(TABLE[arm, arm], TABLE[1 - arm, arm], TABLE[2, arm])
    assert estimate == pytest.approx(PUBLISHED["bang"][arm]["est"], abs=1e-6)
    assert error == pytest.approx(PUBLISHED["bang"][arm]["se"], abs=1e-6)


def test_headline_is_the_mean_of_right_minus_wrong() -> None:
    result = blinding(TABLE)
    values = np.repeat([1.0, -1.0, 0.0], [78, 26, 649])
    interval = stats.ttest_1samp(values, 0).confidence_interval()
    assert result["index"] == pytest.approx(52 / 753)
    assert (result["ci_low"], result["ci_high"]) == pytest.approx((interval.low, interval.high))
    assert result["p_value"] == pytest.approx(stats.binomtest(78, 104).pvalue)
    assert result["bang_left"] == pytest.approx(PUBLISHED["bang"][0]["est"])
    assert result["bang_right"] == pytest.approx(PUBLISHED["bang"][1]["est"])


def test_guesses_are_right_when_the_side_was_model1s() -> None:
    guesses = pd.DataFrame(
        {
            "answer": ["left_last", "right_last", "left_last", "dont_know"],
            "left_model": ["model1", "model2", "model2", "model1"],
        }
    )
    assert guess_table(guesses).tolist() == [[1, 1], [0, 1], [1, 0]]
    assert blinding(guess_table(guesses))["index"] == pytest.approx((2 - 1) / 4)


def test_unknown_guesses_are_an_error() -> None:
    with pytest.raises(VotesError, match="'maybe'"):
        guess_table(pd.DataFrame({"answer": ["maybe"], "left_model": ["model1"]}))
    with pytest.raises(VotesError, match="left_model"):
        guess_table(pd.DataFrame({"answer": ["left_last"]}))


@pytest.mark.parametrize(
    ("table", "index", "james_index"),
    [
        ([[0, 0], [0, 0], [0, 0]], None, None),
        ([[0, 0], [0, 0], [5, 4]], 0.0, 1.0),  # nobody guessed: blind
        ([[6, 0], [0, 6], [0, 0]], 1.0, 0.0),  # everybody right: not blind
        ([[3, 0], [0, 0], [0, 0]], 1.0, None),  # one side only
    ],
)
def test_edges(table: list, index: float | None, james_index: float | None) -> None:
    result = blinding(np.array(table))
    assert result["index"] == index
    assert result["james"] == (None if james_index is None else pytest.approx(james_index))


def test_no_interval_below_ten_testers() -> None:
    assert blinding(np.array([[3, 1], [1, 3], [1, 0]]))["ci_low"] is None
    assert blinding(np.array([[3, 1], [1, 3], [1, 1]]))["ci_low"] is not None
