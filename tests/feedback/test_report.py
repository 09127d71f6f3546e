from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from feedback.__main__ import main
from feedback.blind_test import BlindTest
from feedback.report.wording import headline
from feedback.statistics import summary
from tests.feedback.protocol import answered, choice_for, dataset_d, open_test, vote_for


def people(test: BlindTest, testers: int, rounds: int = 4) -> None:
    """Testers who vote at random, some of whom guess or leave early."""
    draw = random.Random(testers)
    for number in range(testers):
        tester = test.enrol("1").id
        for _ in range(rounds if number % 4 else 1):
            battle = answered(test, tester, chars=(draw.randint(1, 90), draw.randint(1, 90)))
            winner = draw.choice(["model1", "model1", "model2", "tie", "both_bad"])
            test.vote(tester, battle.id, choice_for(battle, winner), ["Clearer"], vote_seconds=draw.random() * 20)
        test.abandon(tester, answered(test, tester).id, "enough")
        if number % 3:
            test.guess(tester, draw.choice(["left_last", "right_last", "dont_know"]))
        test.close(tester, "quit")


@pytest.mark.parametrize("testers", [0, 1, 9, 12])
def test_a_report_of_any_size_is_one_file_that_needs_no_network(tmp_path: Path, testers: int) -> None:
    test = open_test(tmp_path / "v.db")
    people(test, testers)
    assert main(["report", "--db", str(tmp_path / "v.db"), "--out", str(tmp_path / "deep" / "report")]) == 0
    assert [path.name for path in (tmp_path / "deep" / "report").glob("[!.]*")] == ["report.html"]
    html = (tmp_path / "deep" / "report" / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"|@import|<script|url\(http', html)
    assert set(re.findall(r"https?://[^\s\"<]+", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert html.count("<svg") == {0: 0, 1: 7}.get(testers, 9)
    assert (html.count('class="bar"') > 0) == (testers >= 10), "error bars, but none below ten testers"
    assert test.study.hash in html
    assert test.secret_sha256 in html
    assert test.database.connection.execute("SELECT secret FROM studies").fetchone()[0] not in html
    looks = test.database.connection.execute("SELECT kind FROM looks").fetchall()
    assert [look["kind"] for look in looks] == ["report"]


def test_answers_of_one_length_are_one_group(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db")
    for _ in range(3):
        tester = test.enrol("1").id
        for _ in range(4):
            test.vote(tester, answered(test, tester, chars=(20, 30)).id, "left")
        test.close(tester, "quit")
    assert main(["report", "--db", str(tmp_path / "v.db"), "--out", str(tmp_path)]) == 0
    assert re.findall(r"([+-]\d+%) in length<", (tmp_path / "report.html").read_text()) == ["-20%"]


def test_text_of_testers_and_settings_is_escaped(tmp_path: Path) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    test = open_test(
        tmp_path / "v.db", name=nasty, reasons=[nasty], prompts=[{"id": "a", "category": nasty, "text": nasty}]
    )
    tester = test.enrol("1").id
    battle = answered(test, tester)
    test.vote(tester, battle.id, "left", [nasty])
    main(["report", "--db", str(tmp_path / "v.db"), "--out", str(tmp_path)])
    assert nasty not in (tmp_path / "report.html").read_text()


def test_a_report_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = open_test(tmp_path / "v.db")
    vote_for(test, test.enrol("1").id, ["tie"])
    (tmp_path / "file").write_text("in the way")
    assert main(["report", "--db", str(tmp_path / "v.db"), "--out", str(tmp_path / "file" / "x")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--out" in error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ["Model 1: 58%", "46-70%", "12 testers, 80 votes", "stop: no"]),
        ({"choice": "tie"}, ["neither model: 50%", "stop: no"]),
    ],
)
def test_the_headline_says_it_in_one_sentence(change: dict, words: list[str]) -> None:
    sentence = headline(summary(dataset_d().assign(**change)), 0.05)
    assert all(word in sentence for word in words), sentence


def test_the_headline_turns_the_interval_to_the_model_preferred() -> None:
    votes = dataset_d()
    swapped = votes.assign(left_model=votes["right_model"], right_model=votes["left_model"])
    sentence = headline(summary(swapped), 0.05)
    assert "Model 2: 58%, 95% interval 46-70%" in sentence
    one_way = votes.assign(choice=["left" if model == "model2" else "right" for model in votes["left_model"]])
    assert "Model 2: 100%" in headline(summary(one_way), 0.05)
    assert "enough to stop: yes" in headline(summary(one_way), 0.05)
    few = votes[votes["enrolment"] < 4]
    assert "too few testers for an interval" in headline(summary(few), 0.05)
    assert headline(summary(votes.head(0)), 0.05) == "No votes yet."
