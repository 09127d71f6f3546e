"""Held-out loss in units that compare: bits per byte of text, whatever the tokenizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.packing import Batch


@dataclass(frozen=True)
class Score:
    """Cross-entropy over held-out text, without label smoothing."""

    nats: float
    tokens: int
    text_bytes: int

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def perplexity(self) -> float:
        """Of a token; comparable only between models that share a tokenizer."""
        return math.exp(min(self.loss, 80.0))

    @property
    def bits_per_byte(self) -> float:
        return self.nats / math.log(2) / self.text_bytes if self.text_bytes else math.nan

    def __add__(self, other: Score) -> Score:
        return Score(self.nats + other.nats, self.tokens + other.tokens, self.text_bytes + other.text_bytes)


@torch.no_grad()
def score(loss_sum: Callable[[Batch], Tensor], batches: Iterable[Batch], text_bytes: int) -> Score:
    """Add up ``loss_sum`` (nats over the labels of a batch); the caller has put the model into evaluation mode."""
    nats, tokens = 0.0, 0
    for batch in batches:
        nats += float(loss_sum(batch))
        tokens += batch.n_labels
    return Score(nats, tokens, text_bytes)
