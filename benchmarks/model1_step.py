"""Where Model 1's training step spends its time, against PyTorch's own ways, alternating in one run.

    python benchmarks/model1_step.py

Prints milliseconds, forward and backward, as the least of several alternating runs (other programs only ever add), for:
cross-entropy over a vocabulary (ours: `training/models/loss.py`), attention on short rows (ours: `plain_attention` in
`training/models/attention.py`), RMSNorm (ours: `CpuRMSNorm`), the feed-forward layer where nothing learns (ours:
`swiglu`), Muon (ours: `training/loop/optimizer.py`), and the whole step of the demo model with all but Muon and with
none of them; at last the parts of a step. `model1_training.py` compares with other programs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import torch.nn.functional as F
from torch import Tensor

import training.models.transformer
from training.hardware.compute import choose_compute
from training.loop.optimizer import BatchedMuon, build_optimizers
from training.models.attention import plain_attention
from training.models.loss import cross_entropy_sum
from training.models.transformer import CpuRMSNorm, FeedForward, ModernTransformer, RMSNorm
from training.settings.common import TrainingOptions
from training.settings.model1 import PROFILES

STILL = TrainingOptions(learning_rate=0.0, adamw_learning_rate=0.0)
"""Rates at which no weight moves."""

ROUNDS = 7


def least_ms(ways: dict[str, Callable[[], None]]) -> dict[str, float]:
    """The least time of each way over alternating rounds."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: min(values[1:]) for name, values in times.items()}


def report(title: str, ways: dict[str, Callable[[], None]]) -> None:
    least = least_ms(ways)
    names = list(least)
    print(f"{title}: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in least.items()), end="")
    print(f" (ratio {least[names[1]] / least[names[0]]:.2f})")


def cross_entropy(dtype: torch.dtype, n: int = 4096, dim: int = 320, vocabulary: int = 4096) -> None:
    states = torch.randn(n, dim, dtype=dtype, requires_grad=True)
    weight = (0.02 * torch.randn(vocabulary, dim)).requires_grad_()
    labels = torch.randint(0, vocabulary, (n,))

    def plain() -> None:
        logits = (states @ weight.to(dtype).T).float()
        F.cross_entropy(logits, labels, reduction="sum").backward()

    report(
        f"cross-entropy, {n} labels, {vocabulary} pieces",
        {"ours": lambda: cross_entropy_sum(states, weight, labels).backward(), "F.cross_entropy": plain},
    )


def attention(dtype: torch.dtype, batch: int, length: int, heads: int = 5, kv_heads: int = 1, width: int = 64) -> None:
    q = torch.randn(batch, heads, length, width, dtype=dtype, requires_grad=True)
    k, v = (torch.randn(batch, kv_heads, length, width, dtype=dtype, requires_grad=True) for _ in range(2))
    documents = (torch.arange(length) // 40).expand(batch, length)
    allowed = (documents[:, None, :, None] == documents[:, None, None, :]) & torch.ones(length, length).tril().bool()
    mask = torch.zeros(allowed.shape, dtype=dtype).masked_fill_(~allowed, float("-inf"))
    grad = torch.randn_like(q)

    def fused() -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)

    report(
        f"attention, {batch} rows of {length}",
        {"ours": lambda: plain_attention(q, k, v, mask, 0.0).backward(grad), "SDPA": lambda: fused().backward(grad)},
    )


def rms_norm(dtype: torch.dtype, n: int = 2048, dim: int = 256) -> None:
    states = torch.randn(n, dim, dtype=dtype, requires_grad=True)
    weight, grad = torch.ones(dim, dtype=dtype, requires_grad=True), torch.randn(n, dim, dtype=dtype)
    report(
        f"RMSNorm, {n} x {dim}",
        {
            "ours": lambda: CpuRMSNorm.apply(states, weight, 1e-5).backward(grad),
            "F.rms_norm": lambda: F.rms_norm(states, (dim,), weight, 1e-5).backward(grad),
        },
    )


@torch.no_grad()
def feed_forward(n: int = 2048, dim: int = 320, ffn_dim: int = 896) -> None:
    """A pass that learns nothing, in fp32 as evaluation computes."""
    layer, x = FeedForward(dim, ffn_dim), torch.randn(n, dim)
    report(
        f"feed-forward without gradients, {n} x {dim}, fp32",
        {
            "ours": lambda: layer(x),
            "out of place": lambda: layer.w_down(F.silu(layer.w_gate(x)) * layer.w_up(x)),
        },
    )


def muon() -> None:
    """A step over the hidden matrices of the demo model."""
    ways: dict[str, Callable[[], None]] = {}
    for name, kind in {"ours": BatchedMuon, "torch.optim.Muon": torch.optim.Muon}.items():
        layers = ModernTransformer(**PROFILES["demo"].model_config()).layers
        matrices = [parameter for parameter in layers.parameters() if parameter.dim() == 2]
        for matrix in matrices:
            matrix.grad = torch.randn_like(matrix)
        ways[name] = kind(matrices, lr=1e-3, adjust_lr_fn="match_rms_adamw").step
    report("Muon", ways)


def profile_step(shape: dict[str, Any], rows: int, seq_len: int, repeats: int = 5) -> dict[str, float]:
    """Milliseconds of the parts of a step of ours on rows of random tokens in documents of 60."""
    compute = choose_compute()
    model = ModernTransformer(**shape)
    optimizers = build_optimizers(model, replace(STILL, optimizer="muon"))
    tokens = torch.randint(0, shape["vocab_size"], (rows, seq_len))
    numbers = (torch.arange(seq_len) // 60).expand(tokens.shape)
    states = torch.randn(rows * seq_len, shape["dim"], dtype=compute.dtype, requires_grad=True)

    def pass_through() -> None:
        with compute.autocast():
            loss = model.loss(tokens, tokens, numbers) / tokens.numel()
        loss.backward()

    def loss_alone() -> None:
        cross_entropy_sum(states, model.output.weight, tokens.flatten()).backward()

    least = least_ms(
        {
            "forward and backward": pass_through,
            "loss": loss_alone,
            "clipping": lambda: float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)) and None,
            **{type(optimizer).__name__: optimizer.step for optimizer in optimizers},
        }
    )
    ours, loss = (_self_ms(way, repeats) for way in (pass_through, loss_alone))
    total, matmul = sum(ours.values()), ours["aten::mm"] - loss["aten::mm"]
    attention = sum(ours.get(f"aten::{name}", 0.0) for name in ("bmm", "_softmax_backward_data"))
    scale = least["forward and backward"] / total
    parts = {
        "matrix products of the layers": scale * matmul,
        "attention's products and softmax": scale * attention,
        "output layer and loss": least["loss"],
    }
    parts["all else of forward and backward"] = least["forward and backward"] - sum(parts.values())
    optimizer_ms = {type(optimizer).__name__: least[type(optimizer).__name__] for optimizer in optimizers}
    return parts | {"clipping": least["clipping"]} | optimizer_ms


def _self_ms(way: Callable[[], None], repeats: int) -> dict[str, float]:
    """Time in each of PyTorch's operations."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(repeats):
            way()
    return {event.key: event.self_cpu_time_total / 1e3 / repeats for event in profiler.key_averages()}


def whole_step() -> None:
    options, compute = PROFILES["demo"], choose_compute()
    model = ModernTransformer(**options.model_config())
    optimizers = build_optimizers(model, replace(STILL, optimizer=options.optimizer))
    shape = (options.batch_size, options.seq_len)
    tokens = torch.randint(0, options.vocab_size, shape)
    documents = (torch.arange(shape[1]) // 40).expand(shape)

    def update(loss: Tensor) -> None:
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def ours() -> None:
        with compute.autocast():
            loss = model.loss(tokens, tokens, documents)
        update(loss)

    def plain_norm(norm: RMSNorm, x: Tensor) -> Tensor:
        return F.rms_norm(x, norm.weight.shape, norm.weight.to(x.dtype), norm.eps)

    def plain() -> None:
        with (
            compute.autocast(),
            patch.object(training.models.transformer, "PLAIN_ATTENTION_UP_TO", 0),
            patch.object(RMSNorm, "forward", plain_norm),
        ):
            logits = model(tokens, documents)
        update(F.cross_entropy(logits.flatten(0, 1).float(), tokens.flatten(), reduction="sum"))

    report(f"whole step of the demo model, {shape[0]} x {shape[1]} tokens", {"ours": ours, "PyTorch's": plain})


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    torch.manual_seed(0)
    compute = choose_compute()
    print(f"{compute.name}, {compute.dtype_name} ({compute.reason})")
    cross_entropy(compute.dtype)
    for batch, length in ((32, 128), (16, 256), (8, 512)):
        attention(compute.dtype, batch, length)
    rms_norm(compute.dtype)
    feed_forward()
    muon()
    whole_step()
    demo = PROFILES["demo"]
    parts = profile_step(demo.model_config(), demo.batch_size, demo.seq_len)
    print("parts of a step: " + ", ".join(f"{part} {ms:.1f} ms" for part, ms in parts.items()))
