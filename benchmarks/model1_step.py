"""Where Model 1's training step spends its time, against PyTorch's own ways, alternating in one run.

    python benchmarks/model1_step.py

Prints milliseconds, forward and backward, as the least of several alternating runs (other programs only ever add), for:
cross-entropy over a vocabulary (ours: `training/loss.py`), attention on short rows (ours: `plain_attention` in
`training/model.py`), and the whole step of the demo model with both and with neither.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import torch.nn.functional as F
from torch import Tensor

import training.model
from training.device import choose_compute
from training.loss import cross_entropy_sum
from training.model import ModernTransformer, plain_attention
from training.optimizer import build_optimizers
from training.train_art_ai_model import PROFILES

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


def whole_step() -> None:
    options, compute = PROFILES["demo"], choose_compute()
    model = ModernTransformer(**options.model_config())
    optimizers = build_optimizers(
        model, kind=options.optimizer, learning_rate=0.0, adamw_learning_rate=0.0, weight_decay=0.0
    )
    shape = (options.batch_rows, options.row_length)
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

    def plain() -> None:
        with compute.autocast(), patch.object(training.model, "PLAIN_ATTENTION_UP_TO", 0):
            logits = model(tokens, documents)
        update(F.cross_entropy(logits.flatten(0, 1).float(), tokens.flatten(), reduction="sum"))

    report(f"whole step of the demo model, {shape[0]} x {shape[1]} tokens", {"ours": ours, "PyTorch's": plain})


if __name__ == "__main__":
    torch.manual_seed(0)
    compute = choose_compute()
    print(f"{compute.name}, {compute.dtype_name} ({compute.reason})")
    cross_entropy(compute.dtype)
    for batch, length in ((32, 128), (16, 256), (8, 512)):
        attention(compute.dtype, batch, length)
    whole_step()
