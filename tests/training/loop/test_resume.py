"""A run that goes on is the run that never stopped; what is on the disk is whole whatever happens."""

from __future__ import annotations

import errno
import json
import math
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.trained import ROOT
from tests.training.tiny_run import OPTIONS, TARGET, Watched, run_with_stops, saved_run, tiny_trainer
from training.common.cli import Stopped
from training.common.files import replace as replace_file
from training.loop.plan import disk_problems
from training.loop.resume import Interruption, StateError, TrainingStates, differences
from training.reporting.report import read_metrics
from training.settings.common import RENAMED

SAVING = replace(OPTIONS, max_steps=24, save_seconds=None)
CLOCKS = ("seconds", "tokens_per_second")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(SAVING, id="muon"),
        pytest.param(replace(SAVING, muon_every=2), id="muon at every second step"),
        pytest.param(replace(SAVING, optimizer="adamw", micro_batch_size=3, schedule="wsd"), id="adamw, wsd, slices"),
        pytest.param(
            replace(SAVING, learning_rate=0.0, adamw_learning_rate=0.0, evaluations=8, patience=3), id="patience"
        ),
        pytest.param(replace(TARGET, save_seconds=None), id="target"),
        pytest.param(replace(TARGET, save_seconds=None, fall_within=4.0), id="target, missed at first"),
    ],
)
def test_a_run_that_goes_on_is_the_one_that_never_stopped(tmp_path: Path, options: Any) -> None:
    """Bit for bit: weights, metrics and order of the data, with dropout, over the ends of epochs and into patience."""
    whole, outcome = run_with_stops(tmp_path / "whole", options, ())
    falls_from = outcome.decided.falls_from  # the second stop is after that
    parts, again = run_with_stops(tmp_path / "parts", options, (5, 7 if falls_from is None else falls_from + 3))
    assert whole.batches.epoch == parts.batches.epoch
    assert whole.batches.epoch >= 1
    for (name, expected), found in zip(whole.model.named_parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(expected, found), name
    rows = [
        [{k: v for k, v in row.items() if k not in CLOCKS} for row in read_metrics(tmp_path / run / "metrics.jsonl")]
        for run in ("whole", "parts")
    ]
    assert rows[0] == rows[1]
    for found in (again, outcome):
        found.decided.looks = [look._replace(seconds=0.0) for look in found.decided.looks]
    assert replace(again, seconds=0, wall_seconds=0) == replace(outcome, seconds=0, wall_seconds=0)
    expected = "target" if options.target_bits_per_byte else "patience" if options.learning_rate == 0 else "steps"
    assert outcome.stopped == expected


def test_a_run_that_was_begun_under_the_old_names_of_settings_goes_on(tmp_path: Path) -> None:
    stopped = saved_run(tmp_path / "old", SAVING, Watched(lambda step: signal.raise_signal(2) if step == 7 else None))
    with pytest.raises(Stopped):
        stopped.run()
    path = tmp_path / "old" / "resume" / "run.json"
    config = json.loads(path.read_text()) | {"data": ["core"]}
    old = {now: before for before, now in RENAMED.items()}
    path.write_text(json.dumps({old.get(key, key): value for key, value in config.items()}))
    assert set(RENAMED) <= set(json.loads(path.read_text()))
    again = saved_run(tmp_path / "old", SAVING)
    assert again.outcome.steps == 7
    assert again.states is not None
    changed = TrainingStates(tmp_path / "old", config | {"seq_len": config["seq_len"] + 1})
    assert f"seq_len was {config['seq_len']} and is {config['seq_len'] + 1}" in changed.problems("resume")[0]
    assert again.run().steps == 24


def test_a_run_that_time_ended_before_its_target_goes_on_with_as_much_again(tmp_path: Path) -> None:
    options = replace(TARGET, max_seconds=30.0, target_bits_per_byte=0.02)
    saved: list[list[int]] = []
    for _ in range(8):
        run = saved_run(tmp_path, options)
        run._wall_seconds = lambda started, run=run: float(run.outcome.steps)  # type: ignore[method-assign, misc]
        before = run.outcome.steps
        outcome = run.run()
        assert run.states is not None
        if outcome.stopped == "target":
            break
        assert outcome.stopped == "time"
        assert outcome.steps == before + 30, "a new limit of seconds"
        assert run.states.steps()[-1] == outcome.steps
        assert outcome.best["held out"].bits_per_byte > 0.02
        saved.append(run.states.steps())
    assert outcome.stopped == "target"
    assert saved


def test_a_full_disk_at_the_end_of_the_time_costs_no_result(tmp_path: Path) -> None:
    said: list[str] = []
    kept: list[int] = []
    run = saved_run(tmp_path, replace(TARGET, max_seconds=1e-3, save_seconds=None))
    run.progress.say = said.append  # type: ignore[method-assign]
    run.on_best = lambda step, scores: kept.append(step)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        outcome = run.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (outcome.stopped, kept) == ("time", [1])
    assert any("the state of step 1 cannot be written" in line for line in said)


def test_a_killed_run_loses_no_more_than_the_steps_since_it_was_saved(tmp_path: Path) -> None:
    """SIGKILL at 20 random moments of a run that saves every second step; then it ends as if nothing had happened."""
    command = [sys.executable, "-m", "tests.training.killed_run", str(tmp_path), "20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unreadable"] == []
    assert max(found["lost"]) <= 2
    assert found["saved"] == sorted(found["saved"])
    assert found["saved"][-1] > 0
    assert found["steps"] == [80, 80]
    assert found["equal"]


def test_a_full_disk_is_one_line_and_the_older_state_is_whole(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(step: int) -> None:
        if step == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    run = saved_run(tmp_path, replace(SAVING, save_steps=2), Watched(fill))
    try:
        with pytest.raises(StateError, match=r"step 4 cannot .*: File too large; the state of step 2 is whole"):
            run.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (tmp_path / "resume").iterdir() if path.is_dir()] == ["step-00000002"]
    assert saved_run(tmp_path, replace(SAVING, save_steps=2)).run().steps == 24


@pytest.mark.parametrize(("step", "saved"), [(8, 6), (24, 22)], ids=["the best", "the last"])
def test_weights_that_a_full_disk_refuses_are_one_line_too(tmp_path: Path, step: int, saved: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def keep(step: int, scores: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        torch.save(run.model.state_dict(), tmp_path / "best.pt")

    run = saved_run(tmp_path, replace(SAVING, save_steps=2))
    run.on_best = keep
    if step == 24:
        run.held_out = {}
    try:
        with pytest.raises(StateError, match=rf"the weights of step {step} cannot be written: .*go on with --resume"):
            run.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.states is not None
    assert run.states.steps()[-1] == saved


def test_weights_that_a_full_disk_refuses_to_a_run_that_goes_on_are_one_line_too(tmp_path: Path) -> None:
    def keep(step: int, scores: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = tiny_trainer(tmp_path, SAVING)
    run.outcome.best_step = 0
    state = run.state()
    again = tiny_trainer(tmp_path, SAVING)
    again.on_best = keep
    with pytest.raises(StateError, match=r"the weights of step 0 cannot be written: .*go on with --resume"):
        again.restore(state)


def test_weights_that_cannot_be_written_leave_a_state_to_go_on_from(tmp_path: Path) -> None:
    """Also where the run was too short to save any before."""

    def keep(step: int, scores: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = saved_run(tmp_path, SAVING)
    run.on_best = keep
    with pytest.raises(StateError, match=r"weights of step 8 cannot be written: .*; make room and go on with --resume"):
        run.run()
    again = saved_run(tmp_path, SAVING)
    assert again.outcome.steps == 8
    assert again.run().steps == 24


def test_a_base_is_known_by_its_files_and_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    before = {"base": "base", "base_files": {"config.json": "1", "tokenizer.json": "2"}}
    for same in ("base/", "./base", str(tmp_path / "base")):
        assert differences(before, before | {"base": same}) == []
    now = before | {"base_files": {"config.json": "3", "tokenizer.json": "2", "added_tokens.json": "4"}}
    changed = ["added_tokens.json of the base base has changed since", "config.json of the base base has changed since"]
    assert differences(before, now) == changed
    assert differences(before, now | {"base": "gpt2"}) == ["base was base and is gpt2"]
    assert differences({"base": "base"}, now) == [], "of a version that noted none"


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    run = saved_run(tmp_path, replace(SAVING, save_steps=1, keep_checkpoints=3))
    run.outcome.best_step = 2  # as if no later score had been better
    run.held_out = {}
    run.run()
    assert run.states is not None
    assert run.states.steps() == [2, 21, 22, 23]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_while_a_state_is_saved_again_leaves_one_of_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """At a stop the step that was just saved is saved once more; its only state was removed before that."""
    states = TrainingStates(tmp_path, {"data": ["core"]})
    states.save(4, {"weights": {}, "seen": 1})
    done = []

    def killed(source: Path, target: Path) -> None:
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(target)
        replace_file(source, target)

    def killed_after(file: Path) -> None:
        if file.parent.suffix == ".aside" and file.is_file():
            raise KeyboardInterrupt
        file.unlink(missing_ok=True)

    monkeypatch.setattr("training.loop.resume.replace", killed)
    monkeypatch.setattr("training.loop.resume.unlink", killed_after)
    with pytest.raises(KeyboardInterrupt):
        states.save(4, {"weights": {}, "seen": 2})
    monkeypatch.undo()
    again = TrainingStates(tmp_path, {"data": ["core"]})
    assert again.steps() == [4]
    assert again.problems("resume") == []
    state = again.newest()
    assert state is not None
    assert state["seen"] == (2 if renames == 2 else 1)
    again.save(4, {"weights": {}, "seen": 3})
    assert [path.name for path in again.folder.glob("step-*")] == ["step-00000004"]


def test_a_state_that_was_set_aside_goes_with_the_one_that_took_its_place(tmp_path: Path) -> None:
    states = TrainingStates(tmp_path, {"data": ["core"]})
    states.save(4, {"weights": {}})
    aside = states.path(4).with_suffix(".aside")
    aside.mkdir()
    (aside / "state.pt").write_bytes((states.path(4) / "state.pt").read_bytes())
    states.remove()
    assert not states.folder.exists()


def test_a_damaged_state_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    states = TrainingStates(tmp_path, {})
    for step in (3, 6):
        states.save(step, {"step": step, "weights": torch.arange(1000)})
    newest = states.path(6) / "state.pt"
    newest.write_bytes(newest.read_bytes()[:-500])
    state = states.newest()
    assert state is not None
    assert state["step"] == 3
    assert "step-00000006 cannot be read" in capsys.readouterr().err
    (states.path(3) / "state.pt").write_bytes(b"")
    with pytest.raises(StateError, match="--restart"):
        states.newest()


def test_a_state_of_weights_that_are_no_numbers_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remedy after a loss that is no number is to go on with a lower rate: from there it would be none again."""
    states = TrainingStates(tmp_path, {})
    for step, number in ((1, 0.5), (2, math.inf)):
        states.save(step, {"step": step, "weights": {"w": torch.full((2, 2), number)}})
    assert (states.newest() or {})["step"] == 1
    assert "step-00000002: its weight w holds what is no number" in capsys.readouterr().err


def test_a_state_is_read_into_memory_where_no_mapped_file_can_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows a run that went on would end where it removes the state that it went on from."""
    monkeypatch.setattr("training.loop.resume.MAPPED", False)
    states = TrainingStates(tmp_path, {})
    states.save(3, {"weights": torch.arange(100_000)})
    state = states.newest()
    assert state is not None
    mapped = [file.path for file in psutil.Process().memory_maps()]
    assert str(states.path(3) / "state.pt") not in mapped
    monkeypatch.undo()
    state = states.newest()
    mapped = [file.path for file in psutil.Process().memory_maps()]
    assert str(states.path(3) / "state.pt") in mapped, "this is how it would be seen"


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "harm",)

    states = TrainingStates(tmp_path, {})
    states.save(1, {"weights": Harmful()})
    with pytest.raises(StateError, match="no state"):
        states.newest()
    assert not (tmp_path / "harm").exists()


def test_other_data_are_refused(tmp_path: Path) -> None:
    run = saved_run(tmp_path, replace(SAVING, save_steps=5, max_steps=6))
    run.run()
    state = TrainingStates(tmp_path, {}).newest()
    assert state is not None
    run.batches.documents.tokens[7] += 1
    del run.fingerprint
    with pytest.raises(StateError, match="the data, their tokens or the base differ"):
        run.restore(state)


def test_how_a_command_may_start(tmp_path: Path) -> None:
    config = {"dim": 8, "learning_rate": 0.1, "data": ["core"]}
    states = TrainingStates(tmp_path, config)
    assert states.problems("new") == states.problems("resume") == []
    states.save(40, {})
    assert states.problems("resume") == states.problems("restart") == []
    assert "saved at step 40; add --resume to go on with it, --restart" in states.problems("new")[0]
    changed = TrainingStates(tmp_path, {"dim": 9, "learning_rate": 0.05, "data": ["art"]})
    (problem,) = changed.problems("resume")
    assert "dim was 8 and is 9, data was ['core'] and is ['art']" in problem
    assert "learning_rate" not in problem
    assert differences({}, config) == []


@pytest.mark.parametrize("held", ["", "x", "[]", "null", '"a"', "5", '{"data": 5}', '{"data": null}', None])
def test_settings_that_cannot_be_read_are_no_reason_to_go_on_with_any(held: str | None, tmp_path: Path) -> None:
    states = TrainingStates(tmp_path, {"dim": 8, "data": ["core"]})
    states.save(40, {})
    place = tmp_path / "resume" / "run.json"
    if held is None:
        place.unlink()
    else:
        place.write_text(held)
    for start in ("resume", "new", "restart")[: 1 if held is None else 3]:
        (problem,) = states.problems(start)
        assert "run.json" in problem
    if held is None:
        assert "run.json is gone, which says with which settings the run was started; put it back" in problem


def test_a_file_where_the_states_would_lie_is_told_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "resume").write_text("mine")
    for start in ("new", "resume", "restart"):
        (problem,) = TrainingStates(tmp_path, {}).problems(start)
        assert f"{tmp_path} holds resume, which was not written here" in problem


@pytest.mark.parametrize(
    "report", [{}, {"config": 5}, {"config": None}, {"model": 5, "config": {"data": 5}}, {"config": {}, "written": 5}]
)
def test_a_report_that_somebody_has_changed_is_of_no_finished_run(report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "training_report.json").write_text(json.dumps(report))
    assert TrainingStates(tmp_path, {"data": ["core"]}).finished("key") is None


def test_too_little_disk_is_told(tmp_path: Path) -> None:
    assert disk_problems(tmp_path / "not" / "there", 1) == []
    (problem,) = disk_problems(tmp_path / "not" / "there", 1e18)
    assert "writes up to 1000000000.0 GB" in problem
    assert "--set keep_checkpoints=1" in problem


def test_an_interruption_waits_once(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & ignores Ctrl-C
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGINT)
            assert interruption.number == signal.SIGINT
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
