"""`diptych COMMAND`, or `python -m app COMMAND`: every command of the project under one name.

Nothing but a table: each command is the function that its own module runs, and takes the same arguments.
"""

from __future__ import annotations

import contextlib
import importlib
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from diptych import command, lacking, nearest
from feedback import __version__
from training.common import checkpoint_folder, cli

VOTES = "feedback.__main__"
COMMANDS = {
    "app": ("app.cli", "serve the blind test"),
    "train model1": ("training.train_art_ai_model", "train Model 1 from scratch"),
    "train model2": ("training.train_model2_pretrained", "fine-tune Model 2"),
    "data": ("training.corpus.__main__", "data sources, their licences and sizes; the prepared corpus"),
    "evaluate": ("training.evaluate", "measure both models"),
    "compare": ("training.compare", "the comparison of both models, in a report"),
    "export": ("training.export", "a checkpoint for other programs (--to), or the votes (--format)"),
    "improve": ("training.improve", "let a model learn from the votes"),
    "preferences": (VOTES, "what a model can learn from the votes"),
    "push": ("training.push", "a model (--model), or the votes of a study (--study), to the Hugging Face Hub"),
    "stats": (VOTES, "the statistics of the votes"),
    "report": (VOTES, "a page of them to keep"),
    "patterns": (VOTES, "votes that look like a script's"),
    "sample-size": (VOTES, "how many testers a study needs"),
    "backup": (VOTES, "a copy of the database"),
    "restore": (VOTES, "put a backup in its place"),
    "check": (VOTES, "integrity of the database"),
}
"""What a user types: the module that does it, and what it does."""
OF_VOTES = {
    "export": "the votes: diptych export --format csv --out PATH; see diptych export --format csv --help",
    "push": "the votes: diptych push --study [LABEL] --to OWNER/NAME; see diptych push --study --help",
}
"""What two commands tell of their other half."""
HELP = {"-h", "--help"}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code, 2 after one line on stderr where there is no such command or a package lacks."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--version"]:
        print(version())
        return 0
    if words[:1] in ([], ["-h"], ["--help"]):
        print(usage())
        return 0 if words else 2
    if words[0] == "train" and HELP & set(words[1:2]):
        print(usage("train"))
        return 0
    name = " ".join(words[:2]) if words[0] == "train" else words[0]
    if name not in COMMANDS:
        print(f"diptych: {' '.join(name.split())}: no such command; {_meant(name)}", file=sys.stderr)
        return 2
    try:
        return run(name, words[len(name.split()) :])
    except ImportError as error:
        message = lacking(f"diptych {name}", error)
        if not message:
            raise
        print(message, file=sys.stderr)
        return 2


def _meant(name: str) -> str:
    if name.partition(" ")[0] == "train":
        return " or ".join(known for known in COMMANDS if known.startswith("train"))
    names = (*(known.partition(" ")[0] for known in COMMANDS), "--version", "--help")
    return nearest(name, names, "see diptych --help")


def run(name: str, rest: list[str]) -> int:
    """Run a command that there is with the arguments that follow its name."""
    module, options = COMMANDS[name][0], {word.partition("=")[0] for word in rest}
    if _is_of_votes(name, options):
        module = VOTES
        if name == "push":
            followed = zip(rest, [*rest, "-"][1:], strict=True)
            rest = [word for word, after in followed if (word, after[:1]) != ("--study", "-")]
    elif options & HELP and name in OF_VOTES:
        print(f"For {OF_VOTES[name]}\n", flush=True)
    elif name == "export" and "--to" not in options:
        print(f"diptych export: name --to hf or gguf for a checkpoint; for {OF_VOTES[name]}", file=sys.stderr)
        return 2
    function = importlib.import_module(module).main
    if module == VOTES:
        return int(function([name, *rest], prog="diptych"))
    if module == "app.cli":
        return int(function(rest, prog="diptych app"))
    cli.called_as = f"diptych {name}"
    try:
        return int(function(rest))
    finally:
        cli.called_as = ""


def _is_of_votes(name: str, options: set[str]) -> bool:
    """Whether one of the commands that do two things is to do that of the votes."""
    if name == "push":
        return not options & {"--model", "--dataset"} and ("--study" in options or not options & HELP)
    return name == "export" and "--format" in options


def usage(group: str = "") -> str:
    """What `diptych --help` says, or `diptych train --help` of its group."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items() if name.startswith(group)]
    return "\n".join(
        ["usage: diptych COMMAND ...; each has --help. diptych --version tells version and models.", *lines]
    )


def version() -> str:
    """Version, commit, Python, system, and which models lie in the checkpoints' folder, each with its SHA-256."""
    lines = [f"diptych {__version__} ({commit()})", f"Python {platform.python_version()} on {platform.platform()}"]
    folders = {"model1": checkpoint_folder.MODEL1_FOLDER, "model2": checkpoint_folder.MODEL2_FOLDER}
    for model, folder in folders.items():
        weights = checkpoint_folder.find(folder, checkpoint_folder.TO_SERVE)
        if weights is None:
            lines.append(f"{model} none in {folder}")
        else:
            lines.append(f"{model} {weights} sha256 {checkpoint_folder.served_sha256(weights)['sha256']}")
    return "\n".join(lines)


def commit() -> str:
    """The commit that this code is of: Git's in a clone, else what was noted when the package was built."""
    root = checkpoint_folder.ROOT
    if (root / ".git").exists():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            said = _git(root, "rev-parse", "--short=12", "HEAD")
            return f"commit {said}" + (", with changes" if _git(root, "status", "--porcelain") else "")
    with contextlib.suppress(OSError):
        return "commit " + resources.files("app").joinpath("COMMIT").read_text(encoding="utf-8").strip()
    return "commit unknown"


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=True, timeout=10)
    return done.stdout.decode("utf-8", "replace").strip()


if __name__ == "__main__":
    sys.exit(main())
