"""The package: what a wheel holds, what its extras install, and the app that it serves without PyTorch."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.__main__ import COMMANDS, main
from app.demo_training import CHECKPOINTS
from feedback import __version__
from tests.app.chat_server import ANSWER, ChatServer
from tests.app.serving import PASSWORD, App
from tests.app.visitor import Visitor
from tests.feedback.protocol import open_test
from tests.trained import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGES = ("app", "feedback", "training")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
BLOCKED = """
import sys
blocked = {blocked!r}
from importlib.machinery import ModuleSpec
class Refuse:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name.partition(".")[0] in blocked else None
    def create_module(self, spec):
        raise ModuleNotFoundError("No module named " + repr(spec.name), name=spec.name)
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Refuse())
from app.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.replace('"', "'") for line in text if line and not line.startswith(("#", "-r"))]


def test_the_extras_hold_the_pins_of_the_requirements() -> None:
    """Whoever adds a line to requirements.txt says here which part of the project needs it."""
    assert {*PROJECT["dependencies"], *EXTRAS["app"], *EXTRAS["train"]} == set(lines("requirements.txt"))
    assert EXTRAS["dev"] == ["diptych[all]", *lines("requirements-dev.txt")]
    assert EXTRAS["all"] == ["diptych[app,train]"]


def copy_of_the_tree(folder: Path) -> Path:
    """What Git has of the packages, and what a build reads; beside it the votes of a researcher."""
    for name in (*tracked(), "pyproject.toml", "setup.py", "README.md", "LICENSE"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "feedback" / "diptych.db").write_bytes(b"votes")
    return folder


def tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "diptych.py", *PACKAGES]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in found if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as pip builds it, of a tree without Git."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=copy_of_the_tree(folder / "tree"), check=True,
        capture_output=True, env={**os.environ, "DIPTYCH_COMMIT": "0123456789ab"},
    )  # fmt: skip
    return next(folder.glob("diptych-*.whl"))


def test_a_wheel_holds_every_file_of_the_packages_and_no_votes(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry = archive.read(next(n for n in archive.namelist() if n.endswith("entry_points.txt"))).decode()
    assert names == {*tracked(), "app/COMMIT"}
    assert "diptych = app.__main__:main" in entry


def with_what_they_need(requirements: list[str]) -> set[str]:
    """Names of the packages that pip installs for these: what Gradio needs, say, is there too."""
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(line), wanted) for line in metadata.requires(name) or ()]
    return {name for name, _ in seen}


def megabytes(packages: set[str]) -> float:
    """What these fill on the disk, compiled modules included, as they lie in this Python."""
    files = {Path(str(file.locate())) for name in packages for file in metadata.distribution(name).files or ()}
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def test_the_app_alone_takes_no_more_than_800_mb() -> None:
    packages = with_what_they_need([*PROJECT["dependencies"], *EXTRAS["app"]])
    assert 400 < megabytes(packages) <= 800
    assert megabytes({*packages, "torch"}) > 800, "what is to be kept out would be seen"


def lacking_with(*extras: str) -> set[str]:
    """Modules of our requirements that an installation with these extras alone does not have."""
    installed = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    there = with_what_they_need(installed)
    all_of_them = {canonicalize_name(Requirement(line).name) for line in lines("requirements.txt")}
    modules = packages_distributions()
    ours = {name: {canonicalize_name(d) for d in found} for name, found in modules.items()}
    return {name for name, found in ours.items() if found & (all_of_them - there)}


@pytest.fixture(scope="module")
def installed_app(wheel: Path, tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer) -> Iterator[App]:
    """The app of the wheel, from a folder with nothing in it, in a Python without what `[app]` does not install."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site-packages")
    (folder / "home").mkdir()
    blocked = lacking_with("app")
    assert {"torch", "transformers", "matplotlib", "codecarbon", "datasets"} <= blocked
    command = [sys.executable, "-c", BLOCKED.format(blocked=blocked), "app"]
    command += ["--model1", one_chat_server.spec, "--model2", one_chat_server.spec]
    running = App(folder, "", "", command)
    running.root = folder / "home"
    running.path = folder / "site-packages"
    yield running.start()
    running.stop()


def test_the_installed_app_takes_a_vote_without_pytorch(installed_app: App, browser: Browser) -> None:
    with Visitor(browser, installed_app.url) as visitor:
        visitor.consent()
        visitor.ask("What is Impressionism?")
        visitor.wait_for_vote()
        assert ANSWER[:20] in "".join(visitor.answers())
        visitor.vote("left")
    ((votes,),) = installed_app.rows("SELECT count(*) FROM votes")
    assert votes == 1
    assert "Traceback" not in installed_app.log.read_text()


def test_the_installed_app_shows_results_and_every_export(installed_app: App) -> None:
    with httpx.Client(base_url=installed_app.url, auth=("admin", PASSWORD), timeout=60) as client:
        for name in ("csv", "jsonl", "parquet", "dpo", "kto", "arena", "sqlite"):
            assert client.get(f"/admin/export/{name}").status_code == 200, name
        assert client.get("/admin/").status_code == 200


def test_the_commands_of_the_votes_need_no_extra(installed_app: App, tmp_path: Path) -> None:
    """The statistics, an export and the report of the votes that the app has taken, without Gradio and PyTorch."""
    blocked = lacking_with()
    assert {"gradio", "torch", "httpx", "xllamacpp"} <= blocked
    for words in (
        ["stats", "--json", "-"],
        ["export", "--format=csv", "--out=v.csv"],
        ["report", "--out=r"],
        ["check"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", BLOCKED.format(blocked=blocked), *words, "--db", str(installed_app.database)],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed_app.path)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    refused = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(blocked=blocked), "app", "--db", "v.db"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed_app.path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert refused.returncode == 2
    assert re.fullmatch(r"diptych app: \S+ has no \w+; install it with: .*diptych\[app\].*\n", refused.stderr)


def test_who_installed_it_is_told_the_commands_that_there_are(installed_app: App, tmp_path: Path) -> None:
    """There is no Makefile, and nothing in docs/."""
    code = "from training.common.checkpoint_folder import TRAINING; print(TRAINING)"
    environment = {**os.environ, "PYTHONPATH": str(installed_app.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "with `diptych train model1` and `diptych train model2`\n"


def test_each_command_is_the_function_of_its_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, (module, text) in COMMANDS.items():
        source = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")  # importing PyTorch takes long
        assert "\ndef main(" in source, name
        assert name in shown
        assert text in shown


def test_what_is_typed_is_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["train", "model1", "--bogus"], ["stats", "--bogus"], ["app", "--bogus"], ["export", "--to", "x"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        told = capsys.readouterr().err
        assert (end.value.code, len(told.splitlines())) == (2, 1)
        name = " ".join(word for word in words if not word.startswith("-") and word != "x")
        assert told.startswith(f"diptych {name}: "), told


def test_push_is_of_a_model_or_of_votes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", "--model", "model1", "--checkpoint", str(tmp_path), "--to", "a/b"]) == 2
    assert capsys.readouterr().err.startswith(f"diptych push: {tmp_path} holds no model in Hugging Face's form")
    assert main(["push", "--study", "--db", str(tmp_path / "no.db"), "--to", "a/b"]) == 2
    assert str(tmp_path / "no.db") in capsys.readouterr().err
    open_test(tmp_path / "v.db").database.close()
    assert main(["push", "--study", "Another", "--db", str(tmp_path / "v.db"), "--to", "a/b"]) == 2
    assert "Another" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["tarin"], "did you mean train?"),
        (["train"], "train model1 or train model2"),
        (["train", "model3"], "train model1 or train model2"),
        (["trian", "model1"], "did you mean train?"),
        (["stat", "--json", "-"], "did you mean stats?"),
        (["STATS", "--json", "-"], "did you mean stats?"),
        (["serve"], "see diptych --help"),
        (["--versoin"], "did you mean --version?"),
        (["help"], "did you mean --help?"),
    ],
)
def test_a_command_that_there_is_not(words: list[str], remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    name = " ".join(words[: 2 if words[0] == "train" else 1])
    assert told == f"diptych: {name}: no such command; {remedy}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["app", "--allow-frame", "https://a.org", "--model1", "~/x: #"],
        ["evaluate"],
        ["evaluate", "a=x", "--parts", "knowledge", "--data", "core"],
        ["compare"],
        ["improve", "--model", "model1"],
        ["data", "list"],
        ["data", "build", "--out", "2024-01-01.jsonl"],
        ["train", "model1", "--data", "a=2", "null"],
        ["train", "model2", "--method", "lora", "--resume"],
    ],
    ids=" ".join,
)
def test_what_a_command_prints_as_its_configuration_is_one(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = []
    for given in (words, [*words[: 2 if words[0] in ("data", "train") else 1], "--config", "a.yaml"]):
        with pytest.raises(SystemExit) as end:
            main([*given, "--print-config"])
        told = capsys.readouterr()
        assert end.value.code == 0, told.err
        printed.append(told.out)
        (tmp_path / "a.yaml").write_text(told.out, encoding="utf-8")
    assert printed[0] == printed[1]


WRONG = {"stats": ["--json=-"], "report": ["--out=r"], "sample-size": ["--difference=.1"], "backup": ["--out=b"]}
WRONG |= {"restore": ["--from=b"], "export": ["--format=csv", "--out=v"], "data": ["list"], "app": []}


@pytest.mark.parametrize("name", [*WRONG, "check", "patterns", "preferences", "push"])
def test_a_wrong_option_is_told_in_one_line_by_the_command_that_was_typed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, *WRONG.get(name, []), "--debgu=a\nb"])
    told = capsys.readouterr().err
    whole = f"diptych {name} list" if name == "data" else f"diptych {name}"
    assert (end.value.code, told.count("\n")) == (2, 1)
    assert told.startswith(f"{whole}: unrecognized arguments: --debgu=a b; did you mean --debug")
    assert told.endswith(f"?; see {whole} --help\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["stats", "--jsn", "-"], "required: --json; unrecognized arguments: --jsn; did you mean --json"),
        (["push", "--model=model1", "--too", "x"], "required: --to; unrecognized arguments: --too; did you mean --to?"),
        (["data", "--debgu"], "required: COMMAND; unrecognized arguments: --debgu; did you mean --debug"),
    ],
)
def test_a_mistyped_option_that_is_required_is_told_with_the_one_that_was_meant(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    told = capsys.readouterr().err
    assert (end.value.code, told.count("\n")) == (2, 1)
    assert expected in told


def test_a_command_of_two_halves_tells_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    for name, half in (("export", "--format csv"), ("push", "--study")):
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        shown = capsys.readouterr().out
        assert end.value.code == 0
        assert f"see diptych {name} {half} --help" in shown
        with pytest.raises(SystemExit) as end:
            main([name, *half.split(), "--help"])
        assert (end.value.code, capsys.readouterr().out.partition("[")[0]) == (0, f"usage: diptych {name} ")
    assert main(["export", "--out", "x"]) == 2
    assert capsys.readouterr().err.startswith("diptych export: name --to hf or gguf for a checkpoint; for the votes: ")
    assert main(["push"]) == 2
    assert "push needs --to OWNER/NAME" in capsys.readouterr().err
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    assert ["train model1" in shown, "train model2" in shown, "evaluate" in shown] == [True, True, False]


def test_a_package_that_is_not_installed_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacks(_: str) -> Any:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("app.__main__.importlib.import_module", lacks)
    assert main(["train", "model1"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith(f"diptych train model1: {sys.executable} has no torch; install it with: pip install ")


def test_without_pytorch_and_without_models_one_line_says_what_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.cli.is_installed", lambda name: name != "torch")
    for model in ("model1", "model2"):
        monkeypatch.setitem(CHECKPOINTS, model, tmp_path / model)
    assert main(["app", "--port", "0", "--db", str(tmp_path / "votes.db")]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(
        "diptych app: model1 and model2 cannot be trained here, since PyTorch is not installed; name "
    )
    assert told.endswith('pip install "diptych[train]"')


def test_the_version_names_commit_and_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model2"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(b"weights")
    monkeypatch.setattr("training.common.checkpoint_folder.MODEL1_FOLDER", tmp_path / "model1")
    monkeypatch.setattr("training.common.checkpoint_folder.MODEL2_FOLDER", folder)
    assert main(["--version"]) == 0
    first, _, model1, model2 = capsys.readouterr().out.splitlines()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(rf"diptych {__version__} \(commit {head[:12]}(, with changes)?\)", first)
    assert model1 == f"model1 none in {tmp_path / 'model1'}"
    assert model2.endswith("model.gguf sha256 " + hashlib.sha256(b"weights").hexdigest())


def test_the_version_of_an_installed_package(installed_app: App) -> None:
    """Its commit is the one that it was built from; models are looked for where it is used."""
    command = [sys.executable, "-m", "app", "--version"]
    environment = {**os.environ, "PYTHONPATH": str(installed_app.path)}
    shown = subprocess.run(
        command, cwd=installed_app.root, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "(commit 0123456789ab)" in shown
    assert f"model1 none in {installed_app.root / 'checkpoints' / 'art_ai_model'}" in shown
