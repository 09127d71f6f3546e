"""Learn from the votes of a blind test.

    python -m training.improve --model model2
    python -m training.improve --model model1 --method kto --db votes.db --set epochs=3
    python -m training.improve --model model2 --preferences pairs.jsonl --checkpoint checkpoints/model2_pretrained

The new version lies in `improved/1/` (2, 3, ...) of the checkpoint that learned, with all that a training leaves. It is
refused, and kept in `refused/` for a look, where the model lost too much of what it knew: the exit code is 3 then.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a file: make the repository's packages importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import training  # noqa: F401 - before PyTorch, whose threads it tells how to wait

from training.common.checkpoint_folder import MODEL1_FOLDER, MODEL2_FOLDER, RESUME, ROOT, check_apart, report_in
from training.common.cli import OneLineParser, run_command
from training.common.config import add_config, add_settings
from training.common.files import place
from training.common.locks import held
from training.common.options import OptionsError, with_settings
from training.common.progress import Progress
from training.data.preference_file import Preferences, PreferencesError, read_preferences
from training.data.preferences import prepare_preferences
from training.loop.resume import Start
from training.runs.command import add_start
from training.runs.improve import Request, check, improve, plan_run
from training.runs.versions import family_of, find_parent, next_version, open_parent
from training.settings.improve import ImproveOptions

REFUSED = 3
"""The exit code of a training whose result a guard refused."""


def parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m training.improve",
        usage="%(prog)s [option ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--db", type=place, metavar="PATH", help="the app's database (default: the app's own)")
    source.add_argument(
        "--preferences", type=place, metavar="FILE", help="what `python -m feedback preferences` wrote, instead"
    )
    parser.add_argument("--study", metavar="NAME", help="the study, when the database has votes of several")
    parser.add_argument("--checkpoint", metavar="DIR", help="what learns (default: the model's own checkpoint)")
    parser.add_argument("--out", type=place, metavar="DIR", help="where the version goes (default: improved/N there)")
    add_start(parser)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="tell what stands against the run, and do nothing else")
    instead.add_argument("--plan", action="store_true", help="print what the run would need, and do nothing else")
    parser.add_argument("--progress", type=place, metavar="FILE", help="keep the state of the run in FILE, as JSON")
    add_config(parser)
    add_settings(parser, ImproveOptions(), "with their defaults")
    parser.effective = lambda arguments: asdict(chosen(arguments))
    return parser


def chosen(arguments: argparse.Namespace) -> ImproveOptions:
    """The settings of a run. Raises OptionsError with all that is wrong with them."""
    options = with_settings(ImproveOptions(), arguments.set)
    options.check()
    return options


def read_votes(arguments: argparse.Namespace, model: str) -> Preferences:
    """The preferences from the file, or from the database by the command that knows its rules.

    Raises:
        PreferencesError: in the words of that command; or the file is of another study or model than asked for.
    """
    if arguments.preferences:
        found = read_preferences(arguments.preferences)
        _check_asked(arguments, found.header, model)
        return found
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "preferences.jsonl"
        command = [sys.executable, "-m", "feedback", "preferences", "--model", model, "--out", str(file)]
        command += ["--db", str(arguments.db)] if arguments.db else []
        command += [f"--study={arguments.study}"] if arguments.study else []  # which may begin with a hyphen
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(
            command, env=environment, capture_output=True, encoding="utf-8", errors="backslashreplace", check=False
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["the votes cannot be read"]
            raise PreferencesError(lines[-1].removeprefix("error: "))
        return read_preferences(file)


def _check_asked(arguments: argparse.Namespace, header: Mapping[str, Any], model: str) -> None:
    """Raises PreferencesError where a file is not of the model that learns, or of the study that was named."""
    made_for, study = header["model"], header["study"]
    if made_for != model:
        raise PreferencesError(
            f"{arguments.preferences}: model = {made_for}, and --model {model} is to learn; make the file with "
            f"`python -m feedback preferences --model {model}`, or name --model {made_for}"
        )
    if arguments.study not in (None, study):
        raise PreferencesError(
            f"--study {arguments.study}: {arguments.preferences} is of {study}; leave --study out, or name another file"
        )


def run(arguments: argparse.Namespace) -> int:
    options = chosen(arguments)
    with Progress(arguments.progress) as progress:
        own = MODEL1_FOLDER if options.model == "model1" else MODEL2_FOLDER
        progress.stage("corpus", "reading the votes")
        parent = find_parent(arguments.checkpoint or str(own), progress)
        preferences = read_votes(arguments, options.model)
        request = Request(parent, preferences, options, arguments.out or next_version(family_of(parent.folder or own)))
        if arguments.out is None:
            request = _begun(request, arguments.start)
        out = request.out
        check_apart(arguments.progress, out)
        if arguments.plan:
            print(_plan(request, progress))
            return 0
        out.parent.mkdir(parents=True, exist_ok=True)
        with held(out) as alone:
            if not alone:
                raise OptionsError([f"{out} is in use by another training; wait for it, or name another --out"])
            if arguments.check:
                check(request, arguments.start)
                return 0
            if arguments.start == "resume" and (finished := _finished(request)) is not None:
                print(f"{out} holds this run already, finished; name another --out to train again")
                return 0 if finished["improvement"]["accepted"] else REFUSED
            report = improve(request, arguments.start, progress)
        for line in conclusion(report, out):
            print(line)
        progress.stage("done", f"written to {out}")
        return 0 if report["improvement"]["accepted"] else REFUSED


def _begun(request: Request, start: Start) -> Request:
    """The request in the folder of the last version where that is unfinished, to be resumed in that of this very run
    where it is finished, else in a new one."""
    last = replace(request, out=request.out.with_name(str(int(request.out.name) - 1)))
    if (last.out / RESUME).is_dir():
        return last
    made = (replace(request, out=folder) for folder in request.out.parent.glob("*") if start == "resume")
    return next((one for one in made if _finished(one) is not None), request)


def _finished(request: Request) -> dict[str, Any] | None:
    """The report of this very run, where it is done."""
    for folder in (request.out, request.out / "refused"):
        found = (report_in(folder) or {}).get("improvement") or {}
        votes = found.get("votes_hash") == request.preferences.header["votes_hash"]
        known = asdict(ImproveOptions()) | (found.get("settings") or {})  # of an older version, which had fewer
        same = votes and known == asdict(request.options)
        if same and (found.get("parent") or {}).get("hash") == request.parent.sha256:
            return report_in(folder)
    return None


def _plan(request: Request, progress: Progress) -> str:
    opened = open_parent(request.parent, request.options, progress)
    data = prepare_preferences(
        request.preferences, request.options.method, opened.encode_batch, opened.form,
        ties=request.options.ties, max_tokens=request.max_tokens,
    )  # fmt: skip
    used = data.documents.select(data.train.documents.flatten())
    return plan_run(request, len(used.tokens), len(data.train))


def conclusion(report: dict[str, Any], out: Path) -> list[str]:
    """What came of it, in a few lines."""
    found, said = report["improvement"], []
    pairs = found["pairs"]
    said.append(
        f"{report['model'].replace('model', 'Model ')}: learned from {pairs['learned_votes']} of {pairs['votes']} "
        f"votes of {pairs['testers']} testers, {report['tokens']:,} tokens in {report['train_seconds']:.0f} s"
    )
    if again := found["replay"]:
        said.append(
            f"learned again: {again['samples']:,} samples of its own training data, {again['share']:.1%} of the tokens"
        )
    held_out = found["held_out"]
    if not held_out["judged"]:
        said.append(f"held-out votes: {held_out['why_not']}; nothing is claimed")
    else:
        gain, before, after = held_out["gain"], held_out["before"], held_out["after"]
        said.append(
            f"held-out votes: the preferred answer gained more in {gain['accuracy']:.1%} of {held_out['n']} pairs "
            f"({gain['ci_low']:.1%} to {gain['ci_high']:.1%}); it is the likelier one in {after['accuracy']:.1%}, "
            f"{before['accuracy']:.1%} before"
        )
    for name, guard in (
        ("bits per byte", found["guards"]["bits_per_byte"]),
        ("accuracy", found["guards"]["closed_book"]),
    ):
        said.append(
            f"{name}: not measured" if guard is None else f"{name}: {guard['after']:.3f}, {guard['before']:.3f} before"
        )
    if not found["accepted"]:
        said.append(f"refused: {'; '.join(found['refused_because'])}; kept for a look in {out / 'refused'}")
    return said


def main(argv: list[str] | None = None) -> int:
    return run_command(run, parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
