"""Cross-entropy that never holds all logits: they are made, used and turned into gradients chunk by chunk."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.data.documents import IGNORE_INDEX
from training.hardware.compute import EXACT
from training.hardware.products import grad_input, grad_weight, output

ROWS = 64
"""Positions are counted up to a multiple of this: oneDNN compiles and keeps a kernel for each size of a product that it
meets, three of some 0.7 MB for each new number of labels, which made a run's memory grow with every step."""


class LinearCrossEntropy(torch.autograd.Function):
    """Sum of cross-entropies of ``states @ weight.T`` against ``labels``, with its gradients made in the forward pass.

    Neither logits nor their gradients exist for more than ``chunk_size`` positions, so memory does not grow with the
    batch; on a CPU the chunk stays in the cache: 59 ms against 168 ms for 4,096 positions and 4,096 pieces with
    ``F.cross_entropy`` on two cores (`benchmarks/model1_step.py`). The idea is Liger's (arXiv:2410.10989).

    Every large tensor has the same size at each step, whatever the number of labels: blocks of ever other sizes leave
    holes between them, and a run's memory grew for as long as it went on.

    Args of ``apply``:
        states_ND: final states.
        weight_VD: the output layer.
        labels_N: an id for each state; those of other places are not read.
        places_L: where there is something to learn.
        label_smoothing: share of the target spread evenly over the vocabulary.
        chunk_size: positions at a time.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states_ND: Tensor,
        weight_VD: Tensor,
        labels_N: Tensor,
        places_L: Tensor,
        label_smoothing: float,
        chunk_size: int,
    ) -> Tensor:
        weight = weight_VD.to(states_ND.dtype)
        training = any(ctx.needs_input_grad[:2])
        total = torch.zeros((), dtype=EXACT, device=states_ND.device)
        grad_states = torch.zeros_like(states_ND) if training else None
        grad_of_weight = torch.zeros_like(weight_VD) if ctx.needs_input_grad[1] else None  # a frozen layer needs none
        uniform = label_smoothing / weight.shape[0]
        chunk = states_ND.new_empty(chunk_size, states_ND.shape[1])
        exact = states_ND.new_empty(2, chunk_size, weight.shape[0], dtype=EXACT)
        for places in places_L.split(chunk_size):
            n = len(places)
            rows = min(chunk_size, -(-n // ROWS) * ROWS)
            states, soft = chunk[:rows], exact[1, :rows]
            labels = labels_N[places, None]
            torch.index_select(states_ND, 0, places, out=chunk[:n])
            states[n:] = 0
            low = output(states, weight)
            logits = low if low.dtype == EXACT else exact[0, :rows].copy_(low)
            # The softmax is one fused pass, where logsumexp is four; the likeliest piece gives the normaliser back.
            torch.softmax(logits, -1, out=soft)
            logits, probabilities = logits[:n], soft[:n]
            log_normaliser = logits.amax(-1, keepdim=True) - probabilities.amax(-1, keepdim=True).log()
            nll = log_normaliser - (1 - label_smoothing) * logits.gather(1, labels)
            total += nll.sum()
            if label_smoothing:
                total -= uniform * logits.sum()
            if grad_states is not None:
                if label_smoothing:
                    probabilities.sub_(uniform)
                probabilities.scatter_add_(1, labels, torch.full_like(nll, label_smoothing - 1))
                soft[n:] = 0
                grad_logits = soft if low.dtype == EXACT else low.copy_(soft)
                if grad_of_weight is not None:
                    grad_of_weight += grad_weight(grad_logits, states)
                grad_states.index_copy_(0, places, grad_input(grad_logits, weight)[:n])
        if training:
            ctx.save_for_backward(grad_states, grad_of_weight)
        return total

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        grad_states, grad_of_weight = ctx.saved_tensors
        # In place: each is used once, and that of the output layer is as large as the layer.
        if grad_of_weight is not None:
            grad_of_weight.mul_(grad_output)
        return grad_states.mul_(grad_output), grad_of_weight, None, None, None, None


def cross_entropy_sum(
    states: Tensor, weight_VD: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, chunk_size: int = 512
) -> Tensor:
    """Sum (nats) over the positions whose label is not −100; ``states`` (..., D), ``labels`` (...)."""
    labels_N = labels.flatten()
    places_L = (labels_N != IGNORE_INDEX).nonzero()[:, 0]
    with torch.autocast(states.device.type, enabled=False):
        return LinearCrossEntropy.apply(
            states.flatten(0, -2), weight_VD, labels_N, places_L, label_smoothing, chunk_size
        )


def output_weight(model: Any) -> Tensor:
    """The matrix that gives a number to each token of the vocabulary, of either model."""
    return model.output.weight if hasattr(model, "output") else model.model.get_output_embeddings().weight
