"""Exact and near duplicates among samples, found with memory that does not grow with their number.

A near duplicate shares at least 0.8 of its word 5-shingles (Jaccard) with an earlier sample of the same shape,
estimated by MinHash (Broder 1997) and found by locality-sensitive hashing. Rows made from one template, "Who painted
X?", differ in little but say different things. So in samples of up to 200 words the names and numbers must be the same
as well; in a longer text one name that differs is one of many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import numpy as np

from training.corpus.cleaning import EXACT, NEAR, REASONS, from_files
from training.corpus.sample import Sample, digest

SIMILAR = 0.8
SHINGLE = 5
FACTUAL_WORDS = 200
BANDS, BAND_ROWS = 16, 8
"""A pair of similarity 0.8 shares one of the 16 bands with probability 0.95, one of 0.5 with 0.06."""

_HASHES = BANDS * BAND_ROWS
_PARTITIONS = 64
_WORD = re.compile(r"\w+")
_PAIR = np.dtype([("key", np.uint64), ("row", np.uint32)])

_generator = np.random.default_rng(20)
_SHINGLE_FACTORS = _generator.integers(0, 2**63, SHINGLE, np.uint64) * np.uint64(2) + np.uint64(1)
_FACTORS = _generator.integers(0, 2**63, _HASHES, np.uint64) * np.uint64(2) + np.uint64(1)
_SUMMANDS = _generator.integers(0, 2**63, _HASHES, np.uint64)
_BAND_FACTORS = _generator.integers(0, 2**63, (BANDS, BAND_ROWS), np.uint64) * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True)
class Fingerprints:
    """What the search needs to know of N samples."""

    exact: np.ndarray  # a hash of the messages, (N,) uint64; equal samples share it
    signatures: np.ndarray  # MinHash, (N, 128) uint32
    bands: np.ndarray
    """Keys of the locality-sensitive hashing, (N, 16) uint64; 0 for samples that have no near duplicates."""


class _WordHashes(dict[str, int]):
    """The hash of each word, made at its first use; forgotten at 100,000 words, some 15 MB, to bound them."""

    def __missing__(self, word: str) -> int:
        if len(self) > 100_000:
            self.clear()
        value = self[word] = int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little")
        return value


_word_hashes = _WordHashes()


def fingerprint(samples: Sequence[Sample]) -> Fingerprints:
    """The fingerprints of some samples, the same in every process."""
    exact, keys, lengths = [], [], []
    words: list[int] = []
    for sample in samples:
        exact.append(digest("\x1e".join(f"{m.role}\x1f{' '.join(m.content.split())}" for m in sample.messages)))
        text = " ".join(message.content for message in sample.messages)
        found = _WORD.findall(text.casefold())
        keys.append(_identity(sample, text, len(found)))
        found += [""] * (SHINGLE - len(found))  # a short text is one shingle
        words += map(_word_hashes.__getitem__, found)
        lengths.append(len(found))
    signatures = _signatures(np.array(words, np.uint64), np.array(lengths, np.int64))
    identities = np.array(keys, np.uint64)[:, None]
    bands = (signatures.reshape(-1, BANDS, BAND_ROWS).astype(np.uint64) * _BAND_FACTORS).sum(axis=2, dtype=np.uint64)
    bands = _mix(bands ^ _mix(identities + np.arange(BANDS, dtype=np.uint64)))
    kept_apart = ~np.fromiter(map(from_files, samples), bool, len(samples))
    bands[kept_apart] = 0
    return Fingerprints(np.array(exact, np.uint64), signatures, bands)


def _identity(sample: Sample, text: str, n_words: int) -> int:
    """What near duplicates have in common besides most words: the shape, and in short samples names and numbers."""
    roles = "".join(message.role[0] for message in sample.messages)
    named: set[str] = set()
    if n_words <= FACTUAL_WORDS:
        named = {word.casefold() for word in set(_WORD.findall(text)) if not (word.islower() and word.isalpha())}
    return digest(" ".join((roles, *sorted(named))))


def _signatures(words: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """MinHash of the shingles of texts that lie end to end in ``words``: (N, 128)."""
    counts = lengths - (SHINGLE - 1)
    if not len(lengths):
        return np.zeros((0, _HASHES), np.uint32)
    n_windows = len(words) - SHINGLE + 1
    windows = sum(words[i : i + n_windows] * _SHINGLE_FACTORS[i] for i in range(SHINGLE))
    ends = np.cumsum(lengths)
    within = np.ones(len(words), bool)
    for back in range(1, SHINGLE):
        within[ends - back] = False  # windows that begin here would reach into the next text
    shingles = _mix(np.asarray(windows, np.uint64)[within[:n_windows]])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    signatures = np.empty((len(lengths), _HASHES), np.uint32)
    for i in range(_HASHES):
        hashed = ((shingles * _FACTORS[i] + _SUMMANDS[i]) >> np.uint64(32)).astype(np.uint32)
        signatures[:, i] = np.minimum.reduceat(hashed, starts)
    return signatures


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of MurmurHash3: every bit of the input reaches every bit of the output."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    return values ^ (values >> np.uint64(33))


class DuplicateSearch:
    """Collects fingerprints on disk, then says which rows repeat an earlier one.

    Keys go to 64 files by their highest bits, so that equal ones meet in one file and only one file at a time has to
    fit into memory. Signatures are read only for rows that share a band.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._exact = [(folder / f"exact-{i:02}").open("w+b") for i in range(_PARTITIONS)]
        self._near = [(folder / f"near-{i:02}").open("w+b") for i in range(_PARTITIONS)]
        self._signatures = (folder / "signatures").open("w+b")
        self._rows = 0
        self.near: list[tuple[np.ndarray, np.ndarray]] = []
        """Pairs of rows of which the later is removed as a near duplicate of the earlier, once they are found."""

    def add(self, prints: Fingerprints) -> None:
        """The fingerprints of the next rows."""
        rows = np.arange(self._rows, self._rows + len(prints.exact), dtype=np.uint32)
        _scatter(self._exact, prints.exact, rows)
        present = prints.bands[:, 0] != 0
        _scatter(self._near, prints.bands[present].ravel(), np.repeat(rows[present], BANDS))
        self._signatures.write(prints.signatures.tobytes())
        self._rows += len(rows)

    def find(self) -> np.ndarray:
        """Why each row is removed, as an index into ``REASONS`` plus 1; 0 for those that stay: (N,) uint8."""
        removed = np.zeros(self._rows, np.uint8)
        for _, later in _pairs(self._exact):
            removed[later] = REASONS.index(EXACT) + 1
        self._signatures.flush()
        if self._rows:
            signatures = np.memmap(self._signatures.name, np.uint32, "r", shape=(self._rows, _HASHES))
        for earlier, later in _pairs(self._near, removed):
            alike = (signatures[earlier] == signatures[later]).mean(axis=1) >= SIMILAR
            removed[later[alike]] = REASONS.index(NEAR) + 1
            self.near.append((earlier[alike], later[alike]))
        return removed

    def __enter__(self) -> DuplicateSearch:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (*self._exact, *self._near, self._signatures):
            file.close()


def _scatter(files: Sequence[BinaryIO], keys: np.ndarray, rows: np.ndarray) -> None:
    pairs = np.empty(len(keys), _PAIR)
    pairs["key"], pairs["row"] = keys, rows
    part = (keys >> np.uint64(58)).astype(np.int64)
    order = np.argsort(part, kind="stable")
    bounds = np.searchsorted(part[order], np.arange(_PARTITIONS + 1))
    for i in np.flatnonzero(np.diff(bounds)).tolist():
        files[i].write(pairs[order[bounds[i] : bounds[i + 1]]].tobytes())


def _pairs(files: Sequence[BinaryIO], removed: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows with the same key as an earlier row, with the first such row; rows in ``removed`` are left out."""
    for file in files:
        file.seek(0)
        pairs = np.frombuffer(file.read(), _PAIR)
        if removed is not None:
            pairs = pairs[removed[pairs["row"]] == 0]
        pairs = pairs[np.lexsort((pairs["row"], pairs["key"]))]
        if len(pairs) < 2:
            continue
        begins = np.concatenate([[True], pairs["key"][1:] != pairs["key"][:-1]])
        first = pairs["row"][np.maximum.accumulate(np.where(begins, np.arange(len(pairs)), 0))]
        yield first[~begins], pairs["row"][~begins]
