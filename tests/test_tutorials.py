"""The tutorials' commands, run: those about votes as they stand, those that train or serve up to their start."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from app import cli
from feedback import __main__ as feedback
from tests.feedback.protocol import open_test, vote_for
from tests.trained import ROOT
from training import compare, evaluate, push, train_art_ai_model

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
MAINS = {
    "app.py": cli.main,
    "feedback": feedback.main,
    "training.compare": compare.main,
    "training.evaluate": evaluate.main,
    "training.push": push.main,
    "training/train_art_ai_model.py": train_art_ai_model.main,
}
UP_TO_THE_START = ("app.py", "training.compare", "training.evaluate", "training/train_art_ai_model.py")
"""Commands that train, measure or serve; of these the arguments are read and checked, by --print-config."""


def commands(page: Path) -> list[tuple[list[str], str]]:
    """Each line of the shell blocks as words, and what its comment says that it prints."""
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S)).splitlines()
    found = [(shlex.split(line, comments=True), line.partition("   # ")[2].strip()) for line in lines]
    return [(words, said) for words, said in found if words]


def a_finished_study(path: Path) -> None:
    test = open_test(path, consent={"version": "1", "text": "Votes are published.", "publication": "votes"})
    for _ in range(3):
        tester = test.enrol("1").id
        vote_for(test, tester, ["model1", "tie"])
        test.close(tester, "quit")
    test.close_study()
    test.database.close()


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_each_command_of_a_tutorial_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("app", "docs"):  # as in the repository's root, where a reader types them
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name, value in {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    for name in ("study.db", "class.db"):
        a_finished_study(tmp_path / name)
    monkeypatch.setattr(feedback, "DEFAULT_PATH", tmp_path / "study.db")
    ran = 0
    for words, said in commands(page):
        ran += 1
        if words[0] in ("git", "make", "cp", "."):
            if words[0] == "cp":
                shutil.copy(*words[1:])
            continue
        assert words[0] == "python", words
        name, *rest = words[2:] if words[1] == "-m" else words[1:]
        if rest[0:1] == ["report"] and not any(word.startswith("--db") for word in rest):
            rest += ["--db", "study.db"]
        stop = ["--print-config"] if name in UP_TO_THE_START else []
        publishes = "--to" in rest  # which ends in one line about the token that is not there
        try:
            code = MAINS[name]([*rest, *stop])
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        if publishes:
            assert code == 2, told.err
            continue
        assert code == 0, f"{words}: {told.err}"
        if re.fullmatch(r"\d+", said):
            assert told.out.strip() == said
    assert ran >= 5
