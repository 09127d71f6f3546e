"""Data of any size made ready for training: cleaned, without duplicates, split, tokenised, mapped from files.

What is made stays in the cache under a hash of everything that it depends on, so the next run finds it there. Nothing
of the size of the data is held in memory, and a folder appears under its name only when it is whole.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import pickle
import shutil
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from training.common.cache import cache_folder, is_forgotten, locked
from training.common.checkpoint_folder import TOKENIZER, TRAINED_ON
from training.common.files import MANIFEST, new_file, new_folder, remove_folder, remove_tree
from training.common.workers import Workers, release_freed_memory
from training.corpus import CorpusError, embedded, is_embedded, source_files, source_name, stream, weighted_sources
from training.corpus.card import DataCard
from training.corpus.cleaned import CleanedCorpus, cleaned, map_array, read_batch
from training.corpus.cleaning import CleaningReport
from training.corpus.mixing import copies
from training.corpus.split import SPLITS
from training.data.dataset import TokenisedDataset, load_dataset, spread_over_facts, tokenise_dataset
from training.data.documents import ChatForm, Documents, DocumentsWriter, LossOn, tokenise

VERSION = 3
"""Raised whenever the same data would be prepared differently."""

TOKENIZER_CHARACTERS = 20_000_000
"""A tokenizer is trained on at most about so many characters, chosen by hash: its training holds them in memory."""

KIND = "prepared"
_INDEX = "index.json"
_CORPUS_CODE = Path(__file__).parents[1] / "corpus"


class Encoder(Protocol):
    """A tokenizer, as the preparation needs it; it is sent to other processes."""

    def __len__(self) -> int: ...

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]: ...


@dataclass(frozen=True)
class Recipe:
    """What the prepared data depend on, besides the files."""

    data: tuple[str, ...]  # sources as ``--data`` takes them
    tokenizer: str  # what the encoder depends on, e.g. its checksum
    form: ChatForm  # the chat form of the model
    loss_on: LossOn  # what is learned
    max_rows_per_source: int | None  # at most so many rows of each source
    max_held_out: int  # at most so many held-out samples of each kind
    max_samples: int | None = None  # at most so many training samples, one of each fact before a second of any

    def key(self) -> str:
        """A hash of all this, of the files' sizes and times, and of the code that reads them."""
        sources = [
            [source_name(source), weight, *map(_stamp, source_files(source))]
            for source, weight in weighted_sources(self.data).items()
        ]
        code = hashlib.sha256()
        for path in sorted(_CORPUS_CODE.rglob("*")):
            if path.suffix in (".py", ".toml"):
                code.update(path.read_bytes())
        content = {**asdict(self), "data": sources, "code": code.hexdigest(), "version": VERSION}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _stamp(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return str(path.resolve()), stat.st_size, stat.st_mtime_ns


@dataclass(frozen=True)
class Prepared:
    """Prepared data in the cache."""

    folder: Path  # where they are
    dataset: TokenisedDataset  # the documents, mapped into memory
    cleaning: CleaningReport  # what was removed
    seconds: dict[str, float]  # how long each stage took when they were made
    reused: bool  # whether they were there already

    @property
    def tokenizer_path(self) -> Path:
        """Where the encoder's maker may leave a file."""
        return self.folder / TOKENIZER


MakeEncoder = Callable[[Iterator[str], Path], Encoder]
"""Makes the encoder: from the training texts, which it may read or not; what it writes to the path is kept."""


def prepare(
    recipe: Recipe,
    make_encoder: MakeEncoder,
    *,
    workers: int | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> Prepared:
    """The data of a recipe, from the cache or made now.

    Args:
        workers: Processes; as many as there are cores, up to 8, without it. The result is the same for any number.
        say: Told what is being done.

    Raises:
        CorpusError: data that cannot be used or leave nothing to train on, or no room for the result.
    """
    folder = cache_folder() / "prepared" / recipe.key()
    if (found := _found(folder, say)) is not None:  # also in a cache that can only be read
        return found
    with locked(folder):
        if (found := _found(folder, say)) is not None:
            return found
        try:
            with new_folder(folder, KIND, cache=True) as unfinished:
                _Preparation(recipe, unfinished, workers, say).run(make_encoder)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise CorpusError(
                f"{folder.parent}: the disk is full; free some space, or set XDG_CACHE_HOME to a folder with more"
            ) from error
        made = _open(folder, reused=False)
        assert made is not None
        _forget_old(folder.parent)
        return made


def tokenised(
    recipe: Recipe, make_encoder: MakeEncoder, tokenizer: Path = Path(TOKENIZER), *, say: Callable[[str], None]
) -> TokenisedDataset:
    """The data of a recipe, as a training reads them: the embedded corpus, which is small, is made in memory, all else
    prepared once and mapped from the cache.

    Args:
        tokenizer: the file of an encoder that has one; its maker reads it, or writes it where there is none yet.
    """
    if is_embedded(recipe.data):
        dataset = load_dataset(recipe.data, recipe.max_rows_per_source, recipe.max_held_out)
        dataset = replace(dataset, train=spread_over_facts(dataset.train, recipe.max_samples))
        texts = (message.content for sample in dataset.train for message in sample.messages)
        encode_batch = make_encoder(texts, tokenizer).encode_batch
        return tokenise_dataset(dataset, encode_batch, recipe.form, recipe.loss_on)
    prepared = prepare(recipe, make_encoder, say=say)
    if prepared.tokenizer_path.is_file() and not tokenizer.is_file():
        with new_file(tokenizer) as partial_file:
            shutil.copyfile(prepared.tokenizer_path, partial_file)
    return prepared.dataset


def _found(folder: Path, say: Callable[[str], None]) -> Prepared | None:
    found = _open(folder, reused=True)
    if found is not None:
        with contextlib.suppress(OSError):
            os.utime(folder / _INDEX)
        say(f"prepared data found in {folder}: {found.cleaning}")
        if warning := found.cleaning.warning():
            say(warning)
    return found


def _forget_old(cache: Path) -> None:
    """Remove what no run has used for long."""
    for index in cache.glob(f"*/{_INDEX}"):
        with contextlib.suppress(OSError):  # another run removes it too, or, on Windows, has it open
            if is_forgotten(index):
                remove_folder(index.parent, KIND)
                if not index.exists():
                    index.parent.with_suffix(".lock").unlink(missing_ok=True)


def _open(folder: Path, *, reused: bool) -> Prepared | None:
    """What is in the folder; None when there is nothing, or when a file is not as long as it was."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if any((folder / name).stat().st_size != size for name, size in index["files"].items()):
            return None
    except (OSError, ValueError, KeyError):
        return None
    trained_on = map_array(folder / TRAINED_ON, np.uint64)
    train, *held_out = (Documents.open(folder / split) for split in SPLITS)
    found: dict[str, Documents] = {
        kind: documents for kind, documents in zip(SPLITS[1:], held_out, strict=True) if len(documents)
    }
    dataset = TokenisedDataset(train, found, trained_on, partial(_copy_card, folder))
    return Prepared(folder, dataset, CleaningReport.from_dict(index["cleaning"]), index["seconds"], reused)


def _copy_card(folder: Path, to: Path) -> None:
    for card in folder.glob("data_card.*"):
        with new_file(to / card.name) as partial_card:
            shutil.copyfile(card, partial_card)


class _Preparation:
    """The stages, each timed: clean, tokenizer, tokenise."""

    def __init__(self, recipe: Recipe, folder: Path, workers: int | None, say: Callable[[str], None]) -> None:
        self.recipe, self.folder, self.say = recipe, folder, say
        self.workers = Workers(workers)
        self.seconds: dict[str, float] = {}
        self.weights: dict[str, float] = {}
        self.trained_on = array("Q")
        self._since = time.monotonic()
        self._stamps = {path: _stamp(path) for source in weighted_sources(recipe.data) for path in source_files(source)}

    def run(self, make_encoder: MakeEncoder) -> None:
        work = self.folder / "work"
        report = CleaningReport()
        samples = stream(self.recipe.data, self.recipe.max_rows_per_source, self.weights, report)
        with self.workers, cleaned(samples, report, workers=self.workers, folder=work / "cleaned") as corpus:
            self._check_unchanged()
            self._done("clean", str(report))
            if warning := report.warning():
                self.say(warning)
            places = self._places(corpus)
            card = DataCard(self.recipe.data)
            texts = self._texts(corpus, places, card)
            encoder = make_encoder(texts, self.folder / TOKENIZER)
            deque(texts, maxlen=0)  # the card counts every sample, whether the encoder's maker read it or not
            (self.folder / TRAINED_ON).write_bytes(np.unique(np.frombuffer(self.trained_on, np.uint64)).tobytes())
            card.cleaning, card.across = corpus.report, corpus.across
            card.write(self.folder)
            self._done("tokenizer", f"tokenizer of {len(encoder):,} pieces")
            (work / "encoder").write_bytes(pickle.dumps(encoder))
            written = self._tokenise(corpus, places, work / "encoder", len(encoder))
        remove_tree(work)
        self._done("tokenise", f"{written['tokens']:,} tokens in {written['documents']:,} training documents")
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
        index = {
            "version": VERSION,
            "data": self.recipe.data,
            "train": written,
            "cleaning": corpus.report.as_dict(),
            "seconds": self.seconds,
            "files": {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in files},
        }
        (self.folder / _INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    def _check_unchanged(self) -> None:
        """Raises CorpusError where a file is another one than when the reading began: some of its rows may be half."""
        for path, stamp in self._stamps.items():
            if not path.exists() or _stamp(path) != stamp:
                raise CorpusError(f"{path}: has changed while it was read; start again when nobody writes to it")

    def _done(self, stage: str, message: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self._since = round(now - self._since, 3), now
        self.say(f"{message} ({self.seconds[stage]:.1f} s)")
        release_freed_memory()

    def _places(self, corpus: CleanedCorpus) -> np.ndarray:
        """Where each sample goes: 0 nowhere, else one more than its place in ``SPLITS``; (N,) uint8."""
        rows, places = corpus.rows, np.zeros(len(corpus.rows), np.uint8)
        for split in range(len(SPLITS)):
            chosen = np.flatnonzero((rows["split"] == split) & ~corpus.removed)
            if split:
                order = np.argsort(rows["id"][chosen], kind="stable")
                chosen = chosen[order[: self.recipe.max_held_out]]
            elif self.recipe.max_samples is not None:
                chosen = chosen[_spread(rows[chosen], self.recipe.max_samples)]
            places[chosen] = split + 1
        if not (places == 1).any():
            raise CorpusError(f"{' '.join(self.recipe.data)}: nothing is left to train on; {corpus.report}")
        return places

    def _texts(self, corpus: CleanedCorpus, places: np.ndarray, card: DataCard) -> Iterator[str]:
        """The texts for a tokenizer's training, all or a part chosen by hash; ``card`` counts every sample besides."""
        share = TOKENIZER_CHARACTERS / max(1, corpus.characters)
        chosen = (places == 1) & ((share >= 1) | (corpus.rows["id"] / 2.0**64 < share))
        for number, sample in corpus.numbered():
            times = copies(sample, self.weights[sample.source])
            card.add(sample, SPLITS[corpus.rows["split"][number]], times)
            if places[number] == 1 and times:
                self.trained_on.append(int(corpus.rows["id"][number]))
            if chosen[number]:
                yield from (message.content for message in sample.messages)

    def _tokenise(self, corpus: CleanedCorpus, places: np.ndarray, encoder: Path, vocab_size: int) -> dict[str, int]:
        recipe = self.recipe
        held_out: list[list[tuple[np.ndarray, Documents]]] = [[], []]
        tasks = (
            _Task(path, places[rows], encoder, recipe.form, recipe.loss_on, self.weights)
            for path, rows in corpus.slices()
        )
        with DocumentsWriter(self.folder / SPLITS[0], vocab_size) as train:
            for rows, (documents, *kept) in zip(
                (rows for _, rows in corpus.slices()), self.workers.map(_tokenise_batch, tasks), strict=True
            ):
                train.add(documents)
                for place, (parts, found) in enumerate(zip(held_out, kept, strict=True), start=2):
                    parts.append((corpus.rows["id"][rows][places[rows] == place], found))
        for name, parts in zip(SPLITS[1:], held_out, strict=True):
            with DocumentsWriter(self.folder / name, vocab_size) as writer:
                order = np.argsort(np.concatenate([ids for ids, _ in parts]), kind="stable")
                writer.add(Documents.concatenate([found for _, found in parts]).select(order))
        return {"documents": train.n_documents, "tokens": train.n_tokens}


def _spread(rows: np.ndarray, n: int) -> np.ndarray:
    """Which ``n`` rows to keep: the first of each fact before a second of any, then by hash; in their order."""
    later = np.ones(len(rows), bool)
    later[np.unique(rows["fact"], return_index=True)[1]] = False
    return np.sort(np.lexsort((rows["id"], later))[:n])


@dataclass(frozen=True)
class _Task:
    """A batch of samples to tokenise, where each goes, and how often an epoch has it."""

    path: Path
    places: np.ndarray
    encoder: Path
    form: ChatForm
    loss_on: LossOn
    weights: dict[str, float]


def _tokenise_batch(task: _Task) -> list[Documents]:
    """The documents of a batch for each split."""
    samples = read_batch(task.path)
    encode_batch = _load_encoder(task.encoder).encode_batch
    result = []
    for place in range(1, len(SPLITS) + 1):
        chosen = np.flatnonzero(task.places == place).tolist()
        documents = tokenise([samples[i] for i in chosen], encode_batch, task.form, task.loss_on)
        times = [copies(samples[i], task.weights[samples[i].source]) for i in chosen] if place == 1 else []
        if any(count != 1 for count in times):
            documents = documents.select(np.repeat(np.arange(len(chosen)), times))
        result.append(documents)
    return result


@lru_cache(maxsize=1)
def _load_encoder(path: Path) -> Any:
    return pickle.loads(path.read_bytes())


def data_key(data: tuple[str, ...] | list[str], max_rows_per_source: int | None) -> str:
    """A hash of what data sources hold, without reading them: names, weights, files' sizes and times, and the records
    of the embedded ones."""
    wanted = weighted_sources(data)
    sources = [
        [source_name(source), weight, [_stamp(path) for path in source_files(source)]]
        for source, weight in wanted.items()
    ]
    records = [embedded.records_sha256()] if any(map(embedded.is_of_records, wanted)) else []
    return hashlib.sha256(json.dumps([sources, max_rows_per_source, *records], sort_keys=True).encode()).hexdigest()
