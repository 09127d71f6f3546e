from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedback.statistics import VotesError, summary
from tests.feedback.protocol import dataset_d

CONTRACT = {
    "n_votes": None,
    "n_testers": None,
    "n_testers_closed": None,
    "counts": {"model1", "model2", "tie", "both_bad"},
    **{
        name: {"estimate", "se", "df", "ci_low", "ci_high", "p_value", "method"}
        for name in ("preference", "pooled", "two_way")
    },
    "sign_flip": {"p_value"},
    "sign_test": {"model1", "model2", "none", "p_value", "ci_low", "ci_high"},
    "anytime": {"n_closed", "e_value", "p_value", "ci_low", "ci_high"},
    "position": {"left_estimate", "ci_low", "ci_high", "p_value", "estimate_adjusted"},
    "length_controlled": {"logit", "elo_gap"},
    "elo_gap": None,
    "davidson": {"log_ratio", "nu"},
    "icc": None,
    "agreement": {"alpha"},
    "blinding": {"index", "ci_low", "ci_high", "p_value", "james", "bang_left", "bang_right"},
    "power": {"testers_needed", "testers_to_go"},
    "by_category": None,
    "without_flagged": None,
    "by_turns": None,
    "by_background": None,
    "good_enough": None,
    "excluded": None,
}
SHARES = (
    ("preference", "estimate"),
    ("pooled", "estimate"),
    ("two_way", "estimate"),
    ("position", "estimate_adjusted"),
)
CHOICES = ("left", "right", "tie", "both_bad")
OTHER = {"left": "right", "right": "left", "tie": "tie", "both_bad": "both_bad"}


@st.composite
def studies(draw: st.DrawFn) -> pd.DataFrame:
    """Studies of any shape: 1 to 14 testers of 1 to 6 votes, some sessions open."""
    rows = []
    for number in range(draw(st.integers(1, 14))):
        closed = draw(st.integers(0, 3)) > 0
        for _ in range(draw(st.integers(1, 6))):
            left = draw(st.sampled_from(["model1", "model2"]))
            rows.append(
                {
                    "tester_id": f"t{number}",
                    "enrolment": number + 1,
                    "tester_closed": int(closed),
                    "prompt_id": f"q{draw(st.integers(0, 4))}",
                    "category": draw(st.sampled_from(["art", "ai"])),
                    "left_model": left,
                    "right_model": "model2" if left == "model1" else "model1",
                    "choice": draw(st.sampled_from(CHOICES)),
                    "left_chars": draw(st.integers(1, 300)),
                    "right_chars": draw(st.integers(1, 300)),
                }
            )
    return pd.DataFrame(rows)


def with_swapped_models(votes: pd.DataFrame) -> pd.DataFrame:
    other = {"model1": "model2", "model2": "model1"}
    return votes.assign(left_model=votes["left_model"].map(other), right_model=votes["right_model"].map(other))


def with_swapped_sides(votes: pd.DataFrame) -> pd.DataFrame:
    return votes.assign(
        left_model=votes["right_model"],
        right_model=votes["left_model"],
        choice=votes["choice"].map(OTHER),
        left_chars=votes["right_chars"],
        right_chars=votes["left_chars"],
    )


def numbers(value: Any, path: tuple = ()) -> dict[tuple, Any]:
    """Every leaf of a summary, by its path."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {path: value}
    return {key: leaf for name, child in items for key, leaf in numbers(child, (*path, name)).items()}


def assert_same(first: dict, second: dict, tolerance: float = 1e-7) -> None:
    ours, theirs = numbers(first), numbers(second)
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        if isinstance(value, float):
            assert theirs[path] == pytest.approx(value, abs=tolerance, rel=tolerance), path
        else:
            assert theirs[path] == value, path


RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def test_keys_are_the_contracts() -> None:
    result = summary(dataset_d())
    assert set(result) == set(CONTRACT)
    for name, keys in CONTRACT.items():
        assert keys is None or set(result[name]) == keys, name
    assert set(result["by_category"][0]) >= {"category", "n_votes", "estimate", "ci_low", "ci_high"}


@RELAXED
@given(studies())
def test_every_study_gives_plain_json_and_no_warning(votes: pd.DataFrame) -> None:
    with np.errstate(all="raise", under="ignore"):
        text = json.dumps(summary(votes), allow_nan=False)
    assert set(json.loads(text)) == set(CONTRACT)


@RELAXED
@given(studies())
def test_swapping_the_models_mirrors_every_estimate(votes: pd.DataFrame) -> None:
    before, after = summary(votes), summary(with_swapped_models(votes))
    for group, key in SHARES:
        if before[group][key] is None:
            assert after[group][key] is None
        else:
            assert after[group][key] == pytest.approx(1 - before[group][key], abs=1e-9)
    for group in ("preference", "pooled", "two_way", "anytime", "sign_test"):
        if before[group]["ci_low"] is not None:
            assert after[group]["ci_low"] == pytest.approx(1 - before[group]["ci_high"], abs=1e-7)
            assert after[group]["ci_high"] == pytest.approx(1 - before[group]["ci_low"], abs=1e-7)
    for name in ("elo_gap",):
        assert (before[name] is None) == (after[name] is None)
        assert before[name] is None or after[name] == pytest.approx(-before[name], abs=1e-6)
    assert after["counts"]["model1"] == before["counts"]["model2"]
    assert after["sign_flip"]["p_value"] == pytest.approx(before["sign_flip"]["p_value"])
    assert after["position"]["left_estimate"] == pytest.approx(before["position"]["left_estimate"])


@RELAXED
@given(studies())
def test_swapping_the_sides_changes_nothing_but_the_position(votes: pd.DataFrame) -> None:
    before, after = summary(votes), summary(with_swapped_sides(votes))
    left = before["position"].pop("left_estimate"), after["position"].pop("left_estimate")
    assert left[1] == pytest.approx(1 - left[0])
    for result in (before, after):
        result["position"] = {"estimate_adjusted": result["position"]["estimate_adjusted"]}
    assert_same(before, after)


@RELAXED
@given(studies(), st.integers(1, 5))
def test_adding_ties_moves_the_estimates_toward_one_half(votes: pd.DataFrame, times: int) -> None:
    more = pd.concat([votes, *[votes.assign(choice="tie")] * times])  # as many for each tester as there were votes
    before, after = summary(votes), summary(more)
    for group in ("preference", "pooled"):
        shift = before[group]["estimate"] - 0.5
        assert after[group]["estimate"] - 0.5 == pytest.approx(shift / (times + 1), abs=1e-12)


@RELAXED
@given(studies(), st.randoms())
def test_the_order_of_rows_does_not_matter(votes: pd.DataFrame, random: Any) -> None:
    votes = votes.drop_duplicates(["tester_id", "prompt_id"])  # agreement takes the first vote of a doubled cell
    shuffled = votes.iloc[random.sample(range(len(votes)), len(votes))]
    assert_same(summary(votes), summary(shuffled))


def test_no_votes_give_nulls() -> None:
    result = summary(dataset_d().head(0))
    assert result["n_votes"] == result["n_testers"] == 0
    assert result["preference"]["estimate"] is None
    assert result["by_category"] == []
    json.dumps(result, allow_nan=False)


def test_below_ten_testers_t_intervals_are_null_with_the_reason() -> None:
    nine = dataset_d()[lambda votes: votes["enrolment"] <= 9]
    result = summary(nine)
    for group in ("preference", "pooled", "two_way", "position"):
        assert result[group]["ci_low"] is result[group]["p_value"] is None
    assert result["preference"]["estimate"] is not None
    assert result["sign_flip"]["p_value"] is not None
    assert result["anytime"]["ci_low"] is not None
    assert any("fewer than 10" in entry["reason"] and entry["n"] == 9 for entry in result["excluded"])
    assert summary(dataset_d()[lambda votes: votes["enrolment"] <= 10])["preference"]["ci_low"] is not None


@pytest.mark.parametrize("winner", ["model1", "tie"])
def test_an_interval_never_has_zero_width(winner: str) -> None:
    votes = dataset_d()
    choice = np.where(votes["left_model"] == winner, "left", "right") if winner == "model1" else "tie"
    result = summary(votes.assign(choice=choice))["preference"]
    assert result["ci_high"] - result["ci_low"] > 0.3
    assert "betting" in result["method"]


def test_an_open_session_stops_the_anytime_interval_but_not_the_rest() -> None:
    votes = dataset_d()
    votes.loc[votes["enrolment"] == 4, "tester_closed"] = 0
    result = summary(votes)
    assert result["anytime"]["n_closed"] == 3
    assert result["n_testers_closed"] == 11
    assert result["n_votes"] == 80
    assert any(entry["n"] == 9 for entry in result["excluded"])


def test_superseded_votes_do_not_count_and_are_told() -> None:
    votes = dataset_d().assign(superseded=0)
    doubled = pd.concat([votes, votes.head(3).assign(superseded=1, vote_id=[900, 901, 902], choice="tie")])
    result = summary(doubled)
    assert {"reason": "votes superseded by a correction or by added reasons", "n": 3} in result["excluded"]
    result["excluded"] = []
    assert_same(result, summary(votes))


def test_alpha_widens_the_intervals() -> None:
    assert summary(dataset_d(), alpha=0.01)["preference"]["ci_low"] < summary(dataset_d())["preference"]["ci_low"]


def test_a_tester_with_a_thousand_votes_counts_once() -> None:
    votes = dataset_d()
    flood = pd.concat([votes, *[votes[votes["enrolment"] == 1].assign(choice="both_bad")] * 100])
    flood["vote_id"] = range(len(flood))
    shift = summary(flood)["preference"]["estimate"] - summary(votes)["preference"]["estimate"]
    assert abs(shift) <= 1 / 12


def test_mixed_studies_are_an_error() -> None:
    votes = dataset_d()
    with pytest.raises(VotesError, match=r"several studies.*--study"):
        summary(votes.assign(study=["a#1"] * 40 + ["b#2"] * 40))
