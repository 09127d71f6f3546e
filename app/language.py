"""In which language a tester reads the page: the study says so, or each browser asks for its own.

The texts are gettext catalogues in `app/languages/`, brought up to date by `app.gathering`; a text that they lack, such
as a study's own, stays as it is. The language belongs to a request: `app.page_texts` finds it out, and whatever the
request leads to reads it from a context variable, so that two testers at once each have theirs.
"""

from __future__ import annotations

import functools
import gettext
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from feedback.messages import Message
from feedback.rules import Refused
from feedback.study import BROWSER, LANGUAGES, Study, StudyError

ENGLISH = "en"
FOLDER = Path(__file__).parent / "languages"
DOMAIN = "diptych"
TAGS = {"zh": "zh-Hans"}  # BCP 47, where it says more than the code
RIGHT_TO_LEFT = ("ar",)
DECIMAL_COMMA = ("de", "fr", "es", "pt")
MAX_HEADER = 500  # characters of a browser's wishes that are read; one asks for four or five languages
_WISH = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")

_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


# -- which language -----------------------------------------------------------------------------------------------


def chosen(study: Study, wishes: str) -> str:
    """The language of a page: the study's, or of those that a browser's `Accept-Language` names the dearest we have."""
    if study.language != BROWSER:
        return study.language
    dearest, weight = ENGLISH, 0.0
    for wish in wishes[:MAX_HEADER].split(","):
        found = _WISH.fullmatch(wish)
        code = found[1].lower() if found else ""
        if found and code in LANGUAGES and (given := float(found[2] or 1)) > weight:
            dearest, weight = code, given
    return dearest


def current() -> str:
    """The language of the request that is being answered."""
    return _current.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Within this, and in the threads and tasks that it starts, texts are in a language."""
    before = _current.set(language)
    try:
        yield
    finally:
        _current.reset(before)


def attributes(language: str, prefix: str = "") -> str:
    """`lang` and `dir` of an element in this language; with the prefix `data-` for the page's script alone, since
    Gradio's own writes the browser's language into the page."""
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    return f'{prefix}lang="{TAGS.get(language, language)}" {prefix}dir="{direction}"'


# -- the texts ----------------------------------------------------------------------------------------------------


@functools.cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The texts in a language. Raises StudyError in one line where they are not there or cannot be read."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    path = FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.mo"
    remedy = "make it with python -m app.gathering, or set language to another one"
    try:
        with path.open("rb") as file:
            return gettext.GNUTranslations(file)
    except OSError as error:
        problem = f"{path} cannot be read ({error.strerror or error})"
    except (ValueError, UnicodeDecodeError, struct.error):
        problem = f"{path} is no catalogue of texts"
    raise StudyError(f'language = "{language}": {problem}; {remedy}')


def must_have_texts(study: Study) -> None:
    """Read what a study needs. Raises StudyError in one line."""
    for language in LANGUAGES if study.language == BROWSER else (study.language,):
        catalogue(language)


def tr(text: str, **values: Any) -> str:
    """A text in the language of the request, with its values."""
    return Message(text, values=values).said(_look_up, number)


def ntr(one: str, other: str, **values: Any) -> str:
    """A text that the number `n` changes, in the language of the request."""
    return Message(one, other, values).said(_look_up, number)


def said(what: Message | Refused) -> str:
    """A message, or why something was refused, in the language of the request."""
    return (what.message if isinstance(what, Refused) else what).said(_look_up, number)


def number(value: float) -> float:
    """A number that writes itself as the language of the request does."""
    return _WithComma(value) if current() in DECIMAL_COMMA else value


class _WithComma(float):
    def __format__(self, form: str) -> str:
        return super().__format__(form).replace(".", ",")


def _look_up(text: str, other: str, number: int) -> str:
    if not text:  # under which a catalogue keeps its own header
        return text
    texts = catalogue(current())
    return texts.ngettext(text, other, number) if other else texts.gettext(text)


_IN_SCRIPT = re.compile(r'\btr\("((?:[^"\\]|\\.)+)"')


def script_texts(script: str) -> dict[str, str]:
    """Those of the page's script in the language of the request, by the text in English."""
    if current() == ENGLISH:
        return {}
    return {text: tr(text) for text in _IN_SCRIPT.findall(script)}


def consent_language(study: Study) -> str | None:
    """In which language this request is shown the consent; not known of a study's own text, which stays as it is
    written, where each browser chooses the language of the page."""
    translated = catalogue(next(code for code in LANGUAGES if code != ENGLISH)).gettext
    is_ours = all(translated(text) != text for text in paragraphs(study.consent_text))
    return current() if is_ours or study.language != BROWSER else None


def paragraphs(text: str) -> list[str]:
    """What blank lines part."""
    return [part.strip() for part in text.split("\n\n") if part.strip()]
