"""The documents against the code: commands parse, paths exist, settings and keys are those that there are."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import yaml

from feedback.study import Study
from tests.test_snippet import SNIPPET
from training.common.options import with_settings
from training.corpus.records import read_records
from training.reporting.report import REPORT_KEYS

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "tutorials").glob("*.md")),
)
PACKAGES = ("app", "feedback", "training")
FOLDERS = (*PACKAGES, "tests", "docs", "benchmarks")
TEXTS = {"", ".css", ".js", ".json", ".md", ".py", ".sh", ".svg", ".toml", ".txt"}
MADE_BY_USE = ("feedback/diptych.db",)
# Put together here, so that this file does not hold them itself.
FORBIDDEN = ("/wo" "rk/", "/tm" "p/w", "pypi" ".org", "debian" ".org", "npm" "js", "files.python" "hosted")  # fmt: skip
# Programs of others that a command may begin with, and options of others that a text may name.
OTHER_PROGRAMS = {".", "cd", "cp", "curl", "docker", "git", "lm_eval", "pip", "source", "tail", "torchrun", "uv"}
OTHER_OPTIONS = {"--no-deps", "--nnodes", "--nproc-per-node", "--rdzv-backend", "--rdzv-endpoint"}

Command = tuple[str, ...]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)


def spans(page: Path) -> list[str]:
    """What stands between backticks in the running text."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def commands() -> Iterator[tuple[str, Command]]:
    """Each line of the shell blocks, and each command between backticks, as words without variables before them."""
    for page in PAGES:
        lines = "\n".join(blocks(page, "(?:sh|bash|shell|console)")).replace("\\\n", " ").splitlines()
        for line in lines + [span for span in spans(page) if re.match(r"(python|bash|make|diptych) ", span)]:
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                del words[0]
            if words:
                yield page.name, tuple(words)


@cache
def help_of(command: Command) -> str:
    """What ``--help`` prints; the commands share this process, since importing PyTorch for each takes seconds."""
    printed, code = io.StringIO(), "no exit"
    saved = sys.argv, sys.path[:]
    run = runpy.run_path if command[0].endswith(".py") else runpy.run_module
    name = str(ROOT / command[0]) if command[0].endswith(".py") else command[0]
    sys.argv = [name, *command[1:], "--help"]
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a module that was imported before is run all the same
            run(name, run_name="__main__")
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv, sys.path[:] = saved
    assert code in (0, None), f"{command} --help ends with {code}"
    return printed.getvalue()


def our_command(words: Command) -> Command | None:
    """The module or script that a command runs, with its subcommand; None for programs of others."""
    if words[0] == "diptych":
        return ("app", *words[1 : 3 if words[1] == "train" else 2])
    if Path(words[0]).name.startswith("python"):
        rest = words[2:] if words[1] == "-m" else words[1:]
        if rest[0] == "bootstrap.py":  # which takes the place of this process, and asks the app for its help
            return ("app.py",) if rest[1:2] == ("app",) else rest[:1]
        return rest[:2] if len(rest) > 1 and re.fullmatch("[a-z][a-z-]*", rest[1]) else rest[:1]
    return None


@pytest.mark.parametrize(("page", "words"), [pytest.param(*c, id=f"{c[0]}: {' '.join(c[1])}") for c in commands()])
def test_a_command_in_the_documents_parses(page: str, words: Command) -> None:
    ours = our_command(words)
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.M)
        assert {word for word in words[1:] if "=" not in word} <= set(targets)
    elif words[0] == "bash":
        shown = subprocess.run([*words[:2], "--help"], cwd=ROOT, capture_output=True, text=True, timeout=10)
        assert (shown.returncode, shown.stderr) == (0, "")
    elif ours is None:
        assert words[0] in OTHER_PROGRAMS
    elif ours[0] != "pytest":
        known = options_in(help_of(ours))
        assert options_in(" ".join(words)) <= known


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


def test_an_option_in_the_text_is_one_of_ours() -> None:
    known = OTHER_OPTIONS | options_in((ROOT / "train_nohup.sh").read_text())
    for _, words in commands():
        if (ours := our_command(words)) and ours[0] != "pytest":
            known |= options_in(help_of(ours))
    assert {(page.name, option) for page in PAGES for option in options_in(prose(page)) - known} == set()


def test_every_link_leads_somewhere() -> None:
    missing = []
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            target, _, heading = link.partition("#")
            if target.startswith(("http://", "https://", "mailto:")):
                continue
            file = (page.parent / target).resolve() if target else page
            if not file.exists() or (heading and heading not in headings(file)):
                missing.append((page.name, link))
    assert missing == []


def headings(page: Path) -> set[str]:
    """The anchors that a Markdown page has."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_path_in_the_text_exists() -> None:
    missing = []
    for page in PAGES:
        for span in spans(page):
            word = span.split()[0]
            path = re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]*", word)
            module = re.fullmatch(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+", word)
            if path and word not in MADE_BY_USE and not list(ROOT.glob(word)):
                missing.append((page.name, word))
            if module and not any((ROOT / name).exists() for name in module_files(word)):
                missing.append((page.name, word))
    assert missing == []


def module_files(dotted: str) -> Iterator[str]:
    """Where a module, or the module of a function, could be."""
    parts = dotted.split(".")
    for end in range(max(2, len(parts) - 1), len(parts) + 1):
        yield "/".join(parts[:end]) + ".py"
        yield "/".join(parts[:end])


def test_the_tree_shows_every_module_and_nothing_else() -> None:
    paths = list(paths_of_tree(blocks(ROOT / "docs" / "architecture.md", "text")[0]))
    tree = set(paths)
    assert len(paths) == len(tree)
    assert [path for path in sorted(tree) if not (ROOT / path).exists()] == []
    modules = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("[!_]*.py")}
    assert sorted(modules - tree) == []


def paths_of_tree(tree: str) -> Iterator[str]:
    above: list[str] = []
    for line in tree.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        above[depth:] = [name.rstrip("/")]
        yield "/".join(above)


NOT_FOR = {
    "feedback": {"app", "training", "gradio", "torch", "transformers"},
    "training": {"app", "feedback"},  # but for what SHARED names
    "app": set(),
}


SHARED = {"feedback.save_buttons"}  # with the standard library alone; no votes and no database


@pytest.mark.parametrize(("package", "others"), NOT_FOR.items())
def test_packages_import_what_the_architecture_allows(package: str, others: set[str]) -> None:
    files = (ROOT / package).rglob("*.py")
    found = {(str(file.relative_to(ROOT)), name) for file in files for name in imports(file, whole=True)}
    foreign = {(file, name) for file, name in found if name.partition(".")[0] in others}
    assert {(file, name) for file, name in foreign if package != "training" or name not in SHARED} == set()
    if package == "app":
        used = {name for file in (ROOT / "app").rglob("*.py") for name in imports(file, whole=True)}
        allowed = r"training\.(common|corpus\.lookup|inference\.engines|comparison|reporting\.(verdict|everyday))\b"
        assert {name for name in used if name.startswith("training") and not re.match(allowed, name)} == set()


def imports(file: Path, whole: bool = False) -> Iterator[str]:
    """The top-level packages that a file imports, late imports included; or the modules, by their whole names."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        yield from (name if whole else name.partition(".")[0] for name in names)


def test_git_can_run_what_make_lint_runs() -> None:
    hooks = re.findall(r"entry: \.venv/bin/(.+)", (ROOT / ".pre-commit-config.yaml").read_text())
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    assert recipe is not None
    assert hooks == re.findall(r"\$\(BIN\)/(.+)", recipe[1])


def test_no_text_names_a_machine_or_a_registry() -> None:
    found = []
    for file in text_files():
        text = file.read_text(encoding="utf-8")
        found += [(str(file.relative_to(ROOT)), word) for word in FORBIDDEN if word in text]
    assert found == []


def text_files() -> Iterator[Path]:
    candidates = [path for folder in (*FOLDERS, ".ci") for path in (ROOT / folder).rglob("*")]
    for path in (*candidates, *ROOT.glob("[!.]*")):
        if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts:
            yield path


# -- tables and examples against the code ---------------------------------------------------------------------------


def rows(page: str, *header: str) -> list[list[str]]:
    """The rows of the tables whose header begins with these cells, without backticks."""
    found = []
    lines = (ROOT / "docs" / page).read_text().splitlines()
    for start, line in enumerate(lines):
        if cells(line)[: len(header)] != list(header):
            continue
        for row in lines[start + 2 :]:
            if not row.startswith("|"):
                break
            found.append(cells(row))
    return found


def cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip().strip("|").split(" | ")] if "|" in line else []


def test_the_settings_shown_are_those_of_the_profiles() -> None:
    from training.settings.model1 import PROFILES as MODEL1
    from training.settings.model2 import PROFILES as MODEL2

    for title, profiles in (("Model 1", MODEL1), ("Model 2", MODEL2)):
        table = rows("training.md", title, "demo", "seed")
        assert table
        for place, profile in ((1, "demo"), (2, "seed")):
            shown = with_settings(profiles[profile], [f"{row[0]}={row[place]}" for row in table])
            really = {row[0]: getattr(profiles[profile], row[0]) for row in table}
            assert {name: getattr(shown, name) for name in really} == really


def test_the_report_s_keys_are_explained() -> None:
    explained = [row[0] for row in rows("training.md", "key", "meaning", "unit")]
    assert set(REPORT_KEYS) <= set(explained)
    assert len(set(explained)) == len(explained)


def test_the_snippet_is_the_one_that_is_tested() -> None:
    assert SNIPPET.strip() in [block.strip() for block in blocks(ROOT / "docs" / "training.md", "python")]


def test_the_study_shown_is_one(tmp_path: Path) -> None:
    (example,) = blocks(ROOT / "docs" / "study.md", "toml")
    path = tmp_path / "study.toml"
    path.write_text(example)
    Study.load(path)
    explained = {row[0] for row in rows("study.md", "setting", "values", "when left out")}
    assert explained == {field.name.partition("_version")[0] for field in fields(Study)} - {
        "consent_text",
        "consent_publication",
        "consent_training",
    }
    least = 'name = "x"\n[consent]\nversion = "1"\ntext = "x"\n[[prompts]]\nid = "x"\ncategory = "x"\ntext = "x"\n'
    path.write_text(least)
    study = Study.load(path)
    defaults = {row[0]: row[2] for row in rows("study.md", "setting", "values", "when left out")}
    for name, default in defaults.items():
        if default not in ("required", "none"):
            value = getattr(study, name)
            assert (str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")) == default


def test_the_records_shown_are_some(tmp_path: Path) -> None:
    examples = blocks(ROOT / "docs" / "data.md", "toml")
    (tmp_path / "examples.toml").write_text("\n".join(examples))
    found = read_records(tmp_path)
    assert [len(getattr(found, field.name)) for field in fields(found)] == [1] * len(fields(found))


def test_the_readme_is_a_space_s() -> None:
    """Its head, which the Hub reads; people see a small table above the title, so it holds what is needed alone."""
    head = re.match(r"---\n(.*?)\n---\n\n# Diptych\n", (ROOT / "README.md").read_text(), re.S)
    assert head is not None
    told = yaml.safe_load(head[1])
    pinned = re.search(r"^gradio==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)
    assert pinned is not None
    assert (told["sdk"], told["sdk_version"], told["license"]) == ("gradio", pinned[1], "mit")
    assert (ROOT / told["app_file"]).is_file()
    assert told.keys() == {"title", "sdk", "sdk_version", "python_version", "app_file", "license"}
    assert len((ROOT / "README.md").read_text().splitlines()) < 90


# -- packages -------------------------------------------------------------------------------------------------------

IMPORT_NAMES = {
    "huggingface-hub": "huggingface_hub",
    "lm-eval": "lm_eval",
    "markdown-it-py": "markdown_it",
    "protobuf": "google.protobuf",
    "pillow": "PIL",
    "prometheus-client": "prometheus_client",
    "pyyaml": "yaml",
    "rouge-score": "rouge_score",
    "sqlite-utils": "sqlite_utils",
}


def required() -> list[str]:
    text = "\n".join((ROOT / name).read_text() for name in ("requirements.txt", "requirements-dev.txt"))
    return sorted(set(re.findall(r"^([\w-]+)==", text, re.M)))


@cache
def python_sources() -> str:
    files = [path for folder in (*PACKAGES, "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
    return "\n".join(path.read_text() for path in files)


@pytest.mark.parametrize("package", required())
def test_a_required_package_is_explained_and_used(package: str) -> None:
    about = [line for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines() if has_word(line, package)]
    assert about, f"docs/dependencies.md has no line about {package}"
    name = re.escape(IMPORT_NAMES.get(package, package))
    imported = re.search(rf"^\s*(?:import|from) {name}\b", python_sources(), re.M)
    is_tool = any(has_word((ROOT / name).read_text(), package) for name in ("Makefile", "bootstrap.py"))
    needed_by = [other for other in required() if other != package and any(has_word(line, other) for line in about)]
    assert imported or is_tool or needed_by, f"nothing imports {package}, and no line about it names who needs it"


def has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None
