"""The improve tab: what votes can teach, the training, and the blind test of what came of it."""

from __future__ import annotations

import json
import shutil
import sys
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.before_after import before_after, whole_of
from app.child import Progress
from app.improve_figures import counts_html, outcome_html
from app.improvement_run import ImprovementRun
from app.improvements import Improvement
from feedback.preferences import preferences
from feedback.save_buttons import TABLE, buttons
from feedback.study import Study
from tests.app.chat_server import ChatServer
from tests.app.serving import App, wait_until
from tests.app.visitor import Visitor
from tests.feedback.protocol import document, open_test, vote_for
from tests.trained import Run
from training.common.checkpoint_folder import served_sha256

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DESIGN = {"votes_each": 4.0, "icc": 0.1, "alpha": 0.05}


def improvement(**changes: Any) -> dict[str, Any]:
    """The part of a report that tells how a version was made, as `training.improve` writes it."""
    accuracy = {"accuracy": 0.52, "ci_low": 0.44, "ci_high": 0.6}
    return {
        "method": "dpo", "study": "Test study#1", "accepted": True, "refused_because": [],
        "held_out": {
            "before": accuracy, "after": accuracy | {"accuracy": 0.66}, "gain": accuracy | {"accuracy": 0.71},
            "n": 40, "testers": 9, "judged": True, "why_not": None,
        },
        "guards": {
            "bits_per_byte": {"before": 0.8, "after": 0.81, "limit": 0.84},
            "closed_book": {"before": 0.5, "after": 0.49, "limit": 0.45, "n": 100},
        },
        "length": {"preferred_is_longer": 0.7},
    } | changes  # fmt: skip


def test_what_votes_can_teach_is_counted_by_the_method(tmp_path: Path) -> None:
    test = open_test(tmp_path / "votes.db")
    for _ in range(12):
        tester = test.enrol("1").id
        vote_for(test, tester, ["model1", "model2", "tie", "both_bad"])
        test.close(tester, "quit")
    found = preferences(test.database, test.label, "model2")
    train = [record for record in found.records if record["split"] == "train"]
    wins = sum(record["outcome"] == "win" for record in train)
    bad = sum(record["outcome"] == "both_bad" for record in train) // 2
    for method, usable in (("dpo", wins), ("kto", wins + bad)):
        told = counts_html(found, method, DESIGN)
        assert f"<dt>Votes to learn from</dt><dd>{usable}</dd>" in told
        assert "<dt>Votes that count</dt><dd>48</dd>" in told
        assert "<td>ties: neither answer was preferred</td><td>12</td>" in told
        assert ("both bad: neither answer was preferred" in told) is (method == "dpo")
        assert buttons("Not learned from", TABLE) in told
    assert "a win rate of 66% or more" in told, "of twelve testers, half of whose votes are no win"
    assert "too few to judge by" in told
    few = counts_html(preferences(open_test(tmp_path / "none.db").database), "dpo", DESIGN)
    assert "0 testers are too few to claim anything" in unescape(few)
    assert "Every vote" not in few, "there is none"


def test_what_came_of_a_training_is_told_with_its_limits(tmp_path: Path) -> None:
    told = outcome_html(Improvement(tmp_path / "2", improvement()))
    for words in ("Version 2", "52% (44% to 60%)", "66%", "0.800", "0.840", "49.0%", "45.0%", "longer one in 70%"):
        assert words in told
    assert "only a blind test can say" in told
    assert told.count(buttons("Before and after", TABLE)) == 1
    why = {"accepted": False, "refused_because": ["held-out text takes <1> bit"]}
    few = {"held_out": {"judged": False, "why_not": "2 held-out pairs of 1 testers are too few to judge"}}
    refused = outcome_html(Improvement(tmp_path / "3", improvement(**why, **few)))
    assert "Refused, so testers are not shown it: held-out text takes &lt;1&gt; bit" in refused
    assert "too few to judge; nothing is claimed" in refused
    assert "66%" not in refused, "what is not judged is not shown as a finding"
    assert "Version 4" in outcome_html(Improvement(tmp_path / "4", {"guards": [], "held_out": "?"})), "another's file"


def test_the_test_of_a_version_asks_what_it_did_not_learn_from() -> None:
    study = Study.from_document(document(rounds=8))
    asked = before_after(study, {"q01", "q02"})
    assert [prompt.id for prompt in asked.prompts] == [f"q{number:02}" for number in range(3, 11)]
    assert asked.name == "Test study: before and after"
    assert before_after(asked, ()).name == asked.name, "the loop's next turn"
    all_of_them = before_after(study, {"q01", "q02", "q03"})
    assert all_of_them.prompts == study.prompts
    assert all_of_them.name == "Test study: before and after, learned questions"
    assert before_after(all_of_them, {"own-1"}).name == asked.name
    definitions = [Study.from_document(document(rounds=9)).canonical, study.canonical, asked.canonical]
    assert whole_of(asked, definitions).prompts == study.prompts, "both models know what the first turn taught"
    assert whole_of(asked, definitions[:1]) == asked, "that one has other settings"
    assert whole_of(study, definitions) == study
    second = before_after(whole_of(asked, definitions), {"q10"})
    assert [prompt.id for prompt in second.prompts] == [f"q{number:02}" for number in range(1, 10)]
    assert whole_of(second, [*definitions, second.canonical]).prompts == study.prompts
    long = before_after(Study.from_document(document(name="x" * 80)), {"q01"})
    assert Study.from_toml(long.toml) == long


SCRIPT = """
def check(out):
    print("--resume: method was kto; give what the run was started with, or --restart to begin anew", file=sys.stderr)
    sys.exit(2)
import json, pathlib, sys, time
arguments = dict(zip(sys.argv, sys.argv[1:]))
out = pathlib.Path(arguments["--out"])
if sys.argv[-1] == "--check":
    check(out)
out.mkdir(parents=True, exist_ok=True)
(out / "told.txt").write_text(" ".join(sys.argv[1:]))
state = {"stage": "train", "message": "", "step": 3, "steps": 9, "loss": 0.6, "updated": time.time()}
pathlib.Path(arguments["--progress"]).write_text(json.dumps(state))
"""


def test_a_run_tells_how_far_it_is_and_how_it_ended(tmp_path: Path) -> None:
    folder = tmp_path / "model2_pretrained"
    folder.mkdir()
    (folder / "training_report.json").write_text("{}")

    def started(end: str, spec: Path = folder) -> ImprovementRun:
        run = ImprovementRun(tmp_path / "v.db", (sys.executable, "-c", SCRIPT + end), tmp_path / "logs")
        run.start("model2", str(spec), "dpo", "Test study#1")
        run.start("model2", str(spec), "dpo", "Test study#1")
        return run

    run = started("time.sleep(60)")
    wait_until(lambda: run.step.run.step == 3)
    assert (run.step.title, run.step.stage) == ("Model 2 learns from the votes (DPO)", "Training")
    run.stop()
    wait_until(lambda: run.progress.state == "stopped")
    run.close()
    told = (folder / "improved" / "1" / "told.txt").read_text().split()
    assert told[:4] == ["--model", "model2", "--checkpoint", str(folder)]
    assert told[-1] == "--resume"
    assert told[told.index("--method") - 2 : told.index("--method")] == ["--study=Test", "study#1"]
    for end, state, words in (
        ("", "done", "Done."),
        ("sys.exit(3)", "refused", "refused"),
        ("print('no pair: every vote is a tie'); sys.exit(2)", "failed", "exit code 2: no pair: every vote is a tie"),
    ):
        told_last = ended(started(end))
        assert told_last.state == state
        assert words in told_last.text
    (folder / "improved" / "1" / "resume").mkdir()
    assert ended(started("")).state == "done"
    assert (folder / "improved" / "1" / "told.txt").read_text().endswith("--restart"), "what was of another method"
    (folder / "improved" / "1" / "training_report.json").write_text(json.dumps({"improvement": improvement()}))
    assert ended(started("", folder / "improved" / "1")).state == "done"
    told = (folder / "improved" / "2" / "told.txt").read_text().split()
    assert told[2:6] == ["--checkpoint", str(folder / "improved" / "1"), "--out", str(folder / "improved" / "2")]
    assert "server" in run.lacks("openai:http://localhost/v1#m")
    assert "no training report" in run.lacks(str(tmp_path / "lone.gguf"))


def test_what_was_saved_is_left_behind_only_where_the_command_says_so(tmp_path: Path) -> None:
    """A check that is killed, as where memory runs out, says nothing of what was saved."""
    folder = tmp_path / "model2_pretrained"
    (folder / "improved" / "1" / "resume").mkdir(parents=True)
    (folder / "training_report.json").write_text("{}")
    killed = "\ncheck = lambda out: os.kill(os.getpid(), 9)\nimport os, json"
    script = SCRIPT.replace("\nimport json", killed)
    run = ImprovementRun(tmp_path / "v.db", (sys.executable, "-c", script), tmp_path / "logs")
    run.start("model2", str(folder), "dpo", "--out")
    assert ended(run).state == "done"
    told = (folder / "improved" / "1" / "told.txt").read_text()
    assert told.endswith("--resume")
    assert "--study=--out " in told, "a study's name is no option"


@pytest.mark.parametrize(("study", "logs"), [("a\0b#1", "logs"), ("a#1", "file/logs")])
def test_a_run_that_cannot_be_begun_is_over(tmp_path: Path, study: str, logs: str) -> None:
    """Else it would be under way until the app is started again, and no other could begin."""
    (tmp_path / "file").touch()
    (tmp_path / "training_report.json").write_text("{}")
    run = ImprovementRun(tmp_path / "v.db", ("true",), tmp_path / logs)
    run.start("model2", str(tmp_path), "dpo", study)
    told = ended(run)
    assert told.state == "failed"
    assert "could not be begun" in told.text


def ended(run: ImprovementRun) -> Progress:
    """How a run ended."""
    wait_until(lambda: run.progress.state != "running")
    run.close()
    return run.progress


@pytest.fixture
def trained(tmp_path: Path, demo_model1: Run) -> Path:
    """A real Model 1 with a version that learned from votes: the same weights in a file of another hash."""
    folder = tmp_path / "art_ai_model"
    new = folder / "improved" / "1"
    for place in (folder, new):
        place.mkdir(parents=True)
        for name in ("model.gguf", "training_report.json", "art_ai_best.pt", "tokenizer.model"):
            shutil.copy(demo_model1.folder / name, place)
    with (new / "model.gguf").open("ab") as file:
        file.write(b"\0")
    parent = {"path": str(folder), "sha256": served_sha256(folder / "model.gguf")["sha256"]}
    report = demo_model1.report | {"improvement": improvement(parent=parent, questions=["p1"])}
    (new / "training_report.json").write_text(json.dumps(report))
    return folder


def test_from_votes_to_a_running_test_without_a_terminal(
    browser: Browser, tmp_path: Path, trained: Path, one_chat_server: ChatServer
) -> None:
    running = App(tmp_path, str(trained), one_chat_server.spec).start()
    try:
        with Visitor(browser, running.url) as tester, Visitor(browser, f"{running.url}/admin") as researcher:
            tester.consent()
            tester.ask("Who painted Guernica?")
            tester.vote("left")
            page = researcher.page
            researcher.log_in("Improve")
            page.check("#improve-model input[value=model2]")
            page.wait_for_selector("#improve-told:has-text('answers from a server')")
            page.check("#improve-model input[value=model1]")
            page.wait_for_selector("#improve-outcome:has-text('Version 1')")
            assert "1 tester is too few" in page.inner_text("#improve-counts")
            assert "still runs" in page.inner_text("#improve-counts")
            assert "Nothing says that testers agreed" in page.inner_text("#improve-counts")
            assert "2 of 3 questions" in page.inner_text("#improve-hint")
            page.click("#improve-train")
            page.wait_for_selector("#improve-told .setup-step")
            page.click("#improve-stop")
            page.wait_for_selector("#improve-told:has-text('Stopped')")
            page.click("#improve-begin")
            page.wait_for_selector("#improve-said:has-text('tick the box')")
            page.check("#improve-sure input")
            page.click("#improve-begin")
            page.wait_for_selector("#improve-said:has-text('is running')", timeout=120_000)
            page.wait_for_selector("#improve-counts:has-text('0 testers are too few')")
            [described] = running.rows("SELECT models FROM studies ORDER BY id DESC LIMIT 1")[0]
            models = json.loads(described)
            assert models["model2"]["improves"] is True
            assert models["model1"]["sha256"] != models["model2"]["sha256"]
            page.click("role=tab[name=Results]")
            page.wait_for_selector("#results:has-text('Model 2: the new one')", timeout=120_000)

            tester.page.reload()
            tester.consent()
            assert "What is Impressionism?" not in tester.page.inner_text("#suggestions"), "it was learned from"
            assert "votes" not in tester.page.inner_text("body").lower().replace("your votes", ""), "nothing primes"
            for _ in range(2):
                tester.ask("What is a neural network?")
                tester.vote("right")
                tester.page.click("#next-round")
            tester.page.wait_for_selector("#guess:has-text('as it was before')")
            tester.page.click("#guess-unknown")
            tester.page.wait_for_selector("#thanks:has-text('after it learned from votes')")
            page.wait_for_selector("#results h1:has-text('No preference can be claimed yet')", timeout=120_000)
            assert researcher.problems == tester.problems == []
        votes = running.rows("SELECT study_id, COUNT(*) FROM votes GROUP BY 1 ORDER BY 1")
        assert votes == [(1, 1), (2, 2)], "both are kept, apart"
        assert [log.name[:15] for log in running.logs.iterdir()] == ["improve-model1-"]
    finally:
        running.stop()


IMAGE = "<img src=x onerror=document.title='taken'>"


def test_names_of_folders_and_studies_and_words_of_reports_are_text(
    browser: Browser, tmp_path: Path, trained: Path, one_chat_server: ChatServer
) -> None:
    folder = trained.rename(tmp_path / IMAGE)
    version = folder / "improved" / "1" / "training_report.json"
    report = json.loads(version.read_text())
    report["improvement"] |= {
        "study": IMAGE,
        "method": IMAGE,
        "parent": report["improvement"]["parent"] | {"path": str(folder)},
    }
    version.write_text(json.dumps(report))
    running = App(tmp_path, str(folder), one_chat_server.spec)
    study = tmp_path / "study.toml"
    study.write_text(study.read_text().replace('"Test study"', f'"-{IMAGE}"'))
    try:
        running.start()
        with Visitor(browser, f"{running.url}/admin") as researcher:
            page = researcher.page
            researcher.log_in("Improve")
            # What the tab shows by itself; a choice in the half second before it is lost on Gradio's page.
            page.wait_for_selector("#improve-counts:has-text('Votes to learn from')")
            page.check("#improve-model input[value=model1]")
            page.wait_for_selector(f"#improve-outcome:has-text({json.dumps(f'from the votes of {IMAGE}')})")
            page.click("#improve-train")  # without a vote it ends at once, and says so of the study by its name
            page.wait_for_selector(f"#improve-told .problem:has-text({json.dumps(IMAGE)})", timeout=300_000)
            page.click("#improve-begin")
            page.wait_for_selector("#improve-said:has-text('is running')", timeout=120_000)
            assert IMAGE in page.inner_text("#improve-said")
            assert page.locator("#improve-result img, #improve-told img, #improve-said img").count() == 0
            assert page.title() != "taken"
            assert researcher.problems == []
    finally:
        running.stop()
