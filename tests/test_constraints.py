"""The pinned packages: one version of each for every Python, and those that are installed."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.trained import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def lines(name: str) -> list[Requirement]:
    text = (ROOT / name).read_text().splitlines()
    return [Requirement(line) for line in text if line and not line.startswith(("#", "-r"))]


def pins(python: str, platform: str = "linux") -> dict[str, Requirement]:
    """The constraints that hold for a Python and a system, by name."""
    environment = {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": platform,
    }
    found: dict[str, Requirement] = {}
    for pin in lines("constraints.txt"):
        assert pin.url is None, "no addresses"
        (exact,) = pin.specifier
        assert exact.operator == "=="
        if pin.marker is None or pin.marker.evaluate(environment):
            assert found.setdefault(canonicalize_name(pin.name), pin) is pin, f"{pin.name} twice for Python {python}"
    return found


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("python", PYTHONS)
def test_requirements_and_constraints_agree(python: str, platform: str) -> None:
    pinned = pins(python, platform)
    environment = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": platform}
    for requirement in lines("requirements.txt") + lines("requirements-dev.txt"):
        if requirement.marker is None or requirement.marker.evaluate({**default_environment(), **environment}):
            assert pinned[canonicalize_name(requirement.name)].specifier == requirement.specifier, requirement


def test_every_installed_package_that_is_needed_is_pinned_at_its_version() -> None:
    here = ".".join(default_environment()["python_full_version"].split(".")[:2])
    pinned, seen = pins(here), set()
    wanted = [(requirement, "") for requirement in lines("requirements.txt") + lines("requirements-dev.txt")]
    while wanted:
        requirement, extra = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name == "pip" or (name, extra) in seen:  # pip is what installs
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        seen.add((name, extra))
        try:
            installed = distribution(requirement.name)
        except PackageNotFoundError:  # CUDA's packages where PyTorch is a CPU build
            assert name in pinned, name
            continue
        assert pinned[name].specifier.contains(installed.version.split("+")[0]), (name, installed.version)
        for inner in installed.requires or []:
            wanted += [(Requirement(inner), e) for e in ({""} | requirement.extras)]
    assert len(seen) > 100


EXTRAS = {"feedback": (), "app": ("app",), "training": ("train",), "tests": ("app", "train", "dev")}
"""What is installed for each folder beside the package's own requirements."""
FOR_FEW = {"babel", "lm-eval"}
"""Translators and `--tasks` install these; docs/dependencies.md says so."""
NEEDED_BY = {"accelerate": "peft", "protobuf": "transformers"}


def imported(folder: str) -> dict[str, Path]:
    """The packages that a folder's modules import, wherever in them, each with one of these modules."""
    ours = {"app", "diptych", "feedback", "training", "tests", "benchmarks"}
    names = packages_distributions()
    found: dict[str, Path] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            for module in {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - ours:
                found[canonicalize_name(names.get(module, [module])[0])] = path
    return found


@pytest.mark.parametrize("folder", EXTRAS)
def test_what_a_folder_imports_is_named_where_it_is_installed_from(folder: str) -> None:
    """Else it is there by chance alone, because some other package brings it at present."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for extra in EXTRAS[folder] for line in project["optional-dependencies"][extra]]
    named = {canonicalize_name(Requirement(line).name) for line in [*project["dependencies"], *extras]}
    lacking = {name: path for name, path in imported(folder).items() if name not in named | FOR_FEW}
    assert lacking == {}


def test_what_is_required_is_imported_by_more_than_tests() -> None:
    used = {name for folder in ("app", "feedback", "training") for name in imported(folder)}
    required = {canonicalize_name(line.name) for line in lines("requirements.txt")}
    assert required - used == set(NEEDED_BY)
    assert set(NEEDED_BY.values()) <= required
