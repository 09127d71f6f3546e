"""Data sets of the Hub, read through `datasets` from local Parquet files that have their repositories' columns."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.corpus.hub_server import hub_server
from tests.training.corpus.odd_values import odd
from training.corpus import CorpusError, Sample, hub, load, split_of, stream
from training.corpus.__main__ import main
from training.corpus.cleaning import CleaningReport
from training.corpus.hub.chats import plain

Row = dict[str, Any]
Turns = list[tuple[str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the Hub; nothing else of it is reachable."""
    monkeypatch.setenv(hub.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def put(folder: Path, name: str, rows: list[Row], features: dict[str, Any] | None = None) -> Path:
    """Write rows where the repository has them, with the features that its files carry."""
    import datasets

    source = hub.SOURCES[name]
    path = folder / source.repository / source.files.replace("*", "00000-of-00001")
    path.parent.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_list(rows, features=datasets.Features(features) if features else None)
    table.to_parquet(str(path))
    return path


def read(name: str, **options: Any) -> list[Sample]:
    return load([name], **options)


def turns(sample: Sample) -> Turns:
    return [(message.role, message.content) for message in sample.messages]


def test_squad_has_its_passage_before_the_question_and_admits_what_the_passage_does_not_say(folder: Path) -> None:
    rows = [
        {"id": "1", "title": "T", "context": "Goya was born in 1746.", "question": "When was Goya born?",
         "answers": {"text": ["1746", "in 1746"], "answer_start": [17, 14]}},
        {"id": "2", "title": "T", "context": "Goya was born in 1746.", "question": "When did Goya die?",
         "answers": {"text": [], "answer_start": []}},
    ]  # fmt: skip
    put(folder, "squad-v2", rows)
    (chat,) = read("squad-v2")
    assert turns(chat)[:3] == [
        ("user", "Goya was born in 1746.\n\nWhen was Goya born?"),
        ("assistant", "1746"),
        ("user", "When did Goya die?"),
    ], "the passage once, however many questions there are about it"
    assert "text" in chat.answer
    assert "1746" not in chat.answer
    assert (chat.source, chat.area, chat.licence) == ("squad-v2", "general", "CC-BY-SA-4.0")


def test_a_conversation_of_openassistant_follows_the_best_ranked_english_replies(folder: Path) -> None:
    def message(number: str, parent: str | None, role: str, text: str, **other: Any) -> Row:
        defaults = {"lang": "en", "rank": None, "deleted": False, "user_id": "u", "emojis": {"name": [], "count": []}}
        keys = {"message_id": number, "parent_id": parent, "message_tree_id": number[0], "role": role, "text": text}
        return keys | defaults | other

    rows = [
        message("a", None, "prompter", "Hi"),
        message("a2", "a", "assistant", "Worse", rank=1),
        message("a3", "a1", "prompter", "And then?"),
        message("a1", "a", "assistant", "Best", rank=0),
        message("a4", "a3", "assistant", "Gone", rank=0, deleted=True),
        message("a5", "a3", "assistant", "This.", rank=2),
        message("a6", "a5", "prompter", "Never answered"),
        message("b", None, "prompter", "Hola", lang="es"),
        message("b1", "b", "assistant", "Buenas", lang="es"),
        message("c", None, "prompter", "Nobody answers"),
    ]
    put(folder, "openassistant", rows)
    (chat,) = read("openassistant")
    assert turns(chat) == [("user", "Hi"), ("assistant", "Best"), ("user", "And then?"), ("assistant", "This.")]
    assert chat.fact == "row:openassistant:a"


def test_both_sides_of_a_persona_chat_are_one_conversation(folder: Path) -> None:
    def side(*spoken: str) -> Row:
        return {
            "personality": ["i like art ."],
            "utterances": [
                {"candidates": ["wrong .", spoken[1]], "history": [spoken[0]]},
                {"candidates": ["no .", spoken[-1]], "history": list(spoken[:-1])},
            ],
        }

    said = ("hi , how are you ?", "i'm fine . do n't you paint ?", "yes ( a bit ) .", "nice !")
    put(folder, "personachat", [side(*said), side("__ SILENCE __", *said[:-1])])
    first, second = read("personachat")
    assert turns(first) == [
        ("user", "Hi, how are you?"), ("assistant", "I'm fine. Don't you paint?"),
        ("user", "Yes (a bit)."), ("assistant", "Nice!"),
    ]  # fmt: skip
    assert turns(second) == [("user", "I'm fine. Don't you paint?"), ("assistant", "Yes (a bit).")]
    assert first.fact == second.fact


def test_daily_dialogues_end_with_the_assistant(folder: Path) -> None:
    said = ["Say , Jim , it ’ s late . ", "I know . ", "Bye ! "]
    put(folder, "dailydialog", [{"dialog": said, "act": [1, 2, 3], "emotion": [0, 0, 0]}])
    (chat,) = read("dailydialog")
    assert turns(chat) == [("user", "Say, Jim, it’s late."), ("assistant", "I know.")]
    assert (chat.area, chat.licence) == ("conversation", "CC-BY-NC-SA-4.0")


def test_plain_text_stays_as_it_is() -> None:
    for text in ("It's 3.5 o'clock (or so), isn't it? I'd say \"yes\".", "The Beatles' album cost $5."):
        assert plain(text) == text


WORK: Row = {
    "image": {"bytes": b"not a picture", "path": None},
    "title": "Old Trees",
    "artistName": "R. S. Gifford",
    "completitionYear": 1883,
    "genres": ["landscape"],
    "styles": ["Tonalism", "Realism"],
    "media": ["oil", "canvas"],
}


def test_works_of_wikiart_become_chats_and_their_pictures_stay_where_they_are(folder: Path) -> None:
    import datasets

    bare = dict.fromkeys(WORK) | {"title": "A Study", "artistName": "Anna", "genres": [], "styles": [], "media": []}
    names = {"title": "string", "artistName": "string", "completitionYear": "int64"}
    features: dict[str, Any] = {"image": datasets.Image()} | {name: datasets.Value(of) for name, of in names.items()}
    features |= {name: datasets.List(datasets.Value("string")) for name in ("genres", "styles", "media")}
    put(folder, "wikiart", [WORK, bare, dict(WORK, title="Untitled (3)")], features)
    full, short = read("wikiart")
    assert len(full.messages) == 10
    assert "Old Trees" in full.messages[0].content
    answers = {message.content for message in full.messages if message.role == "assistant"}
    assert answers == {
        "Old Trees is by R. S. Gifford.", "Old Trees was finished in 1883.", "Its style is Tonalism and Realism.",
        "Its genre is landscape.", "It is made of oil and canvas.",
    }  # fmt: skip
    assert turns(short) == [("user", "Who made A Study?"), ("assistant", "A Study is by Anna.")]


def test_a_stream_of_the_hub_leaves_out_the_pictures(tmp_path: Path) -> None:
    """The command as a user types it, against a Hub on this machine whose files are mostly pictures."""
    import pyarrow as pa
    import pyarrow.parquet

    path = put(tmp_path / "hub", "wikiart", [WORK])
    row = pa.parquet.read_table(path).to_pylist()[0]
    works = [
        dict(row, title=f"Work {number}", image={"bytes": os.urandom(20_000), "path": None}) for number in range(400)
    ]
    table = pa.Table.from_pylist(works, schema=pa.parquet.read_schema(path))
    pa.parquet.write_table(table, path, row_group_size=100)
    assert path.stat().st_size > 8_000_000
    out = tmp_path / "corpus.jsonl"
    command = [sys.executable, "-m", "training.corpus", "build", "--data", "wikiart", "--out", str(out)]
    with hub_server(tmp_path / "hub") as server:
        here = {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "home"), hub.FOLDER_VARIABLE: ""}
        done = subprocess.run(command, env={**os.environ, **here}, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert "kept 400 of 400 samples" in done.stdout
        assert server.sent < 1_000_000


@pytest.mark.parametrize("file", ["zodiac-1896.jpg", "zodiac-1896.jpg!Large.jpg", "zodiac-1896(1).jpg!Blog.jpg"])
def test_captions_of_artbench_name_the_work_by_its_address(folder: Path, file: str) -> None:
    row = {
        "caption": "The image shows a woman in profile.",
        "artist": "alphonse-mucha",
        "url": f"https://pictures.example/images/alphonse-mucha/{file}",
    }
    put(folder, "artbench", [row, dict(row, caption=None), dict(row, url=None)])
    (sample,) = read("artbench")
    assert turns(sample) == [
        ("user", "What does Zodiac (1896) by Alphonse Mucha show?"),
        ("assistant", "It shows a woman in profile."),
    ]


def test_of_wikipedia_only_articles_about_art_are_taken_and_not_their_sources(folder: Path) -> None:
    lead = "Berthe Morisot (1841 – 1895) was a French painter."
    body = ["Life", "She was born in Bourges. " * 20, "She showed her work in Paris. " * 30, "References", "A book."]
    rows = [
        {"id": "1", "url": "u", "title": "Berthe Morisot (painter)", "text": "\n\n".join([lead, *body])},
        {"id": "2", "url": "u", "title": "Judo", "text": "Judo is a martial art, not a painting."},
        {
            "id": "3",
            "url": "u",
            "title": "Bourges",
            "text": "Bourges is a city in France.",
        },
        {
            "id": "4",
            "url": "u",
            "title": "Fresco (disambiguation)",
            "text": "Fresco may refer to:\n\nA way of painting",
        },
    ]
    put(folder, "art-wikipedia-simple", rows)
    first, *prose = read("art-wikipedia-simple")
    assert turns(first) == [("user", "Tell me about Berthe Morisot."), ("assistant", lead)]
    assert {message.role for sample in prose for message in sample.messages} == {"text"}
    assert " ".join(sample.answer for sample in prose).split() == " ".join(body[:3]).split()
    assert {sample.fact for sample in (first, *prose)} == {"row:art-wikipedia-simple:1"}
    assert len({split_of(sample) for sample in (first, *prose)}) == 1


def test_questions_of_eli5_and_captions_of_coco(folder: Path) -> None:
    put(
        folder,
        "eli5",
        [{"question": "Why is the sky blue?", "answer": " Light scatters. "}, {"question": "", "answer": "x"}],
    )
    assert [turns(sample) for sample in read("eli5")] == [
        [("user", "Why is the sky blue?"), ("assistant", "Light scatters.")]
    ]
    captions = ["A dog runs.", "A dog on grass. ", "A brown dog.", "A dog runs."]
    put(
        folder,
        "coco-captions",
        [{"image_id": 9, "captions": captions, "license": 4}, {"image_id": 10, "captions": ["One."], "license": 1}],
    )
    (sample,) = read("coco-captions")
    (_, question), (_, answer) = turns(sample)
    assert question.startswith("Describe the same picture in other words: A ")
    assert answer in {"A dog runs.", "A dog on grass.", "A brown dog."}
    assert answer not in question


def test_rows_of_the_hub_are_chosen_by_hash_and_mixed_with_other_sources(folder: Path) -> None:
    path = put(folder, "eli5", [{"question": f"Why {number}?", "answer": "Because."} for number in range(100)])
    assert (hub.copies("eli5"), hub.copies("squad-v2")) == ([path], [])
    chosen = read("eli5", max_rows_per_source=10)
    assert len(chosen) == 10
    assert {sample.id for sample in chosen} < {sample.id for sample in read("eli5")}
    both = load(["eli5", "conversation"], max_rows_per_source=10)
    assert [sample.source for sample in both] == ["eli5"] * 10 + ["conversation"] * 10


def test_streams_are_read_as_they_come(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, "eli5", [{"question": f"Why {number}?", "answer": "Because."} for number in range(5)])
    read_rows = 0

    def counted(rows: Any) -> Iterator[Any]:
        nonlocal read_rows
        for row in rows:
            read_rows += 1
            yield row["question"], ()

    monkeypatch.setattr(hub, "SOURCES", {"eli5": hub.HubSource(**{**vars(hub.SOURCES["eli5"]), "read": counted})})
    next(hub.samples("eli5"))
    assert read_rows == 1


def said_of(name: str) -> str:
    with pytest.raises(CorpusError) as raised:
        read(name)
    text = str(raised.value)
    assert "\n" not in text
    assert text.startswith(f"{name}: ")
    assert hub.FOLDER_VARIABLE in text or "folders as they are" in text
    return text


def test_without_a_network_one_line_says_at_once_what_else_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(hub.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr("socket.getaddrinfo", _no_network)
    begun = time.monotonic()
    text = said_of("squad-v2")
    assert time.monotonic() - begun < 20  # datasets itself tries for 24 s before it gives up
    assert "rajpurkar/squad_v2 cannot be reached" in text
    assert "Use 'embedded' or files of your own" in text
    assert main(["stats", "--data", "dailydialog"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def _no_network(*arguments: Any, **keywords: Any) -> Any:
    raise OSError("Name or service not known")


def test_a_copy_that_is_not_what_it_should_be_is_named(folder: Path) -> None:
    path = put(folder, "dailydialog", [{"dialogue": ["Hi"], "act": [1]}])
    assert "lacks the columns dialog" in said_of("dailydialog")
    path.write_bytes(b"PAR1 no more")
    assert "cannot be read" in said_of("dailydialog")
    path.rename(path.with_name("rows.parquet"))
    assert "has no files data/train-*.parquet" in said_of("dailydialog")


def test_every_data_set_has_a_licence_an_area_and_an_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--data", *hub.SOURCES]) == 0  # asks nobody
    listed = capsys.readouterr().out
    for name, source in hub.SOURCES.items():
        assert source.area in ("art", "ai", "conversation", "general")
        line = next(line for line in listed.splitlines() if line.split()[:1] == [name])
        assert line.endswith(source.repository)
        assert source.licence in line
        assert f"{source.rows:,}" in line


ODD_YEARS = ["c. 1890", "1890s", "1890-95", "", None, "0", "1883", "99999", "-500", "19.5"]


@pytest.mark.parametrize("years", [ODD_YEARS, [1883.0, None, 0.0, 19.5, -500.0, 1e300], [[1883], [], [1883, 1884]]])
def test_a_year_that_is_none_is_counted_with_its_row_and_ends_nothing(
    folder: Path, years: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """What a table may hold in the place of a year: of texts, of numbers, of lists."""
    rows = [dict(WORK, image=None, title=f"Work {number}", completitionYear=year) for number, year in enumerate(years)]
    put(folder, "wikiart", [*rows, dict(WORK, image=None, completitionYear=None)])
    out = folder / "out.jsonl"
    assert main(["build", "--data", "wikiart", "--out", str(out)]) == 0
    built = [json.loads(line) for line in out.read_text().splitlines()]
    said = [
        message["content"] for sample in built for message in sample["messages"] if "finished" in message["content"]
    ]
    assert all(text.endswith(" was finished in 1883.") for text in said)
    assert len(said) == sum(str(year) in ("1883", "1883.0") for year in years)
    first = next(n for n, y in enumerate(years, 1) if str(y) not in ("", "None", "0", "0.0", "1883", "1883.0"))
    printed = capsys.readouterr()
    assert f"(first: asahi417/wikiart-all, row {first})" in printed.out
    assert "WARNING" in printed.err
    card = json.loads((folder / "out.data_card.json").read_text())
    assert sum(card["removed"].values()) + len(built) == len(years) + 1


def test_a_data_set_without_a_usable_row_is_named(folder: Path) -> None:
    put(folder, "eli5", [{"question": "Why?", "answer": None}, {"question": None, "answer": "So."}])
    assert "no usable rows, 2 no text (first: sentence-transformers/eli5, row 1)" in said_of("eli5")


@pytest.mark.parametrize("name", hub.SOURCES)
def test_whatever_a_row_holds_it_is_read_or_counted_and_ends_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(1)
    columns, fields = list(hub.SOURCES[name].columns), ("history", "candidates", "text", "answer_start")
    usual = {**USUAL[name], **{column: "x" for column in columns if column not in USUAL[name]}}
    rows: list[Row] = []
    for number in range(3000):
        row = dict(usual)
        if name == "openassistant":  # every other row answers the one before
            row |= {"message_id": str(number)}
            row |= {"parent_id": str(number - 1), "role": "assistant"} if number % 2 else {}
        for column in chance.sample(columns, chance.randrange(len(columns) + 1)) if chance.random() < 0.6 else ():
            row[column] = odd(chance, fields)
        rows.append(row)
    monkeypatch.setattr(hub, "_rows", lambda *_: iter(rows))
    report = CleaningReport()
    samples = list(stream([name], report=report))
    assert report.total_removed > 100
    assert len(samples) > 10
    for sample in samples:
        roles = [role for role, _ in turns(sample)]
        assert roles == ["text"] or roles == ["user", "assistant"] * (len(roles) // 2)
        for _, text in turns(sample):
            assert text.encode().strip()
            assert not any(form in text for form in ("None", "b'", "False", "inf"))


USUAL: dict[str, Row] = {
    "wikiart": {"completitionYear": 1883, "genres": ["landscape"], "styles": [], "media": None},
    "art-wikipedia": {"text": "A painter."},
    "art-wikipedia-simple": {"text": "A painter."},
    "artbench": {"url": "https://pictures.example/zodiac-1896.jpg"},
    "eli5": {},
    "squad-v2": {"answers": {"text": ["x"], "answer_start": [0]}},
    "openassistant": {"role": "prompter", "lang": "en", "rank": None, "deleted": False, "parent_id": None},
    "personachat": {"utterances": [{"history": ["Hi"], "candidates": ["No", "Hello"]}]},
    "dailydialog": {"dialog": ["Hi", "Hello"]},
    "coco-captions": {"captions": ["A dog.", "A brown dog."]},
}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("squad-v2", {"context": "Goya was born.", "question": "When?", "answers": None}),
        (
            "squad-v2",
            {"context": "Goya was born.", "question": "When?", "answers": {"text": [" "], "answer_start": [0]}},
        ),
        ("dailydialog", {"dialog": ["Hi", None, "Fine, thanks.", "Good."]}),
        ("personachat", {"utterances": [{"history": ["Hi", "", "Fine."], "candidates": ["Good."]}]}),
    ],
)
def test_what_would_be_learned_wrongly_is_counted(name: str, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing answer is not "the text does not say", and without one turn each speaker says what the other said."""
    good = {"squad-v2": {"context": "c", "question": "q?", "answers": {"text": ["a"]}}}.get(name, USUAL[name])
    monkeypatch.setattr(hub, "_rows", lambda *_: iter([row, good]))
    report = CleaningReport()
    (_,) = stream([name], report=report)
    assert report.total_removed == 1


def test_messages_that_answer_each_other_in_a_ring_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def message(number: str, parent: str | None, role: str) -> Row:
        keys = {"message_id": number, "parent_id": parent, "message_tree_id": "t", "role": role, "text": number}
        return keys | {"lang": "en", "rank": 0, "deleted": False}

    ring = [message("a", None, "prompter"), message("b", "a", "assistant"), message("a", "b", "prompter")]
    monkeypatch.setattr(hub, "_rows", lambda *_: iter(ring))
    (chat,) = stream(["openassistant"])
    assert turns(chat) == [("user", "a"), ("assistant", "b")]


def test_bytes_that_are_no_text_cost_their_row_alone(folder: Path) -> None:
    """A writer that does not look puts any bytes into a column of text; nothing after them was read."""
    import pyarrow as pa
    import pyarrow.parquet

    path = put(folder, "eli5", [{"question": "Why?", "answer": "So."}])
    raw = pa.array([b"Why?", b"Wh\xff?", b"Where?"], pa.binary())
    table = pa.table({"question": pa.Array.from_buffers(pa.string(), 3, raw.buffers()), "answer": ["So."] * 3})
    pa.parquet.write_table(table, path)
    report = CleaningReport()
    assert [sample.question for sample in stream(["eli5"], report=report)] == ["Why?", "Where?"]
    assert report.first == {"bytes that are no text": "sentence-transformers/eli5, row 2"}
    own = CleaningReport()
    assert [sample.question for sample in stream([str(path)], report=own)] == ["Why?", "Where?"]
    assert own.first == {"bytes that are no text": f"{path}, line 2"}
