"""The training of missing checkpoints: a child process, its progress on the page, its end and its failure."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.demo_training import DemoTraining
from tests.app.serving import ROOT, App, wait_until
from tests.app.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Stands for a training command: what it writes is what the real ones promise to write.
TRAINING = """
import json, os, pathlib, sys, time
progress = pathlib.Path(sys.argv[sys.argv.index("--progress") + 1])
state = {"stage": "train", "message": "training", "step": 40, "steps": 80, "loss": 3.25, "val_loss": None,
         "tokens_per_second": 9000.0, "seconds_left": 90.0, "updated": time.time()}
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


def test_a_failure_names_the_log(tmp_path: Path) -> None:
    commands = {"model1": command("sys.exit('no disk space')"), "model2": command("")}
    training = DemoTraining(["model1", "model2"], commands, tmp_path)
    assert not training.run()
    assert [step.state for step in training.steps()] == ["failed", "waiting"]
    [log] = tmp_path.glob("*.log")
    assert str(log) in training.failure
    assert "no disk space" in log.read_text()
    training.close()


def test_closing_ends_the_child_and_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = f"""
        import subprocess
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
        time.sleep(60)
    """
    training = DemoTraining(["model1"], {"model1": command(code)}, tmp_path)
    worker = threading.Thread(target=training.run)
    worker.start()
    wait_until(lambda: pids.exists() and pids.read_text().count(" ") == 1)
    training.close()
    worker.join(5)
    wait_until(lambda: not any(_runs(int(pid)) for pid in pids.read_text().split()))


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
    started = time.monotonic()
    running = App(tmp_path, "", "", [sys.executable, "-c", script]).start()
    try:
        assert time.monotonic() - started < 15
        with Visitor(browser, running.url) as visitor:
            page = visitor.page
            page.wait_for_function("document.getElementById('setup-progress')?.innerText.includes('step 40 of 80')")
            text = page.inner_text("#setup-progress")
            assert "loss 3.25" in text
            assert "about 2 min left" in text
            assert "Waiting" in text
            gate.touch()
            page.wait_for_selector("#start", timeout=30_000)
            visitor.consent()
            visitor.ask("What is Impressionism?")
            visitor.vote("left")
    finally:
        running.stop()
