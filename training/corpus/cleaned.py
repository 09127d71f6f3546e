"""Samples cleaned and without duplicates, however many: they pass through files, not through memory."""

from __future__ import annotations

import errno
import pickle
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from training.common.files import remove_tree
from training.common.workers import Workers
from training.corpus.cleaning import REASONS, CleaningReport, clean, from_files
from training.corpus.duplicates import DuplicateSearch, Fingerprints, fingerprint
from training.corpus.sample import CorpusError, Sample, digest
from training.corpus.split import SPLITS, Split, split_of
from training.corpus.turns import normalised_question, what_is_asked

BATCH, BATCH_CHARACTERS = 4096, 1_500_000
"""Samples that one process cleans at a time: so many, or as many as first reach so many characters. Samples of some
sources are a hundred times as long as those of others."""

MOST_OF_ALL = 0.5
"""Rows that hang together and are more than this share of all are trained on: without them little is left to learn."""

_ROW = np.dtype(
    [
        ("id", np.uint64),
        ("fact", np.uint64),
        ("split", np.uint8),
        ("source", np.uint16),
        ("asked", np.uint64),
        ("begun", np.uint64),
        ("words", np.uint64),
        ("file", bool),
    ]
)


@dataclass(frozen=True)
class AcrossSplit:
    """What training and held-out samples have in common."""

    near_duplicates: int = 0  # samples that were removed since they are near duplicates of one on the other side
    moved: int = 0  # rows that changed sides since their id or their question is that of rows on the other side
    same_words: int = 0  # held-out samples whose question has the same words, in any order, as one that is trained on


@dataclass(frozen=True)
class CleanedCorpus:
    """What cleaning left, on disk."""

    batches: list[Path]  # files of pickled lists of samples, as they passed the rules
    rows: np.ndarray
    """Of every sample in them its ``id`` and ``fact`` as hashes, its ``split`` (a place in ``SPLITS``) and its
    ``source`` (a place in ``sources``), whether it is of a ``file``, and hashes of what is ``asked`` before its answer,
    of how it has ``begun`` and of the ``words`` of its question (0 for prose), (N,)."""
    removed: np.ndarray  # which of them are duplicates of an earlier one, (N,) bool
    sources: list[str]  # the names of the sources
    characters: int  # of all samples in the batches
    report: CleaningReport  # what was removed, duplicates included
    across: AcrossSplit  # what the two sides of the split have in common

    def __iter__(self) -> Iterator[Sample]:
        """The samples that are left, in their order."""
        return (sample for _, sample in self.numbered())

    def numbered(self) -> Iterator[tuple[int, Sample]]:
        """The same with their places in ``rows``."""
        for path, rows in self.slices():
            for number, sample in enumerate(read_batch(path), start=rows.start):
                if not self.removed[number]:
                    yield number, sample

    def with_splits(self) -> Iterator[tuple[Sample, Split]]:
        """The same with the side of the split on which each is."""
        return ((sample, SPLITS[self.rows["split"][number]]) for number, sample in self.numbered())

    def slices(self) -> Iterator[tuple[Path, slice]]:
        """Each batch with its place in ``rows``."""
        start = 0
        for path in self.batches:
            stop = start + int(path.stem.rpartition("-")[2])
            yield path, slice(start, stop)
            start = stop


@dataclass(frozen=True)
class _Batch:
    """What becomes of one batch of samples."""

    path: Path
    rows: np.ndarray
    sources: list[str]
    characters: int
    prints: Fingerprints
    report: CleaningReport


@contextmanager
def cleaned(
    samples: Iterable[Sample],
    report: CleaningReport | None = None,
    *,
    workers: Workers | None = None,
    folder: Path | None = None,
) -> Iterator[CleanedCorpus]:
    """Clean ``samples`` into files that are there for the length of the block.

    Args:
        report: What the reading of ``samples`` counts, and the cleaning goes on with.
        workers: Processes to share the work with; without them it is done in this one.
        folder: Where the files are; a temporary folder without it. It needs about four times the size of the text.
    """
    place: Path | None = folder
    try:
        try:
            place = place or Path(tempfile.mkdtemp(prefix="diptych-"))
            place.mkdir(parents=True, exist_ok=True)
            counted = CleaningReport() if report is None else report
            corpus = _clean_into(place, samples, counted, workers or Workers(1))
        except OSError as error:
            if folder is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOENT):
                raise CorpusError(
                    f"{tempfile.gettempdir()}: cannot hold the working copy of the corpus ({error.strerror}); make "
                    "room there, or set TMPDIR to another folder"
                ) from error
            raise
        yield corpus
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def _clean_into(folder: Path, samples: Iterable[Sample], report: CleaningReport, workers: Workers) -> CleanedCorpus:
    batches: list[Path] = []
    sources: dict[str, int] = {}
    characters = 0
    with DuplicateSearch(folder / "duplicates") as search, (folder / "rows").open("wb") as rows:
        for batch in workers.map(_clean_batch, _tasks(samples, folder)):
            batches.append(batch.path)
            batch.rows["source"] = [sources.setdefault(name, len(sources)) for name in batch.sources]
            rows.write(batch.rows.tobytes())
            characters += batch.characters
            search.add(batch.prints)
            report.add(batch.report)
        reasons = search.find()
    remove_tree(folder / "duplicates")
    table, names = np.array(map_array(folder / "rows", _ROW)), list(sources)
    for number, reason in enumerate(REASONS, start=1):
        report.add_removed(reason, (names[source] for source in table["source"][reasons == number]))
    removed = reasons != 0
    near = sum(int((table["split"][a] != table["split"][b]).sum()) for a, b in search.near)
    moved = _join(table, removed)
    across = AcrossSplit(near, moved, _same_words(table, removed))
    return CleanedCorpus(batches, table, removed, names, characters, report, across)


def splits_of(samples: Sequence[Sample]) -> list[Split]:
    """The side of each sample among all the others, as ``cleaned`` decides it where none of them is removed."""
    rows = _rows(samples)
    _join(rows, np.zeros(len(rows), bool))
    return [SPLITS[split] for split in rows["split"].tolist()]


def _join(rows: np.ndarray, removed: np.ndarray) -> int:
    """Put rows of files on one side that share a fact, what is asked or how they begin, with all others between them;
    returns how many changed sides.

    A group's side is that of its fact with the smallest hash: a question with a hundred ids is held out no more often
    than one with a single id. Where a sample of another kind asks the same, which stays where it is, the group follows.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    chosen = np.flatnonzero(~removed & rows["file"])
    if not len(chosen):
        return 0
    part, others = rows[chosen], rows[~removed & ~rows["file"] & (rows["asked"] != 0)]
    facts, fact = np.unique(part["fact"], return_inverse=True)
    n = len(facts)
    linked = []
    for name in ("asked", "begun"):
        hashes, places = np.unique(part[name], return_inverse=True)
        linked.append(np.where(part[name] != 0, n + places, fact))  # prose asks nothing
        n += len(hashes)
    edges = np.ones(2 * len(part), bool), (np.tile(fact, 2), np.concatenate(linked))
    _, groups = connected_components(coo_array(edges, (n, n)), directed=False)
    group = np.unique(groups[fact], return_inverse=True)[1]
    order = np.lexsort((part["fact"], group))
    side = part["split"][order[np.diff(group[order], prepend=-1) != 0]]
    for held_out in (False, True):
        asked = others["asked"][(others["split"] != 0) == held_out]
        side[group[np.isin(part["asked"], asked)]] = SPLITS.index("new_fact" if held_out else "train")
    side[np.bincount(group) > MOST_OF_ALL * len(part)] = SPLITS.index("train")
    rows["split"][chosen] = side[group]
    return int((side[group] != part["split"]).sum())


def _same_words(rows: np.ndarray, removed: np.ndarray) -> int:
    """How many held-out samples of files ask with the words of a question that is trained on."""
    training = rows["split"] == 0
    trained = np.unique(rows["words"][training & ~removed & (rows["words"] != 0)])
    return int(np.isin(rows["words"][~training & ~removed & rows["file"]], trained).sum())


def _tasks(samples: Iterable[Sample], folder: Path) -> Iterator[tuple[list[Sample], Path]]:
    numbers = count()
    batch: list[Sample] = []
    characters = 0
    for sample in samples:
        batch.append(sample)
        characters += sum(len(message.content) for message in sample.messages)
        if len(batch) == BATCH or characters >= BATCH_CHARACTERS:
            yield batch, folder / f"batch-{next(numbers):06}"
            batch, characters = [], 0
    if batch:
        yield batch, folder / f"batch-{next(numbers):06}"


def _rows(samples: Sequence[Sample]) -> np.ndarray:
    """What is known of each sample without the others; its source is to be filled in."""
    rows = np.zeros(len(samples), _ROW)
    rows["id"] = [digest(sample.id) for sample in samples]
    rows["fact"] = [digest(sample.fact) for sample in samples]
    rows["file"] = [from_files(sample) for sample in samples]
    rows["asked"], rows["begun"], rows["words"] = zip(*map(_asked, samples), strict=True) if samples else ((), (), ())
    rows["split"] = [SPLITS.index(split_of(sample)) for sample in samples]
    return rows


def _clean_batch(task: tuple[list[Sample], Path]) -> _Batch:
    samples, path = task
    report = CleaningReport()
    kept = list(clean(samples, report))
    path = path.with_name(f"{path.name}-{len(kept)}")
    with path.open("wb") as file:
        pickle.dump(kept, file, pickle.HIGHEST_PROTOCOL)
    rows = _rows(kept)
    characters = sum(len(message.content) for sample in kept for message in sample.messages)
    return _Batch(path, rows, [sample.source for sample in kept], characters, fingerprint(kept), report)


def _asked(sample: Sample) -> tuple[int, int, int]:
    """Hashes of all that is said before the answer, whatever its case and marks, of the first question, which a longer
    chat holds too, and of the set of words of a question alone; 0 for what is not there."""
    said = [normalised_question(message.content) for message in sample.messages[:-1]]
    if not said:
        return 0, 0, 0
    words = digest(" ".join(sorted(set(said[0].split())))) or 1 if len(said) == 1 else 0
    return digest("\x1e".join(said)) or 1, digest(what_is_asked(said)) or 1, words


def read_batch(path: Path) -> list[Sample]:
    """The samples of one file of ``CleanedCorpus.batches``."""
    with path.open("rb") as file:
        return pickle.load(file)


def map_array(path: Path, dtype: DTypeLike) -> np.ndarray:
    """A file of raw numbers, mapped into memory; an empty file cannot be mapped, but is an array as well."""
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.empty(0, dtype)
