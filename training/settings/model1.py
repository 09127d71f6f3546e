"""The settings of Model 1, and its profiles."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Any, Literal

from training.common.options import Range, ranges_of
from training.models.transformer import ModernTransformer, config_problems
from training.reporting.verdict import USABLE_BITS_PER_BYTE
from training.settings.common import TrainingOptions


@dataclass(frozen=True)
class Model1Options(TrainingOptions):
    """Everything that decides Model 1: its shape, and its training, with other defaults than those in common."""

    vocab_size: Annotated[int, Range(300, 1_048_576)] = 4096
    """Pieces of the tokenizer, which is trained on the data"""
    dim: Annotated[int, Range(2, 131_072)] = 320
    """Width of the model"""
    n_layers: Annotated[int, Range(1, 10_000)] = 4
    """Number of layers"""
    n_heads: Annotated[int, Range(1, 65_536)] = 5
    """Query heads; divides dim"""
    n_kv_heads: Annotated[int, Range(1, 65_536)] = 1
    """Key and value heads; divides n_heads"""
    ffn_dim: Annotated[int, Range(1, 1_048_576)] = 896
    """Width inside the feed-forward layers"""
    max_seq_len: Annotated[int, Range(2, 1_048_576)] = 512
    """Longest conversation in tokens"""
    dropout: Annotated[float, Range(0, 1, below=True)] = 0.0
    """Share of activations dropped in training"""
    rope_theta: Annotated[float, Range(1, 1e12)] = 10_000.0
    """Base of the rotary frequencies"""
    norm_eps: Annotated[float, Range(0, 1, above=True)] = 1e-5
    """Added under the root of RMSNorm"""
    tie_embeddings: bool = True
    """Whether the output layer is the embedding"""
    epochs: float = 3.0
    max_seconds: float | None = 1200.0
    target_bits_per_byte: float | None = 0.10
    fall_within: float = 5.4
    decay: float = 0.5
    look_samples: int = 100
    usable_bits_per_byte: float | None = USABLE_BITS_PER_BYTE
    schedule: Literal["cosine", "wsd"] = "wsd"
    save_seconds: float | None = 60.0
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = 4e-3
    adamw_learning_rate: float | None = 1e-2
    muon_every: int = 2
    weight_decay: float = 0.1
    warmup: float = 0.03
    min_lr_ratio: float = 0.02
    label_smoothing: float = 0.01

    def model_config(self) -> dict[str, Any]:
        """The keyword arguments of ``ModernTransformer``."""
        return {key: getattr(self, key) for key in signature(ModernTransformer).parameters}

    def problems(self) -> list[str]:
        problems = super().problems()
        shape = self.model_config()
        cls: type = type(self)
        if all(shape[name] in allowed for name, allowed in ranges_of(cls).items() if name in shape):
            problems += config_problems(shape)
        if self.seq_len > self.max_seq_len:
            problems.append(f"seq_len={self.seq_len} exceeds max_seq_len={self.max_seq_len}; lower one")
        return problems


PROFILES = {
    "demo": Model1Options(),
    "seed": Model1Options(
        vocab_size=32_000,
        dim=1024,
        n_layers=12,
        n_heads=16,
        n_kv_heads=4,
        ffn_dim=5120,
        max_seq_len=1024,
        tie_embeddings=False,
        dropout=0.1,
        label_smoothing=0.1,
        loss_on="everything",
        seq_len=1024,
        batch_size=128,
        micro_batch_size=8,
        epochs=5.0,
        max_seconds=None,
        target_bits_per_byte=None,
        usable_bits_per_byte=None,
        schedule="cosine",
        save_seconds=300.0,
        learning_rate=1e-3,
        adamw_learning_rate=3e-4,
        muon_every=1,
        evaluations=50,
        patience=5,
        max_held_out=2000,
    ),
}
