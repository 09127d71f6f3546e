"""What a report says of its training's end, and which models are kept from testers."""

from __future__ import annotations

from typing import Any

import pytest

from training.reporting.verdict import ending, is_cut_short, share_in_words, shortfall

CONFIG = {"data": ["core"], "target_bits_per_byte": 0.1, "usable_bits_per_byte": 1.2}


def report(bits: float | None = 0.09, **changes: Any) -> dict[str, Any]:
    val = {"new_wording": {"samples": 348, "loss": 0.3, "bits_per_byte": bits}, "new_fact": {"bits_per_byte": 1.9}}
    return {"val": val, "ended_by": "target", "plan_share": 0.41, "config": CONFIG} | changes


def test_a_model_of_seven_steps_is_kept_from_testers_with_the_reason() -> None:
    told = shortfall(report(2.49, ended_by="time", plan_share=0.041))
    assert told == (
        "has not learned enough to be tested: 2.49 bits per byte on new wordings, at most 1.2 is asked "
        "(ended by time at 4% of its plan)"
    )
    assert shortfall(report(1.2)) == shortfall(report()) == ""
    assert "no number of bits per byte" in shortfall(report(float("nan")))


@pytest.mark.parametrize(
    ("config", "is_kept"),
    [
        ({"data": ["core"]}, True),  # of an older version, which named no limit
        ({"data": ["my_texts/"]}, False),
        ({"data": ["core"], "usable_bits_per_byte": None}, False),
        ({"data": ["my_texts/"], "usable_bits_per_byte": 1.5}, True),
    ],
)
def test_the_limit_is_that_of_the_run(config: dict[str, Any], is_kept: bool) -> None:
    assert bool(shortfall(report(1.9, config=config))) == is_kept


@pytest.mark.parametrize("broken", [{}, {"val": None}, {"val": {"new_wording": 3}}, {"val": {}, "config": None}])
def test_a_report_that_does_not_tell_keeps_no_model_back(broken: dict[str, Any]) -> None:
    assert shortfall(broken) == ending(broken) == ""
    assert not is_cut_short(broken)


def test_how_it_ended_in_words() -> None:
    assert ending(report()) == "ended by its target at 41% of its plan"
    assert ending(report(ended_by="steps", plan_share=1.0)) == "ended by the end of its plan"
    assert ending({"stopped_by": "time"}) == "ended by time"
    assert [share_in_words(share) for share in (0.0004, 0.04, 0.996, 1.0)] == ["0.04%", "4%", "99%", "100%"]
    assert is_cut_short(report(ended_by="time"))
    assert not is_cut_short(report())
    assert not is_cut_short(report(ended_by="time", config=CONFIG | {"target_bits_per_byte": None}))
