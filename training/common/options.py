"""Settings of a run: frozen dataclasses whose field docstrings become ``--help``, changed with ``--set KEY=VALUE``."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

MOST = 10**12
"""More rows, samples or steps than anybody has."""

BEYOND_USE = 1_000_000
"""A range that reaches so far has no upper limit that means anything to a user."""


class OptionsError(ValueError):
    """One or more settings that cannot be; the message is one line that names each, the rule and the remedy."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers a setting may have, declared beside it: ``dropout: Annotated[float, Range(0, 1, below=True)]``."""

    low: float
    high: float
    above: bool = False  # whether ``low`` itself is too little
    below: bool = False  # whether ``high`` itself is too much

    def __contains__(self, value: float) -> bool:
        """NaN is in no range."""
        return (self.low < value if self.above else self.low <= value) and (
            value < self.high if self.below else value <= self.high
        )

    @property
    def least(self) -> str:
        return f"{'above' if self.above else 'at least'} {_plain(self.low)}"

    def __str__(self) -> str:
        return f"{self.least} and {'below' if self.below else 'at most'} {_plain(self.high)}"

    @property
    def in_use(self) -> str:
        """Without an upper limit that only bounds mistakes."""
        return self.least if self.high >= BEYOND_USE else str(self)

    def rule(self, value: float) -> str:
        """What a value that is not in the range has to be; a limit that only bounds mistakes is told when it is met."""
        return self.in_use if value <= self.low else str(self)


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


@cache
def ranges_of(cls: type) -> dict[str, Range]:
    """The range of each setting that has one; a subclass that gives a setting another default leaves its range."""
    found: dict[str, Range] = {}
    for base in reversed(cls.__mro__):
        for name, hint in get_type_hints(base, include_extras=True).items():
            for declared in getattr(hint, "__metadata__", ()):
                if isinstance(declared, Range):
                    found[name] = declared
    return found


def range_problems(options: Any) -> list[str]:
    """A sentence for each setting that is out of its range; a setting that is None is left out."""
    cls: type = type(options)
    return [
        f"{name}={value} must be {allowed.rule(value)}"
        for name, allowed in ranges_of(cls).items()
        if (value := getattr(options, name)) is not None and value not in allowed
    ]


@cache
def field_docs(cls: type) -> dict[str, str]:
    """The string literal below each field of a dataclass, as one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[1:]):
        if dataclasses.is_dataclass(base):
            docs |= field_docs(base)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            docs[field.target.id] = " ".join(str(text.value.value).split())
    return docs


def nearest(name: str, names: Iterable[str], otherwise: str = "", cutoff: float = 0.6) -> str:
    """The names that somebody may have meant, in capitals or not, as a question. `diptych.py` has the same: this folder
    is also used without it."""
    known = {known.lower(): known for known in names}
    near = [known[one] for one in get_close_matches(name.lower(), known, n=3, cutoff=cutoff)]
    return f"did you mean {', '.join(near)}?" if near else otherwise


def with_settings(options: T, settings: Sequence[str], renamed: Mapping[str, str] = MappingProxyType({})) -> T:
    """A copy of ``options`` with each ``KEY=VALUE`` applied.

    Args:
        renamed: names that settings had in the last release, and what they are called now; a line on stderr says so.

    Raises:
        OptionsError: every unknown key and unfit value in one message.
    """
    cls = type(options)
    hints = get_type_hints(cls)
    changes: dict[str, Any] = {}
    problems = []
    for setting in settings:
        key, equals, text = setting.partition("=")
        if key in renamed:
            print(f"{key} is called {renamed[key]} now; the old name goes with the next release", file=sys.stderr)
            key = renamed[key]
        if not equals:
            problems.append(f"--set {setting!r} must have the form KEY=VALUE")
        elif key not in hints:
            problems.append(f"unknown setting {key!r}; {nearest(key, hints, 'see --help')}")
        else:
            try:
                changes[key] = _parse(text, hints[key])
            except ValueError:
                problems.append(f"{key}={text!r} is not {describe(hints[key])}{as_meant(text, hints[key])}")
    changed = dataclasses.replace(options, **changes)  # type: ignore[type-var]
    if problems:
        raise OptionsError(problems + range_problems(changed))
    return changed


def _parse(text: str, hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if text.lower() == "none":  # an empty text is a variable of a script that nobody has set
            return None
        return _parse(text, next(a for a in arguments if a is not type(None)))
    if origin is Literal:
        if text not in arguments:
            raise ValueError(text)
        return text
    if origin is tuple:
        return tuple(part for part in text.split(",") if part)
    if hint is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(text)
        return text.lower() in ("true", "1", "yes")
    if hint in (int, float) and not text.isascii():  # digits of another script, or a minus of print
        raise ValueError(text)
    return hint(text)


def as_meant(text: str, hint: Any) -> str:
    """How a number is written here that somebody wrote as elsewhere: ``0,5``, ``50%``, ``10k`` or, whole, ``1e3``."""
    kinds = {hint, *get_args(hint)}
    found = _NUMBER.fullmatch(text.strip().strip(",;"))
    if not found or not kinds & {int, float} or re.search(r"[.,]\d{3}(?!\d)", found[1]):  # 1,000 is thousands perhaps
        return ""
    written = found[1].replace(",", ".")
    number = Decimal(written) * Decimal({"": "1", "%": "0.01", "k": "1e3", "m": "1e6", "b": "1e9"}[found[2].lower()])
    if abs(number.adjusted()) > 12 or (float not in kinds and number != int(number)):
        return ""
    plain = f"{number:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return f"; write {plain}"


_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d{1,3})?)\s*([%kKmMbB]?)", re.ASCII)


def describe(hint: Any) -> str:
    """What a value of this type is, in words."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join("none" if a is type(None) else describe(a) for a in get_args(hint))
    return names.get(hint, str(hint))
