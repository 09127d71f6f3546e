"""Formats that are whole files: Parquet and a clean copy of the database.  Written aside, then streamed."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..registry import SECRET_KEPT
from .rows import CODEBOOK, vote_rows
from .write import ExportError

_BLOCK = 1 << 20  # bytes
_ROWS = 20_000  # votes of one Parquet row group


def stream_parquet(connection: sqlite3.Connection, study_id: int | None) -> Iterator[bytes]:
    """The columns of ``votes.csv`` with their types, Zstandard-compressed, the codebook in the fields' metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "text": pa.string(),
        "flag": pa.bool_(),
        "time": pa.timestamp("ms", tz="UTC"),
    }
    schema = pa.schema(
        [
            pa.field(column.name, types[column.type], metadata={"meaning": column.meaning, "unit": column.unit})
            for column in CODEBOOK
        ]
    )
    with _aside("votes.parquet") as path:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            rows = vote_rows(connection, study_id)
            while chunk := rows.fetchmany(_ROWS):
                columns = zip(CODEBOOK, zip(*chunk, strict=True), strict=True)
                arrays = [_array(pa, values, types[column.type], column.type) for column, values in columns]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        yield from _blocks(path)


def _array(pa: Any, values: Any, kind: Any, name: str) -> Any:
    if name == "time":  # as text to timestamps, by Arrow's own parser
        return pa.array([value.removesuffix("Z") for value in values]).cast(pa.timestamp("ms")).cast(kind)
    if name == "flag":
        values = [bool(value) for value in values]
    return pa.array(values, kind)


def stream_sqlite(connection: sqlite3.Connection, study_id: int | None) -> Iterator[bytes]:
    """A copy of the database that is safe to hand on: without a secret that foretells anything, compact, one file.

    With a study, its rows alone.  The secret of a study that is open, or in which somebody still is, would let its
    reader foretell the sides.
    """
    with _aside("votes.sqlite") as path:
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA foreign_keys = OFF")
            copy.execute("PRAGMA secure_delete = ON")
            for (trigger,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                copy.execute(f'DROP TRIGGER "{trigger}"')  # a copy is read, and what we remove they would refuse
            if study_id is not None:
                _keep_study(copy, study_id)
            copy.execute(f"UPDATE studies SET secret = '{'0' * 64}' WHERE {SECRET_KEPT}")
            copy.execute("UPDATE testers SET invite = NULL")
            copy.execute("DELETE FROM origin_keys")  # without which no hash tells an address
            copy.execute("DELETE FROM requests")  # keys of browsers, of no use to a reader
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("VACUUM")
        yield from _blocks(path)


def _keep_study(copy: sqlite3.Connection, study_id: int) -> None:
    others = "(SELECT id FROM battles WHERE study_id <> :study)"
    turns = f"(SELECT id FROM turns WHERE battle_id IN {others})"
    for statement in (
        f"DELETE FROM answers WHERE turn_id IN {turns}",
        f"DELETE FROM failures WHERE turn_id IN {turns}",
        f"DELETE FROM turns WHERE battle_id IN {others}",
        f"DELETE FROM guesses WHERE battle_id IN {others}",
        f"DELETE FROM remarks WHERE battle_id IN {others}",
        *(
            f"DELETE FROM {table} WHERE study_id <> :study"
            for table in ("votes", "tallies", "looks", "battles", "prompts", "testers")
        ),
        "DELETE FROM studies WHERE id <> :study",
    ):
        copy.execute(statement, {"study": study_id})


@contextmanager
def _aside(name: str) -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="diptych-export-", ignore_cleanup_errors=True) as folder:
            yield Path(folder) / name
    except (OSError, sqlite3.OperationalError) as error:  # not of the place of the export, which is written elsewhere
        reason = getattr(error, "strerror", None) or error
        raise ExportError(
            f"{tempfile.gettempdir()}: cannot hold the working copy of the votes ({reason}); make room there, or set"
            " TMPDIR to another folder"
        ) from error


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
