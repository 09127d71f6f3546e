"""AdamW, and Muon with all matrices of one shape in batched products, in three iterations where it takes five, and at
small batches not at every step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim._muon import _adjust_lr

from training.hardware.compute import EXACT, has_amx
from training.hardware.products import fp32_products, onednn_linear
from training.hardware.shards import shared_like, whole
from training.models.loss import output_weight
from training.settings.common import TrainingOptions


def build_optimizers(model: nn.Module, options: TrainingOptions, dtype: torch.dtype = EXACT) -> list[Optimizer]:
    """AdamW for everything, or Muon (Jordan 2024) for the hidden matrices and AdamW for the rest.

    Embeddings, the output layer and norms are not matrices between hidden states: Muon's orthogonal steps are not
    meant for them. ``match_rms_adamw`` (arXiv:2502.16982) gives Muon's steps the size of AdamW's, so that one range of
    learning rates serves both. Norms are not decayed. Frozen parameters get no state. ``dtype`` is
    that of Muon's products.
    """
    hidden, decayed, rest = [], [], []
    outer = {id(output_weight(model))} | {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        if parameter.dim() == 2 and id(parameter) not in outer:
            hidden.append(parameter)
        elif parameter.dim() == 2:
            decayed.append(parameter)
        else:
            rest.append(parameter)
    is_muon, rate, decay = options.optimizer == "muon", options.learning_rate, options.weight_decay
    adamw_groups = [
        {"params": decayed + ([] if is_muon else hidden), "weight_decay": decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    adamw_rate = rate if options.adamw_learning_rate is None or not is_muon else options.adamw_learning_rate
    optimizers: list[Optimizer] = [torch.optim.AdamW(adamw_groups, lr=adamw_rate, betas=(0.9, 0.95), fused=True)]
    if is_muon:
        settings: dict[str, Any] = {"lr": rate, "weight_decay": decay, "adjust_lr_fn": "match_rms_adamw"}
        muon = BatchedMuon(hidden, dtype=dtype, every=options.muon_every, **settings)
        optimizers.append(muon)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def set_learning_rate(optimizers: list[Optimizer], multiplier: float) -> float:
    """Scale every group's peak rate; returns the first group's rate, for the record."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * multiplier
    return optimizers[-1].param_groups[0]["lr"]


STACK_ELEMENTS = 1 << 23
"""Numbers of a stack at most, so that large models need no second copy of their weights."""

COEFFICIENTS = ((7.7110, -22.1138, 16.2487), (3.2153, -2.4112, 0.5013), (2.2183, -1.5940, 0.4107))
"""Of three iterations x ↦ ax + bx³ + cx⁵ that carry singular values between 0.02 and 1 to within 0.10 of 1, each the
best on what the one before leaves (Polar Express, Amsel et al. 2025, arXiv:2505.16932). Muon's own five: 0.3."""

GRAM_FROM = 1.2
"""Columns for each row from which the iterations on the Gram matrix take fewer products, in fp32."""
STRIPS, LEAST_STRIP = 4, 64
"""Of a symmetric product on a CPU: four strips leave 10 of 16 blocks to compute; thinner ones are slow. With AMX the
whole product in 16 bits is faster: 12 matrices of 320 x 896 take 13 ms, in strips 38 (two threads of an Intel Xeon)."""


class BatchedMuon(torch.optim.Muon):
    """``torch.optim.Muon`` (Jordan 2024, https://kellerjordan.github.io/posts/muon/) in less time.

    Settings and state are PyTorch's, but for ``ns_coefficients`` and ``ns_steps``, which are not read; ``dtype`` is of
    the products. Small matrices leave half of a CPU idle; stacked ones do not. Where processes hold shares of a matrix
    (FSDP) its update is gathered, so that the steps are those of the whole matrix.

    The products cost the same whatever the batch, so at small ones only every so many steps move the matrices, as if
    their batch were larger: the steps between go into the momentum alone, and the rate is that of the larger batch, by
    the root of its size. In steps the demo's Model 1 learns as fast by every second step (docs/experiments.md).
    """

    def __init__(self, params: Any, *, dtype: torch.dtype = EXACT, every: int = 1, **settings: Any) -> None:
        super().__init__(params, **settings)
        self.dtype, self.every = dtype, every

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step. No closure is called: nothing here evaluates a model again."""
        assert closure is None
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            for parameter in parameters:
                self._gather(parameter, group["momentum"])
            group["steps"] = group.get("steps", 0) + 1  # a part of the state
            if group["steps"] % self.every == 0:
                for alike in _alike(parameters):
                    self._move(alike, group)

    def _gather(self, parameter: Tensor, momentum: float) -> None:
        """Take the gradient into the momentum."""
        state = self.state[parameter]
        assert parameter.grad is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter.grad)
        state["momentum_buffer"].lerp_(parameter.grad, 1 - momentum)

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move parameters with the same sides, the tall ones transposed."""
        updates, peak = [], group["lr"] * math.sqrt(self.every)
        for parameter in parameters:
            gradient, momentum = parameter.grad, self.state[parameter]["momentum_buffer"]
            assert gradient is not None
            update = gradient.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
            update = whole(update.to(self.dtype))
            updates.append(update.T if _is_tall(update) else update)
        directions = orthogonalise(torch.stack(updates), group["eps"])
        for parameter, direction in zip(parameters, directions, strict=True):
            rate = _adjust_lr(peak, group["adjust_lr_fn"], parameter.shape)
            parameter.mul_(1 - group["lr"] * self.every * group["weight_decay"])
            direction = direction.T if _is_tall(parameter) else direction
            parameter.add_(shared_like(direction, parameter), alpha=-rate)


def _is_tall(matrix: Tensor) -> bool:
    return matrix.shape[0] > matrix.shape[1]


def _alike(parameters: list[Tensor]) -> Iterator[list[Tensor]]:
    """Groups of parameters with equal sides, none larger than ``STACK_ELEMENTS`` unless it is one matrix."""
    by_sides: dict[tuple[Any, ...], list[Tensor]] = {}
    for parameter in parameters:
        by_sides.setdefault((parameter.device, *sorted(parameter.shape)), []).append(parameter)
    for same in by_sides.values():
        size = max(1, STACK_ELEMENTS // same[0].numel())
        yield from (same[start : start + size] for start in range(0, len(same), size))


def orthogonalise(matrices_NRC: Tensor, eps: float) -> Tensor:
    """About U Vᵀ of each matrix U S Vᵀ, by Newton-Schulz iterations; rows R at most columns C.

    Scaled by the root of the Frobenius norm of the Gram matrix, the 4-norm of the singular values: not below the
    largest, and nearer to it than the usual Frobenius norm, so that fewer small ones are lost.
    """
    x = matrices_NRC / matrices_NRC.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    gram = _symmetric_product(x, x)
    largest = 1.02 * gram.norm(dim=(1, 2), keepdim=True, dtype=EXACT).clamp(min=eps).sqrt()
    gram = gram / largest.square().to(x.dtype)
    if x.dtype == EXACT and x.shape[2] >= GRAM_FROM * x.shape[1]:
        return _product(_polar_factor(gram).div_(largest), x)
    x = x / largest.to(x.dtype)
    for number, (a, b, c) in enumerate(COEFFICIENTS):
        gram = gram if number == 0 else _symmetric_product(x, x)
        x = _product(_symmetric_product(gram, gram, c, gram, b), x, 1, x, a)
    return x


def _polar_factor(gram_NRR: Tensor) -> Tensor:
    """Q of the iterations' result Q X, from X's Gram matrix alone, whose products are the smaller ones.

    All matrices here are polynomials of the Gram matrix, so they commute and their products are symmetric. It needs
    fp32: in 16 bits the squares of small singular values drown.
    """
    factor, gram = None, gram_NRR
    for number, (a, b, c) in enumerate(COEFFICIENTS):
        step = _symmetric_product(gram, gram, c, gram, b)
        step.diagonal(dim1=1, dim2=2).add_(a)
        factor = step if factor is None else _symmetric_product(step, factor)
        if number + 1 < len(COEFFICIENTS):
            gram = _symmetric_product(_symmetric_product(gram, step), step)
    assert factor is not None
    return factor


def _symmetric_product(
    left_NRK: Tensor, right_NRK: Tensor, factor: float = 1, plus: Tensor | None = None, scale: float = 0
) -> Tensor:
    """``factor * left @ right.mT + scale * plus``, symmetric: by strips of rows, each up to the diagonal."""
    rows = left_NRK.shape[1]
    in_strips = left_NRK.device.type == "cpu" and (left_NRK.dtype == EXACT or not has_amx())
    strips = min(STRIPS, rows // LEAST_STRIP) if in_strips else 1
    if strips < 2:
        return _product(left_NRK, right_NRK.mT, factor, plus, scale)
    result = left_NRK.new_empty(len(left_NRK), rows, rows)
    for strip in range(strips):
        start, end = rows * strip // strips, rows * (strip + 1) // strips
        added = None if plus is None else plus[:, start:end, :end]
        block = _product(left_NRK[:, start:end], right_NRK[:, :end].mT, factor, added, scale)
        result[:, start:end, :end] = block
        result[:, :start, start:end] = block[:, :, :start].mT
    return result


def _product(left: Tensor, right: Tensor, factor: float = 1, plus: Tensor | None = None, scale: float = 0) -> Tensor:
    """``factor * left @ right + scale * plus``, where fp32 is faster by oneDNN by that."""
    if not (left.dtype == EXACT and left.device.type == "cpu" and fp32_products().grad_input):
        return left @ right if plus is None else torch.baddbmm(plus, left, right, beta=scale, alpha=factor)
    product = torch.stack([onednn_linear(a, b.T) for a, b in zip(left, right, strict=True)])
    return product if plus is None else product.mul_(factor).add_(plus, alpha=scale)
