"""Any value that JSON or Parquet can hold, for readers that must neither end nor guess."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

ODD = (
    *("x", "Who?", "user", "A", "1", "N/A", "", "[", "{", "nan", '["a"]', "{'text': ['a']}", '[{"role": "user"}]'),
    *("User: hi\nAssistant: yo", "<|im_start|>user\nhi", "### Human: a### Assistant: b", "\ud800", "c. 1890", "1890s"),
    *("http://[", "en", "prompter", "assistant", "true", "|", "(1)", "A painter, of whom much is said. " * 4),
    *(0, -1, 10**400, 1.5, float("nan"), float("inf"), None, True, False, b"x", b"\xff"),
)


def odd(chance: random.Random, fields: Sequence[str], depth: int = 0) -> Any:
    """A value of any form; objects have some of ``fields``."""
    shape = chance.randrange(4) if depth < 4 else 0
    if shape < 2:
        return chance.choice(ODD)
    if shape == 2:
        return [odd(chance, fields, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(fields): odd(chance, fields, depth + 1) for _ in range(chance.randrange(5))}
