"""Votes from an exported file, and what lies beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..assignment import MODELS
from ..battles import GUESSES
from ..export.companions import beside
from ..export.rows import CODEBOOK, reveal_formula
from ..study import ALPHA, Exclusion, read_exclusion
from ..study_rules import Reader
from .exclusion import NEEDS, exclude
from .load import StudyVotes, of_testers
from .outcomes import Outcomes, VotesError, current_votes, versions_in
from .patterns import Traces, in_force, left_out_by_patterns, unjudged_by_patterns
from .saved_names import NAMES, must_name_one_question, plain
from .table_file import read_table

if TYPE_CHECKING:
    from pandas import DataFrame


KINDS = {column.name: column.type for column in CODEBOOK}
SHOWN_ROWS = 5  # of those where something is empty


def read_csv(path: str | Path) -> DataFrame:
    """An exported ``votes.csv``, texts as they were before they were made safe for spreadsheets. Raises VotesError."""
    frame = read_table(path, KINDS)
    for name in (column for column in frame.columns if KINDS.get(column, "text") == "text"):  # of what lies beside, too
        frame[name] = frame[name].map(reveal_formula)
    for name in (column for column in NAMES if column in frame.columns):
        frame[name] = [plain(name, cell) for cell in frame[name]]
    return frame


def read_study_csv(path: str | Path, label: str | None = None, alpha: float | None = None) -> StudyVotes:
    """One study's votes from an exported file and the files beside it, as far as they are there.

    Beside it lie the guesses, the testers' backgrounds, the good-enough answers, and the manifest with the study's
    error rate and its rules of exclusion. Raises VotesError.
    """
    votes = read_csv(path)
    rows = len(votes)
    votes = votes if label is None else _of_study(path, votes, label)
    only = str(votes["study"].iloc[0]) if "study" in votes and len(votes) else None
    export = exported_as(path, only)
    settings = _settings_beside(export, only, len(votes) > 0)
    rules, default_alpha = _rules(export, settings)
    if settings and "superseded" not in votes:
        raise VotesError(
            f"{path}: the column superseded is missing, so votes that were taken back would count; export it again"
        )
    try:
        if {"prompt_id", "category"} <= set(votes.columns):
            must_name_one_question(votes, settings.get("questions"))
        extra = _beside(export, votes)
        outcomes = Outcomes.from_frame(votes, extra)
        masks, unknown = _looks(votes, rules)
        outcomes = exclude(outcomes, rules, masks, unknown)
        notes = _unjudged_rows(votes, unknown)
        if rows == settings.get("rows"):
            _must_leave_out_the_same(outcomes, settings.get("left_out"), notes)
    except VotesError as error:
        raise VotesError(f"{path}: {error}") from None
    if (guesses := extra.get("guesses")) is not None:
        guesses = guesses[guesses["tester_id"].isin(votes["tester_id"])]
        guesses = of_testers(guesses, outcomes, rules)
    versions = {model: next(iter(versions_in(votes, model)), "") for model in MODELS}
    known = str(settings.get("study_hash", ""))
    return StudyVotes(None, only, alpha or default_alpha, outcomes, guesses, versions, notes, known)


def _of_study(path: str | Path, votes: DataFrame, label: str) -> DataFrame:
    labels = set(votes["study"]) if "study" in votes else set()
    if label not in labels:
        raise VotesError(f'study "{label}" is not in {path}; it has {", ".join(sorted(labels)) or "no names"}')
    return votes[votes["study"] == label]


def exported_as(path: str | Path, label: str | None) -> Path:
    """The export beside which the study's rules lie: the file, or the one in its folder that it was saved from under
    another name, which has the same study (a label ends with the hash of its settings). The newest where several do."""
    file = Path(path)
    manifests = [each for each in file.parent.glob("*.csv.manifest.json") if label in _labels(each)]
    if not manifests or Path(f"{file}.manifest.json").exists():
        return file
    newest = max(manifests, key=lambda each: each.stat().st_mtime)
    return newest.with_name(newest.name.removesuffix(".manifest.json"))


def _labels(manifest: Path) -> list[str]:
    try:
        return [study["label"] for study in json.loads(manifest.read_text("utf-8-sig"))["studies"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _beside(path: str | Path, votes: DataFrame) -> dict[str, Any]:
    """What lies beside ``votes.csv``: guesses, good-enough by vote, backgrounds by tester. Raises VotesError."""
    found: dict[str, Any] = {}
    if (guesses := _companion(path, "guesses", answer=GUESSES, left_model=MODELS)) is not None:
        found["guesses"] = guesses
    if (table := _companion(path, "good_enough", good_enough=("yes", "no"))) is not None:
        found["good_enough"] = dict(zip(table["vote_id"], table["good_enough"], strict=True))
    if (table := _companion(path, "testers", background=None)) is not None:
        file, known = beside(path, "testers"), set(table["tester_id"])
        for named in (votes, found.get("guesses", votes)):
            if strange := [name for name in named.get("tester_id", ()) if name.strip() and name not in known]:
                raise VotesError(
                    f"tester_id = {strange[0]!r} is not in {file}, which has them all: one of the files is older, or a"
                    " spreadsheet changed it; export both again"
                )
        answers = [_background(file, row, text) for row, text in zip(_rows_of(table), table["background"], strict=True)]
        found["background"] = dict(zip(table["tester_id"], answers, strict=True))
    return found


def _companion(path: str | Path, name: str, **columns: tuple[str, ...] | None) -> DataFrame | None:
    """A table beside ``votes.csv``, or None; ``columns`` are needed, with their values. Raises VotesError."""
    file, key = beside(path, name), "vote_id" if name == "good_enough" else "tester_id"
    if not file.exists():
        return None
    table = read_csv(file)
    if missing := [column for column in (key, *columns) if column not in table.columns]:
        raise VotesError(f"{file}: columns {', '.join(missing)} are missing; export it again")
    for column, values in columns.items():
        for row, value in zip(_rows_of(table), table[column], strict=True):
            if values and value.strip().lower() not in values:
                raise VotesError(f"{file}: row {row}: {column} = {value!r} is unknown; it must be {_one_of(values)}")
        if values:
            table[column] = table[column].str.strip().str.lower()
    if (empty := table[key].str.strip() == "").any():
        raise VotesError(
            f"{file}: row {_rows_of(table[empty])[0]}: {key} is empty, so whose it is is lost; export it again"
        )
    if (twice := table[key].duplicated()).any():
        row, name = next(zip(_rows_of(table[twice]), table[key][twice], strict=True))
        raise VotesError(f"{file}: row {row}: {key} = {name!r} is there twice; remove one of them")
    return table


def _rows_of(table: DataFrame) -> list[int]:
    """What a reader calls each row: 1 is the first below the header."""
    return [int(place) + 1 for place in table.index.tolist()]


def _one_of(values: tuple[str, ...]) -> str:
    return f"{', '.join(values[:-1])} or {values[-1]}"


def _background(file: Path, number: int, text: str) -> dict[str, str]:
    """A tester's answers, by the question's id; empty where none was given."""
    try:
        answers = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        answers = None
    if not isinstance(answers, dict) or not all(isinstance(answer, str) for answer in answers.values()):
        raise VotesError(f"{file}: row {number}: background is no JSON object of texts; export it again")
    return answers


Masks = dict[str, NDArray[np.bool_]]  # by rule, (N,) of the votes that are not taken back


def _looks(votes: DataFrame, rules: Exclusion) -> tuple[Masks, Masks]:
    """By rule on votes, which ones it leaves out, and of which it cannot know; absent where a column is missing."""
    current, has = current_votes(votes), set(votes.columns)

    def seconds(name: str) -> NDArray[np.float64]:  # what was not measured is no reason to leave a vote out
        return np.array([float(cell) if cell else np.inf for cell in current[name]], float)

    masks: Masks = {}
    unknown: Masks = {}
    for rule in ("min_vote_seconds", "min_seen_seconds"):
        if (least := getattr(rules, rule)) and has.issuperset(NEEDS[rule]):
            times = [seconds(name) for name in NEEDS[rule]]
            masks[rule] = np.min(times, axis=0) < least
            unknown[rule] = np.isinf(np.max(times, axis=0)) & ~masks[rule]
    if in_force(rules):
        traces = _traces(current, seconds)
        masks |= left_out_by_patterns(traces, rules)
        unknown |= unjudged_by_patterns(traces, rules)
    known = [rule for rule in masks if has.issuperset(NEEDS[rule])]
    return {rule: masks[rule] for rule in known}, {rule: unknown[rule] for rule in known if rule in unknown}


def _unjudged_rows(votes: DataFrame, unknown: Masks) -> tuple[str, ...]:
    """For each rule, in which rows that count it has nothing to look at; as exported, or emptied since."""
    current = current_votes(votes)
    notes = []
    for rule, mask in unknown.items():
        rows = [str(row) for row in _rows_of(current[mask])]
        if rows:
            more = f" and {len(rows) - SHOWN_ROWS} more" if len(rows) > SHOWN_ROWS else ""
            notes.append(
                f"{' or '.join(NEEDS[rule])} is empty in row {', '.join(rows[:SHOWN_ROWS])}{more}, so {rule} cannot"
                " look at these votes and leaves none of them out; if a program emptied it, export the file again"
            )
    return tuple(notes)


def _must_leave_out_the_same(
    outcomes: Outcomes, written: Sequence[tuple[str, int]] | None, notes: Sequence[str]
) -> None:
    """Refuse an export with all its rows of which the rules leave out other numbers than when it was written.

    Whatever saved it again has changed what a rule looks at, in whichever way.
    """
    found = outcomes.excluded
    if written is not None and [n for _, n in found] != [n for _, n in written]:
        then, now = ("; ".join(f"{n} {reason}" for reason, n in counts) or "nothing" for counts in (written, found))
        raise VotesError(
            f"by the manifest the study's rules left out of these rows: {then}; of the file as it is now: {now}. A"
            f" column that they look at was changed; export the file again{f' ({notes[0]})' if notes else ''}"
        )


def _traces(votes: DataFrame, seconds: Callable[[str], NDArray[np.float64]]) -> Traces:
    """What the rules on patterns look at; columns that are missing are as if nothing had been measured."""
    count, has = len(votes), set(votes.columns)
    unknown = np.full(count, np.inf)
    groups = seconds("address_group") if "address_group" in has else unknown
    chars = sum(np.array(votes[f"{side}_chars"].astype(float)) for side in ("left", "right"))
    return Traces(
        np.unique(votes["tester_id"].to_numpy(str), return_inverse=True)[1].astype(np.int64),
        np.asarray(chars, float),
        np.array(votes["turns"].astype(float)) if "turns" in has else np.ones(count),
        seconds("server_seconds") if "server_seconds" in has else unknown,
        [str(text) for text in votes["comment"]] if "comment" in has else [""] * count,
        np.where(np.isinf(groups), 0, groups).astype(np.int64),
    )


def _settings_beside(path: str | Path, label: str | None, has_votes: bool) -> dict[str, Any]:
    """The study as the export's manifest has it, with the rows of the whole file; empty without a manifest."""
    manifest = Path(f"{path}.manifest.json")
    if not manifest.exists():
        return {}
    try:
        document = json.loads(manifest.read_text("utf-8-sig"))
        studies = {study["label"]: _described(study, document) for study in document["studies"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise VotesError(f"{manifest}: is no manifest of an export; export again, or remove it") from None
    if label is None and len(studies) == 1:
        return next(iter(studies.values()))
    if (
        has_votes and studies and label not in studies
    ):  # without its rules the numbers would be others, and nobody would see it
        named = ", ".join(f'"{one}"' for one in studies)
        raise VotesError(
            f'{path}: study = "{label or ""}" is not in {manifest}, which has {named}, so its rules are not known;'
            " export again, or remove the manifest"
        )
    return studies.get(label or "", {})


def _described(study: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """A study of a manifest, with the rows of the whole file and what its rules left out of them, if that is told."""
    entries = study.get("excluded_from_statistics")
    left_out = None if entries is None else [(str(entry["reason"]), int(entry["n"])) for entry in entries]
    if not all(isinstance(category, str) for category in study.get("questions", {}).values()):
        raise TypeError
    return {**study, "rows": document.get("rows"), "left_out": left_out}


def _rules(path: str | Path, settings: Mapping[str, Any]) -> tuple[Exclusion, float]:
    """A study's rules and error rate, as its manifest has them; the usual ones without a manifest."""
    reader = Reader({name: settings[name] for name in ("exclusion", "alpha") if name in settings})
    rules, alpha = read_exclusion(reader), reader.take("alpha", ALPHA)
    if reader.problems:
        raise VotesError(f"{path}.manifest.json: {reader.problems[0]}; export again with this version of Diptych")
    return rules, float(alpha)
