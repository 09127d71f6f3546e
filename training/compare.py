"""Both models side by side, in a report to hand in: size, training, quality, art knowledge, cost, sustainability, user
testing, all bases, ten answers of each, and what can be said in two minutes.

Every figure traces to a file, which is copied beside the report. What is missing is measured first; what cannot be
measured is named."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from training.common.checkpoint_folder import HOME, ROOT
from training.common.cli import OneLineParser, run_command
from training.common.config import add_config
from training.common.files import ForeignFileError, foreign, place, refusal, replace_text
from training.comparison.charts import standalone
from training.comparison.evidence import (
    EVALUATION,
    FOLDERS,
    WEIGHTS,
    Comparison,
    ComparisonError,
    Document,
    Missing,
    is_changed,
    load,
    parse_json,
    read_json,
)
from training.comparison.html import page
from training.comparison.markdown import text
from training.comparison.report import Report, as_json, assemble

DATABASE = (ROOT / "feedback" if HOME == ROOT else HOME) / "diptych.db"
"""Where the app keeps its votes."""
OUT = Path("checkpoints/comparison")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = OneLineParser(prog="python -m training.compare", description=__doc__)
    parser.add_argument(
        "models",
        nargs="*",
        metavar="NAME=SPEC",
        help="models to measure, as `training.evaluate` takes them; model1 and model2 are compared, others join the"
        " table of bases (default: the two checkpoints)",
    )
    parser.add_argument("--out", type=place, default=OUT, metavar="DIR", help="where the report goes (%(default)s)")
    parser.add_argument(
        "--evaluation", type=place, default=EVALUATION, metavar="FILE", help="what was measured (%(default)s)"
    )
    parser.add_argument(
        "--no-evaluate", action="store_true", help="measure nothing; what is not in the evaluation is named missing"
    )
    votes = parser.add_mutually_exclusive_group()
    votes.add_argument(
        "--db", type=place, metavar="PATH", help="the database of votes (feedback/diptych.db, if it is there)"
    )
    votes.add_argument(
        "--stats", type=place, metavar="FILE", help="statistics of votes, from `python -m feedback stats --json FILE`"
    )
    parser.add_argument("--study", metavar="LABEL", help="the study, when the database has votes of several")
    add_config(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report. Returns 0, or 2 after one line on stderr about a user's mistake."""
    return run_command(_compare, build_parser(), argv)


def _compare(arguments: argparse.Namespace) -> int:
    if arguments.stats and arguments.study:
        raise ComparisonError("--study is for --db: statistics in a file are of one study; leave one of them out")
    if arguments.no_evaluate and arguments.models:
        raise ComparisonError(f"{arguments.models[0]}: --no-evaluate measures no model; leave one of them out")
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=arguments.out).close()
    except OSError as error:
        raise unwritable(arguments.out, error) from error
    if names := foreign(arguments.out, ("report.html", "report.md", "report.json")):
        raise ForeignFileError(refusal(arguments.out, names))
    statistics = user_test(arguments.db, arguments.stats, arguments.study)
    if not arguments.no_evaluate and (arguments.models or is_incomplete(arguments.evaluation)):
        evaluate(arguments.models or trained(), arguments.evaluation)
    comparison = load(arguments.evaluation, statistics=statistics)
    report = assemble(comparison)
    write(report, arguments.out)
    _announce(comparison, arguments.out)
    return 0


def is_incomplete(evaluation: Path) -> bool:
    """Whether a trained model is not in the evaluation, or was trained again since.

    Raises:
        ComparisonError: there is neither an evaluation nor a model; one line.
    """
    measured = read_json("evaluation.json", evaluation)
    there = [spec.partition("=")[0] for spec in trained()]
    if not measured:
        if not there:
            load(evaluation)  # it tells in one line what is not there
        return True
    models = measured.at("models")
    reports = {name: read_json(name, FOLDERS[name] / "training_report.json") for name in there}
    return any(not models.at(name) or is_changed(models.at(name), reports[name]) for name in there)


def trained() -> list[str]:
    """The two checkpoints that are there, as NAME=SPEC."""
    weights = {name: folder / WEIGHTS[name] for name, folder in FOLDERS.items()}
    return [f"{name}={path}" for name, path in weights.items() if path.exists()]


def evaluate(models: Sequence[str], evaluation: Path) -> None:
    """Measure in a process of its own, whose memory is then free again; what was measured before is not repeated.

    Raises:
        ComparisonError: it failed, after it said why.
    """
    command = [sys.executable, "-m", "training.evaluate", *models, "--json", str(evaluation)]
    code = subprocess.run(command).returncode
    if code:
        raise ComparisonError(
            f"`python -m training.evaluate` ended with {code}, for the reason above; --no-evaluate makes a report"
            " without it"
        )


def user_test(database: Path | None, statistics: Path | None, study: str | None) -> Document | Missing:
    """The statistics of the user test, from a file, or from the database by the command that computes them.

    Raises:
        ComparisonError: what was named is not there or cannot be read; one line.
    """
    if statistics is not None:
        found = read_json("statistics.json", statistics)
        if not found or "n_votes" not in found.content:
            raise ComparisonError(
                f"--stats {statistics}: {'has no key n_votes' if found else 'there is no such file'}; write it with"
                " `python -m feedback stats --json FILE`"
            )
        return found
    if not (database or DATABASE).is_file():
        if database is not None:
            raise ComparisonError(f"--db {database}: there is no such file; name the database that the app writes")
        return Missing(None, "user testing", f"no database of votes at {_short(DATABASE)}")
    path = (database or DATABASE).resolve()
    command = [sys.executable, "-m", "feedback", "stats", "--db", str(path), "--json", "-"]
    command += [f"--study={study}"] if study else []  # a name may begin with a hyphen
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    if done.returncode:
        errors = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines() or ["the votes cannot be read"]
        reason = errors[-1].removeprefix("python -m feedback: ")
        if database is not None or study is not None:
            raise ComparisonError(reason)
        return Missing(None, "user testing", reason)
    return parse_json("statistics.json", done.stdout, None)


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def write(report: Report, out: Path) -> None:
    """``report.html``, ``report.md``, ``report.json``, ``plots/``, and in ``sources/`` the files that figures stand in.

    Raises:
        ComparisonError: the folder cannot be written; one line.
    """
    files = {f"sources/{document.name}": document.raw.decode() for document in report.comparison.documents()}
    files |= {f"plots/{plot.name}.svg": standalone(plot.svg) for plot in report.plots()}
    files["report.json"] = json.dumps(as_json(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    files["report.md"], files["report.html"] = text(report), page(report)
    if names := foreign(out, files):
        raise ForeignFileError(refusal(out, names))
    try:
        for name, content in files.items():
            replace_text(out / name, content)
    except OSError as error:
        raise unwritable(out, error) from error


def unwritable(out: Path, error: OSError) -> ComparisonError:
    """What to tell where the report cannot be written."""
    return ComparisonError(f"{out}: cannot be written ({error.strerror}); choose another folder with --out")


def _announce(comparison: Comparison, out: Path) -> None:
    print(f"{out / 'report.html'}, report.md and report.json are written")
    for entry in comparison.missing:
        print(f"missing: {entry}")


if __name__ == "__main__":
    sys.exit(main())
