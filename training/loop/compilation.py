"""Whether ``torch.compile`` pays for a run, decided by measuring it."""

from __future__ import annotations

import time
from typing import Any, Protocol

import torch

from training.common.progress import Progress
from training.data.packing import Batch, PackedBatches
from training.hardware.compute import Compute
from training.loop.resume import random_states, restore_random_states
from training.models.attention import leave_uncompiled
from training.settings.common import TrainingOptions

LEAST_SECONDS = 1800.0
"""Shorter runs are not compiled: the compilation itself takes a minute or more."""
LEAST_GAIN = 1.03


class Step(Protocol):
    """What is measured: the forward and backward pass of a batch, as a ``Trainer`` has it."""

    model: Any
    options: TrainingOptions
    compute: Compute
    batches: PackedBatches
    progress: Progress
    max_steps: int

    def backward(self, batch: Batch) -> torch.Tensor: ...


def choose_compilation(trainer: Step, backend: str = "inductor") -> None:
    """Compile the layers if the settings say so, or if ``auto`` measures that it pays; says which.

    Each layer is compiled by itself and in place: names of weights stay, and equal layers share their code.
    """
    wanted, layers = trainer.options.compile, list(trainer.model.layers)
    if wanted == "false" or (wanted == "auto" and (trainer.options.max_seconds or LEAST_SECONDS) < LEAST_SECONDS):
        return
    if wanted == "auto":
        plain = measure(trainer)
        if plain * trainer.max_steps < LEAST_SECONDS:
            return
    try:
        leave_uncompiled()
        for layer in layers:
            layer.compile(backend=backend)
        compiled = measure(trainer)
    except Exception as error:  # no compiler, or a construct that it does not know: many kinds
        _undo(layers)
        if wanted == "true":
            reason = f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"
            raise ValueError(f"compile=true fails here ({reason}); use compile=false") from error
        trainer.progress.say(f"not compiled: {type(error).__name__}")
        return
    if wanted == "auto" and plain < LEAST_GAIN * compiled:
        _undo(layers)
        trainer.progress.say(f"not compiled: a step takes {compiled:.3f} s compiled and {plain:.3f} s as it is")
    else:
        before = f", {plain:.3f} s before" if wanted == "auto" else ""
        trainer.progress.say(f"compiled: a step takes {compiled:.3f} s{before}")


def measure(trainer: Step, repeats: int = 3) -> float:
    """Seconds of a step's forward and backward pass, the fastest of a few after one to warm up; nothing is changed."""
    random, place = random_states(), (trainer.batches.epoch, trainer.batches.position)
    batch = next(trainer.batches)
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        float(trainer.backward(batch))
        if trainer.compute.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
        trainer.model.zero_grad(set_to_none=True)
    trainer.batches.seek(*place)
    restore_random_states(random)
    return min(times[1:])


def is_compiled(model: Any) -> bool:
    """Whether the layers of a model with ``layers`` are compiled, for the number of threads of that moment."""
    return any(getattr(layer, "_compiled_call_impl", None) is not None for layer in model.layers)


def _undo(layers: list[Any]) -> None:
    for layer in layers:
        layer._compiled_call_impl = None
