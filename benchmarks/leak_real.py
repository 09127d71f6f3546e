"""Precision and recall of the leak flag on sentences that language models and people really wrote.

    python benchmarks/leak_real.py TEXTS             # what may be looked at
    python benchmarks/leak_real.py TEXTS --show      # and the mistakes there
    python benchmarks/leak_real.py TEXTS --unread    # and the figures of the part that nobody may read
    python benchmarks/leak_real.py --plain TEXTS [--show] [--unread]    # the same of sentences drawn at random
    python benchmarks/leak_real.py --third TEXTS [--show]     # the figures of the third part, which was looked at later
    python benchmarks/leak_real.py --fourth TEXTS    # the figures of the fourth part, of which nothing is ever shown

The sentences are their authors': `tests/app/data/real_sentences.tsv` has labels, sources and SHA-256, and `TEXTS` is
a file of JSON lines with `sentence` and `question` that whoever has the sources puts together. The set is parted by a
hash of the sentence; the unread part is measured and never shown. Its innocent sentences are hard on purpose. For
`--plain` the texts are what `benchmarks/leak_plain.py` draws; its docstring is the protocol.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from statsmodels.stats.proportion import proportion_confint

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.leaks import leaks
from benchmarks.leak_plain import SOURCES

DATA = Path(__file__).parents[1] / "tests/app/data"


def unread(sentence: str) -> bool:
    """Whether nobody may look at a sentence when the flag is mended: half of all, by hash."""
    return hashlib.sha256(sentence.encode()).digest()[-1] % 2 == 1


def real(texts: Path) -> dict[str, list[dict[str, str]]]:
    """The labelled sentences by part: the "set", and what was "read" besides."""
    lines = (DATA / "real_sentences.tsv").read_text(encoding="utf-8").splitlines()
    labels = {digest: (label, part) for label, part, _, digest in (line.split("\t") for line in lines)}
    parts: dict[str, list[dict[str, str]]] = {"set": [], "read": []}
    for row in map(json.loads, filter(None, texts.read_text(encoding="utf-8").split("\n"))):
        label, part = labels.pop(hashlib.sha256(row["sentence"].encode()).hexdigest(), ("", ""))
        if part:
            parts[part].append({"label": label, "sentence": row["sentence"], "question": row["question"]})
    if labels:
        raise SystemExit(f"{texts}: {len(labels)} of the sentences that are labelled are not there")
    return parts


def plain(texts: Path, labelled: str = "plain_sentences.tsv") -> dict[str, list[dict[str, str]]]:
    """The labelled sentences by part: the balanced "set", what is "named" beside it, and all "as drawn"."""
    lines = (DATA / labelled).read_text(encoding="utf-8").splitlines()
    labels = {(address, digest): (label, part) for label, _, part, address, digest in (x.split("\t") for x in lines)}
    parts: dict[str, list[dict[str, str]]] = {"set": [], "named": [], "as drawn": []}
    for row in map(json.loads, texts.read_text(encoding="utf-8").splitlines()):
        digest = hashlib.sha256(row["sentence"].encode()).hexdigest()
        address = f"{SOURCES[row['source']].repository}:{row['record']}"
        label, part = labels.get((address, digest), ("innocent", "drawn"))
        each = {"label": label, "sentence": row["sentence"], "question": row["question"]}
        parts["named" if part == "named" else "as drawn"].append(each)
        if part == "set":
            parts["set"].append(each)
    if (len(parts["set"]), len(parts["named"])) != tuple(sum(x[1] == y for x in labels.values()) for y in parts)[:2]:
        raise SystemExit(f"{texts}: not all sentences that are labelled are there; draw them again with leak_plain.py")
    return parts


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


def show(part: list[tuple[dict[str, str], bool]]) -> None:
    for row, flag in part:
        if flag != (row["label"] == "leak"):
            print(f"{row['label']}: {row['sentence']} | {row['question']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="?", metavar="TEXTS", help="the sentences")
    parser.add_argument("--show", action="store_true", help="show the mistakes among what may be looked at")
    parser.add_argument("--unread", action="store_true", help="measure the unread part too, which is used up by that")
    parser.add_argument("--plain", type=Path, metavar="TEXTS", help="measure what was drawn at random instead")
    parser.add_argument("--third", type=Path, metavar="TEXTS", help="measure the third part instead")
    parser.add_argument("--fourth", type=Path, metavar="TEXTS", help="measure the fourth part instead")
    asked = parser.parse_args()
    if sum(each is not None for each in (asked.texts, asked.plain, asked.third, asked.fourth)) != 1:
        parser.error("name the TEXTS of one of the four sets")
    for name, texts in (("third", asked.third), ("fourth", asked.fourth)):
        if texts:
            parts = plain(texts, f"{name}_sentences.tsv")
            as_drawn = judged(parts["as drawn"])
            report(name, judged(parts["set"]))
            report(f"{name}, as drawn", as_drawn)
            if asked.show and name == "third":
                show(as_drawn)
            return
    parts = plain(asked.plain) if asked.plain else real(asked.texts)
    looked_at = judged([row for row in parts["set"] if not unread(row["sentence"])] + parts.get("read", []))
    report("looked at", looked_at)
    if asked.unread:
        report("unread", judged([row for row in parts["set"] if unread(row["sentence"])]))
    if asked.plain and asked.unread:
        report("as drawn", judged(parts["as drawn"]))
    if asked.plain:
        named = judged(parts["named"])
        print(f"named in the requirement: {sum(flag for _, flag in named)} of {len(named)} flagged")
        looked_at += named
    if asked.show:
        show(looked_at)


if __name__ == "__main__":
    main()
