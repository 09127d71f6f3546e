"""From samples to rows of equal length: tokenised once, packed anew each epoch, without padding to speak of.

A row holds whole documents side by side. Each knows which it is (``documents``), so that attention and loss stay
within a document, and which of its tokens are learned, so that prompts cost no loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from training.corpus.sample import Sample
from training.loss import IGNORE_INDEX

LossOn = Literal["answers", "everything"]
BUFFER_DOCUMENTS = 4096


@dataclass(frozen=True)
class Batch:
    """Rows of token ids, their labels (−100: not learned) and the document that each token is of; all (B, S)."""

    tokens: Tensor
    labels: Tensor
    documents: Tensor

    @property
    def n_labels(self) -> int:
        return int((self.labels != IGNORE_INDEX).sum())

    def slices(self, rows: int) -> Iterator[Batch]:
        """Micro-batches of at most ``rows`` rows."""
        for start in range(0, len(self.tokens), rows):
            part = slice(start, start + rows)
            yield Batch(self.tokens[part], self.labels[part], self.documents[part])

    def to(self, device: torch.device) -> Batch:
        return Batch(self.tokens.to(device), self.labels.to(device), self.documents.to(device))


@dataclass(frozen=True)
class Documents:
    """Tokenised samples, end to end.

    Attributes:
        tokens: ids of all documents, (N,).
        learned: which of them are labels, (N,).
        offsets: where each document begins, and the end, (D + 1,).
        answer_bytes: UTF-8 bytes of the text behind each document's learned tokens, (D,).
    """

    tokens: np.ndarray
    learned: np.ndarray
    offsets: np.ndarray
    answer_bytes: np.ndarray

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
        lengths = [sum(len(ids) for ids, _ in spans) for spans in documents]
        offsets = np.zeros(len(documents) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        tokens = np.fromiter((i for spans in documents for ids, _ in spans for i in ids), np.int32, offsets[-1])
        learned = np.fromiter((k for spans in documents for ids, k in spans for _ in ids), bool, offsets[-1])
        return cls(tokens, learned, offsets, np.asarray(answer_bytes, np.int64))


def tokenise(
    samples: Sequence[Sample],
    encode_batch: Callable[[Sequence[str]], list[list[int]]],
    form: ChatForm,
    loss_on: LossOn,
) -> Documents:
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


@dataclass(frozen=True)
class ChatForm:
    """The token ids around the contents of a chat: at its beginning, before a turn by role, at a turn's end (learned
    with an answer: it is what makes a model stop), and after that end (never learned)."""

    begin: list[int]
    before: dict[str, list[int]]
    end: list[int]
    after: list[int]


Piece = tuple[int, int, int]
"""A document's number, and the first and one past the last of its tokens that a row holds."""


def pack(lengths: np.ndarray, row_length: int, rng: np.random.Generator) -> list[list[Piece]]:
    """Best-fit packing of shuffled documents into rows; those longer than a row are cut.

    The documents are shuffled, then packed longest first within buffers of 4,096, so that rows differ from epoch to
    epoch and hardly a place is empty: 2% of rows of 128 on the core of the embedded corpus, 0.2% of rows of 256 on
    prose.
    """
    order = rng.permutation(len(lengths))
    rows: list[list[Piece]] = []
    for start in range(0, len(order), BUFFER_DOCUMENTS):
        pieces = [
            (int(d), cut, min(cut + row_length, int(lengths[d])))
            for d in order[start : start + BUFFER_DOCUMENTS]
            for cut in range(0, int(lengths[d]), row_length)
        ]
        rows += _best_fit(sorted(pieces, key=lambda piece: piece[1] - piece[2]), row_length)
    return [rows[i] for i in rng.permutation(len(rows))]


def _best_fit(pieces: list[Piece], row_length: int) -> list[list[Piece]]:
    rows: list[list[Piece]] = []
    open_rows: list[list[int]] = [[] for _ in range(row_length + 1)]  # by free places
    for piece in pieces:
        length = piece[2] - piece[1]
        free = next((space for space in range(length, row_length + 1) if open_rows[space]), None)
        if free is None:
            rows.append([piece])
            row, free = len(rows) - 1, row_length
        else:
            row = open_rows[free].pop()
            rows[row].append(piece)
        open_rows[free - length].append(row)
    return rows


def assemble(documents: Documents, rows: Sequence[Sequence[Piece]], row_length: int, pad_id: int) -> Batch:
    """The batch of some packed rows."""
    shape = (len(rows), row_length)
    tokens = np.full(shape, pad_id, np.int64)
    labels = np.full(shape, IGNORE_INDEX, np.int64)
    numbers = np.full(shape, -1, np.int64)
    for r, row in enumerate(rows):
        at = 0
        for number, (document, first, last) in enumerate(row):
            start, stop = documents.offsets[document] + first, documents.offsets[document] + last
            length = last - first
            tokens[r, at : at + length] = documents.tokens[start:stop]
            # The label of a token is the next one of its document, which for a cut document is in the next row's piece.
            limit = min(stop + 1, documents.offsets[document + 1])
            following = documents.tokens[start + 1 : limit]
            learned = documents.learned[start + 1 : limit]
            labels[r, at : at + len(following)] = np.where(learned, following, IGNORE_INDEX)
            numbers[r, at : at + length] = number
            at += length
    return Batch(torch.from_numpy(tokens), torch.from_numpy(labels), torch.from_numpy(numbers))


class PackedBatches:
    """An endless, seeded stream of batches; ``epoch`` and ``position`` say where it is, ``seek`` goes there."""

    def __init__(self, documents: Documents, row_length: int, batch_rows: int, pad_id: int, seed: int) -> None:
        self.documents, self.row_length, self.batch_rows = documents, row_length, batch_rows
        self.pad_id, self.seed = pad_id, seed
        self.epoch, self.position = 0, 0
        self._rows = self._pack()

    def _pack(self) -> list[list[Piece]]:
        return pack(self.documents.lengths, self.row_length, np.random.default_rng([self.seed, self.epoch]))

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self._rows) // self.batch_rows)

    def seek(self, epoch: int, position: int) -> None:
        """Go on at batch ``position`` of ``epoch``."""
        self.epoch, self.position = epoch, position
        self._rows = self._pack()

    def __iter__(self) -> PackedBatches:
        return self

    def __next__(self) -> Batch:
        if self.position >= len(self._rows):
            self.seek(self.epoch + 1, 0)
        rows = self._rows[self.position : self.position + self.batch_rows]
        self.position += self.batch_rows
        return assemble(self.documents, rows, self.row_length, self.pad_id)


def all_batches(documents: Documents, row_length: int, batch_rows: int, pad_id: int) -> Iterator[Batch]:
    """Every document once, in a fixed packing: for evaluation."""
    rows = pack(documents.lengths, row_length, np.random.default_rng(0))
    for start in range(0, len(rows), batch_rows):
        yield assemble(documents, rows[start : start + batch_rows], row_length, pad_id)
