"""The checked facts that the embedded corpus is made of, read from the TOML files in ``records/``.

Facts and their phrasing are kept apart: a record says what is so, ``phrasing`` says it in many wordings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from training.common.toml_file import TOMLDecodeError, read_toml
from training.corpus.sample import CorpusError

FOLDER = Path(__file__).parent / "records"

WORK_KINDS = (
    "painting", "mural", "fresco", "drawing", "print", "poster", "photograph", "sculpture", "relief", "monument",
    "mask", "installation", "earthwork", "performance", "video", "film", "digital work", "sound work", "building",
    "bridge", "garden", "square", "mosaic", "stained glass", "tapestry", "textile", "garment", "manuscript", "book",
    "scroll", "screen", "ceramic", "metalwork", "jewellery", "furniture", "collage",
)  # fmt: skip
WORK_VERBS = (
    "made", "painted", "carved", "cast", "modelled", "drew", "took", "printed", "designed", "built", "wove", "sewed",
    "directed", "performed", "assembled", "wrote", "founded",
)  # fmt: skip
ATTRIBUTIONS = ("workshop of", "circle of", "follower of", "attributed to")
SEVERAL = ("versions", "casts", "copies", "pictures")
TERM_KINDS = ("technique", "material", "element", "principle", "form", "practice", "tool")
CONCEPT_AREAS = (
    "foundations", "training", "language-models", "agents", "retrieval", "data", "evaluation", "preference", "vision",
    "generative", "safety", "ethics", "law", "society", "work", "school", "use", "energy", "hardware",
)  # fmt: skip
EXCHANGE_KINDS = (
    "greeting", "farewell", "thanks", "small-talk", "follow-up", "clarify", "unknown", "identity", "feeling", "help",
    "limits", "opinion", "correction", "praise", "safety",
)  # fmt: skip
FAME = (0, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class Artist:
    name: str
    nationality: str
    movements: tuple[str, ...]
    media: tuple[str, ...]
    known_for: str
    prose: str
    materials: tuple[str, ...] = ()  # what is worked with, beside the media that are worked in: used clothes
    occupation: str | None = None
    plural: bool = False  # a pair or a group, which takes "are": Gilbert & George
    born: int | None = None
    died: int | None = None
    born_circa: bool = False
    died_circa: bool = False
    birthplace: str | None = None
    country: str | None = None
    related: tuple[str, ...] = ()
    fame: int = field(default=0, metadata={"one_of": FAME})
    as_of: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    title: str
    artist: str
    medium: str
    kind: str = field(metadata={"one_of": WORK_KINDS})
    prose: str
    also_by: tuple[str, ...] = ()
    attribution: str | None = field(default=None, metadata={"one_of": ATTRIBUTIONS})
    verb: str | None = field(default=None, metadata={"one_of": WORK_VERBS})
    form: str | None = None
    depicts: str | None = None
    year: int | None = None
    year_start: int | None = None
    circa: bool = False
    movement: str | None = None
    location: str | None = None
    city: str | None = None
    itself: bool = False  # depicts says what it is: a readymade, a room or a wall shows nothing
    several: str | None = field(default=None, metadata={"one_of": SEVERAL})  # of which this record is about one
    gone: str | None = None  # what became of a work that is no more: "was destroyed in 1945"
    plural: bool = False  # "the Benin Bronzes are"; most titles take "is", whatever their form
    fame: int = field(default=0, metadata={"one_of": FAME})
    as_of: int | None = field(default=None, metadata={"needs": ("location", "city")})
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    name: str
    start: int
    region: str
    definition: str
    features: tuple[str, ...]
    prose: str
    said: str | None = None
    plural: bool = False  # takes "are": Les Nabis
    group: bool = False  # people who joined, not a style: the Young British Artists
    things: bool = False  # objects, which are made and do not begin: Chola bronzes
    when: str | None = None
    end: int | None = None
    grew_from: tuple[str, ...] = ()
    artists: tuple[str, ...] = ()
    works: tuple[str, ...] = ()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Museum:
    name: str
    city: str
    country: str
    definition: str
    prose: str
    founded: int | None = None
    known_for: str | None = None
    former_names: tuple[str, ...] = ()
    closed: str | None = field(default=None, metadata={"needs": ("as_of",)})
    as_of: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Term:
    name: str
    kind: str = field(metadata={"one_of": TERM_KINDS})
    definition: str
    example: str
    prose: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Concept:
    name: str
    area: str = field(metadata={"one_of": CONCEPT_AREAS})
    definition: str
    example: str
    analogy: str | None = None
    misconception: str | None = field(default=None, metadata={"needs": ("correction",)})
    correction: str | None = field(default=None, metadata={"needs": ("misconception",)})
    misconception_source: str | None = field(default=None, metadata={"needs": ("misconception",)})
    truth: str | None = field(default=None, metadata={"needs": ("truth_reason",)})
    truth_reason: str | None = field(default=None, metadata={"needs": ("truth",)})
    # The truth turned round, which is false for the same reason: a sentence that compares is not always a true one.
    opposite: str | None = field(default=None, metadata={"needs": ("truth",)})
    question: str | None = field(default=None, metadata={"needs": ("answer",)})
    answer: str | None = field(default=None, metadata={"needs": ("question",)})
    aliases: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    fame: int = field(default=0, metadata={"one_of": FAME})
    as_of: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    user: str
    reply: str


@dataclass(frozen=True, slots=True)
class Exchange:
    id: str
    kind: str = field(metadata={"one_of": EXCHANGE_KINDS})
    user: tuple[str, ...]
    reply: tuple[str, ...]
    context: tuple[Turn, ...] = ()
    source: str | None = None


_TABLES: dict[str, type[Any]] = {
    "artist": Artist,
    "work": Work,
    "movement": Movement,
    "museum": Museum,
    "term": Term,
    "concept": Concept,
    "exchange": Exchange,
}


@dataclass(frozen=True)
class Records:
    """All records, each kind in the order of file names and of the records in a file."""

    artists: tuple[Artist, ...]
    works: tuple[Work, ...]
    movements: tuple[Movement, ...]
    museums: tuple[Museum, ...]
    terms: tuple[Term, ...]
    concepts: tuple[Concept, ...]
    exchanges: tuple[Exchange, ...]


def read_records(folder: Path = FOLDER) -> Records:
    """Every record in a folder of TOML files.

    Raises:
        CorpusError: With every problem found, each with its file and record.
    """
    problems: list[str] = []
    found: dict[str, list[Any]] = {name: [] for name in _TABLES}
    hints = {name: get_type_hints(cls) for name, cls in _TABLES.items()}  # not anew for each of thousands of records
    for path in sorted(folder.glob("*.toml")):
        for name, table, where in _tables(path, problems):
            record = _build(_TABLES[name], hints[name], table, where, problems)
            if record is not None:
                found[name].append(record)
    records = Records(*(tuple(found[name]) for name in _TABLES))
    if problems:
        raise CorpusError("records: " + "; ".join(problems))
    return records


def _tables(path: Path, problems: list[str]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    try:
        content = read_toml(path)
    except TOMLDecodeError as error:
        problems.append(f"{path.name}: not TOML ({error})")
        return
    for name, tables in content.items():
        if name not in _TABLES or not isinstance(tables, list):
            problems.append(f"{path.name}: [[{name}]] is not one of {', '.join(_TABLES)}")
            continue
        for number, table in enumerate(tables, start=1):
            label = table.get("name") or table.get("title") or table.get("id") or f"number {number}"
            yield name, table, f"{path.name}: {name} {label}"


def _build(
    cls: type[Any], hints: Mapping[str, Any], table: Mapping[str, Any], where: str, problems: list[str]
) -> Any | None:
    """The record of one table, whose fields have these types, or None with what is wrong appended to ``problems``."""
    before, values = len(problems), {}
    for key in table.keys() - hints.keys():
        problems.append(f"{where}: unknown field {key}")
    for part in fields(cls):
        needs = part.metadata.get("needs", ())
        if part.name in table and needs and not any(other in table for other in needs):
            problems.append(f"{where}: {part.name} needs {' or '.join(needs)} beside it")
        if part.name not in table:
            if part.default is MISSING:
                problems.append(f"{where}: {part.name} is missing")
            continue
        value = table[part.name]
        if not _fits(value, hints[part.name]):
            problems.append(f"{where}: {part.name} = {value!r} has the wrong type")
        elif value not in part.metadata.get("one_of", (value,)):
            problems.append(f"{where}: {part.name} = {value!r} is not one of {', '.join(part.metadata['one_of'])}")
        else:
            values[part.name] = _frozen(value)
    return cls(**values) if len(problems) == before else None


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        return isinstance(value, list) and all(_fits(one, item) for one in value)
    if hint is Turn:
        return isinstance(value, dict) and value.keys() == {"user", "reply"}
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, str) and value == value.strip()
    return isinstance(value, hint)


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(Turn(**item) if isinstance(item, dict) else item for item in value)
    return value
