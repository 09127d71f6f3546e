"""Attention for rows of packed documents on a CPU: plain matrix products over what is not masked.

Shapes are given with one letter per axis: B batch, S sequence, H query heads, K key/value heads, E width of a head.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training.hardware.products import is_fake

PLAIN_ATTENTION_UP_TO = 256
"""Up to here plain matrix products beat PyTorch's fused attention on a CPU (`benchmarks/model1_step.py`). Beyond, the
scores that the backward pass keeps cost too much memory."""

BLOCK = 64
"""Queries at a time. Keys are cut at multiples of half of it, since oneDNN compiles a kernel for each size."""

Span = tuple[int, int, int]
"""A block of queries from the first up to the second position; its keys begin at the third and end with the block."""


def attention_spans(mask: Tensor) -> list[Span]:
    """The part of the scores that a mask leaves, in blocks of queries.

    Args:
        mask: what is added to the scores, 0 or −inf, (S, S) or (B, 1, S, S); nothing attends to what comes later, and
            what a token attends to begins no later for those after it, as with packed documents.
    """
    length = mask.shape[-1]
    if is_fake(mask):  # a plan, which counts what one document over the whole row would take
        return [(start, min(start + BLOCK, length), 0) for start in range(0, length, BLOCK)]
    # The first place that the first query of each block attends to, the least over the rows.
    first = mask.reshape(-1, length, length)[:, ::BLOCK].argmax(-1).amin(0).tolist()
    step = BLOCK // 2
    return [
        (start, min(start + BLOCK, length), begin // step * step)
        for start, begin in zip(range(0, length, BLOCK), first, strict=True)
    ]


class BlockAttention(torch.autograd.Function):
    """softmax(scale Q Kᵀ + mask) V over the given spans alone, with grouped heads, and its gradients.

    With documents of 60 tokens in rows of 256 less than half of the scores is computed. Gradients are laid out as
    (B, S, H, E), as the products before attention take them.
    """

    @staticmethod
    def forward(
        ctx: Any, q_BHSE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor, mask: Tensor, spans: list[Span], scale: float
    ) -> Tensor:
        batch, heads, length, width = q_BHSE.shape
        kv_heads = k_BKSE.shape[1]
        queries = q_BHSE.new_empty(batch, kv_heads, heads // kv_heads, length, width)
        torch.mul(q_BHSE.unflatten(1, queries.shape[1:3]), scale, out=queries)
        keys, values = (x.contiguous().flatten(0, 1) for x in (k_BKSE, v_BKSE))
        attended = _by_position(q_BHSE)
        kept = []
        for start, end, begin in spans:
            q = queries[:, :, :, start:end].reshape(batch * kv_heads, -1, width)
            scores = torch.bmm(q, keys[:, begin:end].mT)
            by_head = scores.view(batch, heads, end - start, end - begin)
            by_head += mask[..., start:end, begin:end]
            weights = torch.softmax(scores, -1, out=scores)
            out = torch.bmm(weights, values[:, begin:end])
            attended[:, :, start:end] = out.view(batch, heads, end - start, width)
            kept.append(weights)
        ctx.save_for_backward(queries, keys, values, *kept)
        ctx.spans, ctx.scale = spans, scale
        return attended

    @staticmethod
    def backward(ctx: Any, grad_BHSE: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        queries, keys, values, *kept = ctx.saved_tensors
        batch, heads, _, width = grad_BHSE.shape
        rows, kv_heads = len(keys), queries.shape[1]
        grad_q = _by_position(grad_BHSE)
        grad_k, grad_v = torch.zeros_like(keys), torch.zeros_like(values)
        for (start, end, begin), weights in zip(ctx.spans, kept, strict=True):
            q = queries[:, :, :, start:end].reshape(rows, -1, width)
            grad = grad_BHSE[:, :, start:end].reshape(rows, -1, width)
            grad_v[:, begin:end] += torch.bmm(weights.mT, grad)
            grad_weights = torch.bmm(grad, values[:, begin:end].mT)
            grad_scores = torch.ops.aten._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
            of_q = torch.bmm(grad_scores, keys[:, begin:end]).view(batch, heads, end - start, width)
            torch.mul(of_q, ctx.scale, out=grad_q[:, :, start:end])
            grad_k[:, begin:end] += torch.bmm(grad_scores.mT, q)
        shape = (batch, kv_heads, *keys.shape[1:])
        return grad_q, grad_k.view(shape), grad_v.view(shape), None, None, None


def block_attention(q_BHSE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor, mask: Tensor, scale: float) -> Tensor:
    """``BlockAttention`` over what the mask leaves; see ``leave_uncompiled``."""
    if torch.is_autocast_enabled("cpu"):  # the backward pass has no autocast; layers of others rotate in fp32
        q_BHSE, k_BKSE, v_BKSE = (x.to(torch.get_autocast_dtype("cpu")) for x in (q_BHSE, k_BKSE, v_BKSE))
    attended: Tensor = BlockAttention.apply(q_BHSE, k_BKSE, v_BKSE, mask, attention_spans(mask), scale)
    return attended


def leave_uncompiled() -> None:
    """To be called before layers are compiled: what ``block_attention`` computes depends on the documents.

    As a decorator it would load the compiler, a third of what every command waits for before its first word.
    """
    global block_attention
    block_attention = torch.compiler.disable(block_attention)


def _by_position(like_BHSE: Tensor) -> Tensor:
    """An empty tensor (B, H, S, E) that lies in memory as (B, S, H, E)."""
    batch, heads, length, width = like_BHSE.shape
    return like_BHSE.new_empty(batch, length, heads, width).transpose(1, 2)


def plain_attention(
    q_BHSE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor, mask: Tensor, dropout: float, scale: float | None = None
) -> Tensor:
    """Attention as batched matrix products; ``mask`` is added to the scores, (S, S) or (B, 1, S, S).

    ``scale`` is that of the scores before, by default one over the square root of E.
    """
    batch, heads, length, width = q_BHSE.shape
    scale = width**-0.5 if scale is None else scale
    if not dropout:
        return block_attention(q_BHSE, k_BKSE, v_BKSE, mask, scale)
    kv_heads = k_BKSE.shape[1]
    q = (q_BHSE * scale).reshape(batch, kv_heads, -1, width)
    scores = (q @ k_BKSE.transpose(-1, -2)).view(batch, heads, length, length).add_(mask)
    weights = F.dropout(scores.softmax(-1), dropout).view(batch, kv_heads, -1, length)
    return (weights @ v_BKSE).view(batch, heads, length, width)
