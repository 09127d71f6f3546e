"""Each tracker, the real one, has the measurements of a run afterwards: read back from its own files."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.training.tiny_run import OPTIONS, tiny_trainer
from training.common.options import OptionsError
from training.reporting.report import read_metrics
from training.reporting.tracking import tracking, tracking_problems

Row = dict[str, Any]
ANSWER = {"What is art?": "Art."}


def tracked_run(name: str, folder: Path) -> list[Row]:
    """The rows of ``metrics.jsonl`` of a short run that reports to ``name``."""
    run = tiny_trainer(folder, replace(OPTIONS, max_steps=12), answers=lambda: ANSWER)
    with tracking(name, folder / "my_model", {"seed": 1}) as listener:
        run.metrics.listener = listener
        run.run()
    return read_metrics(folder / "metrics.jsonl")


def values(rows: list[Row], key: str) -> list[tuple[int, float]]:
    """What a key was at each step."""
    found = [(row["step"], row[key]) for row in rows if key in row]
    assert len(found) >= 2
    return found


def test_a_tracker_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("none", "trackio", "tensorboard", "wandb"):
        assert tracking_problems(name, Path("out")) == []
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert "pip install wandb" in tracking_problems("wandb", Path("out"))[0]


def test_trackio_gets_the_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    written = tracked_run("trackio", tmp_path)
    (database,) = (tmp_path / "trackio").glob("*.db")
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT step, metrics FROM metrics ORDER BY step")
        logged = [{"step": step} | json.loads(metrics) for step, metrics in rows]
    for key in ("loss", "val_loss"):
        assert values(logged, key) == values(written, key)


def test_tensorboard_gets_the_measurements_and_the_answers(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator

    written = tracked_run("tensorboard", tmp_path)
    events = EventAccumulator(str(tmp_path / "my_model" / "logs"), {TENSORS: 0})
    events.Reload()
    for key in ("loss", "val_loss", "learning_rate"):
        logged = [(event.step, event.value) for event in events.Scalars(key)]
        assert logged == [(step, pytest.approx(value)) for step, value in values(written, key)]
    (tag,) = events.Tags()["tensors"]
    assert tag.startswith("What is art?")
    assert [event.tensor_proto.string_val[0] for event in events.Tensors(tag)] == [b"Art."] * 3


def test_wandb_gets_the_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    for name, value in {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_CONSOLE": "off"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    written = tracked_run("wandb", tmp_path)
    wandb.teardown()  # as when the process ends: its service writes the file to the end
    (file,) = (tmp_path / "my_model" / "wandb").glob("offline-run-*/run-*.wandb")
    logged = list(wandb_history(file))
    for key in ("loss", "val_loss"):
        assert values(logged, key) == values(written, key)


def wandb_history(file: Path) -> Iterator[Row]:
    """The logged rows in W&B's file of a run: LevelDB's log format after seven bytes, its records in protobuf.

    https://github.com/google/leveldb/blob/main/doc/log_format.md; a file of one block (32 KiB) is enough here.
    """
    from wandb.proto import wandb_internal_pb2

    content = file.read_bytes()
    assert len(content) < 32768
    place, payload = 7, b""
    while place + 7 <= len(content):
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        payload += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record.FromString(payload)
            payload = b""
            if record.HasField("history"):
                items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
                yield {"step": record.history.step.num} | items


def test_a_tracker_that_does_not_start_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "nonsense")
    words = r"(?s)report_to=wandb does not start: .*; set WANDB_MODE=offline or leave report_to out"
    with pytest.raises(OptionsError, match=words), tracking("wandb", tmp_path, {}):
        pass


@pytest.mark.parametrize("fault", [RuntimeError("no network"), OSError(28, "No space left on device"), SystemExit(1)])
@pytest.mark.parametrize("call", ["init", "log", "finish"])
def test_no_call_of_a_tracker_costs_the_run(
    call: str, fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*given: Any, **named: Any) -> None:
        raise fault

    does_nothing = {name: lambda *given, **named: None for name in ("init", "log", "finish")}
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(**does_nothing | {call: broken}))
    if call == "init":
        with pytest.raises(OptionsError, match=r"report_to=wandb does not start: .*; set WANDB_MODE=offline"):
            tracked_run("wandb", tmp_path)
        return
    rows = tracked_run("wandb", tmp_path)
    assert rows[-1]["step"] == 12
    said = capsys.readouterr().err
    assert said.count("\n") == 1, "told once, not at each step"
    assert ("the tracker gets no more measurements" if call == "log" else "may lack the last measurements") in said


@pytest.mark.parametrize("call", ["__init__", "add_scalar", "add_text", "close"])
def test_no_call_of_tensorboard_costs_the_run(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*given: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"torch.utils.tensorboard.SummaryWriter.{call}", broken)
    if call == "__init__":
        with pytest.raises(OptionsError, match=r"report_to=tensorboard does not start: .*; leave report_to out"):
            tracked_run("tensorboard", tmp_path)
        return
    assert tracked_run("tensorboard", tmp_path)[-1]["step"] == 12
    assert capsys.readouterr().err.count("\n") == 1
