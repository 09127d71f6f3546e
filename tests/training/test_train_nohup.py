"""`bash train_nohup.sh`: in the background, once, stoppable."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


STANDS_STILL = """
import signal, sys, time
def save(*_):
    time.sleep(1)
    sys.exit("saved")
signal.signal(signal.SIGTERM, save)
if "--check" in sys.argv:
    sys.exit("dim=7 is no setting of this model" if "dim=7" in sys.argv and "model2" in sys.argv[0] else 0)
print(sys.argv[1:])
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script and training commands that stand still, in place of hours of training."""
    shutil.copy(ROOT / "train_nohup.sh", tmp_path)
    package = tmp_path / "training"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("train_art_ai_model", "train_model2_pretrained"):
        (package / f"{name}.py").write_text(STANDS_STILL)
    return tmp_path


def nohup(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "train_nohup.sh", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20)


def running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_runs_on_tells_how_to_watch_and_stop_it_and_refuses_a_second(folder: Path) -> None:
    started = nohup(folder, "model1", "--max-steps", "7")
    assert started.returncode == 0, started.stderr
    lines = dict(re.findall(r"^(\w+): +(.+)$", started.stdout, re.M))
    pid = int(lines["process"])
    try:
        for _ in range(100):
            if "--max-steps" in (folder / lines["log"]).read_text():
                break
            time.sleep(0.1)
        assert "['--max-steps', '7', '--resume']" in (folder / lines["log"]).read_text()
        assert "go on:   bash train_nohup.sh model1 --max-steps 7\n" in started.stdout
        assert lines["watch"] == f"tail -f {lines['log']}"
        os.killpg(pid, signal.SIGHUP)  # the terminal is closed
        time.sleep(0.2)
        assert running(pid)
        for again in ("model1", "both"):
            second = nohup(folder, again)
            assert second.returncode == 2
            assert f"already running as process {pid}" in second.stderr
    finally:
        subprocess.run(lines["stop"], shell=True, check=True)
    assert "already running" in nohup(folder, "model1").stderr  # it still saves
    for _ in range(100):
        if not running(pid):
            break
        time.sleep(0.1)
    assert not running(pid), signal.SIGTERM
    assert "saved" in (folder / lines["log"]).read_text()


def stop(started: subprocess.CompletedProcess[str]) -> None:
    lines = dict(re.findall(r"^(\w+): +(.+)$", started.stdout, re.M))
    subprocess.run(lines["stop"], shell=True, check=True)


def test_of_two_starts_at_once_one_begins_a_run(folder: Path) -> None:
    """Both looked before either had begun, and wrote into one log; what became of the second stood there alone."""
    (folder / "logs").mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (folder / "logs" / ".starting").write_text(f"{gone.pid}\n")  # of a start that was killed
    command = ["bash", "train_nohup.sh", "model1"]
    starts = [subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = "".join(start.communicate(timeout=120)[1] for start in starts)
    group = int((folder / "logs" / "model1.pid").read_text())
    try:
        assert sorted(start.returncode for start in starts) == [0, 2]
        assert f"model1 is already running as process {group}; wait for it or stop it" in told
        assert not (folder / "logs" / ".starting").exists()
    finally:
        os.killpg(group, signal.SIGKILL)


def test_a_number_that_is_another_programs_by_now_is_no_run(folder: Path) -> None:
    """After a restart of the machine the second was refused for ever, with the advice to kill that program."""
    (folder / "logs").mkdir()
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        (folder / "logs" / "model1.pid").write_text(f"{other.pid}\n")
        started = nohup(folder, "model1", "--max-steps", "7")
        other.terminate()
    assert started.returncode == 0, started.stderr
    stop(started)


def test_what_stands_against_the_second_run_is_told_before_the_first_begins(folder: Path) -> None:
    refused = nohup(folder, "both", "--set", "dim=7")
    assert refused.returncode != 0
    assert refused.stderr == "dim=7 is no setting of this model\n"
    assert list((folder / "logs").iterdir()) == []


def test_paths_are_meant_from_where_the_command_was_typed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also through a link to the script, from a folder with a space in its name."""
    here = tmp_path_factory.mktemp("other place") / "of mine"
    here.mkdir()
    (here / "texts").mkdir()
    (here / "train.sh").symlink_to(os.path.relpath(folder / "train_nohup.sh", here))
    words = ["--data", "texts", "texts/=2", "core", "--out", "run 1", "--progress=p.json", "--set", "dim=8"]
    started = subprocess.run(
        ["bash", "train.sh", "model1", *words], cwd=here, capture_output=True, text=True, timeout=20
    )
    assert started.returncode == 0, started.stderr
    log = Path(re.findall(r"^log: +(.+)$", started.stdout, re.M)[0])
    try:
        for _ in range(100):
            if "--set" in log.read_text():
                break
            time.sleep(0.1)
        places = [f"{here}/texts", f"{here}/texts/=2", "core", "--out", f"{here}/run 1", f"--progress={here}/p.json"]
        assert str(["--data", *places, "--set", "dim=8", "--resume"]) in log.read_text()
        assert log.parent == folder / "logs"
    finally:
        stop(started)


@pytest.mark.parametrize(
    "words",
    [
        *(["model1", "--plan"], ["model2", "--list-bases"], ["both", "--list-bases"], ["--list-bases"]),
        *(["both", "--plan-for=cuda"], ["--plan"], ["both", "--set", "dim=8", "--help"], ["both", "-h"], ["--check"]),
    ],
)
def test_what_only_tells_something_starts_no_run(folder: Path, words: list[str]) -> None:
    for name in ("train_art_ai_model", "train_model2_pretrained"):
        (folder / "training" / f"{name}.py").write_text(f"import sys; print('{name}', *sys.argv[1:])")
    told = nohup(folder, *words)
    assert (told.returncode, told.stderr) == (0, "")
    assert ("train_art_ai_model" in told.stdout) == (words[0] != "model2" and "--list-bases" not in words)
    assert ("train_model2_pretrained" in told.stdout) == (words[0] != "model1")
    assert words[-1] in told.stdout
    assert not (folder / "logs").exists()


SAYS = "import sys; print(sys.argv[0].rpartition('/')[2], sys.argv[1:])"


def test_with_both_each_model_has_its_own_file_and_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("train_art_ai_model", "train_model2_pretrained"):
        (folder / "training" / f"{name}.py").write_text(SAYS)
    here = tmp_path_factory.mktemp("other place")
    words = ["--config1", "a 1.yaml", "--seed", "7", "--config2=b.yaml", "--out2", "o"]
    command = ["bash", str(folder / "train_nohup.sh"), "both", *words]
    started = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=20)
    assert started.returncode == 0, started.stderr
    own1, own2 = ["--config", f"{here}/a 1.yaml"], [f"--config={here}/b.yaml", "--out", f"{here}/o"]
    expected = [
        f"train_art_ai_model.py {['--seed', '7', '--resume', *own1]}",
        f"train_model2_pretrained.py {['--seed', '7', '--resume', *own2]}",
    ]
    log = Path(re.findall(r"^log: +(.+)$", started.stdout, re.M)[0])
    for _ in range(100):
        if len(log.read_text().splitlines()) == 2:
            break
        time.sleep(0.1)
    assert log.read_text().splitlines() == expected
    told = subprocess.run([*command, "--print-config"], cwd=here, capture_output=True, text=True, timeout=20)
    assert [line.count("--config") for line in told.stdout.splitlines()] == [1, 1]


@pytest.mark.parametrize("option", ["--config", "--out"])
@pytest.mark.parametrize("joined", [False, True])
def test_one_file_or_folder_for_both_models_is_refused(folder: Path, option: str, joined: bool) -> None:
    refused = nohup(folder, "both", *([f"{option}=x"] if joined else [option, "x"]))
    assert refused.returncode == 2
    told = f"train_nohup.sh: {option} with both would be one for two models; give {option}1 and {option}2\n"
    assert refused.stderr == told
    assert not (folder / "logs").exists()


def test_what_cannot_be_told_fails_as_the_command_does(folder: Path) -> None:
    for name in ("train_art_ai_model", "train_model2_pretrained"):
        (folder / "training" / f"{name}.py").write_text("raise SystemExit(2)")
    assert nohup(folder, "both", "--plan", "--set", "dim=x").returncode == 2
    assert not (folder / "logs").exists()


def test_an_unknown_run_is_one_line(folder: Path) -> None:
    refused = nohup(folder, "model3")
    assert refused.returncode == 2
    assert refused.stderr == "train_nohup.sh: 'model3' is not a run; use model1, model2 or both\n"
