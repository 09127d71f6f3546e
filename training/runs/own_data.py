"""What a model that learns from votes was trained on, to be learned again beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from training.common.checkpoint_folder import TRAINED_ON
from training.common.progress import Progress
from training.corpus.sample import Sample
from training.corpus.turns import normalised_question
from training.data.dataset import split_samples
from training.data.preference_file import Preferences
from training.data.preferences import PreferenceData
from training.data.replay import Replay, choose_replay
from training.evaluation.contamination import training_samples
from training.runs.versions import Opened, Parent
from training.settings.improve import ImproveOptions


def own_data(
    parent: Parent,
    preferences: Preferences,
    opened: Opened,
    data: PreferenceData,
    options: ImproveOptions,
    max_tokens: int,
    progress: Progress,
) -> Replay | None:
    """As much of it as ``replay`` asks for; None where that is nothing, or nothing can be had.

    Raises:
        CorpusError: data that is no longer where it was, in one line.
    """
    if not options.replay:
        return None
    examples, lengths = data.train.documents, data.documents.lengths
    tokens = int(lengths[examples].sum() + lengths[data.mismatched].sum())
    found = choose_replay(
        own_samples(parent, preferences),
        opened.encode_batch, opened.form, (parent.report.get("config") or {}).get("loss_on") or "answers",
        each=options.micro_batch_size * tokens / len(examples) * options.replay / (1 - options.replay),
        batches=options.steps(len(examples)) * (options.batch_size // options.micro_batch_size),
        max_tokens=max_tokens, seed=options.seed,
    )  # fmt: skip
    if found is None:
        progress.say(
            f"note: replay={options.replay:g} is without effect: it is not known on what {parent.spec} was trained, or "
            "nothing of it is left that is not held out"
        )
    return found


def own_samples(parent: Parent, preferences: Preferences) -> Iterator[Sample]:
    """The samples that a model was trained on, but nothing that is held out to measure it, and nothing that states a
    fact of a question whose votes are held back."""
    config = parent.report.get("config") or {}
    if parent.folder is None or not config.get("data"):
        return
    back = (record["prompt"][0]["content"] for record in preferences.records if record["split"] == "held_out")
    asked = set(map(normalised_question, back))
    held: set[str] = set()
    facts: set[str] = set()
    for sample, split in split_samples(config["data"], config.get("max_rows_per_source")):
        if split != "train":
            held.add(sample.id)
        if normalised_question(sample.messages[0].content) in asked:
            facts.update(sample.facts)
    listed = parent.folder / TRAINED_ON
    for sample in training_samples(config, listed if listed.is_file() else None):
        if sample.id not in held and facts.isdisjoint(sample.facts):
            yield sample


def again(replay: Replay | None, tokens: int) -> dict[str, Any] | None:
    """The part ``replay`` of the report: how much was learned again, of so many tokens in all."""
    if replay is None:
        return None
    found = int(replay.documents.lengths[replay.order].sum())
    return {"samples": len(np.unique(replay.order)), "tokens": found, "share": round(found / max(1, tokens), 4)}
