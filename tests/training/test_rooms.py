"""The folders of ``training/``: each imports only those below it, none in a circle, and late only for a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    *("common", "hardware", "corpus", "data", "models", "reporting", "settings", "loop", "inference", "evaluation"),
    *("comparison", "runs"),
)
"""From the lowest to the highest; the commands, which are files in ``training/`` and each ``__main__``, stand above."""

HEAVY = {
    "torch": "seconds, and hundreds of MB: the app, the comparison and most of the evaluation do without",
    "transformers": "seconds; only those who load a pretrained model need it",
    "tokenizers": "comes with transformers, for one form of GGUF",
    "xllamacpp": "starts llama.cpp's threads; only one kind of model needs it",
    "gguf": "only one kind of model needs it",
    "peft": "seconds; only for LoRA",
    "safetensors": "only where the weights of a folder are looked through that transformers cannot load",
    "httpx": "only where a server is asked",
    "huggingface_hub": "half a second; only for names of the Hub",
    "datasets": "seconds; only for names of the Hub",
    "pyarrow": "half a second; only for Parquet",
    "matplotlib": "a second; and a notebook's MPLBACKEND has to be put aside first",
    "codecarbon": "a second, and it writes logs; only while energy is measured",
    "pycountry": "only for the line that refuses a country",
    "rouge_score": "a second; results come from the cache mostly",
    "sacrebleu": "a second; results come from the cache mostly",
    "lm_eval": "not installed by itself",
    "psutil": "only on Windows",
    "pwd": "not there on Windows",
    "resource": "not there on Windows",
    "scipy": "half a second; only for rows of files",
    "yaml": "only where a configuration is read or written",
}
"""What may be imported late, in a function: packages that are heavy or optional, each with its reason."""

LATE = {
    "training.comparison.base_table": "counts a base's parameters with PyTorch; the models tab shows the page without",
    "training.evaluate": "the model card needs huggingface_hub, half a second",
    "training.evaluation.harness": "PyTorch, for whole texts alone",
    "training.evaluation.local": "PyTorch: a second evaluation has all results in the cache",
    "training.inference.engines.pytorch": "PyTorch: a model that llama.cpp serves is served without",
    "training.export": "PyTorch: --help and a mistake are told at once",
    "training.runs.improve": "TRL and peft, four seconds: --help and a refusal are told without",
    "training.push": "PyTorch: --help and a refusal are told without",
    "training.models.gguf_check": "PyTorch: llama.cpp's answers are compared with it after a GGUF is written",
}
"""Modules that import others of ours in a function, each with its reason."""


@dataclass(frozen=True)
class Import:
    """One module imported by another; late where it happens in a function."""

    by: str
    of: str
    late: bool


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in (ROOT / "training").rglob("*.py")}


def found_in(module: str, node: ast.AST, late: bool = False) -> Iterator[Import]:
    """All imports below a node, those under ``if TYPE_CHECKING`` as well."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(module, name.name, late) for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            for name in child.names:
                yield Import(module, f"{base}.{name.name}" if f"{base}.{name.name}" in MODULES else base, late)
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from found_in(module, child, late or is_function)


@cache
def imports() -> frozenset[Import]:
    return frozenset(
        found for name, path in MODULES.items() for found in found_in(name, ast.parse(path.read_text(encoding="utf-8")))
    )


def height(module: str) -> int:
    parts = module.split(".")
    in_a_room = len(parts) > 1 and parts[1] in ROOMS and parts[-1] != "__main__"
    return ROOMS.index(parts[1]) if in_a_room else len(ROOMS)


def test_a_room_imports_only_what_is_below_it() -> None:
    ours = [found for found in imports() if found.of in MODULES and found.by != "training"]
    assert len(ours) > 300
    assert [found for found in ours if height(found.of) > height(found.by)] == []
    # Only `training` itself, whose two public names are loaded on first use, knows rooms from below.
    assert {found.of for found in imports() if found.by == "training" and found.of in MODULES} == {
        *("training.common.cache", "training.hardware.threads"),
        *("training.inference.generation", "training.models.transformer"),
    }


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = TopologicalSorter({name: {i.of for i in imports() if i.by == name and i.of in MODULES} for name in MODULES})
    graph.prepare()  # raises CycleError with the modules of a circle


def test_what_is_imported_late_has_a_reason() -> None:
    late = {found for found in imports() if found.late}
    packages = {found.of.partition(".")[0] for found in late if found.of not in MODULES}
    assert packages == set(HEAVY)
    assert {found.by for found in late if found.of in MODULES} == set(LATE)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_is_in_it_and_what_it_imports(room: str) -> None:
    said = ast.get_docstring(ast.parse((ROOT / "training" / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert "\n" not in said
    assert "Imports" in said


def test_every_folder_is_a_room() -> None:
    folders = {path.parent.name for path in (ROOT / "training").glob("*/*.py")}
    assert folders == set(ROOMS)


def test_the_benchmarks_import_what_there_is() -> None:
    """They are in no other check: neither run by the suite nor typed."""
    nodes = [node for path in (ROOT / "benchmarks").glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    ours = [n for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("training")]
    assert len(ours) > 20
    for node in ours:
        names = {alias.name for alias in node.names}
        below = {name for name in names if f"{node.module}.{name}" in MODULES}
        assert names - below <= set(vars(import_module(str(node.module)))), node.module
