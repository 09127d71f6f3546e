"""The records against museums' open data: ``python -m training.corpus check``.

The tables are those that the museums publish: the National Gallery of Art (github.com/NationalGalleryOfArt/opendata),
Tate (github.com/tategallery/collection), the Museum of Modern Art (github.com/MuseumofModernArt/collection) and the
Carnegie Museum of Art (github.com/cmoa/collection). Museums err too, and round dates in other ways: a disagreement is
a reason to look, not a fault.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from training.corpus.card import markdown_table
from training.corpus.readers import LONGEST
from training.corpus.records import Artist, Records, Work
from training.corpus.sample import CorpusError

Row = TypeVar("Row")

# What one museum calls English or Netherlandish, another calls British or Flemish.
_SAME = {
    "english": "british", "scottish": "british", "welsh": "british", "netherlandish": "flemish", "flemish": "flemish",
}  # fmt: skip
NAMESAKES = 15
"""Years between two dates of birth from which a museum speaks of another person of that name."""

YEARS = 1
"""Years by which a date may differ: "about 1503" and "1503-1506" say the same."""


@dataclass(frozen=True)
class Person:
    """What a museum says of an artist; ``None`` where it says nothing."""

    museum: str
    name: str
    born: int | None
    died: int | None
    nationality: str


@dataclass(frozen=True)
class Thing:
    """What a museum says of a work: its maker, and the years between which it was made."""

    museum: str
    title: str
    maker: str
    first: int | None
    last: int | None


@dataclass(frozen=True)
class Disagreement:
    kind: str
    museum: str
    record: str
    ours: str
    theirs: str


@dataclass
class Comparison:
    """What was compared: values on which both sides spoke, by kind and museum, and those that differ."""

    compared: Counter[tuple[str, str]]
    differ: list[Disagreement]

    def markdown(self) -> str:
        """The report: counts by kind and museum, then every disagreement."""
        found = Counter((one.kind, one.museum) for one in self.differ)
        counts = (
            (kind, museum, f"{number:,}", f"{found[kind, museum]:,}")
            for (kind, museum), number in sorted(self.compared.items())
        )
        rows = ((one.kind, one.museum, one.record, one.ours, one.theirs) for one in self.differ)
        return "\n".join((
            "# The records against museums' open data", "",
            "Written by `python -m training.corpus check`; see [data-quality.md](data-quality.md). Dates may differ by "
            f"{YEARS} year. Look at each disagreement: museums round dates otherwise, err and "
            "show other versions.",
            "", *markdown_table(("kind", "museum", "compared", "differ"), counts), "", "## Disagreements", "",
            *markdown_table(("kind", "museum", "record", "ours", "theirs"), rows), "",
        ))  # fmt: skip


def check(records: Records, folder: Path) -> Comparison:
    """Compare all artists and works with the museums' tables that lie in ``folder`` or below it.

    Raises:
        CorpusError: No such table is there, or one of another form.
    """
    comparison = Comparison(Counter(), [])
    people, things = _read(folder)
    if not people and not things:
        names = ", ".join((*_PEOPLE, *_THINGS))
        raise CorpusError(
            f"{folder}: holds none of the museums' tables ({names}); copy them there from their repositories"
        )
    for artist in records.artists:
        for person in people[_plain(artist.name)]:
            _compare_artist(artist, person, comparison)
    for work in records.works:
        for thing in things[_plain(work.title)]:
            if work.artist and _plain(thing.maker) == _plain(work.artist):
                _compare_work(work, thing, comparison)
    comparison.differ.sort(key=lambda one: (one.kind, one.record, one.museum))
    return comparison


def _compare_artist(artist: Artist, person: Person, comparison: Comparison) -> None:
    if artist.born and person.born and abs(artist.born - person.born) > NAMESAKES:
        return
    for kind, ours, theirs in (("born", artist.born, person.born), ("died", artist.died, person.died)):
        if ours and theirs:
            _add(comparison, kind, person.museum, artist.name, str(ours), str(theirs), abs(ours - theirs) <= YEARS)
    if person.nationality:
        said, own = (_SAME.get(one.lower(), one.lower()) for one in (person.nationality, artist.nationality))
        same = said in own or (person.nationality == "Netherlandish" and own == "dutch")
        _add(comparison, "nationality", person.museum, artist.name, artist.nationality, person.nationality, same)


def _compare_work(work: Work, thing: Thing, comparison: Comparison) -> None:
    if work.year is None or thing.first is None or thing.last is None:
        return
    first = work.year_start or work.year
    same = first <= thing.last + YEARS and work.year >= thing.first - YEARS
    ours, theirs = _span(first, work.year), _span(thing.first, thing.last)
    _add(comparison, "year", thing.museum, f"{work.title} ({work.artist})", ours, theirs, same)


def _span(first: int, last: int) -> str:
    return f"{first}-{last}" if first != last else str(last)


def _add(comparison: Comparison, kind: str, museum: str, record: str, ours: str, theirs: str, same: bool) -> None:
    comparison.compared[kind, museum] += 1
    if not same:
        comparison.differ.append(Disagreement(kind, museum, record, ours, theirs))


def _read(folder: Path) -> tuple[dict[str, list[Person]], dict[str, list[Thing]]]:
    """What the museums' tables say, by plain name and plain title."""
    people: defaultdict[str, dict[Person, None]] = defaultdict(dict)
    things: defaultdict[str, list[Thing]] = defaultdict(list)
    for path in sorted(folder.rglob("*.csv")) if folder.is_dir() else ():
        for person in _rows(path, _PEOPLE.get(path.name)):
            people[_plain(person.name)][person] = None
        for thing in _rows(path, _THINGS.get(path.name)):
            things[_plain(thing.title)].append(thing)
    found = defaultdict(list, {name: list(several) for name, several in people.items()})
    return found, things


def _rows(path: Path, reader: Callable[[dict[str, str]], Row] | None) -> Iterator[Row]:
    if reader is None:
        return
    csv.field_size_limit(LONGEST)
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                yield reader({name: value or "" for name, value in row.items() if name})
    except KeyError as error:
        raise CorpusError(
            f"{path}: has no column {error}; it is not the museum's table, so rename or remove it"
        ) from error
    except csv.Error as error:
        raise CorpusError(f"{path}: cannot be read as a table ({error}); copy it anew") from error


def _plain(name: str) -> str:
    """A name or a title without accents, marks, articles and case."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"^(the|a|an|la|le) ", "", re.sub(r"[^a-z0-9]+", " ", letters).strip())


def _forward(name: str) -> str:
    """``Joseph Mallord William Turner`` for ``Turner, Joseph Mallord William``."""
    last, comma, first = name.partition(", ")
    return f"{first.partition(',')[0]} {last}" if comma else name


def _year(text: str) -> int | None:
    match = re.search(r"\d{3,4}", text)
    return int(match[0]) if match else None


# The museums' own file names -> how a row of them reads.
_PEOPLE: dict[str, Callable[[dict[str, str]], Person]] = {
    "constituents.csv": lambda row: Person(
        "National Gallery of Art", row["forwarddisplayname"], _year(row["beginyear"]), _year(row["endyear"]),
        row["visualbrowsernationality"].replace("Other", ""),
    ),
    "artist_data.csv": lambda row: Person(
        "Tate", _forward(row["name"]), _year(row["yearOfBirth"]), _year(row["yearOfDeath"]), ""
    ),
    "Artists.csv": lambda row: Person(
        "Museum of Modern Art", row["DisplayName"], _year(row["BeginDate"]), _year(row["EndDate"]), row["Nationality"]
    ),
    "cmoa.csv": lambda row: Person(
        "Carnegie Museum of Art", row["full_name"], _year(row["birth_date"]), _year(row["death_date"]),
        row["nationality"],
    ),
}  # fmt: skip
_THINGS: dict[str, Callable[[dict[str, str]], Thing]] = {
    "objects.csv": lambda row: Thing(
        "National Gallery of Art", row["title"], row["attribution"], _year(row["beginyear"]), _year(row["endyear"])
    ),
    "artwork_data.csv": lambda row: Thing(
        "Tate", row["title"], _forward(row["artist"]), _year(row.get("startYear") or row["year"]), _year(row["year"])
    ),
    "Artworks.csv": lambda row: Thing(
        "Museum of Modern Art", row["Title"], row["Artist"], _year(row["Date"]), _year(row["Date"])
    ),
    "cmoa.csv": lambda row: Thing(
        "Carnegie Museum of Art", row["title"], row["full_name"], _year(row["creation_date_earliest"]),
        _year(row["creation_date_latest"]),
    ),
}  # fmt: skip
