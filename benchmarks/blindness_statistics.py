"""Whether the sides can be told from what was observed, and how often the tests say so of an app that is blind.

    python benchmarks/blindness_statistics.py --repetitions 500

simulates attacks without an app: observables of nothing but noise with sides drawn as the app draws them, and the same
with one observable that goes with the side a little.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from scipy.stats import rankdata

from benchmarks.outputs import own_file, write
from feedback.assignment import BLOCK_SIZE, assignment_for, left_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 5_000
LEVEL = 0.05
STEPS = 20  # in which the classifier learns on
LEARNED_FIRST = 0.1  # of the rounds, before it guesses any
RIDGE = 10.0


@dataclass
class Round:
    """One round: what was observed before its vote, and where model1 was (told by the database afterwards).

    Attributes:
        study, session: whose knowledge the attacker has: of a study, and of a session within it.
        told: whether the attacker is shown the side before the next round.
        chips: the questions that were suggested, in their order.
        asked: the one of them that was asked.
        block: session and block, where sides come in balanced ones.
    """

    battle: int
    observed: dict[str, float]
    model1_left: bool = False
    study: str = ""
    session: int = 0
    told: bool = False
    chips: tuple[str, ...] = ()
    asked: str = ""
    block: tuple[int, int] | None = None


@dataclass
class Verdict:
    """Whether the sides can be told; chance is what the same attacker finds when the sides are drawn again."""

    p_values: dict[str, float]  # of each observable that varies
    guessed: int  # of the rounds that were asked
    asked: int
    rounds: int
    by_chance: tuple[int, int]  # 95% of what the classifier guesses right of sides that are drawn again
    p_classifier: float  # how often it is then as far from the middle as it was

    def leaks(self, level: float) -> list[str]:
        """The observables that go with the side at this level for all of them together."""
        return holm(self.p_values, level)


def holm(p_values: dict[str, float], level: float) -> list[str]:
    """Those that are significant at this level for all of them together (Holm 1979)."""
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    told = []
    for place, (name, p) in enumerate(ordered):
        if p * (len(ordered) - place) > level:
            break
        told.append(name)
    return told


def judge(found: list[Round], seed: int, draws: int = DRAWS) -> Verdict:
    """A test of independence for each observable, and a classifier over all of them that guesses what comes next.

    Both are compared with sides drawn again as the app draws them (a randomisation test), since sides in balanced
    blocks are no coins. What the attacker makes of the sides that it was told is made anew of each draw: the sum of all
    sides before, held against sides that it is not the sum of, would be called a leak in one of four blind apps.
    """
    sides = drawn_again(found, draws, np.random.default_rng(seed))
    names = list(found[0].observed)
    columns = {name: np.array([one.observed[name] for one in found], float) for name in names} | made_of(found, sides)
    true = {name: values if values.ndim == 1 else values[0] for name, values in columns.items()}
    varying = [name for name, values in true.items() if values.std() > 0]
    p_values = {}
    for name in varying:
        values = columns[name]
        found_again = np.maximum(_correlation(values, sides), _correlation(rankdata(values, axis=-1), sides))
        p_values[name] = float((found_again >= found_again[0] - 1e-12).mean())
    right, asked = _guessed(np.array([true[name] for name in varying]).T, sides, found)
    low, high = np.quantile(right[1:], [0.025, 0.975], method="closest_observation")
    p = min(1.0, 2 * min(float((right >= right[0]).mean()), float((right <= right[0]).mean())))
    return Verdict(p_values, int(right[0]), asked, len(found), (int(low), int(high)), p)


def drawn_again(found: list[Round], draws: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """The true sides, 1 where model1 was left and -1 where not, and so many other draws of them; DN.

    A block is shuffled within itself: each order of it was as likely. A side without a block is tossed.
    """
    true = np.array([1.0 if one.model1_left else -1.0 for one in found])
    again = np.where(generator.random((draws, len(found))) < 0.5, 1.0, -1.0)
    blocks: dict[Any, list[int]] = defaultdict(list)
    for place, one in enumerate(found):
        if one.block is not None:
            blocks[one.study, one.block].append(place)
    for places in blocks.values():
        again[:, places] = generator.permuted(np.tile(true[places], (draws, 1)), axis=1)
    return np.vstack([true, again])


def made_of(found: list[Round], sides: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """What the attacker makes, before each round, of the sides that it was told: for each draw of the sides, DN."""
    made: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(sides.shape))
    nothing = np.zeros(len(sides))
    for place, one in enumerate(found):
        before = found[place - 1] if place else None
        if before is None or before.study != one.study:
            surplus, total = defaultdict[str, Any](lambda: nothing), nothing  # of model1 on the left
        if before is None or (before.study, before.session) != (one.study, one.session):
            own: list[NDArray[np.float64]] = []
        if one.chips:
            ranks = np.arange(len(one.chips)) - (len(one.chips) - 1) / 2
            known = [surplus[chip] for chip in one.chips]
            made["suggestions against known sides"][:, place] = ranks @ np.array(known)
            made["known side of the first suggestion"][:, place] = known[0]
        made["what would even out the block"][:, place] = -sum(own[len(own) // BLOCK_SIZE * BLOCK_SIZE :], nothing)
        made["the side before"][:, place] = own[-1] if own else nothing
        made["all sides before"][:, place] = total
        side = sides[:, place] if one.told else nothing
        own.append(side)
        total = total + side
        surplus[one.asked] = surplus[one.asked] + side
    return dict(made)


def _correlation(values: NDArray[np.float64], sides: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute correlation of an observable, for each draw the same or its own, with each draw of the sides; D."""
    values = values - values.mean(axis=-1, keepdims=True)
    sides = sides - sides.mean(axis=-1, keepdims=True)
    spread = np.sqrt((values**2).sum(axis=-1) * (sides**2).sum(axis=-1))
    return np.abs((values * sides).sum(axis=-1)) / np.where(spread > 0, spread, 1)


def _guessed(table: NDArray[np.float64], sides: NDArray[np.float64], found: list[Round]) -> tuple[NDArray[Any], int]:
    """Sides guessed right, for each draw of them, and how many were asked: by ridge regression on all columns and their
    ranks' signs, each step from all the rounds before it.

    No step begins within a block: a classifier that knows a part of a block tends to the other side for the rest, and
    guesses fewer than half of what tells it nothing. From what came before, each guess is right in one of two cases,
    whatever it is made of. The fit is linear in the sides, so all draws share its matrices.
    """
    right, asked = np.zeros(len(sides), int), 0
    for begin, end in pairwise(_steps(found)):
        known, unknown = _standardised(table[:begin], table[begin:end])
        learned = sides[:, :begin] - sides[:, :begin].mean(axis=1, keepdims=True)
        weights = np.linalg.solve(known.T @ known + RIDGE * np.eye(known.shape[1]), known.T @ learned.T)
        guess = np.where(unknown @ weights >= 0, 1.0, -1.0)
        right += (sides[:, begin:end] == guess.T).sum(axis=1)
        asked += end - begin
    return right, asked


def _steps(found: list[Round]) -> list[int]:
    """Where each step of learning begins, and the end: places at which no block is cut."""
    whole = [
        place for place in range(1, len(found))
        if found[place].block is None
        or (found[place].study, found[place].block) != (found[place - 1].study, found[place - 1].block)
    ]  # fmt: skip
    wanted = np.linspace(LEARNED_FIRST * len(found), len(found), STEPS, endpoint=False)
    return [*sorted({next((place for place in whole if place >= want), len(found)) for want in wanted} - {len(found)}),
            len(found)]  # fmt: skip


def _standardised(
    known: NDArray[np.float64], unknown: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both tables with the signs about the medians beside them, by what is known alone."""
    middle = np.median(known, axis=0)
    tables = [np.hstack([table, np.sign(table - middle)]) for table in (known, unknown)]
    mean, spread = tables[0].mean(axis=0), tables[0].std(axis=0)
    first, second = ((table - mean) / np.where(spread > 0, spread, np.inf) for table in tables)
    return first, second


# -- simulation ----------------------------------------------------------------------------------------------------


def simulated(reveal: str, rounds: int, chance: random.Random, leak: float = 0.0, length: int = 8) -> list[Round]:
    """An attack on an app that nobody runs: sides drawn as the app draws them, and observables that know nothing of
    them, but for one that agrees with the side in a share of `leak` more rounds than it would by chance.

    They are what an attacker meets: skewed times that drift with the machine's load, counts, what alternates.
    """
    secret, bank = chance.randbytes(32).hex(), [str(number) for number in range(15)]
    found: list[Round] = []
    load, session, tester, unseen = 0.0, 0, "", list[str]()
    for number in range(rounds):
        serving = number % length
        if serving == 0:
            session, tester, unseen = session + 1, chance.randbytes(8).hex(), list(bank)
        side = left_model(secret, tester, serving, BLOCK_SIZE, assignment_for(reveal)) == "model1"
        load = 0.9 * load + chance.gauss(0, 1)
        chips = tuple(chance.sample(unseen, 6))
        observed = {
            "a time": chance.gammavariate(2, 1) + load / 4,
            "a time that drifts": load + chance.gauss(0, 0.3),
            "a count": float(chance.randint(5, 30) - chance.randint(5, 30)),
            "a size": float(chance.choice((200, 200, 200, 201))),
            "number of the round": float(number),
            "number of the round, odd": float(number % 2),
            "hint": (1.0 if side else -1.0) * (1.0 if chance.random() < (1 + leak) / 2 else -1.0),
        }
        one = Round(number, observed, side, reveal, session, reveal == "vote", chips, chance.choice(chips))
        if reveal != "vote":
            one.block = session, serving // BLOCK_SIZE
        unseen.remove(one.asked)
        found.append(one)
    return found


@dataclass
class Rates:
    """What was found in many simulated attacks."""

    repetitions: int
    share: float  # of the asked sides that the classifier guessed
    error: float  # standard error of that share
    below: float  # attacks in which it guessed fewer than half
    classifier: float  # attacks in which it was called a leak at LEVEL
    observables: dict[str, float]  # the same of each observable by itself
    any: float  # attacks in which the observables and the classifier together were


def rates(attacks: Callable[[random.Random], list[Round]], repetitions: int, seed: int, draws: int) -> Rates:
    """Judge so many attacks."""
    chance, verdicts = random.Random(seed), []
    for number in range(repetitions):
        verdicts.append(judge(attacks(chance), number, draws))
    shares = np.array([one.guessed / one.asked for one in verdicts])
    observables = {
        name: float(np.mean([one.p_values[name] <= LEVEL for one in verdicts if name in one.p_values]))
        for name in verdicts[0].p_values
    }
    together = [holm(one.p_values | {"the classifier": one.p_classifier}, LEVEL) for one in verdicts]
    return Rates(
        repetitions, float(shares.mean()), float(shares.std(ddof=1) / len(shares) ** 0.5), float((shares < 0.5).mean()),
        float(np.mean([one.p_classifier <= LEVEL for one in verdicts])), observables,
        float(np.mean([bool(names) for names in together])),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--draws", type=int, default=199)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=own_file, help="write the table there")
    arguments = parser.parse_args()
    lines = [
        f"{arguments.repetitions:,} simulated attacks of {arguments.rounds} rounds each, every one against "
        f"{arguments.draws} other draws of the sides (seed {arguments.seed}); leaks at {LEVEL:.0%}.", "",
        "| reveal | hint agrees with the side | guessed | below half | classifier | hint | most of another observable |"
        " all together |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for reveal in ("vote", "end"):
        for leak in (0.0, 0.2, 0.3):

            def attacks(chance: random.Random, reveal: str = reveal, leak: float = leak) -> list[Round]:
                return simulated(reveal, arguments.rounds, chance, leak)

            told = rates(attacks, arguments.repetitions, arguments.seed, arguments.draws)
            others = max(rate for name, rate in told.observables.items() if name != "hint")
            lines.append(
                f"| {reveal} | {(1 + leak) / 2:.0%} | {told.share:.1%} +- {told.error:.1%} | {told.below:.0%} |"
                f" {told.classifier:.1%} | {told.observables['hint']:.1%} | {others:.1%} | {told.any:.1%} |"
            )
            print(lines[-1], file=sys.stderr, flush=True)
    write(arguments.out, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
