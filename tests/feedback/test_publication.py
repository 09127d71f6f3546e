"""What is published of a study: nothing without its consent, and nothing typed where that covers the votes alone."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feedback.__main__ import main
from feedback.blind_test import BlindTest
from feedback.export import ExportError
from feedback.export.rows import COLUMNS
from feedback.publication import check_alone, published
from feedback.study import Study, StudyError
from tests.feedback.protocol import answer_turn, answered, choice_for, document, open_test, vote_for
from tests.hub_server import OWNER, READ, WRITE, Hub
from tests.trained import ROOT

SECRET = "my cousin Zebedee"
OF_THE_FIRST_VERSION = "98279c7ff04b559fb27298f8d1a2b314f065ff56f447593325c4f53918cbe844"


def study_of(path: Path, publication: str, close: bool = True) -> BlindTest:
    """Three testers: one by the bank alone, one with a question and a comment of their own, one who asked further."""
    consent = {"version": "7", "text": "You agree.\n\nVotes are published."}
    test = open_test(path, consent=consent | ({"publication": publication} if publication else {}))
    testers = [test.enrol("7").id for _ in range(3)]
    vote_for(test, testers[0], ["model1", "model2", "tie"])
    battle = answered(test, testers[1], f"What about {SECRET}?")
    test.vote(testers[1], battle.id, choice_for(battle, "model1"), comment=f"Liked {SECRET}")
    battle = answered(test, testers[2])
    answer_turn(test, testers[2], battle.id, f"And {SECRET}?")
    test._clock.forward(1)  # type: ignore[attr-defined]
    test.vote(testers[2], battle.id, choice_for(battle, "model2"))
    if close:
        for tester in testers:
            test.close(tester, "quit")
        test.close_study()
    return test


def written(path: Path, publication: str, out: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    study_of(path, publication)
    assert main(["push", "--db", str(path), "--out", str(out)]) == 0
    assert f"5 votes of 3 testers; consent covers {publication}" in capsys.readouterr().out
    with (out / "votes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def everything_in(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()))


def test_a_consent_for_votes_publishes_nothing_that_testers_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = written(tmp_path / "a.db", "votes", tmp_path / "out", capsys)
    assert SECRET in (tmp_path / "a.db").read_bytes().decode("latin-1") + "".join(
        path.read_bytes().decode("latin-1") for path in tmp_path.glob("a.db-*")
    )
    assert SECRET not in everything_in(tmp_path / "out")
    by_bank = [row for row in rows if row["prompt"]]
    assert len(by_bank) == 3
    assert all(row["prompt"].startswith("Question ") and row["left_text"] for row in by_bank)
    own, further = (row for row in rows if not row["prompt"])
    assert own["prompt_id"] == "own"
    assert further["turns"] == "2"
    for row in (own, further):
        assert [row[name] for name in ("left_text", "right_text", "left_raw", "right_raw", "comment")] == [""] * 5
        assert row["choice"] in ("left", "right")
    assert "address_group" not in rows[0]
    assert "address_group" not in everything_in(tmp_path / "out")


def test_a_consent_for_everything_publishes_it_and_the_card_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = written(tmp_path / "a.db", "everything", tmp_path / "out", capsys)
    assert sum(SECRET in row["prompt"] for row in rows) >= 1
    assert [row["comment"] for row in rows if row["comment"]] == [f"Liked {SECRET}"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    for said in ("Version 7. Every tester agreed", "> You agree.\n>\n> Votes are published.", "5 votes of 3 testers"):
        assert said in card
    assert "and their comments" in card


@pytest.mark.parametrize(("language", "told"), [("", "language: en\n"), ("de", "language: de\n"), ("auto", "")])
def test_the_card_says_the_language_of_the_study(tmp_path: Path, language: str, told: str) -> None:
    settings = {"language": language} if language else {}
    test = open_test(tmp_path / "a.db", consent={"version": "7", "text": "Ja.", "publication": "votes"}, **settings)
    tester = test.enrol("7").id
    vote_for(test, tester, ["model1"])
    test.close(tester, "quit")
    test.close_study()
    assert main(["push", "--db", str(tmp_path / "a.db"), "--out", str(tmp_path / "out")]) == 0
    head = (tmp_path / "out" / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    assert head.startswith(f"license: cc-by-4.0\n{told}pretty_name: ")


def test_the_published_files_give_the_statistics_of_the_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "a.db", "votes", tmp_path / "out", capsys)

    def stats(*source: str) -> dict[str, Any]:
        assert main(["stats", *source, "--json", "-"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    ours, theirs = stats("--db", str(tmp_path / "a.db")), stats("--csv", str(tmp_path / "out" / "votes.csv"))
    for key in ("n_votes", "n_testers", "counts", "preference", "anytime", "length_controlled", "elo_gap", "excluded"):
        assert ours[key] == theirs[key], key
    explained = (tmp_path / "out" / "CODEBOOK.md").read_text()
    with (tmp_path / "out" / "votes.csv").open() as file:
        assert [name for name in next(csv.reader(file)) if f"| {name} |" not in explained] == []


@pytest.mark.parametrize(
    ("publication", "close", "expected"),
    [
        (
            "",
            True,
            'does not say that votes are published; a study whose text says so has consent.publication = "votes"',
        ),
        ("none", True, "its consent (version 7) does not say that votes are published"),
        ("votes", False, "it is still open; end it in the tab Study of /admin; 3 of its testers are in a session"),
    ],
)
def test_a_study_that_runs_or_whose_consent_is_silent_is_refused(
    publication: str, close: bool, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = study_of(tmp_path / "a.db", publication, close)
    test.database.connection.execute("UPDATE testers SET last_seen_at = '2999-01-01T00:00:00.000Z'")
    assert main(["push", "--db", str(tmp_path / "a.db"), "--out", str(tmp_path / "out"), "--to", "a/b"]) == 2
    told = capsys.readouterr()
    assert expected in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert not (tmp_path / "out").exists()


def test_a_place_and_a_licence_are_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_of(tmp_path / "a.db", "votes")
    assert main(["push", "--db", str(tmp_path / "a.db")]) == 2
    assert "push needs --to OWNER/NAME, or --out DIR" in capsys.readouterr().err
    assert main(["push", "--db", str(tmp_path / "a.db"), "--out", str(tmp_path / "set"), "--public"]) == 2
    assert "--public: nothing is pushed without --to OWNER/NAME" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["push", "--db", str(tmp_path / "a.db"), "--to", "a/b", "--licence", "All Rights"])
    assert "All Rights must be a licence's id on the Hub" in capsys.readouterr().err
    (tmp_path / "full").write_text("not a folder")
    assert main(["push", "--db", str(tmp_path / "a.db"), "--out", str(tmp_path / "full")]) == 2
    told = capsys.readouterr().err
    assert f"{tmp_path / 'full'}" in told
    assert told.count("\n") == 1


def test_a_data_set_replaces_its_own_files_and_nobody_else_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "README.md").write_text("mine")
    study_of(tmp_path / "a.db", "votes")
    words = ["push", "--db", str(tmp_path / "a.db"), "--out", str(out)]
    assert main(words) == 2
    assert f"{out / 'README.md'}: was not written here by this project" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["README.md"]
    (out / "README.md").unlink()
    assert [main(words), main(words)] == [0, 0]


def test_nothing_but_the_data_set_leaves_a_folder_that_holds_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_of(tmp_path / "a.db", "votes")
    out = tmp_path / "out"
    out.mkdir()
    (out / "votes.testers.csv").write_text("tester_id,background\n")
    words = ["push", "--db", str(tmp_path / "a.db"), "--out", str(out)]
    assert main(words) == 0
    assert main([*words, "--to", f"{OWNER}/votes"]) == 2
    told = capsys.readouterr().err
    assert f"{out} holds votes.testers.csv too, and all of it would be pushed" in told
    assert told.count("\n") == 1
    (out / "votes.testers.csv").unlink()
    check_alone(out, ["votes"])
    (out / "guesses.csv").write_text("of another study")
    with pytest.raises(ExportError, match=r"guesses\.csv"):
        check_alone(out, ["votes"])
    check_alone(out, ["votes", "guesses"])


def test_a_talk_of_any_length_is_published() -> None:
    before = csv.field_size_limit(1 << 17)
    try:
        row = dict.fromkeys(COLUMNS, "") | {"prompt_id": "a1", "turns": "1", "left_text": "x" * 200_000}
        text = f"{','.join(COLUMNS)}\n{','.join(row.values())}\n"
        assert b"x" * 200_000 in b"".join(published(iter([text.encode()]), "votes"))
    finally:
        csv.field_size_limit(before)


def test_the_setting_moves_no_hash_of_a_study_without_it() -> None:
    plain = Study.from_document(document())
    assert plain.hash == OF_THE_FIRST_VERSION
    said = Study.from_document(document(consent={"version": "1", "text": "You agree.", "publication": "votes"}))
    assert said.hash != plain.hash
    assert Study.from_toml(said.toml) == said
    assert Study.from_toml(plain.toml).hash == OF_THE_FIRST_VERSION
    with pytest.raises(StudyError, match=r'consent\.publication = "all" must be one of none, votes, everything'):
        Study.from_document(document(consent={"version": "1", "text": "You agree.", "publication": "all"}))
    with pytest.raises(StudyError, match=r"consent\.publication = "):
        Study.from_document(document(consent={"version": "1", "text": "You agree.", "publication": ["votes"]}))


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    yield server
    server.shutdown()


def test_votes_are_pushed_as_a_data_set_and_read_from_there(hub: Hub, tmp_path: Path) -> None:
    study_of(tmp_path / "a.db", "votes")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    env = kept | {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "feedback", "push", "--db", str(tmp_path / "a.db"), "--to", f"{OWNER}/votes"]

    def push(token: str, *more: str) -> subprocess.CompletedProcess[str]:
        with_token = env | {"HF_TOKEN": token}
        return subprocess.run([*command, *more], cwd=ROOT, env=with_token, capture_output=True, text=True, timeout=200)

    refused = push(READ, "--public")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
    done = push(WRITE, "--public")
    assert done.returncode == 0, done.stderr
    assert f"{hub.address}/datasets/{OWNER}/votes: " in done.stdout
    held = hub.repositories[f"datasets/{OWNER}/votes"]
    assert not held.private
    assert held.files.keys() == {"README.md", "CODEBOOK.md", "votes.csv", "votes.csv.manifest.json", "study.json"}
    assert not any(SECRET.encode() in content for content in held.files.values())
    code = (
        "import pandas; from huggingface_hub import hf_hub_download as get\n"
        f"print(len(pandas.read_csv(get('{OWNER}/votes', 'votes.csv', repo_type='dataset'))))"
    )
    read = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=200)
    assert read.stdout == "5\n", read.stderr
