from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate, special

from feedback.statistics.anytime import anytime, closed_prefix, e_values, interval, log_capital, lower_bound, peak
from feedback.statistics.outcomes import Outcomes
from tests.feedback.protocol import VECTORS, dataset_d
from tests.timing import cpu_seconds, stays_within

Y = Outcomes.from_frame(dataset_d()).testers.means
PATH = VECTORS["anytime_betting"]["expected"]["dataset_D_path"]


@pytest.mark.parametrize("step", PATH)
def test_path_is_the_vector(step: dict) -> None:
    result = anytime(Y[: step["n_closed"]])
    assert result["n_closed"] == step["n_closed"]
    assert result["e_value"] == pytest.approx(step["e_value"], abs=1e-6)
    assert result["p_value"] == pytest.approx(step["anytime_p"], abs=1e-6)
    assert (result["ci_low"], result["ci_high"]) == pytest.approx(tuple(step["running_cs"]), abs=1e-6)


def test_binary_case_is_the_vector_and_the_closed_form() -> None:
    case = VECTORS["anytime_betting"]["input"]["binary_case"]
    wanted = VECTORS["anytime_betting"]["expected"]["binary_case"]
    x = np.repeat([1.0, 0.0], [case["wins"], case["losses"]])
    assert log_capital(x, 0.5)[-1] == pytest.approx(wanted["log_K_plus"], abs=1e-6)
    assert log_capital(1 - x, 0.5)[-1] == pytest.approx(wanted["log_K_minus"], abs=1e-6)
    assert e_values(x)[-1] == pytest.approx(wanted["e_value"], abs=1e-6)
    # K+(1/2) = integral of (1+c)^w (1-c)^l over [0, 1], an incomplete beta after c = 2u - 1
    wins, losses = case["wins"], case["losses"]
    closed_form = (
        2 ** (wins + losses + 1) * special.beta(wins + 1, losses + 1) * special.betainc(losses + 1, wins + 1, 0.5)
    )
    assert np.exp(log_capital(x, 0.5)[-1]) == pytest.approx(closed_form, rel=1e-9)


def test_fractional_scores_agree_with_numeric_integration() -> None:
    exact, _ = integrate.quad(lambda c: np.prod(1 - c + c * Y / 0.4), 0, 1, epsabs=1e-12)
    assert np.exp(log_capital(Y, 0.4)[-1]) == pytest.approx(exact, abs=1e-6)


def test_unanimous_testers_get_an_interval_of_some_width() -> None:
    wanted = VECTORS["degenerate_unanimous"]["expected"]
    x = np.ones(12)
    assert interval(x) == pytest.approx(tuple(wanted["betting_cs"]), abs=1e-6)
    assert e_values(x)[-1] == pytest.approx(wanted["e_value"], abs=1e-6)


def test_running_interval_only_narrows_and_keeps_early_evidence() -> None:
    generator = np.random.default_rng(5)
    x = np.concatenate([np.ones(15), generator.integers(0, 5, 200) / 8])  # a swing, then against it
    bounds = [lower_bound(x[:n], 0.05) for n in range(1, len(x), 12)]
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(bounds))
    assert bounds[-1] == pytest.approx(max(lower_bound(x[:n], 0.05) for n in (13, 15, 16, 17)), abs=1e-9)


def test_running_bound_is_the_largest_of_all_single_bounds() -> None:
    from scipy import optimize

    x = np.random.default_rng(11).beta(2, 1.5, 60)
    threshold = np.log(2 / 0.05)

    def single(n: int) -> float:
        def excess(m: float) -> float:
            return float(log_capital(x[:n], m)[-1] - threshold)

        return optimize.brentq(excess, 1e-12, 1.0) if excess(1e-12) > 0 else 0.0

    assert lower_bound(x, 0.05) == pytest.approx(max(single(n) for n in range(1, 61)), abs=1e-9)


def test_false_positives_stay_below_alpha_under_continuous_looking() -> None:
    generator = np.random.default_rng(1)
    crossed = sum(e_values(generator.integers(0, 2, 200).astype(float)).max() >= 20 for _ in range(400))
    assert crossed / 400 <= 0.05


def test_capital_is_a_fair_game() -> None:
    games = np.array(np.meshgrid(*[[0.0, 1.0]] * 8)).reshape(8, -1).T
    assert np.mean([np.exp(log_capital(game, 0.5)[-1]) for game in games]) == pytest.approx(1, abs=1e-9)


def test_nobody_closed_gives_nulls() -> None:
    assert anytime(np.zeros(0)) == {"n_closed": 0, "e_value": None, "p_value": None, "ci_low": None, "ci_high": None}


@pytest.mark.parametrize(("closed", "prefix"), [([], 0), ([1, 1, 1], 3), ([0, 1, 1], 0), ([1, 1, 0, 1], 2)])
def test_closed_prefix_ends_at_the_first_open_session(closed: list[int], prefix: int) -> None:
    assert closed_prefix(np.array(closed, bool)) == prefix


def test_twenty_thousand_testers_take_seconds_of_work_not_minutes() -> None:
    x = np.random.default_rng(2).binomial(50, 0.51, 20_000) / 50
    result = anytime(x)
    assert stays_within(2, lambda: cpu_seconds(lambda: anytime(x))), "measured: 0.1"
    assert result["ci_low"] < x.mean() < result["ci_high"]


@pytest.mark.parametrize("lean", [0.3, 0.5, 0.55])
@pytest.mark.parametrize("m", [0.2, 0.5, 0.54])
def test_the_peak_by_blocks_is_that_of_the_whole_path(lean: float, m: float) -> None:
    for testers in (1, 70, 2_001):
        x = np.random.default_rng(testers).binomial(8, lean, testers) / 8
        path = log_capital(x, m)
        most, place = peak(x, m)
        assert most == pytest.approx(path.max(), abs=1e-9)
        assert path[place] == pytest.approx(path.max(), abs=1e-9)
