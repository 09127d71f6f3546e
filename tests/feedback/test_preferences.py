"""What a model may learn from votes: only those that count, each weighed, some testers and questions held back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from feedback.__main__ import main
from feedback.blind_test import BlindTest
from feedback.preferences import preferences, preferences_csv
from feedback.statistics.outcomes import VotesError
from tests.feedback.protocol import Clock, answer_turn, answered, choice_for, open_test, rows, vote_for

ROOT = Path(__file__).parents[2]


def by_id(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {record["id"]: record for record in records}


def test_a_vote_is_a_pair_and_no_preference_is_two_answers(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    vote_for(blind_test, tester, ["model2", "tie", "both_bad", "model1"])
    found = preferences(blind_test.database, model="model2")
    assert found.header["kind"] == "diptych-preferences"
    assert (found.header["n_votes"], found.header["n_pairs"], found.header["n_testers"]) == (4, 2, 1)
    records = by_id(found.records)
    assert list(records) == ["v1", "v2-model1", "v2-model2", "v3-model1", "v3-model2", "v4"]
    won, lost = records["v1"], records["v4"]
    assert (won["chosen"], won["rejected"], won["on_policy"]) == ("b" * 30, "a" * 20, True)
    assert (lost["chosen"], lost["rejected"], lost["on_policy"]) == ("a" * 20, "b" * 30, False)
    assert (won["chosen_author"], won["rejected_author"]) == ("model2", "model1")
    assert (records["v2-model1"]["chosen"], records["v2-model1"]["rejected"]) == ("a" * 20, None)
    assert (records["v3-model2"]["chosen"], records["v3-model2"]["rejected"]) == (None, "b" * 30)
    assert [m["role"] for m in won["prompt"]] == ["user"]


def test_only_votes_that_count_are_learned(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db", Clock(), exclusion={"min_votes": 2})
    changed, few, gone = (test.enrol("1").id for _ in range(3))
    battle = answered(test, changed)
    test.vote(changed, battle.id, choice_for(battle, "model1"))
    test.undo_vote(changed, battle.id)
    test.vote(changed, battle.id, choice_for(battle, "model2"))
    test.explain_vote(changed, battle.id, ["Clearer"], "because")  # a third row, one vote
    vote_for(test, changed, ["model2"])
    vote_for(test, few, ["model1"])
    test.close(few, "quit")
    vote_for(test, gone, ["model1"] * 3)
    test.withdraw(gone)
    found = preferences(test.database)
    assert [record["chosen_author"] for record in found.records] == ["model2", "model2"]
    assert found.header["n_votes"] == 2
    left_out = found.header["left_out"]
    assert left_out["votes taken back or given anew"] == 2
    assert left_out["votes of testers who withdrew"] == 3
    assert left_out["testers with fewer than 2 votes"] == 1
    assert len(rows(test, "SELECT id FROM votes WHERE superseded = 0")) == 3


def test_two_answers_that_are_the_same_teach_nothing(blind_test: BlindTest) -> None:
    from feedback.blind_test import Answer

    tester = blind_test.enrol("1").id
    battle = blind_test.start_battle(tester, "q01", "Question 1?")
    turn = blind_test.start_turn(tester, battle.id, "Question 1?")
    blind_test.finish_turn(turn.id, {name: Answer("same", 1, 1.0) for name in ("model1", "model2")})
    blind_test.vote(tester, battle.id, "left")
    found = preferences(blind_test.database)
    assert found.records == []
    assert found.header["left_out"] == {"votes on two answers that are the same": 1}


def test_several_turns_are_conversations_and_a_cut_answer_is_marked(blind_test: BlindTest) -> None:
    from feedback.blind_test import Answer

    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester)
    answer_turn(blind_test, tester, battle.id, "And then?")
    blind_test.vote(tester, battle.id, choice_for(battle, "model1"))
    cut = blind_test.start_battle(tester, "q01", "Question 1?")
    turn = blind_test.start_turn(tester, cut.id, "Question 1?")
    blind_test.finish_turn(
        turn.id, {"model1": Answer("long", 1, 1.0, stopped="length"), "model2": Answer("short", 1, 1.0)}
    )
    blind_test.vote(tester, cut.id, choice_for(cut, "model2"))
    talk, single = preferences(blind_test.database).records
    assert [message["role"] for message in talk["chosen"]] == ["assistant", "user", "assistant"]
    assert talk["chosen"][1]["content"] == talk["rejected"][1]["content"] == "And then?"
    assert (single["chosen"], single["chosen_ended"], single["rejected_ended"]) == ("short", True, False)


def agreeing(test: BlindTest, verdicts: list[str]) -> None:
    """Each tester votes once, all on the same question."""
    for verdict in verdicts:
        tester = test.enrol("1").id
        battle = answered(test, tester, prompt_id="q01")
        test.vote(tester, battle.id, choice_for(battle, verdict))


def test_a_vote_weighs_by_how_many_chose_alike(blind_test: BlindTest) -> None:
    agreeing(blind_test, ["model2", "model2", "model2", "tie", "model1"])
    weights = defaultdict(set)
    for record in preferences(blind_test.database).records:
        weights[record["outcome"], record["chosen_author"]].add(record["weight"])
    assert weights["win", "model2"] == {0.7}  # three of five, and the tie for half
    assert weights["win", "model1"] == {0.3}
    assert weights["tie", "model1"] == {0.6}


def test_no_tester_weighs_more_than_a_share(tmp_path: Path) -> None:
    questions = [{"id": f"q{n}", "category": "art", "text": f"Question {n}?"} for n in range(120)]
    test = open_test(tmp_path / "v.db", Clock(), rounds=100, prompts=questions)
    loud = test.enrol("1")
    vote_for(test, loud.id, ["model1"] * 100)
    for _ in range(49):
        vote_for(test, test.enrol("1").id, ["model2"])
    found = preferences(test.database)
    totals: dict[str, dict[str, float]] = {"train": defaultdict(float), "held_out": defaultdict(float)}
    for record in found.records:
        totals[record["split"]][record["tester"]] += record["weight"]
    train = totals["train"]
    share = max(0.05, 2 / len(train))
    everything = sum(train.values())
    if loud.code in train:
        assert train[loud.code] == pytest.approx(share * everything, rel=1e-3)
    assert max(train.values()) <= share * everything * 1.001
    assert sum(record["tester"] == loud.code for record in found.records) == 100  # all of them, each for little


def test_testers_and_questions_are_held_back_whole(tmp_path: Path) -> None:
    questions = [{"id": f"q{n:02}", "category": "art", "text": f"Question {n}?"} for n in range(20)]
    test = open_test(tmp_path / "v.db", Clock(), prompts=questions)
    for _ in range(20):
        vote_for(test, test.enrol("1").id, ["model1", "model2", "model1", "model2", "model1"])
    first, again = preferences(test.database), preferences(test.database)
    assert first == again
    train = [record for record in first.records if record["split"] == "train"]
    held = [record for record in first.records if record["split"] == "held_out"]
    by = {reason: [r for r in held if r["held_out_by"] == reason] for reason in ("tester", "question", "both")}
    assert {r["tester"] for r in by["tester"] + by["both"]}.isdisjoint(r["tester"] for r in train + by["question"])
    assert {r["prompt_id"] for r in by["question"] + by["both"]}.isdisjoint(
        r["prompt_id"] for r in train + by["tester"]
    )
    assert len({r["tester"] for r in by["tester"] + by["both"]}) == 3  # 15% of 20
    assert 15 <= len(held) <= 45


def test_the_exported_votes_give_the_same_preferences(blind_test: BlindTest, tmp_path: Path) -> None:
    for winners in (["model1", "tie"], ["model2", "both_bad"], ["model1", "model2"]):
        vote_for(blind_test, blind_test.enrol("1").id, winners)
    out = tmp_path / "votes.csv"
    assert main(["export", "--db", str(blind_test.database.path), "--format", "csv", "--out", str(out)]) == 0
    ours, theirs = preferences(blind_test.database), preferences_csv(out)
    assert theirs.records == ours.records
    for key in ("study", "study_hash", "votes_hash", "n_votes", "n_pairs", "left_out"):
        assert theirs.header[key] == ours.header[key], key


def test_the_command_writes_lines_and_counts_as_a_look(blind_test: BlindTest, tmp_path: Path, capsys: Any) -> None:
    vote_for(blind_test, blind_test.enrol("1").id, ["model1", "tie"])
    db, out = str(blind_test.database.path), tmp_path / "p.jsonl"
    assert main(["preferences", "--db", db, "--model", "model1", "--out", str(out)]) == 0
    header, *records = [json.loads(line) for line in out.read_text().splitlines()]
    assert header["model"] == "model1"
    assert header["running"]
    assert len(records) == 3
    assert [row[0] for row in rows(blind_test, "SELECT kind FROM looks")] == ["preferences"]
    capsys.readouterr()
    assert main(["preferences", "--db", db, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_pairs"] == 1


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = open_test(tmp_path / "v.db", Clock())
    with pytest.raises(VotesError, match="unknown"):
        preferences(test.database, "no such study")
    assert main(["preferences", "--db", str(tmp_path / "none.db")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    (tmp_path / "v.csv").write_text("vote_id\n1\n")
    assert main(["preferences", "--csv", str(tmp_path / "v.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_preferences_never_replace_a_strangers_file(blind_test: BlindTest, tmp_path: Path, capsys: Any) -> None:
    vote_for(blind_test, blind_test.enrol("1").id, ["model1"])
    out = tmp_path / "mine.jsonl"
    out.write_text("mine")
    assert main(["preferences", "--db", str(blind_test.database.path), "--out", str(out)]) == 2
    assert "was not written here" in capsys.readouterr().err
    assert out.read_text() == "mine"


def command(*words: str, **environment: str) -> Any:
    """The command as its user's shell starts it, its output a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    words = (sys.executable, "-m", "feedback", *words)
    try:
        return subprocess.run(words, cwd=ROOT, env=os.environ | environment, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)


def test_a_reader_that_has_had_enough_is_no_mistake(blind_test: BlindTest) -> None:
    vote_for(blind_test, blind_test.enrol("1").id, ["model1", "tie"])
    db = str(blind_test.database.path)
    for words in (["preferences"], ["preferences", "--json"], ["stats", "--json", "-"]):
        ended = command(*words, "--db", db)
        assert ended.returncode == 141
        assert b"error" not in ended.stderr
        assert b"Exception" not in ended.stderr


def test_what_is_no_text_is_printed_all_the_same(blind_test: BlindTest, tmp_path: Path, capsys: Any) -> None:
    """A damaged manifest with half of a surrogate pair, and a path that is no UTF-8."""
    vote_for(blind_test, blind_test.enrol("1").id, ["model1", "tie"])
    db, csv = str(blind_test.database.path), tmp_path / "votes.csv"
    assert main(["export", "--db", db, "--format", "csv", "--out", str(csv)]) == 0
    manifest = tmp_path / "votes.csv.manifest.json"
    told = json.loads(manifest.read_text())
    hashed = told["studies"][0]["study_hash"]
    manifest.write_text(manifest.read_text().replace(hashed, "\\ud83d"))
    capsys.readouterr()
    assert main(["preferences", "--csv", str(csv), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["study_hash"]) == 64
    assert main(["stats", "--csv", str(csv), "--json", "-"]) == 0
    json.loads(capsys.readouterr().out)
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    words = [
        sys.executable,
        "-m",
        "feedback",
        "preferences",
        "--db",
        db,
        "--out",
        os.fsdecode(bytes(tmp_path) + b"/\xff"),
    ]
    ended = subprocess.run(words, cwd=ROOT, env=strict, capture_output=True)
    assert ended.returncode == 0, ended.stderr
    assert b"1 pairs of 2 votes" in ended.stdout


@pytest.mark.parametrize("agreed", [True, False])
def test_whether_the_consent_lets_a_model_learn_is_told(tmp_path: Path, capsys: Any, agreed: bool) -> None:
    test = open_test(
        tmp_path / "v.db", Clock(), consent={"version": "1", "text": "We train on it.", "training": agreed}
    )
    vote_for(test, test.enrol("1").id, ["model1"])
    assert main(["preferences", "--db", str(tmp_path / "v.db"), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["consent_training"] is agreed
    assert ("nothing says that testers agreed" in said.err) is not agreed
