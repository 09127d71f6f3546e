"""That the scripts which measure still run: what they measure is done once here, as small as can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import feedback, model1_ways
from feedback.database import Database
from feedback.export import FORMATS, stream
from feedback.statistics import load_study
from tests.trained import ROOT
from training.data.documents import Documents


def test_each_script_can_be_asked_what_it_does() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py")}
    began = [name for name, text in scripts.items() if "__main__" in text and "parse_args(" not in text]
    assert began == [], "they would begin, whatever they are asked"


def test_votes_are_written_read_and_exported(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    test = feedback.synthesise(path, 300, 30)
    assert test.database.connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert len(load_study(test.database).outcomes.choice) == 300
    test.database.close()
    for name in FORMATS:
        assert b"".join(stream(Database(path), name)), name
    assert feedback.in_fresh_process(path, feedback.COLD)["cpu_seconds"] > 0
    gaps = [row["gap"] for row in feedback.rivals(path, 300)]
    assert gaps == pytest.approx([gaps[0]] * 3, abs=0.1)
    assert feedback.writing(2, votes_each=3)["votes"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ours", "trainer", "coursework"])
def test_each_way_of_training_model_1_is_timed_and_scored(way: str, tmp_path: Path) -> None:
    """Real steps of a tiny shape, whose weights one and the same code scores."""
    shape = {"vocab_size": 64, "dim": 32, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1}
    shape |= {"ffn_dim": 64, "max_seq_len": 32, "tie_embeddings": True}
    samples = [[([4 + (number + place) % 60 for place in range(20)], True)] for number in range(40)]
    documents = Documents.from_spans(samples, [20] * 40)
    model1_ways.write_rows(tmp_path / "rows.npz", documents, documents)
    job = model1_ways.Job(way, shape, str(tmp_path / "rows.npz"), seq_len=32, batch_size=2)
    timed = model1_ways.run(replace(job, steps=2))
    assert timed["useful_per_second"] > 0
    scored = model1_ways.run(replace(job, seconds=0.5))
    assert 0 < scored["bits_per_byte"]["alone"] < 20
