"""The training data: embedded or in files, as samples of one form, split by hash."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.corpus import core, embedded, files
from training.corpus.sample import CorpusError, Message, Sample
from training.corpus.split import Split, split_of

__all__ = ["CorpusError", "Message", "Sample", "Split", "load", "load_source", "sources", "split_of"]


def load(data: Sequence[str] = ("embedded",), *, max_rows_per_source: int | None = None) -> list[Sample]:
    """The samples of all named data.

    Args:
        data: ``"embedded"`` or one of its sources; ``"core"``, the part of it that a small model learns in two
            minutes; or the path of a data file or of a folder of them.
        max_rows_per_source: At most this many samples of each source, chosen by hash.

    Raises:
        CorpusError: A name or a file that cannot be used, in one line.
    """
    if max_rows_per_source is not None and max_rows_per_source < 1:
        raise CorpusError(f"max_rows_per_source = {max_rows_per_source}: must be at least 1")
    return [sample for source in sources(data) for sample in load_source(source, max_rows_per_source)]


def sources(data: Sequence[str] = ("embedded",)) -> list[str | Path]:
    """What ``data`` stands for: names of embedded sources and paths of files, each once, in the order given."""
    if not data:
        raise CorpusError("no data named; use 'embedded', or the path of a data file or folder")
    found: dict[str | Path, None] = {}
    for name in data:
        if name == "embedded":
            found.update(dict.fromkeys(embedded.SOURCES))
        elif name == "core" or name in embedded.SOURCES:
            found[name] = None
        else:
            found.update(dict.fromkeys(files.find_files(Path(name).expanduser())))
    return list(found)


def load_source(source: str | Path, max_rows: int | None = None) -> list[Sample]:
    """The samples of one entry of ``sources``."""
    if isinstance(source, Path):
        rows = files.iter_samples(source)
    else:
        rows = iter(core.samples() if source == "core" else embedded.samples(source))
    return files.pick_samples(rows, max_rows)
