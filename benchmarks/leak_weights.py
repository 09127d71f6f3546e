"""Fit the weights of the leak flag on the sentences that may be read, and measure it on writers left out.

    python benchmarks/leak_weights.py            # measure, leaving one writer out at a time
    python benchmarks/leak_weights.py --write    # and write app/leak_weights.py

A logistic regression: each sign of `app.leaks.signs` has a weight, which starts at what its writer believed of it
(`BELIEFS`) and is moved as far as the sentences ask for, a ridge around that belief. Sentences that nobody may read are
in another file, which this one does not open.

The weights in use were fitted before polite sentences lost their signs; `BY_HAND` was then added by hand.
Fitted again on today's signs they were worse: precision was 0.90 instead of 0.95 on real sentences that may be read,
and less than `tests/app/test_leaks.py` asks for on three older sets. What `--write` makes has to be measured as well.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.leaks import signs
from training.corpus.embedded import samples

ROOT = Path(__file__).parents[1]
SENTENCES = ROOT / "tests/app/data/self_descriptions.tsv"
WEIGHTS = ROOT / "app/leak_weights.py"
START = -3.0  # what an answer without signs adds up to, in log odds
RIDGE = 3.0  # the variance of a weight around its belief
FLAGGED_FROM = 0.4  # the probability; measured with each writer left out
SHARE = {"the rules' writer, innocent": 0.5, "the corpus": 0.3}  # of a vote, for what is harder, or more, than usual
CORPUS = {"art": 40, "ai-literacy": 10}  # one in so many of its answers, none of those that the test looks at
# Not fitted: these sentences have too few plain self-descriptions to move it. What models really say of themselves is
# enough alone, unless the rest of the answer speaks against it.
BY_HAND = {"plain": 5.0, "speaks of the past": -1.5}
BELIEFS = BY_HAND | {
    "yes or no": 6.0,
    "role: strict, other": 4.0,
    "role: strict, term": 4.0,
    "role: strict, machines": 0.5,
    "role: refuses": 4.0,
    "role: strong, other": 4.0,
    "role: strong, machines": 1.5,
    "role: from outside": 1.0,
    "role: yes or no": 1.0,
    "strong, other": 4.0,
    "first person + strong, open": 2.5,
    "first person + strong, other": 1.0,
    "first person + strong, machines": 0.5,
    "you + strong, other": 1.0,
    "medium, other": 0.7,
    "first person + medium, open": 0.7,
    "first person + medium, other": 1.0,
    "first person + medium, machines": 0.7,
    "first person + strong, term": 2.0,
    "first person + medium, term": 0.7,
    "strong, term": 0.5,
    "from outside, term": 1.0,
    "self this, term": 1.5,
    "self the, term": 1.5,
    "self deixis, term": 1.5,
    "self header, term": 1.5,
    "whole, term": 2.5,
    "whole, other": 3.0,
    "whole, open": 2.5,
    "whole, machines": 2.0,
    "from outside": 2.0,
    "from outside, other": 3.0,
    "self made, other": 3.0,
    "self header, other": 3.0,
    "self header, machines": 1.5,
    "self this, other": 3.0,
    "self this, machines": 1.5,
    "self the, other": 2.0,
    "self deixis, other": 2.0,
    "self deixis, machines": 1.0,
    "self robotly, other": 2.0,
    "self service, other": 1.5,
    "self yours, machines": 1.0,
    "self namehere, machines": 1.5,
    "self who, machines": 1.5,
    "speaks": 1.2,
    "speaks, its nature": 2.5,
    "speaks, about it": 0.5,
    "speaks, asked to": 0.5,
    "speaks, words of machines": 0.5,
    "speaks of a life": -1.2,
    "short answer on its nature": 3.0,
    "elided, its nature": 2.0,
    "a machine in general": 1.5,
    "the same of the speaker": 2.0,
}


def belief(sign: str) -> float:
    for start, value in (("clause: ", 0.6), ("sentence: ", 0.3), ("whole ", 0.5)):
        if sign.startswith(start):
            return value
    return BELIEFS.get(sign, 0.0)


class Sentences:
    """The labelled sentences, with their signs."""

    def __init__(self, path: Path = SENTENCES) -> None:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        for source, step in CORPUS.items():
            told = (each.messages for each in samples(source)[5::step])
            rows += [["innocent", "the corpus", messages[-1].content, messages[-2].content] for messages in told]
        self.leak = np.array([label == "leak" for label, *_ in rows])
        self.writer = np.array([writer_of(part) for _, part, *_ in rows])
        self.share = np.array([SHARE.get(part, 1.0) for _, part, *_ in rows])
        found = [signs(text, question) for _, _, text, question in rows]
        self.names = sorted(set().union(*found))
        place = {name: number for number, name in enumerate(self.names)}
        at = [(row, place[sign]) for row, of_row in enumerate(found) for sign in of_row]
        shape = (len(rows), len(self.names))
        self.signs = csr_matrix((np.ones(len(at)), tuple(zip(*at, strict=True))), shape=shape)
        self.beliefs = np.array([belief(name) for name in self.names])


def writer_of(part: str) -> str:
    return {"looked at": "first two", "held out": "first two"}.get(part, part.split(" writer")[0])


def fit(given: Sentences, rows: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """The weights and the start that explain `rows` best."""
    signs_of, share = given.signs[rows], given.share[rows]
    side = np.where(given.leak[rows], 1.0, -1.0)

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        moved, odds = at[:-1] - given.beliefs, side * (signs_of @ at[:-1] + at[-1])
        pull = -share * side / (1 + np.exp(np.clip(odds, -30, 30)))
        value = float((share * np.logaddexp(0, -odds)).sum() + moved @ moved / (2 * RIDGE))
        return value, np.append(signs_of.T @ pull + moved / RIDGE, pull.sum())

    bounds = [(BY_HAND.get(name),) * 2 for name in (*given.names, "")]
    found = minimize(loss, np.append(given.beliefs, START), jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:-1], float(found[-1]) - float(np.log(FLAGGED_FROM / (1 - FLAGGED_FROM)))


def left_out(given: Sentences) -> NDArray[np.bool_]:
    """What is flagged of each writer by the weights of all others."""
    flagged = np.zeros(len(given.leak), bool)
    for writer in np.unique(given.writer):
        own = given.writer == writer
        weights, start = fit(given, ~own)
        flagged[own] = given.signs[own] @ weights + start > 0
    return flagged


def report(given: Sentences, flagged: NDArray[np.bool_]) -> None:
    for writer in [*np.unique(given.writer), "all writers"]:
        own = (given.writer == writer) | ((writer == "all writers") & (given.writer != "the corpus"))
        right, found, there = (flagged & given.leak & own).sum(), (flagged & own).sum(), (given.leak & own).sum()
        shares = f"precision {right / found:.3f}, recall {right / there:.3f}" if there else f"{found} flagged"
        print(f"{writer:20} {own.sum():5} sentences, {shares}")


def write(given: Sentences) -> None:
    weights, start = fit(given, np.ones(len(given.leak), bool))
    lines = [f'    "{name}": {weight:.2f},\n' for name, weight in zip(given.names, weights, strict=True)]
    WEIGHTS.write_text(
        '"""What each sign of a self-description weighs, in log odds. See `benchmarks/leak_weights.py`."""\n\n'
        f"START = {start:.2f}\nWEIGHTS = {{\n{''.join(lines)}}}\n",
        encoding="utf-8",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write app/leak_weights.py")
    given = Sentences()
    if parser.parse_args().write:
        write(given)
    report(given, left_out(given))


if __name__ == "__main__":
    main()
