"""Interchange formats: Hugging Face's folder and llama.cpp's GGUF.

    python -m training.export checkpoints/art_ai_model --to hf
    python -m training.export checkpoints/model2_pretrained --to gguf --type f16 --out model2.gguf

CHECKPOINT is a training run's folder, Model 1's `.pt`, or a folder in Hugging Face's form.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from training.gguf_format import FILE_TYPES, ExportError, FileType, export_gguf
from training.options import OneLineParser, run_command
from training.progress import quiet_transformers
from training.written import ForeignFileError, new_folder

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlamaForCausalLM

    from training.model import ModernTransformer
    from training.tokenizer import Tokenizer

__all__ = ["ExportError", "FileType", "export_gguf", "export_hf", "to_llama"]

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
    """Model 1 as transformers' Llama on the processor; where the model is there too, the weights share its memory."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    from training.tokenizer import BEGIN, END, PAD

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
    with new_folder(folder, HF) as partial:
        llama.save_pretrained(partial)
        tokenizer.to_transformers().save_pretrained(partial)
        # The pieces' scores, which GGUF needs, are in no other file.
        shutil.copyfile(tokenizer.path, partial / "tokenizer.model")


def _source_of(checkpoint: Path) -> Path:
    """What a CHECKPOINT names: Model 1's ``.pt``, or a folder in Hugging Face's form."""
    if checkpoint.is_file() and checkpoint.suffix == ".pt":
        return checkpoint
    for name in ("art_ai_best.pt", "final", "."):
        source = checkpoint / name
        if (source.suffix == ".pt" and source.is_file()) or (source / "config.json").is_file():
            return source
    raise ExportError(
        f"{checkpoint} is no checkpoint; name a folder that holds art_ai_best.pt, final/ or config.json, or a .pt file"
    )


HF = "hf"
"""The kind of a folder that an export has written: only such a one is replaced by another."""


def check_place(source: Path, out: Path) -> None:
    """Raises ForeignFileError where a folder that is written to ``out`` would lie around its source or in it."""
    held, place = source.resolve(), out.resolve()
    if place == held or place in held.parents or held in place.parents:
        raise ForeignFileError(f"--out {out} holds {source} or lies in it; name another folder")


def _export(arguments: argparse.Namespace) -> None:
    source = _source_of(arguments.checkpoint)
    if arguments.to == "hf" and arguments.out:
        check_place(source, arguments.out)
    if source.suffix == ".pt":
        from training.generation import load

        hf = arguments.out if arguments.to == "hf" and arguments.out else source.parent / "hf"
        export_hf(*load(source), hf)
        default = source.parent / "model.gguf"
    else:
        hf = source
        default = (source.parent if source.name == "final" else source) / "model.gguf"
        if arguments.to == "hf" and arguments.out:
            with new_folder(arguments.out, HF) as partial:
                shutil.copytree(source, partial, dirs_exist_ok=True)
            hf = arguments.out
    written = hf
    if arguments.to == "gguf":
        written = arguments.out or default
        export_gguf(hf, written, arguments.type)
    print(f"written to {written}" if written != source else f"{source} already has this form")


def build_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="training.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a checkpoint's folder or .pt file")
    parser.add_argument("--to", choices=("hf", "gguf"), required=True, help="the form to write")
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help="the folder or file to write (default: beside the checkpoint)"
    )
    parser.add_argument("--type", choices=FILE_TYPES, default="f16", help="numbers in the GGUF file (default: f16)")
    return parser


def main(argv: list[str] | None = None) -> int:
    return run_command(_export, build_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
