"""No command of the project removes or overwrites a file that it did not write."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app import cli
from benchmarks import outputs
from feedback import __main__ as feedback
from feedback.export.write import replace_file
from tests.trained import ROOT
from tests.training.evaluation.tiny_checkpoint import save_tiny_checkpoint
from training import compare, evaluate, export, improve, train_art_ai_model, train_model2_pretrained
from training.common.checkpoint_folder import FILES, FOLDERS
from training.common.files import (
    MANIFEST,
    WORKSPACE,
    ForeignFileError,
    new_file,
    new_folder,
    replace_text,
)
from training.common.progress import Progress
from training.corpus import __main__ as corpus
from training.evaluation.model_card import write_cards

Main = Callable[[list[str]], int]

SHAPE = "dim=32 n_layers=1 n_heads=2 n_kv_heads=1 ffn_dim=32 vocab_size=300 max_seq_len=64 seq_len=32"
COURSE = "batch_size=4 micro_batch_size=4 evaluations=1 sample_tokens=0 dtype=fp32"
SMALL = [word for setting in f"{SHAPE} {COURSE}".split() for word in ("--set", setting)]


def strangers(folder: Path, *names: str) -> dict[str, bytes]:
    """Files of a user's at these paths, and what they hold."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"chapter {number} of a thesis\n")
    return tree(folder)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def one_line(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must end with 2 and one line, and gives that."""

    def run(main: Main, *arguments: str | Path) -> str:
        capsys.readouterr()
        assert main([str(word) for word in arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("trained") / "model")


def test_an_export_never_replaces_a_folder_with_other_files(
    checkpoint: Path, tmp_path: Path, one_line: Callable[..., str]
) -> None:
    d = tmp_path / "d"
    before = strangers(
        tmp_path, "d/thesis.txt", "d/sub/notes.txt", "d.old/a", "d.partial/b", "d.gguf.partial", "e.gguf"
    )
    line = one_line(export.main, checkpoint, "--to", "hf", "--out", d)
    assert f"{d} holds sub/notes.txt, thesis.txt, which were not written here" in line
    assert "e.gguf" in one_line(export.main, checkpoint, "--to", "gguf", "--out", tmp_path / "e.gguf")
    assert tree(tmp_path) == before
    assert export.main([str(checkpoint), "--to", "hf", "--out", str(tmp_path / "new")]) == 0
    assert export.main([str(checkpoint), "--to", "hf", "--out", str(tmp_path / "new")]) == 0  # its own is replaced
    assert export.main([str(checkpoint), "--to", "gguf", "--out", str(tmp_path / "d.gguf")]) == 0
    assert before.items() <= tree(tmp_path).items()
    assert not list(tmp_path.glob(f"{WORKSPACE}*/"))


@pytest.mark.parametrize("out", [".", "hf", "hf/inside", "..", "art_ai_best.pt"])
def test_an_export_onto_its_own_checkpoint_loses_nothing(
    checkpoint: Path, out: str, one_line: Callable[..., str]
) -> None:
    before = tree(checkpoint)
    one_line(
        export.main, checkpoint / "hf" if out.startswith("hf") else checkpoint, "--to", "hf", "--out", checkpoint / out
    )
    assert tree(checkpoint) == before


def test_a_file_put_into_an_exported_folder_or_changed_there_is_kept(
    checkpoint: Path, tmp_path: Path, one_line: Callable[..., str]
) -> None:
    out = tmp_path / "out"
    command = [str(checkpoint), "--to", "hf", "--out", str(out)]
    assert export.main(command) == 0
    (out / "config.json").write_text("{}")
    (out / "mine.txt").write_text("mine")
    (out / "empty").mkdir()
    assert "config.json, empty, mine.txt" in one_line(export.main, *command)
    assert ((out / "config.json").read_text(), (out / "mine.txt").read_text()) == ("{}", "mine")
    for name in ("config.json", "mine.txt"):
        (out / name).unlink()
    (out / "empty").rmdir()
    (out / ".DS_Store").write_text("of macOS")
    assert export.main(command) == 0
    assert (out / ".DS_Store").read_text() == "of macOS"


def test_a_trained_model_is_no_place_for_an_export(
    checkpoint: Path, tmp_path: Path, one_line: Callable[..., str]
) -> None:
    with new_folder(tmp_path / "final", "final") as partial:
        (partial / "model.safetensors").write_text("days of training")
    before = tree(tmp_path)
    assert "final holds model.safetensors" in one_line(
        export.main, checkpoint, "--to", "hf", "--out", tmp_path / "final"
    )
    assert tree(tmp_path) == before


def test_no_command_replaces_what_another_command_wrote(
    checkpoint: Path, tmp_path: Path, one_line: Callable[..., str]
) -> None:
    """A model that was trained is ours too, and lost where results take its place."""
    with new_file(tmp_path / "metrics.jsonl") as partial:
        partial.write_text("{}\n")
    model = tmp_path / "model"
    assert export.main([str(checkpoint), "--to", "hf", "--out", str(model)]) == 0
    with new_file(model / "art_ai_best.pt") as partial:
        partial.write_bytes((checkpoint / "art_ai_best.pt").read_bytes())
    assert corpus.main(["build", "--data", "core", "--max-rows", "5", "--out", str(tmp_path / "c.jsonl")]) == 0
    before = tree(tmp_path)
    for name in ("art_ai_best.pt", "model.safetensors", "config.json"):
        assert f"{name} holds what another command" in one_line(
            export.main, checkpoint, "--to", "gguf", "--out", model / name
        )
        assert f"{name} holds what another command" in one_line(evaluate.main, "--json", model / name)
    assert "(metrics.jsonl), not a corpus" in one_line(
        corpus.main, "build", "--data", "core", "--out", tmp_path / "metrics.jsonl"
    )
    assert "(a corpus), not an evaluation" in one_line(evaluate.main, "--json", tmp_path / "c.jsonl")
    assert "holds c.jsonl" in one_line(train_art_ai_model.main, "--progress", tmp_path / "c.jsonl")
    assert tree(tmp_path) == before
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    del manifest["kinds"]  # as versions wrote it that noted none
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert corpus.main(["build", "--data", "core", "--max-rows", "5", "--out", str(tmp_path / "c.jsonl")]) == 0


@pytest.mark.parametrize("main", [train_art_ai_model.main, train_model2_pretrained.main])
@pytest.mark.parametrize("start", [[], ["--resume"], ["--restart"]])
def test_a_training_refuses_a_folder_where_its_files_would_replace_others(
    main: Main, start: list[str], tmp_path: Path, one_line: Callable[..., str]
) -> None:
    before = strangers(tmp_path, *FILES, *(f"{name}/thesis.txt" for name in FOLDERS), "resume/run.json", "mine.txt")
    line = (
        one_line(main, "--base", "gpt5", "--out", tmp_path, *start)
        if "2" in main.__module__
        else one_line(main, "--out", tmp_path, *start)
    )
    assert f"{tmp_path} holds art_ai_best.pt, tokenizer.new, tokenizer.model and 11 more" in line
    assert f"{tmp_path / 'resume'} holds run.json" in line
    assert tree(tmp_path) == before


def test_a_training_leaves_all_else_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "out"
    before = strangers(
        out,
        *("thesis.txt", "resume/cv.pdf", "hf.old/a", "hf.partial/b", "art_ai_best.partial", "tokenizer.partial"),
        *("training_curves.partial.png", "model.gguf.partial", "training_report.json.partial", "final.txt", "logs/log"),
    )
    rows = [{"question": f"Who made work {n}?", "answer": f"Degas made it in 1{n:03}."} for n in range(300)]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    quiz = str(tmp_path / "quiz.jsonl")
    command = ["--data", quiz, "--out", str(out), "--max-steps", "2", "--set", "save_steps=1", *SMALL]
    progress = ["--progress", str(tmp_path / "progress.json")]
    (tmp_path / "progress.partial").write_text("mine")
    for _ in range(2):  # the second time over the first one's files
        assert train_art_ai_model.main([*command, *progress]) == 0
        assert before.items() <= tree(out).items()
    assert {path.name for path in out.iterdir()} >= {"art_ai_best.pt", "hf", "model.gguf", "README.md"}
    assert (tmp_path / "progress.partial").read_text() == "mine"
    assert set(tree(out / "resume")) == {"cv.pdf", MANIFEST}


def test_a_progress_file_takes_no_other_files_place(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text('{"mine": 1}')
    with pytest.raises(ForeignFileError, match=r"holds notes\.json"):
        Progress(tmp_path / "notes.json")
    for _ in range(2):
        with Progress(tmp_path / "progress.json") as progress:
            progress.stage("train", "training")
    assert json.loads((tmp_path / "progress.json").read_text())["stage"] == "train"


@pytest.mark.parametrize("name", ["art_ai_best.pt", "training_report.json", "hf/a.json", "resume/run.json", MANIFEST])
@pytest.mark.parametrize("main", [train_art_ai_model.main, train_model2_pretrained.main])
def test_a_progress_file_takes_no_place_of_the_run_itself(
    main: Main, name: str, tmp_path: Path, one_line: Callable[..., str]
) -> None:
    """It was there when the weights were to be written, after the whole training."""
    out = tmp_path / "out"
    line = one_line(main, "--check", "--data", "core", "--out", out, "--progress", out / "sub" / ".." / name)
    assert "is where the training in" in line
    assert not out.exists()
    assert main(["--check", "--data", "core", "--out", str(out), "--progress", str(out / "progress.json")]) == 0


def as_folder(path: Path) -> None:
    path.mkdir()
    (path / "a").write_text("mine")


def as_link(path: Path) -> None:
    (path.parent / "mine").write_text("{}")
    path.symlink_to("mine")


@pytest.mark.parametrize("make", [lambda path: path.write_text('{"mine": 1}'), as_folder, as_link])
def test_a_place_whose_list_of_files_is_another_s_is_refused_before_any_work(
    make: Callable[[Path], None], checkpoint: Path, tmp_path: Path, one_line: Callable[..., str]
) -> None:
    (tmp_path / "resume").mkdir()
    for folder in (tmp_path, tmp_path / "resume"):
        make(folder / MANIFEST)
    before = tree(tmp_path)
    tmp = f"{tmp_path} holds {MANIFEST}, "
    said = one_line(train_art_ai_model.main, "--check", "--data", "core", "--out", tmp_path, *SMALL)
    assert tmp in said
    assert f"{tmp_path / 'resume'} holds {MANIFEST}" in said
    assert tmp in one_line(export.main, checkpoint, "--to", "hf", "--out", tmp_path)
    assert tmp in one_line(export.main, checkpoint, "--to", "gguf", "--out", tmp_path / "a.gguf")
    assert tmp in one_line(corpus.main, "build", "--data", "core", "--out", tmp_path / "c.jsonl")
    assert tmp in one_line(compare.main, "--out", tmp_path)
    assert tmp in one_line(evaluate.main, "--json", tmp_path / "e.json")
    assert tree(tmp_path) == before
    assert os.path.lexists(tmp_path / MANIFEST)


def test_other_commands_refuse_a_place_that_is_taken(
    tmp_path: Path, one_line: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "out"
    before = strangers(
        out,
        "report.html",
        "corpus.jsonl",
        "b.data_card.json",
        "results.json",
        "sheet.csv",
        "b.key.csv",
        "learning_rate.png",
        ".writable",
        "c.jsonl.part",
    )
    assert "results.json" in one_line(evaluate.main, "--json", out / "results.json")
    assert "report.html" in one_line(compare.main, "--out", out)
    assert "corpus.jsonl" in one_line(corpus.main, "build", "--data", "core", "--out", out / "corpus.jsonl")
    assert "report.html" in one_line(corpus.main, "check", "--museums", tmp_path, "--out", out / "report.html")
    core = ["reading", "--data", "core", "--max-rows", "9"]
    assert "sheet.csv" in one_line(corpus.main, *core, "--out", out / "sheet.csv")
    assert "b.key.csv" in one_line(corpus.main, *core, "--out", out / "b.csv")
    assert "b.data_card.json" in one_line(corpus.main, "build", "--data", "core", "--out", out / "b.jsonl")
    sweep = ["--find-learning-rate", "--data", "core", "--out", out, *SMALL]
    assert "learning_rate.png" in one_line(train_art_ai_model.main, *sweep)
    assert tree(out) == before
    for _ in range(2):
        assert corpus.main(["build", "--data", "core", "--max-rows", "5", "--out", str(out / "c.jsonl")]) == 0
    assert before.items() <= tree(out).items()


WRITES = {
    **dict.fromkeys(("train_art_ai_model --out", "train_model2_pretrained --out"), "a_training_refuses_a_folder"),
    **dict.fromkeys(("train_art_ai_model --progress", "train_model2_pretrained --progress"), "a_progress_file"),
    "export --out": "an_export_never_replaces",
    **dict.fromkeys(("evaluate --json", "compare --out", "corpus build --out"), "other_commands_refuse"),
    **dict.fromkeys(("corpus check --out", "corpus reading --out"), "other_commands_refuse"),
    **dict.fromkeys(("feedback stats --json", "feedback export --out", "feedback report --out"), "no_file_of_another"),
    "feedback patterns --json": "no_file_of_another",
    "feedback preferences --out": "preferences_never_replace",
    **dict.fromkeys(("improve --out", "improve --progress"), "learning_replaces_nothing"),
    "feedback push --out": "a_data_set_replaces_its_own",
    "feedback backup --out": "a_mistake_with_the_newer",
    **dict.fromkeys(("app --db", "feedback restore --db"), "a_database_of_another_program"),
}
"""Every option by which a command is told where to write, and the test that a stranger's file there stays."""
READS = {
    *("export CHECKPOINT", "evaluate --benchmark", "compare --stats", "compare --db"),
    *("corpus check --museums", "corpus reading --other", "corpus reading --score"),
    *("compare --evaluation", "feedback stats --csv", "feedback restore --from", "app --study"),
    *(
        f"{name} --config"
        for name in ("train_art_ai_model", "train_model2_pretrained", "evaluate", "compare", "improve", "app")
    ),
    *(f"corpus {name} --config" for name in ("list", "build", "prepare", "reading", "stats")),
    *(
        "feedback preferences --db",
        "feedback preferences --csv",
        "improve --db",
        "improve --preferences",
        "improve --checkpoint",
    ),
    *(f"feedback {name} --db" for name in ("stats", "export", "report", "patterns", "backup", "check", "push")),
}
PLACE = re.compile(r"FILE|DIR|PATH|FOLDER|CHECKPOINT")


def places(name: str, parser: argparse.ArgumentParser) -> set[str]:
    """The arguments of a command that are paths."""
    found: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {place for sub, inner in action.choices.items() for place in places(f"{name} {sub}", inner)}
        elif getattr(action.type, "__name__", "") in ("Path", "place", "_place") or PLACE.search(str(action.metavar)):
            found.add(f"{name} {action.option_strings[0] if action.option_strings else action.metavar}")
    return found


def test_every_option_that_writes_is_known_and_tested() -> None:
    commands = {
        "train_art_ai_model": train_art_ai_model.parser(),
        "train_model2_pretrained": train_model2_pretrained.parser(),
        **{"export": export.build_parser(), "evaluate": evaluate.parser(), "compare": compare.build_parser()},
        "improve": improve.parser(),
        "corpus": corpus._parser(),
        "feedback": feedback._parser("python -m feedback"),
        "app": cli.parser(),
    }
    found = {place for name, parser in commands.items() for place in places(name, parser)}
    assert found - {"app --root-path"} == set(WRITES) | READS
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in set(WRITES.values()) if f"def test_{name}" not in tests] == []


def test_a_home_is_meant_where_no_shell_has_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_line: Callable[..., str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    build = ["build", "--data", "core", "--max-rows", "5", "--out=~/corpus.jsonl"]
    assert corpus.main(build) == 0
    assert train_art_ai_model.main(["--check", "--out=~/a/b", *SMALL]) == 0
    assert train_art_ai_model.parser().parse_args(["--out=~/models"]).out == tmp_path / "home" / "models"
    assert evaluate.parser().parse_args(["--json=~/e.json"]).json == str(tmp_path / "home" / "e.json")
    assert feedback._parser("python -m feedback").parse_args(["check", "--db=~/a.db"]).db == tmp_path / "home" / "a.db"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert {path.name for path in (tmp_path / "home").iterdir()} >= {"corpus.jsonl"}
    assert not (tmp_path / "home" / "a").exists()  # a check leaves nothing, not even the folders around
    for parser, words in (
        (train_art_ai_model.parser(), ["--out="]),
        (feedback._parser("python -m feedback"), ["check", "--db="]),
    ):
        with pytest.raises(SystemExit):
            parser.parse_args(words)


@pytest.mark.parametrize("out", ["texts", "texts/inside/deep", "link", "texts/quiz.jsonl"])
def test_nothing_is_written_where_it_would_be_read_as_data(
    out: str, tmp_path: Path, one_line: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "texts")
    rows = [{"question": f"Who made work {n}?", "answer": f"Degas made it in 1{n:03}."} for n in range(30)]
    (tmp_path / "texts" / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = tree(tmp_path)
    line = one_line(train_art_ai_model.main, "--data", "core", "texts=2", "--out", out, "--check", *SMALL)
    assert "would be read as data" in line or "texts/quiz.jsonl: is no folder; name another place" in line
    file = out if out.endswith(".jsonl") else f"{out}/c.jsonl"
    assert "would be read as data" in one_line(corpus.main, "build", "--data", "texts", "--out", file)
    if out.endswith(".jsonl"):
        assert "would be read as data" in one_line(corpus.main, "build", "--data", file, "--out", file)
    assert tree(tmp_path) == before
    assert not (tmp_path / "texts" / "inside").exists()


def test_a_benchmark_refuses_a_place_that_is_taken_before_it_measures(tmp_path: Path) -> None:
    written = re.compile(r'add_argument\("--(?:out|json|keep|results)", (?!type=(?:own_file|empty_folder))')
    scripts = {path.name: path.read_text() for path in (ROOT / "benchmarks").glob("*.py")}
    assert [name for name, text in scripts.items() if written.search(text) or "arguments.out.write" in text] == []
    before = strangers(tmp_path, "report.md")
    command = [sys.executable, "benchmarks/coverage.py", "--out", str(tmp_path / "report.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "holds report.md, which was not written here" in done.stderr
    taken = [sys.executable, "benchmarks/loop_pictures.py", "--out", str(tmp_path)]
    done = subprocess.run(taken, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, f"{tmp_path} is taken; name an empty folder" in done.stderr) == (2, True)
    for number in range(2):
        outputs.append(tmp_path / "rows.jsonl", {"row": number})
        outputs.write(outputs.own_file(str(tmp_path / "new.md")), f"report {number}")
    assert outputs.lines(outputs.own_file(str(tmp_path / "rows.jsonl"))) == ['{"row": 0}', '{"row": 1}']
    assert before.items() <= tree(tmp_path).items()


def test_a_card_that_somebody_edited_stays(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(write_cards(checkpoint)) == 2
    card = checkpoint / "README.md"
    text = card.read_text()
    card.write_text(text + "my own words\n")
    assert write_cards(checkpoint) == [checkpoint / "hf" / "README.md"]
    assert card.read_text().endswith("my own words\n")
    assert f"no card: {checkpoint} holds README.md" in capsys.readouterr().err
    card.write_text(text)
    assert len(write_cards(checkpoint)) == 2


def test_a_model_is_readable_by_whoever_may_read_its_folder(checkpoint: Path, tmp_path: Path) -> None:
    """As a server's user: safetensors writes for its owner alone."""
    mask = os.umask(0o027)
    try:
        assert export.main([str(checkpoint), "--to", "hf", "--out", str(tmp_path / "hf")]) == 0
        replace_text(tmp_path / "notes.md", "a line\n")
        replace_file(tmp_path / "votes.csv", [b"a line\n"])
    finally:
        os.umask(mask)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name: path.stat().st_mode & 0o777 for path in written} == {path.name: 0o640 for path in written}
    assert len({MANIFEST, "model.safetensors", "notes.md", "votes.csv"} & {path.name for path in written}) == 4


def test_a_file_in_the_place_of_the_tracker_s_folder_is_told_first(
    tmp_path: Path, one_line: Callable[..., str]
) -> None:
    before = strangers(tmp_path, "logs")
    line = one_line(train_art_ai_model.main, "--check", "--report-to", "tensorboard", "--out", tmp_path)
    assert f"writes to the folder {tmp_path / 'logs'}, where a file is" in line
    assert tree(tmp_path) == before
