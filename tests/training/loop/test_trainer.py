"""The loop: it learns, accumulates by valid tokens, stops when it should, and measures without smoothing."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.tiny_run import OPTIONS, TARGET, Watched, saved_run, tiny_trainer
from training.common.config import add_settings
from training.common.progress import Progress
from training.common.score import Score
from training.data.documents import Documents
from training.data.packing import Batch
from training.hardware.compute import Compute
from training.loop.compilation import choose_compilation, measure
from training.loop.course import warmup_stable_decay
from training.loop.learning_rate_finder import find_learning_rate
from training.loop.trainer import MAX_SKIPPED, Trainer, TrainingError
from training.reporting.report import read_metrics
from training.settings.common import TrainingOptions
from training.settings.improve import ImproveOptions


def trainer(tmp_path: Path, options: TrainingOptions = OPTIONS) -> tuple[Trainer, list[int]]:
    saved: list[int] = []
    return tiny_trainer(tmp_path, options, on_best=lambda step, scores: saved.append(step)), saved


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_it_learns_and_keeps_the_best(tmp_path: Path, optimizer: str) -> None:
    loop, saved = trainer(tmp_path, replace(OPTIONS, optimizer=optimizer))
    before = loop.score(loop.held_out["held out"]).loss
    outcome = loop.run()
    assert outcome.steps == 60
    assert outcome.scores["held out"].loss < 0.3 * before
    assert saved == [20, 40, 60]
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows if "val_loss" in row] == saved


def test_micro_batches_change_nothing(tmp_path: Path) -> None:
    """Each micro-batch weighs by its labels, so 8 rows at once and 3 + 3 + 2 rows are the same step."""
    losses = []
    for rows in (8, 3):
        loop, _ = trainer(tmp_path, replace(OPTIONS, micro_batch_size=rows))
        losses.append([loop.step(next(loop.batches)) for _ in range(5)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    runs = [trainer(tmp_path)[0].run().scores["held out"].nats for _ in range(2)]
    assert runs[0] == runs[1]


def test_smoothing_is_for_training_only(tmp_path: Path) -> None:
    plain, _ = trainer(tmp_path)
    smoothed, _ = trainer(tmp_path, replace(OPTIONS, label_smoothing=0.3))
    held_out = plain.held_out["held out"]
    assert plain.score(held_out) == smoothed.score(held_out)
    assert plain.step(next(plain.batches)) != smoothed.step(next(smoothed.batches))


def help_of(setting: str, options: Any = OPTIONS) -> str:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawTextHelpFormatter)
    add_settings(parser, options, "defaults")
    return next(action.help or "" for action in parser._actions if f"--{setting}" in action.option_strings)


def test_max_steps_takes_the_place_of_epochs_whichever_is_more(tmp_path: Path) -> None:
    """As in Transformers, whose users know the name."""
    an_epoch = tiny_trainer(tmp_path, replace(OPTIONS, max_steps=None)).max_steps
    assert tiny_trainer(tmp_path, replace(OPTIONS, max_steps=None, epochs=2.0)).max_steps == 2 * an_epoch
    for steps in (an_epoch // 3, 3 * an_epoch):
        outcome = tiny_trainer(tmp_path, replace(OPTIONS, max_steps=steps)).run()
        assert (outcome.steps, outcome.stopped) == (steps, "steps")
        assert outcome.epochs == pytest.approx(steps / an_epoch, rel=0.25)
    improve = ImproveOptions(batch_size=10, micro_batch_size=10, epochs=2.0)
    assert [replace(improve, max_steps=steps).steps(95) for steps in (None, 3, 300)] == [20, 3, 300]
    for options in (OPTIONS, improve):
        assert help_of("max-steps", options).startswith("Optimizer steps in place of epochs, be they fewer or more")
        assert "where max_steps says no steps" in help_of("epochs", options)


@pytest.mark.parametrize(("steps", "asked", "scored"), [(60, 3, 3), (60, 50, 6), (20, 50, 4), (20, 2, 2), (2, 50, 2)])
def test_a_run_is_scored_as_often_as_asked_and_at_most_every_ten_steps(
    steps: int, asked: int, scored: int, tmp_path: Path
) -> None:
    options = replace(OPTIONS, max_steps=steps, evaluations=asked, patience=99)
    assert tiny_trainer(tmp_path, options).run().evaluations == scored
    assert "at most every ten steps" in help_of("evaluations")


def test_the_seconds_of_a_run_are_its_limit_with_the_last_scoring_on_top(tmp_path: Path) -> None:
    seen: list[float] = []
    run = tiny_trainer(
        tmp_path, replace(OPTIONS, max_steps=100_000, max_seconds=1.0, evaluations=1),
        progress=Watched(lambda step: seen.append(run.outcome.wall_seconds)),
    )  # fmt: skip
    outcome = run.run()
    longest = max(after - before for before, after in pairwise([0.0, *seen]))
    assert outcome.stopped == "time"
    assert seen[-2] < 1 <= seen[-1] < 1 + longest + 0.1
    assert "at most, the last scoring aside" in help_of("max-seconds")


def test_time_and_patience_end_a_run(tmp_path: Path) -> None:
    loop, _ = trainer(tmp_path, replace(OPTIONS, max_seconds=1e-3))
    assert loop.run().stopped == "time"
    loop, saved = trainer(tmp_path, replace(OPTIONS, learning_rate=0.0, adamw_learning_rate=0.0, patience=1))
    assert loop.run().stopped == "patience"
    assert saved == [20]


def test_a_run_ends_at_its_target_with_a_rate_that_has_fallen(tmp_path: Path) -> None:
    saved: list[int] = []
    run = tiny_trainer(tmp_path, TARGET, on_best=lambda step, scores: saved.append(step))
    outcome = run.run()
    assert outcome.stopped == "target"
    assert outcome.steps < 0.25 * outcome.planned_steps == 0.25 * 400
    assert saved[-1] == outcome.steps
    assert run.score(run.held_out["held out"]).bits_per_byte == outcome.scores["held out"].bits_per_byte <= 0.1
    falls_from = outcome.decided.falls_from
    assert falls_from is not None
    rates = {row["step"]: row["learning_rate"] for row in read_metrics(tmp_path / "metrics.jsonl") if "loss" in row}
    assert rates[falls_from // 10 * 10] == TARGET.learning_rate
    assert run.optimizers[-1].param_groups[0]["lr"] < 0.35 * TARGET.learning_rate


def test_where_a_run_may_end_all_of_the_first_kind_is_looked_at_and_not_scored_again(tmp_path: Path) -> None:
    run = tiny_trainer(tmp_path, TARGET)
    scored: list[tuple[int, int]] = []
    score = run.score
    run.score = lambda documents: scored.append((run.outcome.steps, len(documents))) or score(documents)
    outcome = run.run()
    falls_from, every = outcome.decided.falls_from, len(run.held_out["held out"])
    assert outcome.stopped == "target"
    assert falls_from is not None
    assert every > TARGET.look_samples
    for step, samples in scored:
        assert samples == (every if run.course.is_fall_half_over(step) else TARGET.look_samples)
    assert [step for step, _ in scored].count(outcome.steps) == 1
    samples = [row["samples"] for row in read_metrics(tmp_path / "metrics.jsonl") if "samples" in row]
    assert samples == [samples for _, samples in scored]


def test_a_target_that_is_not_reached_leaves_the_end_to_steps_and_time(tmp_path: Path) -> None:
    never = replace(TARGET, target_bits_per_byte=1e-6, max_steps=40)
    outcome = tiny_trainer(tmp_path, never).run()
    assert (outcome.stopped, outcome.steps) == ("steps", 40)
    assert outcome.best_step == 40, "all held-out samples were scored at the end"
    outcome = tiny_trainer(tmp_path, replace(never, max_seconds=1e-3)).run()
    assert (outcome.stopped, outcome.steps) == ("time", 1)


def test_the_progress_file_has_the_scores_and_the_latest_answer(tmp_path: Path) -> None:
    path, asked = tmp_path / "progress.json", iter(range(1000))
    with Progress(path) as progress:
        run = tiny_trainer(
            tmp_path,
            replace(TARGET, max_seconds=600.0),
            progress=progress,
            answers=lambda: {"What is art?": f"Art {next(asked)}.", "Who?": "Nobody."},
        )
        outcome = run.run()
    state = json.loads(path.read_text())
    assert [look[1] for look in state["looks"]] == [look.bits_per_byte for look in outcome.decided.looks]
    assert state["looks"][0][0] == 0.0
    assert state["looks"][0][1] > 2 * state["looks"][-1][1]
    assert (state["target"], state["question"]) == (0.1, "What is art?")
    assert state["answer"] == f"Art {next(asked) - 1}."
    assert 0 < state["seconds_left"] <= state["seconds_at_most"] < 600


def test_nobody_to_tell_does_not_end_a_run(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with Progress(tmp_path / "a file" / "progress.json") as progress:
        assert tiny_trainer(tmp_path, replace(OPTIONS, max_steps=3), progress=progress).run().steps == 3


def test_a_loss_that_is_no_number_stops_with_a_remedy_and_leaves_the_last_state(tmp_path: Path) -> None:
    def spoil(step: int) -> None:
        if step == 12:
            with torch.no_grad():
                run.model.norm.weight.fill_(float("nan"))

    options = replace(OPTIONS, save_steps=5)
    run = saved_run(tmp_path, options, Watched(spoil))
    lower = "became nan at step 13, with learning_rate=0.005 and max_grad_norm=1.0; lower learning_rate .* step 10 .*"
    with pytest.raises(TrainingError, match=f"{lower}--resume"):
        run.run()
    again = saved_run(tmp_path, replace(options, learning_rate=0.001, adamw_learning_rate=0.002, max_steps=15))
    assert again.outcome.steps == 10
    assert again.run().steps == 15
    assert [group["peak_lr"] for optimizer in again.optimizers for group in optimizer.param_groups][-1] == 0.001


def test_a_run_whose_held_out_loss_never_is_a_number_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    """The weights that lay in the folder from another run were exported with this one's report."""
    options = replace(OPTIONS, max_steps=1, warmup=0, optimizer="adamw", learning_rate=1e38, adamw_learning_rate=1e38)
    loop, saved = trainer(tmp_path, options)
    with pytest.raises(TrainingError, match=r"no number after 1 steps .* no weights are kept; lower it"):
        loop.run()
    assert saved == []


def test_an_overflow_in_fp16_leaves_steps_out_until_the_scale_fits(tmp_path: Path) -> None:
    fp16 = Compute(torch.device("cpu"), torch.float16, "for the test")
    run = tiny_trainer(tmp_path, replace(OPTIONS, max_steps=12), compute=fp16)
    run.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**21)
    weights = run.model.norm.weight.detach().clone()
    run.step(next(run.batches))
    assert run.outcome.skipped == run.outcome.skipped_in_a_row == 1
    assert run.model.norm.weight.equal(weights)
    outcome = run.run()
    assert 1 <= outcome.skipped < 12
    assert outcome.skipped_in_a_row == 0
    assert not run.model.norm.weight.equal(weights)
    run.outcome.skipped_in_a_row = MAX_SKIPPED
    run.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**60)
    with pytest.raises(TrainingError, match="use dtype=bf16 or fp32"):
        run.step(next(run.batches))


def test_warm_up_stable_decay() -> None:
    course = [warmup_stable_decay(done, warmup=0.1, decay=0.2, floor=0.1) for done in (0.05, 0.1, 0.5, 0.8, 0.85, 1.0)]
    assert course == pytest.approx([0.5, 1, 1, 1, 0.55, 0.1])


def test_the_finder_suggests_a_rate_that_learns(tmp_path: Path) -> None:
    """From a rate that is far too low it finds one that learns, and draws how."""
    far_too_low = replace(OPTIONS, learning_rate=2e-4, adamw_learning_rate=1e-4)
    told = find_learning_rate(trainer(tmp_path, far_too_low)[0], tmp_path)
    suggested = float(told.split("--set learning_rate=")[1].split()[0])
    assert 1e-3 < suggested < 2e-2
    adamw = float(told.split("--set adamw_learning_rate=")[1].split()[0])
    assert adamw == pytest.approx(suggested / 2, rel=0.05)
    assert (tmp_path / "learning_rate.png").stat().st_size > 5000


def test_sample_answers_stand_beside_the_scores(tmp_path: Path) -> None:
    asked = replace(OPTIONS, max_steps=6)
    tiny_trainer(tmp_path, asked, answers=lambda: {"What is art?": "Art."}).run()
    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "val_loss" in row]
    assert [row["answers"] for row in rows] == [{"What is art?": "Art."}] * 3


def test_measuring_a_step_changes_nothing(tmp_path: Path) -> None:
    """Whether to compile is decided by a measurement, before which and after which the run is the same."""
    plain, measured = tiny_trainer(tmp_path, dropout=0.1), tiny_trainer(tmp_path, dropout=0.1)
    for run in (plain, measured):
        torch.manual_seed(3)
        if run is measured:
            assert measure(run) > 0
        run.step(next(run.batches))
    for expected, found in zip(plain.model.parameters(), measured.model.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_compiled_layers_learn_the_same(tmp_path: Path) -> None:
    plain, compiled = (trainer(tmp_path, replace(OPTIONS, compile=choice))[0] for choice in ("false", "true"))
    choose_compilation(compiled, backend="aot_eager")  # the default takes a minute for its C++ compiler
    assert all(layer._compiled_call_impl is not None for layer in compiled.model.layers)
    losses = [[run.step(next(run.batches)) for _ in range(3)] for run in (plain, compiled)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_short_runs_are_not_compiled(tmp_path: Path) -> None:
    run, _ = trainer(tmp_path, replace(OPTIONS, compile="auto"))
    choose_compilation(run)
    assert all(layer._compiled_call_impl is None for layer in run.model.layers)


def test_bits_per_byte_by_hand(tmp_path: Path) -> None:
    loop, _ = trainer(tmp_path)
    documents = Documents.from_spans([[([5, 6, 7], True)]], [9])
    logits = loop.model(torch.tensor([[5, 6]]))[0].log_softmax(-1)
    nats = -float((logits[0, 6] + logits[1, 7]).detach())
    expected = Score(nats, 2, 9)
    found = loop.score(documents)
    assert found.nats == pytest.approx(nats, rel=1e-4)
    assert found.bits_per_byte == pytest.approx(expected.nats / np.log(2) / 9, rel=1e-4)
    assert found.tokens == 2


def test_empty_places_do_not_count(tmp_path: Path) -> None:
    loop, _ = trainer(tmp_path)
    batch = next(loop.batches)
    noisy = Batch(torch.where(batch.documents < 0, 50, batch.tokens), batch.labels, batch.documents)
    loop.model.eval()
    assert float(loop._loss_sum(batch)) == pytest.approx(float(loop._loss_sum(noisy)), rel=1e-6)
