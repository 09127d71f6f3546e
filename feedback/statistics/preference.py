"""How strongly testers prefer model1: the share, its interval, and tests that respect that votes come from people.

Votes of one tester resemble each other, so every interval here takes the tester as the unit, or corrects for it.
``y`` is always the (G,) vector of the testers' mean scores; a score is 1 for model1, 0 for model2, 1/2 for a tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .outcomes import Outcomes

MIN_TESTERS = 10  # no t interval below
EXACT_SIGN_FLIPS = 20  # up to so many testers the sign-flip test counts all 2^G cases
SIGN_FLIP_DRAWS = 9_999
_SLACK = 1e-12  # rounding must not make equal sums unequal


def t_estimate(
    estimate: float | None, se: float | None, df: int, alpha: float, method: str, null: float = 0.5
) -> dict[str, Any]:
    """An estimate with its t interval and two-sided p-value; null without a spread or a degree of freedom."""
    from scipy import stats

    result: dict[str, Any] = {"estimate": estimate, "se": se, "df": df if df > 0 else None}
    result |= {"ci_low": None, "ci_high": None, "p_value": None, "method": method}
    if estimate is not None and se and df > 0:
        reach = float(stats.t.ppf(1 - alpha / 2, df)) * se
        result.update(
            ci_low=estimate - reach,
            ci_high=estimate + reach,
            p_value=float(2 * stats.t.sf(abs(estimate - null) / se, df)),
        )
    return result


def mean_of_testers(y: NDArray[np.float64], alpha: float = 0.05, null: float = 0.5) -> dict[str, Any]:
    """Mean over testers of their mean score, SE = sd(y)/sqrt(G), t with G-1 degrees of freedom.

    The primary statistic: each tester counts once.  Same as ``scipy.stats.ttest_1samp``.  The interval is null with
    one tester, or when all agree exactly.
    """
    testers = len(y)
    se = float(np.std(y, ddof=1) / np.sqrt(testers)) if testers > 1 else None
    return t_estimate(float(np.mean(y)) if testers else None, se, testers - 1, alpha, "tester mean, t", null)


def pooled(score_sums: NDArray[np.float64], votes: NDArray[np.int64], alpha: float = 0.05) -> dict[str, Any]:
    """Mean over votes with the cluster-robust CR3 error: SE^2 = sum((S_i / (N - n_i))^2), t with G-1.

    ``score_sums`` and ``votes`` are (G,) per tester; S_i is the tester's sum of deviations from the mean.  Equals the
    delete-one-tester jackknife, and statsmodels' GEE with ``cov_type="bias_reduced"``.  Null with one tester.
    """
    total = int(votes.sum())
    if not total:
        return t_estimate(None, None, 0, alpha, "pooled, CR3 by tester")
    estimate = float(score_sums.sum() / total)
    if len(votes) < 2:
        return t_estimate(estimate, None, 0, alpha, "pooled, CR3 by tester")
    deviations = score_sums - estimate * votes
    se = float(np.sqrt(np.sum((deviations / (total - votes)) ** 2)))
    return t_estimate(estimate, se, len(votes) - 1, alpha, "pooled, CR3 by tester")


def two_way(outcomes: Outcomes, alpha: float = 0.05) -> dict[str, Any]:
    """Mean over votes for "people like these on prompts like these": clusters by tester and by prompt.

    V = V_tester + V_prompt - V_cell (Cameron, Gelbach and Miller, each with its C/(C-1)); the largest of V, V_tester
    and V_prompt is used, t with min(G, P)-1.  ``variances`` holds the three terms.  Null with one tester or prompt.
    """
    method = "pooled, two-way by tester and prompt"
    n = len(outcomes.score)
    if not n:
        return t_estimate(None, None, 0, alpha, method)
    estimate = float(outcomes.score.mean())
    residual = outcomes.score - estimate
    order, cells = outcomes.cells
    groups = [len(outcomes.closed), int(np.count_nonzero(np.bincount(outcomes.prompt))), len(cells)]
    if min(groups) < 2:
        return t_estimate(estimate, None, 0, alpha, method)
    sums = (
        np.bincount(outcomes.tester, residual),
        np.bincount(outcomes.prompt, residual),
        np.add.reduceat(residual[order], cells),
    )
    by_tester, by_prompt, by_cell = (
        count / (count - 1) * float(np.sum(deviations**2)) / n**2
        for deviations, count in zip(sums, groups, strict=True)
    )
    variance = max(by_tester + by_prompt - by_cell, by_tester, by_prompt)
    result = t_estimate(estimate, float(np.sqrt(variance)), min(groups[:2]) - 1, alpha, method)
    return result | {"variances": (by_tester, by_prompt, by_cell)}


def sign_flip(y: NDArray[np.float64]) -> float | None:
    """Two-sided p-value of y - 1/2 by flipping signs: exact up to 20 testers, else 9,999 seeded draws.

    Valid with any number of testers; the chance, were each tester as likely to lean either way, of a mean at least as
    far from 1/2.  Source: Fisher's randomisation test, as ``scipy.stats.permutation_test`` with "samples".
    """
    if not len(y):
        return None
    deviations = np.abs(y - 0.5)
    observed = abs(float(np.sum(y - 0.5)))
    if len(y) <= EXACT_SIGN_FLIPS:
        sums = np.zeros(1)
        for deviation in deviations:
            sums = np.concatenate([sums + deviation, sums - deviation])
        return float(np.mean(np.abs(sums) >= observed - _SLACK * len(y)))
    # Equal deviations flip together as a binomial count, which makes 20,000 testers as cheap as 200.
    sizes, times = np.unique(np.round(deviations, 12), return_counts=True)
    generator = np.random.default_rng(0)
    sums = np.zeros(SIGN_FLIP_DRAWS)
    for size, count in zip(sizes, times, strict=True):
        if size:
            sums += size * (2 * generator.binomial(count, 0.5, SIGN_FLIP_DRAWS) - count)
    return float((np.sum(np.abs(sums) >= observed - 1e-9) + 1) / (SIGN_FLIP_DRAWS + 1))


def sign_test(y: NDArray[np.float64], alpha: float = 0.05) -> dict[str, Any]:
    """Testers who lean to model1 and to model2; those who lean to neither drop out of the exact binomial test.

    The interval (Clopper and Pearson) is for the share of leaning testers who lean to model1.
    """
    from scipy import stats

    model1, model2 = int(np.sum(y > 0.5 + _SLACK)), int(np.sum(y < 0.5 - _SLACK))
    result: dict[str, Any] = {"model1": model1, "model2": model2, "none": len(y) - model1 - model2}
    result |= dict.fromkeys(("p_value", "ci_low", "ci_high"))
    if model1 + model2:
        test = stats.binomtest(model1, model1 + model2)
        interval = test.proportion_ci(1 - alpha)
        result.update(p_value=float(test.pvalue), ci_low=float(interval.low), ci_high=float(interval.high))
    return result


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values of several groups, adjusted so that at most alpha of studies without any difference show one.

    The smallest is multiplied by their number, the next by one less, and so on, never below the one before.  Null
    stays null and counts for nothing.  Source: Holm 1979; same as statsmodels' ``multipletests(method="holm")``.
    """
    known = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, value * (len(known) - rank)))
        adjusted[place] = largest
    return adjusted


def intraclass_correlation(
    score_sums: NDArray[np.float64], square_sums: NDArray[np.float64], votes: NDArray[np.int64]
) -> float | None:
    """How alike the votes of one tester are: one-way ANOVA estimate, 0 when votes are independent, at most 1.

    (MSB - MSW) / (MSB + (n0 - 1) MSW); may be slightly negative.  All arguments (G,): sums of scores and of squared
    scores, number of votes.  Null with one tester, one vote each, or no variation.
    """
    testers, total = len(votes), int(votes.sum())
    if testers < 2 or total <= testers:
        return None
    between = float(np.sum(score_sums**2 / votes) - score_sums.sum() ** 2 / total) / (testers - 1)
    within = float(np.sum(square_sums - score_sums**2 / votes)) / (total - testers)
    size = (total - float(np.sum(votes.astype(float) ** 2)) / total) / (testers - 1)
    scale = between + (size - 1) * within
    return (between - within) / scale if scale > _SLACK else None


def smallest_share(
    testers: int, tie_share: float, icc: float, votes_per_tester: float, alpha: float = 0.05
) -> float | None:
    """The share nearest to 1/2 that so many testers would show as different from it; null where none that can be is.

    :func:`sample_size` the other way round.
    """
    from scipy import optimize

    def missing(theta: float) -> float:
        needed = sample_size(theta, tie_share, icc, votes_per_tester, alpha)
        return (2.0 if needed is None else needed) - testers  # None: votes that cannot vary

    top = 1 - tie_share / 2 - 1e-6  # more cannot be with so many ties
    if testers < 2 or top <= 0.5 or missing(top) > 0:
        return None
    return float(optimize.brentq(missing, 0.5 + 1e-6, top, xtol=1e-6)) if missing(0.5 + 1e-6) > 0 else 0.5


def sample_size(
    theta: float, tie_share: float, icc: float, votes_per_tester: float, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Testers that a study needs to see a share of ``theta`` as different from 1/2 (round up).

    A vote's variance is (1 - ties)/4 - (theta - 1/2)^2; a tester's mean has that times (1 + (k-1) ICC)/k; then the
    power of a one-sample t test.  Same as statsmodels' ``TTestPower.solve_power``.  Null when theta is 1/2 (no number
    is enough) or votes cannot vary.
    """
    from scipy import optimize, stats

    variance = (1 - tie_share) / 4 - (theta - 0.5) ** 2
    variance *= (1 + (votes_per_tester - 1) * icc) / votes_per_tester
    if abs(theta - 0.5) < 1e-9 or variance <= _SLACK:
        return None
    effect = abs(theta - 0.5) / np.sqrt(variance)
    by_normal = float((stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)) ** 2 / effect**2)
    if by_normal > 1e5:
        return by_normal

    def shortfall(n: float) -> float:
        critical, shift = float(stats.t.ppf(1 - alpha / 2, n - 1)), effect * float(np.sqrt(n))
        right_side = float(stats.nct.sf(critical, n - 1, shift))
        wrong_side = float(stats.nct.cdf(-critical, n - 1, shift)) if shift < 5 else 0.0
        return (1.0 if np.isnan(right_side) else right_side) + wrong_side - power  # scipy: NaN where it is certain

    if shortfall(2) >= 0:
        return 2.0
    return float(optimize.brentq(shortfall, 2, by_normal + 50, xtol=1e-9))
