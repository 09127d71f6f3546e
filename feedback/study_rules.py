"""How a document is checked: a rule for each setting, and a reader that collects everything that is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar

MAX_PROBLEMS = 10  # told at once
# As NUL, at which SQLite and a command line end a text, and what forges lines on a terminal.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x80-\x9f]")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


def in_own_words(error: ValueError, text: str) -> str:
    """What is wrong with a TOML file; of a key that is there twice its name too, where the line begins with it."""
    found = re.search(r"(?:overwrite|declare|mutate|redefine).*at line (\d+)", str(error))
    line = text.split("\n")[int(found[1]) - 1] if found else ""
    key = line.partition("=")[0].strip()
    return f"{key[:60]} is there twice: {error}" if key else str(error)


class _WithId(Protocol):
    @property
    def id(self) -> str: ...


_Entry = TypeVar("_Entry", bound=_WithId)


@dataclass(frozen=True)
class Rule:
    """How one setting is checked: ``accepts`` decides, ``wording`` completes "must be ...", ``default`` fills a gap."""

    accepts: Callable[[Any], object]
    wording: str
    default: Any = None
    required: bool = False


def whole(low: int, high: int, default: int) -> Rule:
    return Rule(
        lambda value: type(value) is int and low <= value <= high, f"a whole number from {low} to {high}", default
    )


def flag(default: bool) -> Rule:
    return Rule(lambda value: isinstance(value, bool), "true or false", default)


def number(low: float, high: float, default: float, *, above: bool = False) -> Rule:
    def accepts(value: Any) -> bool:
        return type(value) in (int, float) and (low < value if above else low <= value) and value <= high

    bounds = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
    return Rule(accepts, f"a number {bounds}", default)


def is_text(value: Any, limit: int) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= limit


def is_texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(is_text(text, 80) for text in value)
        and len({text.strip().casefold() for text in value}) == len(value)
    )


def is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.match(value) is not None


class Reader:
    """Takes settings out of a document and collects what is wrong with them.

    Attributes:
        known: the settings that were asked for.
    """

    def __init__(self, document: dict[str, Any], whole: Collection[str] = ()) -> None:
        """``whole``: where this is a table of a document, the settings of the whole document."""
        self.left = dict(document)
        self.problems: list[str] = []
        self.known: set[str] = set()
        self._whole = whole

    def take(self, name: str, rule: Rule) -> Any:
        self.known.add(name)
        if name not in self.left:
            if rule.required:
                self.problems.append(f"{name} is missing; it must be {rule.wording}")
            value = rule.default
        else:
            value = self.left.pop(name)
            if not rule.accepts(value):
                self.problems.append(f"{name} = {shown(value)} must be {rule.wording}")
                return None
        if isinstance(rule.default, float):  # 0 and 0.0 are the same setting and must give the same hash
            return float(value)
        return _stripped(value)

    def entries(
        self, name: str, rules: dict[str, Rule], kind: Callable[..., _Entry], most: int | None = None
    ) -> tuple[_Entry, ...]:
        """The tables ``[[name]]``: as many as one likes but one at least, or none to ``most``."""
        self.known.add(name)
        tables = self.left.pop(name, [] if most else None)
        wanted = f"[[{name}]] table with {', '.join([*rules][:-1])} and {[*rules][-1]}"
        if not isinstance(tables, list) or not (tables or most):
            self.problems.append(f"{name} are missing; add at least one {wanted}")
            return ()
        if most and len(tables) > most:
            self.problems.append(f"{name} has {len(tables)} questions; at most {most} can be asked")
        entries: list[_Entry] = []
        ids: set[str] = set()
        for number, table in enumerate(tables, 1):
            entry = self._entry(f"{name.removesuffix('s')} {number}", table, rules, kind)
            if entry is None:
                continue
            if entry.id in ids:
                self.problems.append(
                    f'{name.removesuffix("s")} {number}: id = "{entry.id}" is used twice; ids must be unique'
                )
            ids.add(entry.id)
            entries.append(entry)
        return tuple(entries)

    def _entry(self, place: str, table: Any, rules: dict[str, Rule], kind: Callable[..., _Entry]) -> _Entry | None:
        if not isinstance(table, dict):
            self.problems.append(f"{place} = {shown(table)} must be a table with {', '.join(rules)}")
            return None
        problems = [not_here(key, self.known) for key in sorted(table.keys() - rules.keys())]
        problems += [
            f"{key} = {shown(table.get(key))} must be {rule.wording}"
            for key, rule in rules.items()
            if not rule.accepts(table.get(key))
        ]
        self.problems += [f"{place}: {problem}" for problem in problems]
        return None if problems else kind(**{key: _stripped(table[key]) for key in rules})

    def reject_unknown(self, tables: Mapping[str, Collection[str]] | None = None) -> None:
        """Tell what is left; ``tables`` were taken by others, with the settings in each."""
        tables = tables or {}
        otherwise, known = "remove it or correct its spelling", [*self.known, *tables]
        for number, name in enumerate(sorted(self.left)):
            if name in self._whole:
                self.problems.append(not_here(name, self._whole))
                continue
            if homes := [table for table, settings in tables.items() if name in settings]:
                self.problems.append(f"{name} is not a setting here; write it below [{homes[0]}]")
                continue
            near = get_close_matches(name.lower(), known) if number < MAX_PROBLEMS and len(name) <= 60 else []
            remedy = f"did you mean {', '.join(near)}?" if near else otherwise
            self.problems.append(f"{named(name)} is not a setting; {remedy}")


def texts(value: Any) -> Iterator[str]:
    """Every text among the values of a document."""
    if isinstance(value, (dict, list)):
        for member in value.values() if isinstance(value, dict) else value:
            yield from texts(member)
    elif isinstance(value, str):
        yield value


def not_here(key: str, whole: Collection[str]) -> str:
    """That a table has no such setting; TOML takes what is appended to a file for a part of its last table."""
    if key in whole:
        return f"{key} is not a setting here; for the whole study, write it above the first line that begins with ["
    return f"{named(key)} is not a setting; remove it"


def named(key: str) -> str:
    """A key as the error line shows it."""
    return key if key.isprintable() and len(key) <= 60 else shown(key)


def _stripped(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(item.strip() for item in value)
    return value.strip() if isinstance(value, str) else value


def joined(problems: list[str]) -> str:
    """The first problems, and how many more there are."""
    more = len(problems) - MAX_PROBLEMS
    return "; ".join(problems[:MAX_PROBLEMS] + [f"and {more:,} more like these"] * (more > 0))


def shown(value: Any) -> str:
    """A value as the error line shows it: short, on one line."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    text = text if text.isprintable() else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
