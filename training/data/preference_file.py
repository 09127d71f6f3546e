"""The file of preferences that `python -m feedback preferences` writes, read and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from training.common import json_text

KIND, VERSION = "diptych-preferences", 1
MODELS = ("model1", "model2")
SPLITS = ("train", "held_out")
SIDES = {"win": (True, True), "tie": (True, False), "both_bad": (False, True)}
"""Of each outcome, whether there is a preferred answer and another one."""
MOST_WEIGHT = 1e6
REMEDY = "make it with `python -m feedback preferences --out FILE`"


class PreferencesError(ValueError):
    """A file of preferences that cannot be used; the message is one line and says what to do."""


@dataclass(frozen=True)
class Preferences:
    """The header and the records of a file of preferences."""

    header: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]


class _Rule(NamedTuple):
    """What a value must be: ``accepts`` decides, ``wording`` completes "must be"."""

    accepts: Callable[[Any], bool]
    wording: str
    required: bool = True


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 53


def _is_weight(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= MOST_WEIGHT


def _is_hash(value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{16,64}", value)))


def _is_table(value: Any, of: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(map(of, value.values()))


def _is_talk(value: Any, first: str) -> bool:
    """Messages of user and assistant by turns, one of ``first`` at both ends; a question says something."""
    roles = (first, "user" if first == "assistant" else "assistant")
    return (
        isinstance(value, list)
        and len(value) % 2 == 1
        and all(isinstance(m, dict) and m.get("role") == roles[k % 2] for k, m in enumerate(value))
        and all(_is_text(m.get("content")) if m["role"] == "user" else type(m.get("content")) is str for m in value)
    )


def _is_answer(value: Any) -> bool:
    return value is None or isinstance(value, str) or _is_talk(value, "assistant")


_TEXT = _Rule(_is_text, "a text that is not empty")
_COUNT = _Rule(_is_count, "a whole number, 0 or more")
_FLAG = _Rule(lambda value: type(value) is bool, "true or false")
_MAYBE = _Rule(lambda value: value is None or type(value) is bool, "true, false or null", required=False)
_ANSWER = _Rule(_is_answer, "a text, null, or messages from the first answer to the last, roles by turns")
_COUNTS = _Rule(lambda value: _is_table(value, _is_count), "an object of whole numbers, 0 or more", required=False)


def _one_of(*names: str) -> _Rule:
    return _Rule(lambda value: isinstance(value, str) and value in names, f"one of {', '.join(names)}")


HEADER = {
    "study": _Rule(lambda value: value is None or _is_text(value), "a text that is not empty, or null"),
    "study_hash": _TEXT,
    "votes_hash": _TEXT,
    "model": _one_of(*MODELS),
    "model_hashes": _Rule(
        lambda value: _is_table(value, _is_hash), "an object of SHA-256s, 16 digits at least, or null"
    ),
    "n_votes": _COUNT,
    "n_pairs": _COUNT,
    "n_testers": _COUNT,
    "running": _FLAG,
    "left_out": _COUNTS,
    "consent_training": _MAYBE,
}
RECORD = {
    "id": _TEXT,
    "prompt_id": _TEXT,
    "prompt": _Rule(lambda value: _is_talk(value, "user"), "messages from the first question to the last, none empty"),
    "chosen": _ANSWER,
    "rejected": _ANSWER,
    "outcome": _one_of(*SIDES),
    "on_policy": _FLAG,
    "weight": _Rule(_is_weight, f"a number from 0 to {MOST_WEIGHT:.0f}"),
    "tester": _TEXT,
    "split": _one_of(*SPLITS),
    "chosen_ended": _MAYBE,
    "rejected_ended": _MAYBE,
}


def read_preferences(path: Path) -> Preferences:
    """Read and check a file.

    Raises:
        PreferencesError: no such file, another kind of file, or a line that breaks a rule.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise PreferencesError(f"{path}: {reason}; {REMEDY}") from None
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=json_text.once)
            if not isinstance(row, dict):
                raise ValueError
        except json_text.KeyTwiceError as error:
            raise PreferencesError(f"{path}, line {number}: {error}") from None
        except (ValueError, RecursionError):
            raise PreferencesError(f"{path}, line {number}: is no JSON object; {REMEDY}") from None
        if not rows and (row.get("kind"), row.get("version")) != (KIND, VERSION):
            raise PreferencesError(f"{path}: does not begin with a header of kind {KIND}, version {VERSION}; {REMEDY}")
        if problem := _problem(row, RECORD if rows else HEADER):
            raise PreferencesError(f"{path}, line {number}: {problem}; {REMEDY}")
        rows.append(row)
    if not rows:
        raise PreferencesError(f"{path}: is empty; {REMEDY}")
    return Preferences(rows[0], rows[1:])


def _problem(row: Mapping[str, Any], rules: Mapping[str, _Rule]) -> str:
    """What a line has against its rules, the first of it; empty where all is well."""
    if missing := [name for name, rule in rules.items() if rule.required and name not in row]:
        return f"lacks {', '.join(missing)}"
    for name, rule in rules.items():
        if name in row and not rule.accepts(row[name]):
            return f"{name} = {_shown(row[name])} must be {rule.wording}"
    if rules is RECORD and tuple(row[side] is not None for side in ("chosen", "rejected")) != SIDES[row["outcome"]]:
        wanted = zip(("chosen", "rejected"), SIDES[row["outcome"]], strict=True)
        said = " and ".join(f"{'an' if there else 'no'} answer as {side}" for side, there in wanted)
        return f"outcome = {row['outcome']} must have {said}"
    for name, value in row.items():
        if re.search("[\ud800-\udfff]", name + json.dumps(value, ensure_ascii=False)):
            return f"{name} = {_shown(value)} must be whole characters: half of a surrogate pair is none"
    return ""


def _shown(value: Any) -> str:
    """A value as the error line shows it: short, of ASCII alone."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
