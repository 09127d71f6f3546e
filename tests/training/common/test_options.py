"""Settings: parsed by type, all problems in one line, documented from the fields' docstrings."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

import pytest

from training.common.cli import OneLineParser, run_command
from training.common.options import OptionsError, field_docs, with_settings


@dataclass(frozen=True)
class Example:
    layers: int = 2
    """How many
    layers"""
    rate: float = 0.1
    """How fast"""
    limit: int | None = None
    """At most"""
    kind: Literal["a", "b"] = "a"
    """Which"""
    tied: bool = False
    """Whether"""


def test_values_are_read_by_type() -> None:
    changed = with_settings(Example(), ["layers=3", "rate=2e-3", "limit=7", "kind=b", "tied=true"])
    assert changed == Example(3, 0.002, 7, "b", True)
    assert with_settings(changed, ["limit=none"]).limit is None


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(OptionsError) as caught:
        with_settings(Example(), ["layer=3", "rate=fast", "kind=c", "nonsense"])
    assert str(caught.value).splitlines() == [str(caught.value)]
    assert len(caught.value.problems) == 4
    assert "did you mean layers" in str(caught.value)
    assert "rate='fast' is not a number" in str(caught.value)
    assert "kind='c' is not one of a, b" in str(caught.value)


def test_docstrings_become_help() -> None:
    assert field_docs(Example)["layers"] == "How many layers"


def test_a_mistake_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(arguments: argparse.Namespace) -> None:
        raise OptionsError(["x=1 must be\n2"])

    assert run_command(fail, OneLineParser(prog="example"), []) == 2
    assert capsys.readouterr().err == "example: x=1 must be 2\n"
    with pytest.raises(OptionsError):
        run_command(fail, OneLineParser(prog="example"), ["--debug"])
    with pytest.raises(SystemExit) as caught:
        run_command(fail, OneLineParser(prog="example"), ["--unknown"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("rate=0,5", "0.5"),
        ("rate=50%", "0.5"),
        ("rate=1e-3,", "0.001"),
        ("limit=10k", "10000"),
        ("limit=1e3", "1000"),
        ("limit=1.5M", "1500000"),
        ("limit=1,000", ""),
        ("limit=2.5", ""),
        ("limit=\u0665", ""),
    ],
)
def test_a_number_that_is_written_as_elsewhere_is_told_as_it_is_written_here(setting: str, meant: str) -> None:
    """https://github.com/AUTOMATIC1111/stable-diffusion-webui/pull/3898, https://github.com/huggingface/trl/pull/1450."""
    with pytest.raises(OptionsError) as caught:
        with_settings(Example(), [setting])
    assert str(caught.value).endswith(
        f"; write {meant}" if meant else "number" if "rate" in setting else "number or none"
    )


def test_an_empty_text_takes_no_limit_away() -> None:
    """``--limit "$LIMIT"`` of a script in which nobody has set it."""
    with pytest.raises(OptionsError, match="limit='' is not a whole number or none"):
        with_settings(Example(), ["limit="])
    assert with_settings(Example(), ["limit=none"]).limit is None
