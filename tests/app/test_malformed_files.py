"""No file of a model, whatever it holds, breaks a page: nor one of researchers, nor one of testers."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.improve_figures import outcome_html
from app.improvements import improvements_of, is_made_of, kinship_of, next_folder
from app.model_files import EVALUATION, shortfall_of
from app.models_tab import compact_html, models_html
from app.runtime import Runtime
from tests.app.test_improve import improvement
from tests.app.test_models_tab import REPORT, evaluate, runtime_of, specs

__all__ = ["specs"]
WORST: tuple[Any, ...] = ("\0", "/" + "a" * 5000, -1, float("nan"), 10**400, [1, "a"], {"a": 1})
RAW = (b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"", b"[]", b"9" * 5000)


def places(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value of a document stands."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*above, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*above, key))


def with_worst(document: dict[str, Any]) -> Iterator[bytes]:
    """A document with each of its values in turn replaced by each of the worst."""
    for *above, last in places(document):
        for worst in WORST:
            changed = copy.deepcopy(document)
            inner: Any = changed
            for key in above:
                inner = inner[key]
            inner[last] = worst
            yield json.dumps(changed).encode()


def show_all(runtime: Runtime, specs: dict[str, str], new: Path) -> None:
    """What the pages make of the files, as their handlers ask for it."""
    assert models_html(runtime)[0]
    compact_html(runtime)
    kinship_of(specs, {})
    for version in improvements_of(specs["model1"]):
        assert "Version" in outcome_html(version)
    next_folder(specs["model1"])
    for spec in (specs["model1"], str(new)):
        shortfall_of(spec, "model1")
    is_made_of(str(new), {"sha256": "00"})


@pytest.mark.parametrize("which", ["report", "version", "evaluation"])
def test_values_that_no_command_writes(tmp_path: Path, specs: dict[str, str], which: str) -> None:
    runtime, new = runtime_of(tmp_path, specs), tmp_path / "one" / "improved" / "1"
    new.mkdir(parents=True)
    for model in ("one", "two"):
        (tmp_path / model / "metrics.jsonl").write_text("")
    evaluate(tmp_path, specs)
    report = REPORT | {"ended_by": "time", "plan_share": 0.04, "val": {"new_wording": {"bits_per_byte": 0.5}}}
    made = improvement(parent={"path": specs["model1"], "sha256": "00"}, questions=["q1"], accepted=False)
    file, document = {
        "report": (tmp_path / "one" / "training_report.json", report),
        "version": (new / "training_report.json", {"improvement": made}),
        "evaluation": (tmp_path / EVALUATION, json.loads((tmp_path / EVALUATION).read_text())),
    }[which]
    for content in with_worst(document):
        file.write_bytes(content)
        show_all(runtime, specs, new)


@pytest.mark.parametrize("content", RAW, ids=lambda content: repr(content[:5]))
def test_files_that_hold_something_else(tmp_path: Path, specs: dict[str, str], content: bytes) -> None:
    runtime, new = runtime_of(tmp_path, specs), tmp_path / "one" / "improved" / "1"
    new.mkdir(parents=True)
    one = tmp_path / "one"
    files = [one / name for name in ("training_report.json", "metrics.jsonl", "data_card.json", "README.md")]
    for file in (*files, new / "training_report.json", tmp_path / EVALUATION):
        before = file.read_bytes() if file.exists() else None
        file.write_bytes(content)
        show_all(runtime, specs, new)
        file.unlink() if before is None else file.write_bytes(before)
