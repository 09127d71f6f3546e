"""Short trainings of tiny models, by one process or by several: what ``torchrun`` starts in the tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.training.tiny_bases import save_tiny_base, tiny_model
from training import train_art_ai_model, train_model2_pretrained
from training.data.documents import Documents
from training.hardware.compute import Compute
from training.loop.distributed import DistributedTrainer, NoMetrics, Silence, World
from training.loop.resume import TrainingStates
from training.loop.trainer import Trainer
from training.models.fine_tuning import PackedCausalLM
from training.models.transformer import ModernTransformer
from training.settings.common import TrainingOptions

STEPS = 20
FP32 = Compute(torch.device("cpu"), torch.float32, "for the test")


def options(**changes: Any) -> TrainingOptions:
    """Seven rows a step: they divide neither between two processes nor into micro-batches of two."""
    settings: dict[str, Any] = {
        "max_steps": STEPS,
        "batch_size": 7,
        "micro_batch_size": 2,
        "seq_len": 32,
        "learning_rate": 5e-3,
        "max_grad_norm": 0.5,
        "evaluations": 2,
        "save_seconds": None,
        "compile": "false",
        "optimizer": "muon",
    }
    return TrainingOptions(**(settings | changes))


def documents(n: int, seed: int) -> Documents:
    rng = np.random.default_rng(seed)
    spans = [[(list(range(s, s + int(rng.integers(3, 20)))), bool(s % 5))] for s in rng.integers(10, 40, n)]
    return Documents.from_spans(spans, [4 * len(span[0][0]) for span in spans])


def make(kind: str, settings: TrainingOptions, world: World | None, states: Path | None = None) -> Trainer:
    torch.manual_seed(0)
    model: Any = ModernTransformer(64, 32, 2, 4, 2, 64, 32) if kind == "model1" else PackedCausalLM(tiny_llama())
    arguments = (model, documents(120, 0), {"held out": documents(30, 1)}, settings, FP32, 3)
    kept = TrainingStates(states, asdict(settings)) if states else None
    rest = (Silence(), NoMetrics(), lambda step, scores: None, kept)
    if world is None or world.size == 1:
        return Trainer(*arguments, *rest)
    return DistributedTrainer(*arguments, *rest, world=world)


def tiny_llama() -> Any:
    return tiny_model("llama", 64).train()


def steps(trainer: Trainer, n: int) -> list[float]:
    """Losses of ``n`` steps, which count as those of a run."""
    losses = []
    for _ in range(n):
        batch = next(trainer.batches)
        losses.append(trainer.step(batch))
        trainer.outcome.steps += 1
    return losses


def losses(kind: str, settings: TrainingOptions, world: World | None) -> list[float]:
    """The losses of all steps, and the held-out loss after them."""
    trainer = make(kind, settings, world)
    return [*steps(trainer, STEPS), trainer.score(trainer.held_out["held out"]).loss]


def halves(settings: TrainingOptions, world: World | None, folder: Path, which: str) -> list[float]:
    """The first half of a run, saved; or the second, from what was saved."""
    trainer = make("model1", settings, world, folder)
    if which == "first":
        found = steps(trainer, STEPS // 2)
        trainer.save()
        return found
    assert trainer.states is not None
    state = trainer.states.newest()
    assert state is not None
    trainer.restore(state)
    return steps(trainer, STEPS // 2)


def ended(world: World | None, folder: Path, fails: bool) -> list[int]:
    """The states of a run in shares, trained to its end, of which the first process then writes the model."""
    trainer = make("model1", options(parallel="fsdp"), world, folder)
    trainer.run()
    if world is None or world.is_first:
        with contextlib.suppress(OSError), trainer.kept_unless_written():
            if fails:
                raise OSError("no room")
    else:
        trainer.stand_by()
    assert trainer.states is not None
    return trainer.states.steps()


IN_COMMON = {
    "evaluations": 1,
    "sample_tokens": 0,
    "dtype": "fp32",
    "max_seconds": "none",
    "seq_len": 32,
    "batch_size": 5,
    "micro_batch_size": 2,
}
SMALL = {"dim": 32, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "ffn_dim": 32, "vocab_size": 300, "max_seq_len": 64}


def write_inputs(out: Path) -> None:
    """Questions to learn from, and a base to fine-tune."""
    rows = [{"question": f"Who made work {n}?", "answer": f"Degas made it in 1{n:03}."} for n in range(300)]
    (out / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    save_tiny_base("llama", out / "base")


def arguments(out: Path, run: str, max_steps: int, **settings: Any) -> list[str]:
    """Those of a training command, whose folder is ``run`` in ``out``."""
    values = (f"{key}={value}" for key, value in (IN_COMMON | settings).items())
    words = [word for value in values for word in ("--set", value)]
    return ["--data", str(out / "quiz.jsonl"), "--out", str(out / run), "--max-steps", str(max_steps), *words]


def model1_arguments(out: Path, run: str) -> list[str]:
    return arguments(out, run, 40, **SMALL, dropout=0.1, save_steps=2)


def model2_arguments(out: Path, run: str) -> list[str]:
    base = ["--base", str(out / "base")]
    return [*base, *arguments(out, run, 8, frozen=0, max_samples="none", learning_rate=0.01)]


def stop_at_5(progress: Silence, step: int, *values: Any, **more: Any) -> None:
    """In place of ``Silence.step``: in a process that shows nothing SIGTERM arrives, and in no other."""
    if step == 5:
        os.kill(os.getpid(), signal.SIGTERM)


def commands(out: Path) -> list[int]:
    """Both commands to their end, Model 1's also from where it was stopped, Model 2's stopped and resumed.

    Their exit codes.
    """
    show = Silence.step
    runs: list[tuple[Any, list[str], Any]] = [
        (train_art_ai_model, model1_arguments(out, "model1_whole"), show),
        (train_art_ai_model, [*model1_arguments(out, "model1_stopped"), "--resume"], show),
        (train_model2_pretrained, model2_arguments(out, "model2_whole"), show),
        (train_model2_pretrained, model2_arguments(out, "model2_stopped"), stop_at_5),
        (train_model2_pretrained, [*model2_arguments(out, "model2_stopped"), "--resume"], show),
    ]
    codes = []
    World.__exit__ = lambda *_: None  # type: ignore[method-assign, assignment] # the next one meets the same processes
    for command, words, step in runs:
        Silence.step = step  # type: ignore[method-assign]
        codes.append(command.main(words))
    return codes


def main() -> None:
    """Everything that two processes have to show, in one start; the first writes what it found."""
    out = Path(sys.argv[1])
    found: dict[str, Any] = {}
    with World.join() as world:
        for kind in ("model1", "model2"):
            optimizer = "muon" if kind == "model1" else "adamw"
            for parallel in ("ddp", "fsdp"):
                settings = options(parallel=parallel, optimizer=optimizer)
                found[f"{kind} {parallel}"] = losses(kind, settings, world)
        found["first half"] = halves(options(parallel="fsdp"), world, out / "by_two", "first")
        found["second half fsdp"] = halves(options(parallel="fsdp"), world, out / "by_one", "second")
        found["second half ddp"] = halves(options(parallel="ddp"), world, out / "by_one", "second")
        found["written"] = ended(world, out / "written", fails=False)
        found["not written"] = ended(world, out / "not_written", fails=True)
        found["exit codes"] = commands(out)
        if world.is_first:
            (out / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
