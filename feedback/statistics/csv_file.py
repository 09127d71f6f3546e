"""Votes from an exported file, and what lies beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assignment import MODELS
from ..export.companions import beside
from ..export.rows import CODEBOOK, reveal_formula
from ..study import Exclusion
from .blinding import ANSWERS
from .exclusion import exclude, rules_of
from .load import StudyVotes, of_testers
from .outcomes import Outcomes, VotesError, truth, versions_in
from .patterns import COLUMNS, Traces, in_force, left_out_by_patterns
from .table_file import read_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pandas import DataFrame


KINDS = {column.name: column.type for column in CODEBOOK}


def read_csv(path: str | Path) -> DataFrame:
    """An exported ``votes.csv``, texts as they were before they were made safe for spreadsheets.

    Raises:
        VotesError: no file, no CSV, an unknown encoding, truncated, or with a cell that is no number.
    """
    frame = read_table(path, KINDS)
    for name in (column for column in frame.columns if KINDS.get(column, "text") == "text"):  # of what lies beside, too
        frame[name] = frame[name].map(reveal_formula)
    return frame


def read_study_csv(path: str | Path, label: str | None = None, alpha: float | None = None) -> StudyVotes:
    """One study's votes from an exported file and the files beside it, as far as they are there.

    Beside it lie the guesses, the testers' backgrounds, the good-enough answers, and the manifest with the study's
    error rate and its rules of exclusion.

    Raises:
        VotesError: see :func:`read_csv` and :meth:`Outcomes.from_frame`, or the label is unknown.
    """
    votes = read_csv(path)
    if label is not None:
        labels = set(votes["study"]) if "study" in votes else set()
        if label not in labels:
            raise VotesError(f'study "{label}" is not in {path}; it has {", ".join(sorted(labels)) or "no names"}')
        votes = votes[votes["study"] == label]
    only = str(votes["study"].iloc[0]) if "study" in votes and len(votes) else None
    export = exported_as(path, only)
    settings = _settings_beside(export, only, len(votes) > 0)
    rules = rules_of(settings)
    try:
        outcomes = exclude(Outcomes.from_frame(votes, _beside(export)), rules, _looks(votes, rules))
    except VotesError as error:
        raise VotesError(f"{path}: {error}") from None
    guesses = _companion(export, "guesses", answer=ANSWERS, left_model=MODELS)
    if guesses is not None:
        guesses = guesses[guesses["tester_id"].isin(votes["tester_id"])]
        guesses = of_testers(guesses, outcomes, rules)
    told = {model: next(iter(versions_in(votes, model)), "") for model in MODELS}
    return StudyVotes(None, only, alpha or float(settings.get("alpha", 0.05)), outcomes, guesses, told)


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


def _beside(path: str | Path) -> dict[str, Any]:
    """What lies beside an exported ``votes.csv``: good-enough answers by vote, backgrounds by tester."""
    found: dict[str, Any] = {}
    if (table := _companion(path, "good_enough", good_enough=("yes", "no"))) is not None:
        found["good_enough"] = dict(zip(table["vote_id"], table["good_enough"], strict=True))
    if (table := _companion(path, "testers", background=None)) is not None:
        answers = [
            _background(beside(path, "testers"), number, text) for number, text in enumerate(table["background"], 1)
        ]
        found["background"] = dict(zip(table["tester_id"], answers, strict=True))
    return found


def _companion(path: str | Path, name: str, **columns: tuple[str, ...] | None) -> DataFrame | None:
    """A table beside ``votes.csv``, or None; of each column that is needed the values that there are.

    Raises:
        VotesError: a column is missing, a value is another, or a tester or vote is there twice.
    """
    file, key = beside(path, name), "vote_id" if name == "good_enough" else "tester_id"
    if not file.exists():
        return None
    table = read_csv(file)
    if missing := [column for column in (key, *columns) if column not in table.columns]:
        raise VotesError(f"{file}: columns {', '.join(missing)} are missing; export it again")
    for column, values in columns.items():
        for number, value in enumerate(table[column], 1):
            if values and value.strip().lower() not in values:
                raise VotesError(f"{file}: row {number}: {column} = {value!r} is unknown; it must be {_one_of(values)}")
        if values:
            table[column] = table[column].str.strip().str.lower()
    if (twice := table[key].duplicated()).any():
        number = int(twice.to_numpy().argmax())
        raise VotesError(f"{file}: row {number + 1}: {key} = {table[key][number]!r} is there twice; remove one of them")
    return table


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


def _looks(votes: DataFrame, rules: Exclusion) -> dict[str, NDArray[np.bool_]]:
    """For each rule on times, for each current vote whether it is left out; absent where that cannot be known."""
    current = votes
    if "superseded" in votes.columns:
        current = votes[~truth(votes["superseded"], "superseded").to_numpy(bool)]

    def seconds(name: str) -> NDArray[np.float64]:  # what was not measured is no reason to leave a vote out
        return np.array([float(cell) if cell else np.inf for cell in current[name]], float)

    masks = {}
    if rules.min_vote_seconds > 0 and "vote_seconds" in votes.columns:
        masks["min_vote_seconds"] = seconds("vote_seconds") < rules.min_vote_seconds
    sides = ("left_seen_seconds", "right_seen_seconds")
    if rules.min_seen_seconds > 0 and set(sides) <= set(votes.columns):
        masks["min_seen_seconds"] = np.minimum(*map(seconds, sides)) < rules.min_seen_seconds
    if in_force(rules):
        masks |= {
            rule: mask
            for rule, mask in left_out_by_patterns(_traces(current, seconds), rules).items()
            if COLUMNS[rule] in votes.columns
        }
    return masks


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
    """The study's error rate and rules as the export's manifest has them; empty without one."""
    manifest = Path(f"{path}.manifest.json")
    if not manifest.exists():
        return {}
    try:
        studies = {study["label"]: dict(study) for study in json.loads(manifest.read_text("utf-8-sig"))["studies"]}
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
