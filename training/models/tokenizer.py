"""Model 1's tokenizer: SentencePiece byte-pair encoding with byte fallback, and tokens of its own for a chat's turns.

A chat is ``<s><|user|>question<|end|><|assistant|>answer<|end|>``; prose is ``<s>text<|end|>``. The tokens of the form
are control pieces: no text that a user types can produce them. Padding has a piece of its own, never the end's.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import sentencepiece

from training.common.files import new_file, remove_file
from training.common.workers import usable_cores
from training.corpus.sample import Message
from training.data.documents import ChatForm, LossOn
from training.data.prepare import Prepared, Recipe, prepare
from training.data.prompts import encodable, guarded_template

if TYPE_CHECKING:
    from transformers import LlamaTokenizer

UNKNOWN, BEGIN, END, PAD, USER, ASSISTANT = range(6)
PIECES = ("<unk>", "<s>", "<|end|>", "<pad>", "<|user|>", "<|assistant|>")

CHAT_FORM = ChatForm(begin=[BEGIN], before={"user": [USER], "assistant": [ASSISTANT], "text": []}, end=[END], after=[])

CHAT_TEMPLATE = guarded_template(
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{% else %}<|user|>{% endif %}"
    "{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "message['content']",
    PIECES,
)
"""The chat form in Jinja, for transformers and llama.cpp. A system turn is read as the user's."""


class TokenizerError(ValueError):
    """A tokenizer file that cannot be used; the message is one line and says what to do."""


class Tokenizer:
    """A trained SentencePiece model with the chat form of Model 1.

    Raises:
        TokenizerError: when the file is missing, is no SentencePiece model or lacks the chat's pieces.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise TokenizerError(f"{path} does not exist; train Model 1 or name the folder that holds tokenizer.model")
        try:
            self.processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (RuntimeError, OSError) as error:
            raise TokenizerError(f"{path} is not a SentencePiece model; train Model 1 again to write it") from error
        found = tuple(self.processor.id_to_piece(i) for i in range(min(len(PIECES), len(self))))
        if found != PIECES:
            raise TokenizerError(f"{path} starts with the pieces {found}, not {PIECES}; it belongs to another model")

    def __len__(self) -> int:
        return self.processor.get_piece_size()

    @property
    def sha256(self) -> str:
        return sha256(self.path.read_bytes()).hexdigest()

    def move(self, path: Path) -> None:
        """Move the file, replacing one that is there."""
        if self.path != path:
            with new_file(path) as partial:
                shutil.copyfile(self.path, partial)
            remove_file(self.path)
            self.path = path

    def encode(self, text: str) -> list[int]:
        """Ids of ``text`` alone, without any token of the chat form."""
        return self.processor.encode(encodable(text))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return self.processor.encode(list(map(encodable, texts)), num_threads=usable_cores())

    def decode(self, ids: Sequence[int]) -> str:
        return self.processor.decode([i for i in ids if i != PAD])

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a chat that the assistant continues: the last of ``messages`` is the user's."""
        ids = [BEGIN]
        for role, content in messages:
            ids += [ASSISTANT if role == "assistant" else USER, *self.encode(content), END]
        return [*ids, ASSISTANT]

    def to_transformers(self) -> LlamaTokenizer:
        """The same tokenizer for transformers: equal ids for every text (tested), chat template included."""
        from transformers import LlamaTokenizer
        from transformers.convert_slow_tokenizer import generate_merges

        vocabulary = {self.processor.id_to_piece(i): i for i in range(len(self))}
        scores = {piece: self.processor.get_score(i) for piece, i in vocabulary.items()}
        # No merge may end in a piece that no text has: with "<s" among the others, "<s>" would come of typed letters.
        spoken = {piece: i for piece, i in vocabulary.items() if i >= len(PIECES) and not self.processor.is_byte(i)}
        tokenizer = LlamaTokenizer(
            vocab=vocabulary,
            merges=generate_merges(spoken, scores),
            unk_token=PIECES[UNKNOWN],
            bos_token=PIECES[BEGIN],
            eos_token=PIECES[END],
            pad_token=PIECES[PAD],
            additional_special_tokens=[PIECES[USER], PIECES[ASSISTANT]],
            add_prefix_space=False,
            add_bos_token=False,
        )
        tokenizer.chat_template = CHAT_TEMPLATE
        return tokenizer


LONGEST = 16_384
"""Characters of a text at a time, which have four bytes each at most: longer ones SentencePiece leaves out silently."""


def _cut(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for begin in range(0, len(text), LONGEST):
            yield text[begin : begin + LONGEST]


def train_tokenizer(texts: Iterable[str], vocab_size: int, path: str | Path) -> Tokenizer:
    """Train on ``texts`` and write ``path`` atomically.

    Raises:
        TokenizerError: when the texts cannot fill the vocabulary.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_cut(texts),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            byte_fallback=True,
            split_digits=True,
            character_coverage=0.9995,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            allow_whitespace_only_pieces=True,
            unk_id=UNKNOWN,
            bos_id=BEGIN,
            eos_id=END,
            pad_id=PAD,
            unk_piece=PIECES[UNKNOWN],
            bos_piece=PIECES[BEGIN],
            eos_piece=PIECES[END],
            pad_piece=PIECES[PAD],
            control_symbols=list(PIECES[USER:]),
            num_threads=usable_cores(),
            max_sentence_length=4 * LONGEST,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise TokenizerError(
            f"vocab_size={vocab_size} does not suit the data: {reason}; give more data or a smaller vocab_size"
        ) from error
    path = Path(path)
    with new_file(path) as partial:
        partial.write_bytes(model.getvalue())
    return Tokenizer(path)


def recipe_for_model1(
    data: tuple[str, ...], vocab_size: int, loss_on: LossOn, max_rows_per_source: int | None, max_held_out: int
) -> Recipe:
    """What is made of data for Model 1, whose tokenizer is trained on them."""
    return Recipe(data, f"{vocab_size} pieces", CHAT_FORM, loss_on, max_rows_per_source, max_held_out)


def prepare_for_model1(
    data: tuple[str, ...],
    vocab_size: int,
    loss_on: LossOn,
    max_rows_per_source: int | None,
    max_held_out: int,
    *,
    workers: int | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> Prepared:
    """``prepare`` for Model 1; the tokenizer is at ``tokenizer_path``."""
    recipe = recipe_for_model1(data, vocab_size, loss_on, max_rows_per_source, max_held_out)
    return prepare(recipe, lambda texts, path: train_tokenizer(texts, vocab_size, path), workers=workers, say=say)
