"""The settings that both trainings share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from training.common.options import MOST, OptionsError, Range, range_problems
from training.data.documents import Documents, LossOn
from training.hardware.compute import DType
from training.hardware.energy import country_problem

RENAMED = {
    "row_length": "seq_len",
    "batch_rows": "batch_size",
    "micro_batch_rows": "micro_batch_size",
    "floor": "min_lr_ratio",
    "clip": "max_grad_norm",
}
"""Settings by the names that they had until 2026-11-28; ``--set`` takes them for one release, files for good."""


def in_new_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a file holds, whichever version wrote it."""
    return {RENAMED.get(key, key): value for key, value in config.items()}


class Checked:
    """Settings of a run that are checked before any work."""

    country: str

    def problems(self) -> list[str]:
        """Everything that cannot be, one sentence each (empty when all is well)."""
        return [*range_problems(self), *filter(None, [country_problem(self.country)])]

    def check(self) -> None:
        """Raises OptionsError with every problem at once."""
        if problems := self.problems():
            raise OptionsError(problems)


@dataclass(frozen=True)
class TrainingOptions(Checked):
    """What both trainings have in common: the data's limits, the optimizer and its course, and what is kept."""

    max_rows_per_source: Annotated[int | None, Range(1, MOST)] = None
    """At most so many rows of each data source, chosen by hash"""
    max_held_out: Annotated[int, Range(0, MOST)] = 400
    """At most so many held-out samples of each kind are scored"""
    loss_on: LossOn = "answers"
    """What is learned: answers (and prose), or everything, the questions included"""
    seq_len: Annotated[int, Range(2, 1_048_576)] = 128
    """Tokens of a sequence: a training row, packed with whole conversations"""
    batch_size: Annotated[int, Range(1, 1_048_576)] = 16
    """Sequences of an optimizer step"""
    micro_batch_size: Annotated[int, Range(1, 1_048_576)] = 16
    """Sequences at a time; smaller needs less memory, and gradients accumulate over batch_size / micro_batch_size"""
    activation_checkpointing: bool = False
    """Compute the layers' activations again in the backward pass: about a third slower, far less memory"""
    compile: Literal["auto", "true", "false"] = "auto"
    """Compile the layers: auto measures whether it pays where a run is long enough to earn the compilation back"""
    parallel: Literal["auto", "ddp", "fsdp"] = "auto"
    """Under torchrun: ddp has the whole model in each process, fsdp a share of it; auto takes ddp where it fits"""
    epochs: Annotated[float, Range(0, 1e6, above=True)] = 1.0
    """Passes over the data, where max_steps says no steps; max_seconds or a target may end the run sooner"""
    max_steps: Annotated[int | None, Range(1, MOST)] = None
    """Optimizer steps in place of epochs, be they fewer or more; max_seconds or a target may end the run sooner"""
    max_seconds: Annotated[float | None, Range(0, 1e9, above=True)] = None
    """Seconds of training at most, the last scoring aside; the learning rate's course follows the nearer limit"""
    target_bits_per_byte: Annotated[float | None, Range(0, 1e3, above=True)] = None
    """Train until the held-out score is this or less, within the limits above (none: to the limits)"""
    fall_within: Annotated[float, Range(1, 1e6)] = 2.0
    """The rate of wsd begins to fall when the score is so many times the target"""
    looks: Annotated[int, Range(1, 1_000_000)] = 24
    """With a target: about how often, over the whole plan, a part of the held-out samples is scored on the way"""
    look_samples: Annotated[int, Range(1, MOST)] = 100
    """How many samples such a look scores"""
    usable_bits_per_byte: Annotated[float | None, Range(0, 1e3, above=True)] = None
    """The app opens no model to testers that scores more than this on held-out text (none: it opens any)"""
    optimizer: Literal["muon", "adamw"] = "adamw"
    """Muon for the hidden matrices and AdamW for the rest, or AdamW for all"""
    learning_rate: Annotated[float, Range(0, 10, above=True)] = 3e-4
    """Peak rate; with muon that of the hidden matrices"""
    adamw_learning_rate: Annotated[float | None, Range(0, 10)] = None
    """Peak rate of what muon leaves to AdamW: embeddings, output layer, norms (none: learning_rate)"""
    muon_every: Annotated[int, Range(1, 1000)] = 1
    """Muon moves its matrices at every so many steps, by the root of as many rates: cheaper at small batches"""
    weight_decay: Annotated[float, Range(0, 100)] = 0.0
    """Decoupled decay of matrices"""
    schedule: Literal["cosine", "wsd"] = "cosine"
    """After the warm-up: a cosine, or the peak rate until the last share of the run (warm-up, stable, decay)"""
    warmup: Annotated[float, Range(0, 1, below=True)] = 0.1
    """Share of the run in which the rate rises"""
    decay: Annotated[float, Range(0, 1)] = 0.2
    """Share of the run in which the rate of wsd falls"""
    min_lr_ratio: Annotated[float, Range(0, 1)] = 0.0
    """Learning rate at the end, as a share of the peak"""
    max_grad_norm: Annotated[float, Range(0, 1e9, above=True)] = 1.0
    """Largest norm of the gradients; larger ones are scaled down to it"""
    label_smoothing: Annotated[float, Range(0, 1, below=True)] = 0.0
    """Share of each target spread over the vocabulary in training; never in evaluation"""
    evaluations: Annotated[int, Range(1, 1_000_000)] = 4
    """How often the held-out samples are scored, at most every ten steps; with a target where it seems reached"""
    sample_tokens: Annotated[int, Range(0, 65_536)] = 24
    """Length in tokens of the answers to fixed questions at each evaluation (0: none)"""
    patience: Annotated[int, Range(1, 1_000_000)] = 3
    """Stop after so many evaluations without a better loss"""
    save_seconds: Annotated[float | None, Range(0, 1e9, above=True)] = 300.0
    """Seconds between saved training states, from which --resume goes on (none: by steps alone)"""
    save_steps: Annotated[int | None, Range(1, MOST)] = None
    """Optimizer steps between saved training states"""
    keep_checkpoints: Annotated[int, Range(1, 10_000)] = 2
    """How many of the newest training states stay, beside the best"""
    dtype: DType = "auto"
    """Number format of matrix products: auto, bf16, fp16 or fp32"""
    seed: Annotated[int, Range(0, 2**32 - 1)] = 1
    """Seed of the order of samples, and of weights that start at random"""
    country: str = "GBR"
    """ISO 3166 code, of three letters, of the country whose electricity mix turns energy into CO2"""
    report_to: Literal["none", "trackio", "tensorboard", "wandb"] = "none"
    """Where the numbers of metrics.jsonl go as well; the package must be installed"""

    def problems(self) -> list[str]:
        problems = super().problems()
        if self.schedule == "wsd" and not 0 < self.decay <= 1 - self.warmup:
            problems.append(f"decay={self.decay} must be above 0 and leave room for warmup={self.warmup}")
        elif self.schedule == "wsd" and self.target_bits_per_byte is not None and self.decay == 1:
            problems.append("decay=1 must be below 1 with a target, near which the fall begins")
        return problems

    def notes(self) -> list[str]:
        """What is possible and perhaps not meant: settings of which another makes nothing, or something else."""
        notes = []
        if self.micro_batch_size < self.batch_size and self.batch_size % self.micro_batch_size:
            parts = -(-self.batch_size // self.micro_batch_size)
            notes.append(
                f"micro_batch_size={self.micro_batch_size} does not divide batch_size={self.batch_size}: a step is "
                f"{parts} parts, the last of {self.batch_size % self.micro_batch_size} sequences, weighed by labels"
            )
        if self.optimizer == "adamw" and self.adamw_learning_rate not in (None, self.learning_rate):
            notes.append(
                f"adamw_learning_rate={self.adamw_learning_rate:g} is for optimizer=muon; with adamw all weights have "
                f"learning_rate={self.learning_rate:g}"
            )
        target, usable = self.target_bits_per_byte, self.usable_bits_per_byte
        if target is not None and usable is not None and usable < target:
            notes.append(
                f"usable_bits_per_byte={usable:g} is below target_bits_per_byte={target:g}: the run ends before the "
                "app opens its model"
            )
        return notes

    def bytes_to_write(self, parameters: int, trainable: int) -> int:
        """What a run writes at most: its states, of three fp32 numbers a weight, and the model in all its forms."""
        on_the_clock = self.save_steps or (self.save_seconds or math.inf) < (self.max_seconds or math.inf)
        best = self.evaluations > 1 and self.target_bits_per_byte is None  # it may be none of the newest
        states = self.keep_checkpoints + 1 + best if on_the_clock else 1  # and the one in work
        return 12 * trainable * states + 10 * parameters

    def steps(self, documents: Documents) -> int:
        """Optimizer steps of the whole run: ``max_steps``, or ``epochs`` passes over the documents."""
        batches = max(1.0, len(documents.tokens) / (self.seq_len * self.batch_size))
        return self.max_steps or max(1, round(self.epochs * batches))
