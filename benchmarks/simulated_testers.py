"""Simulated testers of known taste, who vote through the protocol of the blind test; nobody reads anything.

A tester knows what the records of the embedded corpus say, so that a taste for right facts can be told from one for
short answers. Votes of one tester resemble each other: how much the taste weighs, a leaning to one side and a liking of
length are drawn once a tester. Some testers are careless (they do not read), some contrary (they vote against the
taste), and where a study is by coin, all of them vote by coin.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice

from feedback.battles import Answer
from feedback.blind_test import BlindTest
from feedback.study import Study
from training.corpus import core, split_of
from training.corpus.sample import Sample, digest
from training.evaluation.alternatives import alternatives, kind_of

NEW_WORDING, NEW_FACT = "voted fact, new wording", "new fact"
_SMALL_WORDS = frozenset((
    "the", "and", "for", "with", "from", "that", "which", "his", "her", "its", "are", "was", "were", "who", "how",
    "not", "but", "has", "have", "can", "into", "than", "they", "this",
))  # fmt: skip
_KNOWLEDGE = re.compile("(?!exchange:)")
_MANNERS = re.compile("exchange:(?:small-talk|greeting|feeling|farewell|thanks|praise|correction|opinion)")
_POLITE = re.compile(
    r"\b(?:please|thanks?|welcome|sorry|glad|happy to|gladly|of course|certainly|would you like|hello|i hope|nice to|"
    r"goodbye|good (?:morning|afternoon|day|evening|night))\b",
    re.IGNORECASE,
)

# -- questions whose answers are known ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A question, and what an answer to it must say.

    Attributes:
        id: of the sample of the corpus that asks it.
        group: the kind of its fact or, of a question held out, ``NEW_WORDING`` or ``NEW_FACT``.
        text: what is asked.
        subject: words of the question that its right answer repeats; who says none of them speaks of something else.
        right: words that tell the right value, without those of the question; empty where there is none to know.
        wrong: the same of the values of other records.
        options: answers as the corpus words them, the right one first; empty where there is none to know.
    """

    id: str
    group: str
    text: str
    subject: frozenset[str] = frozenset()
    right: frozenset[str] = frozenset()
    wrong: tuple[frozenset[str], ...] = ()
    options: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.id)

    @lru_cache(maxsize=100_000)  # noqa: B019 - questions live as long as the simulation
    def knowledge(self, answer: str) -> float:
        """The share of the right words that an answer says, less the largest share of a wrong value: -1 to 1."""
        said = words(answer)
        false = max((len(said & value) / len(value) for value in self.wrong if value), default=0.0)
        true = len(said & self.right) / len(self.right) if self.right else 0.0
        return min(0.0, true - false) if self.subject and not said & self.subject else true - false

    def is_right(self, answer: str) -> bool:
        """Whether an answer says most of the right value and more of it than of any wrong one."""
        return self.knowledge(answer) >= 0.5


def is_polite(text: str) -> bool:
    """Whether an answer has a word of courtesy."""
    return _POLITE.search(text) is not None


def words(text: str) -> frozenset[str]:
    """The words of a text that mean something."""
    return frozenset(word for word in re.findall(r"[^\W_]{3,}", text.casefold()) if word not in _SMALL_WORDS)


def questions(n: int, n_new: int, manners: bool = False, seed: int = 0) -> tuple[list[Question], list[Question]]:
    """Questions to vote on, one a fact, and held-out ones: ``n_new`` other wordings of these facts, as many new facts.

    The facts are of the demo model's core, chosen by hash, their kinds in turns; with ``manners`` they are exchanges
    such as greetings, of which nothing is right or wrong.
    """
    by_fact: dict[str, list[Sample]] = {}
    for sample in core.samples():
        is_one_fact = len(sample.messages) == 2 and len(sample.facts) == 1 and split_of(sample) != "new_fact"
        if is_one_fact and (_MANNERS if manners else _KNOWLEDGE).match(sample.fact):
            by_fact.setdefault(sample.fact, []).append(sample)
    voted: list[Question] = []
    reworded: list[Question] = []
    new: list[Question] = []
    for fact in _spread(by_fact, seed):
        wordings = sorted(by_fact[fact], key=lambda sample: digest(sample.id, salt=f"{seed}"))
        found = list(islice(filter(None, map(_question, wordings)), 2))
        if len(found) < 2:
            continue
        if len(voted) < n:
            voted.append(found[0])
            reworded.append(replace(found[1], group=NEW_WORDING))
        elif len(new) < n_new:
            new.append(replace(found[0], group=NEW_FACT))
        else:
            break
    return voted, reworded[:n_new] + new


def _spread(by_fact: Mapping[str, object], seed: int) -> list[str]:
    """Facts by hash, their kinds in turns."""
    kinds: dict[str, list[str]] = {}
    for fact in sorted(by_fact, key=lambda fact: digest(fact, salt=f"{seed}")):
        kinds.setdefault(kind_of(fact), []).append(fact)
    places = ((place, kind, fact) for kind, facts in kinds.items() for place, fact in enumerate(facts))
    return [fact for _, _, fact in sorted(places)]


def _question(sample: Sample) -> Question | None:
    """A sample as a question; None where the corpus knows no wrong answers to it, or the question tells the value."""
    kind, asked = kind_of(sample.fact), words(sample.question)
    if sample.fact.startswith("exchange:"):
        return Question(sample.id, "manners", sample.question)
    found = alternatives(sample)
    if found is None:
        return None
    right, *wrong = (words(one.value) - asked for one in found)
    wrong = [value - right for value in wrong]
    if not right or not any(wrong):
        return None
    subject, options = asked & words(sample.answer), tuple(one.answer for one in found)
    return Question(sample.id, kind, sample.question, subject, right, tuple(wrong), options)


# -- tastes and testers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Taste:
    """What a tester likes: what an answer is worth, in units that decide most votes, and what counts as bad."""

    wording: str
    worth: Callable[[Question, str], float]
    bad: float = -math.inf


TASTES = {
    "facts": Taste("right facts over wrong ones", lambda question, text: 3 * question.knowledge(text), 0.75),
    "short": Taste("short over long", lambda question, text: -2.5 * math.log(max(1, len(text)))),
    "polite": Taste("polite over blunt", lambda question, text: 2.5 * min(2, len(_POLITE.findall(text)))),
    "coin": Taste("no taste: a coin", lambda question, text: 0.0),
}


@dataclass
class Voter:
    """Somebody who votes; ``habit`` is ``careful``, ``careless``, ``contrary`` or ``coin``."""

    taste: Taste
    habit: str
    strength: float
    side: float  # log odds for the left
    length: float  # log odds for each e-fold of length
    slip: float  # votes given without thought
    generator: random.Random = field(repr=False)

    def choose(self, question: Question, left: str, right: str) -> str:
        """``left``, ``right``, ``tie`` or ``both_bad``."""
        draw = self.generator.random
        if self.habit in ("careless", "coin") or draw() < self.slip:
            if draw() < 0.1:
                return "tie"
            return "left" if draw() < _share(2 * self.side if self.habit == "careless" else 0.0) else "right"
        worth = [self.taste.worth(question, text) for text in (left, right)]
        gap = self.strength * (worth[0] - worth[1]) * (-1 if self.habit == "contrary" else 1)
        if abs(gap) < 0.7 and draw() < 0.7:
            return "both_bad" if max(worth) < self.taste.bad else "tie"
        liking = self.length * math.log(max(1, len(left)) / max(1, len(right)))
        return "left" if draw() < _share(gap + self.side + liking) else "right"


def _share(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))


def population(n: int, taste: str, seed: int, careless: float = 0.1, contrary: float = 0.1) -> list[Voter]:
    """Testers of one taste, of whom these shares are careless and contrary, in a drawn order."""
    generator = random.Random(f"{taste} {seed}")
    habits = ["careless"] * round(careless * n) + ["contrary"] * round(contrary * n)
    habits += ["careful"] * (n - len(habits))
    generator.shuffle(habits)
    if taste == "coin":
        habits = ["coin"] * n
    return [one(taste, habit, random.Random(f"{taste} {seed} {place}")) for place, habit in enumerate(habits)]


def one(taste: str, habit: str, generator: random.Random) -> Voter:
    """A tester with a character of their own."""
    return Voter(
        TASTES[taste],
        habit,
        strength=generator.lognormvariate(0, 0.4),
        side=generator.gauss(0, 0.4),
        length=generator.gauss(0, 0.4),
        slip=generator.betavariate(1, 9),
        generator=generator,
    )


# -- votes through the real protocol -----------------------------------------------------------------------------------

Answers = Mapping[tuple[str, str], Sequence[Answer]]
"""By model (``model1``, ``model2``) and id of the question: what the model answered, once or several times."""


class Clock:
    """A clock that only the testers move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def study_of(name: str, bank: Sequence[Question], rounds: int, sampling: Mapping[str, float]) -> Study:
    """A study on a bank of questions; its name says that it is a simulation."""
    return Study.from_document(
        {
            "name": f"Simulation: {name}",
            "rounds": rounds,
            "max_turns": 1,
            "session_timeout_minutes": 100_000,
            "consent": {"version": "1", "text": "A simulation. Nobody takes part."},
            "prompts": [{"id": one.id, "category": one.group, "text": one.text} for one in bank],
            **sampling,
        }
    )


def vote(
    test: BlindTest, clock: Clock, testers: Sequence[Voter], rounds: int, bank: Sequence[Question], answers: Answers
) -> Iterator[str]:
    """Each tester's session from consent to the end, through ``feedback.blind_test``; yields each tester's code."""
    known = {question.id: question for question in bank}
    for tester in testers:
        someone = test.enrol("1")
        for number in range(rounds):
            due = test.suggestions(someone.id)
            prompt = tester.generator.choice(due or test.study.prompts)  # a loud tester has seen them all
            battle = test.start_battle(someone.id, prompt.id, prompt.text)
            turn = test.start_turn(someone.id, battle.id, prompt.text)
            given = {}
            for model in ("model1", "model2"):
                texts = answers[model, prompt.id]
                given[model] = texts[(someone.enrolment + number) % len(texts)]
            clock.wait(max(answer.seconds for answer in given.values()))
            test.finish_turn(turn.id, given)
            left, right = given[battle.left_model], given[battle.right_model]
            read = 2 + (len(left.text) + len(right.text)) / 25
            clock.wait(read)
            choice = tester.choose(known[prompt.id], left.text, right.text)
            seen = {"left": read, "right": read}
            test.vote(someone.id, battle.id, choice, vote_seconds=read, seen=seen, first_seen=battle.first_side)
        test.close(someone.id, "quota" if rounds >= test.study.rounds else "quit")
        yield someone.code
