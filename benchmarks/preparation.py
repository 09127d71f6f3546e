"""How long the preparation of data takes, how much memory, and whether either grows faster than the data.

    python benchmarks/preparation.py --data FOLDER
    python benchmarks/preparation.py --data FOLDER --scales 1 4 16 --out docs/benchmarks-preparation.md
    python benchmarks/preparation.py --data FOLDER --rows 500 --vocab-size 2000 --scales 1 2    # a quick look

Each scale is prepared in a process of its own with an empty cache, then again with the cache that it left. Scales
above 1 are made from the same rows with other words in them, so that they are not duplicates. Memory is that of all
processes together, looked at five times a second, each page that they share counted once. What is mapped from files
(code and data) is told apart: the kernel takes it back whenever something else needs the memory.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from benchmarks.outputs import own_file, write
from training.common.workers import default_workers
from training.corpus.files import find_files

_ALTERED = re.compile(r"^(?:User|Assistant):|\b(?:[A-Z]\w*|\w{4,}|\d+)\b", re.MULTILINE)
_TEXTS = ("question", "answer", "context", "text")


@dataclass(frozen=True)
class Memory:
    """Bytes that processes hold as their own, and bytes of files that are mapped."""

    own: int = 0
    mapped: int = 0

    def most(self, other: Memory) -> Memory:
        """The larger of each, which need not be of the same moment."""
        return Memory(max(self.own, other.own), max(self.mapped, other.mapped))


@dataclass(frozen=True)
class Run:
    """One preparation, as its process told it and as it was seen from outside."""

    wall_seconds: float
    peak: Memory
    result: dict[str, Any]


def main() -> int:
    options = _parser().parse_args()
    if options.prepare:
        print(json.dumps(_prepare(options)))
        return 0
    with tempfile.TemporaryDirectory(prefix="diptych-preparation-", dir=options.work) as scratch:
        lines = list(_report(options, Path(scratch)))
    text = "\n".join(lines) + "\n"
    write(options.out, text)
    print(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="a folder of .jsonl.gz files")
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 4, 16], metavar="N", help="sizes (1 4 16)")
    parser.add_argument("--vocab-size", type=int, default=32_000, metavar="N", help="pieces of the tokenizer (32000)")
    parser.add_argument("--rows", type=int, metavar="N", help="the first N rows of each source at 1x")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core, up to 8)")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="where the temporary files are")
    parser.add_argument("--out", type=own_file, metavar="FILE.md", help="write the report")
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    return parser


def _prepare(options: argparse.Namespace) -> dict[str, Any]:
    """What the measured process does."""
    from training.models.tokenizer import prepare_for_model1

    started = time.monotonic()
    prepared = prepare_for_model1(
        (str(options.data),), options.vocab_size, "everything", None, 2000, workers=options.workers
    )
    return {
        "seconds": time.monotonic() - started,
        "processor_seconds": sum(os.times()[:4]),
        "stages": prepared.seconds,
        "reused": prepared.reused,
        "documents": len(prepared.dataset.train),
        "tokens": len(prepared.dataset.train.tokens),
        "read": prepared.cleaning.total_read,
        "removed": prepared.cleaning.by_reason(),
        "bytes": sum(file.stat().st_size for file in prepared.folder.rglob("*") if file.is_file()),
    }


def _report(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    yield "# Preparation of data"
    yield ""
    yield (
        f"`python benchmarks/preparation.py`: {options.data.name}, "
        f"{f'the first {options.rows:,} rows' if options.rows else 'all rows'} of each source, "
        f"vocabulary {options.vocab_size:,}, "
        f"{options.workers or default_workers()} processes, load {os.getloadavg()[0]:.1f} at the start. "
        "Seconds are wall-clock; memory is the peak of all processes together, apart from what they map from files."
    )
    yield ""
    yield (
        "| scale | samples | removed | tokens | clean | tokenizer | tokenise | in all | processor time | memory "
        "| mapped | cache | again |"
    )
    yield "|---" * 13 + "|"
    removed: dict[str, int] = {}
    for scale in options.scales:
        whole = scale == 1 and options.rows is None
        data = options.data if whole else _scaled(options.data, scale, options.rows, scratch / f"x{scale}")
        first, second = (_measure(options, data, scratch / "cache") for _ in range(2))
        result, stages = first.result, first.result["stages"]
        assert not result["reused"]
        assert second.result["reused"]
        removed = removed or result["removed"]
        yield (
            f"| {scale}x | {result['read']:,} | {sum(result['removed'].values()):,} | {result['tokens'] / 1e6:.1f}M "
            f"| {stages['clean']:.1f} s | {stages['tokenizer']:.1f} s | {stages['tokenise']:.1f} s "
            f"| {first.wall_seconds:.1f} s | {result['processor_seconds']:.1f} s "
            f"| {first.peak.own / 2**20:,.0f} MiB | {first.peak.mapped / 2**20:,.0f} MiB "
            f"| {result['bytes'] / 2**20:,.0f} MiB | {second.wall_seconds:.2f} s |"
        )
        for folder in (scratch / "cache", scratch / f"x{scale}"):
            shutil.rmtree(folder, ignore_errors=True)
    yield ""
    yield (
        f"Removed at {options.scales[0]}x: "
        + (", ".join(f"{count:,} {reason}" for reason, count in removed.items()) or "nothing")
        + ". `in all` and `again`, a second process that finds the cache, include "
        "the start of Python."
    )


def _measure(options: argparse.Namespace, data: Path, cache: Path) -> Run:
    command = [sys.executable, __file__, "--prepare", "--data", str(data), "--vocab-size", str(options.vocab_size)]
    if options.workers is not None:
        command += ["--workers", str(options.workers)]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        watched, peak = psutil.Process(process.pid), Memory()
        while process.poll() is None:
            peak = peak.most(_memory(watched))
            time.sleep(0.2)
        wall = time.monotonic() - started
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"the preparation of {data} failed")
    return Run(wall, peak, json.loads(output))


def _memory(process: psutil.Process) -> Memory:
    own = mapped = 0
    with suppress(psutil.Error):
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.Error, OSError):
                sizes = _sizes(member.pid)
                own, mapped = own + sizes["Pss_Anon"], mapped + sizes["Pss_File"] + sizes["Pss_Shmem"]
    return Memory(own, mapped)


def _sizes(pid: int) -> dict[str, int]:
    """Bytes of a process by kind, a shared page as its share (Linux's proportional set size)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name.rstrip(":"): 1024 * int(size) for name, size, *_ in map(str.split, lines)}


def _scaled(data: Path, scale: int, limit: int | None, folder: Path) -> Path:
    """The first ``limit`` rows of each file of ``data``, and copies that say something else; written to ``folder``."""
    folder.mkdir(parents=True)
    words = _Words(data, limit)
    for path in find_files(data):
        with gzip.open(folder / path.name, "wt", encoding="utf-8", compresslevel=1) as file:
            for copy in range(scale):
                for row in _rows(path, limit):
                    if copy:
                        row |= {"id": f"{row['id']}-{copy}"}
                        row |= {key: words.other(row[key], copy / scale) for key in _TEXTS if key in row}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return folder


def _rows(path: Path, limit: int | None) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, islice(lines, limit))


class _Words:
    """The words of some data, each of which has others of its kind: names, numbers, longer words.

    A text becomes another by giving each word the place of one further on, so a larger corpus has no more words.
    """

    def __init__(self, data: Path, limit: int | None) -> None:
        found: dict[str, set[str]] = {}
        for path in find_files(data):
            for row in _rows(path, limit):
                for key in _TEXTS:
                    for word in _ALTERED.findall(row.get(key, "")):
                        found.setdefault(self._kind(word), set()).add(word)
        self.lists = {kind: sorted(words) for kind, words in found.items()}
        self.places = {word: place for words in self.lists.values() for place, word in enumerate(words)}

    @staticmethod
    def _kind(word: str) -> str:
        return "number" if word.isdigit() else "name" if word[0].isupper() else "word"

    def other(self, text: str, share: float) -> str:
        """The text with words that stand further on by this share of their list; speakers of a dialogue stay."""

        def replaced(found: re.Match[str]) -> str:
            word = found[0]
            if word.endswith(":"):
                return word
            words = self.lists[self._kind(word)]
            return words[(self.places[word] + round(share * len(words))) % len(words)]

        return _ALTERED.sub(replaced, text)


if __name__ == "__main__":
    sys.exit(main())
