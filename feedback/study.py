"""The study file: one TOML document that fixes a blind test before its first vote."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # Python 3.10
    import tomli as tomllib

REVEAL_POLICIES = ("end", "vote", "never")
MAX_PROMPT_CHARS = 2000
OWN_CATEGORY = "own"  # the category of questions that testers write themselves

_PROMPT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


class StudyError(ValueError):
    """The study file cannot be used: one line with every problem that it has."""


@dataclass(frozen=True)
class Prompt:
    """A question of the study's bank.

    Attributes:
        id: short name, unique within the study (letters, digits, ``-``, ``_`` and ``.``).
        category: group under which the question is suggested and reported.
        text: the question as the models get it, at most ``MAX_PROMPT_CHARS`` characters.
    """

    id: str
    category: str
    text: str


@dataclass(frozen=True)
class Study:
    """Everything about a study that is decided beforehand.

    Attributes:
        name: what the study is called in exports and reports.
        rounds: votes asked of each tester.
        reveal: when a tester learns which model was on which side (``end`` of the session, each ``vote``, ``never``).
        alpha: error rate of every interval (0.05 gives 95% intervals).
        session_timeout_minutes: a session without activity for so long is closed.
        max_turns: questions of a tester within one round, the first one included.
        max_new_tokens: longest answer, in tokens of the model that writes it.
        temperature: sampling temperature of both models (0 is greedy).
        top_p: nucleus sampling mass of both models.
        consent_version: label stored with each tester's consent.
        consent_text: what a tester agrees to.
        reasons: the reasons that a tester may tick.
        prompts: the bank of questions, in the order of the file.
    """

    name: str
    rounds: int
    reveal: str
    alpha: float
    session_timeout_minutes: float
    max_turns: int
    max_new_tokens: int
    temperature: float
    top_p: float
    consent_version: str
    consent_text: str
    reasons: tuple[str, ...]
    prompts: tuple[Prompt, ...]

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Read a study file.

        Raises:
            StudyError: the file is missing, is no TOML, or breaks a rule; the message names all problems at once.
        """
        try:
            document = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise StudyError(f"{path}: cannot be read ({error.strerror}); name a study file with --study") from None
        except UnicodeDecodeError:
            raise StudyError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
        except tomllib.TOMLDecodeError as error:
            raise StudyError(f"{path}: is not valid TOML: {error}; correct that line") from None
        return cls.from_document(document, str(path))

    @classmethod
    def from_document(cls, document: dict[str, Any], source: str = "study") -> Study:
        """Check a parsed study file; ``source`` begins the error message.

        Raises:
            StudyError: with all problems, separated by semicolons.
        """
        reader = _Reader(document)
        values = {name: reader.take(name, rule) for name, rule in _RULES.items()}
        values["consent_version"], values["consent_text"] = reader.consent()
        values["prompts"] = reader.prompts()
        reader.reject_unknown()
        if reader.problems:
            raise StudyError(f"{source}: " + "; ".join(reader.problems))
        return cls(**values)

    @property
    def canonical(self) -> str:
        """The study as JSON with sorted keys: equal studies give equal text, whatever their files look like."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @property
    def hash(self) -> str:
        """SHA-256 of :attr:`canonical`, in hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def prompt_bank_hash(self) -> str:
        """SHA-256 of the prompts alone, in hexadecimal."""
        bank = json.dumps([asdict(prompt) for prompt in self.prompts], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(bank.encode()).hexdigest()


@dataclass(frozen=True)
class _Rule:
    """How one setting is checked: ``accepts`` decides, ``wording`` completes "must be ...", ``default`` fills a gap."""

    accepts: Callable[[Any], object]
    wording: str
    default: Any = None
    required: bool = False


def _whole(low: int, high: int, default: int) -> _Rule:
    return _Rule(
        lambda value: type(value) is int and low <= value <= high, f"a whole number from {low} to {high}", default
    )


def _number(low: float, high: float, default: float, *, above: bool = False) -> _Rule:
    def accepts(value: Any) -> bool:
        return type(value) in (int, float) and (low < value if above else low <= value) and value <= high

    bounds = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
    return _Rule(accepts, f"a number {bounds}", default)


def _is_text(value: Any, limit: int) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= limit


def _is_reasons(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(_is_text(reason, 80) for reason in value)
        and len({reason.strip().casefold() for reason in value}) == len(value)
    )


_RULES = {
    "name": _Rule(lambda value: _is_text(value, 80), "text of 1 to 80 characters", required=True),
    "rounds": _whole(1, 1000, 10),
    "reveal": _Rule(lambda value: value in REVEAL_POLICIES, "one of " + ", ".join(REVEAL_POLICIES), "end"),
    "alpha": _number(0, 0.5, 0.05, above=True),
    "session_timeout_minutes": _number(1, 100_000, 60),
    "max_turns": _whole(1, 50, 3),
    "max_new_tokens": _whole(1, 8192, 160),
    "temperature": _number(0, 2, 0.7),
    "top_p": _number(0, 1, 0.9, above=True),
    "reasons": _Rule(_is_reasons, "a list of different texts of 1 to 80 characters", []),
}

_PROMPT_RULES = {
    "id": _Rule(
        lambda value: isinstance(value, str) and _PROMPT_ID.match(value) and not value.startswith("own-"),
        "1 to 64 letters, digits, - . or _, and not begin with own-",
    ),
    "category": _Rule(
        lambda value: _is_text(value, 40) and value.strip() != OWN_CATEGORY,
        f'text of 1 to 40 characters other than "{OWN_CATEGORY}"',
    ),
    "text": _Rule(lambda value: _is_text(value, MAX_PROMPT_CHARS), f"text of 1 to {MAX_PROMPT_CHARS} characters"),
}


class _Reader:
    """Takes settings out of a document and collects what is wrong with them."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.left = dict(document)
        self.problems: list[str] = []

    def take(self, name: str, rule: _Rule) -> Any:
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
        if isinstance(value, list):
            return tuple(item.strip() for item in value)
        return value.strip() if isinstance(value, str) else value

    def consent(self) -> tuple[str, str]:
        consent = self.left.pop("consent", None)
        if not isinstance(consent, dict):
            self.problems.append("consent is missing; add a [consent] table with version and text")
            return "", ""
        if type(consent.get("version")) in (int, float):  # version = 2 means what version = "2" does
            consent = consent | {"version": str(consent["version"])}
        for key, limit in (("version", 40), ("text", 20_000)):
            if not _is_text(consent.get(key), limit):
                problem = f"consent.{key} = {shown(consent.get(key))} must be text of 1 to {limit} characters"
                self.problems.append(problem)
        for key in consent.keys() - {"version", "text"}:
            self.problems.append(f"consent.{key} is not a setting; remove it")
        return str(consent.get("version", "")).strip(), str(consent.get("text", "")).strip()

    def prompts(self) -> tuple[Prompt, ...]:
        entries = self.left.pop("prompts", None)
        if not isinstance(entries, list) or not entries:
            self.problems.append("prompts are missing; add at least one [[prompts]] table with id, category and text")
            return ()
        prompts: list[Prompt] = []
        seen: set[str] = set()
        for number, entry in enumerate(entries, 1):
            prompt = self._prompt(number, entry)
            if prompt is None:
                continue
            if prompt.id in seen:
                self.problems.append(f'prompt {number}: id = "{prompt.id}" is used twice; ids must be unique')
            seen.add(prompt.id)
            prompts.append(prompt)
        return tuple(prompts)

    def _prompt(self, number: int, entry: Any) -> Prompt | None:
        if not isinstance(entry, dict):
            self.problems.append(f"prompt {number} = {shown(entry)} must be a table with id, category and text")
            return None
        problems = [f"{key} is not a setting; remove it" for key in sorted(entry.keys() - _PROMPT_RULES.keys())]
        problems += [
            f"{key} = {shown(entry.get(key))} must be {rule.wording}"
            for key, rule in _PROMPT_RULES.items()
            if not rule.accepts(entry.get(key))
        ]
        self.problems += [f"prompt {number}: {problem}" for problem in problems]
        return None if problems else Prompt(**{key: entry[key].strip() for key in _PROMPT_RULES})

    def reject_unknown(self) -> None:
        self.problems += [f"{name} is not a setting; remove it or correct its spelling" for name in sorted(self.left)]


def shown(value: Any) -> str:
    """A value as the error line shows it: short, on one line."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
