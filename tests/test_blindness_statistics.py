"""The tests of the blindness benchmark have the size that they claim, and find a leak that there is."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.blindness import read
from benchmarks.blindness_statistics import LEVEL, Round, judge, made_of, rates, simulated
from benchmarks.outputs import write
from feedback.assignment import BLOCK_SIZE

REPETITIONS = 500
ROUNDS, DRAWS = 48, 99


@pytest.mark.parametrize("reveal", ["vote", "end"])
def test_of_a_blind_app_no_more_is_called_a_leak_than_the_level_says(reveal: str) -> None:
    """Noise beside sides that are drawn as the app draws them; all from one seed, so that the counts stay the same."""
    told = rates(lambda chance: simulated(reveal, ROUNDS, chance), REPETITIONS, 1, DRAWS)
    most = binom.ppf(0.9999, REPETITIONS, LEVEL) / REPETITIONS
    assert (reveal == "vote") == ("all sides before" in told.observables)
    assert {name: rate for name, rate in told.observables.items() if rate > most} == {}
    assert told.classifier <= most
    assert told.any <= most
    assert abs(told.share - 0.5) < 3.5 * told.error, "whatever the guesses are made of, half are right"


@pytest.mark.parametrize("reveal", ["vote", "end"])
def test_a_small_leak_is_found(reveal: str) -> None:
    """An observable that agrees with the side in three rounds of four, in half as many rounds as are measured."""
    told = rates(lambda chance: simulated(reveal, 200, chance, leak=0.5), 20, 1, DRAWS)
    assert told.observables["hint"] == 1
    assert told.classifier >= 0.7
    assert told.share > 0.6


def test_an_observable_that_is_the_side_is_named_and_guessed_by() -> None:
    found = [
        Round(n, {"seconds": 0.1 * n % 1, "metrics": float(n * n % 7 % 2 * 2 - 1)}, bool(n * n % 7 % 2))
        for n in range(60)
    ]
    verdict = judge(found, seed=13)
    assert verdict.leaks(0.001) == ["metrics"]
    assert verdict.asked == 54, "the first are learned from"
    assert verdict.guessed > 50
    assert verdict.p_classifier < 1e-3


def test_what_was_told_of_a_round_is_known_in_those_after_it_alone() -> None:
    found = [
        Round(0, {}, True, "vote", 1, True, ("a", "b"), "a"),
        Round(1, {}, False, "vote", 1, True, ("b", "a"), "b"),
        Round(2, {}, True, "vote", 2, True, ("a", "b"), "a"),
        Round(3, {}, True, "end", 1, False, ("a", "b"), "a"),
        Round(4, {}, True, "end", 1, True, ("a", "b"), "b"),
        Round(5, {}, True, "end", 2, False, ("b", "a"), "b"),
    ]
    made = made_of(found, np.array([[1.0, -1.0, 1.0, 1.0, 1.0, 1.0]]))
    told = {name: values[0].tolist() for name, values in made.items()}
    assert told == {
        "suggestions against known sides": [0, 0.5, -1, 0, 0, -0.5],
        "known side of the first suggestion": [0, 0, 1, 0, 0, 1],
        "what would even out the block": [0, -1, 0, 0, 0, 0],
        "the side before": [0, 1, 0, 0, 0, 0],
        "all sides before": [0, 1, 0, 0, 0, 1],
    }


def test_what_was_kept_of_a_run_is_judged_alike(tmp_path: Path) -> None:
    found = {reveal: simulated(reveal, 2 * BLOCK_SIZE, random.Random(1)) for reveal in ("vote", "end")}
    kept = tmp_path / "rounds.json"
    write(kept, json.dumps({name: [asdict(one) for one in rounds] for name, rounds in found.items()}))
    assert read(kept) == found
