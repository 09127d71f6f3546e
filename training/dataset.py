"""The samples of a run: loaded, split by hash, the held-out ones capped. Both models use these and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.corpus import load
from training.corpus.sample import Sample, digest
from training.corpus.split import split_of


@dataclass(frozen=True)
class Dataset:
    """Training samples, and held-out ones by what is new about them.

    Attributes:
        train: what the weights are fitted to.
        held_out: ``new_wording`` (a known fact, asked in a wording that was not trained on) and ``new_fact``
            (a fact that was never trained on); only those that the data has.
    """

    train: list[Sample]
    held_out: dict[str, list[Sample]]

    @property
    def validation(self) -> list[Sample]:
        """All held-out samples."""
        return [sample for samples in self.held_out.values() for sample in samples]


def load_dataset(data: Sequence[str], max_rows_per_source: int | None, max_held_out: int) -> Dataset:
    """Load and split the samples of ``data``.

    Of each kind of held-out sample at most ``max_held_out`` are kept, those with the smallest hash, so that the choice
    is the same whatever else is loaded.
    """
    train: list[Sample] = []
    held_out: dict[str, list[Sample]] = {"new_wording": [], "new_fact": []}
    for sample in load(data, max_rows_per_source=max_rows_per_source):
        kind = split_of(sample)
        (train if kind == "train" else held_out[kind]).append(sample)
    capped = {
        kind: sorted(samples, key=lambda sample: digest(sample.id))[:max_held_out] for kind, samples in held_out.items()
    }
    return Dataset(train, {kind: samples for kind, samples in capped.items() if samples})


def spread_over_facts(samples: Sequence[Sample], n: int | None) -> list[Sample]:
    """At most ``n`` samples that say as much as possible.

    The first sample of each fact comes before a second of any: in the embedded corpus it asks the plainest question.
    What does not fit is left out by hash.
    """
    if n is None:
        return list(samples)
    first: dict[str, Sample] = {}
    for sample in samples:
        first.setdefault(sample.fact, sample)
    return sorted(samples, key=lambda sample: (first[sample.fact] is not sample, digest(sample.id)))[:n]
