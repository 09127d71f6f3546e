"""Every number that a user may set has a range, holds at its edges and nowhere beyond, and all are told at once."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.common.config import add_settings
from training.common.options import MOST, OptionsError, Range, range_problems, ranges_of, with_settings
from training.corpus.__main__ import main as corpus
from training.evaluate import main as evaluate
from training.hardware.energy import country_problem, known_countries
from training.settings.common import RENAMED, TrainingOptions
from training.settings.improve import ImproveOptions
from training.settings.model1 import Model1Options
from training.settings.model2 import Model2Options
from training.train_art_ai_model import main as train_model1

KINDS: tuple[type[Any], ...] = (TrainingOptions, Model1Options, Model2Options, ImproveOptions)


def numbers(cls: type) -> Iterator[tuple[str, type]]:
    """The settings that are numbers, with their type."""
    for name, hint in get_type_hints(cls).items():
        for kind in get_args(hint) if get_origin(hint) in (Union, type(int | None)) else (hint,):
            if kind in (int, float):
                yield name, kind


def edges(allowed: Range, kind: type) -> tuple[list[Any], list[Any]]:
    """Values at the edges of a range, and values just beyond them."""
    if kind is int:
        return [int(allowed.low), int(allowed.high)], [int(allowed.low) - 1, int(allowed.high) + 1]
    inside = [
        math.nextafter(allowed.low, math.inf) if allowed.above else float(allowed.low),
        math.nextafter(allowed.high, -math.inf) if allowed.below else float(allowed.high),
    ]
    outside = [
        float(allowed.low) if allowed.above else math.nextafter(allowed.low, -math.inf),
        float(allowed.high) if allowed.below else math.nextafter(allowed.high, math.inf),
    ]
    return inside, [*outside, math.inf, -math.inf, math.nan]


@pytest.mark.parametrize("cls", KINDS)
def test_every_number_has_a_range_and_holds_at_its_edges(cls: type[Any]) -> None:
    ranges = ranges_of(cls)
    assert {name for name, _ in numbers(cls)} == set(ranges)
    for name, kind in numbers(cls):
        inside, outside = edges(ranges[name], kind)
        for value in inside:
            assert range_problems(replace(cls(), **{name: value})) == []
        for value in outside:
            (problem,) = range_problems(replace(cls(), **{name: value}))
            assert problem in (f"{name}={value} must be {ranges[name]}", f"{name}={value} must be {ranges[name].least}")
            assert problem in replace(cls(), **{name: value}).problems()


@pytest.mark.parametrize("cls", KINDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_set_is_in_its_range_or_refused_with_all_the_others(cls: type[Any], data: st.DataObject) -> None:
    ranges = ranges_of(cls)
    values = {
        name: data.draw(st.integers(-(2**70), 2**70) if kind is int else st.floats(), label=name)
        for name, kind in numbers(cls)
        if data.draw(st.booleans())
    }
    options = with_settings(cls(), [f"{name}={value}" for name, value in values.items()])
    wrong = {name for name, value in values.items() if value not in ranges[name]}
    try:
        options.check()
        told: set[str] = set()
    except OptionsError as error:
        told = {problem.partition("=")[0] for problem in error.problems}
    assert wrong <= told
    assert all(getattr(options, name) in ranges[name] for name in values if name not in told)


@pytest.mark.parametrize(
    "setting", ["max_seconds=0", "min_lr_ratio=5", "warmup=2", "epochs=inf", "epochs=nan", "save_seconds=-1"]
)
def test_numbers_that_once_passed_are_refused(setting: str) -> None:
    name = setting.partition("=")[0]
    with pytest.raises(OptionsError, match=rf"^{name}=\S+ must be (above|at least) 0"):
        with_settings(TrainingOptions(), [setting]).check()


def test_a_subclass_keeps_the_ranges_and_the_help_shows_them() -> None:
    assert ranges_of(Model1Options)["epochs"] == ranges_of(TrainingOptions)["epochs"]
    parser = argparse.ArgumentParser()
    add_settings(parser, Model1Options(), "defaults")
    told = " ".join(parser.format_help().split())
    assert "--warmup X Share of the run in which the rate rises (default 0.03; at least 0 and below 1)" in told
    assert {field.name for field in fields(TrainingOptions)} <= {field.name for field in fields(Model1Options)}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("FR", "country=FR must be the code of three letters; that of France is FRA"),
        ("DE", "that of Germany is DEU"),
        ("fra", "that of France is FRA"),
        ("Germany", "that of Germany is DEU"),
        ("GB", "that of United Kingdom is GBR"),
        ("ZZZ", "country=ZZZ is no ISO 3166 code of three letters"),
        ("", "country= is no ISO 3166 code"),
        ("ATA", "no electricity mix is known for Antarctica"),
    ],
)
def test_a_country_without_a_mix_is_refused_with_the_one_that_is_meant(code: str, said: str) -> None:
    assert said in (country_problem(code) or "")
    assert any(said in problem for problem in replace(Model2Options(), country=code).problems())


@given(st.text(max_size=4))
@settings(max_examples=200, deadline=None)
def test_only_codes_that_codecarbon_knows_pass(code: str) -> None:
    assert (country_problem(code) is None) == (code in known_countries())


def test_every_known_country_passes() -> None:
    assert len(known_countries()) > 200
    assert [code for code in known_countries() if country_problem(code)] == []


def test_the_command_names_all_problems_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--set", "country=FR", "--set", "warmup=2", "--set", "dim=1"]
    assert train_model1([*arguments, "--max-steps", "0"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for part in ("country=FR must be", "warmup=2.0 must be", "dim=1 must be", "max_steps=0 must be"):
        assert part in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("train", "settings", "said"),
    [
        (
            train_model1,
            ["micro_batch_size=3"],
            "micro_batch_size=3 does not divide batch_size=16: a step is 6 parts, the last of 1 sequences",
        ),
        (train_model1, ["optimizer=adamw"], "adamw_learning_rate=0.01 is for optimizer=muon"),
        (train_model1, ["target_bits_per_byte=3"], "usable_bits_per_byte=1.2 is below target_bits_per_byte=3"),
        (train_model1, ["micro_batch_size=32"], ""),
        (train_model1, ["micro_batch_size=4"], ""),
        (train_model1, ["optimizer=adamw", "adamw_learning_rate=none"], ""),
    ],
)
def test_a_setting_of_which_another_makes_something_else_is_told_before_training(
    train: Any, settings: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = [word for setting in settings for word in ("--set", setting)]
    assert train(["--check", "--out", str(tmp_path / "out"), "--data", "core", *given]) == 0
    error = capsys.readouterr().err
    assert said in error
    assert error.count("note: ") == bool(said)


@pytest.mark.parametrize(
    ("option", "low", "high"),
    [("vocab-size", 300, 1_048_576), ("max-held-out", 0, MOST), ("workers", 1, 1024), ("max-rows", 1, MOST)],
)
def test_the_corpus_command_s_numbers_have_ranges(
    option: str, low: int, high: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in (low - 1, high + 1):
        assert corpus(["prepare", "--data", "nowhere", f"--{option}", str(value), "--workers", "0"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "--workers 0: must be at least 1" in error
        if option != "workers":
            assert f"--{option} {value}: must be at least {low} and at most {high}" in error
    for value in (low, high):
        assert corpus(["prepare", "--data", "nowhere", f"--{option}", str(value)]) == 2
        assert "nowhere: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("limit", [-1, MOST + 1])
def test_the_evaluation_s_limit_has_a_range(limit: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(["--limit", str(limit)]) == 2
    assert f"--limit {limit} must be at least 1 and at most {MOST}, or 0 for all" in capsys.readouterr().err


@pytest.mark.parametrize(("before", "now"), RENAMED.items())
def test_the_old_name_of_a_setting_is_taken_with_a_line(
    before: str, now: str, capsys: pytest.CaptureFixture[str]
) -> None:
    value = getattr(Model2Options(), now)
    options = with_settings(Model2Options(), [f"{before}={value}"], RENAMED)
    assert options == Model2Options()
    assert capsys.readouterr().err == f"{before} is called {now} now; the old name goes with the next release\n"
    with pytest.raises(OptionsError, match=f"unknown setting '{before}'"):
        with_settings(Model2Options(), [f"{before}={value}"])
