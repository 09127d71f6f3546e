"""Dockerfile, compose.yaml and what is done without Docker: one set of steps, and nginx as the guide has it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import image_steps
from tests.trained import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def values(word: str) -> list[str]:
    return [rest for name, rest in image_steps.instructions(DOCKERFILE) if name == word]


def test_every_step_of_the_image_is_one_that_the_script_performs(tmp_path: Path, monkeypatch: Any) -> None:
    ran: list[str] = []
    monkeypatch.setattr("subprocess.run", lambda command, **_: ran.append(command[-1]))
    image = image_steps.carry_out(DOCKERFILE, tmp_path)
    copied = {path.relative_to(tmp_path / "src").as_posix() for path in (tmp_path / "src").rglob("*.py")}
    assert {"setup.py", "app/__main__.py", "feedback/study.py", "training/corpus/__init__.py"} <= copied
    assert [" -m venv " in ran[0], '-c constraints.txt ".[app]" && ' in ran[1]] == [True, True]
    assert ran[1].partition(" && ")[2].startswith(f"find {tmp_path}/opt/diptych ")
    assert image.folder == tmp_path / "data"
    assert image.entrypoint == ["diptych"]
    assert "/healthz" in image.health[-1]
    with pytest.raises(ValueError, match="ADD"):
        image_steps.carry_out("ADD x y\n", tmp_path)


def test_the_image_runs_as_nobody_of_importance_and_keeps_votes_out_of_itself() -> None:
    assert values("USER") == ["10001"]
    assert any("libgomp1" in rest for rest in values("RUN")), "without it llama.cpp does not load in the slim image"
    assert values("VOLUME") == ['["/data"]']
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    assert "**/*.db*" in ignored
    named = {word for rest in values("COPY") if "--from" not in rest for word in rest.split()[:-1]}
    assert named == {line[1:] for line in ignored if line.startswith("!")}


def test_compose_starts_nginx_as_the_guide_has_it() -> None:
    block = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8"), re.S)
    assert block is not None
    guide = block[1].replace("/diptych/ {", "/ {").replace("127.0.0.1:7860", "app:7860")
    guide = guide.replace("/etc/ssl/certs/", "/etc/nginx/certificates/")
    guide = guide.replace("/etc/ssl/private/", "/etc/nginx/certificates/")
    assert COMPOSE["configs"]["nginx"]["content"].replace("$$", "$").split() == guide.split()
    trusted = SERVICES["nginx"]["networks"]["inside"]["ipv4_address"]
    assert f"--trust-proxy={trusted}" in SERVICES["app"]["command"]
    pool = COMPOSE["networks"]["inside"]["ipam"]["config"][0]
    assert ip_address(trusted) in ip_network(pool["subnet"])
    assert ip_address(trusted) not in ip_network(pool["ip_range"]), "the app, started first, would be given it"
    assert ip_network(pool["ip_range"]).subnet_of(ip_network(pool["subnet"]))  # type: ignore[arg-type]


def test_each_profile_serves_both_models_under_the_names_that_the_app_is_told() -> None:
    for profile in ("vllm", "llama-cpp"):
        servers = [service for service in SERVICES.values() if profile in service.get("profiles", [])]
        names = [server["networks"]["inside"]["aliases"] for server in servers]
        assert names == [["model1"], ["model2"]]
        for server, (name,) in zip(servers, names, strict=True):
            assert name in " ".join(server["command"])
            assert "8000" in " ".join(server["command"])
            assert ":8000/health" in server["healthcheck"]["test"][-1]
    assert set(SERVICES["app"]["depends_on"]) == {name for name, service in SERVICES.items() if "profiles" in service}
    devices = [SERVICES[name]["deploy"]["resources"]["reservations"]["devices"][0] for name in ("vllm1", "vllm2")]
    assert [device["device_ids"] for device in devices] == [["0"], ["1"]]
    assert "ports" not in SERVICES["app"], "only nginx is reached from outside"


def test_the_app_s_options_in_compose_are_options_of_the_app() -> None:
    from app.cli import parser

    command = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in SERVICES["app"]["command"]]
    assert command[0] == "app"
    assert parser().parse_args(command[1:]).model1 == "/models/art_ai_model"


# -- the habits of a repository -------------------------------------------------------------------------------------

NOTES = importlib.util.spec_from_file_location("release_notes", ROOT / ".github" / "release_notes.py")


def test_the_checks_of_each_system_are_those_of_make_test() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    assert {system.split("-")[0] for system in job["strategy"]["matrix"]["os"]} == {"ubuntu", "macos", "windows"}
    (command,) = (step["run"] for step in job["steps"] if "bootstrap" in step.get("run", ""))
    recipe = re.search(r"^test:\n\t@\$\(PYTHON\) (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert recipe is not None
    assert command == f"python {recipe[1]}"


def test_the_notes_of_a_release_are_its_section_of_the_changelog() -> None:
    assert NOTES is not None
    assert NOTES.loader is not None
    module: Any = importlib.util.module_from_spec(NOTES)
    NOTES.loader.exec_module(module)
    text = "# Changelog\n\n## Unreleased\n\n## [1.1.0] - 2026-12-01\n\n### Added\n- Two.\n\n## 1.0.0\n- One.\n"
    assert module.notes(text, "1.1.0") == "### Added\n- Two.\n"
    assert module.notes(text, "1.0.0") == "- One.\n"
    with pytest.raises(ValueError, match="is empty"):
        module.notes(text, "Unreleased")
    done = subprocess.run([sys.executable, ".github/release_notes.py", "9.9"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "9.9: has no section in CHANGELOG.md; it has Unreleased" in done.stderr


def test_who_cites_names_this_version_and_licence() -> None:
    from feedback import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (__version__, "MIT")
    assert citation["authors"][0]["name"] in (ROOT / "LICENSE").read_text(encoding="utf-8")
