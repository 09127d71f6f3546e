"""The results tab: the same numbers as everywhere, anew only when something changed, each new sight in the look log."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import gradio as gr
import pytest

from app.results import ResultsTab, _needed
from app.runtime import Runtime
from feedback.blind_test import BlindTest
from feedback.report.wording import headline
from feedback.statistics import load_study, summary
from tests.feedback.protocol import open_test, vote_for


def looks(test: BlindTest) -> int:
    return int(test.database.connection.execute("SELECT COUNT(*) FROM looks WHERE kind = 'results'").fetchone()[0])


def is_skipped(value: object) -> bool:
    return value == gr.skip()


@pytest.mark.parametrize("rules", [{}, {"min_vote_seconds": 1}, {"min_votes": 2}])
def test_the_tab_follows_the_votes_and_logs_each_new_sight(
    tmp_path: Path, rules: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.results.SHARE_OF_TIME", 1e9)
    test = open_test(tmp_path / "v.db", exclusion=rules)
    tab = ResultsTab(Runtime(test.study, test.database, {}))
    shown, top, details = tab.refresh(None)
    assert "No votes yet." in top
    for number in range(12):
        tester = test.enrol("1").id
        vote_for(test, tester, ["model1", "model2", "model1", "tie"][: 1 + number % 4])
        test.close(tester, "quit")
    shown, top, details = tab.refresh(shown)
    votes = load_study(test.database)
    result = summary(votes.outcomes, votes.guesses, alpha=votes.alpha)
    assert headline(result, votes.alpha) in unescape(top).replace("\N{NON-BREAKING HYPHEN}", "-")
    assert f"From {result['n_votes']} votes." in details
    for entry in result["excluded"]:
        assert entry["reason"] in unescape(top)
    assert top.count('class="plot"') == 4
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", top + details)
    assert looks(test) == 2
    again = tab.refresh(shown)
    assert is_skipped(again[1])
    assert is_skipped(again[2])
    assert looks(test) == 2, "nothing new was seen"
    vote_for(test, test.enrol("1").id, ["model2"])
    _, top, _ = tab.refresh(shown)
    assert f"{result['n_votes'] + 1} votes" in top
    assert looks(test) == 3


def test_the_form_answers_and_asks_for_what_is_missing() -> None:
    assert "113 testers" in _needed(55, 25, 10, 0.1)
    assert "all four" in _needed(None, 25, 10, 0.1)
    assert "between 50 and 100%" in _needed(45, 25, 10, 0.1)
    assert "no room" in _needed(98, 25, 10, 0.1)


def test_what_needs_the_votes_is_not_computed_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.results.SHARE_OF_TIME", 1e-9)
    test = open_test(tmp_path / "v.db")
    tester = test.enrol("1").id
    vote_for(test, tester, ["model1"])
    tab = ResultsTab(Runtime(test.study, test.database, {}))
    shown, _, details = tab.refresh(None)
    vote_for(test, tester, ["model2"])
    shown, top, again = tab.refresh(shown)
    assert "2 votes" in top
    assert is_skipped(again)
    assert tab.refresh(None)[2] == details, "who comes later sees the same"
