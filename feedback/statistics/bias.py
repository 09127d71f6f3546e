"""What else moves votes than the models: the side, the length, and how far testers agree at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from .outcomes import Outcomes, TesterCounts
from .preference import MIN_TESTERS, mean_of_testers
from .ratings import logit


def position(testers: TesterCounts, alpha: float = 0.05) -> dict[str, Any]:
    """The share that the left side wins (1/2 is fair), and the preference with that evened out.

    ``left_estimate`` is the mean over testers of their left scores with its t interval (null below ten testers);
    ``estimate_adjusted`` the mean of model1's pooled share when on the left and when on the right (null unless it was
    on both); ``side_effect`` the difference of their logits.
    """
    left = mean_of_testers(testers.left_means, alpha)
    if len(testers.closed) < MIN_TESTERS:
        left.update(ci_low=None, ci_high=None, p_value=None)
    left_share, right_share = testers.shares_by_side
    adjusted = None if left_share is None or right_share is None else (left_share + right_share) / 2
    logits = logit(left_share), logit(right_share)
    return {
        "left_estimate": left["estimate"],
        "ci_low": left["ci_low"],
        "ci_high": left["ci_high"],
        "p_value": left["p_value"],
        "estimate_adjusted": adjusted,
        "side_effect": None if logits[0] is None or logits[1] is None else logits[0] - logits[1],
    }


def side_balance(left: int, right: int, expected: float = 0.5) -> float | None:
    """Exact two-sided p-value of so many on the left, were each there with probability ``expected``.

    A small value for what was *served* means that the assignment is broken (a sample-ratio mismatch); for rounds left
    without a vote it means that testers leave one arrangement sooner.  Null without any.
    """
    from scipy import stats

    return float(stats.binomtest(left, left + right, expected).pvalue) if left + right else None


def length_controlled(outcomes: Outcomes) -> dict[str, float | None]:
    """The preference at equal length: intercept of a logistic regression on the relative difference of lengths.

    The feature is (chars1 - chars2) / (chars1 + chars2), by model, over its standard deviation.  It is not centred:
    with two models centring would hide the average advantage of the longer-winded one in the intercept.  ``logit`` in
    log odds, ``elo_gap`` in arena points, ``coefficient`` per standard deviation.  Null without variation in length, or
    when choices and lengths separate so that no finite fit exists.
    """
    nothing: dict[str, float | None] = {"logit": None, "elo_gap": None, "coefficient": None}
    total = outcomes.model1_chars + outcomes.model2_chars
    difference = np.divide(
        outcomes.model1_chars - outcomes.model2_chars, total, out=np.zeros_like(total), where=total > 0
    )
    spread = float(difference.std()) if len(difference) else 0.0
    if spread < 1e-12 or not 0 < outcomes.score.mean() < 1:
        return nothing
    fit = _logistic(difference / spread, outcomes.score)
    if fit is None:
        return nothing
    return {"logit": fit[0], "elo_gap": 400 / float(np.log(10)) * fit[0], "coefficient": fit[1]}


def _logistic(feature: Any, target: Any) -> tuple[float, float] | None:
    """Intercept and slope of a logistic regression with targets in [0, 1], by Newton's method; None if it diverges."""
    from scipy import special

    beta = np.array([logit(float(target.mean())), 0.0])
    for _ in range(50):
        probability = special.expit(beta[0] + beta[1] * feature)
        weight = probability * (1 - probability)
        weighted = weight * feature
        slope = weighted.sum()
        information = np.array([[weight.sum(), slope], [slope, weighted @ feature]])
        if np.linalg.det(information) <= 1e-12 * len(feature):
            return None
        residual = target - probability
        step = np.linalg.solve(information, np.array([residual.sum(), residual @ feature]))
        beta += step
        if np.max(np.abs(step)) < 1e-12:
            return float(beta[0]), float(beta[1])
        if np.max(np.abs(beta)) > 30:  # separated: the likelihood has no maximum
            return None
    return float(beta[0]), float(beta[1])


def agreement(outcomes: Outcomes) -> float | None:
    """Krippendorff's alpha of testers on the same prompts: four verdicts by model, nominal, first vote of each cell.

    1 is full agreement, 0 chance.  Null when no prompt has two testers or all verdicts are the same.
    """
    import krippendorff

    if not len(outcomes.choice):
        return None
    order, cells = outcomes.cells
    first = order[cells]
    choice, prompt = outcomes.choice[first], outcomes.prompt[first]
    verdict = np.where(choice >= 2, choice, np.where(outcomes.score[first] > 0.5, 0, 1))
    counts = np.bincount(prompt * 4 + verdict, minlength=(int(prompt.max()) + 1) * 4).reshape(-1, 4)
    paired = counts[counts.sum(axis=1) >= 2]
    if np.count_nonzero(paired.sum(axis=0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=paired, level_of_measurement="nominal"))
