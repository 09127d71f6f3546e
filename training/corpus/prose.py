"""Long prose, cut into samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

PIECE = 600
"""The least number of characters of a piece; only the last one of a text may have fewer."""

_FRONT_MATTER = re.compile(  # in YAML or TOML: nothing but keys in small letters and what is theirs
    r"\A(---|\+\+\+)[ \t]*\n(?:[a-z_][\w.-]*[ \t]*[:=][^\n]*\n)(?:(?:[a-z_][\w.-]*[ \t]*[:=]|[ \t#\]-])[^\n]*\n|\n)*?"
    r"\1[ \t]*(?:\n|\Z)"
)


def without_front_matter(text: str) -> str:
    """A text without the title, date and tags that stand above it for a program."""
    return _FRONT_MATTER.sub("", text).strip() if text[:3] in ("---", "+++") else text


def paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """Lines that stand together, with the blanks around them removed."""
    block: list[str] = []
    for line in lines:
        if line.strip():
            block.append(line)
        elif block:
            yield "".join(block).strip()
            block = []
    if block:
        yield "".join(block).strip()


def pieces(parts: Iterable[str]) -> Iterator[str]:
    """Paragraphs joined until they have ``PIECE`` characters, as they come."""
    joined: list[str] = []
    for part in parts:
        joined.append(part)
        if sum(map(len, joined)) >= PIECE:
            yield "\n\n".join(joined)
            joined = []
    if joined:
        yield "\n\n".join(joined)
