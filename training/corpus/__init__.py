"""Text to samples: data embedded, in files or on the Hub, in one form, cleaned and split by hash. Imports common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from training.common.options import nearest
from training.corpus import core, embedded, files, hub, mixing, repositories
from training.corpus.cleaning import CleaningReport
from training.corpus.sample import CorpusError, Message, Sample, Size
from training.corpus.split import Split, split_of

__all__ = [
    "CorpusError", "Message", "Sample", "Size", "Source", "Split", "data_around", "in_the_way", "is_embedded",
    "iter_source", "known_size", "load", "notes", "source_files", "source_name", "sources", "split_of", "stream",
    "weighted_sources",
]  # fmt: skip

Source = str | Path
"""The name of an embedded source or of one of the Hub, or the path of a file."""


def load(data: Sequence[str] = ("embedded",), *, max_rows_per_source: int | None = None) -> list[Sample]:
    """The samples of all named data, each once whatever its source's weight.

    Args:
        data: ``"embedded"`` or one of its sources; ``"core"``, the part of it that a small model learns in two
            minutes; ``"open"``, the embedded corpus with open data of public Git repositories, or one of them, see
            ``training.corpus.repositories.SOURCES``; a data set of the Hub, see ``training.corpus.hub.SOURCES``; or the
            path of a data file or of a folder of them. Each may carry a weight, as in ``"art=2"``.
        max_rows_per_source: At most this many samples of each source, chosen by hash.

    Raises:
        CorpusError: A name or a file that cannot be used, in one line.
    """
    return list(stream(data, max_rows_per_source))


def stream(
    data: Sequence[str],
    max_rows_per_source: int | None = None,
    weights: dict[str, float] | None = None,
    report: CleaningReport | None = None,
) -> Iterator[Sample]:
    """The same samples one by one.

    Args:
        weights: is given the weight of each ``Sample.source`` when it is met.
        report: is told of the rows that cannot be read.
    """
    if max_rows_per_source is not None and max_rows_per_source < 1:
        raise CorpusError(f"max_rows_per_source = {max_rows_per_source}: must be at least 1")
    wanted = weighted_sources(data)
    repositories.fetch([str(source) for source in wanted if source in repositories.SOURCES])
    labels = files.labels([source for source in wanted if isinstance(source, Path)])
    for source, weight in wanted.items():
        label = labels[source] if isinstance(source, Path) else ""
        for sample in iter_source(source, max_rows_per_source, report, label):
            if weights is not None:
                before = weights.setdefault(sample.source, weight)
                if before != weight and label:  # a file that build wrote, beside what it was made of
                    raise CorpusError(
                        f"{source} holds samples of {sample.source} with the weight {weight:g}, and those before have "
                        f"{before:g}; give both the same"
                    )
                weights[sample.source] = weight
            yield sample


def sources(data: Sequence[str] = ("embedded",)) -> list[Source]:
    """What ``data`` stands for: names of sources and paths of files, each once, in the order given."""
    return list(weighted_sources(data))


def weighted_sources(data: Sequence[str] = ("embedded",)) -> dict[Source, float]:
    """The same, with how often an epoch sees each; of a source that is named twice the last weight counts, and 0 takes
    it out again."""
    if not data:
        raise CorpusError("no data named; use 'embedded', or the path of a data file or folder")
    found: dict[Source, float] = {}
    for name, weight in mixing.weights(data):
        if weight == 0 and name in found:
            del found[name]
            continue
        if weight == 0:
            raise mixing.nothing_left_out(name)
        if name == "open":
            found.update(dict.fromkeys((*embedded.SOURCES, *repositories.SOURCES), weight))
        elif name == "embedded":
            found.update(dict.fromkeys(embedded.SOURCES, weight))
        elif name == "core" or name in (*embedded.SOURCES, *repositories.SOURCES, *hub.SOURCES):
            found[name] = weight
        else:
            found.update(dict.fromkeys(_files(name), weight))
    return found


def _files(name: str) -> list[Path]:
    path = Path(name).expanduser()
    names = ["embedded", "core", "open", *embedded.SOURCES, *repositories.SOURCES, *hub.SOURCES]
    if not path.exists() and (meant := nearest(name.lower().replace("_", "-"), names)):
        raise CorpusError(f"{name}: no such file or folder; {meant}")
    return files.find_files(path)


def known_size(source: Source) -> Size | None:
    """How much a source holds that would have to be fetched first; None for what is on this machine, or not counted."""
    if source in repositories.SOURCES:
        return repositories.SOURCES[str(source)].size
    if source in hub.SOURCES and not hub.copies(str(source)):
        return hub.SOURCES[str(source)].size
    return None


def data_around(out: Path, data: Sequence[str]) -> Path | None:
    """The folder of data in which ``out`` lies, or which it is: what is written there would be read as data."""
    place = out.resolve()
    for name, _ in mixing.weights(data):
        folder = Path(name).expanduser()
        if folder.resolve() in (place, *place.parents) and isinstance(sources((name,))[0], Path):
            return folder
    return None


def notes(data: Sequence[str]) -> list[str]:
    """What is possible and perhaps not meant: a folder of which files are trained on that are there to test with."""
    warnings = []
    for name, _ in mixing.weights(data):
        folder = Path(name).expanduser()
        if folder.is_dir() and (found := files.kept_for_measuring(folder)):
            names = ", ".join(files.shown(path.relative_to(folder)) for path in found[:3])
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            warnings.append(f"{name}: {names}{more} is trained on like the rest; name files to keep it to test with")
    return warnings


def in_the_way(out: Path, folder: Path) -> str:
    """One line about such a folder."""
    return f"--out {out} is {folder} of --data or lies in it, where it would be read as data; name another place"


def is_embedded(data: Sequence[str]) -> bool:
    """Whether all of ``data`` is of the embedded corpus, which is small, clean and without duplicates."""
    return all(map(embedded.is_of_records, sources(data)))


def source_name(source: Source) -> str:
    """What the samples of a source are called."""
    return files.source_name(source) if isinstance(source, Path) else source


def source_files(source: Source) -> list[Path]:
    """The files on this machine that a source is read from."""
    if isinstance(source, Path):
        return [source]
    return hub.copies(source) if source in hub.SOURCES else []


def iter_source(
    source: Source, max_rows: int | None = None, report: CleaningReport | None = None, label: str = ""
) -> Iterator[Sample]:
    """The samples of one entry of ``sources``: one by one, or at most ``max_rows`` of them, chosen by hash.

    ``label`` is that of ``files.iter_samples``.
    """
    if isinstance(source, Path):
        rows = files.iter_samples(source, report, label)
    elif source in hub.SOURCES:
        rows = hub.samples(source, report)
    elif source in repositories.SOURCES:
        rows = repositories.samples(source, report)
    else:
        rows = iter(core.samples() if source == "core" else embedded.samples(source))
    return rows if max_rows is None else iter(files.pick_samples(rows, max_rows))
