"""A tokenizer's place in GGUF: SentencePiece's pieces with scores, or byte-level pairs with llama.cpp's name for how
text is cut before they are merged. A tokenizer that llama.cpp would read otherwise than transformers is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gguf import GGUFWriter, TokenType
from tokenizers import models, pre_tokenizers

from training.data.prompts import looks_special

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS = {
    rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}": "llama-bpe",
    rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}|{_REST}": "qwen2",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt-2",
}
"""Regular expressions of tokenizers that cut text by one of their own (Llama 3's first), with llama.cpp's names."""


MORE_ENDS = 2
"""Places beside that of ``eos``: for the end of a turn and of a message."""


class TokenizerProblem(ValueError):
    """A tokenizer that has no place in GGUF; the message says what of it."""


def add_tokenizer(writer: GGUFWriter, tokenizer: Any, vocab_size: int, ends: Any = None) -> None:
    """Write a tokenizer of transformers.

    Args:
        ends: the token or tokens that end an answer, where the model says so; the tokenizer's else.
        vocab_size: rows of the embedding, which may be more than the tokenizer has tokens.

    Raises:
        TokenizerProblem: it has no place.
    """
    state = state_of(tokenizer)
    kind = kind_of(state)
    texts, types = _tokens(tokenizer, state, vocab_size)
    writer.add_tokenizer_model("llama" if kind == "pieces" else "gpt2")
    writer.add_tokenizer_pre("default" if kind == "pieces" else kind)
    writer.add_token_list(texts)
    if kind == "pieces":
        writer.add_token_scores(_scores(texts, state))
        types = [_type_of_piece(text, type_, tokenizer) for text, type_ in zip(texts, types, strict=True)]
    else:
        writer.add_token_merges([" ".join(pair) for pair in _merges(state)])
    writer.add_token_types(types)
    writer.add_add_space_prefix(kind == "pieces" and _adds_space(state))
    writer.add_add_bos_token(_begins_by_itself(tokenizer))
    end, *others = _ends(tokenizer, ends)
    if len(others) > MORE_ENDS:
        raise TokenizerProblem(
            f"its generation_config.json has {len(others) + 1} tokens that end an answer, not 3 at most"
        )
    for add, token_id in (
        *zip((writer.add_eot_token_id, writer.add_eom_token_id), others, strict=False),
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_eos_token_id, end),
        (writer.add_unk_token_id, tokenizer.unk_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
    ):
        if token_id is not None:
            add(token_id)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _ends(tokenizer: Any, ends: Any) -> list[int]:
    """The tokens that end an answer, the tokenizer's own first where it is among them."""
    found = [ends] if isinstance(ends, int) else list(ends or [])
    own = tokenizer.eos_token_id
    return [*([own] if own in found or not found else []), *(one for one in found if one != own)]


def _begins_by_itself(tokenizer: Any) -> bool:
    """Whether a text of its own gets a token of beginning; a chat template begins with it where a model has one."""
    return not tokenizer.chat_template and tokenizer.bos_token_id in tokenizer("a")["input_ids"][:1]


def tokenizer_problem(tokenizer: Any, rows: int) -> str | None:
    """Why a tokenizer of transformers has no place in GGUF with an embedding of so many rows; None when it has one."""
    try:
        kind_of(state_of(tokenizer))
    except TokenizerProblem as problem:
        return str(problem)
    if (last := max(tokenizer.get_vocab().values())) >= rows:
        return f"its tokenizer has the token {last}, and the model {rows} rows for tokens; put its own beside it"
    if tokenizer.eos_token_id is None:  # llama.cpp would end answers at a token of its own choice
        return "its tokenizer names no token that ends a text (eos_token); add one to its tokenizer_config.json"
    return None


def state_of(tokenizer: Any) -> dict[str, Any]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise TokenizerProblem("its tokenizer is written in Python and has no tokenizer.json")
    return json.loads(backend.to_str())


def kind_of(state: Mapping[str, Any]) -> str:
    """``pieces`` for SentencePiece's way with byte fallback (Llama 2), else llama.cpp's name of the cuts.

    Raises:
        TokenizerProblem: it is neither.
    """
    if state["model"]["type"] != "BPE":
        raise TokenizerProblem(f"its tokenizer is of the kind {state['model']['type']}; only byte pairs have a place")
    _check_model(state["model"])
    if state["model"].get("byte_fallback"):
        _adds_space(state)
        _check_added(state, bool(_steps(state["normalizer"])))
        if pair := _unlisted(state):
            raise TokenizerProblem(
                f"its tokenizer does not merge {pair[0]!r} and {pair[1]!r}, of which llama.cpp makes one token"
            )
        return "pieces"
    if state["normalizer"] is not None:
        raise TokenizerProblem(f"its tokenizer changes text ({_kind(state['normalizer'])}), which llama.cpp does not")
    name = _cuts(_steps(state["pre_tokenizer"]))
    _check_added(state, False)
    if name == "llama-bpe" and not state["model"].get("ignore_merges"):
        raise TokenizerProblem(
            "its tokenizer merges whole words too, where llama.cpp takes those of the vocabulary first"
        )
    if name != "llama-bpe" and state["model"].get("ignore_merges") and (word := _unmerged(state)):
        raise TokenizerProblem(
            f"its tokenizer takes {word!r} whole from the vocabulary, where llama.cpp merges its parts to others"
        )
    return name


def _check_model(model: Mapping[str, Any]) -> None:
    """Raises TokenizerProblem for byte pairs of which llama.cpp knows nothing: some would even end its process."""
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise TokenizerProblem(f"its tokenizer has {name}={model[name]!r}, which llama.cpp has not")
    if model.get("byte_fallback"):
        needed = [f"<0x{byte:02X}>" for byte in range(256)]
    else:  # without a token for what is unknown, both programs leave such a byte out
        needed = sorted(set(pre_tokenizers.ByteLevel.alphabet()) - _NO_UTF_8) if model.get("unk_token") else []
    if lacking := [byte for byte in needed if byte not in model["vocab"]]:
        raise TokenizerProblem(
            f"its tokenizer has no token for {len(lacking)} bytes, {lacking[0]} the first of them; llama.cpp reads "
            "text with these otherwise"
        )


_NO_UTF_8 = set("ÀÁõö÷øùúûüýþÿ")
"""The bytes that no text in UTF-8 has, as byte-level tokenizers write them."""


def _check_added(state: Mapping[str, Any], normalized: bool) -> None:
    """Raises TokenizerProblem for words that were added with rules of their own; what is special is found in no text.
    They are ``normalized`` where the normalizer changes words before they are found."""
    for token in state["added_tokens"]:
        rules = [name for name in ("lstrip", "rstrip", "single_word") if token[name]]
        rules += ["normalized"] if normalized and token["normalized"] else []
        if rules and not token["special"] and not looks_special(token["content"]):
            raise TokenizerProblem(
                f"its tokenizer finds the added word {token['content']!r} by rules of its own ({', '.join(rules)}), "
                "which llama.cpp has not"
            )


def _unlisted(state: Mapping[str, Any]) -> tuple[str, str] | None:
    """Two pieces that are another one together without a merge that says so: SentencePiece and llama.cpp need none."""
    vocab, merges = state["model"]["vocab"], {(left, right) for left, right in _merges(state)}
    added = {token["content"] for token in state["added_tokens"]}
    for piece in vocab:
        pairs = ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)) if piece not in added)
        if found := next((p for p in pairs if p[0] in vocab and p[1] in vocab and p not in merges), None):
            return found
    return None


def _unmerged(state: Mapping[str, Any]) -> str | None:
    """A word of the vocabulary that its merges do not lead to."""
    vocab = dict(state["model"]["vocab"])
    merging = models.BPE(vocab, [(left, right) for left, right in _merges(state)])
    added = {token["content"] for token in state["added_tokens"]}
    return next((word for word in vocab if word not in added and len(merging.tokenize(word)) > 1), None)


def _steps(part: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """A pre-tokenizer or normalizer as the list of what it does."""
    if part is None:
        return []
    inner = part.get("pretokenizers", part.get("normalizers"))
    return [part] if inner is None else [step for one in inner for step in _steps(one)]


def _kind(part: Mapping[str, Any]) -> str:
    return ", ".join(step["type"] for step in _steps(part))


def _cuts(steps: list[Mapping[str, Any]]) -> str:
    kinds = [step["type"] for step in steps]
    if kinds and kinds[-1] == "ByteLevel" and not steps[-1]["add_prefix_space"]:
        uses_regex = steps[-1]["use_regex"]
        if kinds == ["Digits", "ByteLevel"] and steps[0]["individual_digits"] and uses_regex:
            return "smollm"
        if kinds == ["ByteLevel"] and uses_regex:
            return "gpt-2"
        if kinds == ["Split", "ByteLevel"] and not uses_regex and steps[0]["behavior"] == "Isolated":
            pattern = steps[0]["pattern"].get("Regex", "")
            if pattern in SPLITS and not steps[0]["invert"]:
                return SPLITS[pattern]
    raise TokenizerProblem(f"its tokenizer cuts text by {kinds} in a way that is not known here")


def _adds_space(state: Mapping[str, Any]) -> bool:
    """Whether a text gets a space before it, in a tokenizer of SentencePiece's way.

    With Metaspace's scheme ``first`` only the very beginning gets one, which is a turn's token in a chat.
    """
    normalizers, cuts = _steps(state["normalizer"]), _steps(state["pre_tokenizer"])
    replace = [step for step in normalizers if step["type"] == "Replace"]
    prepend = [step for step in normalizers if step["type"] == "Prepend"]
    spaces = all(step["pattern"] == {"String": " "} and step["content"] == "▁" for step in replace)
    known = len(replace) + len(prepend) == len(normalizers) and spaces
    if known and len(replace) == 1 and not cuts:
        return bool(prepend)
    if not normalizers and [step["type"] for step in cuts] == ["Metaspace"] and not cuts[0].get("split", True):
        return bool(cuts[0]["prepend_scheme"] == "always")
    shown = [step["type"] for step in (*normalizers, *cuts)]
    raise TokenizerProblem(f"its tokenizer changes and cuts text by {shown} in a way that is not known here")


def _merges(state: Mapping[str, Any]) -> list[list[str]]:
    return [pair.split(" ") if isinstance(pair, str) else list(pair) for pair in state["model"]["merges"]]


def _tokens(tokenizer: Any, state: Mapping[str, Any], vocab_size: int) -> tuple[list[str], list[TokenType]]:
    """Text and type of each row of the embedding."""
    tokens = {i: token for token, i in tokenizer.get_vocab().items()}
    special = {token["id"]: token["special"] for token in state["added_tokens"]}
    types = []
    for i in range(vocab_size):
        if i not in tokens:
            types.append(TokenType.UNUSED)
        elif i in special:
            types.append(TokenType.CONTROL if special[i] or looks_special(tokens[i]) else TokenType.USER_DEFINED)
        else:
            types.append(TokenType.NORMAL)
    return [tokens.get(i, f"[PAD{i}]") for i in range(vocab_size)], types


def _scores(texts: list[str], state: Mapping[str, Any]) -> list[float]:
    """llama.cpp merges what gives the piece of the highest score: that of the earliest merge."""
    rank: dict[str, int] = {}
    for number, (left, right) in enumerate(_merges(state)):
        rank.setdefault(left + right, number)
    return [-float(rank[text]) if text in rank else -1e6 for text in texts]


def _type_of_piece(text: str, type_: TokenType, tokenizer: Any) -> TokenType:
    if re.fullmatch(r"<0x[0-9A-F]{2}>", text):
        return TokenType.BYTE
    return TokenType.UNKNOWN if text == tokenizer.unk_token and type_ != TokenType.UNUSED else type_
