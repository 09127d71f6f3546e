"""The order in which the files of the suite begin."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.order import FIRST, TESTS, has_nothing_for


def test_every_file_that_begins_first_is_there() -> None:
    assert [name for name in FIRST if not (TESTS / name).is_file()] == []
    assert max(Counter(FIRST).values()) == 1


def test_files_stay_whole_and_long_ones_begin(request: pytest.FixtureRequest) -> None:
    """Of this very session."""
    files = list(dict.fromkeys(item.path for item in request.session.items))
    changes = [item.path for item in request.session.items]
    assert sum(one != other for one, other in pairwise(changes)) == len(files) - 1
    places = [FIRST.index(name) for path in files if (name := path.relative_to(TESTS).as_posix()) in FIRST]
    assert places == sorted(places)


def test_only_files_with_a_test_that_runs_alone_are_loaded_for_those(tmp_path: Path) -> None:
    marked, other = tmp_path / "test_marked.py", tmp_path / "test_other.py"
    marked.write_text("@pytest.mark.alone\ndef test_it(): ...\n")
    other.write_text("def test_it(): ...\n")
    assert has_nothing_for(other, "alone")
    assert not has_nothing_for(marked, "alone")
    assert not has_nothing_for(other, "not alone")
    assert not has_nothing_for(TESTS / "training", "alone")
