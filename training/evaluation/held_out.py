"""Held-out bits per byte: how well a model predicts text that it has not been trained on, whatever its tokenizer.

Bits of all scored tokens, the end of a turn among them, over the UTF-8 bytes of the text alone: two models with other
tokenizers and chat forms are measured on the same text. Nothing is padded into the figure and no label is smoothed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.common.score import NATS_PER_BIT, NOTHING
from training.corpus import CorpusError
from training.corpus.sample import Sample, digest
from training.corpus.split import NEW_FACT_SHARE, NEW_WORDING_SHARE, SPLITS
from training.data.dataset import split_samples
from training.evaluation.intervals import paired_ratio_difference, ratio_interval
from training.evaluation.subjects import DocumentLoss, Likelihood, Subject

PARTS = ("answers", "everything")
"""What is scored: the answers, as in training on answers, or all that is said, prompts too."""


class NothingHeldOut(CorpusError):
    """Data so few that the split leaves none to measure on."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out samples, the same ones for every model; ``available`` says how many of each kind there are, ``splits``
    of which kind each is, by its id."""

    samples: tuple[Sample, ...]
    available: dict[str, int]
    splits: dict[str, str]


def load_held_out(data: Sequence[str], max_rows_per_source: int | None, limit: int | None) -> HeldOut:
    """At most ``limit`` held-out samples of each kind, those with the smallest hash: a part of what training measured.

    Raises:
        CorpusError: data that cannot be used.
        NothingHeldOut: data of which nothing is held out.
    """
    found: dict[str, list[Sample]] = {kind: [] for kind in SPLITS[1:]}
    for sample, split in split_samples(data, max_rows_per_source):
        if split != "train":
            found[split].append(sample)
    by_split = {kind: samples for kind, samples in found.items() if samples}
    if not by_split:
        raise NothingHeldOut(
            f"{' '.join(data)}: no sample is held out (about {NEW_FACT_SHARE:.0%} of the questions of files are, and "
            f"of the embedded corpus {NEW_WORDING_SHARE:.0%} of the samples besides), so nothing can be measured on "
            "held-out text; name more data"
        )
    chosen = {kind: sorted(samples, key=lambda sample: digest(sample.id))[:limit] for kind, samples in by_split.items()}
    return HeldOut(
        tuple(sample for part in chosen.values() for sample in part),
        {kind: len(samples) for kind, samples in by_split.items()},
        {sample.id: kind for kind, samples in chosen.items() for sample in samples},
    )


def measure(subject: Subject, held_out: HeldOut) -> dict[str, Any]:
    """Bits per byte over the answers and over everything, as the part ``held_out`` of ``evaluation.json``.

    Its key ``per_sample`` has the nats of every sample, for the paired difference of two models.

    Raises:
        Unavailable: a server that gives no probabilities, or a model whose losses are not numbers.
    """
    samples = held_out.samples
    losses = subject.document_losses(samples)
    part: dict[str, Any] = {name: _score(losses, held_out, name) for name in PARTS}
    part["available"] = held_out.available
    part["per_sample"] = {"ids": [sample.id for sample in samples]} | {
        name: {
            "nats": [getattr(loss, name).nats for loss in losses],
            "bytes": [getattr(loss, name).text_bytes for loss in losses],
        }
        for name in PARTS
    }
    return part


def _score(losses: Sequence[DocumentLoss], held_out: HeldOut, name: str) -> Any:
    likelihoods: list[Likelihood] = [getattr(loss, name) for loss in losses]

    def grouped(key: str, of: Callable[[Sample], str]) -> list[dict[str, Any]]:
        groups: dict[str, list[Likelihood]] = defaultdict(list)
        for sample, likelihood in zip(held_out.samples, likelihoods, strict=True):
            groups[of(sample)].append(likelihood)
        return [{key: group} | _bits(groups[group]) for group in sorted(groups)]

    total = sum(likelihoods, NOTHING)
    return {
        **_bits(likelihoods),
        "token_perplexity": total.perplexity if total.tokens else None,
        "token_perplexity_note": "comparable only between models that share a tokenizer",
        "by_source": grouped("source", lambda sample: sample.source),
        "by_area": grouped("area", lambda sample: sample.area),
        "by_split": grouped("split", lambda sample: held_out.splits[sample.id]),
    }


def _bits(likelihoods: Sequence[Likelihood]) -> dict[str, Any]:
    bits = np.array([loss.nats for loss in likelihoods]) / NATS_PER_BIT
    sizes = np.array([loss.text_bytes for loss in likelihoods])
    return {
        "samples": len(likelihoods),
        "tokens": sum(loss.tokens for loss in likelihoods),
        "bytes": int(sizes.sum()),
        "bits_per_byte": ratio_interval(bits, sizes).as_dict() if sizes.sum() else None,
    }


def difference(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> Any:
    """Bits per byte of one model minus another's over the same samples, from their ``per_sample``; None for others."""
    first, second = a["per_sample"], b["per_sample"]
    if first["ids"] != second["ids"] or not sum(first[name]["bytes"]):
        return None
    ours, theirs = (np.array(one[name]["nats"]) / NATS_PER_BIT for one in (first, second))
    return paired_ratio_difference(ours, theirs, first[name]["bytes"]).as_dict()
