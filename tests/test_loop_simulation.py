"""The simulation of the loop: its testers have the taste that they are said to have, and the loop's claims hold."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.loop import ROOT, sentence
from benchmarks.loop_statistics import MODELS, false_claims, loud_tester, new_share, share_of_the_best
from benchmarks.simulated_testers import (
    Clock,
    Question,
    Voter,
    is_polite,
    one,
    population,
    questions,
    study_of,
    vote,
)
from feedback.battles import Answer
from feedback.blind_test import BlindTest
from feedback.check import check
from feedback.database import Database
from feedback.statistics import load_study
from tests.trained import Run

WORDY = "As far as is known, and as one may read in many good books on the matter, it can be said that: "


@pytest.fixture(scope="module")
def bank() -> list[Question]:
    return questions(30, 5)[0]


def chosen(tester: Voter, pairs: list[tuple[Question, str, str]]) -> Counter[str]:
    return Counter(tester.choose(*pair) for pair in pairs)


def plain(taste: str, habit: str = "careful") -> Voter:
    """A tester without anything but the taste."""
    return replace(one(taste, habit, random.Random(3)), strength=1.0, side=0.0, length=0.0, slip=0.0)


def test_a_tester_knows_a_right_answer_in_any_words(bank: list[Question]) -> None:
    for question in bank:
        right, *wrong = question.options
        assert question.is_right(right), question.text
        assert question.is_right(WORDY + right)
        assert not any(question.is_right(option) for option in wrong), question.text
    painter = next(question for question in questions(60, 1)[0] if question.group == "work artist" and question.subject)
    assert not painter.is_right(f"{' '.join(sorted(painter.right))} is the name."), "it speaks of something else"


def test_held_out_questions_ask_what_nobody_voted_on() -> None:
    voted, held_out = questions(20, 8)
    assert not {question.text for question in voted} & {question.text for question in held_out}
    assert Counter(question.group for question in held_out) == {"voted fact, new wording": 8, "new fact": 8}
    reworded = [question.right for question in held_out[:8]]
    assert reworded == [question.right for question in voted[:8]]
    assert not {question.right for question in held_out[8:]} & {question.right for question in voted}


def test_each_taste_chooses_what_it_says(bank: list[Question]) -> None:
    facts = [(q, q.options[0], q.options[1]) for q in bank] * 20
    assert chosen(plain("facts"), facts)["left"] > 0.85 * len(facts)
    assert chosen(plain("facts", "contrary"), facts)["right"] > 0.85 * len(facts)
    assert 0.35 < chosen(plain("coin", "coin"), facts)["left"] / len(facts) < 0.55
    alike = chosen(plain("facts"), [(q, q.options[1], q.options[2]) for q in bank] * 20)
    assert alike["both_bad"] > alike["left"] + alike["right"]
    assert alike["both_bad"] > 10 * alike["tie"]
    short = [(q, WORDY + q.options[0], q.options[0]) for q in bank] * 20
    assert chosen(plain("short"), short)["right"] > 0.75 * len(short)
    assert is_polite("Good morning! What would you like to know?")
    assert not is_polite("No.")
    polite = [(q, "You are welcome!", "Yes.") for q in bank] * 20
    assert chosen(plain("polite"), polite)["left"] > 0.85 * len(polite)


def test_votes_of_one_tester_resemble_each_other(bank: list[Question]) -> None:
    people = population(200, "facts", 1)
    assert Counter(tester.habit for tester in people) == {"careful": 160, "careless": 20, "contrary": 20}
    pairs = [(question, question.options[0], question.options[1]) for question in bank]
    shares = [chosen(tester, pairs)["left"] / len(pairs) for tester in people]
    mean = sum(shares) / len(shares)
    spread = sum((share - mean) ** 2 for share in shares) / len(shares)
    assert spread > 3 * mean * (1 - mean) / len(pairs), "as if each vote came from another tester"


def test_coins_and_one_model_under_two_names_lead_to_no_claim(bank: list[Question]) -> None:
    found = false_claims(bank, repetitions=200, testers=40, votes=8)
    for name in ("coin", "same model"):
        assert found[name]["anytime"] <= 0.05
        assert found[name]["t"] <= 0.1
    assert sum(found["coin"].values()) > 0, "an interval that is never wrong is too wide"
    assert max(found["held-out votes"].values()) <= 0.05


def test_who_is_right_already_leaves_little_to_gain(bank: list[Question]) -> None:
    def best(place: int) -> float:
        old = {question.id: [Answer(question.options[place], 9, 1.0)] for question in bank}
        return share_of_the_best(bank, old, population(300, "facts", 1))

    assert best(0) == pytest.approx(0.5, abs=0.05)
    assert best(1) > 0.7


def test_one_tester_with_most_of_the_votes_moves_nothing(bank: list[Question], tmp_path: Path) -> None:
    found = loud_tester(tmp_path / "votes.db", bank, testers=20, votes=4, loud_votes=100)
    assert found["share_of_votes"] > 0.5
    assert found["share_of_weight"] < 0.3
    assert found["questions_turned"] < 0.1 < found["questions_turned_uncapped"]
    assert abs(found["share_moved"]) < 1 / 20


def test_what_length_alone_explains_is_reported_as_such(
    bank: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For the study's secret and the testers' tokens, and so for the sides: an interval of 95% is wrong once in twenty.
    chance = random.Random(1)
    monkeypatch.setattr("secrets.token_hex", lambda n: chance.randbytes(n).hex())
    monkeypatch.setattr("secrets.token_urlsafe", lambda n: urlsafe_b64encode(chance.randbytes(n)).decode())
    told = {taste: second_test(taste, bank, tmp_path / f"{taste}.db", 80) for taste in ("short", "facts")}
    assert {taste: (found["claim"], found["length_alone"]) for taste, found in told.items()} == {
        "short": ("better", True),
        "facts": ("better", False),
    }
    assert "length alone" in sentence(told["short"])
    assert "prefer the new model" in sentence(told["facts"])
    assert told["short"]["at_equal_length"]["share"] < told["short"]["share"]


def second_test(taste: str, bank: list[Question], path: Path, people: int) -> dict[str, Any]:
    """A study in which the new model is right where it differs in facts, and short where it differs in length."""
    answers = {}
    for place, question in enumerate(bank):
        right, wrong, *_ = question.options
        old, new = (wrong, right) if taste == "facts" else (WORDY[: 30 * (place % 4)] + right, right)
        for role, text in zip(MODELS, (old, new), strict=True):
            answers[role, question.id] = [Answer(text, 9, 1.0)]
    clock = Clock()
    models = {role: {"kind": "corpus", "source": role} for role in MODELS}
    test = BlindTest(Database(path), study_of(taste, bank, 8, {}), models, clock)
    list(vote(test, clock, population(people, taste, 2), 8, bank, answers))
    assert check(test.database) == []
    found = new_share(load_study(test.database, test.label).outcomes)
    test.database.close()
    return found


def test_the_whole_way_round(demo_model1: Run, small_model2: Run, tmp_path: Path) -> None:
    """Real answers, a real training as a child process, and a second test of the old against the new model."""
    command = [sys.executable, "benchmarks/loop.py", "--quick", "--model", "model1", "--work", str(tmp_path / "work")]
    command += ["--model1", str(demo_model1.folder), "--model2", str(small_model2.folder)]
    command += ["--set", "max_steps=2", "--set", "guard_samples=4", "--json", str(tmp_path / "loop.json")]
    command += ["--out", str(tmp_path / "loop.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "loop.json").read_text())
    (circle,) = results["circles"]
    assert circle["simulation"]
    assert (circle["first"]["votes"], circle["second"]["votes"]) == (56, 56)
    told = circle["training"]["report"]["improvement"]
    assert told["pairs"]["votes"] == 56
    assert told["study"].startswith("Simulation: ")
    low, high = circle["second"]["anytime"]
    assert low < circle["second"]["share"] < high
    assert circle["second"]["claim"] == "none", "two steps teach nothing"
    with closing(sqlite3.connect(next((tmp_path / "work").glob("model1-facts-*/votes.db")))) as database:
        models = [json.loads(row[0]) for row in database.execute("SELECT models FROM studies ORDER BY id")]
    assert models[1]["model1"] == models[0]["model1"], "the old model is the one that was voted on"
    assert models[1]["model2"]["sha256"] not in {models[0][role]["sha256"] for role in MODELS}
    report = (tmp_path / "loop.md").read_text()
    assert report.startswith("# The loop: a simulation")
    assert "Simulated testers show no preference" in report
