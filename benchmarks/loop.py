"""The loop with simulated testers: votes train a model, and a second blind test shows whether it is better.

    python benchmarks/loop.py --model model2 --taste facts --out docs/benchmarks-loop.md
    python benchmarks/loop.py --model model1 --taste facts short polite coin --json loop.json
    python benchmarks/loop.py --taste                                # the statistics alone, without any training
    python benchmarks/loop.py --quick

A simulation, but everything except the testers is real: both models answer through the app's engines, votes go through
the protocol into a database, `python -m training.improve` learns from it as a child process, and the old and the new
model meet in a second study before fresh testers, on questions that nobody voted on. Half of these ask in other words
for facts that votes were about, half for new facts. The new model's share has the interval of the results page.

Many times over and without training: testers who vote by coin, and testers of a taste before one model under two names,
must not lead to a claim; and one tester with a thousand votes must not move what is learned.

Answers are kept in `--work` and used again. Which side a model is on is drawn anew in each run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from app.cleaning import clean_answer
from app.leaks import leaks
from benchmarks.loop_statistics import MODELS, false_claims, loud_tester, new_share, share_of_the_best
from benchmarks.outputs import append, lines, own_file, write
from benchmarks.simulated_testers import (
    NEW_FACT,
    NEW_WORDING,
    TASTES,
    Answers,
    Clock,
    Question,
    is_polite,
    population,
    questions,
    study_of,
    vote,
)
from feedback.battles import Answer
from feedback.blind_test import BlindTest
from feedback.database import Database
from feedback.statistics import load_study
from training.common.checkpoint_folder import MODEL1_FOLDER, MODEL2_FOLDER
from training.inference.engines import Message, Sampling
from training.inference.engines.spec import open_engine

ROOT = Path(__file__).resolve().parents[1]
SAMPLING = {"max_new_tokens": 128, "temperature": 0.7, "top_p": 0.9}  # of the default study
AT_ONCE = 4  # answers
ACCEPTED, REFUSED = 0, 3  # how training.improve ends
AIM = 0.6


@dataclass(frozen=True)
class Size:
    """How large a simulation is."""

    testers: int = 100  # of each of the two tests
    votes: int = 8  # of each tester
    questions: int = 200
    held_out: int = 60  # questions of the second test, of each group
    samples: int = 2  # answers of a model to each question
    repetitions: int = 200
    loud_votes: int = 1000


QUICK = Size(testers=14, votes=4, questions=12, held_out=6, samples=1, repetitions=40, loud_votes=60)

SIZES = {
    "testers": "of each test",
    "votes": "of each tester",
    "questions": "of the first test",
    "held_out": "questions of the second test, of each group",
    "samples": "answers of a model to each question",
}

# -- answers -----------------------------------------------------------------------------------------------------------


class Model:
    """A model behind the app's engine, whose answers are kept in a file under the hash of its weights."""

    def __init__(self, spec: Path, role: Any, kept: Path) -> None:
        self.engine = open_engine(str(spec), role)
        self.described = self.engine.describe()
        self._kept = kept
        rows = (json.loads(line) for line in lines(kept))
        self._known = {(row["sha256"], row["question"], row["seed"]): Answer(**row["answer"]) for row in rows}

    def answers(self, bank: Sequence[Question], samples: int) -> dict[str, list[Answer]]:
        """So many answers to each question, by its id."""
        asked = [(question.text, seed) for question in bank for seed in range(1, samples + 1)]
        if missing := [key for key in asked if (self._hash, *key) not in self._known]:
            self.engine.start()
            try:
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    for key, answer in zip(missing, pool.map(lambda key: self._answer(*key), missing), strict=True):
                        self._known[(self._hash, *key)] = answer
                        row = {"sha256": self._hash, "question": key[0], "seed": key[1], "answer": asdict(answer)}
                        append(self._kept, row)
            finally:
                self.engine.close()
        return {q.id: [self._known[self._hash, q.text, seed] for seed in range(1, samples + 1)] for q in bank}

    @property
    def _hash(self) -> str:
        return self.described["sha256"]

    def _answer(self, question: str, seed: int) -> Answer:
        """As a round of the app makes it; where nothing can be seen of it, another draw."""
        for attempt in range(5):
            began, tokens, finish = time.monotonic(), 0, ""
            parts = []
            sampling = Sampling(128, 0.7, 0.9, seed + 1000 * attempt)
            for piece in self.engine.stream([Message("user", question)], sampling, threading.Event()):
                parts.append(piece.text)
                tokens += piece.tokens
                finish = piece.finish or finish
            raw = "".join(parts)
            if text := clean_answer(raw):
                seconds = round(time.monotonic() - began, 3)
                return Answer(text, tokens, seconds, None, finish or "stop", leaks(text, question), raw)
        raise SystemExit(f"{question!r}: five empty answers of {self.described['source']}; train the model longer")


# -- the circle --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Circle:
    """One way round: who learns, from testers of which taste, how.

    Attributes:
        role: ``model1`` or ``model2``, which learns.
        taste: of ``TASTES``.
        checkpoints: the folders of both models.
        work: where answers, databases and the new model are kept.
        arguments: more of ``training.improve``.
    """

    role: str
    taste: str
    checkpoints: dict[str, Path]
    work: Path
    arguments: tuple[str, ...] = ()
    size: Size = Size()
    seed: int = 1

    def run(self) -> dict[str, Any]:
        """First test, training, second test; what came of each."""
        voted, held_out = questions(self.size.questions, self.size.held_out, self.taste == "polite", self.seed)
        folder = Path(tempfile.mkdtemp(prefix=f"{self.role}-{self.taste}-", dir=self.work))
        pair = [self._model(self.checkpoints[role], role) for role in MODELS]
        self._say("first test")
        label, first = self._test(folder / "votes.db", "first test", pair, voted, self.seed)
        self._say(f"training, in {folder}")
        trained = self._improve(folder, label)
        result = {"simulation": True, "model": self.role, "taste": self.taste, "wording": TASTES[self.taste].wording}
        result |= {"size": asdict(self.size), "arguments": self.arguments, "first": first, "training": trained}
        if trained["exit"] in (ACCEPTED, REFUSED) and trained["weights"]:
            pair = [self._model(self.checkpoints[self.role], "model1"), self._model(Path(trained["weights"]), "model2")]
            self._say("second test, old against new")
            _, result["second"] = self._test(folder / "votes.db", "old against new", pair, held_out, self.seed + 1)
            if all(question.options for question in held_out):
                many = population(20 * len(held_out), self.taste, self.seed + 2)
                old = pair[0].answers(held_out, self.size.samples)
                result["second"]["best"] = share_of_the_best(held_out, old, many)
        return result

    def _say(self, what: str) -> None:
        print(f"simulation, {self.role}, {TASTES[self.taste].wording}: {what}", file=sys.stderr, flush=True)

    def _model(self, spec: Path, role: str) -> Model:
        return Model(spec, role, self.work / "answers.jsonl")

    def _test(
        self, path: Path, name: str, pair: Sequence[Model], bank: Sequence[Question], seed: int
    ) -> tuple[str, dict[str, Any]]:
        """A study from consent to the end: its label, and what the results page would show of it."""
        answers: Answers = {
            (role, question): texts
            for role, model in zip(MODELS, pair, strict=True)
            for question, texts in model.answers(bank, self.size.samples).items()
        }
        clock = Clock()
        described = {role: model.described for role, model in zip(MODELS, pair, strict=True)}
        study = study_of(f"{self.taste}, {name}", bank, self.size.votes, SAMPLING)
        test = BlindTest(Database(path), study, described, clock)
        for _ in vote(test, clock, population(self.size.testers, self.taste, seed), self.size.votes, bank, answers):
            pass
        test.close_study()
        result = new_share(load_study(test.database, test.label).outcomes, seed)
        test.database.close()
        return test.label, result | {"answers": {role: measured(role, bank, answers) for role in MODELS}}

    def _improve(self, folder: Path, label: str) -> dict[str, Any]:
        """The command that a user types, in a process of its own."""
        out = folder / "improved"
        command = [sys.executable, "-m", "training.improve", "--model", self.role, "--db", str(folder / "votes.db")]
        command += ["--study", label, "--checkpoint", str(self.checkpoints[self.role]), "--out", str(out)]
        before, began = os.times(), time.monotonic()
        with (folder / "improve.log").open("w") as log:
            ended = subprocess.run([*command, *self.arguments], cwd=ROOT, stdout=log, stderr=log, check=False)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        if ended.returncode not in (ACCEPTED, REFUSED):
            raise SystemExit(f"training.improve ended with {ended.returncode}:\n{(folder / 'improve.log').read_text()}")
        reports = sorted(out.rglob("training_report.json"))
        report = json.loads(reports[0].read_text()) if reports else {}
        return {
            "exit": ended.returncode,
            "seconds": round(time.monotonic() - began, 1),
            "processor_seconds": round(spent, 1),
            "weights": str(reports[0].parent) if reports else "",
            "report": {key: report.get(key) for key in ("improvement", "steps", "train_seconds", "dtype")},
        }


def measured(role: str, bank: Sequence[Question], answers: Answers) -> dict[str, float]:
    """What can be said of a model's answers without a tester."""
    pairs = [(question, answer.text) for question in bank for answer in answers[role, question.id]]
    found = {
        "right": float(np.mean([question.is_right(text) for question, text in pairs])),
        "characters": float(np.mean([len(text) for _, text in pairs])),
        "polite": float(np.mean([is_polite(text) for _, text in pairs])),
    }
    for group in sorted({question.group for question in bank} & {NEW_WORDING, NEW_FACT}):
        of_group = [question.is_right(text) for question, text in pairs if question.group == group]
        found[f"right, {group}"] = float(np.mean(of_group))
    return found


# -- the report --------------------------------------------------------------------------------------------------------


def sentence(second: dict[str, Any]) -> str:
    """What a second test shows, in one sentence."""
    low, high = (f"{100 * bound:.0f}%" for bound in second["anytime"])
    if second["claim"] == "none":
        return f"Simulated testers show no preference for either model ({low} to {high} for the new one)."
    which = "new" if second["claim"] == "better" else "old"
    said = f"Simulated testers prefer the {which} model: {second['share']:.0%} for the new one ({low} to {high})"
    return said + (", but not at equal length: this is length alone." if second["length_alone"] else ".")


def markdown(results: dict[str, Any]) -> str:
    """The report."""
    machine, size = results["machine"], results["size"]
    parts = [
        "# The loop: a simulation",
        "**Simulation.** No person voted here. Testers of known taste are simulated; the models, their answers, the"
        " database, the training and the statistics are real.",
        f"Measured on {results['date']} with `benchmarks/loop.py` on {machine}. Each test: {size['testers']} simulated"
        f" testers with {size['votes']} votes each. A tenth of them do not read, a tenth vote against the taste.",
    ]
    if results["circles"]:
        parts += ["## New against old, by simulated testers", _circles(results["circles"])]
        parts += [
            f"- {_who(circle)}: {sentence(circle['second'])}" for circle in results["circles"] if "second" in circle
        ]
        parts += ["## The trainings", _trainings(results["circles"])]
        parts += ["## What the answers are like", _answers(results["circles"])]
    parts += ["## Where there is nothing to find", *_nothing(results)]
    return "\n\n".join(_joined(parts)) + "\n"


def _joined(parts: Sequence[str]) -> list[str]:
    """Items of one list belong together."""
    joined: list[str] = []
    for part in parts:
        if part.startswith("- ") and joined and joined[-1].startswith("- "):
            joined[-1] += "\n" + part
        else:
            joined.append(part)
    return joined


def _who(circle: dict[str, Any]) -> str:
    """Who learned, from which taste, and with which settings other than the usual ones."""
    settings = [value for flag, value in pairwise(circle["arguments"]) if flag in ("--set", "--method")]
    name = circle["model"].replace("model", "Model ")
    return ", ".join([name, circle["wording"], *(value for value in settings if value != "dpo")])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows))


def _span(bounds: Sequence[float | None] | None) -> str:
    known = [f"{100 * bound:.1f}%" for bound in bounds or () if bound is not None]
    return " to ".join(known) or "-"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"


def _circles(circles: Sequence[dict[str, Any]]) -> str:
    header = (
        "learns, simulated taste",
        "votes",
        "share for the new",
        "anytime interval",
        NEW_WORDING,
        NEW_FACT,
        "at equal length",
        "a model that is always right",
    )
    rows = []
    for circle in circles:
        second = circle.get("second")
        if second is None:
            rows.append([_who(circle), "-", "refused, no test", *["-"] * 5])
            continue
        groups = [_percent(second["by_group"].get(name, {}).get("share")) for name in (NEW_WORDING, NEW_FACT)]
        equal = second["at_equal_length"]
        at_equal = f"{_percent(equal['share'])} ({_span(equal['interval'])})"
        refused = " (refused by a guard)" if circle["training"]["exit"] == REFUSED else ""
        row = [
            _who(circle) + refused,
            str(second["votes"]),
            _percent(second["share"]),
            _span(second["anytime"]),
            *groups,
            at_equal,
        ]
        rows.append([*row, _percent(second.get("best"))])
    return _table(header, rows)


def _trainings(circles: Sequence[dict[str, Any]]) -> str:
    header = ("learns, simulated taste", "pairs", "steps", "minutes of CPU")
    header += ("held-out pairs: likelier before", "after", "gained more", "accepted")
    rows = []
    for circle in circles:
        training = circle["training"]
        told = training["report"].get("improvement") or {}
        held, pairs = told.get("held_out") or {}, told.get("pairs") or {}
        accuracies = [
            f"{_percent(part.get('accuracy'))} ({_span([part.get('ci_low'), part.get('ci_high')])})"
            for part in (held.get(name) or {} for name in ("before", "after", "gain"))
        ]
        why = "; ".join(told.get("refused_because") or ())
        accepted = "yes" if training["exit"] == ACCEPTED else f"no: {why}"
        steps = str(training["report"].get("steps"))
        minutes = f"{training['processor_seconds'] / 60:.1f}" if training["processor_seconds"] else "-"
        figures = (str(pairs.get("learned", "-")), steps, minutes)
        rows.append([_who(circle), *figures, *accuracies, accepted])
    return _table(header, rows)


def _answers(circles: Sequence[dict[str, Any]]) -> str:
    names = ("right", f"right, {NEW_WORDING}", f"right, {NEW_FACT}", "polite", "characters")
    rows = []
    for circle in circles:
        for role, who in zip(MODELS, ("old", "new"), strict=True):
            found = circle.get("second", {}).get("answers", {}).get(role)
            if found:
                values = [f"{found[n]:.0f}" if n == "characters" else _percent(found.get(n)) for n in names]
                rows.append([f"{_who(circle)}: {who}", *values])
    return _table(("answers to the questions of the second test", *names), rows)


def _nothing(results: dict[str, Any]) -> list[str]:
    false, loud = results["false_claims"], results["loud_tester"]
    named = (("votes by coin", "coin"), ("one model under two names, a taste for facts", "same model"))
    rows = [[name, _percent(false[key]["anytime"]), _percent(false[key]["t"]), "-"] for name, key in named]
    rows += [[f"votes by coin: {who}", "-", "-", _percent(share)] for who, share in false["held-out votes"].items()]
    header = ("", "claims by the anytime interval", "by a t interval at the end", "by the training's held-out votes")
    return [
        f"{false['repetitions']} simulated tests each, ten times as many of held-out votes. The anytime interval may"
        f" lead to a claim in at most {false['bound']:.0%} of them, the others should in about as many.",
        _table(header, rows),
        "What the results page claims rests on the anytime interval, however often it is looked at; the t interval,"
        " looked at once at the end, stands beside it. What a training says of its held-out votes has one of its own.",
        f"One simulated tester of the opposite taste gave {loud['loud_votes']:,} votes beside {loud['testers']} others:"
        f" {_percent(loud['share_of_votes'])} of all votes, and {_percent(loud['share_of_weight'])} of the weight of"
        f" what is learned. {_percent(loud['questions_turned'])} of the questions turn by this one tester, where"
        f" {_percent(loud['questions_turned_uncapped'])} would if each vote weighed the same; the share that prefers a"
        f" model moves by {100 * abs(loud['share_moved']):.1f} points.",
    ]


# -- the command -------------------------------------------------------------------------------------------------------


def main() -> int:
    arguments = _parser().parse_args()
    given = {name: value for name in SIZES if (value := getattr(arguments, name)) is not None}
    size = replace(QUICK if arguments.quick else Size(), **given)
    work = Path(arguments.work or tempfile.mkdtemp(prefix="loop-"))
    work.mkdir(parents=True, exist_ok=True)
    results = statistics_alone(work, size, arguments.seed)
    results["circles"] = []
    for circle in (circle for file in arguments.also for circle in json.loads(file.read_text())["circles"]):
        if circle not in results["circles"]:  # a file has what was shown beside its own, too
            results["circles"].append(circle)
    checkpoints = {"model1": arguments.model1, "model2": arguments.model2}
    more = ("--method", arguments.method, *(part for setting in arguments.set for part in ("--set", setting)))
    for role in arguments.model:
        for taste in arguments.taste:
            results["circles"].append(Circle(role, taste, checkpoints, work, more, size, arguments.seed).run())
            write(arguments.json, json.dumps(results, indent=1))  # a training is too dear to be lost with the next one
    print(markdown(results))
    write(arguments.out, markdown(results))
    write(arguments.json, json.dumps(results, indent=1))
    return 0


def statistics_alone(work: Path, size: Size, seed: int) -> dict[str, Any]:
    """What needs no model, and where it was computed."""
    bank, _ = questions(min(60, size.questions), 1)
    loud = Path(tempfile.mkdtemp(prefix="loud-", dir=work)) / "votes.db"
    return {
        "simulation": True,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "size": asdict(size),
        "false_claims": false_claims(bank, size.repetitions, size.testers, size.votes, seed),
        "loud_tester": loud_tester(loud, bank, size.testers, size.votes, size.loud_votes),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Simulated testers, real models, real training.")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=["model2"], help="which model learns")
    parser.add_argument("--taste", nargs="*", choices=list(TASTES), default=["facts"], help="none: only the statistics")
    parser.add_argument("--model1", type=Path, default=MODEL1_FOLDER, metavar="DIR", help="checkpoint of Model 1")
    parser.add_argument("--model2", type=Path, default=MODEL2_FOLDER, metavar="DIR", help="checkpoint of Model 2")
    parser.add_argument("--method", default="dpo", help="of training.improve")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of training.improve")
    for name, what in SIZES.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, metavar="N", help=f"{what} ({getattr(Size, name)})"
        )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", help="where answers, databases and new models are kept (default: a temporary folder)")
    parser.add_argument("--quick", action="store_true", help="a few testers and questions, to see that it runs")
    parser.add_argument(
        "--also", nargs="+", type=Path, default=[], metavar="JSON", help="show these earlier results too"
    )
    parser.add_argument("--json", type=own_file, help="also write the results as JSON")
    parser.add_argument("--out", type=own_file, help="also write the report as Markdown")
    return parser


if __name__ == "__main__":
    sys.exit(main())
