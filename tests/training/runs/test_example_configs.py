"""The examples in docs/configs/: each is one that its command takes, and fits where it says that it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trained import ROOT
from training import train_art_ai_model, train_model2_pretrained

CONFIGS = ROOT / "docs" / "configs"
EXAMPLES: dict[str, tuple[Callable[[list[str]], int], list[str], str]] = {
    "laptop": (train_art_ai_model.main, ["--check"], ""),
    "one-24gb-card": (train_model2_pretrained.main, ["--plan-for", "rtx-4090"], "GeForce RTX 4090"),
    "two-machines": (train_art_ai_model.main, ["--plan-for", "a100"], "285,762,560"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main, words, expected = EXAMPLES[name]
    config = CONFIGS / f"{name}.yaml"
    assert main(["--config", str(config), "--out", str(tmp_path), *words]) == 0, capsys.readouterr().err
    told = capsys.readouterr()
    assert expected in told.out
    assert told.err == ""
    if "--check" not in words:
        assert re.search(r"\bfits\b", told.out), told.out


def test_each_example_is_tried_and_says_how_it_is_used() -> None:
    assert {path.stem for path in CONFIGS.iterdir()} == set(EXAMPLES)
    for path in CONFIGS.iterdir():
        lines = path.read_text().splitlines()
        assert any(f"--config docs/configs/{path.name}" in line for line in lines)
        settings = [line for line in lines if line and not line.startswith("#")]
        assert sum("#" in line for line in lines) > len(settings) / 2  # commented
