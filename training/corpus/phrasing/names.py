"""What the rules of grammar do not tell of names and words: the lists of ``names.toml``."""

from __future__ import annotations

from pathlib import Path

from training.common.toml_file import read_toml

NAMES = read_toml(Path(__file__).with_name("names.toml"))
