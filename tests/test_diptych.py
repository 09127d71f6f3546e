"""How commands begin and end: with one line in a Python that lacks what they need, quietly where nobody reads on."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from app.__main__ import COMMANDS
from tests.feedback.protocol import open_test, vote_for
from tests.trained import ROOT

OF_PYTHON = ("app.py", "bootstrap.py")
FILES = ("training/train_art_ai_model.py", "training/train_model2_pretrained.py", "training/improve.py")
NEED_NOTHING = ("python -m app.guard", "bootstrap.py")
"""Commands without packages: a child of the app's, and what installs them."""


def commands() -> list[list[str]]:
    """Every module and file of ours that is run as a command, as it is typed after `python`."""
    modules = []
    for package in ("app", "feedback", "training"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if re.search(r"^if __name__ == .__main__.:\n    sys.exit", path.read_text(encoding="utf-8"), re.M):
                parts = path.relative_to(ROOT).with_suffix("").parts
                modules.append(["-m", ".".join(parts).removesuffix(".__main__")])
    return [*modules, *([name] for name in (*OF_PYTHON, *FILES))]


def test_all_commands_are_found() -> None:
    of_the_table = {module.removesuffix(".__main__") for module, _ in COMMANDS.values()} - {"app.cli"}
    assert of_the_table <= {words[-1] for words in commands()}


def test_votes_are_read_with_the_folder_feedback_alone(tmp_path: Path) -> None:
    """As in a researcher's notebook, beside which the folder was copied; training/ alone: tests/test_snippet.py."""
    shutil.copytree(ROOT / "feedback", tmp_path / "feedback", ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
    script = "import sys, feedback.database, feedback.export, feedback.statistics; sys.exit('diptych' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it is after `git clone`, with a Python beside it that has no packages."""
    folder = tmp_path_factory.mktemp("clone")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "app", "feedback", "training"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in (*filter(lambda name: name.endswith(".py"), names), *OF_PYTHON, "diptych.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    venv.create(folder / "bare", with_pip=False)
    return folder


def python_of(environment: Path) -> str:
    return str(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def told_by(python: str, clone: Path, words: list[str]) -> str:
    """The one line of a command that ends with 2."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONPATH")}
    done = subprocess.run([python, *words], cwd=clone, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), (words, done.stderr)
    return done.stderr


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_python_without_packages_is_told_and_what_to_do(words: list[str], clone: Path) -> None:
    """As the system's own is, where somebody types `python` and not `.venv/bin/python`."""
    name = " ".join(["python", *words] if words[0] == "-m" else words)
    if name in NEED_NOTHING:
        return
    python, ours = python_of(clone / "bare"), python_of(clone / ".venv")
    lacks = rf"{re.escape(name)}: {re.escape(python)} has no \w+; "
    remedy = f"`make app` (or python3 bootstrap.py app) puts all packages into .venv; then use {ours}\n"
    assert re.fullmatch(lacks + re.escape(remedy), told_by(python, clone, [*words, "--help"]))


def test_the_remedy_is_what_is_left_to_do(clone: Path) -> None:
    words = ["-m", "training.compare"]
    venv.create(clone / ".venv", with_pip=False)
    python = python_of(clone / ".venv")
    assert "; `make dev` (or python3 bootstrap.py dev) brings .venv up to date\n" in told_by(python, clone, words)
    (clone / ".venv" / ".installed").touch()
    assert f"; use {python}, which has all packages\n" in told_by(python_of(clone / "bare"), clone, words)
    (clone / ".venv" / ".installed").unlink()


@pytest.mark.parametrize(("words", "extra"), [(["app"], "app"), (["train", "model1"], "train"), (["stats"], "train")])
def test_the_installed_command_names_what_pip_installs(words: list[str], extra: str, clone: Path) -> None:
    script = clone / "bare" / "diptych"  # as pip writes it
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(clone)!r})\nfrom app.__main__ import main\nsys.exit(main())\n"
    )
    told = told_by(python_of(clone / "bare"), clone, [str(script), *words])
    assert told.startswith(f"diptych {' '.join(words)}: ")
    assert told.endswith(f' install it with: pip install "diptych[{extra}]" (in a clone: pip install ".[{extra}]")\n')


def test_a_package_of_another_version_is_told_too(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "filelock.py").write_text("FileLocks = None\n")
    command = [python_of(clone / "bare"), "-m", "training.compare", "--help"]
    done = subprocess.run(
        command, cwd=clone, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "has not the filelock that is needed (cannot import name 'FileLock'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_debug_shows_where_it_was_missed(clone: Path) -> None:
    command = [python_of(clone / "bare"), "-m", "training.compare", "--debug"]
    assert "Traceback" in subprocess.run(command, cwd=clone, capture_output=True, text=True).stderr


OLD = """
import runpy, sys
sys.version_info = (3, 9, 18, "final", 0)
sys.argv = ["-m", *sys.argv[2:]] if sys.argv[1] == "-m" else sys.argv[1:]
sys.path.insert(0, "")
if sys.argv[0] == "-m":
    runpy.run_module(sys.argv[1], run_name="__main__")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_an_old_python_is_told_what_to_do(words: list[str], clone: Path) -> None:
    told = told_by(sys.executable, clone, ["-c", OLD, *words])
    assert ": Python 3.9 is too old: Diptych needs 3.10 to 3.13; `make app PYTHON=python3.11` (or python3.11 " in told


@pytest.mark.parametrize("name", ["diptych.py", "bootstrap.py", "app.py", "app/__init__.py", "feedback/__init__.py"])
def test_pythons_that_are_too_old_can_read_what_tells_them(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    assert "import annotations" not in text, "3.6 has it not"


@pytest.mark.parametrize("words", [["-m", "feedback", "--help"], ["-m", "training.corpus", "--help"]], ids=" ".join)
def test_no_file_where_a_command_is_typed_is_taken_for_a_library(words: list[str], tmp_path: Path) -> None:
    for name in ("random", "json", "code", "typing", "argparse", "filelock", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of my own')\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def unread(*words: str) -> tuple[int, str]:
    """Exit code and errors of a command whose standard output is a pipe that nobody reads any more."""
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    try:
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=write,
            stderr=subprocess.PIPE, text=True, timeout=300,
        )  # fmt: skip
    finally:
        os.close(write)
    return done.returncode, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows tells of a closed pipe by another error")
@pytest.mark.parametrize(
    "words",
    [
        *(["-m", "app", *name.split(), "--help"] for name in COMMANDS),
        *(["-m", "app", *words] for words in ([], ["--help"], ["--version"])),
        *([name, "--help"] for name in OF_PYTHON),
        ["-m", "app.gathering", "--help"],
        ["app.py", "--print-config"],
        ["-m", "training.corpus", "list"],
        ["-m", "training.train_model2_pretrained", "--print-config"],
        ["-m", "training.train_model2_pretrained", "--list-bases"],
        ["-m", "feedback", "sample-size", "--difference", "0.1"],
    ],
    ids=" ".join,
)
def test_a_command_whose_reader_goes_away_ends_quietly(words: list[str]) -> None:
    assert unread(*words) == (141, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows tells of a closed pipe by another error")
@pytest.mark.parametrize(
    "words",
    [
        ["stats", "--json", "-"],
        ["preferences"],
        ["preferences", "--json"],
        ["patterns", "--json", "-"],
        ["check"],
    ],
    ids=" ".join,
)
def test_votes_that_nobody_reads_end_quietly(words: list[str], tmp_path: Path) -> None:
    test = open_test(tmp_path / "votes.db")
    vote_for(test, test.enrol("1").id, ["model1", "model2"])
    test.database.close()
    code, told = unread("-m", "feedback", *words, "--db", str(tmp_path / "votes.db"))
    assert (code, [line for line in told.splitlines() if not line.startswith("note: ")]) == (141, [])
