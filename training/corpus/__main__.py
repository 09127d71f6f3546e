"""``python -m training.corpus``: what the training data are, and the prepared corpus."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from training.corpus import CorpusError, Sample, load_source, sources, split_of
from training.corpus.files import source_name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 on a user's mistake."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except CorpusError as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--data",
        nargs="+",
        default=["embedded"],
        metavar="SOURCE",
        help="'embedded', one of its sources, 'core', or a file or folder (.jsonl, .csv, .parquet, .txt, also .gz)",
    )
    shared.add_argument("--max-rows", type=int, metavar="N", help="at most N samples of each source, chosen by hash")
    shared.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser = argparse.ArgumentParser(prog="python -m training.corpus", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", parents=[shared], help="the data sources, their licences and sizes")
    listing.set_defaults(run=_list)
    build = commands.add_parser("build", parents=[shared], help="write the prepared corpus, one chat a line")
    build.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="the file to write")
    build.set_defaults(run=_build)
    stats = commands.add_parser("stats", parents=[shared], help="counts by source, area and split, pairs and words")
    stats.set_defaults(run=_stats)
    return parser


def _list(options: argparse.Namespace) -> None:
    print(f"{'source':<32} {'samples':>9} {'words':>11}  {'areas':<24} licence")
    for source, samples in _each_source(options):
        areas = ", ".join(sorted({sample.area for sample in samples}))
        licences = ", ".join(sorted({sample.licence for sample in samples}))
        print(f"{source:<32} {len(samples):>9,} {_words(samples):>11,}  {areas:<24} {licences}")


def _build(options: argparse.Namespace) -> None:
    out: Path = options.out
    if out.suffix != ".jsonl":
        raise CorpusError(f"{out}: the corpus is written as JSON lines; name a file that ends in .jsonl")
    samples = (sample for _, samples in _each_source(options) for sample in samples)
    lines = (json.dumps({**sample.as_row(), "split": split_of(sample)}, ensure_ascii=False) for sample in samples)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        count = _write_whole(out, lines)
    except OSError as error:
        raise CorpusError(f"{out}: cannot be written ({error.strerror}); choose another place with --out") from error
    print(f"wrote {count:,} samples to {out}")


def _write_whole(path: Path, lines: Iterable[str]) -> int:
    """Write a file that appears only when it is whole; the number of its lines."""
    part = path.with_name(f"{path.name}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _stats(options: argparse.Namespace) -> None:
    everything = [sample for _, samples in _each_source(options) for sample in samples]
    answers = [sample.answer for sample in everything]
    pairs = {(sample.question, sample.answer) for sample in everything if sample.question}
    _print_counts("source", Counter(sample.source for sample in everything))
    _print_counts("area", Counter(sample.area for sample in everything))
    _print_counts("split", Counter(split_of(sample) for sample in everything))
    print(f"distinct question-answer pairs  {len(pairs):>11,}")
    print(f"distinct facts                  {len({fact for sample in everything for fact in sample.facts}):>11,}")
    print(f"words                           {_words(everything):>11,}")
    print(f"mean words of a sample          {_words(everything) / len(everything):>11.1f}")
    print(f"mean words of an answer         {sum(len(text.split()) for text in answers) / len(answers):>11.1f}")


def _each_source(options: argparse.Namespace) -> Iterable[tuple[str, list[Sample]]]:
    if options.max_rows is not None and options.max_rows < 1:
        raise CorpusError(f"--max-rows {options.max_rows}: must be at least 1")
    for source in sources(options.data):
        name = source if isinstance(source, str) else source_name(source)
        yield name, load_source(source, options.max_rows)


def _print_counts(title: str, counts: Counter[str]) -> None:
    print(title)
    for name, count in counts.most_common():
        print(f"  {name:<29} {count:>11,}")


def _words(samples: Iterable[Sample]) -> int:
    return sum(len(message.content.split()) for sample in samples for message in sample.messages)


if __name__ == "__main__":
    sys.exit(main())
