from __future__ import annotations

import krippendorff
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from feedback.statistics.bias import agreement, length_controlled, position
from feedback.statistics.outcomes import Outcomes
from tests.feedback.protocol import VECTORS, dataset_d

D = Outcomes.from_frame(dataset_d())


def test_position_is_the_vector() -> None:
    wanted = VECTORS["position_bias"]["expected"]
    result = position(D.testers)
    assert result["left_estimate"] == pytest.approx(wanted["left_score_participant_mean"], abs=1e-6)
    assert (result["ci_low"], result["ci_high"]) == pytest.approx(tuple(wanted["left_score_ci"]), abs=1e-6)
    assert result["p_value"] == pytest.approx(wanted["left_score_p"], abs=1e-6)
    assert result["estimate_adjusted"] == pytest.approx(wanted["theta_side_adjusted"], abs=1e-6)
    assert result["side_effect"] == pytest.approx(wanted["logit_side_effect"], abs=1e-6)


def test_position_needs_both_sides() -> None:
    frame = dataset_d()
    one_sided = Outcomes.from_frame(frame[frame["left_model"] == "model1"])
    assert position(one_sided.testers)["estimate_adjusted"] is None


def test_length_controlled_is_the_vector_and_statsmodels() -> None:
    wanted = VECTORS["style_controlled_bt"]["expected"]
    result = length_controlled(D)
    assert result["logit"] == pytest.approx(wanted["logit_length_controlled"], abs=1e-5)
    assert result["coefficient"] == pytest.approx(wanted["length_coef"], abs=1e-5)
    assert result["elo_gap"] == pytest.approx(wanted["elo_gap_controlled"], abs=1e-5)
    feature = (D.model1_chars - D.model2_chars) / (D.model1_chars + D.model2_chars)
    fit = sm.GLM(D.score, sm.add_constant(feature / feature.std()), family=sm.families.Binomial()).fit()
    assert [result["logit"], result["coefficient"]] == pytest.approx(list(fit.params), abs=1e-6)


def test_length_control_does_not_fall_into_the_centring_trap() -> None:
    trap = VECTORS["style_controlled_bt"]["expected"]["trap_mean_centred_intercept"]
    assert abs(length_controlled(D)["logit"] - trap) > 0.1


@pytest.mark.parametrize(
    "change",
    [
        {"left_chars": 100, "right_chars": 100},
        {"left_chars": 0, "right_chars": 0},
        {"choice": "tie"},
    ],
)
def test_length_controlled_is_null_or_finite_at_the_edges(change: dict) -> None:
    result = length_controlled(Outcomes.from_frame(dataset_d().assign(**change)))
    if "choice" in change:
        assert result["logit"] == pytest.approx(0, abs=1e-9)
    else:
        assert result["logit"] is None


def test_length_controlled_is_null_when_lengths_decide_all() -> None:
    frame = dataset_d()
    longer = np.where(frame["left_chars"] > frame["right_chars"], "left", "right")
    assert length_controlled(Outcomes.from_frame(frame.assign(choice=longer)))["logit"] is None


def test_agreement_is_the_vector() -> None:
    wanted = VECTORS["krippendorff_nominal"]
    assert agreement(D) == pytest.approx(wanted["expected"]["dataset_D"], abs=1e-6)
    canonical = np.array(wanted["input"]["canonical_rows_raters"], dtype=float)
    assert krippendorff.alpha(canonical, level_of_measurement="nominal") == pytest.approx(
        wanted["expected"]["canonical"], abs=1e-6
    )


def test_agreement_of_the_canonical_example_through_votes() -> None:
    """The textbook table with its four values as the four verdicts."""
    verdicts = {1: "left", 2: "right", 3: "tie", 4: "both_bad"}
    rows = [
        {
            "tester_id": f"t{rater}",
            "enrolment": rater + 1,
            "tester_closed": 1,
            "prompt_id": f"u{unit}",
            "category": "c",
            "left_model": "model1",
            "right_model": "model2",
            "choice": verdicts[value],
            "left_chars": 1,
            "right_chars": 1,
        }
        for rater, values in enumerate(VECTORS["krippendorff_nominal"]["input"]["canonical_rows_raters"])
        for unit, value in enumerate(values)
        if value is not None
    ]
    assert agreement(Outcomes.from_frame(pd.DataFrame(rows))) == pytest.approx(
        VECTORS["krippendorff_nominal"]["expected"]["canonical"], abs=1e-6
    )


def test_agreement_is_null_without_shared_prompts_or_with_one_verdict() -> None:
    frame = dataset_d()
    assert agreement(Outcomes.from_frame(frame.assign(prompt_id=range(len(frame))))) is None
    assert agreement(Outcomes.from_frame(frame.assign(choice="tie"))) is None
    assert agreement(Outcomes.from_frame(frame.head(0))) is None
