"""Samples of a model's own training data that are learned again beside what is new, lest they be forgotten (rehearsal,
Robins 1995, doi:10.1080/09540099550039318)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from training.corpus.sample import Sample, digest
from training.data.documents import ChatForm, Documents, EncodeBatch, LossOn, tokenise

LEAST_TOKENS = 8
"""Of a sample, by which it is known how many need to be held in memory at most."""
AT_ONCE = 256
"""Samples that are tokenised at a time."""


@dataclass(frozen=True)
class Replay:
    """What the micro-batches of a run learn again."""

    documents: Documents  # the samples, each once
    order: np.ndarray  # numbers of all that are learned; where they are too few, they come again in another order
    each: float  # tokens of a micro-batch, on average
    batches: int  # micro-batches of the run

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.documents.lengths[self.order])

    def numbers(self, batch: int) -> np.ndarray:
        """The documents of a micro-batch, counted from 0; there may be none."""
        first, last = np.searchsorted(self._ends, [batch * self.each, (batch + 1) * self.each], side="right")
        return self.order[first:last]

    @cached_property
    def learned(self) -> float:
        """Tokens of a micro-batch that are labels, on average."""
        return max(1.0, float(self.documents.select(self.order).learned.sum())) / self.batches


def choose_replay(
    samples: Iterable[Sample],
    encode_batch: EncodeBatch,
    form: ChatForm,
    loss_on: LossOn,
    *,
    each: float,
    batches: int,
    max_tokens: int,
    seed: int,
) -> Replay | None:
    """As many of the samples, by hash, as the micro-batches take; None where there are none.

    Args:
        each, batches: of ``Replay``.
        max_tokens: longer samples are cut.
    """
    needed = each * batches
    most = int(needed / LEAST_TOKENS) + 1
    chosen = heapq.nsmallest(most, samples, key=lambda sample: digest(sample.id, salt=str(seed)))
    parts = [Documents.concatenate([])]
    for start in range(0, len(chosen), AT_ONCE):
        parts.append(tokenise(chosen[start : start + AT_ONCE], encode_batch, form, loss_on).cut(max_tokens))
        if sum(len(part.tokens) for part in parts) >= needed:
            break
    documents = Documents.concatenate(parts)
    if not len(documents):
        return None
    rng = np.random.default_rng(seed)
    passes = int(np.ceil(needed / len(documents.tokens)))
    order = np.concatenate([rng.permutation(len(documents)) for _ in range(passes)])
    return Replay(documents, order[np.cumsum(documents.lengths[order]) <= needed], each, batches)
