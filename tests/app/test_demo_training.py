"""The training of missing checkpoints: a child process, its progress on the page, its end, and how it goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from app.demo_training import STAGES, DemoTraining
from tests.app.serving import PASSWORD, ROOT, App, wait_until
from tests.app.test_accessibility import PHONE_DARK, must_be_accessible
from tests.app.visitor import Visitor
from training.common.progress import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.app.chat_server import ChatServer

# Stands for a training command: what it writes is what the real ones promise to write.
TRAINING = """
import json, os, pathlib, sys, time
progress = pathlib.Path(sys.argv[sys.argv.index("--progress") + 1])
state = {"stage": "train", "message": "training", "step": 40, "steps": 80, "loss": 3.25, "val_loss": None,
         "tokens_per_second": 9000.0, "seconds_left": 100.0, "seconds_at_most": 1100.0, "updated": time.time(),
         "looks": [[0.0, 2.99], [9.0, 1.62], [31.0, 0.7]], "target": 0.1,
         "question": "What is Impressionism?", "answer": "of <b>of</b> of"}
partial = progress.with_suffix(".partial")
partial.write_text(json.dumps(state))
os.replace(partial, progress)
"""


def command(code: str) -> list[str]:
    return [sys.executable, "-c", TRAINING + textwrap.dedent(code)]


def test_both_are_trained_one_after_the_other(tmp_path: Path) -> None:
    commands = {model: command(f"open({str(tmp_path / model)!r}, 'w').write('done')") for model in ("model1", "model2")}
    training = DemoTraining(["model1", "model2"], commands, tmp_path / "logs")
    assert [step.state for step in training.steps()] == ["waiting", "waiting"]
    assert training.run()
    assert [step.state for step in training.steps()] == ["done", "done"]
    assert (tmp_path / "model1").exists()
    assert (tmp_path / "model2").exists()
    assert len(list((tmp_path / "logs").glob("demo-model*.log"))) == 2
    training.close()


def test_every_stage_of_a_training_has_a_name_on_the_page() -> None:
    assert set(STAGES) == set(get_args(Stage))


def test_a_failure_names_the_log(tmp_path: Path) -> None:
    commands = {"model1": command("sys.exit('no disk space')"), "model2": command("")}
    training = DemoTraining(["model1", "model2"], commands, tmp_path)
    assert not training.run()
    assert [step.state for step in training.steps()] == ["failed", "waiting"]
    [log] = tmp_path.glob("*.log")
    assert str(log) in training.failure
    assert "no disk space" in log.read_text()
    assert "exit code 1: no disk space (read" in training.failure
    training.close()


def test_what_failed_is_taken_up_again_and_what_is_done_is_not(tmp_path: Path) -> None:
    fails_once = "pathlib.Path({0!r}).exists() or (pathlib.Path({0!r}).touch(), sys.exit('no room'))"
    commands = {
        "model1": command(f"open({str(tmp_path / 'ran')!r}, 'a').write('once ')"),
        "model2": command(fails_once.format(str(tmp_path / "tried"))),
    }
    training = DemoTraining(["model1", "model2"], commands, tmp_path)
    assert not training.run()
    assert "no room" in training.failure
    assert training.run()
    assert training.failure == ""
    assert (tmp_path / "ran").read_text() == "once "
    training.close()


WAITS = """
    import psutil
    begun = pathlib.Path({0!r})
    begun.write_text(begun.read_text() + "x" if begun.exists() else "x")
    while "--after" in sys.argv and psutil.pid_exists(int(sys.argv[sys.argv.index("--after") + 1])):
        time.sleep(0.02)
    pathlib.Path({1!r}).touch()
"""
"""As the commands with `--after PID` do: how often it was begun, and that its turn has come."""


@pytest.mark.parametrize("ends", ["well", "badly", "killed", "weak"])
def test_the_second_prepares_itself_while_the_first_trains(ends: str, tmp_path: Path) -> None:
    begun, trained, tried = tmp_path / "begun", tmp_path / "trained", tmp_path / "tried"
    first = f"""
        begun, tried = pathlib.Path({str(begun)!r}), pathlib.Path({str(tried)!r})
        while not begun.exists():
            time.sleep(0.02)
        if not tried.exists():
            assert not pathlib.Path({str(trained)!r}).exists()
            tried.touch()
            {{"badly": lambda: sys.exit("no room"), "killed": lambda: os.kill(os.getpid(), 9)}}.get({ends!r}, str)()
    """
    commands = {"model1": command(first), "model2": command(WAITS.format(str(begun), str(trained)))}
    shortfalls = ["has not learned"] if ends == "weak" else []
    training = DemoTraining(
        ["model1", "model2"], commands, tmp_path, ahead=True,
        check=lambda model: shortfalls.pop() if model == "model1" and shortfalls else "",
    )  # fmt: skip
    is_well = training.run()
    assert is_well == (ends in ("well", "killed"))
    if not is_well:
        assert [step.state for step in training.steps()] == [{"badly": "failed", "weak": "weak"}[ends], "waiting"]
        assert training.run(), training.failure
    assert [step.state for step in training.steps()] == ["done", "done"]
    assert trained.exists()
    assert begun.read_text() == ("x" if ends == "well" else "xx")
    training.close()


def test_nothing_is_begun_ahead_where_memory_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.demo_training.MEMORY_AHEAD", 1 << 60)
    count = f"""
        logs = len(list(pathlib.Path({str(tmp_path)!r}).glob("*.log")))
        open({str(tmp_path / "logs")!r}, "a").write(str(logs))
    """
    training = DemoTraining(
        ["model1", "model2"], {m: command(count) for m in ("model1", "model2")}, tmp_path, ahead=True
    )
    assert training.run(), training.failure
    assert (tmp_path / "logs").read_text() == "12"
    training.close()


@pytest.mark.parametrize("times", [1, 2])
def test_a_killed_training_goes_on_once_by_itself(times: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = f"""
        lives = pathlib.Path({str(tmp_path / "lives")!r})
        lives.write_text(lives.read_text() + "x" if lives.exists() else "x")
        if len(lives.read_text()) <= {times}:
            os.kill(os.getpid(), 9)
    """
    training = DemoTraining(["model1"], {"model1": command(code)}, tmp_path)
    assert training.run() == (times == 1)
    assert "model1 was killed by signal 9; it goes on" in caplog.text
    assert ("was killed by signal 9, twice" in training.failure) == (times == 2)
    training.close()


def test_a_run_of_another_version_is_kept_aside_and_the_training_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As after an upgrade in the middle of a demo: the same refusal at each click before."""
    out = tmp_path / "art_ai_model"
    state = out / "resume" / "step-00000010" / "state.pt"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"hours of training")
    config = {"data": ["core"], "learning_rate": 1.0, "vocab_size": 7}
    (state.parent.parent / "run.json").write_text(json.dumps(config))
    train = [sys.executable, "-m", "training.train_art_ai_model", "--profile", "demo", "--resume", "--check"]
    training = DemoTraining(["model1"], {"model1": [*train, "--out", str(out)]}, tmp_path, {"model1": out})
    assert training.run(), training.failure
    [aside] = out.glob("resume-*")
    assert (aside / "step-00000010" / "state.pt").read_bytes() == b"hours of training"
    assert f"is kept in {aside}, and the training of model1 begins anew" in caplog.text
    training.close()


def test_a_model_that_has_not_learned_stops_the_preparation_until_it_has(tmp_path: Path) -> None:
    shortfalls = {"model1": ["Model 1 has not learned enough", ""], "model2": [""]}
    commands = {model: command("") for model in shortfalls}
    training = DemoTraining(list(shortfalls), commands, tmp_path, check=lambda model: shortfalls[model].pop(0))
    assert not training.run()
    assert training.failure == "Model 1 has not learned enough"
    assert [step.state for step in training.steps()] == ["weak", "waiting"]
    assert training.steps()[0].run.answer == "of <b>of</b> of", "what it could say stays to be seen"
    assert training.run()
    training.close()


def test_a_progress_file_of_another_version_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    spoil = """
        state["looks"], state["target"], state["answer"], state["seconds_left"] = [1, [2], "ab", [3, "x"]], "?", 7, None
        progress.write_text(json.dumps(state))
        sys.exit(1)
    """
    training = DemoTraining(["model1"], {"model1": command(spoil)}, tmp_path)
    assert not training.run()
    (step,) = training.steps()
    assert (list(step.run.looks), step.run.target, step.run.answer) == ([], None, "7")
    training.close()


def test_closing_ends_the_child_and_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = f"""
        import subprocess
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
        time.sleep(60)
    """
    following = code.replace(str(pids), str(pids) + "2")
    commands = {"model1": command(code), "model2": command(following)}
    training = DemoTraining(list(commands), commands, tmp_path, ahead=True)
    worker = threading.Thread(target=training.run)
    worker.start()
    for file in (pids, tmp_path / "pids2"):
        wait_until(lambda file=file: file.exists() and file.read_text().count(" ") == 1)
    training.close()
    worker.join(5)
    for file in (pids, tmp_path / "pids2"):
        wait_until(lambda file=file: not any(_runs(int(pid)) for pid in file.read_text().split()))


def test_a_training_does_not_outlive_a_killed_app(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = f"""
        import signal, subprocess
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # not even one that does not want to end
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
        time.sleep(60)
    """
    app = f"""if True:
        from pathlib import Path
        from app.demo_training import DemoTraining
        DemoTraining(["model1"], {{"model1": {command(code)!r}}}, Path({str(tmp_path)!r})).run()
    """
    process = subprocess.Popen([sys.executable, "-c", app], cwd=ROOT)
    wait_until(lambda: pids.exists() and pids.read_text().count(" ") == 1, 30)
    assert all(_runs(int(pid)) for pid in pids.read_text().split())
    process.kill()
    process.wait()
    wait_until(lambda: not any(_runs(int(pid)) for pid in pids.read_text().split()), 20)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] if Path("/proc").exists() else True


# The app as it is, but for its training commands and the folders that it and they fill.
SERVE = """
import sys
from pathlib import Path
from app import cli, demo_training
demo_training.COMMANDS.update({commands!r})
demo_training.LOGS = Path({folder!r})
demo_training.CHECKPOINTS.update(model1=Path({folder!r}) / "model1", model2=Path({folder!r}) / "model2")
sys.exit(cli.main(sys.argv[1:]))
"""


def test_the_page_shows_progress_and_opens_by_itself(browser: Browser, tmp_path: Path, gguf: Path) -> None:
    gate = tmp_path / "gate"
    save = f"""
        import shutil
        while not pathlib.Path({str(gate)!r}).exists():
            time.sleep(0.05)
        pathlib.Path({str(tmp_path)!r}, "{{model}}").mkdir()
        shutil.copy({str(gguf)!r}, pathlib.Path({str(tmp_path)!r}, "{{model}}", "model.gguf"))
    """
    commands = {model: command(save.format(model=model)) for model in ("model1", "model2")}
    script = SERVE.format(commands=commands, folder=str(tmp_path))
    running = App(
        tmp_path, "", "", [sys.executable, "-c", script]
    ).start()  # it waits for no training: their gate is shut
    try:
        with Visitor(browser, running.url) as visitor:
            page = visitor.page
            page.wait_for_function("document.getElementById('setup-progress')?.innerText.includes('step 40 of 80')")
            text = page.inner_text("#setup-progress")
            assert "loss 3.25" in text
            assert "about 2 min left" in text
            assert "at most 19 min" in text
            assert "Waiting" in text
            assert "0.70 bits per byte; the goal is 0.10" in text
            assert "What it answers right now to “What is Impressionism?”" in text
            assert "of <b>of</b> of" in text, "as it is, and no markup"
            said = page.get_attribute("#setup-progress svg", "aria-label")
            assert said == (
                "Score on unseen wordings: 0.70 bits per byte; the goal is 0.10. It began at 2.99. 3 scores so far."
            )
            must_be_accessible(page, "waiting")
            with Visitor(browser, running.url, **PHONE_DARK) as phone:
                phone.page.wait_for_selector("#setup-progress svg")
                must_be_accessible(phone.page, "waiting on a phone")
            gate.touch()
            page.wait_for_selector("#start", timeout=120_000)
            visitor.consent()
            visitor.ask("What is Impressionism?")
            visitor.vote("left")
    finally:
        running.stop()


# The real command of Model 1 on a model and a text that are tiny, with the limit that a file names.
TRAIN = """
import sys
from pathlib import Path
from training.train_art_ai_model import main
sys.exit(main([*sys.argv[1:], "--set", "usable_bits_per_byte=" + Path({limit!r}).read_text()]))
"""
TINY = (
    "dim=64 n_layers=1 n_heads=2 n_kv_heads=1 ffn_dim=64 vocab_size=300 max_seq_len=64 seq_len=32 batch_size=4 "
    "micro_batch_size=4 dtype=fp32 epochs=1000 max_seconds=0.5 target_bits_per_byte=0.0001"
)


def test_a_test_opens_with_no_model_that_has_not_learned(
    browser: Browser, tmp_path: Path, chat_server: ChatServer
) -> None:
    """A real training that time ends at a small share of its plan: the page says so, the next start and a researcher's
    click go on from its state, and only a model that is good enough is opened."""
    rows = [{"question": f"Who made work {n}?", "answer": f"Degas made it in 1{n:03}."} for n in range(300)]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    limit, out = tmp_path / "limit", tmp_path / "model1"
    limit.write_text("0.01")
    settings = [word for setting in TINY.split() for word in ("--set", setting)]
    train = [sys.executable, "-c", TRAIN.format(limit=str(limit)), "--resume", "--out", str(out), *settings]
    commands = {"model1": [*train, "--data", str(tmp_path / "quiz.jsonl")]}
    script = SERVE.format(commands=commands, folder=str(tmp_path))
    running = App(tmp_path, "", "", [sys.executable, "-c", script, "--model2", chat_server.spec])
    steps = [0]

    def must_be_refused() -> None:
        wait_until(lambda: running.health()["model1"] == "down", 300)
        steps.append(json.loads((out / "training_report.json").read_text())["steps"])
        logs = [path.read_text()[-2000:] for path in (running.log, *sorted(tmp_path.glob("demo-model1-*.log")))]
        assert steps[-1] > steps[-2], "\n".join(["it did not go on from where it was", *logs])
        with Visitor(browser, running.url) as visitor:
            visitor.page.wait_for_selector("#setup-progress .problem")
            text = visitor.page.inner_text("#setup-progress")
            assert "Model 1 has not learned enough to be tested" in text
            assert "at most 0.01 is asked (ended by time at " in text
            assert "Researchers go on from there with one click" in text
            assert visitor.page.locator("#start").count() == 0

    try:
        running.start()
        must_be_refused()
        running.stop()
        running.start()
        must_be_refused()
        assert "its training goes on" in running.log.read_text()
        limit.write_text("none")
        page = browser.new_page()
        page.goto(f"{running.url}/admin")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", PASSWORD)
        page.click("button")
        page.click("[role=tab]:has-text('Models')")
        page.wait_for_function("document.body.innerText.includes('has not learned enough to be tested')")
        page.click("#models-go-on")
        wait_until(lambda: running.health()["status"] == "ok", 300)
        page.close()
        report = json.loads((out / "training_report.json").read_text())
        assert report["steps"] > steps[-1]
        assert (report["ended_by"], report["plan_share"]) == ("time", report["steps"] / report["planned_steps"])
        with Visitor(browser, running.url) as visitor:
            visitor.page.wait_for_selector("#start")
    finally:
        running.stop()
