"""Small random models of the three families, saved as their makers save them: for tests of every path without a Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from training.corpus import load

FAMILIES = ("llama", "gpt2", "phi")
END_OF_TEXT = "<|endoftext|>"


def byte_pairs(individual_digits: bool) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of 600 tokens, trained on the corpus."""
    backend = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level]) if individual_digits else byte_level
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator((m.content for s in load(("art",))[::50] for m in s.messages), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT, unk_token=END_OF_TEXT
    )


def tiny_model(family: str, vocab_size: int) -> PreTrainedModel:
    """Random weights, large enough that the likeliest token is far ahead of the second."""
    torch.manual_seed(0)
    model: PreTrainedModel
    if family == "llama":
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocab_size,
                hidden_size=64,
                intermediate_size=96,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=256,
                tie_word_embeddings=True,
                rope_parameters={"rope_type": "default", "rope_theta": 50_000.0},
            )
        )
    elif family == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=vocab_size, n_positions=256, n_embd=64, n_layer=2, n_head=4))
    else:  # room for more tokens than the tokenizer has, like Phi-2
        model = PhiForCausalLM(
            PhiConfig(
                vocab_size=vocab_size + 40,
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=256,
                rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5},
            )
        )
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.15)
        elif name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.05)
    return model.eval()


def save_tiny_base(family: str, folder: Path) -> Path:
    """A folder as a user would download it: no chat template, no tokens for turns."""
    tokenizer = byte_pairs(individual_digits=family == "llama")
    tiny_model(family, len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def as_chat(*turns: str) -> list[dict[str, Any]]:
    """Turns of user and assistant, alternating."""
    return [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]
