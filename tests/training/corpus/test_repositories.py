"""Data in public Git repositories: real repositories made here, which Git itself takes for those of GitHub."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections import Counter
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from tests.training.corpus.odd_values import odd
from training.corpus import CorpusError, Sample, load, repositories, stream, weighted_sources
from training.corpus.cleaning import CleaningReport
from training.corpus.repositories import dialogues, documents, git, tables

Files = dict[str, str]

ROOT = Path(__file__).parents[3]

ROWS = Counter[str]()
for _source in repositories.SOURCES.values():
    ROWS[_source.area] += _source.size.samples


class Host:
    """A folder whose repositories Git finds at their public addresses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = folder / "gitconfig"
        config.write_text(
            f'[url "file://{folder}/"]\n\tinsteadOf = {git.HOST}\n'
            "[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n"
        )
        self.environment = {"GIT_CONFIG_GLOBAL": str(config), "GIT_CONFIG_NOSYSTEM": "1"}

    def put(self, repository: str, files: Files) -> str:
        """Commit files; the commit's hash."""
        folder = self.folder / repository
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
        self.git(folder, "init", "--quiet")
        self.git(folder, "add", "--all")
        self.git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "more")
        return self.git(folder, "rev-parse", "HEAD").strip()

    def git(self, folder: Path, *arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "host").mkdir()
    made = Host(tmp_path / "host")
    for name, value in {**made.environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    return made


def describe(monkeypatch: pytest.MonkeyPatch, name: str, commit: str, files: list[str], **row: Any) -> None:
    """Add a source for one test."""
    row = {"repository": f"museum/{name}", "area": "art", "licence": "CC0-1.0", "title": "the Museum", **row}
    source = repositories._source(name, {**row, "commit": commit, "files": files, "rows": 1, "bytes": 1})
    monkeypatch.setitem(repositories.SOURCES, name, source)


def pairs(samples: list[Sample]) -> dict[str, str]:
    return {sample.question: sample.answer for sample in samples}


WORK = {"columns": {"title": "title", "artist": "makers.0.name", "date": "date", "medium": "medium", "kind": "class"}}
WORK |= {"about": "work", "most": 9, "kinds": {"paintings": "painting"}, "skip": {"title": "^untitled"}}


def work(title: str, artist: str, date: str | None, medium: str | None = "Oil on wood", kind: str = "Paintings") -> str:
    makers = [{"name": artist}]
    return json.dumps({"title": title, "makers": makers, "date": date, "medium": medium, "class": kind})


def test_works_are_asked_about_where_the_answer_is_unique_and_stands_in_the_record(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [
        work("The Ferry", "Ada Berg", "1890"),
        work("Landscape", "Ada Berg", "1891"),
        work("Landscape", "Carl Dahl", None, None),
        work("Garden", "Carl Dahl", "1900"),
        work("Garden", "Carl Dahl", "1901", kind="things"),
        work("Untitled", "Ada Berg", "1902"),
    ]
    commit = host.put("museum/works", {f"data/a/{n}.json": text for n, text in enumerate(records)})
    describe(monkeypatch, "works", commit, ["data/**/*.json"], table=WORK)
    samples = load(["works"])
    asked = pairs(samples)
    assert not [
        question for question in asked if re.match("(Who|The Museum has)", question) and "Landscape" in question
    ]
    assert any("Garden" in question and re.search("Who|artist of", question) for question in asked), "both are Dahl's"
    assert not [question for question in asked if "Garden" in question and re.search("When|date", question)]
    assert any("1890" in answer for question, answer in asked.items() if "Ferry" in question)
    assert any("medium is oil on wood" in answer or "recorded as oil" in answer for answer in asked.values())
    assert "Untitled" not in str(asked)
    assert all(sample.fact.startswith("row:works:") and sample.licence == "CC0-1.0" for sample in samples)
    facts = {sample.fact for sample in samples if "Ferry" in sample.question}
    assert len(facts) <= 2, "all questions on one work fall on one side of the split"


def test_artists_of_a_csv_and_a_column_that_is_gone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "name,born,died,kind\nAda Berg,1850,1910,person\nCarl Dahl,1930,,person\nA Firm,1900,,firm\n"
    commit = host.put("museum/people", {"people.csv": text, "secret/large.csv": "x"})
    table = {
        "about": "artist",
        "columns": {"name": "name", "born": "born", "died": "died"},
        "only": {"kind": ["person"]},
    }
    describe(monkeypatch, "people", commit, ["people.csv"], table=table)
    asked = pairs(load(["people"]))
    assert "Ada Berg (1850–1910) is an artist in the records of the Museum." in asked.values()
    assert "Carl Dahl (born 1930) is an artist in the records of the Museum." in asked.values()
    assert "A Firm" not in str(asked)
    assert not (repositories.SOURCES["people"].checkout.folder / "secret").exists(), "only what is read is fetched"
    describe(monkeypatch, "people", commit, ["people.csv"], table={**table, "columns": {"name": "nom"}})
    with pytest.raises(CorpusError, match=r"nom: no such column in any record \(people\.csv"):
        load(["people"])


def nothing_unread(reason: str, place: str) -> None:
    raise AssertionError((reason, place))


PAGE = """---
title: A page
---
import X from 'y'

# Attention {#sec}

Attention lets each word look at every other word and decides how much each of them counts for what it means here.

<Tip>

It was described in 2014 and made the whole of a model in 2017, which is why so much of the field speaks of it now.

</Tip>

```python
secret = 1
```

| a | b |
|---|---|
| 1 | 2 |

## What does it cost?

The cost of attention grows with the square of the length, as :numref:`fig` shows. Long texts therefore need other ways,
and some of them are `sliding windows` and [states](https://x.y) that are kept from one word to the next.
"""


def test_documents_become_passages_and_only_honest_questions(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = {
        "cells": [{"cell_type": "markdown", "source": ["# Notes\n", "\n", "word " * 30]}, {"cell_type": "code"}]
    }
    files = {"docs/a.mdx": PAGE, "docs/b.ipynb": json.dumps(notebook), "docs/zh/c.md": "# X\n\n" + "字 " * 40}
    commit = host.put("museum/pages", files)
    describe(monkeypatch, "pages", commit, ["docs/*.mdx", "docs/*.ipynb"], area="ai")
    samples = load(["pages"])
    asked = pairs(samples)
    attention = asked["What does the Museum say about “Attention”?"]
    assert attention.startswith("Attention lets each word")
    assert "It was described in 2014" in attention
    assert asked["What does it cost?"].startswith("Long texts therefore need other ways"), (
        "no sentence points to a figure"
    )
    text = " ".join(sample.answer for sample in samples)
    assert not re.search("secret|import X|numref|https|title: A page|\\|", text)
    assert "`sliding windows` and states" in text
    assert {sample.area for sample in samples} == {"ai"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (
            "The tokens `<s>`, `[CLS]` and `[[x]]` stand in the code of a page about models of language.",
            "The tokens `<s>`, `[CLS]` and `[[x]]` stand in the code of a page about models of language.",
        ),
        ("The token [CLS] begins each text.[^1] It is old [1, 2].", "The token [CLS] begins each text. It is old."),
        ("In order to [**draw the boxes**], we write this.", "In order to draw the boxes, we write this."),
        ("Networks such as VGG :cite:`Simonyan`, and BLOOM are known.", "Networks such as VGG, and BLOOM are known."),
        ("It holds (seemingly always). It is so (see above).", "It holds (seemingly always)."),
        ("You may then\nimport a module by its name.", "You may then import a module by its name."),
        ("First.\n\n```sh\necho $$ [[\n```\n\nSecond.\n\n```sh\necho $$ ]]\n```", "First.\nSecond."),
        ("::: dspy.Tool\n    handler: python\n    options: all\n\nA tool is a function.", "A tool is a function."),
        ("The value \\\\(V(s)\\\\) grows. Then {py:func}`pl.run <x>` runs. It ends.", "It ends."),
    ],
)
def test_what_markup_says_is_kept_and_the_markup_is_not(tmp_path: Path, written: str, read: str) -> None:
    more = "word " * 20 + "end."
    (tmp_path / "page.md").write_text(f"{written}\n\n{more}\n", encoding="utf-8")
    ((_, _, passage),) = documents.read([tmp_path / "page.md"], "A Page", nothing_unread)
    assert passage == f"{read}\n{more}"


def test_pages_of_one_name_in_two_folders_are_held_out_each_by_itself(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {f"docs/{folder}/index.md": f"# About {folder}\n\n" + f"{folder} " * 30 for folder in ("cats", "dogs")}
    commit = host.put("museum/animals", pages)
    describe(monkeypatch, "animals", commit, ["docs/*/*.md"])
    assert len({sample.fact for sample in load(["animals"])}) == 2


def test_a_book_is_read_between_its_marks_in_its_own_encoding(tmp_path: Path) -> None:
    prose = "In the days of Fran\xe7ois the first a painter came to France " + "and painted " * 20 + "a picture."
    book = f"Licence\n\n*** START OF THIS BOOK ***\n\nPLATES\n\n{prose}\n\n*** END OF THIS BOOK ***\n\nMore licence"
    (tmp_path / "book.txt").write_bytes(book.encode("cp1252"))
    ((_, question, passage),) = documents.read([tmp_path / "book.txt"], "A Book", nothing_unread)
    assert (question, passage) == ("", prose)


def test_dialogues_alternate_begin_with_the_user_and_end_with_an_answer(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [("a", "Hello"), ("a", "there"), ("b", "Hi"), ("a", "How?"), ("b", "Well"), ("a", "Bye")]
    talk = {"t1": {"content": [{"agent": who, "message": text} for who, text in turns]}}
    rows = "s1,s2,s3,s4,s10\nOne,Two,Three,,Four\n"
    commit = host.put("museum/talk", {"a/talk.json": json.dumps(talk), "b/talk.csv": rows})
    form = {"turns": "content", "text": "message", "speaker": "agent", "length": 2}
    describe(monkeypatch, "talk", commit, ["a/*.json"], dialogues=form, area="conversation")
    samples = load(["talk"])
    assert [[m.content for m in sample.messages] for sample in samples] == [["Hello there", "Hi"], ["How?", "Well"]]
    assert len({sample.fact for sample in samples}) == 1
    monkeypatch.delitem(repositories.SOURCES, "talk")
    describe(
        monkeypatch, "rows", commit, ["b/*.csv"], dialogues={"turns": "s{}", "length": 8}, repository="museum/talk"
    )
    (sample,) = load(["rows"])
    assert [m.content for m in sample.messages] == ["One", "Two"], (
        "columns in the order of their numbers, and whole pairs"
    )
    describe(
        monkeypatch, "rows", commit, ["b/*.csv"], dialogues={"turns": "t{}", "length": 8}, repository="museum/talk"
    )
    with pytest.raises(CorpusError, match=r"b/talk\.csv: no columns t1"):
        load(["rows"])


def test_what_was_fetched_is_not_fetched_again_and_a_break_costs_one_path_at_most(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = host.put("museum/halves", {"a/1.txt": "one", "b/2.txt": "two"})
    wanted = git.Checkout("museum/halves", commit, ("a", "b"))
    real = git._git

    def broken(of: git.Checkout, *arguments: str, at: Path | None = None) -> None:
        if arguments[0] == "read-tree" and "/b" in (of.folder / ".git/info/sparse-checkout").read_text():
            (host.folder / "museum").rename(host.folder / "away")
        real(of, *arguments, at=at)

    monkeypatch.setattr(git, "_git", broken)
    with pytest.raises(CorpusError, match=r"museum/halves at .*: no such repository"):
        git.fetched(wanted)
    assert (wanted.folder / "a/1.txt").read_text() == "one"
    (host.folder / "away").rename(host.folder / "museum")
    for name in ("index.lock", "info/sparse-checkout.lock", "objects/info/commit-graph.lock"):
        (wanted.folder / ".git" / name).write_text("")  # as a break leaves them
    with monkeypatch.context() as without_git:
        without_git.setenv("PATH", str(host.folder))
        with pytest.raises(CorpusError, match="git is not installed; install it"):
            git.fetched(wanted)
    monkeypatch.setattr(git, "_git", real)
    assert [path.name for path in git.files(wanted, ["a/*.txt", "b/*.txt"])] == ["1.txt", "2.txt"]
    assert not list((wanted.folder / ".git").rglob("*.lock"))
    (host.folder / "museum").rename(host.folder / "away")
    assert len(git.files(wanted, ["*/*.txt"])) == 2, "nothing is asked of the network any more"


def test_a_repository_that_the_environment_names_is_left_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = host.put("museum/there", {"a.txt": "text"})
    own = host.put("own/work", {"mine.txt": "mine"})
    folder = host.folder / "own/work"
    monkeypatch.setenv("GIT_DIR", str(folder / ".git"))  # as in a hook of Git
    monkeypatch.setenv("GIT_WORK_TREE", str(folder))
    monkeypatch.setenv("GIT_INDEX_FILE", str(folder / ".git/index"))
    fetched = git.fetched(git.Checkout("museum/there", commit, ("a.txt",)))
    assert (fetched / "a.txt").read_text() == "text"
    assert (folder / "mine.txt").read_text() == "mine"
    assert host.git(folder, "rev-parse", "HEAD").strip() == own


def test_a_repository_that_is_gone_or_lost_its_commit_and_a_machine_without_git(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = host.put("museum/there", {"a.txt": "text"})
    lost = git.Checkout("museum/there", "0" * 40, ("a.txt",))
    with pytest.raises(
        CorpusError, match=r"museum/there at 000000000000: it has no longer the commit .*--data embedded"
    ):
        git.fetched(lost)
    gone = git.Checkout("museum/gone", commit, ("a.txt",))
    with pytest.raises(CorpusError, match=r"museum/gone at .*no such repository any more"):
        git.fetched(gone)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CorpusError, match="git is not installed; install it"):
        git.fetched(git.Checkout("museum/there", commit, ("a.txt",)))


def test_all_sources_that_fail_are_named_with_the_way_to_go_on_without_them(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = host.put("museum/here", {"a.md": "# Title\n\n" + "word " * 30})
    for name in list(repositories.SOURCES):
        monkeypatch.delitem(repositories.SOURCES, name)
    for name in ("here", "lost", "gone"):
        describe(monkeypatch, name, commit if name == "here" else "1" * 40, ["*.md"])
    with pytest.raises(CorpusError, match=r"lost: .*; gone: .*To go on without them, add to --data: lost=0 gone=0$"):
        load(["open"])
    assert {sample.source for sample in load(["open", "lost=0", "gone=0"])} >= {"here", "art", "conversation"}
    with pytest.raises(CorpusError, match="did you mean here"):
        weighted_sources(["hre"])


def test_many_sources_that_fail_after_one_that_can_be_had_are_all_named(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = host.put("museum/here", {"a.md": "# Title\n\n" + "word " * 30})
    lost = [f"lost-{number}" for number in range(repositories.GIVE_UP + 1)]
    for name in ("here", *lost):
        describe(monkeypatch, name, commit if name == "here" else "1" * 40, ["*.md"])
    with pytest.raises(CorpusError, match=r"lost-3: .*lost-0=0 lost-1=0 lost-2=0 lost-3=0$"):
        load(["here", *lost])


def test_where_no_source_can_be_had_the_others_are_not_tried(host: Host) -> None:
    with pytest.raises(CorpusError, match=rf"none of the first {repositories.GIVE_UP} sources can be had: .*embedded"):
        load(["open"])


def test_every_source_is_described_in_full() -> None:
    known = {
        about: {field for question in questions for field in (*question.key, question.asks)}
        | {name for question in questions for text in question.answers for _, name, _, _ in Formatter().parse(text)}
        | {"kind", "years", "born", "died"}
        for about, questions in tables._QUESTIONS.items()
    }
    for name, source in repositories.SOURCES.items():
        assert re.fullmatch("[0-9a-f]{40}", source.checkout.commit), name
        assert source.area in ("art", "ai", "conversation"), name
        assert source.licence, name
        assert source.size.bytes > 20 * source.size.samples > 0, name
        if isinstance(source.form, tables.Table):
            assert set(source.form.columns) <= known[source.form.about], name
        elif isinstance(source.form, dialogues.Dialogues):
            assert source.form.length % 2 == 0, name
    assert ROWS["ai"] > 18_000
    assert ROWS.total() > 240_000


def test_the_documents_say_how_much_there_is() -> None:
    """What ``list`` and ``stats`` print, in thousands."""
    counted = re.search(
        r"some ([\d,]+) samples more, from (\d+) repositories: ([\d,]+) about art, ([\d,]+) about AI, ([\d,]+) conv",
        " ".join((ROOT / "docs/data.md").read_text(encoding="utf-8").split()),
    )
    in_all = re.search(r"at full size on some ([\d,]+) samples", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert counted
    assert in_all
    more, places, *areas, everything = (int(text.replace(",", "")) for text in (*counted.groups(), in_all[1]))
    assert places == len({source.checkout.repository for source in repositories.SOURCES.values()})
    assert areas == [pytest.approx(ROWS[area], abs=999) for area in ("art", "ai", "conversation")]
    assert more == pytest.approx(ROWS.total(), abs=999)
    assert everything == pytest.approx(ROWS.total() + len(load(["embedded"])), abs=999)


def check_read(name: str, least: int) -> CleaningReport:
    """Nothing that nobody wrote is learned of a source, and it is counted alike when it is read from the cache."""
    report, again = CleaningReport(), CleaningReport()
    samples = list(stream([name], report=report))
    assert samples == list(stream([name], report=again))
    assert (report.as_dict(), len(samples) >= least) == (again.as_dict(), True)
    for sample in samples:
        for message in sample.messages:
            assert message.content.encode().strip()
            assert not re.search(r"\b(?:None|False|inf|b')\b", message.content)
    return report


def test_whatever_a_record_holds_it_is_read_or_counted_and_ends_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(1)
    files = {}
    for number in range(400):
        record = json.loads(work(f"Work {number}", "Ada Berg", "1890"))
        for field in chance.sample(list(record), chance.randrange(len(record) + 1)):
            record[field] = odd(chance, ("name", "children"))
        files[f"data/a/{number}.json"] = json.dumps(record, default=len)
    others = ("[" * 100_000, "{broken", "", "null", "7", '["x"]', '{"title": ' + "9" * 5000 + "}")
    files |= {f"data/b/{number}.json": text for number, text in enumerate(others)}
    describe(monkeypatch, "works", host.put("museum/works", files), ["data/**/*.json"], table=WORK)
    report = check_read("works", 100)
    assert set(report.by_reason()) >= {"not JSON", "nested too deep", "half a character (lone surrogate)"}
    assert report.first["not JSON"] == "museum/works, b/1.json"


def test_whatever_a_table_holds_it_is_read_or_counted_and_ends_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["name,born,died,kind", "Ada Berg,1850,1910,person", "Eva Holm,nan,NULL,person", "A, B,1850,1910,person"]
    lines += [f"{'x' * 17_000_000},1850,1910,person", "Short", 'Carl "Dahl,1930,,person']
    commit = host.put("museum/people", {"people.csv": "\n".join(lines)})
    columns = {"name": "name", "born": "born", "died": "died"}
    describe(monkeypatch, "people", commit, ["people.csv"], table={"about": "artist", "columns": columns, "most": 9})
    report = check_read("people", 3)
    assert report.by_reason()["more cells than columns"] == 1
    assert report.first["more cells than columns"].endswith("people.csv, line 4")
    assert not [sample for sample in load(["people"]) if "Eva" in sample.question and "born" in sample.question]


def test_whatever_a_dialogue_or_a_notebook_holds_it_is_read_or_counted_and_ends_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(1)
    fields = ("content", "agent", "message", "cell_type", "source")
    talks: dict[str, Any] = {
        str(number): {"content": odd(chance, fields) if number % 2 else [
            {"agent": "ab"[turn % 2], "message": f"Turn {turn} of {number}"}
            if chance.random() < 0.9
            else {"agent": odd(chance, fields), "message": odd(chance, fields)}
            for turn in range(4)
        ]}
        for number in range(400)
    }  # fmt: skip
    talks |= {"\ud800": talks["0"], "x": [], "y": None}
    cells = [
        {
            "cell_type": "markdown",
            "source": odd(chance, fields) if number % 2 else [f"# Part {number}\n\n", "word " * 20],
        }
        for number in range(400)
    ]
    files = {
        "a/talk.json": json.dumps(talks, default=len),
        "n/a.ipynb": json.dumps({"cells": [*cells, None, 7]}, default=len),
    }
    files |= {"n/b.ipynb": "{", "n/c.ipynb": "[]", "n/d.ipynb": '{"cells": 7}', "n/e.ipynb": "[" * 100_000}
    commit = host.put("museum/talk", files)
    form = {"turns": "content", "text": "message", "speaker": "agent", "length": 2}
    describe(monkeypatch, "talk", commit, ["a/*.json"], dialogues=form)
    describe(monkeypatch, "pages", commit, ["n/*.ipynb"], repository="museum/talk", area="ai")
    report = check_read("talk", 100)
    assert set(report.by_reason()) >= {"unknown role", "no text", "not text but a list, an object or a flag"}
    assert report.first["unknown role"].startswith("museum/talk, a/talk.json, dialogue '")
    report = check_read("pages", 100)
    assert report.first["not text but a list, an object or a flag"].startswith("museum/talk, n/a.ipynb, cell ")
    assert report.by_reason()["nested too deep"] >= 1
