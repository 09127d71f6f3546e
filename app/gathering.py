"""Brings the catalogues of texts up to date: `python -m app.gathering`, with `it` after it to add Italian.

The catalogues and their compiled forms are gettext's, read and written by Babel. The app itself does
without it: it reads the compiled ones with Python's own gettext.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from babel.core import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from app.language import DOMAIN, FOLDER, paragraphs
from diptych import command
from feedback.study import Study

Found = tuple[int, str, Any, list[str]]
"""A line, the function's name, its texts, and what a translator should know."""
ROOT = FOLDER.parents[1]
HEADER = "# What testers read on the pages of Diptych."
# The functions whose first text, or whose first two (for one and for more), are shown to testers.
KEYWORDS: dict[str, Any] = {
    **dict.fromkeys(("mark", "tr", "Refused", "NotNow", "WrongCode", "Later")),
    **dict.fromkeys(("many", "ntr"), (1, 2)),
}
WIDTH = 120


def python_texts(file: IO[bytes], *_: Any, **__: Any) -> Iterator[Found]:
    """The texts of a module, also those within f-strings, which Babel's own method finds on Python 3.12 alone."""
    for node in ast.walk(ast.parse(file.read())):
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if isinstance(node, ast.Call) and name in KEYWORDS:
            texts = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            if texts and isinstance(texts[0], str):
                yield node.lineno, name, texts[0] if len(texts) == 1 else tuple(texts), []


def study_texts(file: IO[bytes], *_: Any, **__: Any) -> Iterator[Found]:
    """What the page translates of the built-in study; its questions stay English."""
    study = Study.from_toml(file.read().decode())
    for text in paragraphs(study.consent_text):
        yield 1, "mark", text, ["What somebody agrees to: nothing may be added or left out."]
    for text in study.reasons:
        yield 1, "mark", text, ["Why an answer is better."]
    for text in dict.fromkeys(prompt.category for prompt in study.prompts):
        yield 1, "mark", text, ["A group of suggested questions."]


METHODS: list[tuple[str, Any]] = [
    ("app/**.py", python_texts),
    ("feedback/**.py", python_texts),
    ("app/**.js", "javascript"),
    ("app/study.toml", study_texts),
]


def gathered() -> Catalog:
    """Every text that testers may read, as a template."""
    template = Catalog(project="Diptych", charset="utf-8", fuzzy=False)
    for found in extract_from_dir(ROOT, METHODS, keywords=KEYWORDS, directory_filter=_is_ours):
        _, _, text, comments, _ = found
        flags = ["python-brace-format"] if "{" in "".join(text) else []
        template.add(text, None, auto_comments=comments, flags=flags)
    return template


def _is_ours(folder: str) -> bool:
    return Path(folder).relative_to(ROOT).parts[0] in ("app", "feedback")


def read(language: str) -> Catalog:
    """A language's catalogue; an empty one where there is none yet."""
    path = _path(language)
    if not path.exists():
        header = {
            "project": "Diptych",
            "version": "",
            "last_translator": "",
            "language_team": "",
            "msgid_bugs_address": "",
        }
        return Catalog(language, header_comment=HEADER, fuzzy=False, **header)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def write(language: str, catalogue: Catalog) -> None:
    """Write a catalogue and its compiled form, which has what is translated and not in doubt."""
    _path(language).parent.mkdir(parents=True, exist_ok=True)
    with _path(language).open("wb") as file:
        write_po(file, catalogue, width=WIDTH, no_location=True, sort_output=True)
    with _path(language).with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)


def _path(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


@command
def main() -> int:
    """Gather, bring every catalogue up to date, compile; say what is still to be translated."""
    description = "Bring the catalogues of the testers' page up to date with the code, and compile them."
    parser = argparse.ArgumentParser(prog="python -m app.gathering", description=description)
    parser.add_argument("language", nargs="*", help="begin a catalogue in this language too, by its code of ISO 639-1")
    asked = parser.parse_args().language
    for language in asked:
        try:
            Locale.parse(language)
        except (UnknownLocaleError, ValueError):
            parser.error(f'"{language}" is no language that is known; give a code of ISO 639-1, such as it for Italian')
    template = gathered()
    for language in sorted({path.parts[-3] for path in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.po")} | set(asked)):
        catalogue = read(language)
        catalogue.update(template, no_fuzzy_matching=True, update_header_comment=False, update_creation_date=False)
        write(language, catalogue)
        left = sum(1 for message in catalogue if message.id and not all(_strings(message.string or "")))
        print(f"{language}: {len(catalogue)} texts, {left} to translate in {_path(language).relative_to(ROOT)}")
    return 0


def _strings(string: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else tuple(string)


if __name__ == "__main__":
    sys.exit(main())
