"""Files that the project wrote are known again, and a kill or a full disk leaves nothing half done."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from feedback.export.write import replace_file
from tests.trained import ROOT
from tests.training.evaluation.tiny_checkpoint import save_tiny_checkpoint
from training.common.files import (
    MANIFEST,
    WHOLE,
    WORKSPACE,
    ForeignFileError,
    is_ours,
    new_file,
    new_folder,
    print_of,
    replace_text,
    replacing,
    sign,
)
from training.common.progress import Progress
from training.loop.resume import TrainingStates
from training.reporting.report import Metrics, read_metrics
from training.runs.checks import adopt_old_run

Main = Callable[[list[str]], int]


def test_a_run_of_a_version_that_noted_nothing_is_known(tmp_path: Path) -> None:
    folder = save_tiny_checkpoint(tmp_path / "model")
    (folder / "README.md").write_text("my own notes on this model")
    for manifest in folder.rglob(MANIFEST):
        manifest.unlink()
    adopt_old_run(folder)
    assert all(is_ours(folder / name) for name in ("art_ai_best.pt", "model.gguf", "training_report.json"))
    assert not is_ours(folder / "README.md")
    with new_folder(folder / "hf", "hf"):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "training_report.json").write_text('{"model": "of another program"}')
    adopt_old_run(tmp_path / "other")
    assert not (tmp_path / "other" / MANIFEST).exists()


def test_measurements_are_known_however_long_they_grow(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    for step in range(3):
        metrics.write(step=step, seconds=0.1)
        assert is_ours(path)
    path.write_text('{"step": 0, "of": "another program"}\n')
    with pytest.raises(ForeignFileError):
        Metrics(path)


def test_measurements_of_a_run_that_is_killed_at_the_first_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.reporting.report.sign_growing", killed)
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(KeyboardInterrupt):
        Metrics(path).write(step=0, seconds=0.1)
    assert is_ours(path)
    assert [row["step"] for row in read_metrics(path)] == [0]
    Metrics(path, keep_until_step=0)


def test_what_is_large_is_known(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with new_file(path) as partial:
        partial.write_bytes(os.urandom(3 << 20))
    assert is_ours(path)
    content = bytearray(path.read_bytes())
    edges = print_of(path, like=f"{len(content)} of a version that read edges alone")
    for place in (0, len(content) // 2, len(content) - 1):
        changed = content.copy()
        changed[place] ^= 1
        path.write_bytes(changed)
        assert not is_ours(path)
    path.write_bytes(content)
    os.utime(path, (0, 0))  # a copy has another time
    assert is_ours(path)
    sign(tmp_path, {path.name: edges})
    sign(tmp_path, {path.name: edges})
    assert is_ours(path)
    os.truncate(path, WHOLE + 1)
    sign(tmp_path, {path.name: print_of(path)})
    assert is_ours(path)
    assert f"{WHOLE + 1} " in print_of(path), "a large model is known by its edges"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForeignFileError), new_file(path):
        pass


def test_states_of_training_leave_other_files_alone(tmp_path: Path) -> None:
    states = TrainingStates(tmp_path, {"data": ["core"], "seed": 1})
    states.save(1, {"weights": {}})
    states.save(2, {"weights": {}})
    (states.folder / "cv.pdf").write_text("mine")
    (states.path(2) / "notes.txt").write_text("mine")
    (states.folder / "old.partial").mkdir()
    assert states.problems("resume") == [] or "step-00000002/notes.txt" in states.problems("resume")[0]
    states.remove()
    assert (states.folder / "cv.pdf").read_text() == "mine"
    assert [path.read_text() for path in states.folder.rglob("notes.txt")] == ["mine"]
    assert (states.folder / "old.partial").is_dir()
    assert not list(states.folder.rglob("state.pt"))


def python(code: str, *arguments: Path | str) -> subprocess.Popen[str]:
    """A process of its own; PyTorch's threads do not survive a fork of this one."""
    head = "import os, pathlib, signal, sys, time\nfrom training.common.files import new_folder, replace_text\n"
    command = [sys.executable, "-c", head + textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_what_a_killed_process_left_is_removed_by_the_next_and_not_before(tmp_path: Path) -> None:
    process = python(
        """
        with new_folder(sys.argv[1], "hf") as partial:
            (partial / "config.json").write_text("new")
            print("started", flush=True)
            time.sleep(60)
        """,
        tmp_path / "hf",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    (tmp_path / f"{WORKSPACE}mine").mkdir()  # of somebody's who likes the name
    replace_text(tmp_path / "other.json", "{}")
    assert len(list(tmp_path.glob(f"{WORKSPACE}*/{MANIFEST}"))) == 1  # it is alive
    process.kill()
    process.communicate()
    replace_text(tmp_path / "other.json", "{}")
    assert [path.name for path in tmp_path.glob(f"{WORKSPACE}*/")] == [f"{WORKSPACE}mine"]


def test_a_folder_is_there_again_after_a_kill_between_its_two_renames(tmp_path: Path) -> None:
    with new_folder(tmp_path / "hf", "hf") as partial:
        (partial / "config.json").write_text("old")
    process = python(
        """
        real = os.replace
        def replace(a, b):
            real(a, b)
            if pathlib.Path(b).name == "old":
                os.kill(os.getpid(), signal.SIGKILL)
        os.replace = replace
        with new_folder(sys.argv[1], "hf") as partial:
            (partial / "config.json").write_text("new")
        """,
        tmp_path / "hf",
    )
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "hf").exists()
    replace_text(tmp_path / "other.json", "{}")
    assert (tmp_path / "hf" / "config.json").read_text() == "new"
    assert is_ours(tmp_path / "hf" / "config.json")


def test_a_folder_stays_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(text: str) -> None:
        with new_folder(tmp_path / "hf", "hf") as partial:
            (partial / "config.json").write_text(text)

    write("old")
    rename = os.replace

    def interrupted(source: Path, target: Path) -> None:
        if Path(source).name == "new":
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write("new")
    assert (tmp_path / "hf" / "config.json").read_text() == "old"
    assert is_ours(tmp_path / "hf" / "config.json")


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        replace_text(tmp_path / "out" / "report.json", "{}")
    Progress(tmp_path / "out" / "progress.json").stage("train", "training")
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {MANIFEST}


def test_processes_that_write_at_once_forget_nothing_of_each_other(tmp_path: Path) -> None:
    code = 'for n in range(40): replace_text(pathlib.Path(sys.argv[1]) / f"{sys.argv[2]}{n}.json", "{}")'
    processes = [python(code, tmp_path, name) for name in "ab"]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert all(is_ours(tmp_path / f"{name}{number}.json") for name in "ab" for number in range(40))
    assert not [path for path in tmp_path.iterdir() if not re.fullmatch(r"[ab]\d+\.json|\.diptych\.json", path.name)]


def test_no_file_is_written_by_way_of_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the whole process's: two threads that change it and change it back may leave the one's for good."""
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the umask was changed"))
    with replacing(tmp_path / "a.json") as file:
        file.write("{}")
    replace_file(tmp_path / "votes.csv", [b"a"])
    replace_file(tmp_path / "secret", [b"a"], mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    rights = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.name != "secret"}
    (tmp_path / "any").touch()
    assert rights == {(tmp_path / "any").stat().st_mode & 0o777}
