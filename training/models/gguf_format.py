"""GGUF, the file of llama.cpp: weights, tokenizer and chat template of a Llama, GPT-2 or Phi in one.

The names of weights and keys are those of the `gguf` package; llama.cpp reads the file without any of our code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType

from training.common.checkpoint_folder import GGUF
from training.common.files import new_file
from training.common.progress import quiet_transformers
from training.models.gguf_check import gguf_fault
from training.models.gguf_tokenizer import TokenizerProblem, add_tokenizer, tokenizer_problem
from training.models.whole import in_one_line, load_whole

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

FileType = Literal["f32", "f16", "q8_0"]

FILE_TYPES: dict[FileType, tuple[GGMLQuantizationType, LlamaFileType]] = {
    "f32": (GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
}
Q8_0_BLOCK = 32
LARGEST = {GGMLQuantizationType.F16: 65_504.0, GGMLQuantizationType.Q8_0: 127 * 65_504.0}
"""The greatest number that has a place: fp16's, which the scale of a block in 8 bits has too."""

NEUTRAL_NAME = "chat model"
"""``general.name`` of every file: the app is blind, so nothing in it names a base or its maker."""


class ExportError(ValueError):
    """A model that cannot be exported; the message is one line and says what to do."""


@dataclass(frozen=True)
class Family:
    """How one architecture of transformers is laid out in GGUF."""

    arch: gguf.MODEL_ARCH  # llama.cpp's architecture
    parameters: Callable[[GGUFWriter, Any], None]  # writes the sizes
    convert: Callable[[str, Tensor, Any], Tensor]  # a weight, by its name in transformers, in llama.cpp's layout


def _add_sizes(writer: GGUFWriter, config: Any) -> None:
    """The sizes that a Llama and a Phi have by the same names."""
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)


def _llama_parameters(writer: GGUFWriter, config: Any) -> None:
    _add_sizes(writer, config)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(config.head_dim)  # which need not be the width over the heads
    writer.add_value_length(config.head_dim)
    _add_rotation(writer, config, config.head_dim)
    writer.add_vocab_size(config.vocab_size)


def _add_rotation(writer: GGUFWriter, config: Any, dimensions: int) -> None:
    """Rotary frequencies and how they are scaled; Llama 3's scaling is a tensor of its own, and dynamic scaling begins
    only where the context ends."""
    rope = config.rope_parameters
    writer.add_rope_dimension_count(dimensions)
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif rope["rope_type"] == "yarn":
        usual = 0.1 * math.log(rope["factor"]) + 1.0  # which llama.cpp multiplies with what the file says
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(
            rope.get("original_max_position_embeddings") or config.max_position_embeddings
        )
        if rope.get("attention_factor") is not None:
            writer.add_rope_scaling_attn_factors(rope["attention_factor"] / usual)


def _llama_convert(name: str, tensor: Tensor, config: Any) -> Tensor:
    """llama.cpp rotates neighbouring pairs of a head, transformers its two halves: the rows are interleaved."""
    if n_heads := _rotary_heads(name, config):
        return tensor.reshape(n_heads, 2, -1, *tensor.shape[1:]).transpose(1, 2).reshape(tensor.shape)
    return tensor


def _rotary_heads(name: str, config: Any) -> int:
    """Heads of a Llama's query or key weights; 0 for other weights."""
    if ".q_proj." in name:
        return config.num_attention_heads
    return config.num_key_value_heads if ".k_proj." in name else 0


def _gpt2_parameters(writer: GGUFWriter, config: Any) -> None:
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(config.n_inner or 4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)


def _gpt2_convert(name: str, tensor: Tensor, config: Any) -> Tensor:
    """GPT-2's matrices are ``Conv1D``, stored the other way round."""
    conv1d = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    return tensor.T if name.endswith(conv1d) else tensor


def _phi_parameters(writer: GGUFWriter, config: Any) -> None:
    head_dim = config.hidden_size // config.num_attention_heads
    _add_sizes(writer, config)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    _add_rotation(writer, config, int(config.rope_parameters["partial_rotary_factor"] * head_dim))


FAMILIES = {
    "llama": Family(gguf.MODEL_ARCH.LLAMA, _llama_parameters, _llama_convert),
    "gpt2": Family(gguf.MODEL_ARCH.GPT2, _gpt2_parameters, _gpt2_convert),
    "phi": Family(gguf.MODEL_ARCH.PHI2, _phi_parameters, lambda name, tensor, config: tensor),
}


ROTATIONS = {
    "llama": ("default", "linear", "yarn", "llama3", "dynamic"),
    "phi": ("default", "linear", "yarn", "dynamic"),
}
"""Kinds of rotary scaling that have a place, by family."""


def gguf_problem(config: Any, tokenizer: Any) -> str | None:
    """Why a model of transformers cannot be written as GGUF, as far as its configuration and tokenizer tell; None when
    it can."""
    if config.model_type not in FAMILIES:
        return f"is a {config.model_type}; GGUF is written for {', '.join(FAMILIES)} only"
    activation = getattr(config, "hidden_act", None) or config.activation_function
    expected = ("silu",) if config.model_type == "llama" else ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
    if activation not in expected:
        return f"has the activation {activation}, for which llama.cpp would compute {expected[0]}"
    if config.model_type == "gpt2":
        if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
            return "scales its attention in a way of its own, which has no place in GGUF"
    else:
        rope = config.rope_parameters
        given = {key for key in ("beta_fast", "beta_slow", "mscale", "mscale_all_dim") if rope.get(key) is not None}
        usual = {"beta_fast": 32, "beta_slow": 1}
        odd = [f"{key}={rope[key]}" for key in sorted(given) if rope[key] != usual.get(key)]
        if rope["rope_type"] not in ROTATIONS[config.model_type] or odd or rope.get("truncate") is False:
            return (
                f"scales rotary positions by {rope['rope_type']} {' '.join(odd)}".rstrip() + ", without a place in GGUF"
            )
    return _unknown_weight(config) or tokenizer_problem(tokenizer, config.vocab_size)


def _unknown_weight(config: Any) -> str | None:
    """Of a variant that has weights of its own, such as Phi's norms of queries and keys."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    names = gguf.get_tensor_name_map(FAMILIES[config.model_type].arch, config.num_hidden_layers)
    for name in model.state_dict():
        if names.get_name(name, try_suffixes=(".weight", ".bias")) is None:
            return f"has the weight {name}, which has no place in GGUF"
    return None


def export_gguf(folder: str | Path, out: str | Path, file_type: FileType = "f16") -> None:
    """Write the model of a folder in Hugging Face's form as one GGUF file, atomically.

    Args:
        folder: a Llama, GPT-2 or Phi with its tokenizer, such as Model 1's ``hf/``.
        file_type: numbers of the matrices; vectors are always in fp32. ``q8_0`` is half the size of ``f16``.

    The file is checked before it takes its place: llama.cpp has to read and answer two prompts as transformers does.

    Raises:
        ExportError: when the architecture or the tokenizer has no place in the file, or llama.cpp answers otherwise.
        CheckpointError: when the folder cannot be loaded, lacks weights, or holds some that are no numbers.
    """
    from transformers import AutoConfig, AutoTokenizer

    quiet_transformers()
    folder, out = Path(folder), Path(out)
    with in_one_line(folder):
        config = AutoConfig.from_pretrained(folder)
    if config.model_type not in FAMILIES:
        raise ExportError(f"{folder} {gguf_problem(config, None)}")
    with in_one_line(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder)
    if problem := gguf_problem(config, tokenizer):
        raise ExportError(f"{folder} cannot be written as GGUF: {problem}")
    family = FAMILIES[config.model_type]
    with new_file(out, GGUF) as partial:
        model = _write(partial, folder, tokenizer, family, file_type)
        if fault := gguf_fault(partial, model, tokenizer):
            raise ExportError(f"{out} is not written: {fault}; use the folder {folder} as it is")


def _write(path: Path, folder: Path, tokenizer: Any, family: Family, file_type: FileType) -> Any:
    """Write the file; returns the model in transformers that it was made of."""
    with in_one_line(folder):
        model = load_whole(folder, dtype="auto")
    config = model.config
    writer = GGUFWriter(path, gguf.MODEL_ARCH_NAMES[family.arch])
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(NEUTRAL_NAME)
    writer.add_file_type(FILE_TYPES[file_type][1])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    family.parameters(writer, config)
    try:
        add_tokenizer(writer, tokenizer, config.vocab_size, model.generation_config.eos_token_id)
    except TokenizerProblem as problem:
        raise ExportError(f"{folder} cannot be written as GGUF: {problem}") from problem
    for name, array, kind in _tensors(model, family, FILE_TYPES[file_type][0]):
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _tensors(
    model: Any, family: Family, kind: GGMLQuantizationType
) -> Iterator[tuple[str, np.ndarray, GGMLQuantizationType]]:
    """Every weight once: its name in GGUF, its (quantised) numbers and their type."""
    config = model.config
    names = gguf.get_tensor_name_map(family.arch, config.num_hidden_layers)
    tied = config.tie_word_embeddings and family.arch != gguf.MODEL_ARCH.PHI2  # of which llama.cpp wants both
    for name, tensor in model.state_dict().items():
        if tied and name.startswith("lm_head."):
            continue
        gguf_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if gguf_name is None:
            raise ExportError(
                f"the weight {name} has no name in GGUF; this variant of {config.model_type} is not known"
            )
        array = family.convert(name, tensor, config).float().contiguous().numpy()
        chosen = _type_of(gguf_name, array, kind)
        yield gguf_name, gguf.quants.quantize(array, chosen), chosen
    if family.arch == gguf.MODEL_ARCH.LLAMA and config.rope_parameters["rope_type"] == "llama3":
        yield "rope_freqs.weight", _slower_rotations(model), GGMLQuantizationType.F32


def _type_of(name: str, array: np.ndarray, kind: GGMLQuantizationType) -> GGMLQuantizationType:
    """``kind`` where it has a place for a weight's shape and for its greatest number, else more bits."""
    if array.ndim == 1 or name.startswith("position_embd"):
        return GGMLQuantizationType.F32
    if kind == GGMLQuantizationType.Q8_0 and array.shape[-1] % Q8_0_BLOCK:
        kind = GGMLQuantizationType.F16
    fits = max(array.max(), -array.min()) <= LARGEST.get(kind, math.inf)
    return kind if fits else GGMLQuantizationType.F32


def _slower_rotations(model: Any) -> np.ndarray:
    """How many times slower each pair of a head rotates than without scaling, (head_dim / 2,)."""
    config = model.config
    plain = config.rope_parameters["rope_theta"] ** -(np.arange(0, config.head_dim, 2) / config.head_dim)
    return (plain / model.model.rotary_emb.inv_freq.float().numpy()).astype(np.float32)


def llama_from_gguf(path: str | Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """A Llama with a byte-pair tokenizer out of a GGUF file: weights in fp16, turned back into transformers' layout.

    transformers reads GGUF too, but goes through the vocabulary three times (18 s against 6 s for SmolLM2-135M) and
    does not cut off digits as the file asks.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    reader = gguf.GGUFReader(path)

    def value(key: str) -> Any:
        return reader.fields[key].contents()

    heads = value("llama.attention.head_count")
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    config = LlamaConfig(
        vocab_size=int(tensors["token_embd.weight"].shape[1]),
        hidden_size=value("llama.embedding_length"),
        num_hidden_layers=value("llama.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=value("llama.attention.head_count_kv"),
        intermediate_size=value("llama.feed_forward_length"),
        head_dim=length.contents() if (length := reader.fields.get("llama.attention.key_length")) else None,
        max_position_embeddings=value("llama.context_length"),
        rope_parameters={"rope_type": "default", "rope_theta": value("llama.rope.freq_base")},
        rms_norm_eps=value("llama.attention.layer_norm_rms_epsilon"),
        tie_word_embeddings="output.weight" not in tensors,
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    weights = {}
    for name, empty in model.state_dict().items():
        gguf_name = names.get_name(name, try_suffixes=(".weight",))
        stored = tensors.get(str(gguf_name), tensors["token_embd.weight"])  # a tied output layer is not stored
        weight = torch.tensor(gguf.quants.dequantize(stored.data, stored.tensor_type)).view(empty.shape)
        if n_heads := _rotary_heads(name, config):
            weight = weight.reshape(n_heads, -1, 2, empty.shape[1]).transpose(1, 2).reshape(empty.shape)
        weights[name] = weight.half()
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    return model, _byte_pairs_from(value)


def _byte_pairs_from(value: Callable[[str], Any]) -> PreTrainedTokenizerFast:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if value("tokenizer.ggml.model") != "gpt2":
        raise ExportError(f"a tokenizer of the kind {value('tokenizer.ggml.model')} is not read from GGUF, only gpt2")
    tokens = value("tokenizer.ggml.tokens")
    merges = [tuple(pair.split(" ")) for pair in value("tokenizer.ggml.merges")]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    cuts = [digits, byte_level] if value("tokenizer.ggml.pre") == "smollm" else [byte_level]
    backend.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    backend.decoder = decoders.ByteLevel()
    kinds = value("tokenizer.ggml.token_type")
    backend.add_special_tokens(
        [
            AddedToken(token, normalized=False)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind == TokenType.CONTROL
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=tokens[value("tokenizer.ggml.bos_token_id")],
        eos_token=tokens[value("tokenizer.ggml.eos_token_id")],
        unk_token=tokens[value("tokenizer.ggml.unknown_token_id")],
    )
