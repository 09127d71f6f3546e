"""Each sentence rests on its number, and changes or goes when the number does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.comparison.evidence_files import interval
from training.comparison import Comparison, two_minutes, user_testing
from training.comparison.content import Claim, plain
from training.comparison.values import Value

Build = Callable[..., Comparison]


def said(comparison: Comparison) -> dict[str, str]:
    return {block.topic: plain(block.text) for block in two_minutes(comparison).blocks if isinstance(block, Claim)}


def unsaid(comparison: Comparison) -> str:
    return "\n".join(two_minutes(comparison).missing)


def test_every_sentence_carries_a_number(compare: Build) -> None:
    claims = [block for block in two_minutes(compare()).blocks if isinstance(block, Claim)]
    assert len(claims) > 12
    for claim in claims:
        values = [part for part in claim.text if isinstance(part, Value)]
        assert values, claim
        assert all(value.sources for value in values)
    words = sum(len(plain(claim.text).split()) for claim in claims)
    assert words < 340, "at 150 words a minute it would not fit"


def test_a_training_that_was_cut_short_is_told_before_anything_else(compare: Build, tmp_path: Path) -> None:
    compare()
    path = tmp_path / "art_ai_model" / "training_report.json"
    report = json.loads(path.read_text())
    for changes, words in (
        ({"ended_by": "time"}, "was ended by time at 4% of its plan, at 2.490 bits a byte on new wordings, so every"),
        ({"ended_by": "target"}, "was ended by its target at 4% of its plan, at 2.490"),  # and still knows nothing
    ):
        val = {"new_wording": {"bits_per_byte": 2.49}}
        changed = report | {"plan_share": 0.04, "val": val, "config": {"data": ["core"]}} | changes
        path.write_text(json.dumps(changed))

        def same(evaluation: dict[str, Any], changed: dict[str, Any] = changed) -> None:
            evaluation["models"]["model1"]["training_report"] = changed

        section = two_minutes(compare(same))
        assert isinstance(section.blocks[0], Claim)
        assert plain(section.blocks[0].text).startswith("Before anything else: the training of Model 1 " + words)
    path.write_text(json.dumps(report | {"ended_by": "target", "plan_share": 0.6}))
    assert not any("Before anything else" in sentence for sentence in said(compare()).values())


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [(-0.213, "Model 1 predicts better: 0.534 bits a byte against 0.604"), (0.2, "Model 2 predicts better: 0.604"),
     (0.01, "no difference can be claimed: 0.534 bits a byte for Model 1 and 0.604 for Model 2, a difference of +0.010"
            " (−0.021 to +0.041)")],
)  # fmt: skip
def test_held_out_text(compare: Build, estimate: float, verdict: str) -> None:
    def change(evaluation: dict[str, Any]) -> None:
        evaluation["differences"]["held_out_answers_bits_per_byte"] = interval(estimate, 0.031)

    assert verdict in said(compare(change))["Held-out text"]


def test_without_a_paired_difference_nothing_is_said_of_it(compare: Build) -> None:
    comparison = compare(lambda evaluation: evaluation["differences"].clear())
    assert not {"Held-out text", "embedded, difference", "Answers that end"} & set(said(comparison))
    assert "Held-out text: there is no paired difference" in unsaid(comparison)
    assert "embedded, difference: there is no paired difference" in unsaid(comparison)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [(0.4, 0.4, "both beat guessing"), (0.4, 0.26, "Model 1 beats guessing, which cannot be said of Model 2"),
     (0.26, 0.4, "Model 2 beats guessing, which cannot be said of Model 1"),
     (0.26, 0.1, "neither can be said to beat guessing")],
)  # fmt: skip
def test_accuracy_against_chance(compare: Build, first: float, second: float, verdict: str) -> None:
    def change(evaluation: dict[str, Any]) -> None:
        for model, share in (("model1", first), ("model2", second)):
            groups = evaluation["models"][model]["knowledge"][0]["groups"]
            groups[0]["accuracy"] = interval(share, 0.05)

    sentence = said(compare(change))["embedded, seen fact, new wording"]
    assert sentence.endswith(f", guessing in 25.0%: {verdict}.")


def test_difference_of_knowledge(compare: Build) -> None:
    assert (
        "no difference can be claimed: Model 1 minus Model 2 is +8.3 points" in said(compare())["embedded, difference"]
    )

    def change(evaluation: dict[str, Any]) -> None:
        evaluation["differences"]["knowledge"][0]["accuracy"] = interval(-0.2, 0.1)

    assert "Model 2 knows more" in said(compare(change))["embedded, difference"]


def test_speeds_that_overlap_are_no_difference(compare: Build) -> None:
    assert said(compare())["Speed"] == ("Model 1 writes 611.3 tokens a second, Model 2 51.3: 11.9 times as fast.")

    def change(evaluation: dict[str, Any]) -> None:
        speed = {"median": 600.0, "low": 500.0, "high": 700.0}
        evaluation["models"]["model2"]["cost"]["tokens_per_second"]["1"] = speed

    assert "No difference in speed can be claimed" in said(compare(change))["Speed"]


@pytest.mark.parametrize(
    ("low", "high", "estimate", "verdict"),
    [(0.354, 0.441, 0.397, "Model 2 is preferred: its share is 60.3% (55.9 to 64.6%)"),
     (0.55, 0.65, 0.6, "Model 1 is preferred: its share is 60.0% (55.0 to 65.0%)"),
     (0.45, 0.6, 0.52, "no preference can be claimed: 52.0% (45.0 to 60.0%) prefer Model 1"),
     (None, None, 0.3, "no preference can be claimed yet: 37 testers are too few")],
)  # fmt: skip
def test_user_testing(compare: Build, low: float | None, high: float | None, estimate: float, verdict: str) -> None:
    def change(votes: dict[str, Any]) -> None:
        votes["preference"] |= {"estimate": estimate, "ci_low": low, "ci_high": high}

    assert verdict in said(compare(dict, change))["User testing"]


@pytest.mark.parametrize(("model2", "is_few"), [(19, True), (20, False)])
def test_a_gap_at_equal_length_from_few_votes_has_its_caution(compare: Build, model2: int, is_few: bool) -> None:
    def change(votes: dict[str, Any]) -> None:
        votes["counts"] |= {"model1": 90, "model2": model2}

    (caution,) = (block for block in user_testing(compare(dict, change)).blocks if getattr(block, "is_caution", False))
    assert ("rests on 19 of the rarer choice" in plain(caution.text)) == is_few


def test_no_votes_no_sentence(compare: Build) -> None:
    def change(votes: dict[str, Any]) -> None:
        votes |= {"n_votes": 0, "preference": {"estimate": None}, "blinding": {}}

    comparison = compare(dict, change)
    assert not {"User testing", "Blinding"} & set(said(comparison))
    assert "User testing: there are no votes" in unsaid(comparison)


def test_an_estimate_is_said_to_be_one(compare: Build) -> None:
    assert "Training took an estimated 2.19 Wh" in said(compare())["Energy of training"]
    assert "take an estimated 7.10 mWh" in said(compare())["Energy of answers"]

    def change(evaluation: dict[str, Any]) -> None:
        for model in evaluation["models"].values():
            model["cost"]["energy_source"] = "measured"

    assert "take 7.10 mWh" in said(compare(change))["Energy of answers"]


@pytest.mark.parametrize(
    ("part", "topics"),
    [("cost", {"Speed", "Memory", "Energy of answers"}),
     ("held_out", {"Held-out text", "New facts, Model 2", "Perplexity"})],
)  # fmt: skip
def test_a_missing_part_has_no_sentence(compare: Build, part: str, topics: set[str]) -> None:
    whole = compare()
    assert topics <= set(said(whole))
    comparison = compare(lambda evaluation: evaluation["models"]["model2"].pop(part))
    assert set(said(whole)) - set(said(comparison)) == topics


def test_one_tokenizer_is_no_reason_for_caution(compare: Build) -> None:
    def change(evaluation: dict[str, Any]) -> None:
        for model in evaluation["models"].values():
            model["held_out"]["answers"]["tokens"] = 9871

    assert "Perplexity" not in said(compare(change))


def test_how_a_model_began_is_read_not_presumed(compare: Build) -> None:
    def change(evaluation: dict[str, Any]) -> None:
        evaluation["models"]["model1"] |= {"spec": "elsewhere", "training_report": {"base": "gpt2", "tokens": 7000000}}
        evaluation["models"]["model1"]["training_report"]["train_seconds"] = 60

    sentence = said(compare(change))["Training of Model 1"]
    assert sentence == "Model 1 began as gpt2, trained by others, and learned from 7.00 million tokens in 60.0 s."


def test_perplexities_are_told_apart(compare: Build) -> None:
    assert said(compare())["Perplexity"].startswith("The perplexities a token, 4.3 and 9.9, must not be compared")
