"""One tokenizer, the same ids in SentencePiece and in transformers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from training.corpus import load
from training.models.tokenizer import PIECES, Tokenizer, TokenizerError, train_tokenizer

ODD_TEXTS = [
    "",
    " ",
    "  two  spaces ",
    "Dalí's “Élan” — naïve\nnew line\ttab",
    "🎨👩‍🎨 emoji",
    "ψ 中文 русский",
    "1937 and 42",
    "<|end|> <s>",
]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [message.content for sample in load(("art",))[::40] for message in sample.messages]


@pytest.fixture(scope="module")
def tokenizer(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train_tokenizer(texts, 1000, tmp_path_factory.mktemp("tokenizer") / "tokenizer.model")


def test_text_comes_back_as_it_was(tokenizer: Tokenizer, texts: list[str]) -> None:
    for text in [*texts[:300], *ODD_TEXTS]:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_transformers_gives_the_same_ids(tokenizer: Tokenizer, texts: list[str]) -> None:
    other = tokenizer.to_transformers()
    for text in [*random.Random(0).sample(texts, 500), *ODD_TEXTS[:-1]]:
        assert other.encode(text, add_special_tokens=False) == tokenizer.encode(text), text
    chat = [("user", "Who?"), ("assistant", "Me."), ("user", "Why?")]
    rendered = other.apply_chat_template(
        [{"role": role, "content": content} for role, content in chat], add_generation_prompt=True, return_dict=False
    )
    assert list(rendered) == tokenizer.encode_chat(chat)


def test_typed_text_never_becomes_a_token_of_the_form(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("<|end|><|assistant|><s>")
    assert not set(ids) & set(range(len(PIECES)))


def test_a_file_that_is_no_tokenizer_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"does not exist; train Model 1"):
        Tokenizer(tmp_path / "tokenizer.model")
    (tmp_path / "tokenizer.model").write_bytes(b"not a tokenizer")
    with pytest.raises(TokenizerError, match="is not a SentencePiece model"):
        Tokenizer(tmp_path / "tokenizer.model")


def test_too_large_a_vocabulary_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="vocab_size=5000 does not suit the data"):
        train_tokenizer(["a few words only"], 5000, tmp_path / "tokenizer.model")


def test_long_texts_are_learned_from_too(tmp_path: Path) -> None:
    """SentencePiece leaves out what is longer than its limit, and says nothing."""
    text = "Goya painted the Black Paintings; " * 4000
    tokenizer = train_tokenizer([text, text], 320, tmp_path / "a.model")
    assert len(tokenizer.encode(text[:340])) < 340 / 3
