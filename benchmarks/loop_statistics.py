"""What the loop claims of a second blind test, and how often it would claim it wrongly. Its testers are simulated."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simulated_testers import Clock, Question, Voter, one, population, study_of, vote
from feedback.battles import CHOICES, Answer
from feedback.blind_test import BlindTest
from feedback.database import Database
from feedback.statistics import load_study, summary
from feedback.statistics.anytime import anytime
from feedback.statistics.bias import length_controlled
from feedback.statistics.outcomes import Outcomes
from feedback.statistics.preference import mean_of_testers
from training.evaluation.preference import LEAST_PAIRS, LEAST_TESTERS, accuracy

DRAWS = 400
MODELS = ("model1", "model2")

# -- what is claimed ---------------------------------------------------------------------------------------------------


def new_share(outcomes: Outcomes, seed: int = 0) -> dict[str, Any]:
    """The share that prefers model2, which in a second test is the new model, with intervals, and at equal length.

    ``claim`` is what the results page claims: the anytime interval leaves out one half.
    """
    found = summary(outcomes)
    ever = found["anytime"]
    low, high = (None if ever[side] is None else 1 - ever[side] for side in ("ci_high", "ci_low"))
    claim = "none"
    if low is not None and high is not None and not low <= 0.5 <= high:
        claim = "better" if low > 0.5 else "worse"
    equal = at_equal_length(outcomes, seed)
    return {
        "votes": found["n_votes"],
        "testers": found["n_testers"],
        "counts": found["counts"],
        "share": 1 - found["preference"]["estimate"],
        "interval": _turned(found["preference"]),
        "anytime": [low, high],
        "claim": claim,
        "at_equal_length": equal,
        "length_alone": claim != "none" and _length_alone(claim, equal),
        "by_group": {
            group["category"]: {"votes": group["n_votes"], "share": 1 - group["estimate"], "interval": _turned(group)}
            for group in found["by_category"]
        },
    }


def _turned(estimate: Mapping[str, Any]) -> list[float] | None:
    return None if estimate["ci_low"] is None else [1 - estimate["ci_high"], 1 - estimate["ci_low"]]


def _length_alone(claim: str, equal: Mapping[str, Any]) -> bool:
    """Whether what is claimed is not seen at equal length, or cannot be told from length."""
    if equal["interval"] is None:
        return True
    low, high = equal["interval"]
    return bool(low <= 0.5 if claim == "better" else high >= 0.5)


def at_equal_length(outcomes: Outcomes, seed: int = 0) -> dict[str, Any]:
    """The new model's share at equal length (``length_controlled``), with an interval over draws of testers.

    Null without a fit: lengths that do not differ, or that tell every choice.
    """
    generator = np.random.default_rng(seed)
    of_tester = [np.flatnonzero(outcomes.tester == place) for place in range(len(outcomes.closed))]
    point, drawn = _share_at_equal_length(outcomes), []
    for _ in range(DRAWS):
        votes = np.concatenate([of_tester[place] for place in generator.integers(0, len(of_tester), len(of_tester))])
        names = ("model1_left", "choice", "model1_chars", "model2_chars")
        share = _share_at_equal_length(replace(outcomes, **{name: getattr(outcomes, name)[votes] for name in names}))
        drawn += [] if share is None else [share]
    if point is None or len(drawn) < 0.9 * DRAWS:
        return {"share": point, "interval": None}
    return {"share": point, "interval": [float(bound) for bound in np.quantile(drawn, (0.025, 0.975))]}


def _share_at_equal_length(outcomes: Outcomes) -> float | None:
    logit = length_controlled(outcomes)["logit"]
    return None if logit is None else float(1 / (1 + np.exp(logit)))


def share_of_the_best(bank: Sequence[Question], old: Mapping[str, Sequence[Answer]], voters: Sequence[Voter]) -> float:
    """The share that these testers would give a new model whose answers are the corpus' own, all of them right."""
    shares = []
    for number, voter in enumerate(voters):
        question = bank[number % len(bank)]
        for answer in old[question.id]:
            pair = (answer.text, question.options[0])
            is_new_left = voter.generator.random() < 0.5
            choice = voter.choose(question, *(reversed(pair) if is_new_left else pair))
            shares.append(0.5 if choice not in CHOICES[:2] else float((choice == "left") == is_new_left))
    return float(np.mean(shares))


# -- where there is nothing to claim -----------------------------------------------------------------------------------


def false_claims(bank: Sequence[Question], repetitions: int, testers: int, votes: int, seed: int = 1) -> dict[str, Any]:
    """How often a second test claims something where there is nothing, over many simulated tests.

    ``coin``: everybody votes by coin. ``same model``: testers of a taste before one model under two names, whose
    answers are right as often; their votes are as clustered as in a test that has something to find.  ``held-out
    votes``: what the training's own report says of votes by coin, for a usual number of testers and for the fewest.
    """
    result: dict[str, Any] = {"repetitions": repetitions, "testers": testers, "votes": votes, "bound": 0.05}
    for name, taste in (("coin", "coin"), ("same model", "facts")):
        claims = {"anytime": 0, "t": 0}
        for number in range(repetitions):
            y = _means_of_nothing(bank, taste, testers, votes, f"{seed} {name} {number}")
            for interval, found in (("anytime", anytime(y)), ("t", mean_of_testers(y))):
                claims[interval] += not found["ci_low"] <= 0.5 <= found["ci_high"]
        result[name] = {interval: count / repetitions for interval, count in claims.items()}
    result["held-out votes"] = {
        f"{people} testers, {each} pairs each": _false_gains(10 * repetitions, people, each, seed)
        for people, each in ((testers, 2), (LEAST_TESTERS, -(-LEAST_PAIRS // LEAST_TESTERS)))
    }
    return result


def _false_gains(repetitions: int, testers: int, pairs: int, seed: int) -> float:
    """How often the report of a training claims that votes by coin were learned, by its held-out pairs."""
    generator = np.random.default_rng(seed)
    names = np.repeat(np.arange(testers), pairs)
    found = [accuracy(generator.integers(0, 2, len(names)), names) for _ in range(repetitions)]
    bounds = [(one["ci_low"], one["ci_high"]) for one in found]
    return sum(low is not None and high is not None and not low <= 0.5 <= high for low, high in bounds) / repetitions


def _means_of_nothing(bank: Sequence[Question], taste: str, testers: int, votes: int, seed: str) -> Any:
    """(G,) the testers' mean scores of model1, where both models draw their answers from the same ones."""
    generator, means = random.Random(seed), []
    for tester in population(testers, taste, generator.getrandbits(32)):
        scores = []
        for _ in range(votes):
            question = generator.choice(bank)
            left, right = (generator.choice(question.options) for _ in MODELS)
            choice = tester.choose(question, left, right)
            is_left = generator.random() < 0.5  # model1 on the left
            scores.append(0.5 if choice not in CHOICES[:2] else float((choice == "left") == is_left))
        means.append(sum(scores) / votes)
    return np.array(means)


# -- one loud tester ---------------------------------------------------------------------------------------------------


def loud_tester(path: Path, bank: Sequence[Question], testers: int, votes: int, loud_votes: int) -> dict[str, Any]:
    """What one tester of the opposite taste who votes without end can move, in a database of its own.

    model1 gives a right answer to three of four questions and model2 to one of four, in the corpus' own words.
    """
    from feedback.preferences import preferences

    answers = dict(_of_corpus(bank))
    clock = Clock()
    models = {role: {"kind": "corpus", "source": f"simulated {role}"} for role in MODELS}
    study = study_of("one loud tester", bank, max(votes, loud_votes), {})
    test = BlindTest(Database(path), study, models, clock)
    generator = random.Random(1)
    crowd = population(testers, "facts", 1)
    loud = replace(one("facts", "contrary", generator), strength=5.0, slip=0.0)
    told = []
    for group, rounds in ((crowd, votes), ([loud], loud_votes)):
        *_, code = vote(test, clock, group, rounds, bank, answers)
        outcomes = load_study(test.database, test.label).outcomes
        found = preferences(test.database, test.label, "model1").records
        told.append((new_share(outcomes), [record for record in found if record["outcome"] == "win"]))
    test.database.close()
    (before, old), (after, new) = told
    return {
        "testers": testers,
        "loud_votes": loud_votes,
        "share_of_votes": loud_votes / after["votes"],
        "share_of_weight": max(_share_of_weight(new, code, split) for split in ("train", "held_out")),
        "questions_turned": _turned_questions(old, new, capped=True),
        "questions_turned_uncapped": _turned_questions(old, new, capped=False),
        "share_moved": after["share"] - before["share"],
        "claims": [before["claim"], after["claim"]],
    }


def _of_corpus(bank: Sequence[Question]) -> Iterator[tuple[tuple[str, str], list[Answer]]]:
    for place, question in enumerate(bank):
        for role in MODELS:
            is_right = (place % 4 != 0) == (role == "model1")
            text = question.options[0 if is_right else 1 + place % (len(question.options) - 1)]
            yield (role, question.id), [Answer(text, len(text) // 4, 1.0)]


def _share_of_weight(records: Sequence[Mapping[str, Any]], tester: str, split: str) -> float:
    """Of the weight of all pairs that are learned from, or that are held back, the part that one tester has."""
    weights = [(record["tester"] == tester, record["weight"]) for record in records if record["split"] == split]
    return sum(weight for is_theirs, weight in weights if is_theirs) / max(1e-9, sum(weight for _, weight in weights))


def _turned_questions(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], capped: bool) -> float:
    """The share of the questions of which the pairs, by weight or one like the other, come to prefer another model."""

    def leaning(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        result: dict[str, float] = defaultdict(float)
        for record in records:
            sign = 1 if record["chosen_author"] == "model1" else -1
            result[record["prompt_id"]] += sign * (record["weight"] if capped else 1.0)
        return result

    before, after = leaning(old), leaning(new)
    return sum(before[name] * after[name] < 0 for name in before) / len(before)
