"""What is learned again beside votes: never what a model is measured on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.training.preferences import write_preferences
from training.common.checkpoint_folder import TRAINED_ON
from training.corpus.sample import Sample, digest
from training.data.dataset import split_samples
from training.data.preference_file import Preferences, read_preferences
from training.evaluation.held_out import load_held_out
from training.runs.own_data import own_samples
from training.runs.versions import Parent

CORE = {"data": ["core"]}


def parent(folder: Path, config: dict[str, object]) -> Parent:
    return Parent(str(folder), folder, folder, {"config": config}, {})


def votes(tmp_path: Path, question: str = "") -> Preferences:
    """Some, of which those on this question are held back."""
    found = read_preferences(write_preferences(tmp_path / "p.jsonl", "model2", None, n=4))
    asked = [{"role": "user", "content": question}]
    return Preferences(
        found.header, [dict(r, split="held_out", prompt=asked) for r in found.records] if question else []
    )


def test_nothing_is_learned_again_that_is_held_out(tmp_path: Path) -> None:
    """Not even where an older corpus had it among what is trained on, as the file beside the checkpoint tells."""
    split = list(split_samples(["core"]))
    held = {sample.id for sample, side in split if side != "train"}
    np.array(sorted({digest(sample.id) for sample, _ in split}), np.uint64).tofile(tmp_path / TRAINED_ON)
    found = [sample.id for sample in own_samples(parent(tmp_path, CORE), votes(tmp_path))]
    assert held.isdisjoint(found)
    assert held >= {sample.id for sample in load_held_out(["core"], None, 100).samples}
    assert len(found) == len(set(found)) == len(split) - len(held)


def test_only_what_was_trained_on_is_learned_again(tmp_path: Path) -> None:
    train = [sample for sample, side in split_samples(["core"]) if side == "train"][:50]
    np.array(sorted(digest(sample.id) for sample in train), np.uint64).tofile(tmp_path / TRAINED_ON)
    assert list(own_samples(parent(tmp_path, CORE), votes(tmp_path))) == train
    (tmp_path / TRAINED_ON).unlink()
    few = list(own_samples(parent(tmp_path, CORE | {"max_samples": 60}), votes(tmp_path)))
    assert len(few) == 60


def test_no_wording_of_a_question_whose_votes_are_held_back_is_learned_again(tmp_path: Path) -> None:
    def facts(samples: list[Sample]) -> set[str]:
        return {fact for sample in samples for fact in sample.facts}

    everything = list(own_samples(parent(tmp_path, CORE), votes(tmp_path)))
    asked = next(sample for sample in everything if sample.fact.startswith("artist:") and len(sample.facts) == 1)
    question = asked.messages[0].content.upper().rstrip("?")
    rest = list(own_samples(parent(tmp_path, CORE), votes(tmp_path, question)))
    assert sum(asked.fact in sample.facts for sample in everything) > 1
    assert asked.fact not in facts(rest)
    assert len(rest) < len(everything)


def test_of_a_base_that_was_not_trained_here_nothing_is_learned_again(tmp_path: Path) -> None:
    (tmp_path / "training_report.json").write_text(json.dumps({}))
    assert list(own_samples(Parent("smollm2-135m", tmp_path, None, {}, {}), votes(tmp_path))) == []
    assert list(own_samples(parent(tmp_path, {}), votes(tmp_path))) == []
