from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from feedback.statistics.outcomes import Outcomes
from feedback.statistics.preference import (
    intraclass_correlation,
    mean_of_testers,
    pooled,
    sample_size,
    sign_flip,
    sign_test,
    smallest_share,
    two_way,
)
from tests.feedback.protocol import VECTORS, dataset_d

D = Outcomes.from_frame(dataset_d())


def expected(name: str) -> dict:
    return VECTORS[name]["expected"]


def close(value: float, wanted: float, tolerance: float = 1e-6) -> bool:
    return value == pytest.approx(wanted, abs=tolerance, rel=0)


def test_counts_and_shares() -> None:
    wanted = expected("descriptive")
    assert D.testers.totals == {
        "model1": wanted["A"],
        "model2": wanted["B"],
        "tie": wanted["tie"],
        "both_bad": wanted["both_bad"],
    }
    assert close(float(D.score.mean()), wanted["theta_pooled"])


def test_mean_of_testers_is_the_vector_and_scipys() -> None:
    wanted = expected("participant_mean_t")
    assert np.allclose(D.testers.means, list(wanted["participant_means"].values()), atol=1e-6)
    result = mean_of_testers(D.testers.means)
    for key, name in (
        ("estimate", "theta"),
        ("se", "se"),
        ("df", "df"),
        ("ci_low", "ci_low"),
        ("ci_high", "ci_high"),
        ("p_value", "p_two_sided"),
    ):
        assert close(result[key], wanted[name])
    scipys = stats.ttest_1samp(D.testers.means, 0.5)
    assert close(result["p_value"], scipys.pvalue)
    assert close(result["ci_low"], scipys.confidence_interval().low)


def test_pooled_is_the_vector_and_statsmodels_gee() -> None:
    wanted = expected("pooled_cluster_robust")
    result = pooled(D.testers.sums, D.testers.votes)
    assert close(result["estimate"], wanted["theta"])
    assert close(result["se"], wanted["se_cr3"])
    assert close(result["ci_low"], wanted["ci_cr3_t"][0])
    assert close(result["ci_high"], wanted["ci_cr3_t"][1])
    assert close(result["p_value"], wanted["p_cr3_two_sided"])
    fit = sm.GEE(D.score, np.ones(len(D.score)), groups=D.tester, cov_struct=sm.cov_struct.Independence()).fit(
        cov_type="bias_reduced"
    )
    assert close(result["se"], float(fit.bse[0]))


def test_two_way_terms_are_the_vectors_and_the_largest_is_used() -> None:
    wanted = expected("two_way_cluster")
    result = two_way(D)
    by_tester, by_prompt, by_cell = result["variances"]
    assert close(by_tester, wanted["var_participant_term"])
    assert close(by_prompt, wanted["var_prompt_term"])
    assert close(by_cell, wanted["var_intersection_term"])
    assert close(np.sqrt(by_tester + by_prompt - by_cell), wanted["se_two_way"])
    assert close(result["se"], np.sqrt(max(by_tester, by_tester + by_prompt - by_cell)))
    assert result["df"] == wanted["df"]
    fit = sm.OLS(D.score, np.ones(len(D.score))).fit(
        cov_type="cluster", cov_kwds={"groups": np.column_stack([D.tester, D.prompt])}, use_t=True
    )
    assert close(np.sqrt(by_tester + by_prompt - by_cell), float(fit.bse[0]))


def test_sign_flip_is_exact() -> None:
    wanted = expected("sign_flip_exact")
    assert close(sign_flip(D.testers.means), wanted["p_two_sided"])
    scipys = stats.permutation_test((D.testers.means - 0.5,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert close(sign_flip(D.testers.means), scipys.pvalue)


def test_sign_flip_of_many_testers_agrees_with_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    y = generator.integers(0, 9, 18) / 8
    exact = sign_flip(y)
    monkeypatch.setattr("feedback.statistics.preference.EXACT_SIGN_FLIPS", 0)
    assert sign_flip(y) == pytest.approx(exact, abs=0.02)


def test_sign_test_is_the_vector() -> None:
    wanted = expected("participant_sign_test")
    result = sign_test(D.testers.means)
    assert (result["model1"], result["model2"], result["none"]) == (7, 3, 2)
    assert close(result["p_value"], wanted["p_two_sided"])
    assert close(result["ci_low"], wanted["clopper_pearson"][0])
    assert close(result["ci_high"], wanted["clopper_pearson"][1])


@pytest.mark.parametrize("case", VECTORS["binomial_intervals"]["expected"])
def test_sign_test_interval_on_independent_counts(case: dict) -> None:
    y = np.repeat([1.0, 0.0], [case["k"], case["n"] - case["k"]])
    result = sign_test(y)
    assert close(result["p_value"], case["p_two_sided"])
    assert close(result["ci_low"], case["clopper_pearson"][0])
    assert close(result["ci_high"], case["clopper_pearson"][1])


def test_intraclass_correlation_is_the_vector() -> None:
    testers = D.testers
    assert close(intraclass_correlation(testers.sums, testers.square_sums, testers.votes), expected("icc_anova")["icc"])


def test_sample_size_is_the_vector() -> None:
    for case, wanted in zip(VECTORS["power"]["input"], VECTORS["power"]["expected"], strict=True):
        needed = sample_size(case["theta"], case["tie_share"], case["icc"], case["votes_per_participant"])
        assert close(needed, wanted["participants_t"], 1e-4)
        assert np.ceil(needed) == wanted["participants_needed"]


def test_sample_size_is_statsmodels_at_other_settings() -> None:
    from statsmodels.stats.power import TTestPower

    for theta, tie, icc, votes in ((0.6, 0.3, 0.2, 8), (0.35, 0.1, 0.0, 1), (0.75, 0.2, 0.05, 20)):
        variance = ((1 - tie) / 4 - (theta - 0.5) ** 2) * (1 + (votes - 1) * icc) / votes
        wanted = TTestPower().solve_power(abs(theta - 0.5) / np.sqrt(variance), alpha=0.05, power=0.8)
        assert sample_size(theta, tie, icc, votes) == pytest.approx(float(np.squeeze(wanted)), rel=1e-5)


def test_sample_size_is_null_without_a_difference() -> None:
    assert sample_size(0.5, 0.2, 0.1, 10) is None
    assert sample_size(1.0, 0.0, 0.0, 10) is None


@pytest.mark.parametrize("testers", [0, 1])
def test_too_few_testers_give_no_error_and_no_number(testers: int) -> None:
    y = np.full(testers, 0.7)
    assert mean_of_testers(y)["se"] is None
    assert mean_of_testers(y)["ci_low"] is None
    assert pooled(y, np.ones(testers, int))["se"] is None
    assert intraclass_correlation(y, y, np.ones(testers, int)) is None


def test_two_way_needs_two_prompts() -> None:
    frame = dataset_d().assign(prompt_id="q01")
    result = two_way(Outcomes.from_frame(frame))
    assert result["se"] is None
    assert result["estimate"] == pytest.approx(0.58125)


def test_one_vote_each_makes_pooled_and_tester_mean_equal() -> None:
    frame = dataset_d().drop_duplicates("tester_id")
    one = Outcomes.from_frame(pd.DataFrame(frame)).testers
    assert pooled(one.sums, one.votes)["estimate"] == pytest.approx(mean_of_testers(one.means)["estimate"])
    # CR3 leaves one tester out at a time, which divides by G-1 where the other divides by G
    assert pooled(one.sums, one.votes)["se"] == pytest.approx(mean_of_testers(one.means)["se"] * np.sqrt(12 / 11))


@pytest.mark.parametrize("testers", [10, 100, 1000])
def test_the_smallest_share_is_the_sample_size_the_other_way_round(testers: int) -> None:
    share = smallest_share(testers, 0.25, 0.1, 8)
    assert share is not None
    assert sample_size(share, 0.25, 0.1, 8) == pytest.approx(testers, rel=1e-4)
    assert smallest_share(4 * testers, 0.25, 0.1, 8) < share  # type: ignore[operator]


@pytest.mark.parametrize(("testers", "ties"), [(0, 0.25), (1, 0.25), (2, 0.25), (100, 1.0)])
def test_no_share_can_be_shown_by_hardly_anybody_or_by_ties_alone(testers: int, ties: float) -> None:
    assert smallest_share(testers, ties, 0.1, 8) is None
