"""Tokenised samples, in memory or mapped from files: token ids end to end, and which of them are learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from training.corpus.cleaned import map_array
from training.corpus.sample import Sample

IGNORE_INDEX = -100


LossOn = Literal["answers", "everything"]
EncodeBatch = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True)
class ChatForm:
    """The token ids around the contents of a chat: at its beginning, before a turn by role, at a turn's end (learned
    with an answer: it is what makes a model stop), and after that end (never learned)."""

    begin: list[int]
    before: dict[str, list[int]]
    end: list[int]
    after: list[int]


@dataclass(frozen=True)
class Documents:
    """Tokenised samples, end to end."""

    tokens: np.ndarray  # ids of all documents, (N,)
    learned: np.ndarray  # which of them are labels, (N,)
    offsets: np.ndarray  # where each document begins, and the end, (D + 1,)
    answer_bytes: np.ndarray  # UTF-8 bytes of the text behind each document's learned tokens, (D,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @classmethod
    def from_spans(
        cls, documents: Sequence[Sequence[tuple[list[int], bool]]], answer_bytes: Sequence[int]
    ) -> Documents:
        """Each document as spans of (ids, learned)."""
        offsets = np.zeros(len(documents) + 1, np.int64)
        np.cumsum([sum(len(ids) for ids, _ in spans) for spans in documents], out=offsets[1:])
        ids_of_spans = [ids for spans in documents for ids, _ in spans]
        tokens = np.fromiter(chain.from_iterable(ids_of_spans), np.int32, offsets[-1])
        flags = np.fromiter((learned for spans in documents for _, learned in spans), bool, len(ids_of_spans))
        learned = np.repeat(flags, np.fromiter(map(len, ids_of_spans), np.int64, len(ids_of_spans)))
        return cls(tokens, learned, offsets, np.asarray(answer_bytes, np.int64))

    def distinct(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of documents with these numbers the first of each text (T,), and for each number the place of its text."""
        places: dict[bytes, int] = {}
        found = np.zeros(len(numbers), np.int64)
        for n, number in enumerate(numbers):
            part = slice(self.offsets[number], self.offsets[number + 1])
            text = self.tokens[part].tobytes() + self.learned[part].tobytes()
            found[n] = places.setdefault(text, len(places))
        return numbers[np.unique(found, return_index=True)[1]], found

    def select(self, chosen: np.ndarray) -> Documents:
        """The documents that a mask (D,) or an array of numbers names, in that order."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        lengths = self.lengths[numbers]
        offsets = np.zeros(len(numbers) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        places = np.repeat(self.offsets[numbers] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Documents(self.tokens[places], self.learned[places], offsets, self.answer_bytes[numbers])

    def cut(self, most: int) -> Documents:
        """Each document's first tokens, so many at most."""
        lengths = self.lengths
        kept = np.arange(len(self.tokens)) - np.repeat(self.offsets[:-1], lengths) < most
        offsets = np.append(0, np.cumsum(np.minimum(lengths, most)))
        return Documents(self.tokens[kept], self.learned[kept], offsets, self.answer_bytes)

    def spread(self, most: int) -> Documents:
        """At most so many of the documents, at even distances."""
        if len(self) <= most:
            return self
        return self.select(np.linspace(0, len(self) - 1, most).round().astype(np.int64))

    @classmethod
    def concatenate(cls, parts: Sequence[Documents]) -> Documents:
        """The documents of all parts, in order."""
        lengths = np.concatenate([np.zeros(1, np.int64), *(part.lengths for part in parts)])
        return cls(
            np.concatenate([np.empty(0, np.int32), *(part.tokens for part in parts)]),
            np.concatenate([np.empty(0, bool), *(part.learned for part in parts)]),
            np.cumsum(lengths),
            np.concatenate([np.empty(0, np.int64), *(part.answer_bytes for part in parts)]),
        )

    @classmethod
    def open(cls, folder: Path) -> Documents:
        """The documents that a ``DocumentsWriter`` wrote, mapped into memory: only what is read is loaded."""
        tokens = next(folder.glob("tokens.*"))
        offsets = _map(folder / "offsets.int64")
        return cls(_map(tokens), _map(folder / "learned.bool"), offsets, _map(folder / "answer_bytes.int64"))


class DocumentsWriter:
    """Writes documents, as they come, into a folder of raw arrays whose suffixes are their types."""

    def __init__(self, folder: Path, vocab_size: int) -> None:
        folder.mkdir(parents=True)
        self._type = np.uint16 if vocab_size <= 2**16 else np.int32
        self._tokens = (folder / f"tokens.{np.dtype(self._type).name}").open("wb")
        self._learned = (folder / "learned.bool").open("wb")
        self._offsets = (folder / "offsets.int64").open("wb")
        self._answer_bytes = (folder / "answer_bytes.int64").open("wb")
        self._offsets.write(np.zeros(1, np.int64).tobytes())
        self.n_documents, self.n_tokens = 0, 0

    def __enter__(self) -> DocumentsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._tokens, self._learned, self._offsets, self._answer_bytes):
            file.close()

    def add(self, documents: Documents) -> None:
        self._tokens.write(documents.tokens.astype(self._type, copy=False).tobytes())
        self._learned.write(documents.learned.tobytes())
        self._offsets.write((documents.offsets[1:] + self.n_tokens).tobytes())
        self._answer_bytes.write(documents.answer_bytes.tobytes())
        self.n_documents += len(documents)
        self.n_tokens += len(documents.tokens)


def _map(path: Path) -> np.ndarray:
    return map_array(path, path.suffix[1:])


def tokenise(samples: Sequence[Sample], encode_batch: EncodeBatch, form: ChatForm, loss_on: LossOn) -> Documents:
    """Samples in the chat form of a model.

    Every assistant turn of a chat is an answer. Bytes are those of the contents alone: the form's own tokens count as
    bits and not as bytes, so two models with different forms are measured on the same text.
    """
    encoded = iter(encode_batch([message.content for sample in samples for message in sample.messages]))
    documents, answer_bytes = [], []
    for sample in samples:
        spans: list[tuple[list[int], bool]] = [(form.begin, False)] if form.begin else []
        n_bytes = 0
        for message in sample.messages:
            learned = message.role != "user" or loss_on == "everything"
            spans.append((form.before[message.role], False))
            spans.append((next(encoded), learned))
            spans.append((form.end, learned))
            if form.after:
                spans.append((form.after, False))
            n_bytes += len(message.content.encode()) if learned else 0
        documents.append(spans)
        answer_bytes.append(n_bytes)
    return Documents.from_spans(documents, answer_bytes)
