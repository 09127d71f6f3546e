"""Setting up with Python alone: which PyTorch is taken and why, what is installed again, what is told of a mistake."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.trained import ROOT


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, over a folder of its own, that notes what it would run."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        (tmp_path / name).write_text("torch==2.13.0\n")
    module.ran, module.unpatched_run = [], module.run
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "run", lambda *command, quiet=False: module.ran.append(" ".join(command)))
    monkeypatch.setattr(module, "settings_of_pip", dict)
    monkeypatch.setattr(module, "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    monkeypatch.delenv("DIPTYCH_TORCH", raising=False)
    (tmp_path / ".venv").mkdir()
    return module


CPU, GPU = "https://download.pytorch.org/whl/cpu", "https://download.pytorch.org/whl/cu130"


@pytest.mark.parametrize(
    ("asked", "system", "gpu", "sources", "index", "told"),
    [
        ("", "Linux", False, [], CPU, "No NVIDIA GPU"),
        ("", "Linux", True, [], "", ""),
        ("", "Linux", False, ["find-links"], "", "find-links"),
        ("", "Windows", False, [], "", ""),
        ("", "Windows", True, [], "", f"DIPTYCH_TORCH={GPU}"),
        ("", "Darwin", False, [], "", ""),
        ("pip", "Linux", False, [], "", ""),
        ("cpu", "Linux", True, ["index-url"], CPU, ""),
        ("cpu", "Darwin", False, [], "", ""),
        (GPU, "Windows", True, [], GPU, ""),
    ],
)
def test_which_pytorch_is_taken(
    asked: str, system: str, gpu: bool, sources: list[str], index: str, told: str, bootstrap: ModuleType
) -> None:
    found, why = bootstrap.torch_index(asked, system, gpu, sources)
    assert found == index
    assert told in why
    assert bool(told) == bool(why)


def test_pytorch_comes_alone_and_first_where_its_index_is_asked(bootstrap: ModuleType, monkeypatch: Any) -> None:
    bootstrap.install()
    _, torch, rest = bootstrap.ran
    assert re.search(rf"--index-url {CPU} .*--no-deps torch==2\.13\.0$", torch)
    assert rest.endswith("-r requirements.txt")

    def refuse(*command: str, quiet: bool = False) -> None:
        raise bootstrap.Failed("no network")

    monkeypatch.setattr(bootstrap, "run", refuse)
    bootstrap.install_torch()  # what nobody asked for is no reason to end
    monkeypatch.setenv("DIPTYCH_TORCH", "cpu")
    with pytest.raises(bootstrap.Failed, match="cannot be had"):
        bootstrap.install_torch()


def test_what_pip_was_told_is_read_from_its_files_and_the_environment(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://a.example/simple\n[install]\nfind-links =\n    /wheels\n    it's/here\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://b.example/simple")
    spec = importlib.util.spec_from_file_location("unpatched", ROOT / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    unpatched: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unpatched)
    monkeypatch.setattr(unpatched, "tool", lambda name: Path(sys.executable))
    found = unpatched.settings_of_pip()
    assert found["index-url"] == "https://b.example/simple", "the environment comes first"
    assert found["find-links"].split() == ["/wheels", "it's/here"]
    assert {"index-url", "find-links"} <= set(unpatched.sources_of_pip())


def test_uv_is_told_what_pip_was_told(bootstrap: ModuleType) -> None:
    said = {"index-url": "https://a", "extra-index-url": "https://b https://c", "find-links": "/w", "no-index": "true"}
    said |= {"cert": "/ca.pem", "proxy": "http://p:1", "timeout": "60"}
    options, variables = bootstrap.uv_settings(said)
    assert " ".join(options) == (
        "--no-index --index-url https://a --extra-index-url https://b --extra-index-url https://c --find-links /w"
    )
    assert variables == {"SSL_CERT_FILE": "/ca.pem", "ALL_PROXY": "http://p:1"}
    options, _ = bootstrap.uv_settings(said, index="https://torch")
    assert options.count("--index-url") == 1, "an index that is asked for takes the place of pip's"
    assert options[1] == "https://torch"
    assert bootstrap.uv_settings({"only-binary": ":all:"}) is None, "what uv would not know is left to pip"


def tiny_wheel(folder: Path) -> None:
    """A package of one module that can be installed."""
    name, about = "tiny_diptych-1.0", "tiny_diptych-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_diptych.py", "HERE = 1\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-diptych\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


@pytest.mark.parametrize("broken", [False, True], ids=["uv", "pip where uv fails"])
def test_packages_come_by_uv_and_by_pip_where_uv_fails(
    broken: bool, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny_wheel(tmp_path)
    (tmp_path / "constraints.txt").write_text("tiny-diptych==1.0\n")
    subprocess.run([sys.executable, "-m", "venv", *([] if broken else ["--without-pip"]), tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    uv = sys.executable if broken else shutil.which("uv", path=str(Path(sys.executable).parent))
    assert uv, "uv is one of the packages of the checks"
    monkeypatch.setattr(bootstrap, "tool", lambda name: python if name == "python" else Path(uv))
    monkeypatch.setattr(bootstrap, "settings_of_pip", lambda: {"no-index": "1", "find-links": str(tmp_path)})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setattr(bootstrap, "run", bootstrap.unpatched_run)
    bootstrap.install_packages("tiny-diptych")
    subprocess.run([python, "-c", "import tiny_diptych"], check=True)
    installer = next((tmp_path / "env").rglob("tiny_diptych-1.0.dist-info/INSTALLER"))
    assert installer.read_text().strip() == ("pip" if broken else "uv")


def test_what_has_not_changed_is_not_installed_again(bootstrap: ModuleType) -> None:
    bootstrap.dev()
    assert len(bootstrap.ran) == 4, "an environment, PyTorch, the requirements, those of the checks"
    bootstrap.dev()
    assert len(bootstrap.ran) == 4
    later = (bootstrap.VENV / ".installed-dev").stat().st_mtime + 10
    os.utime(bootstrap.ROOT / "requirements-dev.txt", (later, later))
    bootstrap.install()
    assert len(bootstrap.ran) == 4
    bootstrap.dev()
    assert bootstrap.ran[4:]
    assert all("requirements-dev.txt" in command for command in bootstrap.ran[4:])
    os.utime(bootstrap.ROOT / "constraints.txt", (later + 10, later + 10))
    bootstrap.install()
    assert bootstrap.ran[-1].endswith("-r requirements.txt")


def test_an_environment_whose_making_was_cut_short_is_made_again(bootstrap: ModuleType) -> None:
    python = bootstrap.tool("python")
    python.parent.mkdir()
    python.symlink_to(sys.executable)  # as `venv` leaves it where ensurepip is lacking: there is no pip
    (bootstrap.VENV / "pyvenv.cfg").write_text(
        f"home = {Path(sys.executable).resolve().parent}\ninclude-system-site-packages = false\n"
    )
    bootstrap.install()
    assert bootstrap.ran[0].endswith(f"-m venv {bootstrap.VENV}")
    bootstrap.ran.clear()
    python.unlink()
    python.symlink_to(bootstrap.ROOT / "gone")  # the system's Python was taken away, and with it what was installed
    bootstrap.install()
    assert bootstrap.ran[0].endswith(f"-m venv --clear {bootstrap.VENV}")


def test_help_is_asked_of_whom_it_is_asked(bootstrap: ModuleType, monkeypatch: Any, capsys: Any) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "app", lambda *options: asked.append(options))
    assert bootstrap.main(["app", "--help"]) == 0
    assert asked == [("--help",)]
    assert bootstrap.main(["install", "--help"]) == bootstrap.main(["-h"]) == 0
    assert capsys.readouterr().out.count("DIPTYCH_TORCH says") == 2


@pytest.mark.parametrize(
    ("installed", "is_root", "package", "ran"),
    [
        ([], True, True, ["chromium chromium-headless-shell"]),
        ([], True, False, ["chromium chromium-headless-shell", "chromium"]),
        (["google-chrome"], True, True, ["chromium-headless-shell"]),
        (["google-chrome"], True, False, ["chromium-headless-shell"]),
        (["chromium", "chromium-headless-shell"], True, True, []),
        (["chromium"], False, True, []),
        ([], False, True, ["-m playwright install chromium"]),
    ],
)
def test_which_browser_is_installed(
    installed: list[str], is_root: bool, package: bool, ran: list[str], bootstrap: ModuleType, monkeypatch: Any
) -> None:
    def run(*command: str, quiet: bool = False) -> None:
        bootstrap.ran.append(" ".join(command[1:]))
        if "chromium-headless-shell" in command and not package:
            raise bootstrap.Failed("no such package")

    monkeypatch.setattr(bootstrap, "run", run)
    monkeypatch.setattr(bootstrap, "dev", lambda: None)
    monkeypatch.setattr(bootstrap, "is_root_of_debian", lambda: is_root)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: name if name in installed else None)
    words = "install -y -qq --no-install-recommends "

    def installations() -> list[str]:
        bootstrap.ran.clear()
        bootstrap.browser()
        return [command.removeprefix(words) for command in bootstrap.ran if not command.startswith("update")]

    assert installations() == ran
    if installed and not package:
        assert installations() == [], "what cannot be had is not asked for each time"


def test_bytecode_that_is_unwanted_beside_the_sources_is_kept(bootstrap: ModuleType, monkeypatch: Any) -> None:
    """It is written and found again, and nothing is left where nobody wants it."""
    (bootstrap.ROOT / "module.py").write_text("")
    program = [sys.executable, "-c", "import module; print(module.__cached__)"]
    found: list[str] = []

    def imported() -> None:
        done = subprocess.run(program, cwd=bootstrap.ROOT, env=os.environ, capture_output=True, text=True)
        found.append(done.stdout.strip())

    monkeypatch.setattr(bootstrap, "install", imported)
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPYCACHEPREFIX"}
    monkeypatch.setattr(os, "environ", plain | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert bootstrap.main(["install"]) == 0
    assert Path(found[0]).is_file()
    assert Path(found[0]).is_relative_to(bootstrap.VENV)
    assert not list(bootstrap.ROOT.glob("__pycache__"))
    del os.environ["PYTHONPYCACHEPREFIX"]
    assert bootstrap.main(["install"]) == 0
    assert Path(found[1]).parent == bootstrap.ROOT / "__pycache__", "as Python does it, where nobody minds"


def test_ctrl_c_leaves_the_app_its_time_to_end_on_windows(bootstrap: ModuleType, monkeypatch: Any) -> None:
    heard = iter([KeyboardInterrupt, KeyboardInterrupt])

    class Child:
        def __init__(self, command: list[str]) -> None:
            assert command[-2:] == ["--port", "7999"]

        def wait(self) -> int:
            for interrupt in heard:
                raise interrupt
            return 130

    monkeypatch.setattr(bootstrap, "install", lambda: None)
    monkeypatch.setattr(bootstrap.subprocess, "Popen", Child)
    monkeypatch.setattr(bootstrap.os, "name", "nt")
    assert bootstrap.app("--port", "7999") == 130


def test_make_asks_the_python_of_an_environment_that_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "Makefile").write_text((ROOT / "Makefile").read_text())

    # What `make test` hands down is not this make's: with it, one prints the folder that it enters.
    outside = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}

    def made(*words: str) -> str:
        command = ["make", "-n", "app", "ARGS=--port 7999", *words]
        return subprocess.run(
            command, cwd=folder, env=outside, capture_output=True, text=True, check=True
        ).stdout.strip()

    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    assert made() == "python3 bootstrap.py app --port 7999", "that one is half made"
    (folder / ".venv" / ".installed").touch()
    assert made() == ".venv/bin/python bootstrap.py app --port 7999"
    assert made("PYTHON=python3.12").startswith("python3.12 ")
    (folder / ".venv" / "bin" / "python").unlink()
    (folder / ".venv" / "bin" / "python").symlink_to(tmp_path / "gone")
    assert made().startswith("python3 ")


@pytest.mark.parametrize(("system", "place"), [("posix", "bin/python"), ("nt", "Scripts/python.exe")])
def test_programs_are_where_each_system_keeps_them(
    system: str, place: str, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = bootstrap.VENV
    monkeypatch.setattr(bootstrap.os, "name", system)
    assert bootstrap.tool("python") == venv / place


def test_all_checks_are_run_in_their_order(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "dev", lambda: None)
    monkeypatch.setattr(bootstrap, "browser", lambda: None)
    monkeypatch.setattr(bootstrap, "nginx", lambda: None)
    bootstrap.test()
    run = [found[1] for command in bootstrap.ran if (found := re.search(r"bin/(ruff|mypy|python -m pytest)", command))]
    assert run == ["ruff", "ruff", "mypy", "python -m pytest", "python -m pytest"]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    assert recipe is not None
    assert [" ".join(c) for c in bootstrap.LINT] == re.findall(r"\$\(BIN\)/(.+)", recipe[1])
    bootstrap.ran.clear()
    bootstrap.test("tests/test_docs.py", "-x")
    assert [command.split(" ", 1)[1] for command in bootstrap.ran] == ["-m pytest tests/test_docs.py -x"]


@pytest.mark.parametrize("words", [[], ["tset"], ["install", "--now"]])
def test_a_mistake_is_one_line(words: list[str], bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wish_that_cannot_be_is_one_line(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIPTYCH_TORCH", "rocm")
    assert bootstrap.main(["install"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("bootstrap.py: DIPTYCH_TORCH=rocm: must be cpu, pip, or the address")
    assert told.count("\n") == 1
