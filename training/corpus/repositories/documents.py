"""Markdown, MDX, notebooks and plain books as prose: sections of text without code, pictures, tables and formulas."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from training.corpus.repositories.tables import CountUnread
from training.corpus.turns import NO_JSON, NOT_TEXT, Unreadable, parsed, text_of

WORDS, FEWEST_WORDS = 70, 15
"""A passage ends with the paragraph that brings it to so many words; one of fewer is left out."""
LONGEST_HEADING = 10
"""Words of a heading that a question may be made of."""

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_FENCES = re.compile(r"(^|\n)(?:```|~~~).*?(?:\n(?:```|~~~)[^\n]*(?=\n|$)|\Z)", re.DOTALL)
_BLOCKS = re.compile(
    r"^import [^\n]* from ['\"][^\n]*$|^export (?:const|default|function) [^\n]*$|^:::[^\n]*$|"
    r"(?<!`)\[\[[^\]\n]*\]\]|\$\$.*?\$\$|(?<!`)\{%.*?%\}|(?<!`)<!--.*?-->",
    re.MULTILINE | re.DOTALL,
)
_SLIDES = re.compile(r"\[\*\*(.*?)\*\*\]", re.DOTALL)
"""Dive into Deep Learning marks so what its slides show."""
# What stands in code is kept, as the first group: `<s>`, `[CLS]`, `{name}`.
_TAGS = re.compile(r"(`[^`]*`)|</?[A-Za-z][^>\n]*>")
_POINTERS = re.compile(
    r":(?:numref|eqref|ref|doc|term|py|func|class)[\w:]*:`|"
    r"\{(?:py:\w+|ref|doc|numref|eq|func|class|mod|attr|meth|data|jax-issue)\}`?|"
    r"\((?:see|figs?|figures?)\b[^)]*\)|https?://\S+",
    re.IGNORECASE,
)
_MARKS = re.compile(r":\w+:`[^`]*`|(`[^`]*`)|\{[#\w]+[=}][^}]*\}?|\[[!^][\w ,-]*\]|\[[ x]?\]|\[\d[\d, -]*\]")
_BEFORE_MARK = re.compile(r"(`[^`]*`)|[ ]+(?=[,.;)](?:\s|$))")
_MATHS = re.compile(r"\$[^$\n]+\$|\\\(|\\[a-z]+\{")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z“\"(])")
_BOOK = re.compile(r"\*\*\* ?START OF TH.*?\*\*\*(.*?)\*\*\* ?END OF TH", re.DOTALL)
# Headings that every document has, and words of a page about itself.
_GENERIC = re.compile(
    r"^(?:introduction|overview|summary|conclusions?|exercises?|discussions?|references?|resources|notes?|example\w*|"
    r"installation|setup|usage|next steps|further reading|acknowledg\w+|table of contents|contents|prerequisites|"
    r"imports?|what's next|quiz|getting started|license|contributing|background|motivation|results|training|parameters|"
    r"step \d.*|\d.*|.*\bwe\b.*|.*\byour?\b.*)\??$",
    re.IGNORECASE,
)


@dataclass
class Section:
    """A heading with the paragraphs below it, up to the next heading."""

    heading: str
    paragraphs: list[str] = field(default_factory=list)

    def passages(self) -> Iterator[str]:
        """Its paragraphs in passages of about ``WORDS`` words."""
        passage: list[str] = []
        for paragraph in self.paragraphs:
            passage.append(paragraph)
            if sum(len(text.split()) for text in passage) >= WORDS:
                yield "\n".join(passage)
                passage = []
        if sum(len(text.split()) for text in passage) >= FEWEST_WORDS:
            yield "\n".join(passage)


def read(files: Sequence[Path], title: str, unread: CountUnread) -> Iterator[tuple[str, str, str]]:
    """For each passage the end of its file's path (each folder has an `index.md`), a question, and the passage; prose
    has no question. ``unread`` is told of notebooks, and cells of them, that cannot be read.

    Only the first passage of a section answers a question: the section's heading where that is one, else what
    ``title`` says about the heading, where no other section has it.
    """
    sections = [(path, section) for path in files for section in _sections(path, unread)]
    headings = Counter(section.heading.casefold() for _, section in sections)
    for path, section in sections:
        for number, passage in enumerate(section.passages()):
            question = "" if number or headings[section.heading.casefold()] > 1 else _question(section.heading, title)
            prose = f"{section.heading}\n{passage}" if section.heading and not question else passage
            yield "/".join(path.parts[-3:]), question, prose


def _question(heading: str, title: str) -> str:
    words = len(heading.split())
    if not 1 <= words <= LONGEST_HEADING or not heading[:1].isalpha() or _GENERIC.match(heading):
        return ""
    if heading.endswith("?"):
        return heading if words > 2 else ""
    return f"What does {title} say about “{heading}”?"


def _sections(path: Path, unread: CountUnread) -> Iterator[Section]:
    text = _text(path).replace("\r\n", "\n")
    if path.suffix == ".txt":
        yield _book(text)
        return
    if path.suffix == ".ipynb":
        text = "\n\n".join(_cells(text, f"{path.parent.name}/{path.name}", unread))
    section = Section("")
    for heading, paragraph in _blocks(MarkdownIt("commonmark").enable("table").parse(_without_markup(text))):
        if heading is not None:
            yield section
            section = Section(heading)
        elif paragraph:
            section.paragraphs.append(paragraph)
    yield section


def _cells(notebook: str, name: str, unread: CountUnread) -> Iterator[str]:
    """The Markdown of a notebook, cell by cell."""
    try:
        cells = parsed(notebook, NO_JSON)
    except Unreadable as reason:
        unread(str(reason), name)
        return
    cells = cells.get("cells") if isinstance(cells, dict) else None
    if not isinstance(cells, list):
        unread(NOT_TEXT, name)
        return
    for number, cell in enumerate(cells, start=1):
        try:
            if not isinstance(cell, dict):
                raise Unreadable(NOT_TEXT)
            if cell.get("cell_type") == "markdown":
                source = cell.get("source")
                yield "".join(map(_cell_line, source if isinstance(source, list) else [source]))
        except Unreadable as reason:
            unread(str(reason), f"{name}, cell {number}")


def _cell_line(line: Any) -> str:
    if not isinstance(line, str):
        raise Unreadable(NOT_TEXT)
    text_of(line)
    return line


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:  # old books
        return path.read_text(encoding="cp1252", errors="replace")


def _book(text: str) -> Section:
    found = _BOOK.search(text)
    paragraphs = re.split(r"\n\s*\n", found[1] if found else text)
    prose = (re.sub(r"\s+", " ", paragraph).replace("_", "").strip() for paragraph in paragraphs)
    # Titles, lists of plates and tables have few small words; a paragraph of prose ends with a mark.
    return Section("", [text for text in prose if len(text.split()) >= FEWEST_WORDS and text[-1] in ".!?\"'”"])


def _without_markup(text: str) -> str:
    # Code first: a `[[` or `$$` in it would else take away all text up to the next one.
    return _SLIDES.sub(r"\1", _BLOCKS.sub("", _FENCES.sub("\n\n", _FRONT_MATTER.sub("", text))))


def _blocks(tokens: Iterable[Token]) -> Iterator[tuple[str | None, str]]:
    """A heading and nothing, or nothing and a paragraph or an item of a list; tables are left out."""
    kinds: list[str] = []
    for token in tokens:
        if token.nesting == 1:
            kinds.append(token.type)
        elif token.nesting == -1:
            kinds.pop()
        elif token.type == "inline" and "table_open" not in kinds:
            text = _inline(token)
            if kinds[-1] == "heading_open":
                yield _MARKS.sub(r"\1", text).replace("`", "").strip(" :#*"), ""
            else:
                prose = _prose(text)
                yield None, f"- {prose}" if prose and "list_item_open" in kinds else prose


def _inline(token: Token) -> str:
    parts = []
    for child in token.children or ():
        if child.type == "text":
            parts.append(child.content)
        elif child.type == "code_inline":
            parts.append(f"`{child.content}`")
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return re.sub(r"\s+", " ", _TAGS.sub(r"\1", "".join(parts))).strip()


def _prose(text: str) -> str:
    """A paragraph without the sentences that point to what was left out: formulas, figures, other sections."""
    kept = [part for part in _SENTENCE_END.split(text) if not _POINTERS.search(part) and not _MATHS.search(part)]
    prose = _BEFORE_MARK.sub(r"\1", _MARKS.sub(r"\1", " ".join(kept))).strip()
    letters = sum(letter.isalpha() or letter.isspace() for letter in prose)
    return prose if letters > 0.8 * len(prose) and not prose.endswith(":") else ""
