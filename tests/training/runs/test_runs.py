"""What can be known before a training is told before it, and one training at a time has a folder; odd surroundings."""

from __future__ import annotations

import errno
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trained import ROOT
from tests.training.test_writing_commands import SMALL
from tests.training.tiny_run import OPTIONS, Watched, saved_run
from training import train_art_ai_model, train_model2_pretrained
from training.common.cache import cache_folder, give_a_home
from training.common.cli import Stopped, in_one_line, is_installed
from training.common.files import WORKSPACE, new_file
from training.common.locks import held
from training.corpus import CorpusError, load
from training.corpus.cleaned import cleaned
from training.loop.resume import Interruption, TrainingStates, differences
from training.reporting.tracking import tracking_problems
from training.runs.command import one_spelling


def write_quiz(folder: Path, n: int) -> None:
    folder.mkdir(exist_ok=True)
    rows = [{"question": f"Who made work {i}?", "answer": f"Degas made it in 1{i:03}."} for i in range(n)]
    (folder / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Trains two steps on the folder ``texts`` and gives all that was said."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_quiz(tmp_path / "texts", 300)

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        data = [] if "--data" in arguments else ["--data", "texts"]
        assert train_art_ai_model.main([*data, "--out", "out", "--max-steps", "2", *SMALL, *arguments]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return run


def test_a_finished_run_is_trained_anew_where_something_changed(train: Callable[..., str], tmp_path: Path) -> None:
    train("--set", "target_bits_per_byte=none", "--set", "usable_bits_per_byte=none")
    same = ["--resume", "--set", "target_bits_per_byte=none", "--set", "usable_bits_per_byte=none"]
    for data in ("texts", "texts/", "./texts", str(tmp_path / "texts")):
        assert "holds this run already" in train(*same, "--data", data)
    said = train(*same, "--set", "learning_rate=0.002")
    assert "out holds a finished run, but learning_rate was 0.004 and is 0.002; training anew" in said
    write_quiz(tmp_path / "texts", 301)
    assert "the data's files have changed since; training anew" in train(*same, "--set", "learning_rate=0.002")


def test_a_folder_has_one_training_at_a_time(train: Callable[..., str], tmp_path: Path) -> None:
    with held(tmp_path / "out") as alone:
        assert alone
        assert "out is in use by another training; wait for it, stop it, or name another --out" in train(code=2)
        assert "out is in use by another training" in train("--check", code=2)
    assert not (tmp_path / "out").exists()


def test_the_folder_of_one_model_is_no_place_for_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Model 2 took the place of Model 1's report, measurements and GGUF, and with --restart of its states."""
    out = tmp_path / "out"
    states = TrainingStates(out, {"n_layers": 2, "data": ["core"]})
    states.save(1, {})
    commands = (train_model2_pretrained.main, "Model 1", "Model 2"), (train_art_ai_model.main, "Model 2", "Model 1")
    for main, there, mine in commands:
        for start in (["--restart"], ["--resume"], []):
            assert main(["--data", "core", "--out", str(out), "--check", *start]) == 2
            assert f"{out} is the folder of {there}, of which {mine} would lose files" in capsys.readouterr().err
        states.remove()
        (out / "training_report.json").write_text(json.dumps({"model": there.replace("Model ", "model")}))
        assert main(["--data", "core", "--out", str(out), "--check"]) == 2
        assert f"{out} is the folder of {there}, of which {mine} would lose files" in capsys.readouterr().err
        (out / "training_report.json").unlink()
        states = TrainingStates(out, {"base": "gpt2", "data": ["core"]})
        states.save(1, {})


def test_check_tells_what_stands_against_a_run_and_does_nothing(train: Callable[..., str], tmp_path: Path) -> None:
    assert train("--check") == ""
    assert train("--check", "--find-learning-rate") == ""
    assert "no such file" in train("--check", "--data", "nowhere", code=2)
    assert not (tmp_path / "out").exists()


def test_a_source_has_one_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "a=b").mkdir()
    given = ["texts/", "./texts", "texts/=2", "core", "core=2", "a=b/"]
    assert list(map(one_spelling, given)) == ["texts", "texts", "texts=2", "core", "core=2", "a=b"]
    assert differences({"data": ["texts/", "core"]}, {"data": [str(tmp_path / "texts"), "core"]}) == []
    assert differences({"data": ["texts"]}, {"data": ["core"]}) == ["data was ['texts'] and is ['core']"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_the_model_is_written_leaves_nothing_half_written_and_is_said(
    train: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def killed(hf: Path, gguf: Path) -> None:
        with new_file(gguf) as partial:
            partial.write_bytes(b"half")
            os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the suite itself may run under nohup, or in the background
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    try:
        with monkeypatch.context() as patched:
            patched.setattr("training.runs.model1.export_gguf", killed)
            said = train(code=128 + number)
        assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == handlers
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGINT, interrupt)
    assert (
        "stopped while out was written: the trained weights are there, and nothing is half written; go on with" in said
    )
    assert (tmp_path / "out" / "art_ai_best.pt").is_file()
    assert not (tmp_path / "out" / "model.gguf").exists()
    assert not list((tmp_path / "out").glob(f"{WORKSPACE}*"))
    train("--resume")
    assert (tmp_path / "out" / "model.gguf").is_file()
    assert (tmp_path / "out" / "training_report.json").is_file()


def test_a_disk_that_fills_while_the_model_is_written_is_said_at_the_end(
    train: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(hf: Path, gguf: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("training.runs.model1.export_gguf", full)
    said = train()
    assert "model.gguf is not written: [Errno 28] No space left on device" in said
    assert "not written, for the reason above: model.gguf; `python -m training.export out` makes hf and gguf" in said


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "Full"), "a file cannot be written: Full; free some space, or name another place"),
        (OSError(errno.ENOSPC, "Full", "source", None, "place"), "place: Full; free some space, or name another place"),
        (OSError(errno.EFBIG, "Large", "place"), "place: Large; free some space, or name another place"),
    ],
)
def test_a_full_disk_is_a_line_that_names_the_place(error: OSError, line: str) -> None:
    assert in_one_line(error) == line


def test_a_closed_terminal_saves_the_run(tmp_path: Path) -> None:
    def hang_up(step: int) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the suite itself may run under nohup
    try:
        with pytest.raises(Stopped) as stopped:
            saved_run(tmp_path, replace(OPTIONS, max_steps=6), Watched(hang_up)).run()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert stopped.value.exit_code == 128 + signal.SIGHUP
    assert (tmp_path / "resume" / "step-00000003" / "state.pt").is_file()


def test_under_nohup_the_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
        assert interruption.number is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_full_folder_of_temporary_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **more: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("training.corpus.cleaned.tempfile.mkdtemp", full)
    said = r"cannot hold the working copy .*No space left.* set TMPDIR"
    with pytest.raises(CorpusError, match=said), cleaned(load(("conversation",))):
        pass


def test_a_folder_of_its_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_tracker_of_mine").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not is_installed("a_tracker_of_mine")
    assert "pip install a_tracker_of_mine" in tracking_problems("a_tracker_of_mine", Path("out"))[0]
    assert is_installed("tensorboard")


def test_a_user_without_a_name_gets_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    give_a_home()
    assert os.environ["LOGNAME"] == "user54321"
    assert Path.home() == tmp_path / "diptych-home-54321"
    assert Path.home().is_dir()
    for name in ("HOME", "LOGNAME"):
        monkeypatch.delenv(name)  # what give_a_home has set


@pytest.mark.parametrize("given", ["", "rel", "."])
def test_a_home_or_a_cache_by_where_the_command_is_typed_is_none(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty HOME is the root of all folders for Python; what is relative, XDG says, is to be ignored."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, given)
    give_a_home()
    assert Path.home() == Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert cache_folder() == Path.home() / ".cache" / "diptych"
    assert not {"HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"} & os.environ.keys()
    monkeypatch.setenv("XDG_CACHE_HOME", "~/kept")
    give_a_home()
    assert cache_folder() == Path.home() / "kept" / "diptych"


@pytest.mark.parametrize("taken", ["a link", "open to others", "a file"])
def test_a_home_that_somebody_else_made_is_not_used(
    taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = tmp_path / "diptych-home-54321"
    if taken == "a link":
        (tmp_path / "of another").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "of another")
    elif taken == "a file":
        place.write_text("mine")
    else:
        place.mkdir()
        place.chmod(0o777)
    give_a_home()
    assert Path.home() != place
    assert (Path.home().parent, Path.home().stat().st_mode & 0o777) == (tmp_path, 0o700)


WITHOUT_UNIX = """
import os, signal, sys
import datasets, peft, psutil  # libraries take another way there by themselves
from trl import DPOTrainer, KTOTrainer
for module in ("fcntl", "pwd", "grp", "resource", "termios", "pty"):
    sys.modules[module] = None
for module, names in ((signal, ("SIGHUP", "SIGKILL")), (os, ("getuid", "geteuid", "killpg", "fchmod", "setsid"))):
    for name in names:
        delattr(module, name)
real, opened = os.open, set()
def open_no_folder(path, *arguments, **more):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    handle = real(path, *arguments, **more)
    opened.add(str(path))
    return handle
import shutil
shutil._use_fd_functions, os.open = False, open_no_folder
import importlib, pkgutil, training, feedback
from training.common.files import is_ours, new_file, new_folder, replace_text
from training.common.locks import held
from training.loop.resume import Interruption, TrainingStates
from pathlib import Path
folder = Path(sys.argv[1])
for _ in range(2):
    replace_text(folder / "report.json", "{}")
    with new_folder(folder / "hf", "hf") as partial:
        (partial / "config.json").write_text("{}")
states = TrainingStates(folder, {"data": ["core"], "seed": 1})
states.save(1, {"weights": {}})
with Interruption(), held(folder) as alone:
    assert alone and is_ours(folder / "report.json") and states.steps() == [1]
for package in (training, feedback):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
"""


def test_where_the_system_has_no_locks_nor_hang_ups_everything_still_runs(tmp_path: Path) -> None:
    """As on Windows, as far as that can be had here: modules and signals that it lacks, and no folder that opens."""
    command = [sys.executable, "-c", WITHOUT_UNIX, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_terminal_without_utf8_shows_escapes() -> None:
    code = (
        "import argparse; from training.common.cli import run_command\n"
        "raise SystemExit(run_command(lambda a: print('\\U0001f3a8 \\u2192'), argparse.ArgumentParser(), []))"
    )
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"\\U0001f3a8 \\u2192\n")
