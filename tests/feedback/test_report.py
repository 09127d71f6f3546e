from __future__ import annotations

import random
import re
import sys
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from feedback.__main__ import main
from feedback.blind_test import BlindTest
from feedback.report import pdf
from feedback.report.sections import table
from feedback.report.wording import headline
from feedback.save_buttons import SCRIPT, TABLE, buttons
from feedback.statistics import summary
from tests.feedback.protocol import answered, choice_for, dataset_d, open_test, vote_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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
    assert html.count("<script>") == 1, "what the buttons do, and nothing else"
    assert not re.findall(r"fetch|XMLHttp|WebSocket|sendBeacon|import\(", SCRIPT)
    assert not re.findall(
        r'(?:src|href)="(?!#)[^"]*"|@import|<script|url\(http',
        html.replace(f"<script>{SCRIPT}</script>", ""),
    )
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


def test_every_plot_and_table_is_taken_away_at_a_button(tmp_path: Path, browser: Browser) -> None:
    test = open_test(tmp_path / "v.db", reasons=["Clearer", "50% & more_{of} ~ \\ | it"])
    people(test, 12)
    assert main(["report", "--db", str(tmp_path / "v.db"), "--out", str(tmp_path)]) == 0
    context = browser.new_context(accept_downloads=True, color_scheme="dark")
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    taken: dict[str, list[Path]] = {}
    buttons = page.locator(".take button")
    for place in range(buttons.count()):
        button = buttons.nth(place)
        if place % 9 == 8:
            page.wait_for_timeout(1100)  # Chromium saves ten files of a page in a second, no hand asks for more
        with page.expect_download() as download:
            button.click()
        name = download.value.suggested_filename
        download.value.save_as(tmp_path / f"{place}-{name}")
        taken.setdefault(button.inner_text(), []).append(tmp_path / f"{place}-{name}")
    plots, tables = page.locator("figure svg").count(), page.locator("table").count()
    assert {form: len(files) for form, files in taken.items()} == {
        **{"SVG": plots, "PNG": plots},
        **{"LaTeX": tables, "Markdown": tables},
    }
    for path in taken["SVG"]:
        drawn = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(drawn)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert not re.search(r"var\(|class=|tabindex", drawn)
        assert "rgb(59, 91, 219)" in drawn, "the mark's colour"
    for path in taken["PNG"]:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.width == 1200
            assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
            assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 20, "not a blank one"
    statistics = next(path for path in taken["Markdown"] if path.name.endswith("-statistics.md")).read_text()
    rows = [line.split(" | ") for line in statistics.splitlines()]
    assert rows[:2] == [["| ", "estimate", "interval", "p |"], ["| ---", "---", "---", "--- |"]]
    assert {len(row) for row in rows} == {4}
    assert (
        f"| {test.study.prompts[0].category} | {test.study.prompts[0].text} | "
        in next(path for path in taken["Markdown"] if path.name.endswith("-prompts.md")).read_text()
    )
    latex = next(path for path in taken["LaTeX"] if path.name.endswith("-verdicts.tex")).read_text()
    assert latex.startswith(
        "% needs \\usepackage{booktabs}\n\\begin{tabular}{lrl}\n\\toprule\n & votes & share \\\\\n\\midrule\n"
    )
    assert re.search(r"\nModel 1 better & \d+ & \d+\\% \\\\\n", latex)
    assert latex.endswith("\\bottomrule\n\\end{tabular}\n")
    context.close()


def test_what_is_taken_away_as_markdown_or_latex_is_text(tmp_path: Path, browser: Browser) -> None:
    cells = [
        "<img src=x onerror=alert(1)>", "[link](javascript:alert(1))", "*a* _b_ `c` ~~d~~ &lt; | \\ <!-- -->",
        "[2cm] \\input{x}", "*",
    ]  # fmt: skip
    opened = "<table><tr><td><details><summary>asked</summary>answered</details></td></tr></table>"
    (tmp_path / "page.html").write_text(
        f"<meta charset=utf-8>{table('cells', ('', 'n'), [(cell, 1) for cell in cells])}"
        f"<div id=opened>{opened}{buttons('opened', TABLE)}</div><script>{SCRIPT}</script>"
    )
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    taken = {}
    for form in ("Markdown", "LaTeX"):
        with page.expect_download() as download:
            page.click(f"text={form} >> nth=0")
        taken[form] = download.value.path().read_text(encoding="utf-8")
    with page.expect_download() as download:
        page.click("#opened >> text=Markdown")
    assert download.value.path().read_text(encoding="utf-8") == "|  |\n| --- |\n| asked |\n", "not what it opens to"
    page.close()
    rendered = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(taken["Markdown"])
    assert set(re.findall(r"</?(\w+)", rendered)) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert [unescape(cell) for cell in re.findall("<td>(.*?)</td>", rendered)[::2]] == cells
    assert not re.search(r"^[\[*]|\\\\input", taken["LaTeX"], re.M), "no row is a part of the line break before it"


def test_the_report_is_printed_where_there_is_a_browser(
    tmp_path: Path, browser: Browser, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    test = open_test(tmp_path / "v.db")
    vote_for(test, test.enrol("1").id, ["tie"])
    words = ["report", "--db", str(tmp_path / "v.db"), "--out", str(tmp_path / "out"), "--pdf"]
    monkeypatch.setattr(pdf, "NAMES", (*pdf.NAMES, browser.browser_type.executable_path))
    assert main(words) == 0, capsys.readouterr().err
    printed = (tmp_path / "out" / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert printed.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 2
    monkeypatch.setattr(pdf, "NAMES", ())
    monkeypatch.setattr(pdf, "PLACES", (str(tmp_path / "nothing"),))
    capsys.readouterr()
    assert main([*words[:-2], str(tmp_path / "other"), "--pdf"]) == 2
    assert "--pdf needs Chromium, Chrome or Edge, and none was found" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    monkeypatch.setattr(pdf, "PLACES", (sys.executable,))
    assert main([*words[:-2], str(tmp_path / "other"), "--pdf"]) == 2
    told = capsys.readouterr().err
    assert f"{sys.executable} did not print" in told
    assert told.count("\n") == 1


def test_answers_of_one_length_are_one_group(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db")
    for chars in (*3 * [(20, 30)], (499, 500)):
        tester = test.enrol("1").id
        for _ in range(4):
            test.vote(tester, answered(test, tester, chars=chars).id, "left")
        test.close(tester, "quit")
    assert main(["report", "--db", str(tmp_path / "v.db"), "--out", str(tmp_path)]) == 0
    shown = re.findall(r"([+-]\d+%) in length<", (tmp_path / "report.html").read_text())
    assert shown == ["-20%", "+0%"], "and no -0%"


@pytest.mark.parametrize(("testers", "is_few"), [(4, True), (50, False)])
def test_a_gap_at_equal_length_from_few_votes_has_its_caution(tmp_path: Path, testers: int, is_few: bool) -> None:
    test = open_test(tmp_path / "v.db")
    people(test, testers)
    assert main(["report", "--db", str(tmp_path / "v.db"), "--out", str(tmp_path)]) == 0
    told = (tmp_path / "report.html").read_text()
    assert "At equal length the gap is" in told
    assert told.count("of the rarer choice, where 20 are the least") == 2 * is_few, "at the plot and below the table"


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
        ({}, ["Testers leaned to Model 1: 58%", "46-70%", "12 testers, 80 votes", "stop: no"]),
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
    assert "Testers preferred Model 2: 100%" in headline(summary(one_way), 0.05)
    assert "enough to stop: yes" in headline(summary(one_way), 0.05)
    few = votes[votes["enrolment"] < 4]
    assert headline(summary(few), 0.05).startswith("Testers leaned to Model 1: ")
    assert "too few testers for an interval" in headline(summary(few), 0.05)
    assert headline(summary(votes.head(0)), 0.05) == "No votes yet."
