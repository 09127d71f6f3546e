"""What comes beside a trained model may fail, each part by itself, and never costs the run."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trained import ROOT
from tests.training.test_writing_commands import SMALL
from tests.training.tiny_run import OPTIONS, tiny_trainer
from training import train_art_ai_model
from training.common.cli import contained
from training.hardware.energy import Energy, EnergyUse
from training.loop.resume import TrainingStates
from training.reporting.report import Metrics, read_metrics
from training.reporting.tracking import tracking


@pytest.fixture
def quiz(tmp_path: Path) -> str:
    rows = [{"question": f"Who made work {n}?", "answer": f"Degas made it in 1{n:03}."} for n in range(300)]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path / "quiz.jsonl")


DUPLICATE_KEY = "[codecarbon]\nlog_level=error\nlog_level=error\n"


def test_a_notebooks_backend_no_home_and_a_broken_meter_cost_nothing(quiz: str, tmp_path: Path) -> None:
    """The real command, from a folder with a configuration that codecarbon cannot read, in Jupyter's environment."""
    (tmp_path / ".codecarbon.config").write_text(DUPLICATE_KEY)
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    environment |= {
        "MPLBACKEND": "module://matplotlib_inline.no_such_backend",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    command = [sys.executable, str(ROOT / "training" / "train_art_ai_model.py"), "--data", quiz, "--out", "out"]
    command += ["--max-steps", "2", "--set", "save_steps=1", *SMALL]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert "energy is not recorded: " in done.stderr
    report = json.loads((tmp_path / "out" / "training_report.json").read_text())
    assert (report["energy_kwh"], report["co2_kg"], report["energy_source"]) == (None, None, None)
    assert report["written"] == {name: name for name in ("hf", "model.gguf", "training_curves.png")}
    assert (tmp_path / "out" / "training_curves.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "README.md").is_file()


def fail(*arguments: Any, **more: Any) -> None:
    raise RuntimeError("of the library")


def test_each_part_beside_the_model_may_fail(
    quiz: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for what in (
        "training.runs.model1.export_gguf",
        "training.train_art_ai_model.complete",
        "training.runs.command.draw_curves",
        "training.runs.command.write_cards",
        "torch.utils.tensorboard.SummaryWriter.add_scalar",
        "torch.utils.tensorboard.SummaryWriter.close",
        "codecarbon.OfflineEmissionsTracker.flush",
    ):
        monkeypatch.setattr(what, fail)
    out = tmp_path / "out"
    command = ["--data", quiz, "--out", str(out), "--max-steps", "2", "--set", "save_steps=1", *SMALL]
    assert train_art_ai_model.main([*command, "--report-to", "tensorboard"]) == 0
    report = json.loads((out / "training_report.json").read_text())
    assert report["energy_kwh"] is None
    assert report["written"] == {"hf": "hf", "model.gguf": None, "training_curves.png": None}
    assert (out / "art_ai_best.pt").is_file()
    assert {1, 2} <= {row["step"] for row in read_metrics(out / "metrics.jsonl")}
    said = capsys.readouterr().err
    for part in ("model.gguf", "training_curves.png", "README.md"):
        assert f"{part} is not written: of the library (RuntimeError)\n" in said
    assert said.count("the tracker gets no more measurements") == 1
    for part in ("TensorBoard's files may lack", "energy is not recorded", "the model's answers are not shown"):
        assert part in said


@pytest.mark.parametrize("method", ["__init__", "start", "flush", "stop"])
def test_a_meter_may_fail_at_any_time(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"codecarbon.OfflineEmissionsTracker.{method}", fail)
    states = TrainingStates(tmp_path, {"data": []})
    trainer = tiny_trainer(tmp_path, replace(OPTIONS, max_steps=4, save_steps=1), states=states)
    with trainer.energy.measure("GBR"):
        trainer.run()
    if method != "stop":
        assert trainer.energy_used == EnergyUse()
    assert states.steps() == [2, 3]


def test_a_meter_whose_constructor_swallows_its_fault_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As codecarbon's does: what it leaves lacks its parts."""
    monkeypatch.setattr("codecarbon.OfflineEmissionsTracker.__init__", lambda self, **more: None)
    energy = Energy()
    with energy.measure("GBR"):
        assert energy.so_far() == EnergyUse()
    assert energy.so_far() == EnergyUse()


def test_answers_that_fail_cost_no_evaluation(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, replace(OPTIONS, max_steps=4, evaluations=2), answers=fail)
    assert trainer.run().evaluations == 2


def test_what_fails_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def exits() -> None:
        raise SystemExit("on its\nown account")

    assert contained("no card", exits) is None
    assert capsys.readouterr().err == "no card: on its own account (SystemExit)\n"
    assert contained("no sum", sum, [1, 2]) == 3


def test_a_tracker_that_fails_once_is_asked_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tracking("none", tmp_path, {}) as nobody:
        assert nobody is None
    metrics = Metrics(tmp_path / "metrics.jsonl", listener=fail)
    for step in range(3):
        metrics.write(step=step)
    assert len(read_metrics(metrics.path)) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_what_would_be_made_of_an_older_model_is_not_written(
    quiz: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "out"
    command = ["--data", quiz, "--out", str(out), "--max-steps", "2", *SMALL]
    assert train_art_ai_model.main(command) == 0
    assert (out / "hf").is_dir()
    assert (out / "model.gguf").is_file()
    monkeypatch.setattr("training.runs.model1.export_hf", fail)
    assert train_art_ai_model.main([*command, "--set", "seed=2"]) == 0
    report = json.loads((out / "training_report.json").read_text())
    assert report["written"] == {"hf": None, "model.gguf": None, "training_curves.png": "training_curves.png"}
    assert not (out / "hf").exists()
    assert not (out / "model.gguf").exists()
    assert "model.gguf is not written: it is made of hf" in capsys.readouterr().err


def test_measurements_that_find_no_room_cost_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Metrics(tmp_path / "metrics.jsonl")
    metrics.write(step=1, loss=2.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (metrics.path.stat().st_size + 10, hard))  # room for half a row
    try:
        for step in (2, 3):
            metrics.write(step=step, loss=2.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    metrics.write(step=4, loss=1.0)
    assert read_metrics(metrics.path) == [{"step": 1, "loss": 2.0}, {"step": 4, "loss": 1.0}]
    assert capsys.readouterr().err == "metrics.jsonl lacks measurements: [Errno 27] File too large\n"
