"""The pinned packages: one version of each for every Python, and those that are installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.trained import ROOT

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
