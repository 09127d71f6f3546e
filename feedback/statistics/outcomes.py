"""Votes as the statistics read them: checked once, then plain arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..battles import CHOICES
from ..versions import PREFIX

if TYPE_CHECKING:
    from pandas import DataFrame, Series

REQUIRED = (
    "tester_id", "enrolment", "tester_closed", "prompt_id", "category", "left_model", "right_model", "choice",
    "left_chars", "right_chars",
)  # fmt: skip
LEFT, RIGHT, TIE, BOTH_BAD = range(4)  # places in CHOICES
VERDICTS = ("", "no", "yes")  # whether the better answer was good enough in itself; "" was not said
# As exported, and as spreadsheets write it in German, French, Spanish, Italian, Portuguese, Dutch, Polish and Russian.
_TRUE = ("1", "1.0", "1,0", "true", "wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar", "prawda", "истина")
_FALSE = ("0", "0.0", "0,0", "false", "falsch", "faux", "falso", "onwaar", "fałsz", "ложь")
_TRUTH = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)


class VotesError(ValueError):
    """A table of votes cannot be read: one line with the value, the rule and the remedy."""


# Score of model1 when it is on the left (first row) and on the right, by choice: 1 won, 0 lost, 1/2 for neither.
SCORES = np.array([[1.0, 0.0, 0.5, 0.5], [0.0, 1.0, 0.5, 0.5]])


@dataclass(frozen=True)
class TesterCounts:
    """Votes of each tester, counted: enough for every statistic but those of prompts and lengths."""

    # (G, 2, 4) by tester as enrolled, side of model1 (0 left, 1 right) and choice; every tester has a vote
    counts: NDArray[np.int64]
    closed: NDArray[np.bool_]  # (G,) whether the tester's session is closed
    excluded: tuple[tuple[str, int], ...] = ()  # what the study's rules left out, as (reason, number)
    unjudged: tuple[tuple[str, int], ...] = ()  # votes that count though a rule could not look at them, likewise

    @cached_property
    def votes(self) -> NDArray[np.int64]:
        """(G,) number of votes."""
        return np.asarray(self.counts.sum(axis=(1, 2)))

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """(G,) sum of the scores of model1."""
        return np.tensordot(self.counts, SCORES, axes=2)

    @cached_property
    def square_sums(self) -> NDArray[np.float64]:
        """(G,) sum of the squared scores of model1."""
        return np.tensordot(self.counts, SCORES**2, axes=2)

    @property
    def means(self) -> NDArray[np.float64]:
        """(G,) mean score of model1."""
        return self.sums / self.votes

    @property
    def left_means(self) -> NDArray[np.float64]:
        """(G,) mean score of the left side."""
        return np.tensordot(self.counts.sum(axis=1), SCORES[0], axes=1) / self.votes

    @property
    def shares_by_side(self) -> tuple[float | None, float | None]:
        """Mean score of model1 over all votes with it on the left, and on the right; None without any."""
        left, right = (
            float((votes * scores).sum() / votes.sum()) if votes.sum() else None
            for votes, scores in zip(self.counts.sum(axis=0), SCORES, strict=True)
        )
        return left, right

    @property
    def totals(self) -> dict[str, int]:
        """Votes for ``model1``, ``model2``, ``tie`` and ``both_bad``."""
        on_left, on_right = self.counts.sum(axis=0)
        return {
            "model1": int(on_left[LEFT] + on_right[RIGHT]),
            "model2": int(on_left[RIGHT] + on_right[LEFT]),
            "tie": int(on_left[TIE] + on_right[TIE]),
            "both_bad": int(on_left[BOTH_BAD] + on_right[BOTH_BAD]),
        }


_OF_VOTES = (
    *("prompt", "category", "model1_left", "choice", "model1_chars", "model2_chars"),
    *("turns", "flagged", "good_enough", "vote"),
)
"""The columns (N,) of Outcomes but for the testers; any of the latter may be None."""


@dataclass(frozen=True)
class Outcomes:
    """Every current vote of one study.  ``N`` votes, ``G`` testers in the order of enrolment."""

    tester: NDArray[np.int64]  # (N,) place of the vote's tester, 0 to G-1
    prompt: NDArray[np.int64]  # (N,) number of the vote's prompt; equal prompts have equal numbers
    category: NDArray[np.int64]  # (N,) place in ``categories``
    model1_left: NDArray[np.bool_]  # (N,) whether model1 was on the left
    choice: NDArray[np.int64]  # (N,) place in ``CHOICES``
    model1_chars: NDArray[np.float64]  # (N,) length of the answers, in characters
    model2_chars: NDArray[np.float64]
    closed: NDArray[np.bool_]  # (G,) whether the tester's session is closed
    categories: tuple[str, ...]  # names, sorted
    superseded: int = 0  # votes that were corrected and do not count
    turns: NDArray[np.int64] | None = None  # (N,) questions answered before the vote; None where the table does not say
    flagged: NDArray[np.bool_] | None = None  # (N,) whether an answer named its model; None where not told
    good_enough: NDArray[np.int64] | None = None  # (N,) place in ``VERDICTS``; None where nobody was asked
    # For each tester the answers on the background, by the question's id; empty where nobody was asked.
    background: tuple[dict[str, str], ...] = ()
    tester_ids: tuple[str, ...] = ()  # for each tester the opaque id of the exports
    excluded: tuple[tuple[str, int], ...] = ()  # what the study's rules left out, as (reason, number)
    unjudged: tuple[tuple[str, int], ...] = ()  # votes that count though a rule could not look at them, likewise
    vote: NDArray[np.int64] | None = None  # (N,) the vote's number; None where not asked for, or not told

    @cached_property
    def testers(self) -> TesterCounts:
        """The votes counted by tester."""
        counts = np.bincount(self._cells, minlength=len(self.closed) * 8).reshape(-1, 2, 4)
        return TesterCounts(counts, self.closed)

    @cached_property
    def _cells(self) -> NDArray[np.int64]:
        """(N,) tester, side of model1 and choice in one number."""
        return np.asarray((self.tester * 2 + ~self.model1_left) * 4 + self.choice)

    @cached_property
    def score(self) -> NDArray[np.float64]:
        """(N,) 1 where model1 won, 0 where model2 won, 1/2 for a tie and for both bad."""
        return np.asarray(SCORES[(~self.model1_left).astype(np.int64), self.choice])

    @cached_property
    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(N,) places of the votes by tester and prompt, and (C,) where in these each pair of them begins.

        Within a pair the votes keep their order.
        """
        key = self.tester * (int(self.prompt.max(initial=0)) + 1) + self.prompt
        order = np.argsort(key, kind="stable")  # in no time where they are in this order already
        return order, np.flatnonzero(np.diff(key[order], prepend=-1))

    def testers_within(self, votes: NDArray[np.bool_]) -> TesterCounts:
        """Some of the votes (N,) counted by tester; testers without any drop out."""
        counts = np.bincount(self._cells[votes], minlength=len(self.closed) * 8).reshape(-1, 2, 4)
        voted = counts.any(axis=(1, 2))
        return TesterCounts(counts[voted], self.closed[voted])

    def of_votes(self, votes: NDArray[np.bool_]) -> Outcomes:
        """The same study with some of its votes (N,) only; testers without any drop out."""
        if votes.all():
            return self
        voted = np.bincount(self.tester[votes], minlength=len(self.closed)) > 0
        place = np.cumsum(voted) - 1
        return replace(
            self,
            tester=place[self.tester[votes]],
            closed=self.closed[voted],
            background=tuple(answers for answers, kept in zip(self.background, voted, strict=False) if kept),
            tester_ids=tuple(name for name, kept in zip(self.tester_ids, voted, strict=True) if kept),
            **{name: column[votes] for name in _OF_VOTES if (column := getattr(self, name)) is not None},
        )

    @classmethod
    def from_frame(cls, votes: DataFrame, extra: Mapping[str, Any] | None = None) -> Outcomes:
        """Check a table with the columns of ``votes.csv`` (at least ``REQUIRED``) and take what counts.

        Raises VotesError.

        Args:
            votes: the table; ``turns``, ``leak_flag`` and ``superseded`` are read where they are there.
            extra: what is exported beside it: ``good_enough`` by vote_id ("yes" or "no"), ``background`` by tester_id.
        """
        if missing := [name for name in REQUIRED if name not in votes.columns]:
            raise VotesError(
                f"columns {', '.join(missing)} are missing; the file must have those of an exported votes.csv"
            )
        _one_study(votes)
        current = current_votes(votes)
        _no_second_vote(votes, current)
        _named(current)
        choice = _codes(current["choice"], CHOICES, "choice")
        left = _codes(current["left_model"], ("model1", "model2"), "left_model")
        right = _codes(current["right_model"], ("model1", "model2"), "right_model")
        if (left == right).any():
            raise VotesError(
                f"row {_row(left == right, current)}: left_model and right_model are the same; each vote compares"
                " model1 with model2"
            )
        _won(current, choice, left)
        tester, closed = _testers(current)
        prompt, _ = _factorised(current["prompt_id"].astype(str))
        category, names = _factorised(current["category"].astype(str))
        left_chars, right_chars = (_lengths(current[name]) for name in ("left_chars", "right_chars"))
        model1_left = left == 0
        flagged = "leak_flag" in current.columns
        ids = _tester_ids(current, tester)
        verdicts, background = ((extra or {}).get(name) or {} for name in ("good_enough", "background"))
        return cls(
            tester,
            prompt,
            category,
            model1_left,
            choice,
            np.where(model1_left, left_chars, right_chars),
            np.where(model1_left, right_chars, left_chars),
            closed,
            names,
            len(votes) - len(current),
            turns=_lengths(current["turns"]).astype(np.int64) if "turns" in current.columns else None,
            flagged=truth(current["leak_flag"], "leak_flag").to_numpy(bool) if flagged else None,
            good_enough=_verdicts(current, verdicts) if verdicts else None,
            background=tuple(background.get(name, {}) for name in ids) if any(background.values()) else (),
            tester_ids=ids,
            vote=_numbers(current),
        )


def _verdicts(current: DataFrame, verdicts: Mapping[str, str]) -> NDArray[np.int64]:
    """(N,) place in ``VERDICTS`` of each vote; a vote that is not named was not asked about."""
    if "vote_id" not in current.columns:
        raise VotesError("the column vote_id is missing, which the file of good-enough answers refers to")
    said = [verdicts.get(str(vote), "") for vote in current["vote_id"]]
    if unknown := set(said) - set(VERDICTS):
        raise VotesError(f"good_enough = {unknown.pop()!r} is unknown; it must be yes or no")
    return np.array([VERDICTS.index(value) for value in said], np.int64)


def _numbers(current: DataFrame) -> NDArray[np.int64] | None:
    """(N,) number of each vote; None where the table has none, or others than whole ones."""
    from pandas import to_numeric

    if "vote_id" not in current.columns:
        return None
    numbers = to_numeric(current["vote_id"], errors="coerce").to_numpy(np.float64)
    return numbers.astype(np.int64) if np.isfinite(numbers).all() and (numbers == numbers.round()).all() else None


def _tester_ids(current: DataFrame, tester: NDArray[np.int64]) -> tuple[str, ...]:
    places, first = np.unique(tester, return_index=True)
    names = current["tester_id"].astype(str).to_numpy()
    return tuple(str(names[row]) for row in first) if len(places) else ()


def _one_study(votes: DataFrame) -> None:
    if "study" in votes.columns and votes["study"].nunique() > 1:
        labels = ", ".join(f"{label} ({n} votes)" for label, n in votes["study"].value_counts().items())
        raise VotesError(f"votes of several studies are mixed: {labels}; choose one with --study")
    for model in ("model1", "model2"):  # also where somebody gave two studies one name, or none
        versions = versions_in(votes, model)
        if len(versions) > 1:
            found = ", ".join(f"{version} ({n} votes)" for version, n in versions.items())
            raise VotesError(f"votes on several versions of {model} are mixed: {found}; keep the rows of one")


def versions_in(votes: DataFrame, model: str) -> dict[str, int]:
    """The versions of a model in a table of votes, with the votes on each; empty where it tells none."""
    if f"{model}_version" not in votes.columns:
        return {}
    named = votes[f"{model}_version"].astype(str)
    return {str(version): int(n) for version, n in named[named.str.startswith(PREFIX)].value_counts().items()}


def _no_second_vote(votes: DataFrame, current: DataFrame) -> None:
    for name in ("vote_id", "battle_id"):
        if name in current.columns and (twice := current[name].duplicated().to_numpy()).any():
            value = current[name].to_numpy()[twice][0]
            raise VotesError(f"{name} {value} has two current votes; a battle has one, so remove the doubled rows")
    if "vote_id" in votes.columns and (twice := votes["vote_id"].duplicated().to_numpy()).any():
        value = votes["vote_id"].to_numpy()[twice][0]
        raise VotesError(f"row {_row(twice, votes)}: vote_id = {value!r} is there twice; remove the doubled row")


def _won(votes: DataFrame, choice: NDArray[np.int64], left: NDArray[np.int64]) -> None:
    """Refuse a row that names another winner than its choice: a program has moved a column without the others."""
    if "winner_model" not in votes.columns:
        return
    winners = np.array([["model1", "model2", "tie", "both_bad"], ["model2", "model1", "tie", "both_bad"]])
    wrong = votes["winner_model"].astype(str).str.strip().str.lower().to_numpy(str) != winners[left, choice]
    if wrong.any():
        first = votes[wrong].iloc[0]
        cells = ", ".join(f"{name} = {str(first[name])!r}" for name in ("left_model", "choice", "winner_model"))
        raise VotesError(
            f"row {_row(wrong, votes)}: {cells} contradict each other; a program sorted or changed one column without"
            " the others, so export the file again"
        )


# What a spreadsheet writes where it could not compute a cell, in English, German, French and Spanish.
_ERROR = re.compile(r"\s*#(?:N/?[AVD]|[A-ZÄÖÜÁÉÍÓÚ]+[!?]|DIV/0!|¡[^!]+!|¿[^?]+\?)\s*")


def _named(votes: DataFrame) -> None:
    """Refuse a row that is of nobody, or on nothing: all such rows would count as those of one tester or question."""
    for name in ("tester_id", "prompt_id", "category"):
        wrong = [value for value in votes[name].unique() if not str(value).strip() or _ERROR.fullmatch(str(value))]
        if wrong:
            row = _row((votes[name] == wrong[0]).to_numpy(bool), votes)
            raise VotesError(
                f"row {row}: {name} = {str(wrong[0])!r} names nothing; export the file again and import it with its"
                " columns as text"
            )


def _row(where: NDArray[np.bool_], table: DataFrame | Series) -> int:
    """The first row where something holds, as a reader counts (from 1, the header left out), of all that a file has."""
    place = int(np.argmax(where))
    label = table.index[place]
    return int(label) + 1 if isinstance(label, (int, np.integer)) else place + 1


def _factorised(column: Series) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    names, codes = np.unique(column.to_numpy(dtype=object).astype(str), return_inverse=True)
    return codes.astype(np.int64), tuple(str(name) for name in names)


def _codes(column: Series, allowed: tuple[str, ...], name: str) -> NDArray[np.int64]:
    codes = column.map({value: place for place, value in enumerate(allowed)})
    if (unknown := codes.isna().to_numpy()).any():
        value = column.to_numpy()[unknown][0]
        raise VotesError(
            f"row {_row(unknown, column)}: {name} = {str(value)!r} is unknown; it must be one of {', '.join(allowed)}"
        )
    return np.asarray(codes, dtype=np.int64)


def current_votes(votes: DataFrame) -> DataFrame:
    """The rows of a table that are not taken back."""
    if "superseded" not in votes.columns:
        return votes
    return votes[~truth(votes["superseded"], "superseded").to_numpy(bool)]


def truth(column: Series, name: str) -> Series:
    """A column of flags as booleans; VotesError for anything but 1 and 0, true and false."""
    flags = column.map(lambda value: _TRUTH.get(str(value).strip().lower()))
    if (unknown := flags.isna().to_numpy()).any():
        value = column.to_numpy()[unknown][0]
        raise VotesError(f"row {_row(unknown, column)}: {name} = {str(value)!r} is unknown; it must be 1 or 0")
    return flags.astype(bool)


def _lengths(column: Series) -> NDArray[np.float64]:
    from pandas import to_numeric

    values = to_numeric(column, errors="coerce").to_numpy(np.float64)
    if (wrong := ~(values >= 0) | np.isinf(values)).any():
        value: Any = column.to_numpy()[wrong][0]
        unit = "a number of characters, 0 or more" if str(column.name).endswith("chars") else "a number, 0 or more"
        raise VotesError(f"row {_row(wrong, column)}: {column.name} = {str(value)!r} must be {unit}")
    return values


def _testers(current: DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Place of each vote's tester in the order of enrolment, and whether each tester is closed."""
    from pandas import DataFrame, to_numeric

    enrolment = to_numeric(current["enrolment"], errors="coerce")
    if (wrong := enrolment.isna().to_numpy()).any():
        value = current["enrolment"].to_numpy()[wrong][0]
        raise VotesError(f"row {_row(wrong, current)}: enrolment = {str(value)!r} must be a whole number")
    table = DataFrame(
        {
            "tester": current["tester_id"].astype(str).to_numpy(),
            "enrolment": enrolment.to_numpy(),
            "closed": truth(current["tester_closed"], "tester_closed").to_numpy(bool),
        }
    )
    distinct = table.drop_duplicates()
    for column, other in (("tester", "enrolment or tester_closed"), ("enrolment", "tester_id")):
        if (twice := distinct[column].duplicated().to_numpy()).any():
            value = distinct[column].to_numpy()[twice][0]
            raise VotesError(
                f"{'tester_id' if column == 'tester' else column} {value} has more than one {other};"
                " the rows contradict each other"
            )
    distinct = distinct.sort_values("enrolment", kind="stable")
    places = dict(zip(distinct["tester"], range(len(distinct)), strict=True))
    tester = table["tester"].map(places).to_numpy(np.int64) if len(table) else np.zeros(0, np.int64)
    return tester, distinct["closed"].to_numpy(bool)
