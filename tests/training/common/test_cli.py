"""What every command does where nobody reads what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.common.cli import UNREAD

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("words", [["training.improve", "--print-config"], ["training.corpus", "list"]])
def test_a_reader_that_has_had_enough_is_no_mistake(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert ended.returncode == UNREAD
    assert ended.stderr == b""
