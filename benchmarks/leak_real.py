"""Precision and recall of the leak flag on sentences that language models and people really wrote.

    python benchmarks/leak_real.py             # what may be looked at
    python benchmarks/leak_real.py --show      # and the mistakes there
    python benchmarks/leak_real.py --unread    # and the figures of the part that nobody may read

`tests/app/data/real_sentences.jsonl` is parted by a hash of the sentence. The unread part is measured and never shown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from statsmodels.stats.proportion import proportion_confint

from app.leaks import leaks

DATA = Path(__file__).parents[1] / "tests/app/data"


def unread(sentence: str) -> bool:
    """Whether nobody may look at a sentence when the flag is mended: half of all, by hash."""
    return hashlib.sha256(sentence.encode()).digest()[-1] % 2 == 1


def rows_of(file: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / file).read_text(encoding="utf-8").split("\n") if line]


def readable() -> list[dict[str, str]]:
    """All sentences that may be looked at."""
    half = [row for row in rows_of("real_sentences.jsonl") if not unread(row["sentence"])]
    return half + rows_of("real_sentences_read.jsonl")


def judged(rows: list[dict[str, str]]) -> list[tuple[dict[str, str], bool]]:
    """Each sentence with what the flag says of it."""
    return [(row, leaks(row["sentence"], row["question"])) for row in rows]


def share(count: int, total: int) -> str:
    low, high = proportion_confint(count, total, method="wilson")
    return f"{count}/{total} = {count / total:.3f} ({low:.3f} to {high:.3f})"


def report(name: str, part: list[tuple[dict[str, str], bool]]) -> None:
    leaking = sum(row["label"] == "leak" for row, _ in part)
    flagged = sum(flag for _, flag in part)
    found = sum(row["label"] == "leak" and flag for row, flag in part)
    print(f"{name}: {len(part)} sentences, precision {share(found, flagged)}, recall {share(found, leaking)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="show the mistakes among what may be looked at")
    parser.add_argument("--unread", action="store_true", help="measure the unread part too, which is used up by that")
    asked = parser.parse_args()
    looked_at = judged(readable())
    report("looked at", looked_at)
    if asked.unread:
        report("unread", judged([row for row in rows_of("real_sentences.jsonl") if unread(row["sentence"])]))
    for row, flag in looked_at if asked.show else []:
        if flag != (row["label"] == "leak"):
            print(f"{row['label']}: {row['sentence']} | {row['question']}")


if __name__ == "__main__":
    main()
