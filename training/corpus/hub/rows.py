"""What the readers of the Hub's data sets take and give."""

from __future__ import annotations

from typing import Any

from training.corpus.sample import Message

Row = dict[str, Any]

Keyed = tuple[str, tuple[Message, ...]]
"""A key and a chat or a piece of prose. What has the same key stays on one side of the split."""
