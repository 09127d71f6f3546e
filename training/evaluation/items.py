"""Multiple-choice items about facts: from the embedded corpus, or from a JSON-lines file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from training.common import json_text
from training.corpus import core, embedded, split_of
from training.corpus.sample import Sample, digest
from training.data.prompts import encodable
from training.evaluation.alternatives import alternatives, kind_of

SEEN = "seen fact, new wording"
UNSEEN = "unseen fact"
N_SEEN, N_UNSEEN = 240, 160
"""Items of the embedded benchmark in each group, seen as a training on the whole corpus sees them."""
N_STATED = 200
"""Facts of the embedded benchmark that are stated, each once as it is and once with a wrong value."""
TRUE_FALSE = "true-false"
VERDICTS = ("Yes.", "No.")
DIRECTIONS = ("true statement", "false statement")
IN_TRAIN = "fact in the training data that the benchmark names"
NOT_IN_TRAIN = "fact not in that data"

FORM = 'one object a line: {"question": "Who painted Guernica?", "options": ["Miró", "Picasso"], "answer_index": 1}'


class BenchmarkError(ValueError):
    """A benchmark that cannot be used; the message is one line that names the file, the line and the rule."""


@dataclass(frozen=True)
class Item:
    """One question with its options."""

    id: str  # depends on the item alone
    question: str  # what the user asks
    options: tuple[str, ...]  # two or more answers, all different; each is scored as the model's whole answer
    answer_index: int  # which of them is right
    group: str | None = None  # what the training has told of the fact, or None where nobody knows
    kind: str | None = None  # what is asked for, such as ``nationality``
    facts: tuple[str, ...] = ()
    """The facts of the embedded corpus that the right answer states; empty for items of files."""
    values: tuple[str, ...] = ()  # what the options differ in, one each: ``French`` of ``Claude Monet was French.``

    @property
    def chance(self) -> float:
        """The share that guessing gets right."""
        return 1 / len(self.options)


@dataclass(frozen=True)
class Benchmark:
    """Items under one name; ``sha256`` is of their content, ``path`` the file that they were read from, if any."""

    name: str
    path: Path | None
    sha256: str
    items: tuple[Item, ...]

    def limited(self, n: int | None) -> Benchmark:
        """At most ``n`` of the items, chosen by hash, in their order."""
        if n is None or n >= len(self.items):
            return self
        chosen = {item.id for item in sorted(self.items, key=lambda item: digest(item.id))[:n]}
        return _benchmark(self.name, self.path, [item for item in self.items if item.id in chosen])


@cache
def embedded_benchmark() -> Benchmark:
    """Items from held-out samples of the embedded corpus, one for each fact, the same ones for every model.

    The options are answers as the corpus words them, the wrong ones with the values of three other records. An item's
    group is that of a model that was trained on the whole corpus; ``contamination.Exposure`` says what it is for
    another. Facts and wordings of the core come first, so that a short training too has seen many of the facts.
    """
    is_core = {sample.id for sample in core.samples()}
    held_out = [
        sample
        for source in embedded.SOURCES
        for sample in embedded.samples(source)
        if len(sample.messages) == 2 and len(sample.facts) == 1 and split_of(sample) != "train"
    ]
    held_out.sort(key=lambda sample: (sample.id not in is_core, digest(sample.id)))
    seen = [sample for sample in held_out if split_of(sample) == "new_wording"]
    unseen = [sample for sample in held_out if split_of(sample) == "new_fact"]
    items = [*_embedded_items(seen, SEEN, N_SEEN), *_embedded_items(unseen, UNSEEN, N_UNSEEN)]
    return _benchmark("embedded", None, sorted(items, key=lambda item: digest(item.id)))


def _embedded_items(samples: Sequence[Sample], group: str, n: int) -> list[Item]:
    chosen: dict[str, Item] = {}
    for sample in samples:
        if sample.fact not in chosen and (item := _embedded_item(sample, group)):
            chosen[sample.fact] = item
        if len(chosen) == n:
            break
    return list(chosen.values())


def _embedded_item(sample: Sample, group: str) -> Item | None:
    """The item of a sample, its options in an order by hash; None when other records have too few other values."""
    found = alternatives(sample)
    if found is None:
        return None
    order = sorted(range(len(found)), key=lambda i: digest(found[i].answer, salt="options"))
    return Item(
        id=sample.id,
        question=sample.question,
        options=tuple(found[i].answer for i in order),
        answer_index=order.index(0),
        group=group,
        kind=kind_of(sample.fact),
        facts=sample.facts,
        values=tuple(found[i].value for i in order),
    )


@cache
def true_false_benchmark() -> Benchmark:
    """Facts of the embedded benchmark as statements to be answered by yes or no: as many that are so as that are not.

    Whoever says yes to everything is right on one half and wrong on the other.
    """
    stated = [item for fact in embedded_benchmark().limited(N_STATED).items for item in _statements(fact)]
    return _benchmark(TRUE_FALSE, None, sorted(stated, key=lambda item: digest(item.id)))


def _statements(fact: Item) -> Iterator[Item]:
    """The right option of an item and one of its wrong ones, by hash, as statements."""
    wrong = (i for i in range(len(fact.options)) if i != fact.answer_index)
    false = min(wrong, key=lambda i: digest(fact.options[i], salt="false"))
    for answer, (option, kind) in enumerate(zip((fact.answer_index, false), DIRECTIONS, strict=True)):
        question = f"{fact.options[option].rstrip('.')}, right?"
        name = f"{fact.id}-{kind.partition(' ')[0]}"
        yield Item(name, question, VERDICTS, answer, fact.group, kind, fact.facts, VERDICTS)


def load_benchmark(path: str | Path) -> Benchmark:
    """The items of a JSON-lines file: ``question``, ``options`` and ``answer_index`` a line, with ``id``, ``kind`` and
    ``fact_in_train`` where they are known.

    Raises:
        BenchmarkError: the first line that is no such item, an id that two lines have, or a file without any.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise BenchmarkError(f"{path}: no such file; name a benchmark of JSON lines, {FORM}")
    items: dict[str, Item] = {}
    for number, row in _rows(path):
        item = _item(row, f"{path}, line {number}")
        if item.id in items:
            raise BenchmarkError(f"{path}, line {number}: the id {item.id!r} stands there twice; give each its own")
        items[item.id] = item
    if not items:
        raise BenchmarkError(f"{path}: no items; write {FORM}")
    return _benchmark(path.stem, path, list(items.values()))


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchmarkError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=json_text.once)
        except json.JSONDecodeError as error:
            raise BenchmarkError(f"{path}, line {number}: not JSON ({error.msg}); write {FORM}") from error
        except (ValueError, RecursionError) as error:  # a key twice, a number of too many digits, brackets too deep
            raise BenchmarkError(f"{path}, line {number}: cannot be read ({error}); write {FORM}") from error
        if not isinstance(row, dict):
            raise BenchmarkError(f"{path}, line {number}: not an object; write {FORM}")
        yield number, row


def _item(row: dict[str, Any], where: str) -> Item:
    question, options, answer = row.get("question"), row.get("options"), row.get("answer_index")
    if not isinstance(question, str) or not question.strip():
        raise BenchmarkError(f"{where}: question = {question!r} must be a text; write {FORM}")
    if not isinstance(options, list) or not all(isinstance(option, str) and option.strip() for option in options):
        raise BenchmarkError(f"{where}: options = {options!r} must be a list of texts; write {FORM}")
    if any(encodable(text) != text for text in (question, *options)):
        raise BenchmarkError(f"{where}: holds half a character (a lone surrogate); write it again")
    if len(options) < 2:
        raise BenchmarkError(f"{where}: an item has {len(options)} options and must have 2 or more; add wrong answers")
    twice = next((option for i, option in enumerate(options) if option.strip() in map(str.strip, options[:i])), None)
    if twice is not None:
        raise BenchmarkError(f"{where}: the option {twice!r} stands there twice; options must differ")
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(options):
        raise BenchmarkError(f"{where}: answer_index = {answer!r} must be a whole number from 0 to {len(options) - 1}")
    in_train = row.get("fact_in_train")
    content = json.dumps([question, options], ensure_ascii=False)
    return Item(
        id=str(row.get("id") or f"item-{digest(content):016x}"),
        question=question.strip(),
        options=tuple(option.strip() for option in options),
        answer_index=answer,
        group=None if in_train is None else IN_TRAIN if in_train else NOT_IN_TRAIN,
        kind=str(row["kind"]) if row.get("kind") else None,
        values=tuple(option.strip() for option in options),
    )


def _benchmark(name: str, path: Path | None, items: Sequence[Item]) -> Benchmark:
    content = json.dumps([[i.id, i.question, i.options, i.answer_index, i.group, i.kind] for i in items])
    return Benchmark(name, path, sha256(content.encode()).hexdigest(), tuple(items))
