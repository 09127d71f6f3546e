"""How likely a model finds each of several texts, in one pass over packed rows, with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.data.documents import IGNORE_INDEX, Documents
from training.data.packing import Batch, assemble, pack
from training.hardware.compute import EXACT
from training.hardware.products import grad_input, output
from training.models.fine_tuning import PackedCausalLM, compute_dtype
from training.models.loss import ROWS

STEP = 16
"""Widths of rows are counted up to a multiple of this, so that few sizes of products are met (see ``ROWS``)."""


class LabelLogProbability(torch.autograd.Function):
    """Log-probability (L,) of each label under ``states @ weight.T``, for an output layer that is not trained.

    As in ``LinearCrossEntropy`` no logits are kept: the gradient of a label's log-probability by its state is made in
    the forward pass, and the backward pass scales it by what the loss makes of that label.

    Args of ``apply``:
        states_LD: the final state before each label.
        weight_VD: the output layer.
        labels_L: token ids.
        chunk_size: positions at a time.
    """

    @staticmethod
    def forward(ctx: Any, states_LD: Tensor, weight_VD: Tensor, labels_L: Tensor, chunk_size: int) -> Tensor:
        weight = weight_VD.to(states_LD.dtype)
        found = torch.empty(len(states_LD), dtype=EXACT, device=states_LD.device)
        gradient = torch.empty_like(states_LD) if ctx.needs_input_grad[0] else None
        for start in range(0, len(states_LD), chunk_size):
            part = slice(start, min(start + chunk_size, len(states_LD)))
            n, labels = part.stop - part.start, labels_L[part, None]
            rows = min(chunk_size, -(-n // ROWS) * ROWS)
            states = states_LD.new_zeros(rows, states_LD.shape[1])
            states[:n] = states_LD[part]
            log_p = torch.log_softmax(output(states, weight).to(EXACT), -1)
            found[part] = log_p[:n].gather(1, labels)[:, 0]
            if gradient is not None:
                slope = log_p.exp_().neg_()
                slope[:n].scatter_add_(1, labels, torch.ones_like(slope[:n, :1]))
                gradient[part] = grad_input(slope.to(states_LD.dtype), weight)[:n]
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return found

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_output[:, None].to(gradient.dtype), None, None, None


@dataclass(frozen=True)
class PackedTexts:
    """T documents in packed rows; ``owner`` (B, S) says which of them each place is of, -1 for none."""

    batch: Batch
    owner: Tensor
    texts: int

    @classmethod
    def of(cls, documents: Documents, numbers: Sequence[int] | np.ndarray, seq_len: int, pad_id: int) -> PackedTexts:
        """The documents with these numbers, in rows of at most ``seq_len`` or of the longest of them: a step has few
        texts, so the width is the one that leaves the fewest places empty."""
        chosen = documents.select(np.asarray(numbers, np.int64))
        longest = -(-int(chosen.lengths.max(initial=1)) // STEP) * STEP
        most = min(seq_len, int(chosen.lengths.sum()))
        widths = range(longest, max(longest, most) + 1, STEP)
        packed = [(width, pack(chosen.lengths, width, np.random.default_rng(0))) for width in widths]
        width, rows = min(packed, key=lambda found: found[0] * len(found[1]))
        batch = assemble(chosen, rows, width, pad_id)
        owner = torch.full_like(batch.documents, -1)
        for r, row in enumerate(rows):
            for number, (document, _, _) in enumerate(row):
                owner[r][batch.documents[r] == number] = document
        return cls(batch, owner, len(chosen))

    def to(self, device: torch.device) -> PackedTexts:
        return PackedTexts(self.batch.to(device), self.owner.to(device), self.texts)

    @property
    def learned(self) -> Tensor:
        """How many tokens of each document are learned, (T,)."""
        return torch.bincount(self.owner[self.batch.labels != IGNORE_INDEX], minlength=self.texts)

    @property
    def tokens(self) -> int:
        """Those that are no padding."""
        return int((self.owner >= 0).sum())


def log_likelihoods(model: PackedCausalLM, texts: PackedTexts, chunk_size: int = 512) -> Tensor:
    """Log-likelihood (T,) in nats of the learned tokens of each document."""
    batch = texts.batch
    labels, owner = batch.labels.flatten(), texts.owner.flatten()
    places = (labels != IGNORE_INDEX).nonzero()[:, 0]
    device = batch.tokens.device
    states = model.hidden(batch.tokens, batch.documents).to(compute_dtype(device)).flatten(0, 1)[places]
    layer: Any = model.model.get_output_embeddings()
    weight = layer.weight.detach()
    if getattr(layer, "bias", None) is not None:  # as the weight of a state that is always 1
        weight = torch.cat([weight, layer.bias.detach()[:, None]], dim=1)
        states = torch.cat([states, torch.ones_like(states[:, :1])], dim=1)
    with torch.autocast(device.type, enabled=False):
        each = LabelLogProbability.apply(states, weight, labels[places], chunk_size)
    return torch.zeros(texts.texts, dtype=EXACT, device=device).index_add(0, owner[places], each)
