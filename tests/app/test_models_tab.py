"""The models tab: what it tells of both models and of what is not there, the curves, the run that a button begins."""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.evaluation_run import EvaluationRun
from app.model_files import EVALUATION, read_models, to_measure, without_password
from app.model_plots import STYLE, held_out_curves, loss_curve, nice
from app.models_tab import compact_html, models_html
from app.runtime import Runtime
from feedback.report import figures
from feedback.report.sections import figure
from feedback.save_buttons import SCRIPT
from tests.app.serving import wait_until
from tests.feedback.protocol import open_test

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPORT: dict[str, Any] = {
    "model": "model1", "base": None, "parameters": 6_843_840, "trainable_parameters": 6_843_840, "tokens": 873_184,
    "steps": 437, "train_seconds": 571.4, "energy_kwh": 0.00219, "co2_kg": 0.000521, "energy_source": "estimated",
    "device": "cpu (2 threads)", "dtype": "bf16", "val_bits_per_byte": 0.535, "config": {"data": ["core"]},
}  # fmt: skip
ROWS = [
    {"step": step, "seconds": 2.0 * step, "loss": 8.0 / step, "learning_rate": 0.01, "tokens_per_second": 1000.0}
    for step in range(1, 900)
] + [{"step": 899, "seconds": 1798.0, "val_loss": 0.5, "val_bits_per_byte": 0.25}]


@pytest.fixture
def specs(tmp_path: Path) -> dict[str, str]:
    """Two trainings' folders, the second one's base with a name that must not become markup."""
    for model, changes in (("one", {}), ("two", {"model": "model2", "base": "<i>base</i>"})):
        folder = tmp_path / model
        (folder / "final").mkdir(parents=True)
        (folder / "final" / "config.json").write_text("{}")
        (folder / "training_report.json").write_text(json.dumps(REPORT | changes))
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
        (folder / "model.gguf").write_bytes(b"GGUF")
    (tmp_path / "one" / "art_ai_best.pt").touch()
    return {"model1": str(tmp_path / "one"), "model2": str(tmp_path / "two" / "model.gguf")}


def evaluate(results: Path, specs: dict[str, str], training_report: Any = None, **changes: Any) -> None:
    """Write `evaluation.json` as `training.evaluate` does, with what the cards show."""
    models = {}
    for model, spec in specs.items():
        models[model] = {
            "name": model, "spec": to_measure(spec), "parameters": 6_843_840, "training_report": training_report,
            "held_out": {"answers": {"bits_per_byte": {"estimate": 0.5, "low": 0.4, "high": 0.6}}},
            "knowledge": [
                {"benchmark": "embedded", "n": 100, "chance": 0.25,
                 "accuracy": {"estimate": 0.6, "low": 0.5, "high": 0.7}, "groups": [], "kinds": []}
            ],
            "missing": [{"part": "tasks", "reason": "none were named"}],
        }  # fmt: skip
    document = {"version": 1, "models": models, "differences": {}}
    (results / EVALUATION).write_text(json.dumps(document | changes))


def runtime_of(tmp_path: Path, specs: dict[str, str], **options: Any) -> Runtime:
    test = open_test(tmp_path / "v.db")
    run = EvaluationRun(specs, test.database.path, tmp_path, logs=tmp_path / "logs", **options)
    return Runtime(test.study, test.database, specs, evaluation=run)


def test_the_cards_tell_what_the_files_tell_and_name_what_is_absent(tmp_path: Path, specs: dict[str, str]) -> None:
    runtime = runtime_of(tmp_path, specs)
    overview, _ = models_html(runtime)
    text = re.sub(r"<style>.*?</style>|<(?!/?span)[^>]+>", " ", overview, flags=re.S)
    text = " ".join(unescape(re.sub(r"<[^>]+>", "", text)).split())
    for words in ("6.84 million parameters", "9.52 minutes", "2.19 Wh, estimated", "0.521 g", "apache-2.0", "873,184"):
        assert words in text
    assert "0.535, by the training itself" in text
    assert text.count("not measured") == 2, "the knowledge of both"
    assert "have not been evaluated yet" in text
    assert "&lt;i&gt;base" in overview
    assert "<i>base" not in overview
    assert overview.count('class="plot"') == 3
    evaluate(tmp_path, specs)
    overview, comparison = models_html(runtime)
    assert "60%" in overview
    assert "50% to 70%" in overview
    assert "guessing would reach 25%" in overview
    assert "evaluate anew" not in overview
    assert "none were named" in comparison
    assert "What to say in two minutes" in comparison
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", overview + comparison)
    told = compact_html(runtime)
    assert "60%" in told
    assert str(tmp_path) not in told
    assert "title=" not in told, "a tester learns no file"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder, specs: evaluate(folder, specs | {"model2": str(folder / "three")}), "of another Model 2"),
        (lambda folder, specs: evaluate(folder, {"model1": specs["model1"]}), "did not measure Model 2"),
        (lambda folder, specs: evaluate(folder, specs, training_report={"seed": 2}), "was trained again"),
        (lambda folder, specs: (folder / EVALUATION).write_text("{"), "cannot be read"),
        (lambda folder, specs: evaluate(folder, specs, version=99), "version 99"),
    ],
)
def test_an_evaluation_of_something_else_is_not_shown(
    tmp_path: Path, specs: dict[str, str], change: Any, words: str
) -> None:
    change(tmp_path, specs)
    known = read_models(specs, tmp_path)
    assert words in " ".join(known.absent)
    overview, comparison = models_html(runtime_of(tmp_path, specs))
    assert words in overview
    assert "60%" not in overview
    assert "nothing" not in comparison


def test_a_training_that_time_ended_says_so_first(tmp_path: Path, specs: dict[str, str]) -> None:
    ended = {"ended_by": "time", "plan_share": 0.041, "val": {"new_wording": {"bits_per_byte": 2.49}}}
    (tmp_path / "one" / "training_report.json").write_text(json.dumps(REPORT | ended))
    overview, comparison = models_html(runtime_of(tmp_path, specs))
    assert "by time at 4% of its plan" in unescape(re.sub(r"<[^>]+>", "", overview))
    said = unescape(re.sub(r"<[^>]+>", "", comparison.split("What to say in two minutes")[1]))
    first = said.index("the training of Model 1 was ended by time at 4% of its plan, at 2.49")
    assert first < said.index("Both models have")


def test_models_without_a_training_are_said_to_tell_nothing(tmp_path: Path, specs: dict[str, str]) -> None:
    lone = tmp_path / "lone" / "model.gguf"
    lone.parent.mkdir()
    lone.write_bytes(b"GGUF")
    server = "openai:http://localhost:1/v1#secret-name"
    overview, comparison = models_html(runtime_of(tmp_path, {"model1": str(lone), "model2": server}))
    assert "no training report beside its file" in overview
    assert "answers from a server" in overview
    assert comparison == ""
    runtime = runtime_of(tmp_path, {"model1": specs["model1"], "model2": server})
    assert "6.84" in models_html(runtime)[0]
    assert "secret-name" not in compact_html(runtime)
    (tmp_path / "one" / "training_report.json").write_text('{"parameters": "many", "train_seconds": []}')
    assert "is not as our commands write it" in models_html(runtime)[0]
    assert compact_html(runtime) == "", "a tester is not bothered with it"


def test_a_version_that_learned_from_votes_says_so(tmp_path: Path, specs: dict[str, str]) -> None:
    report = REPORT | {"improvement": {"method": "kto", "accepted": True}}
    (tmp_path / "one" / "training_report.json").write_text(json.dumps(report))
    overview, _ = models_html(runtime_of(tmp_path, specs))
    assert overview.count("Learned from votes, by KTO") == 1
    assert overview.count("Pretrained, then fine-tuned") == 1


def test_the_curves_are_thinned_and_have_a_number_at_each_mark() -> None:
    drawn = loss_curve("model1", "Model 1", ROWS)
    line = re.search(r'class="line model1 thin" points="([^"]*)"', drawn)
    assert line is not None
    assert 200 <= len(line[1].split()) <= 240
    assert "held-out, step 899: 0.5 nats a token" in drawn
    assert drawn.count('class="mark"') <= 41
    both = held_out_curves({"model1": ("Model 1", ROWS), "model2": ("Model 2", [])})
    assert "Model 1, 30.0 min: 0.25 bits per byte" in both
    assert "Model 2" not in both
    broken: list[dict[str, Any]] = [
        {"step": 1, "loss": float("nan")},
        {"step": "x", "loss": 1.0},
        {"loss": 2.0},
        {"step": True, "loss": 3.0},
    ]
    assert loss_curve("model1", "Model 1", broken) == ""
    assert loss_curve("model1", "Model 1", [{"step": 1, "loss": 0.0}]), "a single point at zero"
    assert [nice(top) for top in (0, 0.3, 1, 8.3, 41)] == [1.0, 0.4, 1, 10, 50]


def commands(*codes: str) -> dict[str, list[str]]:
    return {f"Part {number}": [sys.executable, "-c", code] for number, code in enumerate(codes, 1)}


def test_a_run_tells_how_far_it_is_and_how_it_ended(tmp_path: Path, specs: dict[str, str]) -> None:
    bar = "import sys, time; sys.stderr.write('reading: 0%| |\\rquestions:  40%|####    | 2/5'); sys.stderr.flush()"
    run = EvaluationRun(specs, tmp_path / "v.db", tmp_path, commands(f"{bar}; time.sleep(60)"), tmp_path / "logs")
    run.start()
    run.start()
    wait_until(lambda: run.progress.share == 0.4)
    assert run.progress.text == "Part 1: questions"
    run.stop()
    wait_until(lambda: run.progress.state == "stopped")
    assert len(list((tmp_path / "logs").iterdir())) == 1, "one run at a time"
    run = EvaluationRun(specs, tmp_path / "v.db", tmp_path, commands("", "import sys; sys.exit('no space')"), tmp_path)
    run.start()
    wait_until(lambda: run.progress.state != "running")
    assert run.progress.state == "failed"
    assert re.search(r"Part 2 ended with exit code 1: no space \(the log is .*\.log\)", run.progress.text)
    run = EvaluationRun(specs, tmp_path / "v.db", tmp_path, commands("print(1)"), tmp_path)
    run.start()
    wait_until(lambda: run.progress.state == "done")
    (tmp_path / "file").touch()
    for command, logs in (("print(1)", tmp_path / "file" / "logs"), ("\0", tmp_path / "logs")):
        lost = EvaluationRun(specs, tmp_path / "v.db", tmp_path, commands(command), logs)
        lost.start()
        wait_until(lambda lost=lost: lost.progress.state == "failed")  # type: ignore[misc]
        assert "Part 1 could not be begun" in lost.progress.text, "else no other can begin until the app is restarted"


def test_what_is_measured_is_the_trainings_own_weights(tmp_path: Path, specs: dict[str, str]) -> None:
    assert to_measure(specs["model1"]) == str(tmp_path / "one" / "art_ai_best.pt")
    assert to_measure(str(tmp_path / "two")) == str(tmp_path / "two" / "final")
    assert to_measure(specs["model2"]) == specs["model2"]
    assert to_measure("openai:http://h/v1#m") == "openai:http://h/v1#m"
    assert without_password("openai:http://me:p@ss@h/v1#m@n") == "openai:http://h/v1#m@n"
    blocked = tmp_path / "file"
    blocked.touch()
    run = EvaluationRun(specs, tmp_path / "v.db", blocked / "results")
    assert "cannot be written" in run.lacks()
    assert not EvaluationRun(specs, tmp_path / "v.db", tmp_path / "not" / "yet").lacks()


def test_a_plot_of_a_dark_page_is_saved_in_light_colours_with_its_own_rules(browser: Browser, tmp_path: Path) -> None:
    drawn = figures.svg("Loss", 100, [
        '<polyline class="line model2" points="0,0 300,80"/>',
        '<circle class="dot model1 unseen" cx="9" cy="9" r="4"/>',
        '<text x="9" y="50">a</text>',
    ])  # fmt: skip
    dark = ".dark #models { --plot-ink: #fff; --model1: #99f; --model2: #d1a94a; }"
    (tmp_path / "page.html").write_text(
        f'<html class="dark"><style>{figures.STYLE}{STYLE}{dark}</style><div id="models">{figure(drawn, "")}</div>'
        f"<script>{SCRIPT}</script></html>"
    )
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    with page.expect_download() as download:
        page.click("text=SVG")
    line, dot, text = re.findall(r"<(?:polyline|circle|text).*?>", download.value.path().read_text())
    assert 'stroke="rgb(143, 98, 18)"' in line
    assert 'fill="none"' in line
    assert 'opacity="0"' in dot
    assert 'fill="rgb(27, 27, 34)"' in text
    page.close()
