"""Documents come back from files as they were, whatever the size of their numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.data.documents import Documents, DocumentsWriter

FIELDS = ("tokens", "learned", "offsets", "answer_bytes")


def some(lengths: list[int], first: int = 7) -> Documents:
    spans = [[(list(range(first, first + n // 2)), False), (list(range(n - n // 2)), True)] for n in lengths]
    return Documents.from_spans(spans, [3 * n for n in lengths])


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65_536, np.uint16), (65_537, np.int32)])
def test_written_in_parts_and_mapped(tmp_path: Path, vocab_size: int, dtype: type) -> None:
    parts = [some([4, 0, 9], first=vocab_size - 5), some([]), some([1, 6])]
    with DocumentsWriter(tmp_path / "train", vocab_size) as writer:
        for part in parts:
            writer.add(part)
    whole, mapped = Documents.concatenate(parts), Documents.open(tmp_path / "train")
    assert (writer.n_documents, writer.n_tokens) == (len(whole), len(whole.tokens)) == (5, 20)
    assert isinstance(mapped.tokens, np.memmap)
    assert mapped.tokens.dtype == dtype
    for field in FIELDS:
        assert getattr(mapped, field).tolist() == getattr(whole, field).tolist()


def test_no_documents_are_an_empty_file(tmp_path: Path) -> None:
    with DocumentsWriter(tmp_path / "new_fact", 300) as writer:
        writer.add(some([]))
    assert len(Documents.open(tmp_path / "new_fact")) == 0


def test_select_takes_documents_in_the_order_named() -> None:
    documents = some([4, 2, 5])
    chosen = documents.select(np.array([2, 0, 0]))
    assert chosen.lengths.tolist() == [5, 4, 4]
    assert chosen.tokens[:5].tolist() == documents.tokens[6:].tolist()
    assert chosen.learned[5:9].tolist() == documents.learned[:4].tolist()
    assert chosen.answer_bytes.tolist() == [15, 12, 12]
    assert documents.select(np.array([False, True, False])).lengths.tolist() == [2]
