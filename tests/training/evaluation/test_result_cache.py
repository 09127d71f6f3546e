"""Results are measured once, and again when anything has changed that they depend on."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from training.common.cache import KEPT_DAYS
from training.corpus.embedded import records_sha256
from training.corpus.records import FOLDER
from training.data.prepare import data_key
from training.evaluation import result_cache
from training.evaluation.result_cache import ResultCache, code_version
from training.evaluation.subjects import Unavailable


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "diptych" / "evaluation"


def test_a_cache_that_cannot_be_written_costs_no_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.parent.mkdir()
    folder.write_text("in the place of the folder")
    results = ResultCache()
    assert [results.get("part", {"model": "a"}, lambda n=n: {"n": n}) for n in range(2)] == [{"n": 0}, {"n": 1}]
    assert capsys.readouterr().err.count("results are not kept for the next time: ") == 1


def test_a_result_is_measured_once(folder: Path) -> None:
    measured: list[int] = []

    def measure() -> dict[str, int]:
        measured.append(1)
        return {"n": len(measured)}

    assert ResultCache().get("part", {"model": "a"}, measure) == {"n": 1}
    assert ResultCache().get("part", {"model": "a"}, measure) == {"n": 1}
    assert ResultCache().get("part", {"model": "b"}, measure) == {"n": 2}
    assert ResultCache().get("other", {"model": "a"}, measure) == {"n": 3}
    assert ResultCache(use=False).get("part", {"model": "a"}, measure) == {"n": 4}
    assert ResultCache().get("part", {"model": "a"}, measure) == {"n": 4}
    for path in folder.glob("part-*"):
        path.write_text('{"n": ')  # cut short
    assert ResultCache().get("part", {"model": "a"}, measure) == {"n": 5}
    old = time.time() - (KEPT_DAYS + 1) * 86_400
    for path in folder.glob("*.json"):
        os.utime(path, (old, old))
    ResultCache().get("part", {"model": "c"}, measure)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("room", sorted(path.parent.name for path in result_cache._PACKAGE.glob("*/__init__.py")))
def test_code_of_any_room_makes_other_results(room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "training"
    for path in result_cache._PACKAGE.glob("*/__init__.py"):
        (copy / path.parent.name).mkdir(parents=True)
        (copy / path.parent.name / "__init__.py").write_bytes(path.read_bytes())
    monkeypatch.setattr(result_cache, "_PACKAGE", copy)
    before = code_version.__wrapped__()
    (copy / room / "__init__.py").write_text("changed = True\n")
    assert code_version.__wrapped__() != before


def test_what_fails_or_is_no_number_is_not_kept(folder: Path) -> None:
    def fail() -> None:
        raise Unavailable("no")

    with pytest.raises(Unavailable):
        ResultCache().get("part", {}, fail)
    with pytest.raises(ValueError, match="JSON compliant"):
        ResultCache().get("part", {}, lambda: float("nan"))
    assert not list(folder.glob("*"))


def test_data_are_told_apart_by_what_their_files_hold(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one"}\n')
    before = data_key([str(path)], None)
    assert before == data_key([str(path)], None) != data_key([str(path)], 5)
    path.write_text('{"text": "another"}\n')
    assert data_key([str(path)], None) != before
    assert data_key(["core"], None) == data_key(("core",), None) != data_key(["art"], None)


def test_embedded_data_are_told_apart_by_their_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, keys = tmp_path / "rows.jsonl", {"core": data_key(["core"], None)}
    path.write_text('{"text": "one"}\n')
    keys["file"] = data_key([str(path)], None)
    records = tmp_path / "records"
    shutil.copytree(FOLDER, records)
    assert records_sha256(records) == records_sha256()
    (records / "mine.toml").write_text('[[term]]\nname = "a new one"\n')
    changed = records_sha256(records)
    assert changed != records_sha256()
    monkeypatch.setattr("training.corpus.embedded.records_sha256", lambda: changed)
    assert data_key(["core"], None) != keys["core"]
    assert data_key([str(path)], None) == keys["file"]
