"""The command: both models of a tiny pair, a second run from the cache, and mistakes in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from training import evaluate
from training.evaluation import local
from training.evaluation.measurements import PARTS

QUICK = ["--limit", "3", "--parts", "held-out", "knowledge", "answers"]


@pytest.fixture(scope="module")
def folder(saved_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, since the command writes model cards."""
    return shutil.copytree(saved_checkpoint, tmp_path_factory.mktemp("evaluate") / "art_ai_model")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "evaluate-cache"))


@pytest.fixture
def pair(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Where the command looks for the two checkpoints."""
    models = {"model1": folder / "art_ai_best.pt", "model2": folder / "hf"}
    monkeypatch.setattr(evaluate, "DEFAULT_MODELS", models)
    return models


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = evaluate.main([*arguments])
    return code, *capsys.readouterr()


def test_both_checkpoints_are_measured_and_then_taken_from_the_cache(
    pair: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = tmp_path / "mine.jsonl"
    benchmark.write_text('{"question": "Who?", "options": ["Goya", "Monet"], "answer_index": 0}\n')
    out = tmp_path / "evaluation.json"
    command = [*QUICK, "--benchmark", str(benchmark), "--json", str(out)]
    code, table, errors = run(capsys, *command)
    assert code == 0, errors
    found = json.loads(out.read_text())
    assert set(found) == {"version", "made_at", "machine", "settings", "models", "differences", "missing"}
    assert found["settings"]["data"] == ["core"]
    assert found["settings"]["limit"] == 3
    assert set(found["models"]) == {"model1", "model2"}
    one, two = found["models"].values()
    for model in (one, two):
        assert model["held_out"]["answers"]["samples"] == 6
        assert [entry["benchmark"] for entry in model["knowledge"]] == ["embedded", "true-false", "mine"]
        assert model["knowledge"][2]["n"] == 1
        assert model["answers"]["n"] == 6
        assert model["cost"] is None
        assert "per_sample" not in model["held_out"]
    # The same weights in two forms: equal figures, and no difference beyond rounding.
    bits = [model["held_out"]["everything"]["bits_per_byte"]["estimate"] for model in (one, two)]
    assert bits[0] == pytest.approx(bits[1], rel=1e-4)
    assert one["answers"]["examples"] == two["answers"]["examples"]
    difference = found["differences"]["held_out_everything_bits_per_byte"]
    assert max(map(abs, difference.values())) < 1e-3
    assert found["differences"]["knowledge"][0]["accuracy"] == {"estimate": 0, "low": 0, "high": 0}
    for words in (
        "model1",
        "model2",
        "bits per byte",
        "by guessing",
        "false statements",
        "stop by themselves",
        "not quality",
    ):
        assert words in table

    def refuse(self: Any) -> None:
        raise AssertionError("the second run loads no model")

    monkeypatch.setattr(local.LocalModel, "network", property(refuse))
    code, printed, _ = run(capsys, *command[:-1], "-")
    assert code == 0
    again = json.loads(printed)
    assert (again["models"], again["differences"]) == (found["models"], found["differences"])


def test_a_model_that_is_absent_is_named_and_the_other_measured(
    pair: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair["model2"] = tmp_path / "nowhere"
    code, printed, errors = run(capsys, *QUICK, "--json", "-")
    assert code == 0
    found = json.loads(printed)
    assert set(found["models"]) == {"model1"}
    assert found["differences"] == {}
    assert [entry["model"] for entry in found["missing"]] == ["model2"]
    assert "model2 is absent" in errors
    pair["model1"] = tmp_path / "nowhere either"
    code, printed, errors = run(capsys)
    assert (code, printed, errors.count("\n")) == (2, "", 1)
    assert "train both with `make app`, or name others" in errors


def test_without_its_report_a_model_is_measured_on_the_default_data(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = shutil.copytree(folder / "hf", tmp_path / "alone")
    code, printed, errors = run(capsys, f"mine={alone}", "--limit", "2", "--parts", "held-out", "--json", "-")
    assert code == 0, errors
    found = json.loads(printed)
    assert (found["settings"]["data"], found["settings"]["data_from"]) == (["core"], "default")
    assert [entry["part"] for entry in found["models"]["mine"]["missing"]] == ["training"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit", "-1"], "--limit -1 must be at least 1"),
        (["--parts", "tasks"], "--parts tasks needs --tasks"),
        (["--parts", "held-out", "--tasks", "arc_easy"], "--tasks is for the part tasks; add it to --parts"),
        (["--benchmark", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["--data", "arrt"], "arrt: no such file or folder; did you mean art?"),
        (["--json", "."], "--json . is a folder"),
        (["one={hf}", "one={hf}"], "two models are called one"),
        (["nowhere.pt"], "nowhere.pt does not exist"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: list[str], message: str, pair: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, errors = run(capsys, *(argument.format(hf=pair["model2"]) for argument in arguments))
    assert (code, printed, errors.count("\n")) == (2, "", 1)
    assert message in errors


def test_every_part_can_be_named() -> None:
    arguments = evaluate.parser().parse_args(["--parts", *PARTS, "--tasks", "arc_easy"])
    assert evaluate.settings_of(arguments).parts == PARTS


def test_data_too_few_to_hold_any_out_cost_those_parts_alone(
    pair: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("".join(f'{{"question": "Who was it, {n}?", "answer": "Number {n} was."}}\n' for n in range(3)))
    out = tmp_path / "evaluation.json"
    code, _, errors = run(capsys, *QUICK, "--data", str(few), "--json", str(out))
    assert code == 0, errors
    for model in json.loads(out.read_text())["models"].values():
        assert (model["held_out"], model["answers"]) == (None, None)
        assert model["knowledge"][0]["benchmark"] == "embedded"
        reasons = {entry["part"]: entry["reason"] for entry in model["missing"]}
        assert reasons["held-out"] == reasons["answers"]
        assert (
            "no sample is held out (about 2% of the questions of files are, and of the embedded corpus 3% of the"
            in (reasons["held-out"])
        )
