"""From samples to rows of equal length: tokenised once, packed anew each epoch, without padding to speak of.

A row holds whole documents side by side. Each knows which it is (``documents``), so that attention and loss stay
within a document, and which of its tokens are learned, so that prompts cost no loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.data.documents import IGNORE_INDEX, Documents

BUFFER_DOCUMENTS = 4096
WINDOW_DOCUMENTS = 16 * BUFFER_DOCUMENTS
"""Documents whose rows are in memory at a time; the rows of a window are shuffled among each other."""

_WINDOW = 2**32


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


Piece = tuple[int, int, int]
"""A document's number, and the first and one past the last of its tokens that a row holds."""


def pack(lengths: np.ndarray, seq_len: int, rng: np.random.Generator) -> list[list[Piece]]:
    """Best-fit packing of shuffled documents into rows; those longer than a row are cut.

    The documents are shuffled, then packed longest first within buffers of 4,096, so that rows differ from epoch to
    epoch and hardly a place is empty: 2% of rows of 128 on the core of the embedded corpus, 0.2% of rows of 256 on
    prose.
    """
    return _pack_in_order(rng.permutation(len(lengths)), lengths, seq_len, rng)


def _pack_in_order(order: np.ndarray, lengths: np.ndarray, seq_len: int, rng: np.random.Generator) -> list[list[Piece]]:
    """Rows of the documents that ``order`` names, shuffled by ``rng``; ``lengths`` are those of all documents."""
    rows: list[list[Piece]] = []
    for start in range(0, len(order), BUFFER_DOCUMENTS):
        pieces = [
            (d, cut, min(cut + seq_len, length))
            for d, length in _with_lengths(order[start : start + BUFFER_DOCUMENTS], lengths)
            for cut in range(0, length, seq_len)
        ]
        rows += _best_fit(sorted(pieces, key=lambda piece: piece[1] - piece[2]), seq_len)
    return [rows[i] for i in rng.permutation(len(rows))]


def _with_lengths(documents: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    return zip(documents.tolist(), lengths[documents].tolist(), strict=True)


def _best_fit(pieces: list[Piece], seq_len: int) -> list[list[Piece]]:
    rows: list[list[Piece]] = []
    open_rows: list[list[int]] = [[] for _ in range(seq_len + 1)]  # by free places
    for piece in pieces:
        length = piece[2] - piece[1]
        free = next((space for space in range(length, seq_len + 1) if open_rows[space]), None)
        if free is None:
            rows.append([piece])
            row, free = len(rows) - 1, seq_len
        else:
            row = open_rows[free].pop()
            rows[row].append(piece)
        open_rows[free - length].append(row)
    return rows


def assemble(documents: Documents, rows: Sequence[Sequence[Piece]], seq_len: int, pad_id: int) -> Batch:
    """The batch of some packed rows."""
    shape = (len(rows), seq_len)
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
            following = documents.tokens[start + 1 : limit].astype(np.int64)
            learned = documents.learned[start + 1 : limit]
            labels[r, at : at + len(following)] = np.where(learned, following, IGNORE_INDEX)
            numbers[r, at : at + length] = number
            at += length
    return Batch(torch.from_numpy(tokens), torch.from_numpy(labels), torch.from_numpy(numbers))


class PackedBatches:
    """An endless, seeded stream of batches; ``epoch`` and ``position`` say where it is, ``seek`` goes there.

    The documents of an epoch are shuffled and cut into windows of 65,536, and only the rows of one window exist at a
    time: memory and the time of ``seek`` do not grow with the corpus. A batch may span two windows, never two epochs.

    Attributes:
        epoch: passes over the data that are done.
        position: the place in the epoch, a whole number that grows: the window times 2^32, and the rows done of it.
    """

    def __init__(self, documents: Documents, seq_len: int, batch_size: int, pad_id: int, seed: int) -> None:
        self.documents, self.seq_len, self.batch_size = documents, seq_len, batch_size
        self.pad_id, self.seed = pad_id, seed
        self.lengths = documents.lengths
        self.seek(0, 0)

    @property
    def position(self) -> int:
        return self._window * _WINDOW + self._row

    @property
    def n_windows(self) -> int:
        return max(1, -(-len(self.documents) // WINDOW_DOCUMENTS))

    def seek(self, epoch: int, position: int) -> None:
        """Go on at ``position`` of ``epoch``."""
        self.epoch = epoch
        self._rng = np.random.default_rng([self.seed, epoch])
        self._order = self._rng.permutation(len(self.documents)).astype(np.uint32)
        self._open(*divmod(position, _WINDOW))

    def _open(self, window: int, row: int) -> None:
        """Pack a window. The first one shares the epoch's generator, the others have their own, so that none needs
        those before it."""
        rng = self._rng if window == 0 else np.random.default_rng([self.seed, self.epoch, window])
        order = self._order[window * WINDOW_DOCUMENTS : (window + 1) * WINDOW_DOCUMENTS]
        self._rows = _pack_in_order(order, self.lengths, self.seq_len, rng)
        self._window, self._row = window, row

    def __iter__(self) -> PackedBatches:
        return self

    def __next__(self) -> Batch:
        rows = self._take(self.batch_size)
        if not rows:
            self.seek(self.epoch + 1, 0)
            rows = self._take(self.batch_size)
        return assemble(self.documents, rows, self.seq_len, self.pad_id)

    def _take(self, n_rows: int) -> list[list[Piece]]:
        rows = self._rows[self._row : self._row + n_rows]
        self._row += n_rows
        while len(rows) < n_rows and self._window + 1 < self.n_windows:
            missing = n_rows - len(rows)
            self._open(self._window + 1, missing)
            rows += self._rows[:missing]
        return rows


def all_batches(documents: Documents, seq_len: int, batch_size: int, pad_id: int) -> Iterator[Batch]:
    """Every document once, in a fixed packing: for evaluation."""
    rows = pack(documents.lengths, seq_len, np.random.default_rng(0))
    for start in range(0, len(rows), batch_size):
        yield assemble(documents, rows[start : start + batch_size], seq_len, pad_id)
