"""The formula against PyTorch's own count of a real step's operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.training.evaluation.tiny_checkpoint import OPTIONS
from training.loop.flops import training_flops_per_token
from training.loop.plan import trace_step
from training.loop.plans import shape_of
from training.models.bases import Base
from training.models.fine_tuning import Full, Lora, PackedCausalLM
from training.models.transformer import PLAIN_ATTENTION_UP_TO, ModernTransformer
from training.settings.model2 import Model2Options

# Above this length attention is fused, which the count leaves out: it is then that of the products with weights alone.
ROW = PLAIN_ATTENTION_UP_TO + 64
LLAMA = LlamaConfig(
    vocab_size=500, hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True,
)  # fmt: skip


def packed(method: str, frozen: float) -> PackedCausalLM:
    base = Base("tiny", LlamaForCausalLM(LLAMA), None, 0)  # type: ignore[arg-type] # no tokenizer is needed
    if method == "full":
        Full(base, frozen, torch.float32)
    else:
        Lora(base, 4, torch.float32)
    return PackedCausalLM(base.model)


def attention(layers: int, reached: int, width: int) -> int:
    """What the formula says of attention: forward in every layer, backward where gradients come."""
    return (2 * layers + 4 * reached) * width * ROW


def counted(build: Any, options: Any) -> float:
    return trace_step(lambda layers: build(), options, torch.float32).flops_per_token


def test_a_model_trained_whole() -> None:
    options = replace(OPTIONS, seq_len=ROW, max_seq_len=512, micro_batch_size=1, batch_size=1)
    with torch.device("meta"):
        found = training_flops_per_token(ModernTransformer(**options.model_config()), ROW)
    products = found - attention(2, 2, 64)
    norms = 5 * 2 * 64  # the gradient of their weights is a product with a vector, which the count has and we do not
    assert products + norms == counted(lambda: ModernTransformer(**options.model_config()), options)
    assert products == 6 * shape_of(options).n_parameters() - 6 * 5 * 64  # tied, so all but the five norms' weights


@pytest.mark.parametrize(("method", "frozen", "reached"), [("full", 0.5, 2), ("lora", 0.0, 4)])
def test_a_model_trained_in_part(method: str, frozen: float, reached: int) -> None:
    options = Model2Options(seq_len=ROW, micro_batch_size=1, batch_size=1, frozen=frozen)
    with torch.device("meta"):
        model = packed(method, frozen).model
    found = training_flops_per_token(model, ROW) - attention(4, reached, 64)
    found += (2 * reached + 1) * 2 * 64  # norms that gradients reach: a product with a vector, which the count has
    # Below LoRA's first layer nothing is trained, so that the gradient of its input is not needed: not worth a rule.
    assert found == pytest.approx(counted(lambda: packed(method, frozen), options), rel=0.05 if method == "lora" else 0)
