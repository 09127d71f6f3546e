"""Answers as Markdown that loses nothing of what was written.

Beside formulas these are: the stars of `2*3*4` and `2**3`, those of words for all genders (`Leser*innen`) and the
underscores of `__init__`; numbers of a list that do not follow one another (years, a countdown); cells of a row with
more than its table; and sources (`[1]: https://...`), which Markdown shows nowhere.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.reference import reference
from markdown_it.rules_block.table import escapedSplit, table
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline

from app.mathematics import with_formulas

_ADDRESSES = "diptych:addresses"  # where a rendering counts their characters
_MAX_ADDRESSES = 20_000
_WIDE = "diptych:wide"  # between which lines no table begins, since the last of them has too many or too few cells
_LONGEST_SOURCE = 2_000  # characters
_MOST_MISSING = 500  # cells of a table that its rows do not have; each is made, and 10 kB became 675 kB

# Scripts that part words by blanks; in others emphasis begins and ends in the midst of what looks like a word.
_LETTER = r"A-Za-z\u00c0-\u024f\u0370-\u052f"
_NUMBER, _NAME = r"\d+(?:[.,]\d+)*", rf"[{_LETTER}][{_LETTER}\d_]*"
_WORD = rf"{_LETTER}\d_"
_BEFORE, _BEHIND = rf"(?<![{_WORD}*])", rf"(?![{_WORD}*])"
_IN_BOLD, _BEHIND_BOLD = rf"(?<=\*\*)(?<![{_WORD}*]\*\*)", rf"(?=\*\*(?![{_WORD}*]))"
_PRODUCT = re.compile(
    rf"(?:{_BEFORE}|{_IN_BOLD})(?:{_NUMBER}|{_NAME})(?:\*(?:{_NUMBER}|{_NAME}))+(?:{_BEHIND}|{_BEHIND_BOLD})"
    rf"|{_BEFORE}(?:{_NUMBER}|[{_LETTER}])(?:\*\*?(?:{_NUMBER}|[{_LETTER}]))+{_BEHIND}"
)
_OF_PYTHON = re.compile(rf"{_BEFORE}__[a-z][a-z0-9_]*__{_BEHIND}")


@functools.lru_cache(maxsize=8)
def _no_emphasis(text: str) -> dict[int, int]:
    """Where stars and underscores stand that are none of Markdown's, and how many characters from there on."""
    stars = (
        (product.start() + run.start(), len(run[0]))
        for product in _PRODUCT.finditer(text)
        for run in re.finditer(r"\*+", product[0])
    )
    return {**dict(stars), **{name.start(): len(name[0]) for name in _OF_PYTHON.finditer(text)}}


def _as_written(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "*_" or (length := _no_emphasis(state.src).get(state.pos)) is None:
        return False
    if not silent:
        state.pending += state.src[state.pos : state.pos + length]
    state.pos += length
    return True


def _sources(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """What defines the addresses of links, which is then shown as the paragraph that it is."""
    line, longest = first, 0
    while line < last and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent:
        if not reference(state, line, last, silent):
            break
        longest = max(longest, len(state.getLines(line, state.line, 0, False)))
        line = state.line
    hidden = longest > _LONGEST_SOURCE  # as Markdown hides all of them: nobody reads that
    state.line = line if hidden else first
    return hidden


def _table(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """A table, unless one of its rows has more cells than its head, of which what is beyond would be left out, or its
    rows lack cells by the hundred."""
    start, end = state.env.get(_WIDE, (0, 0))
    if start <= first < end or not table(state, first, last, True):
        return False
    columns, missing = len(_cells(state, first)), 0
    for line in range(first + 2, last):
        if state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            break
        cells = _cells(state, line)
        missing += max(0, columns - len(cells))
        if missing > _MOST_MISSING or any(cell.strip() for cell in cells[columns:]):
            state.env[_WIDE] = (first, line)
            return False
    return silent or table(state, first, last, silent)


def _cells(state: StateBlock, line: int) -> list[str]:
    cells = escapedSplit(state.getLines(line, line + 1, state.blkIndent, False).strip())
    return cells[bool(cells and not cells[0]) : -1 if cells and not cells[-1] else None]


def _numbers(state: StateCore) -> None:
    """The number of each item of a list, where they neither follow one another nor are all the same."""
    lists: list[list[Any]] = []
    for token in state.tokens:
        if token.type in ("ordered_list_open", "bullet_list_open"):
            lists.append([])
        elif token.type == "list_item_open":
            lists[-1].append(token)
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            items = lists.pop()
            if token.type.startswith("bullet"):
                continue
            numbers = [int(item.info) for item in items]
            if len(set(numbers)) > 1 and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                for item, number in zip(items, numbers, strict=True):
                    item.attrSet("value", str(number))


def _open_link(renderer: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    """A link opens beside the page, without telling where it comes from.

    An address that is written once may stand in any number of links: 3 kB became 400 kB, and 100 kB would be gigabytes.
    """
    env[_ADDRESSES] = env.get(_ADDRESSES, 0) + sum(len(str(value)) for value in tokens[index].attrs.values())
    if env[_ADDRESSES] > _MAX_ADDRESSES:
        tokens[index].attrs = {}
        return str(renderer.renderToken(tokens, index, options, env))
    tokens[index].attrSet("target", "_blank")
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return str(renderer.renderToken(tokens, index, options, env))


def _parser() -> MarkdownIt:
    """No HTML of a model's, no pictures (they would be fetched), links to web pages alone; no typographic changes."""
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    parser = with_formulas(parser.disable("image"))
    parser.inline.ruler.before("emphasis", "as_written", _as_written)
    parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    parser.block.ruler.at("reference", _sources)
    parser.core.ruler.after("block", "numbers", _numbers)
    parser.add_render_rule("link_open", _open_link)
    parser.validateLink = lambda url: url.lower().startswith(("http://", "https://"))  # type: ignore[method-assign]
    return parser


MARKDOWN = _parser()
