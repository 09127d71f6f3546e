"""Model 1: a decoder-only transformer of the Llama family, written out in full.

Shapes are given with one letter per axis: B batch, S sequence, D model width, H query heads, K key/value heads,
E width of a head, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from training.hardware.compute import EXACT
from training.hardware.products import Linear
from training.models.attention import PLAIN_ATTENTION_UP_TO, plain_attention
from training.models.loss import cross_entropy_sum


class RMSNorm(nn.Module):
    """Root-mean-square normalisation without mean or bias (Zhang & Sennrich 2019, arXiv:1910.07467)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x_BSD: Tensor) -> Tensor:
        if x_BSD.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # The residual stream of transformers' layers is in fp32; what comes out of here is read by products alone.
            x_BSD = x_BSD.to(torch.get_autocast_dtype("cpu"))
        weight_D = self.weight.to(x_BSD.dtype)
        if x_BSD.device.type == "cpu" and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            return CpuRMSNorm.apply(x_BSD, weight_D, self.eps)
        return F.rms_norm(x_BSD, self.weight.shape, weight_D, self.eps)


class CpuRMSNorm(torch.autograd.Function):
    """RMSNorm in the input's own number format, with a backward pass of its own.

    PyTorch has no kernel for it on a CPU: ``F.rms_norm`` becomes a dozen passes in fp32, 2.2 ms against 0.9 ms
    forward and backward for 2,048 x 256 on one core (`benchmarks/model1_step.py`).
    """

    @staticmethod
    def forward(ctx: Any, x_BSD: Tensor, weight_D: Tensor, eps: float) -> Tensor:
        norm_BS1 = torch.linalg.vector_norm(x_BSD, dim=-1, keepdim=True, dtype=torch.promote_types(x_BSD.dtype, EXACT))
        inverse_BS1 = (norm_BS1.square_() / x_BSD.shape[-1]).add_(eps).rsqrt_().to(x_BSD.dtype)
        normed_BSD = x_BSD * inverse_BS1
        ctx.save_for_backward(normed_BSD, inverse_BS1, weight_D)
        return normed_BSD * weight_D

    @staticmethod
    def backward(ctx: Any, grad_BSD: Tensor) -> tuple[Tensor, Tensor, None]:
        normed_BSD, inverse_BS1, weight_D = ctx.saved_tensors
        product_BSD = grad_BSD * normed_BSD
        grad_weight_D = (
            product_BSD.flatten(0, -2).sum(0, dtype=torch.promote_types(grad_BSD.dtype, EXACT)).to(weight_D.dtype)
        )
        mean_BS1 = (product_BSD @ weight_D[:, None]) / -weight_D.shape[0]
        grad_x_BSD = torch.addcmul(grad_BSD * weight_D, normed_BSD, mean_BS1).mul_(inverse_BS1)
        return grad_x_BSD, grad_weight_D, None


def rope_tables(head_dim: int, max_seq_len: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary position embedding (Su et al. 2021, arXiv:2104.09864), each (S, E).

    The two halves of a head are rotated against each other, the layout of transformers' Llama, so that weights can be
    exchanged with it without a permutation.
    """
    frequencies = theta ** (-torch.arange(0, head_dim, 2, dtype=EXACT) / head_dim)
    angles = torch.outer(torch.arange(max_seq_len, dtype=EXACT), frequencies)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x_BHSE: Tensor, cos_SE: Tensor, sin_SE: Tensor) -> Tensor:
    """Rotate queries or keys to their positions; cosines and sines (S, E), or (B, 1, S, E) for rows of their own."""
    if x_BHSE.device.type == "cpu" and torch.is_grad_enabled() and not torch.compiler.is_compiling():
        rotated: Tensor = Rotation.apply(x_BHSE, cos_SE, sin_SE)
        return rotated
    first, second = x_BHSE.chunk(2, dim=-1)
    return x_BHSE * cos_SE + torch.cat([-second, first], dim=-1) * sin_SE


class Rotation(torch.autograd.Function):
    """``rotate`` in three passes over the heads instead of five, and back in three instead of six."""

    @staticmethod
    def forward(ctx: Any, x_BHSE: Tensor, cos_SE: Tensor, sin_SE: Tensor) -> Tensor:
        ctx.save_for_backward(cos_SE, sin_SE)
        return _rotated(x_BHSE, cos_SE, sin_SE, 1)

    @staticmethod
    def backward(ctx: Any, grad_BHSE: Tensor) -> tuple[Tensor, None, None]:
        cos_SE, sin_SE = ctx.saved_tensors
        return _rotated(grad_BHSE, cos_SE, sin_SE, -1), None, None


def _rotated(x_BHSE: Tensor, cos_SE: Tensor, sin_SE: Tensor, sign: int) -> Tensor:
    half = x_BHSE.shape[-1] // 2
    turned, sin = x_BHSE * cos_SE, sin_SE[..., :half]
    turned[..., :half].addcmul_(x_BHSE[..., half:], sin, value=-sign)
    turned[..., half:].addcmul_(x_BHSE[..., :half], sin, value=sign)
    return turned


class KeyValueCache:
    """Keys and values of the tokens read so far, one pair a layer, allocated once: (layers, B, K, max_seq_len, E).

    Every row has a length of its own, so that conversations of different lengths are decoded together without padding.
    ``rows`` is a part of the same memory: what is read into it is read into the whole.
    """

    def __init__(self, model: ModernTransformer, batch_size: int, max_seq_len: int | None = None) -> None:
        weight = model.tok_embeddings.weight
        config = model.config
        head_dim = config["dim"] // config["n_heads"]
        length = max_seq_len or config["max_seq_len"]
        shape = (config["n_layers"], batch_size, config["n_kv_heads"], length, head_dim)
        self.keys = torch.zeros(shape, device=weight.device, dtype=weight.dtype)
        self.values = torch.zeros_like(self.keys)
        self.lengths = torch.zeros(batch_size, dtype=torch.long)

    def rows(self, first: int, last: int) -> KeyValueCache:
        """The rows from ``first`` up to ``last``, sharing memory and lengths with this cache."""
        part = object.__new__(KeyValueCache)
        part.keys, part.values = self.keys[:, first:last], self.values[:, first:last]
        part.lengths = self.lengths[first:last]
        return part

    def move_row(self, source: int, target: int) -> None:
        """Copy one row over another."""
        length = int(self.lengths[source])
        for tensor in (self.keys, self.values):
            tensor[:, target, :, :length] = tensor[:, source, :, :length]
        self.lengths[target] = length

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add a layer's new keys and values (B, K, S, E) and return all; ``lengths`` grow after the last layer."""
        added = keys.shape[2]
        starts = self.lengths.tolist()
        end = max(starts) + added
        for whole, new in ((self.keys[layer], keys), (self.values[layer], values)):
            if min(starts) == max(starts):
                whole[:, :, starts[0] : end] = new
            else:
                for row, start in enumerate(starts):
                    whole[row, :, start : start + added] = new[row]
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


class Attention(nn.Module):
    """Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245): H query heads share K key/value heads."""

    def __init__(self, dim: int, n_heads: int, n_kv_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim, self.dropout = n_heads, n_kv_heads, dim // n_heads, dropout
        self.wq = Linear(dim, n_heads * self.head_dim, bias=False)
        self.wk = Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wv = Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wo = Linear(n_heads * self.head_dim, dim, bias=False)

    def forward(
        self, x_BSD: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, cache: KeyValueCache | None, layer: int
    ) -> Tensor:
        batch, length, _ = x_BSD.shape
        q = self.wq(x_BSD).view(batch, length, self.n_heads, self.head_dim).transpose(1, 2)
        k = self.wk(x_BSD).view(batch, length, self.n_kv_heads, self.head_dim).transpose(1, 2)
        v = self.wv(x_BSD).view(batch, length, self.n_kv_heads, self.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            k, v = cache.append(layer, k, v)
        dropout = self.dropout if self.training else 0.0
        if mask is not None and q.device.type == "cpu" and 1 < length == k.shape[2] <= PLAIN_ATTENTION_UP_TO:
            attended = plain_attention(q, k, v, mask, dropout)
        else:
            attended = F.scaled_dot_product_attention(
                q, k, v, mask, dropout_p=dropout, is_causal=mask is None, enable_gqa=self.n_heads != self.n_kv_heads
            )
        return self.wo(attended.transpose(1, 2).reshape(batch, length, -1))


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) · up, each (..., F) (Shazeer 2020, arXiv:2002.05202).

    Where nothing learns, ``gate`` is overwritten: the time went to memory that the system handed out anew for each
    large result (`benchmarks/model1_step.py`).
    """
    if torch.is_grad_enabled():
        return F.silu(gate) * up
    return F.silu(gate, inplace=True).mul_(up)


class FeedForward(nn.Module):
    """SwiGLU without biases."""

    def __init__(self, dim: int, ffn_dim: int) -> None:
        super().__init__()
        self.w_gate = Linear(dim, ffn_dim, bias=False)
        self.w_up = Linear(dim, ffn_dim, bias=False)
        self.w_down = Linear(ffn_dim, dim, bias=False)

    def forward(self, x_BSD: Tensor) -> Tensor:
        return self.w_down(swiglu(self.w_gate(x_BSD), self.w_up(x_BSD)))


class Block(nn.Module):
    def __init__(self, dim: int, n_heads: int, n_kv_heads: int, ffn_dim: int, dropout: float, norm_eps: float) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(dim, norm_eps)
        self.attention = Attention(dim, n_heads, n_kv_heads, dropout)
        self.ffn_norm = RMSNorm(dim, norm_eps)
        self.feed_forward = FeedForward(dim, ffn_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x_BSD: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, cache: KeyValueCache | None, layer: int
    ) -> Tensor:
        x_BSD = x_BSD + self.dropout(self.attention(self.attention_norm(x_BSD), cos, sin, mask, cache, layer))
        return x_BSD + self.dropout(self.feed_forward(self.ffn_norm(x_BSD)))


def config_problems(config: dict[str, Any]) -> list[str]:
    """Everything that makes a configuration impossible, one sentence each (empty when it is fine)."""
    problems = [
        f"{key}={config[key]} must be at least 1"
        for key in ("vocab_size", "dim", "n_layers", "n_heads", "n_kv_heads", "ffn_dim", "max_seq_len")
        if config[key] < 1
    ]
    if problems:
        return problems
    if config["dim"] % config["n_heads"]:
        problems.append(f"n_heads={config['n_heads']} must divide dim={config['dim']}")
    elif config["dim"] // config["n_heads"] % 2:
        problems.append(f"dim/n_heads={config['dim'] // config['n_heads']} must be even for rotary positions")
    if config["n_heads"] % config["n_kv_heads"]:
        problems.append(f"n_kv_heads={config['n_kv_heads']} must divide n_heads={config['n_heads']}")
    if not 0 <= config["dropout"] < 1:
        problems.append(f"dropout={config['dropout']} must be at least 0 and below 1")
    return problems


class ModernTransformer(nn.Module):
    """Decoder-only transformer with RoPE, RMSNorm, grouped-query attention and SwiGLU.

    ``forward`` maps token ids (B, S) to logits (B, S, V). ``hidden`` stops before the output layer, for a loss that
    computes logits only where there is a label.

    Raises:
        ValueError: when the sizes do not fit one another; the message lists every problem.
    """

    rope_cos: Tensor
    rope_sin: Tensor

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        n_layers: int,
        n_heads: int,
        n_kv_heads: int,
        ffn_dim: int,
        max_seq_len: int,
        dropout: float = 0.0,
        rope_theta: float = 10_000.0,
        norm_eps: float = 1e-5,
        tie_embeddings: bool = False,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "vocab_size": vocab_size,
            "dim": dim,
            "n_layers": n_layers,
            "n_heads": n_heads,
            "n_kv_heads": n_kv_heads,
            "ffn_dim": ffn_dim,
            "max_seq_len": max_seq_len,
            "dropout": dropout,
            "rope_theta": rope_theta,
            "norm_eps": norm_eps,
            "tie_embeddings": tie_embeddings,
        }
        if problems := config_problems(self.config):
            raise ValueError("; ".join(problems))
        self.activation_checkpointing = False  # compute activations again in the backward pass: slower, less memory
        self.tok_embeddings = nn.Embedding(vocab_size, dim)
        self.layers = nn.ModuleList(
            Block(dim, n_heads, n_kv_heads, ffn_dim, dropout, norm_eps) for _ in range(n_layers)
        )
        self.norm = RMSNorm(dim, norm_eps)
        self.output = Linear(dim, vocab_size, bias=False)
        if tie_embeddings:
            self.output.weight = self.tok_embeddings.weight
        self.dropout = nn.Dropout(dropout)
        cos, sin = rope_tables(dim // n_heads, max_seq_len, rope_theta)
        self.register_buffer("rope_cos", cos, persistent=False)
        self.register_buffer("rope_sin", sin, persistent=False)
        self.initialise()

    def initialise(self) -> None:
        """Normal weights of 0.02; layers that write to the residual stream scaled by 1/sqrt(2 n_layers) (GPT-2)."""
        residual_std = 0.02 / (2 * self.config["n_layers"]) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                nn.init.ones_(parameter)
            else:
                std = residual_std if name.endswith(("wo.weight", "w_down.weight")) else 0.02
                nn.init.normal_(parameter, std=std)

    def hidden(
        self, tokens_BS: Tensor, documents_BS: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """Final normalised states (B, S, D).

        Args:
                documents_BS: the number of the document that each token belongs to; tokens attend within theirs alone.
                Positions need no reset, since rotary attention depends on distances only.
            cache: keys and values of earlier tokens, extended by this call.

        Raises:
            ValueError: when the tokens do not fit into ``max_seq_len``.
        """
        positions = token_positions(tokens_BS, cache)
        end = tokens_BS.shape[1] if cache is None else int(positions.max()) + 1
        if end > self.config["max_seq_len"]:
            raise ValueError(f"{end} tokens exceed max_seq_len={self.config['max_seq_len']}; shorten the input")
        x_BSD = self.tok_embeddings(tokens_BS)
        if torch.is_autocast_enabled(x_BSD.device.type):
            # The residual stream in the autocast type: on a CPU without it 30% of a step goes to conversions.
            x_BSD = x_BSD.to(torch.get_autocast_dtype(x_BSD.device.type))
        x_BSD = self.dropout(x_BSD)
        cos, sin = self.rope_cos[positions].to(x_BSD.dtype), self.rope_sin[positions].to(x_BSD.dtype)
        mask = attention_mask(positions, end, documents_BS, x_BSD)
        for index, layer in enumerate(self.layers):
            if self.activation_checkpointing and self.training:
                x_BSD = checkpoint(layer, x_BSD, cos, sin, mask, cache, index, use_reentrant=False)
            else:
                x_BSD = layer(x_BSD, cos, sin, mask, cache, index)
        if cache is not None:
            cache.lengths += tokens_BS.shape[1]
        return self.norm(x_BSD)

    def forward(
        self, tokens_BS: Tensor, documents_BS: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """Logits (B, S, V); arguments as for ``hidden``."""
        return self.output(self.hidden(tokens_BS, documents_BS, cache))

    def loss(
        self, tokens_BS: Tensor, labels_BS: Tensor, documents_BS: Tensor | None = None, *, label_smoothing: float = 0.0
    ) -> Tensor:
        """Sum of the cross-entropies (nats) over all positions whose label is not −100.

        The caller divides by the number of labels, over all accumulated batches at once.
        """
        states_BSD = self.hidden(tokens_BS, documents_BS)
        return cross_entropy_sum(states_BSD, self.output.weight, labels_BS, label_smoothing=label_smoothing)

    def n_parameters(self) -> int:
        """Parameters, tied ones once."""
        return sum(parameter.numel() for parameter in self.parameters())


def token_positions(tokens_BS: Tensor, cache: KeyValueCache | None) -> Tensor:
    """Where the tokens stand in their conversations: (S,), or (B, 1, S) for rows of different lengths."""
    new = torch.arange(tokens_BS.shape[1])
    if cache is None:
        return new
    if bool((cache.lengths == cache.lengths[0]).all()):
        return cache.lengths[0] + new
    return cache.lengths[:, None, None] + new


def attention_mask(positions: Tensor, end: int, documents_BS: Tensor | None, x_BSD: Tensor) -> Tensor | None:
    """What is added to the scores (0: may attend, −inf: may not), or None where SDPA's own causal mask is meant."""
    device = x_BSD.device
    if documents_BS is None and positions.shape == (end,) and (device.type != "cpu" or end > PLAIN_ATTENTION_UP_TO):
        return None
    allowed = torch.arange(end, device=device) <= positions.to(device)[..., None]
    if documents_BS is not None:
        allowed = allowed & (documents_BS[:, None, :, None] == documents_BS[:, None, None, :])
    return torch.zeros(allowed.shape, dtype=x_BSD.dtype, device=device).masked_fill_(~allowed, float("-inf"))
