"""One training sample: what every data source, whatever its format, is turned into."""

from __future__ import annotations

from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any

from training.common.message import Message, Role

__all__ = ["CorpusError", "Message", "Role", "Sample", "Size", "digest", "sample_id"]

FACT_SEPARATOR = " | "


class CorpusError(ValueError):
    """A mistake in the data or in naming it; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A chat or a piece of prose."""

    id: str  # depends on the content alone, so it never changes when other samples do
    source: str  # the data source, e.g. ``art`` or the stem of a file's name
    area: str  # ``art``, ``ai``, ``conversation`` or ``general``
    fact: str  # the fact stated, e.g. ``work:Guernica/artist``; several are joined by ``FACT_SEPARATOR``
    messages: tuple[Message, ...]  # turns from the oldest on, ending with the assistant's; or one of role ``text``
    licence: str  # the licence of the source
    reference: str = ""
    """Where what is said can be looked up, e.g. a museum's page or a book; empty when the data do not say."""

    @property
    def facts(self) -> tuple[str, ...]:
        """Every fact that the sample states."""
        return tuple(self.fact.split(FACT_SEPARATOR))

    @property
    def question(self) -> str:
        """The last turn of the user, or an empty string for prose."""
        return self.messages[-2].content if len(self.messages) > 1 else ""

    @property
    def answer(self) -> str:
        """The assistant's last turn, or the prose."""
        return self.messages[-1].content

    def as_row(self) -> dict[str, Any]:
        """The sample as plain values, for JSON; without a reference where there is none."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        row["messages"] = [message._asdict() for message in self.messages]
        return {name: value for name, value in row.items() if name != "reference" or value}


@dataclass(frozen=True)
class Size:
    """How much a source holds."""

    samples: int  # their number
    bytes: int  # of their text in UTF-8


def digest(text: str, salt: str = "") -> int:
    """A stable 64-bit hash of ``text``; Python's own ``hash`` differs from run to run."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8, salt=salt.encode()).digest(), "big")


def sample_id(source: str, messages: tuple[Message, ...]) -> str:
    """The source and a hash of the messages."""
    content = "\x1e".join(f"{message.role}\x1f{message.content}" for message in messages)
    return f"{source}-{digest(content):016x}"
