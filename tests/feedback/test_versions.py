"""Votes on two versions of a model are told apart, and mixed nowhere."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from feedback.__main__ import main
from feedback.blind_test import BlindTest
from feedback.database import Database
from feedback.export import FORMATS, ExportError, stream, write
from feedback.report import write_report
from feedback.report.wording import answer
from feedback.statistics import VotesError, load_study, summary
from feedback.statistics.load import load_counts
from feedback.statistics.summary import summarise_counts
from feedback.study import Study
from feedback.versions import IMPROVES
from tests.feedback.protocol import Clock, document, vote_for

OLD, BASE, NEW = ("1" * 64, "2" * 64, "3" * 64)


def described(sha256: str, **more: Any) -> dict[str, Any]:
    return {"kind": "llama.cpp", "source": "model.gguf", "sha256": sha256, **more}


def begin(database: Database, model1: str, model2: str, **more: Any) -> BlindTest:
    models = {"model1": described(model1), "model2": described(model2, **more)}
    return BlindTest(database, Study.from_document(document()), models, Clock())


@pytest.fixture
def two(tmp_path: Path) -> tuple[BlindTest, BlindTest]:
    """Votes of one study file on two versions of model2."""
    database = Database(tmp_path / "votes.db")
    first = begin(database, OLD, BASE)
    vote_for(first, first.enrol("1").id, ["model1", "model1", "tie"])
    second = begin(database, OLD, NEW)
    told = second.apart_from
    assert first.label in told
    assert "Model 2 was model.gguf (sha256:2222222222222222) and is model.gguf (sha256:3333333333333333)" in told
    assert "Model 1" not in told
    vote_for(second, second.enrol("1").id, ["model2", "model2"])
    assert not second.apart_from, "it has begun"
    assert not begin(database, OLD, BASE).apart_from, "it is the first one again"
    return first, second


def test_no_statistic_is_of_two_versions(two: tuple[BlindTest, BlindTest], tmp_path: Path, capsys: Any) -> None:
    first, second = two
    database = second.database
    path = str(database.path)
    for command in (["stats", "--json", "-"], ["report", "--out", str(tmp_path / "report")]):
        assert main([*command, "--db", path]) == 2
        assert "several studies" in capsys.readouterr().err
    for name in (name for name, entry in FORMATS.items() if entry.one_study):
        with pytest.raises(ExportError, match="would be mixed"):
            stream(database, name)
    for test, votes, version in ((first, 3, "2" * 16), (second, 2, "3" * 16)):
        counts, _ = load_counts(database.connection, test._study)
        assert summarise_counts(counts)["n_votes"] == votes, "the tally, of which the page lives"
        assert main(["stats", "--db", path, "--study", test.label, "--json", "-"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["n_votes"] == votes
        models = {"model1": "sha256:" + "1" * 16, "model2": "sha256:" + version}
        assert told["study"] == {"label": test.label, "models": models}


def test_a_table_of_two_versions_is_refused_whatever_its_studies_are_called(
    two: tuple[BlindTest, BlindTest], tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "votes.csv"
    manifest = write(two[0].database, "csv", out)
    assert [study["models"]["model2"]["sha256"] for study in manifest.studies] == [BASE, NEW]
    votes = pd.read_csv(out, dtype=str, keep_default_na=False)
    with pytest.raises(VotesError, match="several studies"):
        summary(votes)
    for nameless in (votes.drop(columns="study"), votes.assign(study="one")):
        with pytest.raises(VotesError, match=r"several versions of model2 are mixed: sha256:2+ \(3 votes\)"):
            summary(nameless)
    swapped = votes.rename(columns={"model1_version": "model2_version", "model2_version": "model1_version"})
    with pytest.raises(VotesError, match="several versions of model1"):
        summary(swapped.drop(columns="study"))
    old = votes.drop(columns=["model1_version", "model2_version"])
    assert summary(old[old["study"] == two[0].label])["n_votes"] == 3, "a table of before has no versions"
    assert main(["stats", "--csv", str(out), "--study", two[1].label, "--json", "-"]) == 0
    by_file = json.loads(capsys.readouterr().out)
    assert by_file["n_votes"] == 2
    assert by_file["study"] == load_study(two[0].database, two[1].label).identity


def test_a_server_tells_no_version(tmp_path: Path) -> None:
    database = Database(tmp_path / "votes.db")
    server = {"kind": "openai", "source": "http://localhost/v1#m"}
    test = BlindTest(database, Study.from_document(document()), {"model1": server, "model2": described(NEW)}, Clock())
    vote_for(test, test.enrol("1").id, ["model1"])
    votes = pd.read_csv(io.BytesIO(b"".join(stream(database, "csv"))), keep_default_na=False)
    assert votes[["model1_version", "model2_version"]].values.tolist() == [["", "sha256:" + "3" * 16]]
    assert load_study(database).identity["models"] == {"model1": None, "model2": "sha256:" + "3" * 16}


def test_the_report_of_an_improvement_says_whether_testers_prefer_it(tmp_path: Path) -> None:
    test = begin(Database(tmp_path / "votes.db"), BASE, NEW, **{IMPROVES: True})
    path, _, _ = write_report(test.database, tmp_path / "report")
    assert "cannot be said yet" in path.read_text()
    for _ in range(9):
        tester = test.enrol("1").id
        vote_for(test, tester, ["model2"] * 5 + ["tie"])
        test.close(tester, "quit")
    path, _, result = write_report(test.database, tmp_path / "report")
    low, high = (round(100 * (1 - result["anytime"][bound])) for bound in ("ci_high", "ci_low"))
    text = path.read_text()
    assert (
        "Testers prefer the new model to the one that it was made from: 92% for the new one, "
        f"{low}% to {high}% however often one looks (95%, 9 closed sessions); enough to stop." in text
    )
    assert "Model 2: the new one, model.gguf (sha256:3333333333333333)" in text


@pytest.mark.parametrize(
    ("low", "high", "improved", "said"),
    [
        (0.6, 0.8, "model1", "Testers prefer the new model"),
        (0.6, 0.8, "model2", "Testers prefer the old model"),
        (0.1, 0.5, "model2", "No preference can be claimed yet"),
        (0.0, 1.0, "model2", "No preference can be claimed yet"),
    ],
)
def test_nothing_is_claimed_while_the_anytime_interval_holds_a_half(
    low: float, high: float, improved: str, said: str
) -> None:
    result = {
        "anytime": {"n_closed": 4, "ci_low": low, "ci_high": high},
        "preference": {"estimate": (low + high) / 2, "ci_low": 0.51, "ci_high": 0.99},
    }
    sentence = answer(result, 0.05, improved)
    assert sentence.startswith(said)
    assert sentence.endswith("go on." if said.startswith("No") else "enough to stop.")


def test_a_study_of_an_earlier_release_goes_on_and_a_newer_one_knows_the_tokenizer(tmp_path: Path) -> None:
    """Earlier releases knew a folder by its weights alone; nothing else than what they wrote down is known of them."""
    database, weights = Database(tmp_path / "votes.db"), "4" * 64
    old = begin(database, OLD, weights)
    vote_for(old, old.enrol("1").id, ["model1"])
    rows = "SELECT models, models_hash FROM studies"
    told = [tuple(row) for row in database.connection.execute(rows)]
    now = begin(database, OLD, BASE, weights_sha256=weights)
    assert now.label == old.label
    assert now.models == old.models
    assert [tuple(row) for row in database.connection.execute(rows)] == told, "exports stay what they were"
    assert begin(database, OLD, BASE, weights_sha256="5" * 64).label != old.label, "other weights"


def test_another_tokenizer_begins_another_study(tmp_path: Path) -> None:
    database, weights = Database(tmp_path / "votes.db"), "4" * 64
    first = begin(database, OLD, BASE, weights_sha256=weights)
    vote_for(first, first.enrol("1").id, ["model1"])
    second = begin(database, OLD, NEW, weights_sha256=weights)
    assert first.label != second.label
    assert "Model 2 was model.gguf (sha256:2222222222222222) and is model.gguf (sha256:3333333333333333)" in (
        second.apart_from
    )
    assert begin(database, OLD, BASE, weights_sha256=weights).label == first.label
    assert main(["check", "--db", str(database.path)]) == 0
