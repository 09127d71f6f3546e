"""What Windows does otherwise, emulated here as far as it can be: docs/platforms.md says what was only read."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from app import child, processes
from feedback.export.write import _replace as export_replace
from tests.app.serving import wait_until
from tests.trained import ROOT
from training.common import files, locks

FAMILY = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
partial = pathlib.Path(sys.argv[1] + ".new")
partial.write_text(f"{os.getpid()} {inner.pid}")
partial.replace(sys.argv[1])
time.sleep(120)
"""
GUARD = (
    "from app import processes; processes.IS_WINDOWS = True; import sys; from app.guard import main; main(sys.argv[1:])"
)


@pytest.fixture
def as_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process groups, no locks of open files."""
    monkeypatch.setattr(processes, "IS_WINDOWS", True)
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(child, "GUARD", [sys.executable, "-c", GUARD])


def run(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.usefixtures("as_windows")
def test_a_child_ends_with_all_that_it_started_without_process_groups(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.5)
    pids = tmp_path / "pids"
    running = child.Child()
    command = [sys.executable, "-c", FAMILY, str(pids)]
    worker = threading.Thread(target=running.run, args=(command, tmp_path / "log"))
    worker.start()
    wait_until(pids.exists, 60)
    family = [int(pid) for pid in pids.read_text().split()]
    assert all(run(pid) for pid in family)
    running.close()
    worker.join(30)
    wait_until(lambda: not any(run(pid) for pid in family), 30)


def test_the_guard_ends_all_when_the_app_is_killed_without_process_groups(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    guard = subprocess.Popen(
        [sys.executable, "-c", GUARD, sys.executable, "-c", FAMILY, str(pids)], cwd=ROOT, stdin=subprocess.PIPE
    )
    wait_until(pids.exists, 60)
    family = [int(pid) for pid in pids.read_text().split()]
    assert guard.stdin is not None
    guard.stdin.close()  # as the kernel closes it when the app is killed
    guard.wait(60)
    wait_until(lambda: not any(run(pid) for pid in family), 30)


HOLD = """
import sys, time
from pathlib import Path
from training.common import files, locks
locks.fcntl = None
with locks.held(Path(sys.argv[1])) as alone, files.workspace(Path(sys.argv[1]), "model") as place:
    print(alone, place, flush=True)
    time.sleep(120)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that has the folder, and in it a folder that it is writing."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    alone, place = process.stdout.readline().split()
    assert alone == "True"
    yield process, Path(place)
    process.kill()
    process.wait()


@pytest.mark.usefixtures("as_windows")
def test_two_runs_are_kept_apart_without_locks_of_folders(
    tmp_path: Path, holder: tuple[subprocess.Popen[str], Path]
) -> None:
    process, place = holder
    with locks.held(tmp_path) as alone:
        assert not alone
    with files.new_file(tmp_path / "report.json") as partial:
        partial.write_text("{}")
    assert place.is_dir(), "what another process is writing stays"
    process.kill()
    process.wait()
    with files.new_file(tmp_path / "report.json") as partial:
        partial.write_text("{1}")
    assert not place.exists(), "what a killed one left goes"
    with locks.held(tmp_path) as alone:
        assert alone
    assert files.is_ours(tmp_path / "report.json")


@pytest.mark.parametrize("replace", [files.replace, export_replace])
def test_a_file_that_is_being_read_is_replaced_a_moment_later(
    replace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to replace what is open; on other systems the same error is one of rights, and told at once."""
    (tmp_path / "new").write_text("new")
    refused = []
    really = os.replace

    def refuse(source: Any, target: Any) -> None:
        if len(refused) < 3:
            refused.append(target)
            raise PermissionError(13, "The process cannot access the file")
        really(source, target)

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(PermissionError):
        replace(tmp_path / "new", tmp_path / "old")
    assert len(refused) == 1
    source, target = tmp_path / "new", tmp_path / "old"  # no path is made below, where it would be one of Windows
    monkeypatch.setattr("os.name", "nt")
    replace(source, target)
    monkeypatch.undo()
    assert target.read_text() == "new"


@pytest.mark.parametrize(("remove", "by"), [(files.unlink, "os.unlink"), (files.remove_tree, "shutil.rmtree")])
def test_what_a_virus_scanner_reads_is_removed_a_moment_later(
    remove: Any, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `state.pt` of a training is, which was just written; on other systems the same error is one of rights."""
    victim = tmp_path / "state"
    victim.write_text("new") if remove is files.unlink else victim.mkdir()
    refused, really = [], getattr(os if by == "os.unlink" else shutil, by.partition(".")[2])

    def refuse(path: Any, *rest: Any, **options: Any) -> None:
        if len(refused) < 2:
            refused.append(path)
            raise PermissionError(13, "The process cannot access the file")
        really(path, *rest, **options)

    monkeypatch.setattr(by, refuse)
    with pytest.raises(PermissionError):
        remove(victim)
    assert len(refused) == 1
    monkeypatch.setattr("os.name", "nt")
    remove(victim)
    monkeypatch.undo()
    assert not victim.exists()
    assert len(refused) == 2


def test_every_signal_that_ends_a_run_is_heard() -> None:
    """Windows has no SIGHUP, and asks a group to end by SIGBREAK; without importing PyTorch, which takes long."""
    (resume,) = (tree for name, tree in sources() if name == "training/loop/resume.py")
    names = [ast.literal_eval(node.value) for node in ast.walk(resume) if is_named(node, "NAMES")]
    assert names == [("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")]
    code = (
        "import signal; del signal.SIGHUP; signal.SIGBREAK = signal.SIGUSR1; signal.CTRL_BREAK_EVENT = signal.SIGUSR2\n"
        "from app import processes; print(processes.HEARD.name, processes.ASKING.name)"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert shown.split() == ["SIGUSR1", "SIGUSR2"]


def is_named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name


def test_json_is_utf_8_whatever_the_code_page(tmp_path: Path) -> None:
    from tests.feedback.protocol import Clock, open_test

    database = tmp_path / "votes.db"
    open_test(database, Clock())
    command = [sys.executable, "-m", "feedback", "stats", "--db", str(database), "--json", "-"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert '"n_votes": 0' in done.stdout.decode("utf-8")


def test_a_command_prints_what_a_code_page_lacks_by_its_number() -> None:
    """The name of a folder or of a study, where standard output is no terminal."""
    code = "from diptych import command; command(lambda: print('\u7814 \u00fc') or 0)()"
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout.decode("cp1252").split() == ["\\u7814", "ü"]


# -- by reading -----------------------------------------------------------------------------------------------------

POSIX_ONLY = {
    "os": {
        "fchmod",
        "fork",
        "getgid",
        "getpgid",
        "getuid",
        "geteuid",
        "killpg",
        "mkfifo",
        "nice",
        "pread",
        "sched_getaffinity",
        "sched_setaffinity",
        "setsid",
        "statvfs",
        "sysconf",
        "uname",
        "getloadavg",
    },
    "select": {"epoll", "kqueue", "poll"},
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE", "alarm", "pause"},
    "socket": {"AF_UNIX", "SO_REUSEPORT"},
    "time": {"tzset"},
}
MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios"}
GUARDED = {
    "app/processes.py": "behind IS_WINDOWS",
    "app/connections.py": "ImportError is expected",
    "diptych.py": "below a question for os.name",
    "feedback/report/pdf.py": "behind a question for geteuid",
    "training/common/cache.py": "ends at the ImportError of pwd",
    "training/common/locks.py": "ImportError is expected",
    "training/common/workers.py": "behind a question for sched_getaffinity",
    "training/hardware/memory.py": "ImportError is expected",
    "training/hardware/threads.py": "behind a question for sched_getaffinity",
}
"""Where such a use is behind a question for the system, which was read."""


@cache
def sources() -> list[tuple[str, ast.Module]]:
    paths = [path for package in ("app", "feedback", "training") for path in sorted((ROOT / package).rglob("*.py"))]
    paths += [ROOT / name for name in ("app.py", "bootstrap.py", "diptych.py")]
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def uses_what_windows_lacks(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in POSIX_ONLY.get(node.value.id, ()):
                return True
        elif isinstance(node, ast.Import) and MODULES & {alias.name for alias in node.names}:
            return True
    return False


def test_what_windows_lacks_is_used_nowhere_without_a_question() -> None:
    assert {name for name, tree in sources() if uses_what_windows_lacks(tree)} == set(GUARDED)


def test_a_test_of_what_windows_lacks_is_left_out_there() -> None:
    """Those that name a place of Linux were not: no word ends before a slash."""
    from tests.conftest import POSIX_ONLY as LEFT_OUT

    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        places = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        devices = [place for place in places if isinstance(place, str) and place.startswith(("/dev/", "/proc/"))]
        assert re.search(LEFT_OUT, text) or not (devices or uses_what_windows_lacks(tree)), path


def test_a_temporary_folder_that_windows_keeps_ends_no_command() -> None:
    """A browser or a child that has just ended may still have a file of it open there."""
    found = [
        f"{name}:{node.lineno}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("TemporaryDirectory")
        if not any(keyword.arg == "ignore_cleanup_errors" for keyword in node.keywords)
    ]
    assert found == []


def test_every_text_is_read_and_written_as_utf_8() -> None:
    """Windows takes its code page where no encoding is named."""
    found = []
    for name, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and is_text_without_encoding(node):
                found.append(f"{name}:{node.lineno}")
    assert found == []


def is_text_without_encoding(call: ast.Call) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    named = {keyword.arg for keyword in call.keywords}
    if "encoding" in named or None in named:
        return False
    if name in ("read_text", "write_text"):
        return len(call.args) == (name == "write_text")
    if name in ("run", "Popen", "check_output"):
        return bool({"text", "universal_newlines"} & named)
    of_os = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "os"
    if name == "fdopen" or (name == "open" and isinstance(function, ast.Name)):
        modes = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        return not any("b" in str(mode) for mode in modes[-1:])
    if name == "open" and not of_os and call.args and isinstance(call.args[0], ast.Constant):
        return "b" not in str(call.args[0].value) and str(call.args[0].value) in ("r", "w", "a", "x", "rt", "wt")
    return False
