"""What a training has reached, at its end or at any step of it: its scores, and what its report says of that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from training.common.score import NOTHING, Score
from training.data.dataset import TokenisedDataset
from training.data.packing import Batch
from training.hardware.compute import Compute
from training.hardware.energy import EnergyUse
from training.hardware.memory import peak_memory_bytes
from training.loop.course import Decisions, Look


@dataclass
class Outcome:
    """What a training reached; ``seconds`` are those of the optimizer's steps, without evaluation.

    ``stopped`` says what ended it: its ``target``, its ``steps``, ``time`` or ``patience``. ``best`` are the scores of
    the weights that were kept, those of ``best_step``; ``skipped`` counts the steps in which fp16's gradients
    overflowed.
    """

    steps: int = 0
    tokens: int = 0
    epochs: float = 0.0
    seconds: float = 0.0
    wall_seconds: float = 0.0
    stopped: str = "steps"
    scores: dict[str, Score] = field(default_factory=dict)
    best: dict[str, Score] = field(default_factory=dict)
    best_step: int | None = None
    evaluations: int = 0
    evaluations_without_gain: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    planned_steps: int = 0
    decided: Decisions = field(default_factory=Decisions)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def best_loss(self) -> float:
        """Held-out loss that a better one has to beat: that of the first kind."""
        return next(iter(self.best.values())).loss if self.best else math.inf

    def as_dict(self) -> dict[str, Any]:
        """All of it in plain types, as a training state needs them."""
        values = asdict(self)
        values["decided"]["looks"] = [list(look) for look in self.decided.looks]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Outcome:
        """The inverse of ``as_dict``."""
        scores = {key: {kind: Score(**s) for kind, s in values[key].items()} for key in ("scores", "best")}
        decided = dict(values.get("decided", {}))  # an older state has none
        decided["looks"] = [Look(*look) for look in decided.get("looks", [])]
        return cls(**(dict(values) | scores | {"decided": Decisions(**decided)}))


@torch.no_grad()
def score(loss_sum: Callable[[Batch], Tensor], batches: Iterable[Batch], text_bytes: int) -> Score:
    """Add up ``loss_sum`` (nats over the labels of a batch); the caller has put the model into evaluation mode."""
    nats, tokens = 0.0, 0
    for batch in batches:
        nats += float(loss_sum(batch))
        tokens += batch.n_labels
    return Score(nats, tokens, text_bytes)


def spent(compute: Compute, energy: EnergyUse) -> dict[str, Any]:
    """On what a run ran and what that took: the part of the report that is the same for every kind of training."""
    return {
        "peak_memory_bytes": peak_memory_bytes(),
        "energy_kwh": energy.kwh,
        "co2_kg": energy.co2_kg,
        "energy_source": energy.source,
        "device": compute.name,
        "dtype": compute.dtype_name,
    }


def run_report(
    outcome: Outcome, scores: Mapping[str, Score], dataset: TokenisedDataset, compute: Compute, energy: EnergyUse
) -> dict[str, Any]:
    """What a run reached: the part of the report that is the same for every model. ``scores`` are the best ones."""
    val = sum(scores.values(), NOTHING)
    return {
        "samples": len(dataset.train),
        "tokens": outcome.tokens,
        "epochs": round(outcome.epochs, 3),
        "steps": outcome.steps,
        "stopped_by": outcome.stopped,
        "ended_by": outcome.stopped,
        "planned_steps": outcome.planned_steps,
        "plan_share": min(1.0, outcome.steps / outcome.planned_steps),
        "train_seconds": round(outcome.seconds, 2),
        "tokens_per_second": round(outcome.tokens_per_second, 1),
        **spent(compute, energy),
        "val_loss": val.loss if val.tokens else None,
        "val_perplexity": val.perplexity if val.tokens else None,
        "val_bits_per_byte": val.bits_per_byte if val.tokens else None,
        "val": {
            kind: {"samples": len(dataset.held_out[kind]), "loss": score.loss, "bits_per_byte": score.bits_per_byte}
            for kind, score in scores.items()
        },
    }
