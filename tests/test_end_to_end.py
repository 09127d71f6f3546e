"""The main job with two trained models: a blind round in a real browser, the researchers' page, the CSV."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.serving import PASSWORD, ROOT, App
from tests.app.visitor import Visitor
from tests.trained import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.slow
def test_consent_question_both_answers_vote_next(
    browser: Browser, demo_model1: Run, small_model2: Run, tmp_path: Path
) -> None:
    app = App(tmp_path, str(demo_model1.folder), str(small_model2.folder)).start()
    try:
        with Visitor(browser, app.url) as tester:
            tester.consent()
            tester.ask("What is Impressionism?")
            answers = tester.answers()
            assert all(len(answer.split()) >= 3 for answer in answers)
            assert any("Impressionism is a movement" in answer for answer in answers)
            tester.vote("left")
            tester.page.click("#next-round")
            tester.page.wait_for_selector("#prompt textarea")
            assert "1 of 2" in tester.page.inner_text("#progress")
            assert tester.problems == []
        page = browser.new_page()
        page.goto(f"{app.url}/admin")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", PASSWORD)
        page.click("button")
        page.wait_for_function("document.body.innerText.includes('1 vote')")
        page.close()
    finally:
        app.stop()

    out = tmp_path / "votes.csv"
    command = [sys.executable, "-m", "feedback", "export", "--db", str(app.database), "--format", "csv"]
    done = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with out.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["prompt"] == "What is Impressionism?"
    assert row["choice"] == "left"
    assert row["winner_model"] == row["left_model"]
    assert {row["left_model"], row["right_model"]} == {"model1", "model2"}
    assert {row["left_text"], row["right_text"]} == set(answers)
