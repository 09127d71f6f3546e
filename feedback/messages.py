"""What a tester is told: English with placeholders, so that whoever shows it can say it in another language.

A sentence is looked up as a whole and its values are put in afterwards; hence no part of one is put together in code.
The functions mark texts, by which they are found and gathered (``docs/study.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LookUp = Callable[[str, str, int], str]
"""From a text, the same for another number than one (or nothing), and that number, to the text in some language."""

Written = Callable[[float], Any]
"""From a number that need not be whole to how a language writes it."""

MANY = 100  # stands for a number that is not whole: every language that we know has the same form for both


@dataclass(frozen=True)
class Message:
    """A sentence and what belongs in its placeholders."""

    text: str  # the sentence in English, with placeholders such as ``{n}``
    other: str = ""  # the same for another number than one; nothing where no number changes the sentence
    # What belongs in the placeholders, messages among them; ``n`` is the number that changes the sentence.
    values: Mapping[str, Any] = field(default_factory=dict)

    def said(self, look_up: LookUp, written: Written = float) -> str:
        """The sentence with its values in the language of ``look_up``, numbers that are not whole as ``written``."""
        number = self.values.get("n", 1)
        found = look_up(self.text, self.other, int(number) if number == int(number) else MANY)
        if not self.values:
            return found
        values = dict(self.values)
        for name, value in values.items():
            if isinstance(value, Message):
                values[name] = value.said(look_up, written)
            elif isinstance(value, float):
                values[name] = written(value)
        return found.format(**values)

    def __str__(self) -> str:
        return self.said(english)


def english(text: str, other: str, number: int) -> str:
    """The text as it is, in the form for this number."""
    return other if other and number != 1 else text


def mark(text: str) -> str:
    """The text itself, which is looked up where it is shown."""
    return text


def many(one: str, other: str, **values: Any) -> Message:
    """A sentence that the number ``n`` changes."""
    return Message(one, other, values)
