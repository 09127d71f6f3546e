"""The training loop of both models: packed batches, accumulation by valid tokens, a schedule over steps or seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.device import Compute
from training.optimizer import build_optimizers, cosine_with_warmup, set_learning_rate
from training.packing import Batch, Documents, PackedBatches, all_batches
from training.progress import Progress
from training.report import Metrics
from training.scoring import Score, score

if TYPE_CHECKING:
    from training.fine_tuning import PackedCausalLM
    from training.model import ModernTransformer


class TrainingError(ValueError):
    """A training that cannot go on; the message is one line and says what to do."""


@dataclass(frozen=True)
class Recipe:
    """How the weights are found, apart from what they are and from the data."""

    max_steps: int
    max_seconds: float | None
    batch_rows: int
    micro_batch_rows: int
    row_length: int
    optimizer: str
    learning_rate: float
    adamw_learning_rate: float
    weight_decay: float
    warmup: float
    floor: float
    clip: float
    label_smoothing: float
    evaluations: int
    patience: int
    seed: int


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

    Raises:
        TrainingError: when the loss is no longer a number; the best weights so far are kept.
    """

    def __init__(
        self,
        model: ModernTransformer | PackedCausalLM,
        documents: Documents,
        held_out: Mapping[str, Documents],
        recipe: Recipe,
        compute: Compute,
        pad_id: int,
        progress: Progress,
        metrics: Metrics,
        on_best: Callable[[int, dict[str, Score]], None],
    ) -> None:
        self.model, self.recipe, self.compute, self.pad_id = model.to(compute.device), recipe, compute, pad_id
        self.held_out, self.progress, self.metrics, self.on_best = held_out, progress, metrics, on_best
        self.batches = PackedBatches(documents, recipe.row_length, recipe.batch_rows, pad_id, recipe.seed)
        self.optimizers = build_optimizers(
            model,
            kind=recipe.optimizer,
            learning_rate=recipe.learning_rate,
            adamw_learning_rate=recipe.adamw_learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self.best = math.inf
        self.evaluations_without_gain = 0

    def run(self) -> Outcome:
        recipe, outcome = self.recipe, Outcome()
        torch.manual_seed(recipe.seed)
        evaluate_at = self._evaluation_points()
        next_evaluation = next(evaluate_at)
        started, done = time.monotonic(), 0.0
        while done < 1:
            rate = set_learning_rate(
                self.optimizers, cosine_with_warmup(done, warmup=recipe.warmup, floor=recipe.floor)
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
        if done >= 1 and outcome.steps < recipe.max_steps:
            outcome.stopped = "time"
        outcome.epochs = self.batches.epoch + self.batches.position / max(1, len(self.batches._rows))
        return outcome

    def step(self, batch: Batch) -> float:
        """One optimizer step; the loss (nats a label, with smoothing) before it."""
        n_labels, total = max(1, batch.n_labels), 0.0
        self.model.train()
        for part in batch.slices(self.recipe.micro_batch_rows):
            loss = self._loss_sum(part, self.recipe.label_smoothing) / n_labels
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
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
        rows = all_batches(documents, self.recipe.row_length, self.recipe.micro_batch_rows, self.pad_id)
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
        return self.evaluations_without_gain >= self.recipe.patience

    def _evaluation_points(self) -> Iterator[float]:
        yield from (i / self.recipe.evaluations for i in range(1, self.recipe.evaluations + 1))

    def _done(self, outcome: Outcome) -> float:
        by_steps = outcome.steps / self.recipe.max_steps
        by_time = outcome.wall_seconds / self.recipe.max_seconds if self.recipe.max_seconds else 0.0
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
