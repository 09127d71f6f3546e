"""The samples of a run: cleaned, split by hash, the held-out ones capped. Both models and the evaluation use these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.common.checkpoint_folder import TRAINED_ON
from training.common.files import new_file
from training.corpus import is_embedded, mixing, stream
from training.corpus.card import DataCard
from training.corpus.cleaned import cleaned
from training.corpus.cleaning import clean
from training.corpus.sample import Sample, digest
from training.corpus.split import Split, split_of
from training.data.documents import ChatForm, Documents, EncodeBatch, LossOn, tokenise


@dataclass(frozen=True)
class Dataset:
    """Training samples, and held-out ones by what is new about them."""

    train: list[Sample]  # what an epoch has, the samples of a source as often as its weight says
    held_out: dict[str, list[Sample]]
    """``new_wording`` (a known fact, asked in a wording that was not trained on) and ``new_fact`` (a fact that was
    never trained on); only those that the data has, each once."""
    card: DataCard = field(default_factory=lambda: DataCard(()))  # what it was all made of

    @property
    def validation(self) -> list[Sample]:
        """All held-out samples."""
        return [sample for samples in self.held_out.values() for sample in samples]


@dataclass(frozen=True)
class TokenisedDataset:
    """The same in the tokens of a model, in memory or mapped from files; ``trained_on`` has a hash of the id of each
    training sample, ``write_card`` puts the data card into a folder."""

    train: Documents
    held_out: dict[str, Documents]
    trained_on: np.ndarray
    write_card: Callable[[Path], None]

    def write_trained_on(self, folder: Path) -> None:
        """Write down which samples these are, for an evaluation that asks what the training has told."""
        with new_file(folder / TRAINED_ON) as partial:
            partial.write_bytes(self.trained_on.tobytes())


def tokenise_dataset(dataset: Dataset, encode_batch: EncodeBatch, form: ChatForm, loss_on: LossOn) -> TokenisedDataset:
    """Samples in memory in the chat form of a model."""
    held_out = {kind: tokenise(samples, encode_batch, form, loss_on) for kind, samples in dataset.held_out.items()}
    trained_on = np.unique(np.array([digest(sample.id) for sample in dataset.train], np.uint64))
    train = tokenise(dataset.train, encode_batch, form, loss_on)
    return TokenisedDataset(train, held_out, trained_on, dataset.card.write)


def split_samples(
    data: Sequence[str],
    max_rows_per_source: int | None = None,
    weights: dict[str, float] | None = None,
    card: DataCard | None = None,
) -> Iterator[tuple[Sample, Split]]:
    """Each sample of ``data`` that cleaning leaves, once, with its side of the split. Nothing is looked for in the
    embedded corpus, which has no duplicates; other data pass through files, whatever their size.

    Args:
        weights: is given the weight of each source when it is met.
        card: is told what was removed.

    Raises:
        CorpusError: data that cannot be used, in one line.
    """
    card = card or DataCard(data)
    samples = stream(data, max_rows_per_source, weights, card.cleaning)
    if is_embedded(data):
        yield from ((sample, split_of(sample)) for sample in clean(samples, card.cleaning))
        return
    with cleaned(samples, card.cleaning) as corpus:
        card.across = corpus.across
        yield from corpus.with_splits()


def load_dataset(data: Sequence[str], max_rows_per_source: int | None, max_held_out: int) -> Dataset:
    """The samples of ``data`` in memory.

    Of each kind of held-out sample at most ``max_held_out`` are kept, those with the smallest hash, so that the choice
    is the same whatever else is loaded.
    """
    card = DataCard(data)
    train: list[Sample] = []
    held_out: dict[str, list[Sample]] = {"new_wording": [], "new_fact": []}
    weights: dict[str, float] = {}
    for sample, split in split_samples(data, max_rows_per_source, weights, card):
        copies = mixing.copies(sample, weights[sample.source])
        card.add(sample, split, copies)
        if split == "train":
            train.extend([sample] * copies)
        else:
            held_out[split].append(sample)
    capped = {
        kind: sorted(samples, key=lambda sample: digest(sample.id))[:max_held_out] for kind, samples in held_out.items()
    }
    return Dataset(train, {kind: samples for kind, samples in capped.items() if samples}, card)


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
