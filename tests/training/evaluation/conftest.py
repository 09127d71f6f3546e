"""What the tests of the evaluation share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.evaluation.tiny_checkpoint import save_tiny_checkpoint


@pytest.fixture(scope="session")
def saved_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of Model 1 in all forms, to be read only: copy it to change it."""
    return save_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "art_ai_model")
