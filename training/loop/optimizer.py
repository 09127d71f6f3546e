"""Optimizers and the learning rate's course."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim import Optimizer

from training.hardware.compute import EXACT
from training.loop.muon import BatchedMuon
from training.models.loss import output_weight


def build_optimizers(
    model: nn.Module,
    *,
    kind: str,
    learning_rate: float,
    adamw_learning_rate: float | None,
    weight_decay: float,
    dtype: torch.dtype = EXACT,
) -> list[Optimizer]:
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
    adamw_groups = [
        {"params": decayed + ([] if kind == "muon" else hidden), "weight_decay": weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    adamw_rate = adamw_learning_rate if kind == "muon" and adamw_learning_rate is not None else learning_rate
    optimizers: list[Optimizer] = [torch.optim.AdamW(adamw_groups, lr=adamw_rate, betas=(0.9, 0.95), fused=True)]
    if kind == "muon":
        optimizers.append(
            BatchedMuon(
                hidden, dtype=dtype, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def cosine_with_warmup(done: float, *, warmup: float, floor: float) -> float:
    """Multiplier of the peak learning rate after the share ``done`` of the run (Loshchilov & Hutter 2017)."""
    if done < warmup:
        return max(done / warmup, 0.01)
    course = min(1.0, (done - warmup) / max(1e-9, 1 - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * course))


def warmup_stable_decay(done: float, *, warmup: float, decay: float, floor: float) -> float:
    """The same for a rate that stays at its peak until the last share ``decay`` of the run (Hu et al. 2024,
    arXiv:2404.06395), and then falls as 1 - sqrt (Hägele et al. 2024, arXiv:2405.18392)."""
    if done < warmup:
        return max(done / warmup, 0.01)
    course = min(1.0, max(0.0, done - (1 - decay)) / decay)
    return floor + (1 - floor) * (1 - math.sqrt(course))


def set_learning_rate(optimizers: list[Optimizer], multiplier: float) -> float:
    """Scale every group's peak rate; returns the first group's rate, for the record."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * multiplier
    return optimizers[-1].param_groups[0]["lr"]
