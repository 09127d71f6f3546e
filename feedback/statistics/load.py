"""Where the statistics get their votes: the database, or an exported file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..assignment import MODELS
from ..battles import CHOICES
from ..database import Database
from ..study import Exclusion
from ..versions import versions
from .exclusion import NOTHING, exclude, keep_testers, left_out, of_votes, rules_of
from .outcomes import Outcomes, TesterCounts, VotesError
from .patterns import in_force, left_out_by_patterns, read_traces, unjudged_by_patterns

if TYPE_CHECKING:
    from pandas import DataFrame

_CHOICE_CODE = "CASE choice " + " ".join(f"WHEN '{choice}' THEN {code}" for code, choice in enumerate(CHOICES)) + " END"
_INDEXED = "FROM votes INDEXED BY votes_outcomes WHERE study_id = ? AND superseded = 0"
_BY_ID = "FROM votes NOT INDEXED WHERE study_id = ? AND superseded = 0"
_ASKED = "FROM votes INDEXED BY votes_good_enough WHERE study_id = ? AND superseded = 0 AND good_enough IS NOT NULL"
_FIELDS = {
    "tester": "tester_id",
    "prompt": "prompt_id",
    "model1_left": "(left_model = 'model1')",
    "choice": _CHOICE_CODE,
    "left_chars": "left_chars",
    "right_chars": "right_chars",
    "turns": "turns",
    "flagged": "leak_flag",
}
# Bits that a field of a vote is expected to take, and whether all lengths and turns take no more.
_WIDTHS = {"model1_left": 1, "choice": 2, "left_chars": 13, "right_chars": 13, "turns": 4, "flagged": 1}
_WIDTHS |= {"too_fast": 2, "too_short": 2, "good_enough": 2}
_UNKNOWN = 2  # whether a vote was too fast, where no time was measured
_FITS = "ifnull(MAX(left_chars | right_chars | (turns << 9)) < 8192, 1)"


@dataclass(frozen=True)
class StudyVotes:
    """What :func:`~feedback.statistics.summary` needs of one study; ``id`` and ``label`` are None without a study.

    ``versions`` are those of the weights that answered, by model, as far as they are known; ``notes`` what somebody who
    reads an exported file has to know of it, and ``study_hash`` that of its manifest.
    """

    id: int | None
    label: str | None
    alpha: float
    outcomes: Outcomes
    guesses: DataFrame | None
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    study_hash: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """Which study these votes are of, and which weights they are on."""
        return {"label": self.label, "models": {model: self.versions.get(model) or None for model in MODELS}}


def choose_study(connection: sqlite3.Connection, label: str | None = None) -> sqlite3.Row | None:
    """The named study's row, else the only one with votes, else the latest; None without any. Raises VotesError."""
    studies: list[sqlite3.Row] = connection.execute(
        "SELECT *, (SELECT COUNT(*) FROM votes WHERE study_id = studies.id AND superseded = 0) AS n FROM studies"
        " ORDER BY id DESC"
    ).fetchall()
    known = ", ".join(f'"{study["label"]}" ({study["n"]} votes)' for study in studies) or "none"
    if label is not None:
        for study in studies:
            if label == study["label"]:
                return study
        raise VotesError(f'study "{label}" is unknown; the database has {known}')
    voted = [study for study in studies if study["n"]]
    if len(voted) > 1:
        raise VotesError(f"votes of several studies are in the database: {known}; choose one with --study")
    return next(iter(voted or studies), None)


def load_study(database: Database, label: str | None = None, alpha: float | None = None) -> StudyVotes:
    """One study's votes and guesses; ``alpha`` is the study's unless given. Raises VotesError."""
    connection = database.connection
    study = choose_study(connection, label)
    if study is None:
        return StudyVotes(None, None, alpha or 0.05, load_outcomes(connection, 0), None)
    rules = rules_of(study["definition"])
    outcomes = load_outcomes(connection, study["id"], rules)
    return StudyVotes(
        study["id"],
        study["label"],
        alpha or study["alpha"],
        outcomes,
        of_testers(load_guesses(connection, study["id"]), outcomes, rules),
        versions(json.loads(study["models"])),
    )


def load_outcomes(
    connection: sqlite3.Connection, study_id: int, rules: Exclusion = NOTHING, *, numbered: bool = False
) -> Outcomes:
    """What :func:`~feedback.statistics.summary` needs of a study's votes, from the covering index alone.

    The table itself is read only where a rule or an answer of the testers needs what the index does not hold, or
    where the votes' numbers are asked for. Raises VotesError.
    """
    cursor = connection.cursor()
    cursor.row_factory = None
    fields = _FIELDS | ({"vote": "id"} if numbered else {})
    if asked := cursor.execute(f"SELECT EXISTS (SELECT 1 {_ASKED})", [study_id]).fetchone()[0]:
        fields["good_enough"] = "ifnull(good_enough + 1, 0)"
    if rules.min_vote_seconds > 0:
        fields["too_fast"] = f"ifnull(vote_seconds < {rules.min_vote_seconds!r}, {_UNKNOWN})"
    if rules.min_seen_seconds > 0:
        fields["too_short"] = f"ifnull(MIN(left_seen, right_seen) < {rules.min_seen_seconds!r}, {_UNKNOWN})"
    by_id = fields != _FIELDS or in_force(rules)
    votes = _vote_columns(cursor, study_id, fields, _BY_ID if by_id else _INDEXED)
    cells = votes["tester"] << 32 | votes["prompt"]
    if not by_id and (cells[1:] == cells[:-1]).any():
        votes = _vote_columns(cursor, study_id, fields, _BY_ID)  # agreement takes the first vote of a doubled cell
    testers = _Testers.of_study(cursor, study_id)
    tester, found = testers.places(votes["tester"])
    prompts, prompt = _distinct(votes["prompt"])
    category_of = dict(cursor.execute("SELECT id, category FROM prompts WHERE study_id = ?", [study_id]))
    if not found or not category_of.keys() >= set(prompts.tolist()):
        raise VotesError("votes of testers or prompts that are missing; python -m feedback check lists the damage")
    names, category = np.unique([category_of[int(key)] for key in prompts] or np.zeros(0, str), return_inverse=True)
    model1_left = votes["model1_left"] == 1
    left_chars, right_chars = votes["left_chars"].astype(float), votes["right_chars"].astype(float)
    voted, tester = _distinct(tester)
    outcomes = Outcomes(
        tester,
        prompt,
        category[prompt],
        model1_left,
        votes["choice"],
        np.where(model1_left, left_chars, right_chars),
        np.where(model1_left, right_chars, left_chars),
        testers.closed[voted],
        tuple(str(name) for name in names),
        count_superseded(connection, study_id),
        turns=votes["turns"],
        flagged=votes["flagged"] == 1,
        good_enough=votes["good_enough"] if asked else None,
        background=testers.background(voted),
        tester_ids=tuple(testers.codes[place] for place in voted),
        vote=votes["vote"] if numbered else None,
    )
    rule_of = {"too_fast": "min_vote_seconds", "too_short": "min_seen_seconds"}
    masks = {rule: votes[field] == 1 for field, rule in rule_of.items() if field in votes}
    unknown = {rule: votes[field] == _UNKNOWN for field, rule in rule_of.items() if field in votes}
    if in_force(rules):
        traces = read_traces(connection, study_id)
        masks |= left_out_by_patterns(traces, rules)
        unknown |= unjudged_by_patterns(traces, rules)
    return exclude(outcomes, rules, masks, unknown)


def count_superseded(connection: sqlite3.Connection, study_id: int) -> int:
    """Votes of a study that were taken back or given anew."""
    counted = "SELECT COUNT(*) FROM votes WHERE study_id = ? AND superseded = 1"
    return int(connection.execute(counted, [study_id]).fetchone()[0])


@dataclass(frozen=True)
class _Testers:
    """The testers of a study in the order of enrolment: keys, whether closed, codes, backgrounds as JSON or None."""

    keys: NDArray[np.int64]
    closed: NDArray[np.bool_]
    codes: tuple[str, ...]
    backgrounds: tuple[str | None, ...]

    @classmethod
    def of_study(cls, cursor: sqlite3.Cursor, study_id: int, texts: bool = True) -> _Testers:
        """``texts``: whether codes and backgrounds are needed."""
        more = ", code, NULLIF(background, '{}')" if texts else ""
        rows = cursor.execute(
            f"SELECT id, closed_at IS NOT NULL{more} FROM testers WHERE study_id = ? ORDER BY enrolment", [study_id]
        ).fetchall()
        keys, closed, *others = zip(*rows, strict=True) if rows else ((), ())
        codes, backgrounds = others or ((), ())
        return cls(np.array(keys, np.int64), np.array(closed, bool), codes, backgrounds)

    def places(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
        """Place of each key, and whether all of them are known."""
        table = np.full(int(max(self.keys.max(initial=0), keys.max(initial=0))) + 1, -1, np.int64)
        table[self.keys] = np.arange(len(self.keys))
        places = table[keys]
        return places, bool((places >= 0).all())

    def background(self, places: NDArray[np.int64]) -> tuple[dict[str, str], ...]:
        """Each of these testers' answers; empty when none of them gave any."""
        texts = [self.backgrounds[place] for place in places]
        return tuple(json.loads(text) if text else {} for text in texts) if any(texts) else ()


def _distinct(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``np.unique`` with the inverse, for keys that are small enough to be counted instead of sorted."""
    present = np.bincount(keys, minlength=1) > 0
    return np.flatnonzero(present), (np.cumsum(present) - 1)[keys]


def _vote_columns(
    cursor: sqlite3.Cursor, study_id: int, fields: dict[str, str], source: str
) -> dict[str, NDArray[np.int64]]:
    """The fields of the current votes, read once where lengths and turns are as small as most are, else again."""
    largest = ("(SELECT MAX(id) FROM testers)", "(SELECT MAX(id) FROM prompts)", "(SELECT MAX(id) FROM votes)")
    newest = cursor.execute(f"SELECT {', '.join(largest)}").fetchone()
    numbers = zip(("tester", "prompt", "vote"), newest, strict=True)
    widths = _WIDTHS | {name: int(number or 1).bit_length() for name, number in numbers}
    columns, fits = _columns(cursor, fields, widths, source, [study_id], _FITS)
    if not fits:
        chars, turns = cursor.execute(
            f"SELECT MAX(left_chars | right_chars), MAX(turns) {_INDEXED}", [study_id]
        ).fetchone()
        widths |= dict.fromkeys(("left_chars", "right_chars"), chars.bit_length()) | {"turns": turns.bit_length()}
        columns, _ = _columns(cursor, fields, widths, source, [study_id])
    return columns


def _columns(
    cursor: sqlite3.Cursor,
    fields: dict[str, str],
    widths: dict[str, int],
    source: str,
    parameters: Any,
    also: str = "NULL",
) -> tuple[dict[str, NDArray[np.int64]], Any]:
    """Columns of ``source``, each as an array, and the value of ``also``.

    All values of the columns are whole numbers from 0 of at most so many bits.

    SQLite packs several small numbers into one and writes them as one text that numpy parses: what a million rows
    cost is the objects that Python would make of them.
    """
    packs: list[list[str]] = [[]]  # names, at most 62 bits together
    for name in fields:
        if sum(widths[other] for other in packs[-1]) + widths[name] > 62:
            packs.append([])
        packs[-1].append(name)
    expressions = []
    for pack in packs:
        expression = fields[pack[0]]
        for name in pack[1:]:
            expression = f"(({expression}) << {widths[name]} | {fields[name]})"
        expressions.append(f"group_concat({expression}, ' ')")
    *texts, besides = cursor.execute(f"SELECT {', '.join(expressions)}, {also} {source}", parameters).fetchone()
    columns: dict[str, NDArray[np.int64]] = {}
    for pack, text in zip(packs, texts, strict=True):
        rest = np.fromstring(text or "", np.int64, sep=" ")
        for name in reversed(pack):
            columns[name] = rest & ((1 << widths[name]) - 1)
            rest >>= widths[name]
    return columns, besides


def load_counts(connection: sqlite3.Connection, study: sqlite3.Row) -> tuple[TesterCounts, dict[str, TesterCounts]]:
    """A study's votes by tester, in all and by category, by its rules: from the tally unless a rule needs the votes."""
    rules = rules_of(study["definition"])
    if not of_votes(rules):
        return load_tally(connection, study["id"], rules)
    outcomes = load_outcomes(connection, study["id"], rules)
    categories = {
        name: outcomes.testers_within(outcomes.category == place) for place, name in enumerate(outcomes.categories)
    }
    return replace(outcomes.testers, excluded=outcomes.excluded, unjudged=outcomes.unjudged), categories


def excluded_testers(connection: sqlite3.Connection, study_id: int, rules: Exclusion) -> dict[str, str]:
    """The opaque id of each tester whom a rule on testers leaves out, with the wording of the first that does."""
    if rules.min_votes == NOTHING.min_votes and rules.max_same_side == NOTHING.max_same_side:
        return {}
    of_single_votes = replace(rules, min_votes=NOTHING.min_votes, max_same_side=NOTHING.max_same_side)
    outcomes = load_outcomes(connection, study_id, of_single_votes)
    return {
        outcomes.tester_ids[place]: wording
        for wording, mask in left_out(outcomes.testers, rules)
        for place in np.flatnonzero(mask)
    }


def load_tally(
    connection: sqlite3.Connection, study_id: int, rules: Exclusion = NOTHING
) -> tuple[TesterCounts, dict[str, TesterCounts]]:
    """The running tallies of a study: in all, and by category; without reading a vote.

    Only the rules on testers are applied; see :func:`~feedback.statistics.exclusion.of_votes` for the others.
    """
    cursor = connection.cursor()
    cursor.row_factory = None
    names = [
        row[0]
        for row in cursor.execute("SELECT DISTINCT category FROM prompts WHERE study_id = ? ORDER BY 1", [study_id])
    ]
    codes = " ".join(f"WHEN :category{code} THEN {code}" for code in range(len(names)))
    counters = [f"{side}_{choice}" for side in "lr" for choice in CHOICES]
    fields = {"tester": "tester_id", "category": f"CASE category {codes} END" if names else "0"}
    fields |= {counter: counter for counter in counters}
    newest, rounds = cursor.execute(
        "SELECT (SELECT MAX(id) FROM testers), (SELECT rounds FROM studies WHERE id = ?)", [study_id]
    ).fetchone()
    widths = dict.fromkeys(counters, int(rounds or 1).bit_length())  # no tester votes more often
    widths |= {"tester": int(newest or 1).bit_length(), "category": max(1, len(names)).bit_length()}
    parameters = {"study": study_id} | {f"category{code}": name for code, name in enumerate(names)}
    tally, _ = _columns(cursor, fields, widths, "FROM tallies WHERE study_id = :study", parameters)
    testers = _Testers.of_study(cursor, study_id, texts=False)
    tester, _ = testers.places(tally["tester"])
    counts = np.zeros((len(testers.keys), max(1, len(names)), 8), np.int64)
    for number, counter in enumerate(counters):
        counts[tester, tally["category"], number] = tally[counter]
    return _kept(counts, testers.closed, names, rules)


def _kept(
    counts: NDArray[np.int64], closed: NDArray[np.bool_], names: list[str], rules: Exclusion
) -> tuple[TesterCounts, dict[str, TesterCounts]]:
    """Counters (G, categories, 8) as counts, without testers who have no vote or whom a rule leaves out."""

    def of(some: NDArray[np.int64], closed: NDArray[np.bool_]) -> TesterCounts:
        voted = some.any(axis=1)
        return TesterCounts(some[voted].reshape(-1, 2, 4), closed[voted])

    total = counts.sum(axis=1)
    voted = total.any(axis=1)
    counts, closed, total = counts[voted], closed[voted], total[voted]
    keep, excluded = keep_testers(TesterCounts(total.reshape(-1, 2, 4), closed), rules)
    counts, closed, total = counts[keep], closed[keep], total[keep]
    by_category = {name: of(counts[:, place], closed) for place, name in enumerate(names) if counts[:, place].any()}
    return replace(of(total, closed), excluded=excluded), by_category


def load_guesses(connection: sqlite3.Connection, study_id: int) -> DataFrame:
    """One row a tester who guessed, with the ``left_model`` of the round that the ``answer`` is about."""
    from pandas import DataFrame

    rows = connection.execute(
        "SELECT code, answer, left_model FROM guesses JOIN testers ON testers.id = guesses.tester_id"
        " JOIN battles ON battles.id = guesses.battle_id WHERE testers.study_id = ? ORDER BY testers.id",
        [study_id],
    )
    return DataFrame(map(tuple, rows), columns=["tester_id", "answer", "left_model"])


def of_testers(guesses: DataFrame, outcomes: Outcomes, rules: Exclusion) -> DataFrame:
    """The guesses of testers whom the rules keep."""
    return guesses if rules == NOTHING else guesses[guesses["tester_id"].isin(outcomes.tester_ids)]
