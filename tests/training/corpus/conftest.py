"""The embedded corpus and what all its records together say, for the tests that read it."""

from __future__ import annotations

import pytest

from training.corpus import Sample, load
from training.corpus.embedded import records
from training.corpus.phrasing.context import Context, context_of


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    return load()


@pytest.fixture(scope="session")
def context() -> Context:
    return context_of(records())
