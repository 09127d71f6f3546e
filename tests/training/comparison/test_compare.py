"""``python -m training.compare``: mistakes in one line, votes from the app's database, what has to be measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from feedback.database import DEFAULT_PATH
from tests.feedback.protocol import Clock, open_test
from tests.training.comparison import evidence_files
from tests.training.comparison.conftest import Written
from training.compare import DATABASE, is_incomplete, main, user_test
from training.comparison import ComparisonError
from training.comparison.evidence import Document, Missing


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with both models and their evaluation."""
    monkeypatch.chdir(tmp_path)
    Path("checkpoints").mkdir()
    return evidence_files.write_all(Path("checkpoints"))


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("python -m training.compare: ")
    assert printed.count("\n") == 1
    return printed


def test_no_checkpoint_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in ((), ("--no-evaluate",)):
        assert "checkpoints/art_ai_model" in mistake(capsys, *arguments)


def test_an_out_that_cannot_be_written(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    assert "file/out: cannot be written" in mistake(capsys, "--out", "file/out", "--no-evaluate")


def test_another_version(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained.write_text('{"version": 2, "models": {}}')
    assert "version 2" in mistake(capsys, "--no-evaluate")


@pytest.mark.parametrize("option", ["--db", "--stats"])
def test_votes_that_are_not_there(trained: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{option} nowhere: there is no such file" in mistake(capsys, option, "nowhere", "--no-evaluate")


def test_options_that_contradict_each_other(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--study is for --db" in mistake(capsys, "--stats", "votes.json", "--study", "s#1")
    assert "model1=x: --no-evaluate measures no model" in mistake(capsys, "model1=x", "--no-evaluate")


def test_statistics_of_another_kind(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no key n_votes" in mistake(capsys, "--stats", str(trained), "--no-evaluate")


def test_the_report_is_written_with_what_is_missing_named(written: Written) -> None:
    """All is measured, so nothing is measured again."""
    assert "report/report.html" in written.output
    assert "missing: Model 2, tasks: not asked for" in written.output
    names = {path.name for path in written.folder.glob("[!.]*")}
    assert names == {"report.html", "report.md", "report.json", "plots", "sources"}


def test_what_has_to_be_measured(trained: Path) -> None:
    assert not is_incomplete(trained)
    content = json.loads(trained.read_text())
    trained.write_text(json.dumps(content | {"models": {"model1": content["models"]["model1"]}}))
    assert is_incomplete(trained)
    trained.write_text(json.dumps(content))
    report = Path("checkpoints/model2_pretrained/training_report.json")
    report.write_text(json.dumps(evidence_files.training_report("model2") | {"train_seconds": 98.1}))
    assert is_incomplete(trained)
    trained.unlink()
    assert is_incomplete(trained)


def test_votes_come_from_the_database_of_the_app(tmp_path: Path) -> None:
    assert DATABASE == DEFAULT_PATH
    path = tmp_path / "votes.db"
    open_test(path, Clock())
    found = user_test(path, None, None)
    assert isinstance(found, Document)
    assert found.content["n_votes"] == 0
    path = tmp_path / "other.db"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(ComparisonError, match=r"other\.db"):
        user_test(path, None, None)


def test_no_database_is_no_mistake_unless_it_was_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("training.compare.ROOT", tmp_path)
    monkeypatch.setattr("training.compare.DATABASE", tmp_path / "feedback" / "diptych.db")
    found = user_test(None, None, None)
    assert isinstance(found, Missing)
    assert found.reason == "no database of votes at feedback/diptych.db"


def test_the_example_is_what_the_command_writes_of_its_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not, copy what the command of docs/comparison.md makes of its sources over it."""
    example = Path(__file__).parents[3] / "docs" / "example-report"
    monkeypatch.chdir(tmp_path)
    for home in ("training.compare.ROOT", "training.comparison.evidence.HOME"):  # with neither votes nor models
        monkeypatch.setattr(home, tmp_path)
    monkeypatch.setattr("training.compare.DATABASE", tmp_path / "feedback" / "diptych.db")
    assert main(["--no-evaluate", "--evaluation", str(example / "sources" / "evaluation.json"), "--out", "new"]) == 0

    def written(folder: Path) -> dict[str, str]:
        files = [path for path in folder.rglob("[!.]*") if path.is_file()]
        texts = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}
        return {name: re.sub(r"Made on .*? UTC|\"made_at\": .*", "", text) for name, text in texts.items()}

    there, now = written(example), written(tmp_path / "new")
    assert there.keys() == now.keys()
    assert [name for name in now if there[name] != now[name]] == []
