"""Packing loses nothing, learns nothing across documents, and is the same for the same seed."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from training.corpus.sample import Message, Sample
from training.data.documents import IGNORE_INDEX, ChatForm, Documents, tokenise
from training.data.packing import PackedBatches, all_batches, assemble, pack

FORM = ChatForm(begin=[1], before={"user": [4], "assistant": [5], "text": []}, end=[2], after=[9])
PAD = 3


def byte_ids(texts: list[str]) -> list[list[int]]:
    return [[100 + b for b in text.encode()] for text in texts]


def sample(*turns: tuple[str, str]) -> Sample:
    return Sample("id", "art", "art", "fact", tuple(Message(role, text) for role, text in turns), "MIT")


def documents(lengths: list[int]) -> Documents:
    spans = [[(list(range(10 + 1000 * i, 10 + 1000 * i + n)), True)] for i, n in enumerate(lengths)]
    return Documents.from_spans(spans, lengths)


def test_only_answers_and_their_end_are_learned() -> None:
    chat = sample(("user", "ab"), ("assistant", "c"), ("user", "d"), ("assistant", "ée"))
    tokenised = tokenise([chat], byte_ids, FORM, "answers")
    row = assemble(tokenised, [[(0, 0, len(tokenised.tokens))]], len(tokenised.tokens), PAD)
    learned = [int(label) for label in row.labels[0] if label != IGNORE_INDEX]
    assert learned == [*byte_ids(["c"])[0], 2, *byte_ids(["ée"])[0], 2]
    assert tokenised.answer_bytes.tolist() == [len("cée".encode())]


def test_everything_is_learned_but_the_form() -> None:
    tokenised = tokenise([sample(("user", "ab"), ("assistant", "c"))], byte_ids, FORM, "everything")
    assert tokenised.tokens[tokenised.learned].tolist() == [*byte_ids(["ab"])[0], 2, *byte_ids(["c"])[0], 2]
    assert tokenised.answer_bytes.tolist() == [3]


@pytest.mark.parametrize("seq_len", [8, 16, 64])
def test_every_token_is_packed_once_and_labels_stay_within_documents(seq_len: int) -> None:
    rng = np.random.default_rng(0)
    docs = documents(rng.integers(1, 40, 300).tolist())
    seen: list[int] = []
    labels: list[int] = []
    for batch in all_batches(docs, seq_len, 7, PAD):
        real = batch.documents >= 0
        seen += batch.tokens[real].tolist()
        labels += batch.labels[batch.labels != IGNORE_INDEX].tolist()
        assert (batch.tokens[~real] == PAD).all()
        assert (batch.labels[~real] == IGNORE_INDEX).all()
        follows = batch.labels != IGNORE_INDEX
        assert (batch.labels[follows] == batch.tokens[follows] + 1).all()
    assert sorted(seen) == sorted(docs.tokens.tolist())
    first_tokens = {int(docs.tokens[start]) for start in docs.offsets[:-1]}
    assert sorted(labels) == sorted(set(docs.tokens.tolist()) - first_tokens)


def test_hardly_a_place_is_empty() -> None:
    lengths = np.random.default_rng(1).integers(15, 70, 4000)
    rows = pack(lengths, 256, np.random.default_rng(2))
    assert lengths.sum() / (len(rows) * 256) > 0.99


def test_order_depends_on_seed_and_epoch_alone_and_can_be_sought() -> None:
    docs = documents([5, 9, 3, 12, 7, 4, 8, 6] * 5)
    one, two = (PackedBatches(docs, 16, 3, PAD, seed=5) for _ in range(2))
    n_batches = sum(1 for _ in all_batches(docs, 16, 3, PAD))
    first = [next(one).tokens.tolist() for _ in range(2 * n_batches + 2)]
    assert [next(two).tokens.tolist() for _ in range(len(first))] == first
    assert first[:n_batches] != first[n_batches : 2 * n_batches]
    resumed = PackedBatches(docs, 16, 3, PAD, seed=5)
    epoch, position = one.epoch, one.position
    resumed.seek(epoch, position)
    assert next(resumed).tokens.tolist() == next(one).tokens.tolist()


def test_windows_of_a_large_corpus_hold_every_document_once_and_can_be_sought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.packing.WINDOW_DOCUMENTS", 50)
    docs = documents(np.random.default_rng(3).integers(1, 30, 180).tolist())
    batches = PackedBatches(docs, 32, 3, PAD, seed=5)
    places, tokens, sizes = [], [], []
    while batches.epoch == 0:
        places.append((batches.epoch, batches.position))
        batch = next(batches)
        tokens.append(batch.tokens[batch.documents >= 0].tolist())
        sizes.append(len(batch.tokens))
    assert len({position >> 32 for _, position in places}) == 4
    assert sorted(chain.from_iterable(tokens[:-1])) == sorted(docs.tokens.tolist())
    assert set(sizes[:-2]) == {3}  # only the last batch of an epoch is smaller
    assert places == sorted(places)
    for place, expected in list(zip(places, tokens, strict=True))[::7]:
        again = PackedBatches(docs, 32, 3, PAD, seed=5)
        again.seek(*place)
        batch = next(again)
        assert batch.tokens[batch.documents >= 0].tolist() == expected
        assert again.position != place[1]
