"""The training loop of both models: packed batches, accumulation by valid tokens, a schedule over steps or seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from training.device import Compute, DType
from training.optimizer import build_optimizers, cosine_with_warmup, set_learning_rate
from training.options import OptionsError
from training.packing import Batch, Documents, LossOn, PackedBatches, all_batches
from training.progress import Progress
from training.report import Metrics
from training.scoring import Score, score


class TrainingError(ValueError):
    """A training that cannot go on; the message is one line and says what to do."""


@dataclass(frozen=True)
class TrainingOptions:
    """What both trainings have in common: the data's limits, the optimizer and its course."""

    max_rows_per_source: int | None = None
    """At most so many rows of each data source, chosen by hash"""
    max_held_out: int = 400
    """At most so many held-out samples of each kind are scored"""
    loss_on: LossOn = "answers"
    """What is learned: answers (and prose), or everything, the questions included"""
    row_length: int = 128
    """Tokens of a packed training row"""
    batch_rows: int = 16
    """Rows of an optimizer step"""
    micro_batch_rows: int = 16
    """Rows at a time; smaller needs less memory"""
    epochs: float = 1.0
    """Passes over the data, unless max_steps or max_seconds ends it sooner"""
    max_steps: int | None = None
    """Optimizer steps at most"""
    max_seconds: float | None = None
    """Seconds of training at most; the learning rate's course follows whichever limit is nearer"""
    optimizer: Literal["muon", "adamw"] = "adamw"
    """Muon for the hidden matrices and AdamW for the rest, or AdamW for all"""
    learning_rate: float = 3e-4
    """Peak rate; with muon that of the hidden matrices"""
    adamw_learning_rate: float | None = None
    """Peak rate of what muon leaves to AdamW: embeddings, output layer, norms (none: learning_rate)"""
    weight_decay: float = 0.0
    """Decoupled decay of matrices"""
    warmup: float = 0.1
    """Share of the run in which the rate rises"""
    floor: float = 0.0
    """Share of the peak rate at the end of the cosine"""
    clip: float = 1.0
    """Largest norm of the gradient"""
    label_smoothing: float = 0.0
    """Share of each target spread over the vocabulary in training; never in evaluation"""
    evaluations: int = 4
    """How often the held-out samples are scored"""
    patience: int = 3
    """Stop after so many evaluations without a better loss"""
    dtype: DType = "auto"
    """Number format of matrix products: auto, bf16, fp16 or fp32"""
    seed: int = 1
    """Seed of the order of samples, and of weights that start at random"""
    country: str = "GBR"
    """ISO 3166 code of the country whose electricity mix turns energy into CO2"""

    def problems(self) -> list[str]:
        """Everything that cannot be, one sentence each (empty when all is well)."""
        positive = ("row_length", "batch_rows", "micro_batch_rows", "epochs", "evaluations", "patience", "clip")
        problems = [f"{key}={getattr(self, key)} must be above 0" for key in positive if getattr(self, key) <= 0]
        if self.learning_rate < 0:
            problems.append(f"learning_rate={self.learning_rate} must be at least 0")
        if self.max_steps is not None and self.max_steps < 1:
            problems.append(f"max_steps={self.max_steps} must be at least 1")
        if not 0 <= self.label_smoothing < 1:
            problems.append(f"label_smoothing={self.label_smoothing} must be at least 0 and below 1")
        return problems

    def check(self) -> None:
        """Raises OptionsError with every problem at once."""
        if problems := self.problems():
            raise OptionsError(problems)

    def steps(self, documents: Documents) -> int:
        """Optimizer steps of the whole run: ``max_steps``, or ``epochs`` passes over the documents."""
        batches = max(1.0, len(documents.tokens) / (self.row_length * self.batch_rows))
        return self.max_steps or max(1, round(self.epochs * batches))


@dataclass
class Outcome:
    """What a training reached; ``seconds`` are those of the optimizer's steps, without evaluation."""

    steps: int = 0
    tokens: int = 0
    epochs: float = 0.0
    seconds: float = 0.0
    wall_seconds: float = 0.0
    stopped: str = "steps"
    scores: dict[str, Score] = field(default_factory=dict)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


class Trainer:
    """Trains ``model`` on ``documents`` and calls ``on_best`` whenever the first of ``held_out`` scores better.

    ``model`` is a module with ``loss(tokens, labels, documents, *, label_smoothing)``, the sum over the labels:
    ``ModernTransformer`` or ``PackedCausalLM``.

    Raises:
        TrainingError: when the loss is no longer a number; the best weights so far are kept.
    """

    def __init__(
        self,
        model: Any,
        documents: Documents,
        held_out: Mapping[str, Documents],
        options: TrainingOptions,
        compute: Compute,
        pad_id: int,
        progress: Progress,
        metrics: Metrics,
        on_best: Callable[[int, dict[str, Score]], None],
    ) -> None:
        self.model, self.options, self.compute, self.pad_id = model.to(compute.device), options, compute, pad_id
        self.held_out, self.progress, self.metrics, self.on_best = held_out, progress, metrics, on_best
        self.batches = PackedBatches(documents, options.row_length, options.batch_rows, pad_id, options.seed)
        self.optimizers = build_optimizers(
            model,
            kind=options.optimizer,
            learning_rate=options.learning_rate,
            adamw_learning_rate=options.adamw_learning_rate,
            weight_decay=options.weight_decay,
        )
        self.max_steps = options.steps(documents)
        self.best = math.inf
        self.evaluations_without_gain = 0

    def run(self) -> Outcome:
        options, outcome = self.options, Outcome()
        torch.manual_seed(options.seed)
        evaluate_at = self._evaluation_points()
        next_evaluation = next(evaluate_at)
        started, done = time.monotonic(), 0.0
        while done < 1:
            rate = set_learning_rate(
                self.optimizers, cosine_with_warmup(done, warmup=options.warmup, floor=options.floor)
            )
            step_started = time.monotonic()
            batch = next(self.batches)
            loss = self.step(batch)
            outcome.steps += 1
            outcome.tokens += int((batch.documents >= 0).sum())
            outcome.seconds += time.monotonic() - step_started
            outcome.wall_seconds = time.monotonic() - started
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss became {loss} at step {outcome.steps}; lower learning_rate and train again"
                )
            done = self._done(outcome)
            self._show(outcome, loss, rate, done)
            if done >= next_evaluation or done >= 1:
                next_evaluation = next(evaluate_at, 2.0)
                if self._evaluate(outcome):
                    outcome.stopped = "patience"
                    break
        if done >= 1 and outcome.steps < self.max_steps:
            outcome.stopped = "time"
        outcome.epochs = self.batches.epoch + self.batches.position / max(1, len(self.batches._rows))
        return outcome

    def step(self, batch: Batch) -> float:
        """One optimizer step; the loss (nats a label, with smoothing) before it."""
        n_labels, total = max(1, batch.n_labels), 0.0
        self.model.train()
        for part in batch.slices(self.options.micro_batch_rows):
            loss = self._loss_sum(part, self.options.label_smoothing) / n_labels
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return total

    def _loss_sum(self, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        batch = batch.to(self.compute.device)
        with self.compute.autocast():
            return self.model.loss(batch.tokens, batch.labels, batch.documents, label_smoothing=label_smoothing)

    def score(self, documents: Documents) -> Score:
        """Held-out loss over the learned tokens, without smoothing or dropout."""
        self.model.eval()
        rows = all_batches(documents, self.options.row_length, self.options.micro_batch_rows, self.pad_id)
        return score(self._loss_sum, rows, int(documents.answer_bytes.sum()))

    def _evaluate(self, outcome: Outcome) -> bool:
        """Score the held-out sets; True when patience has run out."""
        outcome.scores = {name: self.score(documents) for name, documents in self.held_out.items()}
        if not outcome.scores:
            return False
        name, first = next(iter(outcome.scores.items()))
        self.metrics.write(
            step=outcome.steps, seconds=outcome.seconds, val_loss=first.loss, val_bits_per_byte=first.bits_per_byte
        )
        self.progress.say(
            f"step {outcome.steps}: held-out loss {first.loss:.3f}, perplexity {first.perplexity:.1f}, "
            f"{first.bits_per_byte:.3f} bits per byte ({name})"
        )
        if first.loss < self.best:
            self.best, self.evaluations_without_gain = first.loss, 0
            self.on_best(outcome.steps, outcome.scores)
        else:
            self.evaluations_without_gain += 1
        return self.evaluations_without_gain >= self.options.patience

    def _evaluation_points(self) -> Iterator[float]:
        yield from (i / self.options.evaluations for i in range(1, self.options.evaluations + 1))

    def _done(self, outcome: Outcome) -> float:
        by_steps = outcome.steps / self.max_steps
        by_time = outcome.wall_seconds / self.options.max_seconds if self.options.max_seconds else 0.0
        return max(by_steps, by_time)

    def _show(self, outcome: Outcome, loss: float, rate: float, done: float) -> None:
        steps = max(outcome.steps, round(outcome.steps / max(done, 1e-9)))
        left = outcome.wall_seconds * (1 - done) / max(done, 1e-9)
        best = None if math.isinf(self.best) else self.best
        self.progress.step(outcome.steps, steps, loss, outcome.tokens_per_second, left, best)
        if outcome.steps == 1 or outcome.steps % 10 == 0:
            self.metrics.write(
                step=outcome.steps,
                seconds=outcome.seconds,
                loss=loss,
                learning_rate=rate,
                tokens_per_second=outcome.tokens_per_second,
            )
