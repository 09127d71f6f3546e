"""Where benchmarks write."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.outputs import own_file


def test_a_home_is_meant_where_no_shell_has_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert own_file("~/report.md") == tmp_path / "report.md"
