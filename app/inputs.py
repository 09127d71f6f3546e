"""What comes from a browser, made into what a handler expects. Anybody can post anything, of any type and length."""

from __future__ import annotations

import re
from typing import Any

from feedback.rules import MAX_COMMENT_CHARS, QuestionTooLong
from feedback.study import MAX_PROMPT_CHARS

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_ITEMS = 50  # reasons that are ticked
# Marks and blanks that cleaning takes away may double a text, no more: what is longer is refused before any work on it.
RAW = 2


def as_text(value: Any, longest: int = RAW * MAX_COMMENT_CHARS) -> str:
    """`value` if it is text, cut at a length beyond which nothing of it would be kept; else nothing."""
    return value[:longest] if isinstance(value, str) else ""


def as_token(value: Any) -> str:
    """A tester's token, or nothing for what cannot be one."""
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else ""


def as_question(value: Any) -> str:
    """A question, not yet cleaned. Raises Refused for one that is too long whatever cleaning takes away."""
    text = value if isinstance(value, str) else ""
    if len(text) > RAW * MAX_PROMPT_CHARS:
        raise QuestionTooLong(len(text))
    return text


def as_texts(value: Any) -> list[str]:
    """The texts among the members of a list."""
    return [item[:200] for item in value[:MAX_ITEMS] if isinstance(item, str)] if isinstance(value, list) else []


def as_yes_or_no(value: Any) -> bool | None:
    """True for `yes`, False for `no`, None for anything else."""
    return {"yes": True, "no": False}.get(value) if isinstance(value, str) else None


def as_key(value: Any) -> int:
    """The number of a round as the page keeps it, a text of digits; -1, which no round has, for anything else."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else -1
