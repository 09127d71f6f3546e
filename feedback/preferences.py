"""What a model can learn from a study's votes: which answer was preferred, how much that counts, what is held back.

Only votes that count in the statistics are here: none that was taken back, none that the study's rules leave out, none
of anybody who withdrew. A vote for a side is a pair; a tie or "both bad" is two single answers, desirable or not. A
vote weighs by how many of its question's testers chose alike, and no tester weighs more than a share of all. By hash
some testers and some questions are held back, with all votes of theirs, to see what was learned.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .assignment import MODELS
from .battles import winner
from .database import Database
from .export.formats import SIDES, conversations, json_line
from .statistics.csv_file import read_csv, read_study_csv
from .statistics.exclusion import rules_of
from .statistics.load import choose_study, load_outcomes
from .statistics.outcomes import VotesError
from .versions import PREFIX

KIND, VERSION = "diptych-preferences", 1
HELD_OUT = 0.15
"""Share of the testers, and of the questions, whose votes are held back: together about a quarter of the votes."""
TESTER_SHARE = 0.05
"""Of all weight, what one tester has at most; where testers are few, twice an equal share."""
UNTOLD_CONSENT = (
    "nothing says that testers agreed to a model being trained on their votes; a study whose text says so has"
    " consent.training = true from its first vote on"
)


@dataclass(frozen=True)
class Preferences:
    """The header and the records of a file of preferences, as ``docs/training.md`` explains their keys."""

    header: dict[str, Any]
    records: list[dict[str, Any]]
    notes: tuple[str, ...] = ()  # on the file that they were read from

    def lines(self) -> Iterator[bytes]:
        """As JSON Lines, the header first."""
        for entry in (self.header, *self.records):
            yield json_line(entry).encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class _Judged:
    """A vote that counts: who gave it, on which question, and what was said to both models and by them."""

    vote: int
    tester: str
    prompt_id: str
    category: str
    outcome: str  # model1, model2, tie or both_bad
    questions: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...]]
    ended: Mapping[str, bool]


def preferences(database: Database, label: str | None = None, model: str = "model2") -> Preferences:
    """The preferences that a study's votes tell, for a model that is to learn from them. Raises VotesError."""
    connection = database.connection
    study = choose_study(connection, label)
    if study is None:
        raise VotesError(f"{database.path} has no study yet; collect votes with `python app.py` first")
    outcomes = load_outcomes(connection, study["id"], rules_of(study["definition"]), numbered=True)
    assert outcomes.vote is not None
    counted = set(outcomes.vote.tolist())
    asked = connection.execute(
        "SELECT votes.id, prompts.prompt_id, category FROM votes JOIN prompts ON prompts.id = votes.prompt_id"
        " WHERE votes.study_id = ?",
        [study["id"]],
    )
    first_questions = {vote: (name, category) for vote, name, category in asked}
    judged = [
        _Judged(
            *(talk.vote["vote_id"], talk.vote["tester_code"], *first_questions[talk.vote["vote_id"]]),
            talk.model(talk.choice) if talk.choice in SIDES else talk.choice,
            talk.questions,
            {talk.model(side): talk.answers(side) for side in SIDES},
            {talk.model(side): talk.ended(side) for side in SIDES},
        )
        for talk in conversations(connection, study["id"])
        if talk.vote["vote_id"] in counted
    ]
    withdrawn, open_sessions = connection.execute(
        "SELECT COALESCE(SUM(withdrawn_votes), 0), SUM(closed_at IS NULL) FROM testers WHERE study_id = ?",
        [study["id"]],
    ).fetchone()
    described = json.loads(study["models"])
    header = {
        "study": study["label"],
        "study_hash": study["study_hash"],
        "model_hashes": {name: (described.get(name) or {}).get("sha256") for name in MODELS},
        "running": study["closed_at"] is None or bool(open_sessions),
        "consent_training": json.loads(study["definition"]).get("consent_training", False),
    }
    left_out = {"votes taken back or given anew": outcomes.superseded, "votes of testers who withdrew": withdrawn}
    return _made(header, judged, left_out | dict(outcomes.excluded), model)


def preferences_csv(path: str | Path, label: str | None = None, model: str = "model2") -> Preferences:
    """The same from an exported ``votes.csv`` and what lies beside it.

    It tells no more than the first digits of the weights' hashes, and holds no turns apart: votes after several
    questions are left out. Raises VotesError.
    """
    study = read_study_csv(path, label)
    votes = read_csv(path)
    if missing := [name for name in ("vote_id", "prompt", "left_text", "right_text") if name not in votes.columns]:
        raise VotesError(f"{path}: columns {', '.join(missing)} are missing, which learning needs; export it again")
    if study.outcomes.vote is None:
        raise VotesError(f"{path}: a vote_id is no whole number; export it again")
    counted, several, judged = set(study.outcomes.vote.tolist()), 0, []
    for row in votes.to_dict("records"):
        if int(float(row["vote_id"])) not in counted or ("study" in row and study.label not in (None, row["study"])):
            continue
        if float(row.get("turns", 1)) > 1:
            several += 1
            continue
        sides = {row["left_model"]: (row["left_text"],), row["right_model"]: (row["right_text"],)}
        judged.append(
            _Judged(
                *(int(float(row["vote_id"])), str(row["tester_id"]), str(row["prompt_id"]), str(row["category"])),
                *(winner(row["left_model"], row["choice"]), (row["prompt"],), sides, dict.fromkeys(sides, True)),
            )
        )
    is_known = re.fullmatch("[0-9a-f]{64}", study.study_hash)
    header = {
        "study": study.label,
        "study_hash": study.study_hash if is_known else hashlib.sha256(str(study.label).encode()).hexdigest(),
        "model_hashes": {name: (study.versions.get(name) or "").removeprefix(PREFIX) or None for name in MODELS},
        "running": not study.outcomes.closed.all(),
        "consent_training": None,
    }
    left_out = {
        "votes taken back or given anew": study.outcomes.superseded,
        "votes after several questions, whose turns votes.csv does not hold apart": several,
    }
    return replace(_made(header, judged, left_out | dict(study.outcomes.excluded), model), notes=study.notes)


def _made(header: dict[str, Any], judged: Sequence[_Judged], left_out: Mapping[str, int], model: str) -> Preferences:
    """All votes that count as records, with the header that says where they are from."""
    same = [vote for vote in judged if vote.answers["model1"] == vote.answers["model2"]]
    kept = [vote for vote in judged if vote.answers["model1"] != vote.answers["model2"]]
    agreement, held = _agreement(kept), _held_out(kept, header["study_hash"])
    weights: dict[int, float] = {}
    for is_held in (False, True):
        for is_pair in (False, True):
            part = [vote for vote in kept if (vote.vote in held) is is_held and (vote.outcome in MODELS) is is_pair]
            weights |= _capped({vote.vote: agreement[vote.vote] for vote in part}, part)
    records = [
        record | {"weight": round(weights[vote.vote], 6), "tester": vote.tester}
        | {"split": "held_out" if vote.vote in held else "train"}
        | ({"held_out_by": held[vote.vote]} if vote.vote in held else {})
        for vote in kept
        for record in _records(vote, model)
    ]  # fmt: skip
    left_out = {**left_out, "votes on two answers that are the same": len(same)}
    digest = hashlib.sha256()
    for vote in judged:
        digest.update(json.dumps([vote.vote, vote.tester, vote.outcome, vote.questions, vote.answers]).encode())
    return Preferences(
        {
            "kind": KIND,
            "version": VERSION,
            **header,
            "votes_hash": digest.hexdigest(),
            "model": model,
            "n_votes": len(judged),
            "n_pairs": sum(vote.outcome in MODELS for vote in kept),
            "n_testers": len({vote.tester for vote in judged}),
            "outcomes": dict(Counter(vote.outcome for vote in judged)),
            "left_out": {reason: n for reason, n in left_out.items() if n},
        },
        records,
    )


def _records(vote: _Judged, model: str) -> Iterator[dict[str, Any]]:
    """A pair, or each answer for itself where neither was preferred."""

    def said(author: str | None) -> Any:
        """The answer; after several questions the conversation from the first answer on, since the sides differ."""
        if author is None or len(vote.questions) == 1:
            return None if author is None else vote.answers[author][0]
        return [
            {"role": role, "content": content}
            for question, answer in zip(vote.questions, vote.answers[author], strict=True)
            for role, content in (("user", question), ("assistant", answer))
        ][1:]

    def record(name: str, chosen: str | None, rejected: str | None, outcome: str) -> dict[str, Any]:
        authors = [author for author in (chosen, rejected) if author]
        return {
            "id": name,
            "prompt_id": vote.prompt_id,
            "category": vote.category,
            "prompt": [{"role": "user", "content": vote.questions[0]}],
            "chosen": said(chosen),
            "rejected": said(rejected),
            "outcome": outcome,
            "chosen_author": chosen,
            "rejected_author": rejected,
            "chosen_ended": vote.ended[chosen] if chosen else None,
            "rejected_ended": vote.ended[rejected] if rejected else None,
            "on_policy": authors[0] == model,
        }

    if vote.outcome in MODELS:
        loser = next(name for name in MODELS if name != vote.outcome)
        yield record(f"v{vote.vote}", vote.outcome, loser, "win")
        return
    for author in MODELS:
        liked, disliked = (author, None) if vote.outcome == "tie" else (None, author)
        yield record(f"v{vote.vote}-{author}", liked, disliked, vote.outcome)


def _agreement(judged: Sequence[_Judged]) -> dict[int, float]:
    """By vote, the share of its question's testers who chose as it does; one who chose neither side counts half."""
    by_question: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for vote in judged:
        by_question[vote.prompt_id][vote.tester].append(vote.outcome)
    shares: dict[str, dict[str, float]] = {}
    for question, testers in by_question.items():
        shares[question] = defaultdict(float)
        for own in testers.values():
            for outcome in own:
                shares[question][outcome] += 1 / (len(own) * len(testers))

    def alike(outcome: str, other: str) -> float:
        return 1.0 if outcome == other else 0.0 if {outcome, other} == set(MODELS) else 0.5

    return {
        vote.vote: sum(share * alike(vote.outcome, other) for other, share in shares[vote.prompt_id].items())
        for vote in judged
    }


def _capped(weights: dict[int, float], judged: Sequence[_Judged]) -> dict[int, float]:
    """The weights, those of each tester scaled down to ``TESTER_SHARE`` of all that is left, or to twice an equal share
    where testers are few."""
    totals: dict[str, float] = defaultdict(float)
    for vote in judged:
        totals[vote.tester] += weights[vote.vote]
    share = max(TESTER_SHARE, 2 / max(1, len(totals)))
    most = float("inf")
    if share < 1:
        rising = sorted(totals.values())
        for n_capped in range(int(1 / share) + 1):  # so many of the loudest have the share exactly
            rest = sum(rising[: len(rising) - n_capped])
            most = share * rest / (1 - n_capped * share) if n_capped * share < 1 else most
            if n_capped == len(rising) or rising[-n_capped - 1] <= most:
                break
    return {vote.vote: weights[vote.vote] * min(1.0, most / totals[vote.tester]) for vote in judged}


def _held_out(judged: Sequence[_Judged], study_hash: str) -> dict[int, str]:
    """By vote that is held back, why: its tester is, its question is, or both."""

    def chosen(names: Iterable[str], kind: str) -> set[str]:
        def place(name: str) -> bytes:
            return hashlib.sha256(f"{study_hash}:{kind}:{name}".encode()).digest()

        ranked = sorted(set(names), key=place)
        return set(ranked[: int(HELD_OUT * len(ranked) + 0.5)])

    testers = chosen((vote.tester for vote in judged), "tester")
    questions = chosen((vote.prompt_id for vote in judged), "question")
    why = {(True, True): "both", (True, False): "tester", (False, True): "question"}
    reasons = {vote.vote: why.get((vote.tester in testers, vote.prompt_id in questions)) for vote in judged}
    return {vote: reason for vote, reason in reasons.items() if reason}
