"""Model 1 in Hugging Face's form, as a Llama."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from training.common.checkpoint_folder import FOLDERS, HF, TOKENIZER
from training.common.files import new_folder
from training.common.progress import quiet_transformers
from training.models.tokenizer import BEGIN, END, PAD, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlamaForCausalLM

    from training.models.transformer import ModernTransformer


# Model 1's names for the parts of a layer, and those of transformers' Llama. The layout of rotary heads is the same.
_LAYER_NAMES = {
    "attention_norm": "input_layernorm",
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "feed_forward.w_gate": "mlp.gate_proj",
    "feed_forward.w_up": "mlp.up_proj",
    "feed_forward.w_down": "mlp.down_proj",
}


_OUTER_NAMES = {"tok_embeddings": "model.embed_tokens", "norm": "model.norm", "output": "lm_head"}


def llama_state_dict(model: ModernTransformer) -> dict[str, Tensor]:
    """Model 1's weights under the names of transformers' ``LlamaForCausalLM``; they share memory with the model."""
    renamed = {}
    for name, tensor in model.state_dict().items():
        module = name.removesuffix(".weight")
        if module.startswith("layers."):
            _, index, part = module.split(".", 2)
            module = f"model.layers.{index}.{_LAYER_NAMES[part]}"
        else:
            module = _OUTER_NAMES[module]
        renamed[f"{module}.weight"] = tensor
    return renamed


def to_llama(model: ModernTransformer) -> LlamaForCausalLM:
    """Model 1 as transformers' Llama on the CPU; where the model is there too, the weights share its memory."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    quiet_transformers()
    ours = model.config
    config = LlamaConfig(
        vocab_size=ours["vocab_size"],
        hidden_size=ours["dim"],
        num_hidden_layers=ours["n_layers"],
        num_attention_heads=ours["n_heads"],
        num_key_value_heads=ours["n_kv_heads"],
        intermediate_size=ours["ffn_dim"],
        max_position_embeddings=ours["max_seq_len"],
        rope_parameters={"rope_type": "default", "rope_theta": ours["rope_theta"]},
        rms_norm_eps=ours["norm_eps"],
        tie_word_embeddings=ours["tie_embeddings"],
        bos_token_id=BEGIN,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    with torch.device("meta"):
        llama = LlamaForCausalLM(config)
    weights = {name: tensor.detach().cpu() for name, tensor in llama_state_dict(model).items()}
    llama.load_state_dict(weights, strict=True, assign=True)
    llama.tie_weights()
    llama.model.rotary_emb = LlamaRotaryEmbedding(config)  # its frequencies are no weights
    return llama


def export_hf(model: ModernTransformer, tokenizer: Tokenizer, folder: str | Path) -> None:
    """Write Model 1 as a Llama that ``AutoModelForCausalLM`` and ``AutoTokenizer`` load; replaces the folder whole."""
    llama = to_llama(model)
    with new_folder(folder, FOLDERS[HF]) as partial:
        llama.save_pretrained(partial)
        tokenizer.to_transformers().save_pretrained(partial)
        # For other programs: the pieces' scores are in no other file.
        shutil.copyfile(tokenizer.path, partial / TOKENIZER)
