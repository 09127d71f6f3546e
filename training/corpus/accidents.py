"""What a row would teach by accident: HTML that leaked, escapes written out, letters in a wrong encoding, placeholders.

Repaired is what is certain. A text that speaks of such things stays as it is. What is left of an accident makes a row
unreadable: nothing in it says what was meant.
"""

from __future__ import annotations

import ast
import re

from training.corpus import hypertext, mojibake
from training.corpus.sample import Message
from training.corpus.turns import GARBLED, MEDIA, NO_TEXT, NOT_TEXT, PLACEHOLDER, Unreadable


def as_meant(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages of a row without what is in them by accident.

    Raises:
        Unreadable: a placeholder, garbled letters, a picture or a value in a program's form is in them.
    """
    before = texts = [message.content for message in messages]
    _check_values(texts)
    for mend in (_without_html, _without_escapes, _in_letters, _without_places):
        texts = mend(texts)
    if texts is before:
        return messages
    texts = [text.strip() for text in texts]
    if not all(texts):
        raise Unreadable(NO_TEXT)
    return tuple(Message(message.role, text) for message, text in zip(messages, texts, strict=True))


# -- values ----------------------------------------------------------------------------------------------------------

DATA = re.compile(r"data:[\w.+/-]{0,60};base64,[A-Za-z0-9+/=]{40}")
"""A picture, a sound or a file that is written out."""
_VALUE = re.compile(  # as Python, NumPy and JavaScript write what is no text
    r"b(['\"]).*\1|[\[(]\s*(['\"]).*\2,?\s*[\])]|\[?\s*\{\s*'.*\}\s*\]?|[\[({]\s*[\])}]"
    r"|array\(.*\)|\[object \w+\]|<[\w. ]+ (?:object )?at 0x[0-9a-f]+>",
    re.DOTALL,
)
_ABOUT_VALUES = re.compile(
    r"\b(?:python|numpy|pandas|java\w*|json|code|coding|program\w*|functions?|methods?|lists?|arrays?|tuples?|sets?|"
    r"dict\w*|strings?|bytes?|objects?|classes|variables?|print\w*|returns?|outputs?|eval\w*|regex|sql|tokens?|tags?|"
    r"labels?|entit\w+|keywords?|extract|format\w*|parse\w*)\b|[`\[{]",
    re.IGNORECASE,
)
"""Words of a question whose answer may be such a value."""


def _check_values(texts: list[str]) -> None:
    """Raises Unreadable where a message is a value in a program's form, or holds a file: nobody says either."""
    if any("base64," in text and DATA.search(text) for text in texts):
        raise Unreadable(MEDIA)
    values = [text for text in texts if text[:1] in _BEGINS and _VALUE.fullmatch(text) and _is_value(text)]
    if values and not any(_ABOUT_VALUES.search(text) for text in texts if text not in values):
        raise Unreadable(NOT_TEXT)


_BEGINS = ("b", "[", "(", "{", "a", "<")
_PARSED = 20_000
"""Characters that are read as Python: of more than that no words in brackets consist."""


def _is_value(text: str) -> bool:
    """Whether Python reads it as a value, where it is written as one; words in brackets are none."""
    if text.startswith(("a", "<", "[object ")) or len(text) > _PARSED:
        return True
    try:
        return not isinstance(ast.literal_eval(text), str)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def text_as_meant(text: str) -> str:
    """The same for a text that stands alone.

    Raises:
        Unreadable: as ``as_meant``.
    """
    return as_meant((Message("text", text),))[0].content


def _without_html(texts: list[str]) -> list[str]:
    if not hypertext.leaks(texts):
        return texts
    if len(texts) > 1 and any(map(hypertext.shows_picture, texts)):
        raise Unreadable(MEDIA)
    return [hypertext.as_shown(text) for text in texts]


def _in_letters(texts: list[str]) -> list[str]:
    if not any(map(mojibake.is_suspect, texts)) or any(map(mojibake.ABOUT.search, texts)):
        return texts
    texts = [mojibake.as_written(text) for text in texts]
    if any(map(mojibake.is_garbled, texts)):
        raise Unreadable(GARBLED)
    return texts


# -- escapes ---------------------------------------------------------------------------------------------------------

_ABOUT_ESCAPES = re.compile(
    r"\b(?:unicode|json|regex|regular expression|escap\w+|backslash\w*|newline\w*|strings?|latex|python|java\w*|code|"
    r"printf?|paths?|folder|windows)\b|[`$]",
    re.IGNORECASE,
)
_OF_JSON = re.compile(r"(?<!\\)(?:\\u[0-9a-fA-F]{4})+")
_LINE_END = re.compile(r"(?<=[.!?;,)\"])\\n(?=[A-Z\d\"*#\u2022-])|\\n\\n")


def _without_escapes(texts: list[str]) -> list[str]:
    """Letters and ends of lines that are written as JSON writes them, as they are."""
    if not any("\\u" in text or "\\n" in text for text in texts) or any(map(_ABOUT_ESCAPES.search, texts)):
        return texts
    return [_unescaped(text) for text in texts]


def _unescaped(text: str) -> str:
    text = _OF_JSON.sub(_letters, text)
    if "\n" not in text and _LINE_END.search(text):
        text = re.sub(r"\\n(?![a-z])", "\n", text)
    return text


def _letters(found: re.Match[str]) -> str:
    try:
        return bytes.fromhex(found[0].replace("\\u", "")).decode("utf-16-be")
    except UnicodeDecodeError:
        return found[0]


# -- placeholders ----------------------------------------------------------------------------------------------------

_ABOUT_PLACES = re.compile(
    r"\b(?:placeholders?|templates?|tokens?|tokeni\w+|vocabular\w+|variables?|jinja|mustache|handlebars|anonymi\w+|"
    r"columns?|sql|fields?|brackets?|treebank)\b",
    re.IGNORECASE,
)
_URL = r"_URL_\d+_"
_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}
_NOTHING_LOST = (
    (re.compile(rf"\[([^\[\]\n]+)\]\({_URL}\)"), r"\1"),  # ELI5's addresses
    (re.compile(rf"[ \t]?[\[(] *(?:(?:see|source|from|via|link)s?:? *)?{_URL} *[\])]", re.IGNORECASE), ""),
    (
        re.compile(
            r"^[ \t>*-]*(?:\d+[.)] *)?(?:(?:edit|source|link|reference|ref|see|see also|more|further reading|video)s?"
            rf"[^\n.!?]{{0,20}}:?[ \t]*)?(?:{_URL}[ \t,;&]*(?:and )?)+\.?[ \t]*$",
            re.MULTILINE | re.IGNORECASE,
        ),
        "",
    ),
    (re.compile(r"^```[ \t]*\n([\w+#-]{1,16})Copy code[ \t]*$", re.MULTILINE), r"```\1"),  # a button of ChatGPT's page
    (re.compile(r"^(```[\w+#-]*[ \t]*\n)Copy code[ \t]*\n", re.MULTILINE), r"\1"),
    (re.compile(r"^[a-z+#]{1,16}Copy code[ \t]*\n", re.MULTILINE), ""),
)
_BRACKET = re.compile(r"(-L[RSC]B-) ?| ?(-R[RSC]B-)")
_PLACE = re.compile(
    rf"{_URL}|(?<![\w`])NAME_\d+\b|\{{\{{ ?(?:user|char|name|author|bot) ?\}}\}}|"
    r"(?<![`\"'])(?:<unk>|(?-i:<NAME>|<AUTHOR>))",
    re.IGNORECASE,
)
_DELETED = re.compile(r"\[ ?(?:deleted|removed)(?: by [\w ]{1,40})? ?\]", re.IGNORECASE)
_MARKS = ("_", "{{", "<", "B-", "Copy code", "[")
"""One of them is in whatever ``_MAYBE`` finds; to look for them takes a tenth of the time."""
_MAYBE = re.compile(
    r"_URL_\d|NAME_\d|\{\{|<(?:unk|name|author)>|-[LR][RSC]B-|Copy code|\A\s*\[ ?(?:delet|remov)", re.IGNORECASE
)


def _without_places(texts: list[str]) -> list[str]:
    """The texts without the marks of what was taken out of them, where nothing is lost with it."""
    if not any(mark in text for text in texts for mark in _MARKS) or not any(map(_MAYBE.search, texts)):
        return texts
    for form, becomes in _NOTHING_LOST:
        texts = [form.sub(becomes, text) for text in texts]
    if any(_DELETED.fullmatch(text.strip()) for text in texts):
        raise Unreadable(PLACEHOLDER)
    if any(map(_ABOUT_PLACES.search, texts)):
        return texts
    if any(map(_PLACE.search, texts)):
        raise Unreadable(PLACEHOLDER)
    return [_BRACKET.sub(lambda found: _BRACKETS[found[1] or found[2]], text) for text in texts]
