"""The report: every figure traces to a file, every form tells the same, nothing is loaded from elsewhere."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from feedback.save_buttons import SCRIPT
from tests.training.comparison import evidence_files
from tests.training.comparison.conftest import Written
from training.comparison.evidence import sha256

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def out(written: Written) -> Path:
    return written.folder


@pytest.fixture(scope="module")
def report(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text())


def test_the_sections_are_those_asked_for_in_their_order(out: Path, report: dict[str, Any]) -> None:
    titles = ["Model size", "Training", "Quality", "Art knowledge", "Cost", "Sustainability", "User testing",
              "All bases", "Answers side by side", "What to say in two minutes"]  # fmt: skip
    assert [section["title"] for section in report["sections"]] == titles
    assert re.findall(r"^## (.*)$", (out / "report.md").read_text(), re.M)[:10] == titles
    assert re.findall(r"<section id=[^>]*><h2>(.*?)</h2>", (out / "report.html").read_text())[:10] == titles


def test_every_value_stands_in_its_file(out: Path, report: dict[str, Any]) -> None:
    files = {name: (out / "sources" / name).read_bytes() for name in report["sources"]}
    assert {name: sha256(raw) for name, raw in files.items()} == {n: s["sha256"] for n, s in report["sources"].items()}
    read = checked = 0
    for value in report["values"]:
        if value["status"] == "known":
            continue
        found = [resolve(json.loads(files[source["file"]]), source["key"]) for source in value["sources"]]
        assert None not in found
        if value["how"] == "the first ÷ the second":
            assert value["raw"] == pytest.approx(found[0] / found[1])
            checked += 1
        elif value["how"] is None and len(found) == 1:
            assert value["raw"] == found[0]
            read += 1
        elif value["how"] is None:  # an interval that the file has in pieces
            raw = value["raw"]
            assert found == ([raw[key] for key in raw] if isinstance(raw, dict) else [raw, *found[1:]])
    assert (read > 150, checked) == (True, 2)


def resolve(content: Any, pointer: str) -> Any:
    for key in pointer.split("/")[1:]:
        content = content[int(key)] if isinstance(content, list) else content[key]
    return content


def test_every_number_of_the_markdown_is_in_the_json(out: Path, report: dict[str, Any]) -> None:
    text = (out / "report.md").read_text()
    text = text[: text.index("## Where each figure comes from")]
    names = r"\[\^\d+\]|^Made on .*$|Model [12]|95%|1,000|CO2|SHA-256|ROUGE-L|\]\(plots/[^)]*\)|^\d+\. |^Each question"
    words = r"0: blind, 1: knew|smollm2-135m|gpt2|phi-2"
    text = re.sub(f"{names}|{words}", "", text, flags=re.M)
    shown = " ".join(
        f"{value['text']} {value['how']} {' '.join(source['file'] for source in value['sources'])}"
        for value in report["values"]
    )
    known = set(re.findall(r"\d[\d,.]*\d|\d", shown))
    numbers = re.findall(r"\d[\d,.]*\d|\d", text)
    assert len(numbers) > 250
    assert [number for number in numbers if number not in known] == []


def test_the_page_needs_no_network(out: Path) -> None:
    page = (out / "report.html").read_text()
    assert page.count(SCRIPT) == 1
    page = page.replace(f"<script>{SCRIPT}</script>", "")
    assert "http" not in page + SCRIPT
    assert not re.search(r"<(script|link|img|iframe|object)|url\(|@import", page)
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(re.findall(r'id="([^"]+)"', page))
    assert not re.search(r'(?:href|src)="(?!#)', page)


def test_plots_are_files_and_in_the_page(out: Path, report: dict[str, Any]) -> None:
    plots = [block["file"] for section in report["sections"] for block in section["blocks"] if "plot" in block]
    assert {"plots/curve-model1.svg", "plots/bits-per-byte.svg", "plots/knowledge-embedded.svg"} < set(plots)
    for plot in plots:
        ElementTree.fromstring((out / plot).read_text())
        assert f"]({plot})" in (out / "report.md").read_text()
    assert (out / "report.html").read_text().count("<svg") == len(plots)


def test_every_plot_and_table_of_the_page_is_taken_away_at_a_button(out: Path, browser: Browser) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto((out / "report.html").as_uri())

    def saved(form: str, name: str) -> tuple[str, bytes]:
        with page.expect_download() as download:
            page.click(f'[aria-label="Save as {form}: {name}"]')
        return download.value.suggested_filename, download.value.path().read_bytes()

    for form, shown in (("SVG", "figure svg"), ("PNG", "figure svg"), ("LaTeX", "table"), ("Markdown", "table")):
        buttons = page.locator(".take button", has_text=form)
        assert buttons.count() == page.locator(shown).count() > 4
    name, drawn = saved("SVG", "Parameters")
    assert (name, ElementTree.fromstring(drawn).tag) == ("parameters.svg", "{http://www.w3.org/2000/svg}svg")
    assert b"rgb(143, 98, 18)" in drawn, "Model 2's colour on white, though the page is dark"
    assert b"rgb(28, 29, 34)" in drawn, "and the ink"
    name, picture = saved("PNG", "Parameters")
    with Image.open(io.BytesIO(picture)) as opened:
        assert (name, opened.width) == ("parameters.png", 1200)
    name, saved_table = saved("LaTeX", "The two models, and the bases that Model 2 can start from")
    lines = saved_table.decode().splitlines()
    assert lines[1] == "\\begin{tabular}{lllllllll}"
    assert lines[3] == " & \\multicolumn{4}{l}{What it is} & \\multicolumn{4}{l}{Measured here} \\\\"
    assert lines[4].startswith(" & parameters & context & licence & ")
    assert lines[5] == "\\midrule"
    assert re.match(r"Model 1 & [\d.]+ million & ", lines[6]), "without the number of its footnote"
    assert "phi-2 & \\emph{2.78 billion} & " in saved_table.decode(), "what is only known"
    name, saved_table = saved("Markdown", "The two models, and the bases that Model 2 can start from")
    lines = saved_table.decode().splitlines()
    assert lines[0].startswith("|  | What it is: parameters | What it is: context | What it is: licence | ")
    assert lines[1] == f"|{' --- |' * 9}"
    assert "| phi-2 | *2.78 billion* | " in saved_table.decode()
    page.close()


def test_both_texts_say_the_same_sentences(out: Path, report: dict[str, Any]) -> None:
    claims = [block["claim"] for block in report["sections"][-1]["blocks"]]
    page = re.sub(r"<a class=\"note\".*?</a>|</?(?:b|span)\b.*?>", "", (out / "report.html").read_text())
    markdown = re.sub(r" \[\^\d+\]", "", (out / "report.md").read_text())
    for claim in claims:
        assert claim.replace("'", "&#x27;") in page
        assert claim in markdown


def test_known_bases_are_marked_apart(report: dict[str, Any]) -> None:
    (table,) = [block for block in report["sections"][7]["blocks"] if "table" in block]
    rows = {row["label"]: row["cells"] for row in table["rows"]}
    assert list(rows) == ["Model 1", "Model 2, from smollm2-135m", "smollm2-135m", "smollm2-135m-bf16", "gpt2",
                          "gpt2-medium", "gpt2-large", "gpt2-xl", "phi-2"]  # fmt: skip
    values = report["values"]
    assert [values[cell["value"]]["status"] for cell in rows["phi-2"][:4]] == ["known"] * 4
    assert rows["phi-2"][4:] == [None] * 4
    counted = {name: values[cells[0]["value"]]["text"] for name, cells in rows.items()}
    assert counted["gpt2"], counted["phi-2"] == ("124 million", "2.78 billion")
    assert all(values[cell["value"]]["status"] != "known" for cell in rows["Model 1"] if isinstance(cell, dict))


def test_ten_answers_side_by_side(out: Path, report: dict[str, Any]) -> None:
    pairs = list(report["sections"][8]["blocks"])
    texts = [[report["values"][answer["value"]]["text"] for answer in pair["answers"]] for pair in pairs]
    assert texts[1:] == [[f"model1 says {n}.", f"model2 says {n}."] for n in range(1, 10)]
    assert texts[0] == [evidence_files.HOSTILE, "model2 says 0."]
    assert [report["values"][pair["look_up"]["value"]]["text"] for pair in pairs][:1] == ["A museum's page on 0"]
    assert '<p class="quiet">To look it up: A museum&#x27;s page on 9</p>' in (out / "report.html").read_text()
    assert "**To look it up**\n\n> A museum's page on 9\n" in (out / "report.md").read_text()


def test_estimates_perplexity_and_chance_come_with_their_cautions(out: Path) -> None:
    text = (out / "report.md").read_text()
    assert "2.19 Wh (estimated)" in text
    assert "**Perplexity a token: not comparable between the two**" in text
    assert re.search(r"\| Unseen fact .*\| 25\.0% \|", text)
    assert "3 questions of this benchmark stand in its training data" in text
    assert "boiling 22 ml of water (estimated)" in text


def test_what_a_model_writes_cannot_change_the_page(out: Path) -> None:
    assert evidence_files.HOSTILE == "<script>alert(1)</script> | **bold** `code`"
    assert "&lt;script&gt;alert(1)" in (out / "report.html").read_text()
    assert r"\<script\>alert(1)\</script\> \| \*\*bold\*\* \`code\`" in (out / "report.md").read_text()
