"""The data card: what a corpus or a training was made of, to read (Markdown) and to compute with (JSON)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.common.files import replace_text
from training.corpus import hub, repositories
from training.corpus.cleaned import AcrossSplit
from training.corpus.cleaning import CleaningReport
from training.corpus.files import shown
from training.corpus.sample import Sample
from training.corpus.split import SPLITS, Split


@dataclass
class SourceCount:
    """What a source contributes after cleaning."""

    samples: Counter[str] = field(default_factory=Counter)  # by split, each once whatever the weight
    areas: Counter[str] = field(default_factory=Counter)  # samples by area
    licences: Counter[str] = field(default_factory=Counter)  # samples by licence
    referenced: int = 0  # samples that name where what they say can be looked up
    characters: int = 0  # of all these samples
    seen: int = 0  # training samples in an epoch, repeated and left out as the source's weight says
    seen_characters: int = 0  # of those


class DataCard:
    """Counts samples as they pass; then tells what they were."""

    def __init__(self, data: Sequence[str]) -> None:
        self.data = list(map(shown, data))
        self.sources: dict[str, SourceCount] = {}
        self.cleaning = CleaningReport()
        self.across = AcrossSplit()
        self._hash = hashlib.sha256()

    def add(self, sample: Sample, split: Split, copies: int = 1) -> None:
        """Count a sample that cleaning kept, and how often an epoch has it if it is trained on."""
        count = self.sources.setdefault(sample.source, SourceCount())
        characters = sum(len(message.content) for message in sample.messages)
        count.samples[split] += 1
        count.areas[sample.area] += 1
        count.licences[sample.licence] += 1
        count.referenced += bool(sample.reference)
        count.characters += characters
        if split == "train":
            count.seen += copies
            count.seen_characters += copies * characters
        turns = "\x1e".join(f"{message.role}\x1f{message.content}" for message in sample.messages)
        self._hash.update(f"{sample.id}\x1d{split}\x1d{copies}\x1d{turns}\x1c".encode("utf-8", "surrogatepass"))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON. ``share`` is a source's part of the characters that an epoch trains on."""
        counts = list(self.sources.values())
        seen = sum(count.seen_characters for count in counts)
        names = dict.fromkeys([*self.sources, *self.cleaning.read])
        return {
            "data": self.data,
            "sha256": self._hash.hexdigest(),
            "samples": sum(count.samples.total() for count in counts),
            "with_reference": sum(count.referenced for count in counts),
            "characters": sum(count.characters for count in counts),
            "samples_per_epoch": sum(count.seen for count in counts),
            "splits": _sum(count.samples for count in counts),
            "areas": _sum(count.areas for count in counts),
            "removed": self.cleaning.by_reason(),
            "first_unread": self.cleaning.first,
            "warning": self.cleaning.warning() or None,
            "across_split": asdict(self.across),
            "sources": [self._source(name, seen) for name in names],
        }

    def _source(self, name: str, seen: int) -> dict[str, Any]:
        count = self.sources.get(name, SourceCount())
        kept = count.samples.total()
        removed = {reason: of[name] for reason, of in self.cleaning.removed.items() if of[name]}
        return {
            "name": name,
            "repository": _repository(name),
            "licences": sorted(count.licences),
            "areas": dict(count.areas),
            "rows": kept + sum(removed.values()),
            "removed": removed,
            "samples": kept,
            "with_reference": count.referenced,
            "characters": count.characters,
            "splits": {split: count.samples[split] for split in SPLITS},
            "samples_per_epoch": count.seen,
            "share": count.seen_characters / seen if seen else 0.0,
        }

    def markdown(self) -> str:
        """The same as a page."""
        card = self.as_dict()
        across = card["across_split"]
        lines = [
            "# Data card",
            "",
            *([f"**{card['warning']}**", ""] if card["warning"] else []),
            f"`--data {' '.join(self.data)}`: {card['samples']:,} samples, {card['characters']:,} characters; an epoch "
            f"trains on {card['samples_per_epoch']:,}. SHA-256 of all samples: `{card['sha256']}`.",
            "",
            "## Sources",
            "",
            "With reference: samples that name where what they say can be looked up. Share: of the characters that an "
            "epoch trains on.",
            "",
            *markdown_table(
                ("source", "licence", "areas", "rows", "kept", "characters", "per epoch", "share", "with reference"),
                (
                    (
                        source["name"] + (f" ({source['repository']})" if source["repository"] else ""),
                        ", ".join(source["licences"]),
                        ", ".join(source["areas"]),
                        f"{source['rows']:,}",
                        f"{source['samples']:,}",
                        f"{source['characters']:,}",
                        f"{source['samples_per_epoch']:,}",
                        f"{source['share']:.1%}",
                        f"{source['with_reference']:,}",
                    )
                    for source in card["sources"]
                ),
            ),
            "",
            "## Split and areas",
            "",
            *markdown_table(("split", "samples"), _counts(card["splits"])),
            "",
            *markdown_table(("area", "samples"), _counts(card["areas"])),
            "",
            f"Across the split {across['near_duplicates']:,} near duplicates were removed; "
            f"{across['moved']:,} rows changed sides to stay with those of their id or question; "
            f"{across['same_words']:,} held-out questions have the words of one that is trained on.",
            "",
            "## Removed by cleaning",
            "",
        ]
        removed = [
            (source["name"], reason, f"{count:,}")
            for source in card["sources"]
            for reason, count in source["removed"].items()
        ]
        lines += markdown_table(("source", "reason", "rows"), removed) if removed else ["Nothing."]
        if card["first_unread"]:
            lines += ["", "The first row that could not be read, by reason:", ""]
            lines += markdown_table(("reason", "file and line"), card["first_unread"].items())
        return "\n".join(lines) + "\n"

    def write(self, folder: Path, stem: str = "data_card") -> None:
        """Write ``data_card.json`` and ``data_card.md`` into ``folder``."""
        replace_text(folder / f"{stem}.json", json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n")
        replace_text(folder / f"{stem}.md", self.markdown())


def _repository(name: str) -> str | None:
    """Where a source's data are public: a data set of the Hub, or a repository of GitHub at its commit."""
    if name in hub.SOURCES:
        return hub.SOURCES[name].repository
    if name in repositories.SOURCES:
        return repositories.SOURCES[name].checkout.address
    return None


def _sum(counters: Iterable[Counter[str]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return dict(total)


def _counts(counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for name, count in counts.items():
        yield name, f"{count:,}"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    ruled = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in ruled]
