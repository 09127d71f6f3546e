"""Long prose, cut into samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PIECE = 600
"""The least number of characters of a piece; only the last one of a text may have fewer."""


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
