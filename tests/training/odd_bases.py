"""Small random models as other makers ship them: rotary scaling, wide heads, the tokenizers of Llama 2 and Llama 3."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import sentencepiece
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
)

from tests.training.tiny_bases import byte_pairs
from training.corpus import load
from training.models.gguf_tokenizer import SPLITS


@cache
def texts() -> tuple[str, ...]:
    return tuple(message.content for sample in load(("art",))[::50] for message in sample.messages)


def llama3_tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs as tiktoken's: cut by Llama 3's expression, whole words of the vocabulary taken first."""
    backend = Tokenizer(models.BPE(ignore_merges=True))
    cut = pre_tokenizers.Split(Regex(next(iter(SPLITS))), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([cut, byte_level])
    backend.decoder = decoders.ByteLevel()
    special, alphabet = ["<|begin_of_text|>", "<|end_of_text|>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(texts(), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=special[0], eos_token=special[1])


def llama2_tokenizer(form: str = "prepend") -> PreTrainedTokenizerFast:
    """SentencePiece's pieces with byte fallback, converted as transformers converts Llama 2's.

    Args:
        form: ``prepend`` for the normalizer of Llama 2's own file, else the scheme of a Metaspace.
    """
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts()), model_writer=content, vocab_size=800, model_type="bpe", byte_fallback=True,
        character_coverage=0.9995, normalization_rule_name="identity", remove_extra_whitespaces=False,
        split_digits=True, allow_whitespace_only_pieces=True, minloglevel=2,
    )  # fmt: skip
    trained = sentencepiece.SentencePieceProcessor(model_proto=content.getvalue())
    vocab = {trained.id_to_piece(i): i for i in range(trained.get_piece_size())}
    pairs = [
        (-trained.get_score(i), vocab[piece[:cut]], vocab[piece[cut:]], piece[:cut], piece[cut:])
        for piece, i in vocab.items()
        for cut in range(1, len(piece))
        if i >= 259 and piece[:cut] in vocab and piece[cut:] in vocab
    ]
    merges = [(left, right) for *_, left, right in sorted(pairs)]
    backend = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if form == "prepend":
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=form, split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    backend.decoder = decoders.Sequence(steps)
    special = ["<unk>", "<s>", "</s>"]
    backend.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def rotation(kind: str, **more: Any) -> dict[str, Any]:
    return {"rope_type": kind, "rope_theta": 1e4, **more}


LLAMA3 = rotation("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
YARN = rotation("yarn", factor=4.0, original_max_position_embeddings=128)
LINEAR = rotation("linear", factor=4.0)
HALF = {"partial_rotary_factor": 0.5}


def random_llama(vocab_size: int, **more: Any) -> LlamaForCausalLM:
    size = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    usual = {"num_key_value_heads": 2, "max_position_embeddings": 512, "tie_word_embeddings": True}
    return with_random_weights(LlamaForCausalLM(LlamaConfig(vocab_size=vocab_size, **(size | usual | more))))


def random_phi(vocab_size: int, **more: Any) -> PhiForCausalLM:
    size = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    return with_random_weights(PhiForCausalLM(PhiConfig(vocab_size=vocab_size + 40, **size, **more)))


def random_gpt2(vocab_size: int, **more: Any) -> GPT2LMHeadModel:
    size = {"n_positions": 256, "n_embd": 64, "n_layer": 2, "n_head": 4}
    return with_random_weights(GPT2LMHeadModel(GPT2Config(vocab_size=vocab_size, **(size | more))))


def with_random_weights(model: Any) -> Any:
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.15)
    return model.eval()


def odd_base(name: str) -> tuple[Any, PreTrainedTokenizerFast]:
    """A model and its tokenizer, by one of the names in ``ODD``."""
    family, _, what = name.partition(" ")
    if family == "tokenizer":
        form = what.partition(" ")[2] or "prepend"
        tokenizer = llama3_tokenizer() if what == "llama3" else llama2_tokenizer(form)
        return random_llama(len(tokenizer), rope_parameters=LLAMA3 if what == "llama3" else LINEAR), tokenizer
    tokenizer = byte_pairs(individual_digits=family == "llama")
    make = {"llama": random_llama, "phi": random_phi, "gpt2": random_gpt2}[family]
    padding = 40 if "padded" in what else 0
    return make(len(tokenizer) + padding, **ODD[name]), tokenizer


ODD: dict[str, dict[str, Any]] = {
    "llama linear": {"rope_parameters": LINEAR},
    "llama yarn": {"rope_parameters": YARN},
    "llama yarn attention": {"rope_parameters": YARN | {"attention_factor": 0.8}},
    "llama llama3": {"rope_parameters": LLAMA3},
    "llama dynamic": {"rope_parameters": rotation("dynamic", factor=4.0)},
    "llama wide heads": {"head_dim": 32},
    "llama narrow heads": {"head_dim": 8, "rope_parameters": LLAMA3, "attention_bias": True, "mlp_bias": True},
    "llama untied padded": {"tie_word_embeddings": False},
    "gpt2 plain": {},
    "gpt2 untied padded": {"tie_word_embeddings": False, "n_inner": 96, "layer_norm_epsilon": 1e-6},
    "phi tied": {"rope_parameters": rotation("default") | HALF, "tie_word_embeddings": True},
    "phi linear": {"rope_parameters": LINEAR | HALF},
    "phi yarn": {"rope_parameters": YARN | HALF},
    "tokenizer llama3": {},
    "tokenizer llama2": {},
    "tokenizer llama2 always": {},
    "tokenizer llama2 first": {},
    "tokenizer llama2 never": {},
}
