"""Data sets of the Hugging Face Hub, read as a stream; or the same files in a folder of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from training.corpus.cleaning import CleaningReport
from training.corpus.hub.rows import Row
from training.corpus.hub.sources import SOURCES, HubSource
from training.corpus.readers import arrow_rows
from training.corpus.sample import CorpusError, Sample, sample_id
from training.corpus.turns import Unreadable

__all__ = ["FOLDER_VARIABLE", "SOURCES", "HubSource", "copies", "samples"]

FOLDER_VARIABLE = "DIPTYCH_HUB_DIR"
"""Names a folder with copies of repositories: ``FOLDER/rajpurkar/squad_v2/squad_v2/train-00000-of-00001.parquet``."""

BATCH = 1000
"""Rows that are read at a time."""
_PROBE_SECONDS = 5.0
# Bytes fetched beyond what is asked for. The usual 5 MB would fetch most of the pictures that stand between the texts.
_READ_AHEAD = 65_536


def samples(name: str, report: CleaningReport | None = None) -> Iterator[Sample]:
    """The samples of one data set, as they arrive; ``report`` counts the rows that cannot be read.

    Raises:
        CorpusError: The data set cannot be reached, is not what it was, or has no usable row, in one line that says
            what else there is.
    """
    source = SOURCES[name]
    for key, messages in source.read(_readable(name, source, report or CleaningReport())):
        yield Sample(
            id=sample_id(name, messages),
            source=name,
            area=source.area,
            fact=f"row:{name}:{key.replace('|', '/')}",
            messages=messages,
            licence=source.licence,
        )


def _readable(name: str, source: HubSource, report: CleaningReport) -> Iterator[Row]:
    """The rows with their values as the source's reader takes them; ``report`` counts those with any other.

    Raises:
        CorpusError: all rows are of these.
    """
    usable = False
    for number, row in enumerate(_rows(name, source), start=1):
        try:
            readable = {column: read(row[column]) for column, read in source.columns.items()}
        except Unreadable as reason:
            report.add_unread(str(reason), name, f"{source.repository}, row {number}")
            continue
        usable = True
        yield readable
    if not usable:
        why = f", {report.reasons((name,))}" if report.removed_from(name) else ""
        raise CorpusError(f"{name}: no usable rows{why}; it is not what it was. {_instead(source)}")


def copies(name: str) -> list[Path]:
    """The files of one's own that stand for a data set; none when the Hub is asked."""
    folder = _copy(SOURCES[name])
    return sorted(folder.glob(SOURCES[name].files)) if folder is not None else []


def _copy(source: HubSource) -> Path | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder).expanduser() / source.repository if folder else None


def _rows(name: str, source: HubSource) -> Iterator[Row]:
    place = _place(name, source)
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(f"{name}: the Hub needs the package datasets; run pip install datasets") from error
    try:
        stream = datasets.load_dataset(
            place,
            data_files={"train": source.files},
            split="train",
            columns=list(source.columns),
            streaming=True,
            storage_options={"hf": {"block_size": _READ_AHEAD}},
        )
        missing = set(source.columns) - set(stream.column_names or ())
        if missing:
            raise CorpusError(
                f"{name}: {place} lacks the columns {', '.join(sorted(missing))}; it is not what it was. "
                f"{_instead(source)}"
            )
        for table in stream.with_format("arrow").iter(BATCH):
            yield from arrow_rows(table)
    except CorpusError:
        raise
    except Exception as error:  # the libraries below raise some twenty kinds
        raise CorpusError(f"{name}: {place} cannot be read ({_reason(error)}). {_instead(source)}") from error


def _place(name: str, source: HubSource) -> str:
    """A folder of one's own with the files, or else the repository's id once the Hub has answered."""
    copy = _copy(source)
    if copies(name):
        return str(copy)
    if copy is not None and copy.exists():
        raise CorpusError(f"{name}: {copy} has no files {source.files}; keep the repository's folders as they are")
    from huggingface_hub import HfApi

    try:
        # Without this question, datasets asks six times over 24 seconds when there is no network.
        HfApi().dataset_info(source.repository, timeout=_PROBE_SECONDS)
    except Exception as error:  # no network, no such repository, offline mode, a proxy's refusal
        raise CorpusError(
            f"{name}: {source.repository} cannot be reached on the Hub ({_reason(error)}). {_instead(source)}"
        ) from error
    return source.repository


def _instead(source: HubSource) -> str:
    return (
        "Use 'embedded' or files of your own, or put the repository's files into "
        f"FOLDER/{source.repository}/ and set {FOLDER_VARIABLE}=FOLDER"
    )


def _reason(error: Exception) -> str:
    """The first line of what went wrong."""
    text = str(error).strip().splitlines()
    return text[0][:200].rstrip(".") if text else type(error).__name__
