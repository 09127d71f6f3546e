from __future__ import annotations

from pathlib import Path

import pytest

from feedback.blind_test import BlindTest
from tests.feedback.protocol import Clock, open_test


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def blind_test(tmp_path: Path, clock: Clock) -> BlindTest:
    return open_test(tmp_path / "votes.db", clock)
