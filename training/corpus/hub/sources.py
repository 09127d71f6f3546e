"""The data sets of the Hugging Face Hub that can be trained on, as ``sources.toml`` describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.common.toml_file import read_toml
from training.corpus.hub import artworks, chats, questions, rows
from training.corpus.hub.rows import Keyed, Row
from training.corpus.sample import Size

ReadValue = Callable[[Any], Any]
"""Gives what a reader can rely on, or raises ``Unreadable``."""


@dataclass(frozen=True)
class HubSource:
    """One data set."""

    repository: str  # its id on the Hub
    files: str  # which files of the repository are read, as a pattern
    columns: Mapping[str, ReadValue]  # which columns of them, and how a value of each is read
    read: Callable[[Iterable[Row]], Iterator[Keyed]]
    """Turns rows of such values into samples' messages. Samples with the same key stay on one side of the split."""
    licence: str
    area: str
    rows: int  # how many rows there are, roughly
    megabytes: int  # how much is downloaded, roughly
    size: Size | None = None
    """How many samples they make and how many bytes of text, roughly; None where nobody has counted."""
    note: str = ""  # what one should know before choosing it


def _source(row: dict[str, Any]) -> HubSource:
    module, _, function = row["read"].partition(".")
    read = getattr({"artworks": artworks, "chats": chats, "questions": questions}[module], function)
    columns = {column: getattr(rows, name) for column, name in row["columns"].items()}
    size = Size(**row["size"]) if "size" in row else None
    return HubSource(**{**row, "columns": columns, "read": read, "size": size})


SOURCES = {name: _source(row) for name, row in read_toml(Path(__file__).with_name("sources.toml")).items()}
