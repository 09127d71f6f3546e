"""``python -m feedback``: statistics, exports, the report and the check of a database of votes."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from diptych import command, is_unread, lacking_or_mistyped, unrecognized

from .assignment import MODELS
from .battles import timestamp
from .check import check
from .database import DEFAULT_PATH, Database, DatabaseError, remedy, restore
from .export import FORMATS, ExportError, write
from .export.write import replace_file
from .looks import log_look, log_look_at
from .preferences import UNTOLD_CONSENT, preferences, preferences_csv
from .publication import check_alone, write_dataset
from .registry import close_expired
from .report import write_report
from .report.pdf import find_browser, print_to_pdf
from .statistics import VotesError, load_study, read_study_csv, summary
from .statistics.csv_file import exported_as
from .statistics.load import choose_study
from .statistics.patterns import suspicious
from .statistics.preference import sample_size


class _Parser(argparse.ArgumentParser):
    """A parser that tells a mistake in one line."""

    _words: tuple[str, ...] = ()

    def error(self, message: str) -> NoReturn:
        message = lacking_or_mistyped(message, self._words, self._option_string_actions)
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Tells what is not known here, where a subcommand's parser knows its options."""
        self._words = tuple(args or ())
        arguments, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(unrecognized(unknown, self._option_string_actions))
        return arguments, unknown


def _place(text: str) -> Path:
    """A path; `~` is the home, which no shell has put in its place in `--out=~/votes.csv`."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; name a path")
    return Path(os.path.expanduser(text))


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=prog, description="Statistics, exports and checks of a blind test's votes.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--debug", action="store_true", help="show a traceback on errors")
        sub.add_argument("--study", metavar="LABEL", help="the study, when the database has votes of several")
        sub.set_defaults(run=run)
        return sub

    stats = command("stats", _stats, "The statistics as JSON.")
    _add_source(stats)
    stats.add_argument("--alpha", type=_alpha, help="error rate of the intervals (default: the study's)")
    stats.add_argument("--json", required=True, metavar="FILE", help="where to write them; - is standard output")
    export = command("export", _export, "The votes, for other tools.")
    _add_database(export)
    export.add_argument("--format", required=True, choices=list(FORMATS), help="format of the file")
    export.add_argument("--out", required=True, type=_place, metavar="PATH", help="the file to write")
    learned = command("preferences", _preferences, "What a model can learn from the votes, as JSON Lines.")
    _add_source(learned)
    learned.add_argument("--model", choices=MODELS, default="model2", help="which model learns (default: %(default)s)")
    learned.add_argument("--json", action="store_true", help="print what there is as JSON, and no pairs")
    learned.add_argument("--out", type=_place, metavar="FILE", help="the file to write (default: standard output)")
    report = command("report", _report, "A page to keep: report.html, its plots inside.")
    _add_database(report)
    report.add_argument("--out", required=True, type=_place, metavar="DIR", help="the folder to write it into")
    report.add_argument("--pdf", action="store_true", help="report.pdf as well, printed by Chromium, Chrome or Edge")
    patterns = command("patterns", _patterns, "Votes that look like a script's or one hand's for many; no results.")
    _add_database(patterns)
    patterns.add_argument("--json", metavar="FILE", help="write them as JSON; - is standard output")
    size = command("sample-size", _sample_size, "How many testers a study needs, before it begins.")
    size.add_argument(
        "--difference", type=_share(0, 0.5), required=True, help="smallest lead that matters: 0.05 is 55 to 45"
    )
    for name, kind, default, text in (
        ("tie-share", _share(0, 1, True), 0.25, "share of ties"),
        ("votes-each", _share(1, 1000, True), 10, "votes a tester"),
        ("icc", _share(0, 1, True), 0.1, "likeness of one tester's votes"),
        ("power", _share(0, 1), 0.8, "chance to find it"),
        ("alpha", _alpha, 0.05, "error rate"),
    ):
        size.add_argument(f"--{name}", type=kind, default=default, help=f"{text} (default: %(default)s)")
    backup = command("backup", _backup, "A copy of the database, made while the app goes on.")
    _add_database(backup)
    backup.add_argument("--out", required=True, type=_place, metavar="PATH", help="the file to write")
    restoring = command("restore", _restore, "Put a backup in the place of the database; stop the app first.")
    _add_database(restoring)
    restoring.add_argument("--from", required=True, type=_place, metavar="PATH", dest="source", help="the backup")
    push = command("push", _push, "The votes of a study that is over as a data set on the Hugging Face Hub.")
    _add_database(push)
    push.add_argument("--to", metavar="OWNER/NAME", help="the data set on the Hub; private unless --public")
    push.add_argument(
        "--out", type=_place, metavar="DIR", help="write it here, to be read first; without --to only that"
    )
    push.add_argument(
        "--licence", type=_licence, default="cc-by-4.0", help="its licence, by its id there (%(default)s)"
    )
    push.add_argument("--public", action="store_true", help="everybody may read it (default: you and whom you let)")
    push.add_argument("--update", action="store_true", help="add a commit to a data set that exists")
    checking = command("check", _check, "Integrity of the database: exit code 1 and a list when something is off.")
    _add_database(checking)
    return parser


def _alpha(text: str) -> float:
    try:
        if 0 < float(text) < 0.5:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text} must be a number above 0 and below 0.5, such as 0.05")


def _licence(text: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,40}", text):
        return text
    raise argparse.ArgumentTypeError(f"{text} must be a licence's id on the Hub, such as cc-by-4.0 or cc0-1.0")


def _share(low: float, high: float, low_counts: bool = False) -> Callable[[str], float]:
    """A number between two bounds; the upper one counts where the lower one does and is no share."""

    def parse(text: str) -> float:
        try:
            value = float(text)
            if low < value < high or (low_counts and value in (low, high) and (value == low or high > 1)):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"{text} must be a number between {low:g} and {high:g}")

    return parse


def _add_database(parser: Any) -> None:
    parser.add_argument(
        "--db", type=_place, default=DEFAULT_PATH, metavar="PATH", help="the app's database (default: %(default)s)"
    )


def _add_source(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    _add_database(source)
    source.add_argument("--csv", type=_place, metavar="FILE", help="an exported votes.csv")


def _open(path: Path) -> Database:
    database = Database.existing(path)
    if not database.readonly:
        close_expired(database, timestamp(datetime.now(timezone.utc)))
    return database


def _stats(arguments: argparse.Namespace) -> int:
    if arguments.csv:
        study = read_study_csv(arguments.csv, arguments.study, arguments.alpha)
        manifest = Path(f"{exported_as(arguments.csv, study.label)}.manifest.json")
        if study.label is not None and not manifest.exists():
            print(
                f"note: no {manifest}; taken for granted: error rate {study.alpha:g}, no rule that leaves votes out",
                file=sys.stderr,
            )
        elif manifest.exists() and manifest.name != f"{Path(arguments.csv).name}.manifest.json":
            print(f"note: error rate and rules are those in {manifest}, of the same study", file=sys.stderr)
    else:
        database = _open(arguments.db)
        study = load_study(database, arguments.study, arguments.alpha)
    _print_notes(study.notes)
    result = summary(study.outcomes, study.guesses, alpha=study.alpha)
    if study.id is not None:
        log_look(database, study.id, "stats", result)
    _write_json({"study": study.identity, **result}, arguments.json, "statistics")
    return 0


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _export(arguments: argparse.Namespace) -> int:
    database = _open(arguments.db)
    chosen = choose_study(database.connection, arguments.study) if arguments.study else None
    with tqdm(desc=arguments.format, unit="B", unit_scale=True, delay=1, disable=None) as bar:
        manifest = write(database, arguments.format, arguments.out, chosen["id"] if chosen else None, bar.update)
    for study in database.connection.execute("SELECT * FROM studies").fetchall():
        if study["label"] in {entry["label"] for entry in manifest.studies}:
            log_look_at(database, study, f"export {arguments.format}")
    print(f"{arguments.out}: {manifest.rows} rows, {manifest.size_bytes} bytes")
    return 0


def _preferences(arguments: argparse.Namespace) -> int:
    if arguments.csv:
        found = preferences_csv(arguments.csv, arguments.study, arguments.model)
        _print_notes(found.notes)
    else:
        database = _open(arguments.db)
        found = preferences(database, arguments.study, arguments.model)
        study = choose_study(database.connection, found.header["study"])
        assert study is not None
        log_look_at(database, study, "preferences")
    if arguments.out:
        replace_file(arguments.out, found.lines(), kind="preferences")
    if not found.header["consent_training"]:
        print(f"note: {UNTOLD_CONSENT}", file=sys.stderr)
    if arguments.json:
        _write_json(found.header, "-")
    elif arguments.out:
        print(f"{arguments.out}: {found.header['n_pairs']} pairs of {found.header['n_votes']} votes that count")
    else:
        _print_json(line.decode() for line in found.lines())
    return 0


def _report(arguments: argparse.Namespace) -> int:
    browser = find_browser() if arguments.pdf else ""
    database = _open(arguments.db)
    path, votes, result = write_report(database, arguments.out, arguments.study)
    if votes.id is not None:
        log_look(database, votes.id, "report", result)
    print(path)
    if arguments.pdf:
        print(print_to_pdf(path, browser))
    return 0


def _write_json(value: Any, place: str, kind: str = "") -> None:
    """Into a file, or to standard output where the place is ``-``."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    encoded = text.encode("utf-8", "backslashreplace")  # half of a surrogate pair as JSON has it
    if place == "-":
        _print_json([encoded.decode()])
    else:
        replace_file(_place(place), [encoded], kind=kind)


def _print_json(lines: Iterable[str]) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as JSON is read, whatever a Windows code page says
    sys.stdout.writelines(lines)


def _patterns(arguments: argparse.Namespace) -> int:
    connection = _open(arguments.db).connection
    study = choose_study(connection, arguments.study)
    found = suspicious(connection, study["id"]) if study is not None else []
    if arguments.json:
        _write_json(found, arguments.json, "patterns")
    else:
        for entry in found:
            rule = f"; the rule {entry['rule']} can leave them out" if entry["rule"] else ""
            print(f"{entry['votes']} {entry['pattern']}, {entry['testers']} testers{rule}")
    return 0


def _sample_size(arguments: argparse.Namespace) -> int:
    design = (arguments.tie_share, arguments.icc, arguments.votes_each, arguments.alpha, arguments.power)
    needed = sample_size(0.5 + arguments.difference, *design)
    if (needed is None and arguments.difference < 1e-6) or (needed is not None and not math.isfinite(needed)):
        raise VotesError(
            f"--difference {arguments.difference} with --alpha {arguments.alpha} asks for more testers than there "
            "are people; name larger ones"
        )
    if needed is None:
        raise VotesError(
            f"--difference {arguments.difference:g} cannot be: with {arguments.tie_share:.0%} of ties the share cannot"
            f" exceed {1 - arguments.tie_share / 2:.0%}; name a smaller one"
        )
    print(math.ceil(needed))
    return 0


def _backup(arguments: argparse.Namespace) -> int:
    with closing(Database.existing(arguments.db)) as database:
        database.backup(arguments.out)
    print(arguments.out)
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    kept = restore(arguments.source, arguments.db)
    print(f"{arguments.db}" + (f"; what it was before is {kept}" if kept else ""))
    return 0


def _push(arguments: argparse.Namespace) -> int:
    if not arguments.to and not arguments.out:
        raise ExportError("push needs --to OWNER/NAME, or --out DIR to write the data set without pushing it")
    if idle := [f"--{name}" for name in ("public", "update") if getattr(arguments, name) and not arguments.to]:
        raise ExportError(f"{' and '.join(idle)}: nothing is pushed without --to OWNER/NAME; add it, or leave it out")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = arguments.out or Path(scratch)
        facts = write_dataset(_open(arguments.db), arguments.study, folder, arguments.licence)
        print(
            f"study {facts['label']}: {facts['votes']} votes of {facts['testers']} testers; consent covers"
            f" {facts['scope']}",
            flush=True,
        )
        if not arguments.to:
            print(folder)
            return 0
        check_alone(folder, facts["tables"])
        # What knows the Hub stands beside the models; a process of its own keeps this package free of it.
        words = ["-m", "training.push", "--dataset", str(folder.resolve()), "--to", arguments.to]
        words += [f"--{name}" for name in ("public", "update", "debug") if getattr(arguments, name)]
        return subprocess.run([sys.executable, *words], cwd=Path(__file__).resolve().parents[1]).returncode


def _check(arguments: argparse.Namespace) -> int:
    findings = check(_open(arguments.db))
    for finding in findings:
        print(finding)
    print(f"{arguments.db}: {'see the faults above' if findings else 'no faults'}")
    return 1 if findings else 0


@command
def main(argv: list[str] | None = None, prog: str = "python -m feedback") -> int:
    """Run a command; 0 on success, 2 with one line on stderr after a user's mistake, 1 when a check finds faults."""
    arguments = _parser(prog).parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return 130
    except (DatabaseError, ExportError, VotesError, OSError, sqlite3.DatabaseError) as error:
        if arguments.debug or is_unread(error):
            raise
        message = str(error)
        if isinstance(error, OSError):  # no room, or no right, even for what is temporary
            message = f"{error.filename or 'what is written'}: {error.strerror or error}"
        if isinstance(error, sqlite3.DatabaseError):  # damage that shows only when the page is read
            message = f"{arguments.db}: {remedy(str(error), arguments.db)}"
        print(f"error: {message}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
