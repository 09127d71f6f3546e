"""Data files of one's own, in every format, and what is said of files that cannot be used."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from training.corpus import CorpusError, Message, Sample, load, notes, sources, split_of, stream
from training.corpus.__main__ import main
from training.corpus.cleaning import CleaningReport
from training.corpus.files import find_files, labels

Row = dict[str, Any]

ROWS: list[Row] = [
    {
        "id": "s:1",
        "question": "Who made “Old Trees”?",
        "answer": "R. S. Gifford.",
        "topic": "art/artist",
        "context": "",
    },
    {"id": "s:2", "question": "And when?", "answer": "In 1883.", "topic": "conversation/art", "context": "Hi\nHello"},
    {"id": "s:3", "question": "What is 7 × 6?", "answer": "42", "topic": "trivia/maths", "context": ""},
]


def write_jsonl(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_jsonl_gz(path: Path, rows: list[Row]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # as Excel writes it
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: list[Row]) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def write_zstd(path: Path, content: bytes) -> None:
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.CompressedOutputStream(file, "zstd") as stream:
        stream.write(content)


COMPRESSIONS: dict[str, Callable[[Path, bytes], object]] = {
    ".gz": lambda path, content: path.write_bytes(gzip.compress(content)),
    ".bz2": lambda path, content: path.write_bytes(bz2.compress(content)),
    ".xz": lambda path, content: path.write_bytes(lzma.compress(content)),
    ".zst": write_zstd,
}


def compressed(write: Callable[[Path, list[Row]], None], ending: str) -> Callable[[Path, list[Row]], None]:
    def write_compressed(path: Path, rows: list[Row]) -> None:
        plain = path.with_suffix("")
        write(plain, rows)
        COMPRESSIONS[ending](path, plain.read_bytes())
        plain.unlink()

    return write_compressed


WRITERS: dict[str, Callable[[Path, list[Row]], None]] = {
    ".jsonl": write_jsonl,
    ".jsonl.gz": write_jsonl_gz,
    ".csv": write_csv,
    ".parquet": write_parquet,
    **{f".jsonl{ending}": compressed(write_jsonl, ending) for ending in COMPRESSIONS},
    ".csv.bz2": compressed(write_csv, ".bz2"),
}


def messages(sample: Sample) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in sample.messages]


@pytest.mark.parametrize("ending", WRITERS)
def test_every_format_gives_the_same_samples(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"museum{ending}"
    WRITERS[ending](path, ROWS)
    found = load([str(path)])
    assert [messages(sample) for sample in found] == [
        [("user", "Who made “Old Trees”?"), ("assistant", "R. S. Gifford.")],
        [("user", "Hi"), ("assistant", "Hello"), ("user", "And when?"), ("assistant", "In 1883.")],
        [("user", "What is 7 × 6?"), ("assistant", "42")],
    ]
    assert [sample.area for sample in found] == ["art", "conversation", "general"]
    assert {sample.source for sample in found} == {"museum"}
    assert {sample.licence for sample in found} == {"not stated"}


def test_a_folder_is_read_in_order_of_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write_jsonl(tmp_path / "b.jsonl", ROWS[:1])
    write_csv(tmp_path / "deep" / "c.csv", ROWS[1:2])
    write_jsonl_gz(tmp_path / "a.jsonl.gz", ROWS[2:])
    (tmp_path / "readme.md").write_text("not data")
    assert [sample.source for sample in load([str(tmp_path)])] == ["a", "b", "c"]
    assert sources([str(tmp_path), str(tmp_path / "b.jsonl")]) == sources([str(tmp_path)])


def test_plain_text_is_cut_at_blank_lines(tmp_path: Path) -> None:
    paragraphs = [f"Paragraph {number}. " + "Light and colour. " * 20 for number in range(6)]
    path = tmp_path / "book.txt"
    path.write_text("\n\n".join(paragraphs))
    found = load([str(path)])
    assert len(found) == 3
    assert {message.role for sample in found for message in sample.messages} == {"text"}
    joined = " ".join(sample.answer for sample in found)
    assert joined.split() == " ".join(paragraphs).split()


def test_dialogues_in_prose_become_turns(tmp_path: Path) -> None:
    text = "Assistant: Welcome!\nUser: hello\nUser: who was Goya?\nAssistant: A painter.\nSpanish.\nUser: thanks"
    path = tmp_path / "chats.jsonl"
    write_jsonl(path, [{"id": "c:1", "text": text, "topic": "conversation/art"}, {"text": "User: alone"}])
    chat, alone = load([str(path)])
    assert messages(chat) == [("user", "hello\nwho was Goya?"), ("assistant", "A painter.\nSpanish.")]
    assert messages(alone) == [("text", "User: alone")]


def test_an_odd_number_of_earlier_turns_starts_with_the_user(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    write_jsonl(
        path,
        [
            {
                "question": "And?",
                "answer": "Yes.",
                "context": "A lost reply\nWas it red?\nIt was blue.",
                "topic": "conversation",
            }
        ],
    )
    assert messages(load([str(path)])[0])[:2] == [("user", "Was it red?"), ("assistant", "It was blue.")]


def test_rows_are_chosen_by_hash_and_not_from_the_head(tmp_path: Path) -> None:
    rows = [{"id": f"r:{number}", "question": f"Question {number}?", "answer": "Yes."} for number in range(400)]
    path = tmp_path / "many.jsonl"
    write_jsonl(path, rows)
    chosen = [sample.question for sample in load([str(path)], max_rows_per_source=40)]
    assert len(chosen) == 40
    order = [row["question"] for row in rows]
    assert chosen == sorted(chosen, key=order.index)
    assert 5 < sum(order.index(question) < 200 for question in chosen) < 35
    write_jsonl(path, rows[::-1])
    assert {sample.question for sample in load([str(path)], max_rows_per_source=40)} == set(chosen)
    assert set(chosen) < {sample.question for sample in load([str(path)], max_rows_per_source=80)}


def test_rows_of_one_id_and_of_its_question_file_share_a_fact(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "talk.jsonl", [{"id": "talk:7", "text": "A long talk about Goya."}])
    write_jsonl(tmp_path / "talk_qa.jsonl", [{"id": "talk_qa:7", "question": f"{n}?", "answer": "Goya."} for n in "ab"])
    found = load([str(tmp_path)])
    assert {sample.fact for sample in found} == {"row:talk:7"}
    assert len({sample.id for sample in found}) == 3
    assert len({split_of(sample) for sample in found}) == 1


def test_a_row_keeps_its_id_whatever_stands_around_it(tmp_path: Path) -> None:
    path = tmp_path / "museum.jsonl"
    write_jsonl(path, ROWS)
    everything = load([str(path)])
    write_jsonl(path, ROWS[1:2])
    assert load([str(path)]) == everything[1:2]


def test_rows_that_cannot_be_used_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    write_jsonl(path, [{"question": "Only a question?"}, {"text": "  "}, {"messages": [{"role": "cat"}]}, ROWS[0]])
    assert len(load([str(path)])) == 1


def test_chats_in_messages_form_are_read(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    turns = [{"role": "user", "content": "Who was Goya?"}, {"role": "assistant", "content": "A painter."}]
    write_jsonl(path, [{"messages": turns}])
    assert load([str(path)])[0].messages == (Message("user", "Who was Goya?"), Message("assistant", "A painter."))


def _broken(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jsonl", b"", "the file is empty"),
        ("empty.parquet", b"", "the file is empty"),
        ("blank.jsonl", b"\n\n", "no usable rows"),
        ("fake.parquet", b"not at all", "not a Parquet file"),
        ("columns.csv", b"title,year\nGuernica,1937\n", "lacks the columns question and answer, text, or messages"),
        ("cut.jsonl", b'{"text": "a"}\n{"text": ', "line 2 is not JSON"),
        ("list.jsonl", b"[1, 2]\n", "line 1 is not an object"),
        ("binary.txt", b"\x80\x00\xff\x12\x00", "holds binary data, not text"),
        ("zeros.txt", b"abc\x00\x00\x01", "holds binary data, not text"),
        ("binary.jsonl", b"\x89PNG\r\n\x1a\n\x00\x00", "holds binary data, not text"),
        ("utf16.txt", "Goya".encode("utf-16"), "is UTF-16, not UTF-8; convert it with iconv -f UTF-16 -t UTF-8"),
        ("latin.csv", "text\ncaf\u00e9\n".encode("latin-1"), "is not UTF-8 (byte 0xe9); convert it"),
        ("fake.jsonl.gz", b"not compressed", "cannot be read"),
        ("cut.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 500, mtime=0)[:40], "cannot be read"),
        ("fake.jsonl.bz2", b"not compressed", "cannot be read"),
        ("fake.jsonl.xz", b"not compressed", "cannot be read"),
        ("fake.jsonl.zst", b"not compressed", "cannot be read"),
        ("cut.jsonl.xz", lzma.compress(b'{"text": "a"}\n' * 500)[:40], "cannot be read"),
        ("rows.parquet.gz", gzip.compress(b"PAR1", mtime=0), "Parquet compresses itself"),
        ("table.xlsx", b"PK", "the format is not known; use one of .jsonl, .csv, .parquet, .txt"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = _broken(tmp_path / name, content)
    with pytest.raises(CorpusError) as raised:
        load([path])
    assert str(raised.value).startswith(path)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_that_a_link_leads_to_is_searched_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (data / "real").mkdir(parents=True)
    for name in ("elsewhere/a.jsonl", "elsewhere/deep/b.jsonl", "data/real/c.jsonl"):
        (tmp_path / name).write_text("{}\n")
    for link, target in (("link", "elsewhere"), ("again", "elsewhere/deep"), ("ring", "data"), ("same", "data/real")):
        (data / link).symlink_to(tmp_path / target)
    found = {path.name: path.relative_to(data).as_posix() for path in find_files(data)}
    assert len(find_files(data)) == 3
    assert found == {"a.jsonl": "link/a.jsonl", "b.jsonl": "again/b.jsonl", "c.jsonl": "real/c.jsonl"}


def test_names_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such file or folder; did you mean art"):
        load(["arts"])
    with pytest.raises(CorpusError, match="no such file or folder; did you mean squad-v2"):
        load(["squad_v2"])
    with pytest.raises(CorpusError, match="no such file or folder; name a data file"):
        load(["nothing.like.it"])
    with pytest.raises(CorpusError, match="no data files in this folder"):
        load([str(tmp_path)])
    with pytest.raises(CorpusError, match="no data named"):
        load([])
    with pytest.raises(CorpusError, match="must be at least 1"):
        load(max_rows_per_source=0)


def test_embedded_sources_are_named_one_by_one_or_together() -> None:
    assert sources() == sources(["art", "ai-literacy", "conversation"]) == sources(["embedded", "art"])
    assert {sample.source for sample in load(["conversation"])} == {"conversation"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names, or no pipes with names")
def test_a_name_of_another_encoding_and_a_pipe(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    odd = folder / os.fsdecode(b"caf\xe9.jsonl")
    write_jsonl(odd, [*ROWS, {"question": "Who?", "answer": None}])
    report = CleaningReport()
    assert {sample.source for sample in stream([str(folder)], report=report)} == {"caf\ufffd"}
    assert report.first == {"no answer": f"{folder}/caf\ufffd.jsonl, line 4"}
    assert main(["build", "--data", str(odd), "--out", str(tmp_path / "out.jsonl")]) == 0
    assert "caf\ufffd" in (tmp_path / "out.data_card.md").read_text()
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(CorpusError, match="is a pipe or a device, which can be read once only"):
        load([str(tmp_path / "pipe.jsonl")])


@pytest.mark.parametrize("name", ["test.jsonl", "data/validation-00000-of-00001.jsonl", "quiz_dev.jsonl"])
def test_files_to_test_with_are_told_where_a_folder_is_trained_on(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / "train.jsonl", tmp_path / "latest.jsonl", tmp_path / name):
        path.parent.mkdir(exist_ok=True)
        write_jsonl(path, ROWS)
    told = f"{tmp_path}: {name} is trained on like the rest; name files to keep it to test with"
    assert notes([str(tmp_path)]) == [told]
    assert notes([str(tmp_path / name), "core"]) == []
    (tmp_path / name).unlink()
    assert notes([str(tmp_path)]) == []


def test_a_name_has_its_letters_where_the_system_knows_ascii_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with LC_ALL=C and PYTHONUTF8=0: a name that was made text already could not be made bytes again."""
    monkeypatch.setattr(os, "fsencode", lambda name: str(name).encode("ascii", "surrogateescape"))
    (label,) = labels([Path("qui\udcc3\udc9f.jsonl")]).values()
    assert label == "qui\xdf"


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
    (session,) = re.findall(r"```jsonl\n(.*?)```", page, re.DOTALL)
    (tmp_path / "session.jsonl").write_text(session)
    assert [sample.answer for sample in load([str(tmp_path / "session.jsonl")])] == ["Picasso did."]
    for ending in ("jsonl", "csv", "txt"):
        language = {"jsonl": "json", "txt": "text"}.get(ending, ending)
        (block,) = re.findall(rf"```{language}\n(.*?)```", page.partition("Two rows of each form:")[2], re.DOTALL)
        (tmp_path / f"a.{ending}").write_text(block)
        found = load([str(tmp_path / f"a.{ending}")])
        if ending == "jsonl":
            assert len(found) == len(block.splitlines()) == 76
            assert {sample.answer for sample in [*found[:14], *found[18:]]} <= {
                "Picasso did.", "In 1937.", "Picasso.", "Pablo Picasso", "Yes", "No",
            }  # fmt: skip
