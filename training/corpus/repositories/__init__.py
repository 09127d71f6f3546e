"""Openly licensed data in public Git repositories at pinned commits: what ``--data open`` is made of."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from training.common.cache import cache_folder
from training.common.files import new_file, unlink
from training.common.toml_file import read_toml
from training.corpus.cleaning import CleaningReport
from training.corpus.repositories import dialogues, documents, git, tables
from training.corpus.sample import CorpusError, Message, Sample, Size, sample_id

__all__ = ["SOURCES", "RepositorySource", "fetch", "samples"]

GIVE_UP = 3
"""Where none of the first so many sources can be had, there is no network, and the others are not tried."""

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class RepositorySource:
    """Data of one repository, as ``sources.toml`` describes it."""

    name: str
    checkout: git.Checkout
    files: tuple[str, ...]  # patterns of the files that are read, from the repository's root
    area: str
    licence: str
    title: str  # how a question names the source
    form: tables.Table | dialogues.Dialogues | None
    """How its files are read: a ``tables.Table``, ``dialogues.Dialogues``, or None for documents."""
    size: Size  # how many samples it gives and how many bytes of text, counted at the pinned commit


def _source(name: str, row: dict[str, Any]) -> RepositorySource:
    form: tables.Table | dialogues.Dialogues | None = None
    if "table" in row:
        standard = {"kinds": {}, "only": {}, "skip": {}, "most": 3, "of_artist": 300, "museum": row["title"]}
        form = tables.Table(**{**standard, **row["table"]})
    elif "dialogues" in row:
        form = dialogues.Dialogues(**{"text": "", "speaker": "", "only": {}, **row["dialogues"]})
    return RepositorySource(
        name=name,
        checkout=git.Checkout(row["repository"], row["commit"], tuple(row.get("paths", row["files"]))),
        files=tuple(row["files"]),
        area=row["area"],
        licence=row["licence"],
        title=row["title"],
        form=form,
        size=Size(row["rows"], row["bytes"]),
    )


SOURCES = {name: _source(name, row) for name, row in read_toml(_FOLDER / "sources.toml").items()}


def samples(name: str, report: CleaningReport | None = None) -> Iterator[Sample]:
    """The samples of one source; read from its files once, then from the cache. ``report`` counts what cannot be read.

    Raises:
        CorpusError: The repository cannot be had or is not what it was, in one line.
    """
    kept = _kept(SOURCES[name])
    if not kept.is_file():
        _keep(kept, SOURCES[name])
    with gzip.open(kept, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if "unread" in row:
                if report is not None:
                    report.add_unread(row["unread"], name, row["place"])
                continue
            yield Sample(**{**row, "messages": tuple(Message(**message) for message in row["messages"])})


def fetch(names: Sequence[str]) -> None:
    """Fetch what is not here yet of several sources, so that one that fails is known before the first is read.

    Raises:
        CorpusError: Sources that cannot be had, all named, with the way to leave them out.
    """
    failed: dict[str, CorpusError] = {}
    wanted = [name for name in names if not _kept(SOURCES[name]).is_file()]
    for tried, name in enumerate(wanted, 1):
        try:
            git.files(SOURCES[name].checkout, SOURCES[name].files)
        except CorpusError as error:
            failed[name] = error
            if len(failed) == tried == GIVE_UP:
                raise CorpusError(f"none of the first {GIVE_UP} sources can be had: {error}") from error
    if failed:
        without = " ".join(f"{name}=0" for name in failed)
        raise CorpusError(
            f"{'; '.join(f'{name}: {error}' for name, error in failed.items())}. "
            f"To go on without {'it' if len(failed) == 1 else 'them'}, add to --data: {without}"
        )


def _keep(path: Path, source: RepositorySource) -> None:
    files = git.files(source.checkout, source.files)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as part, gzip.open(part, "wt", encoding="utf-8", compresslevel=3) as lines:
            for row in _rows(source, files):
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        for older in path.parent.glob(f"{source.name}-{'[0-9a-f]' * 16}.jsonl.gz"):
            if older != path:
                unlink(older)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be written ({error.strerror}); set XDG_CACHE_HOME") from error


def _kept(source: RepositorySource) -> Path:
    """Its place in the cache: another commit, description or reader is another place."""
    return cache_folder() / "samples" / f"{source.name}-{_key(source)}.jsonl.gz"


def _key(source: RepositorySource) -> str:
    digest = hashlib.sha256(repr(dataclasses.replace(source, size=Size(0, 0))).encode())
    digest.update(_code())
    return digest.hexdigest()[:16]


@cache
def _code() -> bytes:
    """The readers themselves, what they ask, and what a value and a sample are."""
    shared = [_FOLDER / "questions.toml", *(_FOLDER.parent / name for name in ("sample.py", "turns.py"))]
    return b"\0".join(path.read_bytes() for path in (*sorted(_FOLDER.glob("*.py")), *shared))


def _rows(source: RepositorySource, files: list[Path]) -> Iterator[dict[str, Any]]:
    """The samples as they are kept, and after them what cannot be read. Raises CorpusError: there is no sample."""
    unread: list[dict[str, str]] = []

    def count_unread(reason: str, place: str) -> None:
        unread.append({"unread": reason, "place": f"{source.checkout.repository}, {place}"})

    usable = False
    for sample in _read(source, files, count_unread):
        usable = True
        yield sample.as_row()
    if not usable:
        why = f" ({unread[0]['unread']}: {unread[0]['place']})" if unread else ""
        where = source.checkout.folder
        raise CorpusError(f"{source.name}: nothing can be read in {where}{why}; remove it, and it is fetched anew")
    yield from unread


def _read(source: RepositorySource, files: list[Path], unread: tables.CountUnread) -> Iterator[Sample]:
    found: set[str] = set()
    for key, messages in _chats(source, files, unread):
        identity = sample_id(source.name, messages)
        if identity in found:  # a page that stands in two folders, a print that the museum has twice
            continue
        found.add(identity)
        yield Sample(
            id=identity,
            source=source.name,
            area=source.area,
            fact=f"row:{source.name}:{key.replace('|', '/')}",
            messages=messages,
            licence=source.licence,
        )


def _chats(
    source: RepositorySource, files: list[Path], unread: tables.CountUnread
) -> Iterable[tuple[str, tuple[Message, ...]]]:
    if isinstance(source.form, dialogues.Dialogues):
        yield from dialogues.read(files, source.form, unread)
        return
    rows = (
        documents.read(files, source.title, unread)
        if source.form is None
        else tables.ask(list(tables.read(files, source.form, unread)), source.form)
    )
    for key, question, answer in rows:
        if question:
            yield key, (Message("user", question), Message("assistant", answer))
        else:
            yield key, (Message("text", answer),)
