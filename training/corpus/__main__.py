"""``python -m training.corpus``: what the training data are, and the prepared corpus."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from training.common import cli
from training.common.config import add_config
from training.common.files import ForeignFileError, check_file, foreign, new_file, place, refusal
from training.common.options import MOST
from training.corpus import (
    CorpusError,
    Sample,
    data_around,
    hub,
    in_the_way,
    iter_source,
    mixing,
    reading,
    repositories,
    source_name,
    stream,
    weighted_sources,
)
from training.corpus.card import DataCard
from training.corpus.check import check
from training.corpus.cleaned import cleaned, splits_of
from training.corpus.cleaning import CleaningReport
from training.corpus.embedded import records
from training.corpus.files import FORMATS
from training.models.tokenizer import prepare_for_model1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 on a user's mistake."""
    return cli.run_command(_run, _parser(), arguments)


def _run(options: argparse.Namespace) -> None:
    _check(options)
    options.run(options)


def _parser() -> argparse.ArgumentParser:
    name = cli.called_as or "python -m training.corpus"  # as its subcommands have it too
    parser = cli.OneLineParser(prog=name, description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="the data sources, their licences and sizes")
    _add_shared(listing, data=[], default="everything there is")
    listing.set_defaults(run=_list)
    build = commands.add_parser("build", help="write the cleaned corpus, one chat a line, and its data card")
    _add_shared(build)
    build.add_argument("--out", type=place, required=True, metavar="FILE.jsonl", help="the file to write")
    build.set_defaults(run=_build)
    prepare = commands.add_parser(
        "prepare", help="clean, tokenise and keep what a training of Model 1 on these data will look for"
    )
    _add_shared(prepare)
    prepare.add_argument(
        "--vocab-size", type=int, default=32_000, metavar="N", help="vocab_size of the training (32000)"
    )
    prepare.add_argument(
        "--loss-on",
        choices=("answers", "everything"),
        default="everything",
        help="loss_on of the training (everything)",
    )
    prepare.add_argument(
        "--max-held-out", type=int, default=2000, metavar="N", help="max_held_out of the training (2000)"
    )
    prepare.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core, up to 8)")
    prepare.set_defaults(run=_prepare)
    against = commands.add_parser("check", help="the embedded corpus's records against museums' open data")
    against.add_argument("--museums", type=Path, required=True, metavar="FOLDER", help="where the museums' tables lie")
    against.add_argument("--out", type=Path, metavar="FILE.md", help="the report to write (default: the screen)")
    _add_debug(against)
    against.set_defaults(run=_check_records)
    sheet = commands.add_parser("reading", help="draw samples for a blind reading, or count what readers found")
    _add_shared(sheet)
    sheet.add_argument("--other", type=Path, metavar="FILE.jsonl", help="what build wrote of another version")
    sheet.add_argument("--count", type=int, default=400, metavar="N", help="samples of each version (400)")
    sheet.add_argument("--salt", default="1", metavar="TEXT", help="another text draws other samples (1)")
    sheet.add_argument(
        "--out", type=Path, metavar="FILE.csv", help="the sheet to fill in; its key is written beside it"
    )
    sheet.add_argument("--score", type=Path, metavar="FILE.csv", help="a sheet that was filled in: count by version")
    sheet.set_defaults(run=_reading)
    stats = commands.add_parser("stats", help="counts by source, area and split, pairs and words")
    _add_shared(stats)
    stats.set_defaults(run=_stats)
    return parser


def _add_shared(
    parser: argparse.ArgumentParser, data: Sequence[str] = ("embedded",), default: str = "embedded"
) -> None:
    parser.add_argument(
        "--data",
        nargs="+",
        default=data,
        metavar="SOURCE[=WEIGHT]",
        help="'embedded', one of its sources, 'core', 'open' (embedded and public Git repositories), a data set of the "
        "Hub, or a file or folder; "
        f"WEIGHT is how often an epoch sees it (default: {default})",
    )
    parser.add_argument("--max-rows", type=int, metavar="N", help="at most N samples of each source, chosen by hash")
    add_config(parser)
    _add_debug(parser)


def _add_debug(parser: argparse.ArgumentParser) -> None:
    """Behind a subcommand, too, where it is typed most; without a word it leaves what stands before one."""
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )


def _list(options: argparse.Namespace) -> None:
    data = options.data or ["embedded", "open", *hub.SOURCES]
    found = weighted_sources(data)
    here = {source: of for source, of in found.items() if source not in {**hub.SOURCES, **repositories.SOURCES}}
    if here:
        print(f"{'source':<32} {'samples':>9} {'words':>11}  {'areas':<24} licence")
    for source in here:
        samples = list(iter_source(source, options.max_rows))
        areas = ", ".join(sorted({sample.area for sample in samples}))
        licences = ", ".join(sorted({sample.licence for sample in samples}))
        print(f"{source_name(source):<32} {len(samples):>9,} {_words(samples):>11,}  {areas:<24} {licences}")
    public = {name: source for name, source in repositories.SOURCES.items() if name in found}
    if public:
        print("\nIn public Git repositories at pinned commits; with the embedded sources they are --data open:")
        print(f"{'source':<24} {'samples':>9}  {'area':<13} {'licence':<26} repository")
    for name, open_source in public.items():
        where = f"{open_source.checkout.repository} at {open_source.checkout.commit[:12]}"
        print(f"{name:<24} {open_source.size.samples:>9,}  {open_source.area:<13} {open_source.licence:<26} {where}")
    there = {name: source for name, source in hub.SOURCES.items() if name in found}
    if there:
        print("\nOn the Hugging Face Hub, read as a stream, without pictures:")
        print(f"{'source':<22} {'rows':>9} {'samples':>9} {'MB':>7}  {'area':<13} {'licence':<29} repository")
    for name, of in there.items():
        counted = f"{of.size.samples:>9,}" if of.size else f"{'unknown':>9}"
        print(f"{name:<22} {of.rows:>9,} {counted} {of.megabytes:>7,}  {of.area:<13} {of.licence:<29} {of.repository}")
        if of.note:
            print(f"{'':<22} {of.note}")
    if not options.data:
        print(f"\nFiles of your own are named by their path, or by a folder's: {FORMATS}.")
        print(f"With {hub.FOLDER_VARIABLE}=FOLDER data sets of the Hub are read from FOLDER/REPOSITORY/ instead.")


CORPUS, CHECK, READING, READING_KEY = "a corpus", "a check", "a sheet to read", "a key of a sheet to read"
"""What the commands write, for the list of our files."""


def _build(options: argparse.Namespace) -> None:
    out: Path = options.out
    if out.suffix != ".jsonl":
        raise CorpusError(f"{out}: the corpus is written as JSON lines; name a file that ends in .jsonl")
    if folder := data_around(out, options.data):
        raise CorpusError(in_the_way(out, folder))
    card = DataCard(options.data)
    try:
        check_file(out, CORPUS)
        if names := foreign(out.parent, (f"{out.stem}.data_card.{form}" for form in ("json", "md"))):
            raise ForeignFileError(refusal(out.parent, names))
        count = _write_whole(out, _lines(options, card), CORPUS)
        card.write(out.parent, f"{out.stem}.data_card")
    except OSError as error:
        raise CorpusError(f"{out}: cannot be written ({error.strerror}); choose another place with --out") from error
    print(f"wrote {count:,} samples to {out}; {card.cleaning}")
    _warn(card.cleaning)


def _lines(options: argparse.Namespace, card: DataCard) -> Iterator[str]:
    """Each sample once, whatever its weight: that counts when a training reads the source."""
    weights: dict[str, float] = {}
    with cleaned(stream(options.data, options.max_rows, weights, card.cleaning), card.cleaning) as corpus:
        card.across = corpus.across
        for sample, split in corpus.with_splits():
            card.add(sample, split, mixing.copies(sample, weights[sample.source]))
            yield json.dumps({**sample.as_row(), "split": split}, ensure_ascii=False)


def _prepare(options: argparse.Namespace) -> None:
    prepared = prepare_for_model1(
        tuple(options.data),
        options.vocab_size,
        options.loss_on,
        options.max_rows,
        options.max_held_out,
        workers=options.workers,
        say=lambda message: print(message, flush=True),
    )
    train = prepared.dataset.train
    print(f"{len(train):,} training documents, {len(train.tokens):,} tokens in {prepared.folder}")


def _check_records(options: argparse.Namespace) -> None:
    if options.out is not None:
        check_file(options.out, CHECK)
    report = check(records(), options.museums).markdown()
    if options.out is None:
        print(report)
    else:
        _write_whole(options.out, report.splitlines(), CHECK)
        print(f"wrote {options.out}")


def _reading(options: argparse.Namespace) -> None:
    if options.score is not None:
        print(reading.score(options.score))
    elif options.out is None or options.out.suffix != ".csv":
        raise CorpusError(f"--out {options.out}: name the sheet to write, a file that ends in .csv")
    else:
        check_file(options.out, READING)
        check_file(reading.key_of(options.out), READING_KEY)
        versions = {"this": list(stream(options.data, options.max_rows))}
        if options.other is not None:
            versions["other"] = list(stream([str(options.other)]))
        sheet, key = reading.sheet(reading.draw(versions, options.count, options.salt))
        _write_whole(options.out, sheet, READING)
        _write_whole(reading.key_of(options.out), key, READING_KEY)
        print(
            f"wrote {len(sheet) - 1} samples to {options.out}; which is of which version: {reading.key_of(options.out)}"
        )


def _write_whole(path: Path, lines: Iterable[str], kind: str) -> int:
    """Write a file that appears only when it is whole; the number of its lines."""
    count = 0
    with new_file(path, kind) as part, part.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    return count


def _stats(options: argparse.Namespace) -> None:
    report = CleaningReport()
    everything = list(stream(options.data, options.max_rows, None, report))
    answers = [sample.answer for sample in everything]
    pairs = {(sample.question, sample.answer) for sample in everything if sample.question}
    _print_counts("source", Counter(sample.source for sample in everything))
    _print_counts("area", Counter(sample.area for sample in everything))
    _print_counts("split", Counter(splits_of(everything)))
    print(f"distinct question-answer pairs  {len(pairs):>11,}")
    print(f"distinct facts                  {len({fact for sample in everything for fact in sample.facts}):>11,}")
    print(f"words                           {_words(everything):>11,}")
    print(f"mean words of a sample          {_words(everything) / len(everything):>11.1f}")
    print(f"mean words of an answer         {sum(len(text.split()) for text in answers) / len(answers):>11.1f}")
    if report.removed:
        print(f"rows that are not read: {report.reasons()}")
    report.read.update(sample.source for sample in everything)
    _warn(report)


def _warn(report: CleaningReport) -> None:
    if warning := report.warning():
        print(warning, file=sys.stderr)


_RANGES = {
    "count": (1, MOST),
    "max_rows": (1, MOST),
    "vocab_size": (300, 1_048_576),
    "max_held_out": (0, MOST),
    "workers": (1, 1024),
}
"""The least and the greatest value of each option that is a number."""


def _check(options: argparse.Namespace) -> None:
    """Raises CorpusError with every number that is out of its range."""
    problems = [
        f"--{name.replace('_', '-')} {value}: must be at least {least} and at most {most}"
        for name, (least, most) in _RANGES.items()
        if (value := getattr(options, name, None)) is not None and not least <= value <= most
    ]
    if problems:
        raise CorpusError("; ".join(problems))


def _print_counts(title: str, counts: Counter[str]) -> None:
    print(title)
    for name, count in counts.most_common():
        print(f"  {name:<29} {count:>11,}")


def _words(samples: Iterable[Sample]) -> int:
    return sum(len(message.content.split()) for sample in samples for message in sample.messages)


if __name__ == "__main__":
    sys.exit(main())
