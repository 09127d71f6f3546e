"""The table of the bases that Model 2 can start from by name: where each is, what it is, and what its makers say of it.

No other module holds facts about them. It needs no PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class KnownBase:
    """What is known of a base before it is downloaded."""

    hub: str  # its id on the Hub, https://huggingface.co/ID
    model_type: str  # as its ``config.json`` there has it, and the next
    config: dict[str, Any]
    licence: str  # of its weights
    megabytes: int  # what is downloaded; GPT-2's files hold masks beside the weights
    stored: str  # the number format of the weights there; Q4_1, 4 bits, is dequantised
    trained_on: str  # as its makers say
    said_in: str  # where they say it
    is_new_to_turns: bool = True  # whether the chat form's tokens are new to it
    in_wheel: bool = False  # whether it comes in a Python package, so that the Hub is not asked
    stand_in: str | None = None  # what a run begins with where it named no base and the Hub cannot be reached


def _gpt2(name: str, width: int, layers: int, heads: int, megabytes: int) -> KnownBase:
    return KnownBase(
        hub=f"openai-community/{name}",
        model_type="gpt2",
        config={"vocab_size": 50257, "n_positions": 1024, "n_embd": width, "n_layer": layers, "n_head": heads},
        licence="MIT",
        megabytes=megabytes,
        stored="fp32",
        trained_on="40 GB of web pages",
        said_in="Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
    )


_SMOLLM2 = KnownBase(
    hub="HuggingFaceTB/SmolLM2-135M-Instruct",
    model_type="llama",
    config={
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100_000.0},
    },
    licence="Apache-2.0",
    megabytes=82,
    stored="Q4_1",
    trained_on="2 trillion tokens",
    said_in="Ben Allal et al. 2025, arXiv:2502.02737",
    is_new_to_turns=False,
    in_wheel=True,
)


KNOWN: dict[str, KnownBase] = {
    "smollm2-135m": _SMOLLM2,
    "smollm2-135m-bf16": replace(_SMOLLM2, megabytes=269, stored="bf16", in_wheel=False, stand_in="smollm2-135m"),
    "gpt2": _gpt2("gpt2", 768, 12, 12, 548),
    "gpt2-medium": _gpt2("gpt2-medium", 1024, 24, 16, 1520),
    "gpt2-large": _gpt2("gpt2-large", 1280, 36, 20, 3247),
    "gpt2-xl": _gpt2("gpt2-xl", 1600, 48, 25, 6431),
    "phi-2": KnownBase(
        hub="microsoft/phi-2",
        model_type="phi",
        config={
            "vocab_size": 51200,
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
            "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.4},
        },
        licence="MIT",
        megabytes=5563,
        stored="fp16",
        trained_on="1.4 trillion tokens",
        said_in="model card of microsoft/phi-2",
    ),
}

BASES: dict[str, str | None] = {name: None if base.in_wheel else base.hub for name, base in KNOWN.items()}
"""The names of ``--base``, with the ids that the Hub is asked for."""
