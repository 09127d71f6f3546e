"""The study file: one TOML document that fixes a blind test before its first vote."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # Python 3.10
    import tomli as tomllib

from .study_rules import (
    CONTROL,
    Reader,
    Rule,
    flag,
    in_own_words,
    is_id,
    is_text,
    is_texts,
    joined,
    not_here,
    number,
    shown,
    texts,
    whole,
)

REVEAL_POLICIES = ("end", "vote", "never")
ACCESS = ("open", "invite")
PUBLICATION = ("none", "votes", "everything")
MAX_BACKGROUND = 2  # questions on a tester's background
MAX_PROMPT_CHARS = 2000
SAME_SIDE_VOTES = 5  # with fewer votes the same side each time says nothing of a tester
LANGUAGES = ("en", "de", "fr", "es", "pt", "zh", "ar")  # of the testers' page: ISO 639-1
BROWSER = "auto"  # the language that a tester's browser asks for, where it is one of them
OWN_CATEGORY = "own"  # the category of questions that testers write themselves
MAX_FILE_BYTES = 1 << 20  # five hundred questions of the longest; what comes from a page is read by the app itself
_TOO_LARGE = f"is larger than {MAX_FILE_BYTES:,} bytes; leave questions out"

# tomllib takes a time that grows with the square of a key's parts: 30,000 of them 8 s. No setting has more than two.
_LONG_KEY = re.compile(r"""(?<![\w"'-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){32}""")


class StudyError(ValueError):
    """The study file cannot be used: one line with every problem that it has."""


@dataclass(frozen=True)
class Prompt:
    """A question of the study's bank."""

    id: str  # short name, unique within the study (letters, digits, ``-``, ``_`` and ``.``)
    category: str  # group under which the question is suggested and reported
    text: str  # the question as the models get it, at most ``MAX_PROMPT_CHARS`` characters


@dataclass(frozen=True)
class BackgroundQuestion:
    """A question on a tester's background, asked with the consent; nobody has to answer it."""

    id: str  # short name, unique within the study; the key of the stored answer
    text: str  # the question
    options: tuple[str, ...]  # what can be chosen


@dataclass(frozen=True)
class Exclusion:
    """Which votes and testers the statistics leave out, decided before the first vote; by default none."""

    min_vote_seconds: float = 0.0  # votes given faster than this, in seconds from both answers shown
    flagged_answers: bool = False  # votes on an answer that said which model wrote it
    min_votes: int = 0  # testers whose session is over with fewer votes
    max_same_side: float = 1.0  # such testers with a larger share of one side in ``SAME_SIDE_VOTES`` choices or more
    min_seen_seconds: float = 0.0  # votes on an answer that was on the screen for less
    max_reading_speed: float = 0.0  # votes faster than so many characters a second, by the server's clock; 0: none
    max_testers_per_address: int = 0  # votes from a network address of more testers than this; 0: none
    max_same_comment: int = 0  # votes with a comment that more testers than this gave; 0: none

    @property
    def settings(self) -> dict[str, Any]:
        """The rules as a study file has them; those that came after the first version where they are in force."""
        return {name: value for name, value in asdict(self).items() if name not in _LATER_RULES or value}


_LATER_RULES = ("min_seen_seconds", "max_reading_speed", "max_testers_per_address", "max_same_comment")


@dataclass(frozen=True)
class Study:
    """Everything about a study that is decided beforehand."""

    name: str  # what the study is called in exports and reports
    rounds: int  # votes asked of each tester
    reveal: str  # when a tester learns which model was on which side (``end`` of the session, each ``vote``, ``never``)
    alpha: float  # error rate of every interval (0.05 gives 95% intervals)
    session_timeout_minutes: float  # a session without activity for so long is closed
    max_turns: int  # questions of a tester within one round, the first one included
    max_new_tokens: int  # longest answer, in tokens of the model that writes it
    temperature: float  # sampling temperature of both models (0 is greedy)
    top_p: float  # nucleus sampling mass of both models
    consent_version: str  # label stored with each tester's consent
    consent_text: str  # what a tester agrees to
    reasons: tuple[str, ...]  # the reasons that a tester may tick
    prompts: tuple[Prompt, ...]  # the bank of questions, in the order of the file
    access: str = "open"  # who may take part: ``open`` (whoever has the link) or ``invite`` (with a code)
    background: tuple[BackgroundQuestion, ...] = ()  # questions on the tester's background, at most ``MAX_BACKGROUND``
    exclusion: Exclusion = Exclusion()  # which votes and testers the statistics leave out
    show_models: bool = False  # whether a tester, once the models are revealed, also sees a card of each of them
    markdown: bool = False  # whether both answers are shown as the Markdown that they are written in, or as plain text
    entry_code: str = ""  # a short code without which nobody begins in an open study; ``""`` for none
    proof_of_work_bits: int = 0  # what a browser must compute before its tester begins: 2**bits hashes; 0 for nothing
    address_hash: bool = False  # whether a keyed hash of the tester's network address is kept; the page says so
    consent_publication: str = "none"  # what the consent allows: ``votes`` are without all that a tester typed
    language: str = "en"  # of the testers' page, one of ``LANGUAGES``; ``auto`` for the one that each browser asks for
    consent_training: bool = False  # whether the consent says that answers and votes may train a model

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Read a study file. Raises StudyError."""
        try:
            with Path(path).open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                raise StudyError(f"{path}: {_TOO_LARGE}")
            text = content.decode("utf-8-sig")
        except OSError as error:
            raise StudyError(f"{path}: cannot be read ({error.strerror}); name a study file with --study") from None
        except UnicodeDecodeError:
            raise StudyError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
        return cls.from_toml(text, str(path))

    @classmethod
    def from_toml(cls, text: str, source: str = "study") -> Study:
        """Read a study from the text of a study file; ``source`` begins the error message. Raises StudyError."""
        if len(text) > MAX_FILE_BYTES:
            raise StudyError(f"{source}: {_TOO_LARGE}")
        if found := _LONG_KEY.search(text):
            line = text.count("\n", 0, found.start()) + 1
            raise StudyError(f"{source}: the key in line {line} has too many parts; no setting has more than two")
        try:
            document = tomllib.loads(text)
        except RecursionError:
            raise StudyError(f"{source}: has lists or tables within each other too deeply; remove them") from None
        except ValueError as error:  # TOMLDecodeError, and a number of thousands of digits
            raise StudyError(f"{source}: is not valid TOML: {in_own_words(error, text)}; correct that line") from None
        return cls.from_document(document, source)

    @classmethod
    def from_document(cls, document: dict[str, Any], source: str = "study") -> Study:
        """Check a parsed study file; ``source`` begins the error message. Raises StudyError."""
        reader = Reader(document)
        for text in filter(CONTROL.search, texts(document)):
            reader.problems.append(f"{shown(text)} holds a control character; remove it")
        values = {name: reader.take(name, rule) for name, rule in _RULES.items()}
        values |= {f"consent_{name}": value for name, value in _consent(reader).items()}
        values["prompts"] = reader.entries("prompts", _PROMPT_RULES, Prompt)
        values["background"] = reader.entries("background", _BACKGROUND_RULES, BackgroundQuestion, MAX_BACKGROUND)
        values["exclusion"] = read_exclusion(reader)
        if values["entry_code"] and values["access"] == "invite":
            problem = 'entry_code is for access = "open", an invite is a code already; leave one of them out'
            reader.problems.append(problem)
        if values["exclusion"].max_testers_per_address and not values["address_hash"]:
            problem = "exclusion: max_testers_per_address needs address_hash = true; add it, or leave the rule out"
            reader.problems.append(problem)
        if values["show_models"] and values["reveal"] == "never":
            reader.problems.append('show_models = true needs a reveal; set reveal = "end" or "vote", or leave it out')
        reader.reject_unknown({"consent": _CONSENT, "exclusion": _EXCLUSION_RULES})
        if reader.problems:
            raise StudyError(f"{source}: {joined(reader.problems)}")
        return cls(**values)

    @property
    def canonical(self) -> str:
        """The study as JSON with sorted keys: equal studies give equal text, whatever their files look like.

        A setting that came after the first version is left out while it has its default, so that a file which does
        not use it stays the study that it was.  Of an entry code only that there is one: exports need not tell it,
        and a code that has got about can be replaced within a study.
        """
        settings = asdict(self)
        for name, default in _LATER.items():
            if getattr(self, name) == default:
                del settings[name]
        if "exclusion" in settings:
            settings["exclusion"] = self.exclusion.settings
        if "entry_code" in settings:
            settings["entry_code"] = True
        return json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @property
    def hash(self) -> str:
        """SHA-256 of :attr:`canonical`, in hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def toml(self) -> str:
        """A study file with these settings, to be edited into another study."""
        settings = asdict(self)
        consent = {name: settings.pop(f"consent_{name}") for name in ("version", "publication", "training", "text")}
        tables = {name: settings.pop(name) for name in ("background", "prompts")}
        exclusion = settings.pop("exclusion")
        parts = [_toml_table("", settings), _toml_table("[consent]", consent), _toml_table("[exclusion]", exclusion)]
        parts += [_toml_table(f"[[{name}]]", entry) for name, entries in tables.items() for entry in entries]
        return "\n".join(parts)

    @property
    def prompt_bank_hash(self) -> str:
        """SHA-256 of the prompts alone, in hexadecimal."""
        bank = json.dumps([asdict(prompt) for prompt in self.prompts], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(bank.encode()).hexdigest()


_LATER = {field.name: field.default for field in fields(Study) if field.default is not MISSING}
"""The settings that came after the first version, with their defaults."""


def _toml_table(header: str, values: dict[str, Any]) -> str:
    return "".join(
        f"{line}\n" for line in ([header] if header else []) + [_toml_line(*item) for item in values.items()]
    )


def _toml_line(name: str, value: Any) -> str:
    """A setting as TOML: its strings, numbers and lists of strings are written as in JSON."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, str) and "\n" in value:  # several lines, each readable; the first new line does not count
        text = '"""\n' + text[1:-1].replace("\\n", "\n") + '"""'
    return f"{name} = {text}"


ALPHA = number(0, 0.5, 0.05, above=True)
_RULES = {
    "name": Rule(lambda value: is_text(value, 80), "text of 1 to 80 characters", required=True),
    "rounds": whole(1, 1000, 10),
    "reveal": Rule(lambda value: value in REVEAL_POLICIES, "one of " + ", ".join(REVEAL_POLICIES), "end"),
    "alpha": ALPHA,
    "session_timeout_minutes": number(1, 100_000, 60),
    "max_turns": whole(1, 50, 3),
    "max_new_tokens": whole(1, 8192, 160),
    "temperature": number(0, 2, 0.7),
    "top_p": number(0, 1, 0.9, above=True),
    "access": Rule(lambda value: value in ACCESS, "one of " + ", ".join(ACCESS), "open"),
    "reasons": Rule(is_texts, "a list of different texts of 1 to 80 characters", []),
    "show_models": flag(False),
    "markdown": flag(False),
    "entry_code": Rule(
        lambda value: value == "" or (is_text(value, 40) and len(value.strip()) >= 4), "text of 4 to 40 characters", ""
    ),
    "proof_of_work_bits": whole(0, 24, 0),  # sixteen million hashes: minutes of a phone
    "address_hash": flag(False),
    "language": Rule(lambda value: value in (BROWSER, *LANGUAGES), "one of " + ", ".join((BROWSER, *LANGUAGES)), "en"),
}

_PROMPT_RULES = {
    "id": Rule(
        lambda value: is_id(value) and not value.startswith("own-"),
        "1 to 64 letters, digits, - . or _, and not begin with own-",
    ),
    "category": Rule(
        lambda value: is_text(value, 40) and value.strip() != OWN_CATEGORY,
        f'text of 1 to 40 characters other than "{OWN_CATEGORY}"',
    ),
    "text": Rule(lambda value: is_text(value, MAX_PROMPT_CHARS), f"text of 1 to {MAX_PROMPT_CHARS} characters"),
}

_BACKGROUND_RULES = {
    "id": Rule(is_id, "1 to 64 letters, digits, - . or _"),
    "text": Rule(lambda value: is_text(value, 200), "text of 1 to 200 characters"),
    "options": Rule(
        lambda value: is_texts(value) and 2 <= len(value) <= 12,
        "a list of 2 to 12 different texts of 1 to 80 characters",
    ),
}

_EXCLUSION_RULES = {
    "min_vote_seconds": number(0, 3600, 0.0),
    "flagged_answers": flag(False),
    "min_votes": whole(0, 1000, 0),
    "max_same_side": number(0.5, 1, 1.0),
    "min_seen_seconds": number(0, 3600, 0.0),
    "max_reading_speed": number(0, 100_000, 0.0),
    "max_testers_per_address": whole(0, 100_000, 0),
    "max_same_comment": whole(0, 100_000, 0),
}

_CONSENT = ("version", "text", "publication", "training")


def _consent(reader: Reader) -> dict[str, Any]:
    consent = reader.left.pop("consent", None)
    if not isinstance(consent, dict):
        reader.problems.append("consent is missing; add a [consent] table with version and text")
        return {}
    if type(consent.get("version")) in (int, float):  # version = 2 means what version = "2" does
        consent = consent | {"version": str(consent["version"])}
    for key, limit in (("version", 40), ("text", 20_000)):
        if not is_text(consent.get(key), limit):
            problem = f"consent.{key} = {shown(consent.get(key))} must be text of 1 to {limit} characters"
            reader.problems.append(problem)
    publication = consent.get("publication", "none")
    if publication not in PUBLICATION:
        reader.problems.append(f"consent.publication = {shown(publication)} must be one of {', '.join(PUBLICATION)}")
    training = consent.get("training", False)
    if not isinstance(training, bool):
        reader.problems.append(f"consent.training = {shown(training)} must be true or false")
    for key in sorted(consent.keys() - set(_CONSENT)):
        reader.problems.append(f"consent.{not_here(key, reader.known)}")
    texts = {name: str(consent.get(name, "")).strip() for name in ("version", "text")}
    return texts | {"publication": publication, "training": training}


def read_exclusion(reader: Reader) -> Exclusion:
    """The rules of exclusion of a document; what is wrong with them is among the reader's problems."""
    table = reader.left.pop("exclusion", {})
    if not isinstance(table, dict):
        reader.problems.append(f"exclusion = {shown(table)} must be a table with {', '.join(_EXCLUSION_RULES)}")
        return Exclusion()
    rules = Reader(table, reader.known)
    values = {name: rules.take(name, rule) for name, rule in _EXCLUSION_RULES.items()}
    rules.reject_unknown()
    reader.problems += [f"exclusion: {problem}" for problem in rules.problems]
    return Exclusion() if rules.problems else Exclusion(**values)
