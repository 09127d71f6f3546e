"""HTML that leaked into a text: its entities and tags become what they stand for, unless the text is about them.

Read are the tags of running text, as forums and dumps of them have them. A text with others is a page, a prompt or an
example of code; it stays as it is, and what is mostly markup is removed by ``training.corpus.cleaning``.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from html.entities import name2codepoint

ABOUT = re.compile(
    r"(?<![./-])\b(?:x?html5?|xml|css\d?|jsx|svg|markup|markdown|bbcode|wikitext|href|tags?|hyperlinks?|headings?|"
    r"in bold|italics|web ?(?:page|site|design)\w*|browsers?|(?:un)?ordered lists?|angle brackets?|ampersands?|"
    r"nbsp(?!;)|unescap\w+|escap\w+ (?:sequence|character|code)s?|(?:bold|formatted) text|su(?:per|b)scripts?)\b"
    r"|<[?!%]|\{[{%]|[\"']</?\w[^<>]{0,99}>[\"']"
    r"|(?-i:^[ \t]*(?:def \w+\(|class \w+[:({]|from \w+ import|function \w*\(|(?:var|let|const) \w+ ?=|return [\"'(<]|"
    r"if ?\(|for ?\(|#include|print\(|echo [\"']))",
    re.IGNORECASE | re.MULTILINE,
)
"""Words and signs of a text that speaks of HTML or is code, in which tags and entities are what is meant."""

_MAYBE = re.compile(r"&[#\w]+;|</?[A-Za-z]")
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
_PREFORMATTED = re.compile(r"<pre\b(?:(?!<pre\b).)*?</pre>", re.DOTALL | re.IGNORECASE)

_NO_NAME = re.compile("and|or|not|int|sum|su[bp]|r?ang|lang|image|real|part|prod|exist|cap")  # &sum; may be C's address
_NAMES = "|".join(name for name in name2codepoint if not _NO_NAME.fullmatch(name))
_ENTITY = re.compile(rf"&(?:#\d{{1,7}}|#[xX][0-9a-fA-F]{{1,6}}|apos|{_NAMES});")
_MENTIONED = re.compile(  # "What does &nbsp; mean?", "use &amp; for it", "(&lt;)"; not "x is &lt; 5"
    r"\b(?:what|does|is|are|uses?|using|write|type|put|with|as|of|for|by|to|called|means?|the|an?)\s+"
    r"(?!&[lg]t;\s*[\d$-])"
    rf"{_ENTITY.pattern}(?=[\s?.,:]|\Z)|[\"'(]{_ENTITY.pattern}[\"')]",
    re.IGNORECASE,
)

_PAIRED = (
    "a|abbr|b|big|blockquote|center|cite|code|del|em|font|h[1-6]|i|ins|ol|pre|q|s|small|span|strike|strong|sub|sup|tt|u|"
    "ul"
)
_ATTRIBUTES = r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>=]+))*\s*/?"
_TAG = re.compile(rf"<(/?)({_PAIRED}|br|dd|dl|dt|hr|li|p){_ATTRIBUTES}>", re.IGNORECASE)
_ANY_TAG = re.compile(r"</?[A-Za-z][\w:-]*(?:\s[^<>]{0,300})?/?>")
_PICTURE = re.compile(rf"<img{_ATTRIBUTES}>", re.IGNORECASE)
_NEEDS_END = re.compile(_PAIRED)

_BEFORE = (  # what makes the tags ones that can be replaced one by one
    (re.compile(rf"<pre{_ATTRIBUTES}>\s*<code{_ATTRIBUTES}>\n?", re.IGNORECASE), "<pre>"),
    (re.compile(r"\n?</code>\s*</pre>", re.IGNORECASE), "</pre>"),
    (re.compile(rf"<li{_ATTRIBUTES}>\s*<p{_ATTRIBUTES}>", re.IGNORECASE), "<li>"),
    (re.compile(r"</p>\s*</li>", re.IGNORECASE), "</li>"),
    (
        re.compile(rf"(?<!\s)\s*(</?(?:blockquote|br|dd|dl|dt|h[1-6]|hr|li|ol|p|ul){_ATTRIBUTES}>)\s*", re.IGNORECASE),
        r"\1",
    ),
)
_RAISED = re.compile(r"<sup>([\d+=()n-]+)</sup>", re.IGNORECASE)
_HIGH = str.maketrans(
    "0123456789+-=()n", "\u2070\xb9\xb2\xb3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207c\u207d\u207e\u207f"
)
_BECOMES = {
    **dict.fromkeys(("p", "blockquote", "dl", "hr", "h1", "h2", "h3", "h4", "h5", "h6"), "\n\n"),
    **dict.fromkeys(("br", "dd", "dt", "ol", "ul"), "\n"),
    **dict.fromkeys(("del", "s", "strike"), "~~"),
    **dict.fromkeys(("code", "tt"), "`"),
    "pre": "\n```\n",
    "q": '"',
    "li": "\n- ",
    "/li": "",
}


def leaks(texts: Sequence[str]) -> bool:
    """Whether tags and entities in the texts of a row are there by accident, so that ``as_shown`` is what was said."""
    if not any(("&" in text or "<" in text) and _MAYBE.search(text) for text in texts):
        return False
    parts = [_CODE.split(text) for text in texts]
    outside = _PREFORMATTED.sub("", "\n".join(part for split in parts for part in split[::2]))
    outside = _TAG.sub(r"<\1\2>", outside)  # what its attributes say is no text
    code = [part for split in parts for part in split[1::2]]
    if any(map(_TAG.search, code)) or not _is_escaped([part for part in code if _ENTITY.search(part)]):
        return False
    return not (ABOUT.search(outside) or _MENTIONED.search(outside))


_OF_CODE = re.compile(r"&(?:lt|gt|amp|quot|apos|#39|#x27|#34|#60|#62);")
_IS_OF_CODE = re.compile(r"&(?:lt|#60|gt|#62);|&amp;&amp;")
_MARKUP = re.compile(r"```[ \t]*(?:x?html?|xml|svg|vue|jsx|tsx|php|markdown|md|text|plaintext)\b", re.IGNORECASE)
_HEADER = re.compile(r"#include\s*<[^<>]*>")


def _is_escaped(blocks: Sequence[str]) -> bool:
    """Whether code with entities was escaped as a whole: each sign that can be is, and what it says is no markup."""
    if any(not block.startswith("```") or _MARKUP.match(block) for block in blocks):
        return False
    code = "".join(blocks)
    if re.search(r"[<>&]", _OF_CODE.sub("", code)) or _ANY_TAG.search(_HEADER.sub("", _decoded(code))):
        return False
    return not blocks or _IS_OF_CODE.search(code) is not None


def shows_picture(text: str) -> bool:
    """Whether a picture stands in a text that leaks."""
    return _PICTURE.search(text) is not None


def as_shown(text: str) -> str:
    """A text as a browser shows it, for one that ``leaks``; entities in its code are there only if all of it was
    escaped."""
    parts = _CODE.split(text)
    parts[::2], parts[1::2] = map(_shown, parts[::2]), map(_decoded, parts[1::2])
    return "".join(parts)


def _shown(text: str) -> str:
    if not _ANY_TAG.search(text):
        text = _decoded(_decoded(text))  # that was escaped once, or twice
    if not _is_running_text(text):
        return text
    for form, becomes in _BEFORE:
        text = form.sub(becomes, text)
    text = _RAISED.sub(lambda found: found[1].translate(_HIGH), text)
    text = _TAG.sub(_replaced, text)
    return _decoded(re.sub(r"\n{3,}", "\n\n", text))


def _replaced(tag: re.Match[str]) -> str:
    ends, name = tag[1], tag[2].lower()
    return _BECOMES.get(ends + name, _BECOMES.get(name, ""))


def _is_running_text(text: str) -> bool:
    """Whether a text has tags, all of them of running text, and those that need an end have one."""
    tags = list(_TAG.finditer(text))
    if not tags or len(tags) < len(_ANY_TAG.findall(text)):
        return False
    balance = Counter[str]()
    for tag in tags:
        balance[tag[2].lower()] += -1 if tag[1] else 1
    return not any(count and _NEEDS_END.fullmatch(name) for name, count in balance.items())


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
