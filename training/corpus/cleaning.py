"""Which rows of files are no use to a model, by a few rules that say how many each removed.

Rows that state facts of the embedded corpus are never removed: they were written with care, in many wordings.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from training.corpus import turns
from training.corpus.sample import Sample

LONGEST = 100_000
"""Characters of the longest sample: what is longer is a dump, not a text, and would fill hundreds of rows."""

_ASCII_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffd]")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,300}>|<!--.{0,300}?-->|&[a-z]{2,8};", re.DOTALL)
_WORD = re.compile("[^\\W\u115f\u1160\u3164\uffa0]")  # Hangul's fillers are letters that nobody sees
_NO_PUNCTUATION = bytes(byte for byte in range(256) if byte >= 128 or chr(byte).isalnum())


def _says_nothing(sample: Sample, text: str) -> bool:
    return _WORD.search(sample.answer) is None or any(not message.content.strip() for message in sample.messages)


def _is_too_short(sample: Sample, text: str) -> bool:
    return sample.messages[0].role == "text" and len(text) < 20


def _is_too_long(sample: Sample, text: str) -> bool:
    return len(text) > LONGEST


def _is_not_text(sample: Sample, text: str) -> bool:
    return _CONTROL.search(text) is not None


def _is_markup(sample: Sample, text: str) -> bool:
    if "<" not in text and "&" not in text:
        return False
    return sum(match.end() - match.start() for match in _TAG.finditer(text)) > 0.2 * len(text)


def _is_repetitive(sample: Sample, text: str) -> bool:
    raw = text.encode()
    return len(raw) >= 300 and len(zlib.compress(raw, 1)) < 0.2 * len(raw)


def _is_symbols(sample: Sample, text: str) -> bool:
    characters = text.encode().translate(None, b" \t\r\n")
    return len(characters) >= 50 and len(characters.translate(None, _NO_PUNCTUATION)) > 0.5 * len(characters)


def _is_other_script(sample: Sample, text: str) -> bool:
    if text.isascii():
        return False
    letters = sum(map(str.isalpha, text))
    raw = text.encode("ascii", "ignore")
    return letters >= 20 and len(raw) - len(raw.translate(None, _ASCII_LETTERS)) < 0.7 * letters


Rule = Callable[[Sample, str], bool]

RULES: dict[str, Rule] = {
    "says nothing": _says_nothing,
    "too short": _is_too_short,
    "too long": _is_too_long,
    "not text": _is_not_text,
    "markup": _is_markup,
    "repetitive": _is_repetitive,
    "symbols": _is_symbols,
    "other script": _is_other_script,
}
"""What removes a sample, in this order: each is given the sample and all its text."""

EXACT, NEAR = "exact duplicate", "near duplicate"
REASONS = (*RULES, EXACT, NEAR)
"""Every reason for which a sample is removed; duplicates are found by ``training.corpus.duplicates``."""

WHY = (*turns.REASONS, *REASONS)
"""Every reason why a row is not learned from, those for which it is not even read first."""

WARN_ABOVE = 0.05
"""Share of the rows of files that may be dropped without a warning."""


def from_files(sample: Sample) -> bool:
    """Whether a sample may be removed: those that state facts of the embedded corpus may not."""
    return sample.fact.startswith("row:")


def why_removed(sample: Sample) -> str | None:
    """The first rule that a sample breaks; None when it is kept."""
    if not from_files(sample):
        return None
    text = "\n".join(message.content for message in sample.messages)
    return next((name for name, breaks in RULES.items() if breaks(sample, text)), None)


@dataclass
class CleaningReport:
    """How many samples were read and removed."""

    read: Counter[str] = field(default_factory=Counter)  # by source
    removed: dict[str, Counter[str]] = field(default_factory=dict)  # by reason, then by source; only what happened
    first: dict[str, str] = field(default_factory=dict)
    """The file and line of the first row that could not be read, by reason."""

    def add_unread(self, reason: str, source: str, place: str) -> None:
        """Count a row that cannot be read, and where it stands."""
        self.read[source] += 1
        self.add_removed(reason, (source,))
        self.first.setdefault(reason, place)

    def add_removed(self, reason: str, sources: Iterable[str]) -> None:
        counts = Counter(sources)
        if counts:
            self.removed.setdefault(reason, Counter()).update(counts)

    def keeps(self, sample: Sample) -> bool:
        """Count a sample; whether no rule removes it."""
        self.read[sample.source] += 1
        reason = why_removed(sample)
        if reason is not None:
            self.add_removed(reason, (sample.source,))
        return reason is None

    def add(self, other: CleaningReport) -> None:
        """What another part of the same data came to."""
        self.read.update(other.read)
        self.first = other.first | self.first
        for reason, counts in other.removed.items():
            self.removed.setdefault(reason, Counter()).update(counts)

    def removed_from(self, source: str) -> int:
        return sum(counts[source] for counts in self.removed.values())

    @property
    def total_read(self) -> int:
        return sum(self.read.values())

    @property
    def total_removed(self) -> int:
        return sum(sum(counts.values()) for counts in self.removed.values())

    def by_reason(self) -> dict[str, int]:
        """Samples removed, in the order in which the reasons are tried."""
        return {reason: sum(self.removed[reason].values()) for reason in WHY if reason in self.removed}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "read": dict(self.read),
            "removed": {reason: dict(self.removed[reason]) for reason in WHY if reason in self.removed},
            "first": self.first,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CleaningReport:
        removed = {reason: Counter(of) for reason, of in values["removed"].items()}
        return cls(Counter(values["read"]), removed, dict(values.get("first", {})))

    def __str__(self) -> str:
        """One line: ``kept 9 of 12 samples; removed 2 exact duplicate, 1 markup``."""
        kept = f"kept {self.total_read - self.total_removed:,} of {self.total_read:,} samples"
        return f"{kept}; removed {self.reasons()}" if self.removed else kept

    def reasons(self, of: Collection[str] | None = None) -> str:
        """What was removed, of all sources or of some: ``2 exact duplicate, 1 unknown role (first: chats.jsonl, line
        3)``."""
        parts = []
        for reason, count in self.by_reason().items():
            here = count if of is None else sum(self.removed[reason][source] for source in of)
            # The first row is known of all sources together, so it is named where no other source has such rows.
            first = f" (first: {self.first[reason]})" if reason in self.first and here == count else ""
            parts += [f"{here:,} {reason}{first}"] if here else []
        return ", ".join(parts)

    def warning(self) -> str:
        """A line that cannot be missed where much of a source was dropped; else nothing."""
        much = {
            source: f"{dropped:,} of {read:,} rows of {source} ({dropped / read:.0%})"
            for source, read in self.read.items()
            if (dropped := self.removed_from(source)) > WARN_ABOVE * read
        }
        if not much:
            return ""
        rows = "; ".join(much.values())
        return f"WARNING: nothing is learned from {rows}: {self.reasons(much)}. Look at these rows before you train."


def clean(samples: Iterable[Sample], report: CleaningReport) -> Iterator[Sample]:
    """The samples that no rule removes, one by one; ``report`` is filled as they pass."""
    return filter(report.keeps, samples)
