"""Another pair of models takes over a running app: nobody's votes are lost, and a restart goes on with it."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.begun import place_of, read_begun
from app.cli import _take_up, main, parser
from app.improvements import improvements_of, is_made_of, next_folder
from app.runtime import Runtime
from app.study_tab import save_study, study_html
from feedback.database import Database
from feedback.study import Study
from tests.app.chat_server import ChatServer
from tests.app.serving import wait_until, write_study
from training.inference.engines import EngineError


def test_other_models_take_over_and_nothing_is_lost(tmp_path: Path, chat_server: ChatServer) -> None:
    other = ChatServer()
    a, b, c = chat_server.spec, other.spec, chat_server.spec.replace("127.0.0.1", "localhost")
    study = Study.load(write_study(tmp_path))
    runtime = Runtime(study, Database(tmp_path / "votes.db"), {"model1": a, "model2": b})
    try:
        runtime.open()
        old, rounds = runtime.blind_test, runtime.rounds
        assert old is not None
        assert rounds is not None
        voter, waiter = (old.enrol("1").id for _ in range(2))
        battle = rounds.begin(voter, "[markup]")
        wait_until(lambda: old.battle(voter, battle.id).votable)
        old._clock = lambda: datetime.now(timezone.utc) + timedelta(seconds=10)  # both were looked at
        old.vote(voter, battle.id, "left")
        rounds.begin(waiter, "[hold]")
        wait_until(lambda: bool(chat_server.streaming))
        next_study = replace(study, name="Before and after")
        file = save_study(next_study, tmp_path / "studies")
        with pytest.raises(EngineError, match="no OpenAI-compatible server"):
            runtime.begin(next_study, file, {"model1": b, "model2": "openai:http://127.0.0.1:9/v1#x"})
        assert runtime.blind_test is old
        assert runtime.specs == {"model1": a, "model2": b}
        assert runtime.engines["model1"].health()["ok"], "nothing has changed"
        assert read_begun(tmp_path / "votes.db") is None

        kept, closed = runtime.engines["model2"], runtime.engines["model1"]
        runtime.begin(next_study, file, {"model1": b, "model2": c})
        assert runtime.engines["model1"] is kept, "what runs is not loaded twice"
        assert kept.health()["ok"]
        assert closed._closed.is_set()
        new = runtime.blind_test
        assert new is not None
        assert (new.label, runtime.study.name) != (old.label, study.name)
        assert new.models["model2"]["source"].startswith("http://localhost")
        assert old.last_battle(waiter).turns[-1].status == "cancelled"  # type: ignore[union-attr]
        assert old.battle(voter, battle.id).vote, "what was voted stays"
        assert new.tester(voter) is None, "who was in the old study is asked anew"
        assert "Other studies" in study_html(runtime)
        assert old.label in study_html(runtime)
        late = new.enrol("1").id
        assert runtime.rounds is not None
        runtime.rounds.begin(late, "[hold]")
        runtime.begin(next_study, file, {"model1": b, "model2": c})  # by a second researcher, at the same moment
        assert runtime.blind_test is new
        assert runtime.rounds.job(late), "whose answers are not stopped"
        assert place_of(tmp_path / "votes.db").stat().st_mode & 0o777 == 0o600, "a SPEC may hold a password"
        told = read_begun(tmp_path / "votes.db")
        assert told is not None
        assert told.specs == {"model1": b, "model2": c}
        assert Study.load(told.study) == next_study
    finally:
        runtime.close()
        other.close()


def test_a_restart_without_options_goes_on_with_what_was_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database, study = tmp_path / "votes.db", write_study(tmp_path)
    (tmp_path / "studies").mkdir()
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    told = {"study": str(study), "model1": "openai:http://localhost:1/v1#x", "model2": str(model)}
    place_of(database).write_text(json.dumps(told))

    def taken_up(*options: str) -> argparse.Namespace:
        arguments = parser().parse_args(["--db", str(database), *options])
        _take_up(arguments)
        return arguments

    taken = taken_up("--port", "0")
    assert (taken.study, taken.model1, taken.model2) == (study, told["model1"], told["model2"])
    assert "Going on with what was begun last" in capsys.readouterr().out
    named = taken_up("--model2", "openai:http://localhost:2/v1#y")
    assert (named.study.name, named.model1) == ("study.toml", None)
    assert named.study != study
    model.unlink()
    assert main(["--db", str(database), "--port", "0"]) == 2
    line = capsys.readouterr().err
    assert str(model) in line
    assert "--model2 SPEC" in line
    place_of(database).write_text("{")
    assert taken_up().study != study, "what cannot be read is nothing"


def test_the_versions_of_a_model_are_found_and_known_by_what_they_were_made_of(tmp_path: Path) -> None:
    folder = tmp_path / "model2_pretrained"
    for number, accepted, place in ((1, True, "."), (2, False, "refused"), (10, True, ".")):
        report = {"improvement": {"accepted": accepted, "parent": {"path": str(folder), "sha256": "f" * 64}}}
        at = folder / "improved" / str(number) / place
        at.mkdir(parents=True)
        (at / "training_report.json").write_text(json.dumps(report))
    (folder / "improved" / "3").mkdir()  # not finished
    (folder / "training_report.json").write_text("{}")
    (folder / "model.gguf").write_bytes(b"GGUF")
    for spec in (folder, folder / "model.gguf"):
        found = improvements_of(str(spec))
        assert [(one.name, one.accepted) for one in found] == [("10", True), ("2", False), ("1", True)]
        assert next_folder(str(spec)) == folder / "improved" / "3", "an unfinished one goes on"
    made = str(folder / "improved" / "1")
    grandchild = folder / "improved" / "11"
    grandchild.mkdir()
    told = {"improvement": {"accepted": True, "parent": {"path": made, "sha256": "a" * 64}}}
    (grandchild / "training_report.json").write_text(json.dumps(told))
    for sha256 in ("a", "f"):
        assert is_made_of(str(grandchild), {"sha256": sha256 * 64}), "the parent's parent too"
    assert not is_made_of(str(grandchild), {"sha256": "e" * 64})
    (folder / "training_report.json").write_text(json.dumps(told))  # a circle, such as by a moved folder
    assert not is_made_of(str(grandchild), {"sha256": "e" * 64})
    (folder / "training_report.json").write_text("{}")
    assert is_made_of(made, {"sha256": "f" * 64})
    assert is_made_of(made, {"sha256": "e" * 64, "weights_sha256": "f" * 64}), "votes of an earlier release"
    assert not is_made_of(made, {"sha256": "e" * 64})
    assert not is_made_of(made, {"kind": "openai"})
    assert not is_made_of(str(folder), {"sha256": "f" * 64})
    assert improvements_of("openai:http://localhost/v1#m") == []
    assert next_folder("openai:http://localhost/v1#m") is None


@pytest.mark.parametrize(("free", "told"), [(1 << 30, None), (2 << 20, "low"), (0, "full")])
def test_health_says_how_full_the_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, told: str | None
) -> None:
    """Also where the log of the database has room left from before, so that it can still be written."""
    database = Database(tmp_path / "votes.db")
    runtime = Runtime(Study.load(write_study(tmp_path)), database, {"model1": "a", "model2": "b"})
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=1 << 40, used=0, free=free))
    try:
        assert runtime.health().get("disk") == told
        assert runtime.health()["database"] == "ok"
    finally:
        runtime.close()
