"""Exports: the votes in the formats that other tools open, each with a codebook and a manifest.

:func:`stream` yields bytes (for a download), :func:`write` makes a file that is complete or absent.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from ..database import Database
from .companions import COMPANIONS, beside, stream_companion
from .files import stream_parquet, stream_sqlite
from .formats import Format, stream_arena, stream_csv, stream_dpo, stream_jsonl, stream_kto
from .manifest import Manifest, codebook, count, describe
from .write import ExportError, check_place, replace_file

__all__ = ["FORMATS", "ExportError", "Format", "Manifest", "describing", "stream", "write"]


def _companion(name: str) -> Callable[[sqlite3.Connection, int | None], Iterator[bytes]]:
    return lambda connection, study_id: stream_companion(connection, name, study_id)


VOTES = "votes"
"""What an export is in any form, for the list of our files."""

FORMATS = {
    entry.name: entry
    for entry in (
        Format("csv", ".csv", "text/csv; charset=utf-8", False, stream_csv),
        Format("jsonl", ".jsonl", "application/x-ndjson", False, stream_jsonl),
        Format("parquet", ".parquet", "application/vnd.apache.parquet", False, stream_parquet),
        Format("sqlite", ".sqlite", "application/vnd.sqlite3", False, stream_sqlite),
        Format("dpo", ".dpo.jsonl", "application/x-ndjson", True, stream_dpo),
        Format("kto", ".kto.jsonl", "application/x-ndjson", True, stream_kto),
        Format("arena", ".arena.json", "application/json", True, stream_arena),
        *(Format(name, f".{name}.csv", "text/csv; charset=utf-8", False, _companion(name)) for name in COMPANIONS),
    )
}


def stream(database: Database, format: str, study_id: int | None = None) -> Iterator[bytes]:
    """The votes as bytes, in constant memory; of one study, or of all. Raises ExportError."""
    entry = _checked(database, format, study_id)

    def chunks() -> Iterator[bytes]:
        with database.snapshot() as connection:
            yield from entry.stream(connection, study_id)

    return chunks()


def describing(database: Database, format: str, study_id: int | None, what: str) -> bytes:
    """``codebook.md`` or ``manifest.json`` of a stream, which is read once for its hash. Raises ExportError."""
    entry = _checked(database, format, study_id)
    if what == "codebook.md":
        return codebook(format).encode()
    if what != "manifest.json":
        raise ExportError(f"{what!r} is unknown; choose codebook.md or manifest.json")
    digest, size = hashlib.sha256(), 0
    with database.snapshot() as connection:
        for chunk in entry.stream(connection, study_id):
            digest.update(chunk)
            size += len(chunk)
        manifest = describe(connection, format, study_id, digest.hexdigest(), size)
    return _json(manifest)


def _json(manifest: Manifest) -> bytes:
    return json.dumps(asdict(manifest), indent=1, ensure_ascii=False).encode()


def write(
    database: Database,
    format: str,
    out: str | Path,
    study_id: int | None = None,
    progress: Callable[[int], object] = bool,
) -> Manifest:
    """Write ``out``, ``out.codebook.md`` and ``out.manifest.json``; for csv also the companions that are not empty,
    whose columns the codebook has too.

    Each file appears whole or not at all.  ``progress`` is told the bytes of each piece as it is written.
    Raises ExportError.
    """
    entry = _checked(database, format, study_id)
    check_place(out, VOTES)
    for place in (f"{out}.manifest.json", f"{out}.codebook.md"):
        check_place(place)
    if format == "csv":
        for name in COMPANIONS:
            check_place(beside(out, name))
    digest = hashlib.sha256()

    def observe(chunk: bytes) -> None:
        digest.update(chunk)
        progress(len(chunk))

    written = [format]
    with database.snapshot() as connection:
        size = replace_file(out, entry.stream(connection, study_id), observe, VOTES)
        manifest = describe(connection, format, study_id, digest.hexdigest(), size)
        if format == "csv":
            for name in COMPANIONS:
                if count(connection, name, study_id):
                    replace_file(beside(out, name), stream_companion(connection, name, study_id))
                    written.append(name)
    replace_file(f"{out}.manifest.json", [_json(manifest)])
    replace_file(f"{out}.codebook.md", ["\n".join(map(codebook, written)).encode()])
    return manifest


def _checked(database: Database, format: str, study_id: int | None) -> Format:
    if format not in FORMATS:
        raise ExportError(f"format {format!r} is unknown; choose one of {', '.join(FORMATS)}")
    studies = database.connection.execute("SELECT COUNT(DISTINCT study_id) FROM votes").fetchone()[0]
    if FORMATS[format].one_study and study_id is None and studies > 1:
        raise ExportError(
            f"votes of {studies} studies would be mixed in format {format}, which has no column to tell"
            " them apart; choose one with --study"
        )
    return FORMATS[format]
