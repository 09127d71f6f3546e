"""``python -m training.corpus`` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from training.corpus import CorpusError, hub, load, repositories, split_of
from training.corpus.__main__ import main


def test_list_names_sources_licences_and_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    here, public, there, files = (part.splitlines() for part in printed.split("\n\n"))
    assert [line.split()[0] for line in here] == ["source", "art", "ai-literacy", "conversation"]
    assert all(line.endswith("MIT") for line in here[1:])
    sizes = {line.split()[0]: int(line.split()[1].replace(",", "")) for line in here[1:]}
    assert sizes["conversation"] == len(load(["conversation"]))
    assert [line.split()[0] for line in public[2:]] == list(repositories.SOURCES)
    assert [line.split()[0] for line in there[2:] if line[0] != " "] == list(hub.SOURCES)
    assert ".jsonl" in files[0]
    assert ".zst" in files[0]
    assert hub.FOLDER_VARIABLE in files[1]


def test_list_is_limited_to_the_data_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--data", "conversation=2", "--max-rows", "10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["source", "samples"], ["conversation", "10"]]


def test_stats_count_every_sample_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--data", "conversation"]) == 0
    counts = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[-1].isdigit())
    number = {name.strip(): float(count.replace(",", "")) for name, count in counts.items()}
    total = len(load(["conversation"]))
    assert number["conversation"] == total
    assert number["train"] + number["new_wording"] == total
    assert number["distinct question-answer pairs"] <= total


def test_what_build_writes_is_read_back_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "corpus.jsonl"
    assert main(["build", "--data", "conversation", "ai-literacy", "--max-rows", "200", "--out", str(out)]) == 0
    assert "400 samples" in capsys.readouterr().out
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert rows[0].keys() == {"id", "source", "area", "fact", "messages", "licence", "split"}
    written = load([str(out)])
    assert written == load(["conversation", "ai-literacy"], max_rows_per_source=200)
    assert [row["split"] for row in rows] == [split_of(sample) for sample in written]
    written_files = {path.name for path in out.parent.glob("[!.]*")}
    assert written_files == {"corpus.jsonl", "corpus.data_card.json", "corpus.data_card.md"}


def test_the_source_of_a_record_is_kept_to_the_data_card_and_back(tmp_path: Path) -> None:
    out = tmp_path / "art.jsonl"
    assert main(["build", "--data", "art", "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    pompidou = [row for row in rows if row["fact"] == "museum:Centre Pompidou/closed"]
    assert len(pompidou) == 2
    assert {row["reference"] for row in pompidou} == {
        "Centre Pompidou, page Centre Pompidou 2030; Le Monde, September 2025"
    }
    assert {sample.reference for sample in load([str(out)])} == {row.get("reference", "") for row in rows}
    card = json.loads((tmp_path / "art.data_card.json").read_text(encoding="utf-8"))
    assert card["sources"][0]["with_reference"] == card["with_reference"] == sum("reference" in row for row in rows) > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stats", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["list", "--max-rows", "0"], "--max-rows 0: must be at least 1"),
        (["build", "--out", "corpus.parquet"], "name a file that ends in .jsonl"),
        (["build", "--data", "conversation", "--out", "/dev/null/corpus.jsonl"], "cannot be written"),
    ],
)
def test_mistakes_end_with_2_and_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m training.corpus: ")
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.corpus.__main__._list", interrupted)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(CorpusError):
        main(["stats", "--data", "nowhere", "--debug"])


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a"}\nnot JSON\n')
    out = tmp_path / "out" / "corpus.jsonl"
    assert main(["build", "--data", "conversation", str(broken), "--out", str(out)]) == 2
    assert list(out.parent.iterdir()) == []


def test_the_command_runs_without_pytorch() -> None:
    script = (
        "import sys; from training.corpus.__main__ import main; main(['list']); "
        "print({'torch', 'pandas', 'pyarrow', 'transformers'} & set(sys.modules) or 'light')"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "light"
    shown = subprocess.run([sys.executable, "-m", "training.corpus", "--help"], capture_output=True, text=True)
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in ("list", "build", "stats"))


def test_an_argument_that_cannot_be_read_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["build", "--max-rows", "x", "--out", "a.jsonl"], ["check"], []):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("--help")
