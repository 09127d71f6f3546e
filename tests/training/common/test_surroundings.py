"""Commands where nobody has a name or a home, there is no git, and caches can only be read: in processes that really
have no right to write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.trained import ROOT
from tests.training.test_writing_commands import SMALL
from training.corpus import __main__ as corpus

NOBODY = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
"""Runs a command as a user whom the system does not know; the rights of root, whom no mode stops, are gone."""


@cache
def can_be_nobody() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NOBODY, "true"], capture_output=True).returncode == 0


def as_nobody(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Without HOME, LANG and git, and with nothing in the environment but what is given and where bytecode lies."""
    words = [shutil.which("unshare") or "", *NOBODY[1:], sys.executable, *command]
    bytecode = {name: value for name, value in os.environ.items() if name == "PYTHONPYCACHEPREFIX"}
    environment = {"PATH": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"} | bytecode | environment
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)


@pytest.fixture
def texts(tmp_path: Path) -> str:
    if not can_be_nobody():
        pytest.skip("this system lets nobody be another user")
    rows = [{"question": f"Who made work {n}?", "answer": f"Degas made it in 1{n:03}."} for n in range(300)]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "shut").mkdir(mode=0o555)
    (tmp_path / "tmp").mkdir()
    return str(tmp_path / "quiz.jsonl")


def test_a_training_needs_no_name_no_home_and_no_git(texts: str, tmp_path: Path) -> None:
    command = ["training/train_art_ai_model.py", "--data", texts, "--out", str(tmp_path / "out"), "--max-steps", "1"]
    done = as_nobody(*command, *SMALL, TMPDIR=str(tmp_path / "tmp"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads((tmp_path / "out" / "training_report.json").read_text())
    assert all(report["written"].values()), report["written"]
    assert (tmp_path / "tmp" / "diptych-home-54321" / ".cache" / "diptych" / "prepared").is_dir()


def test_a_place_that_cannot_be_written_is_one_line_with_a_remedy(texts: str, tmp_path: Path) -> None:
    shut = str(tmp_path / "shut")
    prepare = ("-m", "training.corpus", "prepare", "--data", texts)
    for command, said in (
        (prepare, "diptych/prepared: cannot be written (Permission denied); set XDG_CACHE_HOME to a folder that can"),
        (("-m", "training.corpus", "build", "--data", texts, "--out", f"{shut}/c.jsonl"), "choose another place with"),
        (("training/train_art_ai_model.py", "--data", texts, "--out", f"{shut}/out"), "check its permissions, or name"),
        (("training/train_art_ai_model.py", "--check", "--out", shut), f"{shut} cannot be written by this user"),
        (("-m", "training.evaluate", f"m={texts}", "--json", f"{shut}/e.json"), f"{shut} cannot be written by this"),
    ):
        done = as_nobody(*command, HOME=shut, XDG_CACHE_HOME=shut, TMPDIR=str(tmp_path / "tmp"))
        assert done.returncode == 2, done.stderr
        (line,) = done.stderr.splitlines()
        assert said in line
    assert not os.listdir(shut)


def test_what_another_user_s_run_has_left_is_told_before_a_training(texts: str, tmp_path: Path) -> None:
    """As where a container trained as root into a folder of everybody's: it was told when the weights were written."""
    for name, mode in (("list", 0o444), ("folder", 0o555), ("well", 0o755)):
        (tmp_path / name / "hf").mkdir(parents=True)
        (tmp_path / name / ".diptych.json").write_text("{}")
        (tmp_path / name / (".diptych.json" if name == "list" else "hf")).chmod(mode)
    code = "import sys; from pathlib import Path; from training.common.files import unwritable\n"
    code += "for name in sys.argv[1:]: print(*unwritable(Path(name), ['hf', 'final']))"
    done = as_nobody("-c", code, *(str(tmp_path / name) for name in ("list", "folder", "well", "shut", "shut/new")))
    told = [line.partition(" cannot be written by this user; ")[0] for line in done.stdout.splitlines()]
    assert told == [
        str(tmp_path / "list" / ".diptych.json"),
        str(tmp_path / "folder" / "hf"),
        "",
        str(tmp_path / "shut"),
        str(tmp_path / "shut"),
    ], done.stderr


def test_what_lies_in_a_cache_that_can_only_be_read_is_used(
    texts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    prepare = ["prepare", "--data", texts, "--vocab-size", "300"]
    assert corpus.main(prepare) == 0
    folders = [tmp_path / "cache", *(path for path in (tmp_path / "cache").rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        done = as_nobody("-m", "training.corpus", *prepare, XDG_CACHE_HOME=str(tmp_path / "cache"))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "prepared data found in" in done.stdout
