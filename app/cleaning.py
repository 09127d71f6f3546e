"""One cleaning for the text of both models and of testers, so that marks and markup cannot tell the models apart."""

from __future__ import annotations

import re
import unicodedata

_SPECIAL_TOKEN = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?s>|<(?:unk|pad|bos|eos)>")
_JOINER = "\u200d"  # holds emoji together; every other invisible format character goes
_MARKDOWN = (
    (re.compile(r"^[ \t]*```.*$\n?", re.M), ""),  # fences of code
    (re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)"), r"\1"),  # images and links keep their words
    (re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+", re.M), ""),  # headings
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),  # bold
    (re.compile(r"`([^`\n]+)`"), r"\1"),  # code
    (re.compile(r"^[ \t]*[*+-][ \t]+", re.M), "- "),  # bullets
)


def clean_text(text: str) -> str:
    """`text` in composed form (NFC), without control, zero-width and direction characters; line ends as `\\n`."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))
    kept = (c for c in text if c in ("\n", _JOINER) or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
    return "".join(kept).strip().strip(_JOINER).strip()


def clean_prompt(text: str) -> str:
    """What a tester typed, without marks that a chat template would take for the end of a turn."""
    return _SPECIAL_TOKEN.sub("", clean_text(text)).strip()


def clean_answer(text: str) -> str:
    """What a model wrote, as plain text: no special tokens, no Markdown, at most one blank line in a row."""
    text = _SPECIAL_TOKEN.sub("", clean_text(text))
    for pattern, replacement in _MARKDOWN:
        text = pattern.sub(replacement, text)
    text = re.sub(r"[ \u00a0]+(?=\n|$)", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
