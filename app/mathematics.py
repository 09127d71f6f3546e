"""Formulas in Markdown, shown as they were written: Markdown would take their stars, underscores and backslashes away.

Rules for markdown-it: `$...$` and `\\(...\\)` within a paragraph; `$$...$$`, `\\[...\\]` and LaTeX's environments there
and by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

# A dollar before a blank or after one, or before a digit at the end, is money.
_INLINE = re.compile(
    r"\$\$(?:[^$\\]|\\.)+?\$\$|\\\[(?:(?!\\[\[\]]).)+?\\\]|\\\((?:(?!\\[()]).)+?\\\)|\$(?![\s$])(?:[^$\\\n]|\\.)*?(?<![\s\\])\$(?!\d)",
    re.DOTALL,
)
_BLOCK = re.compile(r"(?:\$\$|\\\[|\\begin\{(?P<name>[a-zA-Z]+\*?)\})")
_ENDS = {"$$": "$$", "\\[": "\\]"}
_FAILED, _MAX_FAILED = "formulas that do not end", 20


def with_formulas(parser: MarkdownIt) -> MarkdownIt:
    """The parser, which leaves formulas as they are."""
    parser.inline.ruler.before("escape", "formula", _inline)
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    parser.block.ruler.before("fence", "formula", _block, {"alt": interrupts})
    parser.add_render_rule("formula", _rendered)
    return parser


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\" or not (found := _INLINE.match(state.src, state.pos)):
        return False
    if not silent:
        state.push("formula", "span", 0).content = found[0]
    state.pos = found.end()
    return True


def _block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    if state.is_code_block(first):
        return False
    begins = _BLOCK.match(state.src, state.bMarks[first] + state.tShift[first], state.eMarks[first])
    if begins is None:
        return False
    end = _ENDS.get(begins[0]) or f"\\end{{{begins['name']}}}"
    # Where no block ended that began before, none ends that begins within it: else a time with the square of the lines.
    failed = state.env.setdefault(_FAILED, {})
    if begins.end() <= failed.get(end, -1) or len(failed) > _MAX_FAILED:
        return False
    if state.src.find(end, begins.end()) < 0:
        failed[end] = len(state.src)
        return False
    for line in range(first, last):
        start = begins.end() if line == first else state.bMarks[line]
        written = state.src[start : state.eMarks[line]].rstrip()
        if written.endswith(end):
            break
        if end in written or state.sCount[line] < state.blkIndent:
            failed[end] = state.eMarks[line]
            return False
    else:
        failed[end] = state.eMarks[last - 1]
        return False
    if not silent:
        state.line = line + 1
        token = state.push("formula", "p", 0)
        token.content = state.getLines(first, line + 1, state.blkIndent, False).strip()
        token.block = True
    return True


def _rendered(renderer: Any, tokens: Sequence[Any], place: int, options: Any, env: Any) -> str:
    tag, text = tokens[place].tag, escapeHtml(tokens[place].content)
    return f'<{tag} class="formula">{text}</{tag}>' + ("\n" if tokens[place].block else "")
