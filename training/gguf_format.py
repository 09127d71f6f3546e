"""GGUF, the file of llama.cpp: weights, tokenizer and chat template of a Llama, GPT-2 or Phi in one.

The names of weights and keys are those of the `gguf` package; llama.cpp reads the file without any of our code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType

from training.progress import quiet_transformers

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

NEUTRAL_NAME = "chat model"
"""``general.name`` of every file: the app is blind, so nothing in it names a base or its maker."""


class ExportError(ValueError):
    """A model that cannot be exported; the message is one line and says what to do."""


@dataclass(frozen=True)
class Family:
    """How one architecture of transformers is laid out in GGUF.

    Attributes:
        arch: llama.cpp's architecture.
        parameters: writes the sizes.
        convert: a weight, by its name in transformers, in llama.cpp's layout.
    """

    arch: gguf.MODEL_ARCH
    parameters: Callable[[GGUFWriter, Any], None]
    convert: Callable[[str, Tensor, Any], Tensor]


def _llama_parameters(writer: GGUFWriter, config: Any) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)


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
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_rope_dimension_count(int(config.rope_parameters["partial_rotary_factor"] * head_dim))
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


FAMILIES = {
    "llama": Family(gguf.MODEL_ARCH.LLAMA, _llama_parameters, _llama_convert),
    "gpt2": Family(gguf.MODEL_ARCH.GPT2, _gpt2_parameters, _gpt2_convert),
    "phi": Family(gguf.MODEL_ARCH.PHI2, _phi_parameters, lambda name, tensor, config: tensor),
}


def export_gguf(folder: str | Path, out: str | Path, file_type: FileType = "f16") -> None:
    """Write the model of a folder in Hugging Face's form as one GGUF file, atomically.

    Args:
        folder: a Llama, GPT-2 or Phi with its tokenizer; Model 1's ``hf/`` with ``tokenizer.model`` in it.
        out: the file to write.
        file_type: numbers of the matrices; vectors are always in fp32. ``q8_0`` is half the size of ``f16``.

    Raises:
        ExportError: when the architecture or the tokenizer has no place in the file.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    quiet_transformers()
    folder, out = Path(folder), Path(out)
    config = AutoConfig.from_pretrained(folder)
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise ExportError(f"{folder} is a {config.model_type}; GGUF is written for {', '.join(FAMILIES)} only")
    partial = out.with_name(out.name + ".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(partial, gguf.MODEL_ARCH_NAMES[family.arch])
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(NEUTRAL_NAME)
    writer.add_file_type(FILE_TYPES[file_type][1])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    family.parameters(writer, config)
    _add_tokenizer(writer, folder, config.vocab_size)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    for name, array, kind in _tensors(model, family, FILE_TYPES[file_type][0]):
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, out)


def _tensors(
    model: Any, family: Family, kind: GGMLQuantizationType
) -> Iterator[tuple[str, np.ndarray, GGMLQuantizationType]]:
    """Every weight once: its name in GGUF, its (quantised) numbers and their type."""
    config = model.config
    names = gguf.get_tensor_name_map(family.arch, config.num_hidden_layers)
    tied = config.tie_word_embeddings
    for name, tensor in model.state_dict().items():
        if tied and name.startswith("lm_head."):
            continue
        gguf_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if gguf_name is None:
            raise ExportError(
                f"the weight {name} has no name in GGUF; this variant of {config.model_type} is not known"
            )
        array = family.convert(name, tensor, config).float().contiguous().numpy()
        if array.ndim == 1 or gguf_name.startswith("position_embd"):
            chosen = GGMLQuantizationType.F32
        elif kind == GGMLQuantizationType.Q8_0 and array.shape[-1] % Q8_0_BLOCK:
            chosen = GGMLQuantizationType.F16
        else:
            chosen = kind
        yield gguf_name, gguf.quants.quantize(array, chosen), chosen


def _add_tokenizer(writer: GGUFWriter, folder: Path, vocab_size: int) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if (folder / "tokenizer.model").is_file():
        _add_sentencepiece(writer, folder / "tokenizer.model")
    else:
        _add_byte_pairs(writer, tokenizer, vocab_size)
    writer.add_add_bos_token(False)  # the chat template begins with it where a model has one
    for add, token_id in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_eos_token_id, tokenizer.eos_token_id),
        (writer.add_unk_token_id, tokenizer.unk_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
    ):
        if token_id is not None:
            add(token_id)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _add_sentencepiece(writer: GGUFWriter, path: Path) -> None:
    from training.tokenizer import Tokenizer

    processor = Tokenizer(path).processor
    ids = range(processor.get_piece_size())
    kinds = (
        (processor.is_unknown, TokenType.UNKNOWN),
        (processor.is_control, TokenType.CONTROL),
        (processor.is_byte, TokenType.BYTE),
        (processor.is_unused, TokenType.UNUSED),
    )
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([processor.id_to_piece(i) for i in ids])
    writer.add_token_scores([processor.get_score(i) for i in ids])
    writer.add_token_types([next((kind for test, kind in kinds if test(i)), TokenType.NORMAL) for i in ids])
    writer.add_add_space_prefix(False)


def _add_byte_pairs(writer: GGUFWriter, tokenizer: Any, vocab_size: int) -> None:
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if state["model"]["type"] != "BPE":
        raise ExportError(
            f"a tokenizer of the kind {state['model']['type']} has no place in GGUF; only byte-level BPE has"
        )
    tokens = {i: token for token, i in tokenizer.get_vocab().items()}
    special = {token["id"]: token["special"] for token in state["added_tokens"]}
    texts, kinds = [], []
    for i in range(vocab_size):  # an embedding may have more rows than the tokenizer has tokens
        texts.append(tokens.get(i, f"[PAD{i}]"))
        if i not in tokens:
            kinds.append(TokenType.UNUSED)
        elif i in special:
            kinds.append(TokenType.CONTROL if special[i] else TokenType.USER_DEFINED)
        else:
            kinds.append(TokenType.NORMAL)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in state["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_pre_tokenizer(state["pre_tokenizer"]))
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_add_space_prefix(False)


def _pre_tokenizer(state: dict[str, Any] | None) -> str:
    """llama.cpp's name of how text is cut before pairs are merged."""
    steps = [] if state is None else state.get("pretokenizers", [state])
    kinds = [step["type"] for step in steps]
    if kinds == ["Digits", "ByteLevel"] and steps[0]["individual_digits"] and steps[1]["use_regex"]:
        return "smollm"
    if kinds == ["ByteLevel"] and steps[0]["use_regex"]:
        return "gpt-2"
    raise ExportError(f"the tokenizer cuts text by {kinds}, which is not known here; GGUF cannot be written for it")


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
