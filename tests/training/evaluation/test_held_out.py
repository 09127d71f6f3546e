"""Held-out bits per byte: the rows that training held out, and the figure that it reported."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.trained import Run
from training.corpus import CorpusError, split_of
from training.data.dataset import load_dataset
from training.evaluation import held_out
from training.evaluation.intervals import ratio_interval
from training.evaluation.opening import open_subject


def test_the_demo_model_has_the_bits_per_byte_of_its_report(demo_model1: Run) -> None:
    """To what the number format changes: training scores in bf16 where that is faster, evaluation in fp32."""
    config = demo_model1.report["config"]
    samples = held_out.load_held_out(tuple(config["data"]), None, config["max_held_out"])
    subject = open_subject(str(demo_model1.folder))
    part = held_out.measure(subject, samples)
    answers = part["answers"]
    assert answers["bits_per_byte"]["estimate"] == pytest.approx(demo_model1.report["val_bits_per_byte"], rel=3e-3)
    assert answers["token_perplexity"] == pytest.approx(demo_model1.report["val_perplexity"], rel=5e-3)
    for entry in answers["by_split"]:
        reported = demo_model1.report["val"][entry["split"]]
        assert entry["samples"] == reported["samples"]
        assert entry["bits_per_byte"]["estimate"] == pytest.approx(reported["bits_per_byte"], rel=5e-3)
    assert sum(entry["bytes"] for entry in answers["by_source"]) == answers["bytes"]
    assert {entry["area"] for entry in answers["by_area"]} == {"art", "ai", "conversation"}
    assert part["everything"]["tokens"] > answers["tokens"]
    bits = np.array(part["per_sample"]["answers"]["nats"]) / math.log(2)
    assert answers["bits_per_byte"] == ratio_interval(bits, part["per_sample"]["answers"]["bytes"]).as_dict()
    nothing = held_out.difference(part, part, "answers")
    assert (nothing["estimate"], nothing["low"], nothing["high"]) == (0, 0, 0)


def test_the_rows_are_those_that_training_holds_out() -> None:
    ours = held_out.load_held_out(("core",), None, 30)
    theirs = load_dataset(("core",), None, 30)
    assert {sample.id for sample in ours.samples} == {sample.id for sample in theirs.validation}
    assert ours.available["new_wording"] > 30
    fewer = held_out.load_held_out(("core",), None, 10)
    assert {sample.id for sample in fewer.samples} < {sample.id for sample in ours.samples}


def test_rows_of_files_are_cleaned_and_split_alike(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"question": f"Who made work {i}?", "answer": f"The painter called {i * 7919}."} for i in range(300)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows * 2))
    found = held_out.load_held_out((str(path),), None, None).samples
    assert 0 < len(found) < 40
    assert {split_of(sample) for sample in found} == {"new_fact"}
    assert {s.id for s in found} == {s.id for s in load_dataset((str(path),), None, 400).validation}
    path.write_text(json.dumps(rows[0]) + "\n")
    with pytest.raises(CorpusError, match="no sample is held out"):
        held_out.load_held_out((str(path),), None, None)
