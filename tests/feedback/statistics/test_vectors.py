"""Vectors that no other module's test uses, and that every key of the vectors is tested somewhere."""

from __future__ import annotations

import math
import re
from pathlib import Path

import evalica
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from benchmarks.coverage import per_vote_log_e
from feedback.statistics.anytime import log_capital
from feedback.statistics.bias import side_balance
from feedback.statistics.outcomes import Outcomes
from feedback.statistics.preference import holm, pooled, t_estimate, two_way
from feedback.statistics.ratings import davidson, elo_gap
from tests.feedback.protocol import VECTORS, dataset_d

D = Outcomes.from_frame(dataset_d())


def near(wanted: float | list[float]) -> object:
    return pytest.approx(wanted, abs=1e-6, rel=0)


def test_every_vector_is_used_by_a_test() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    used = set(re.findall(r'(?:VECTORS\[|expected\()"(\w+)"', sources))
    assert {name for name in VECTORS if not name.startswith("_")} <= used


def test_shares_of_decided_votes() -> None:
    wanted, totals = VECTORS["descriptive"]["expected"], D.testers.totals
    decided = totals["model1"] + totals["model2"]
    assert decided / wanted["n_votes"] == near(wanted["decisive_share"])
    assert totals["both_bad"] / wanted["n_votes"] == near(wanted["both_bad_share"])
    assert totals["model1"] / decided == near(wanted["a_share_of_decisive"])
    assert 2 * float(D.score.mean()) - 1 == near(wanted["net_preference_pooled"])
    assert len(D.closed) == wanted["n_participants"]


def test_cr1_is_the_tester_term_of_the_two_way_variance_and_statsmodels() -> None:
    wanted = VECTORS["pooled_cluster_robust"]["expected"]
    se = math.sqrt(two_way(D)["variances"][0])
    assert se == near(wanted["se_cr1"])
    interval = t_estimate(float(D.score.mean()), se, wanted["df"], 0.05, "CR1")
    assert [interval["ci_low"], interval["ci_high"]] == near(wanted["ci_cr1_t"])
    fit = sm.OLS(D.score, np.ones(80)).fit(cov_type="cluster", cov_kwds={"groups": D.tester}, use_t=True)
    assert se == near(float(fit.bse[0]))
    naive = float(D.score.std(ddof=1)) / math.sqrt(80)
    assert naive == near(wanted["se_naive_iid"])
    cr3 = pooled(D.testers.sums, D.testers.votes)["se"]
    assert (cr3 / naive) ** 2 == near(wanted["design_effect_cr3"])


def test_holm_is_the_vector_and_statsmodels() -> None:
    given = VECTORS["holm"]["input"]
    assert holm(given) == near(VECTORS["holm"]["expected"])
    assert holm(given) == near(list(multipletests(given, method="holm")[1]))
    assert holm([None, 0.02, 0.04, None]) == [None, 0.04, 0.04, None]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_side_balance_is_the_vector_and_scipy() -> None:
    given, wanted = VECTORS["side_balance_srm"]["input"], VECTORS["side_balance_srm"]["expected"]
    assert side_balance(given["left"], given["right"]) == near(wanted["p_equal"])
    assert side_balance(given["served_left"], given["served_right"]) == near(wanted["p_served"])
    assert side_balance(30, 50, 0.4) == near(stats.binomtest(30, 80, 0.4).pvalue)
    assert side_balance(0, 0) is None


def test_the_per_vote_e_value_is_the_vector_and_the_average_of_both_capitals() -> None:
    given, wanted = VECTORS["per_vote_beta_binomial_e"]["input"], VECTORS["per_vote_beta_binomial_e"]["expected"]
    log_e = float(per_vote_log_e(np.array(given["wins_A"]), np.array(given["wins_B"])))
    assert log_e == near(wanted["log_e_uniform"])
    assert math.exp(log_e) == near(wanted["e"])
    votes = np.repeat([1.0, 0.0], [given["wins_A"], given["wins_B"]])
    both = np.exp([log_capital(votes, 0.5)[-1], log_capital(1 - votes, 0.5)[-1]])
    assert float(both.mean()) == near(wanted["e"])


@pytest.mark.parametrize("case", VECTORS["binomial_intervals"]["expected"])
def test_wilson_and_agresti_are_scipys_and_statsmodels(case: dict) -> None:
    """Shown nowhere, for votes are not independent; the vectors pin the libraries that would be used."""
    wilson = stats.binomtest(case["k"], case["n"]).proportion_ci(method="wilson")
    assert [wilson.low, wilson.high] == near(case["wilson"])
    assert list(proportion_confint(case["k"], case["n"], method="wilson")) == near(case["wilson"])
    if "agresti_coull" in case:
        assert list(proportion_confint(case["k"], case["n"], method="agresti_coull")) == near(case["agresti_coull"])


def test_the_interval_of_the_gap_follows_from_that_of_the_share() -> None:
    wanted = VECTORS["bt_two_models_elo"]["expected"]
    result = pooled(D.testers.sums, D.testers.votes)
    assert [elo_gap(result["ci_low"]), elo_gap(result["ci_high"])] == pytest.approx(
        wanted["ci_gap_from_ci_theta_cr3"], abs=1e-5
    )
    theta = wanted["theta"]
    assert 400 / math.log(10) * result["se"] / (theta * (1 - theta)) == pytest.approx(
        wanted["se_gap_cr3_delta"], abs=1e-5
    )


def test_davidson_gives_the_vectors_tie_rate_and_evalicas_newman() -> None:
    case = VECTORS["davidson_two_models"]
    ratio, nu = davidson(*case["input"].values())
    wanted = case["expected"]
    assert ratio is not None
    assert nu is not None
    assert nu / (2 + nu) == near(wanted["p_tie_equal_strength"])
    assert 400 / math.log(10) * ratio == pytest.approx(wanted["elo_gap_decisive"], abs=1e-5)
    wins, ties = (int(case["input"][name]) for name in ("wins_A", "ties")), case["input"]["ties"]
    outcomes = [evalica.Winner.X] * next(wins) + [evalica.Winner.Y] * case["input"]["wins_B"]
    outcomes += [evalica.Winner.Draw] * ties
    newman = evalica.newman(["A"] * len(outcomes), ["B"] * len(outcomes), outcomes, tolerance=1e-12, limit=100_000)
    assert math.log(newman.scores["A"] / newman.scores["B"]) == pytest.approx(ratio, abs=1e-5)
    assert 2 * newman.v == pytest.approx(nu, abs=1e-5)


def test_position_logits_and_icc_terms() -> None:
    wanted = VECTORS["position_bias"]["expected"]
    shares = [float(D.score[side].mean()) for side in (D.model1_left, ~D.model1_left)]
    assert shares == near([wanted["theta_when_A_left"], wanted["theta_when_A_right"]])
    logits = [math.log(share / (1 - share)) for share in shares]
    assert sum(logits) / 2 == near(wanted["logit_intercept"])
    counts = D.testers.counts.sum(axis=(0, 1))
    assert counts[:2].tolist() == [wanted["left_wins"], wanted["right_wins"]]
    icc = VECTORS["icc_anova"]["expected"]
    between, within = (icc["ms_between"], icc["ms_within"])
    assert (between - within) / (between + (icc["n0"] - 1) * within) == near(icc["icc"])
    groups = [D.score[D.tester == tester] for tester in range(12)]
    assert stats.f_oneway(*groups).statistic == near(between / within)
