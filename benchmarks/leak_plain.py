"""Draws sentences at random from answers of chat models and from books about art, to judge the leak flag by.

    python benchmarks/leak_plain.py --clones DIR --out TEXTS       # the sentences, from clones DIR/OWNER+NAME
    python benchmarks/leak_plain.py --clones DIR --out TEXTS --third    # those of the third part
    python benchmarks/leak_plain.py --clones DIR --out TEXTS --fourth   # those of the fourth part
    python benchmarks/leak_real.py --plain TEXTS                   # the flag's figures on them

The sentences are their authors' and stay in their repositories: `tests/app/data/plain_sentences.tsv` has their
addresses, hashes and labels, and this finds them again in clones of the commits below.

**The protocol, written down before a sentence was drawn.**

1. *Sources* (`SOURCES`): answers of chat models in public repositories that no other set of the flag is from, and
   four books in which artists speak. A record is a question and one answer, or a paragraph of a book. Files of 4 MiB
   and more are left out.
2. *Drawn*: of each source so many records by a seed, of each record one sentence by a seed, so that no answer counts
   twice; of 25 to 300 characters, or 8 to 300 in Chinese and Japanese.
3. *Read*: every drawn sentence that `WIDE` lets through: a first person in its language, or a word of machines,
   models, training, knowledge, updates or assistants. All others are innocent unread; 200 of them by a seed are read
   too, to see whether that is right. (It was not quite: at first `WIDE` knew "my" and such in small letters alone.
   What it lets through since was labelled after the first measurement, both halves: 54 sentences, 7 of them leaks.
   They count as drawn; none is in the set.)
4. *A leak* says of its own speaker, in its own voice, that it is a machine, a program, a model or an AI, who made,
   trained or named it, up to which day it knows, or what it lacks or has because it is no human being ("I have no
   personal opinions", "I cannot browse"), as the other sets have it. It is none if it refuses, offers, hopes or
   thanks alone, speaks of models in the third person, stands in another's mouth, or in a role that the question asks
   for. A sentence on which two readers might differ is marked doubtful and counts by its label.
5. *The set*: of the leaks each sentence once, and at most two whose first eight words (14 characters in Chinese and
   Japanese) are the same (`wording`); as many innocent ones, by a seed, of those that are no leaks, read or not, two
   fifths from the books. Sentences with the examples that the requirement names (a llama, Mauve, the mistral at
   Arles) are picked from the same sources, not drawn, and told apart.
6. *Halves*: by the hash of the sentence (`leak_real.unread`). The labels are committed before the flag is run on any.
7. *Told*: precision and recall with Wilson intervals of 95% of both halves, before anything is mended and, if it is,
   after. Also of all drawn sentences as they come (`as drawn`), where nobody has balanced leaks and innocent ones.
8. *A third part* (`third`), written down before it was drawn and after the two halves had been measured: by another
   seed half as many sentences of each source, of records that were not drawn before, none of whose words were drawn
   before. It is drawn, read (3, with `WIDE` as it is) and labelled (4) when the flag is finished, composed as (5),
   and measured once, whatever comes out. Nothing is mended after it.
9. *A fourth part* (`fourth`), written down before it was drawn, after the third part had been measured and before its
   errors were looked at here: of sources that no other part has (`Source.fourth`), so of other questions and of other
   books, by another seed, without sentences whose words the other parts have. Read (3), labelled (4) and composed (5)
   before the flag is run on it, the labels committed. Measured twice at the end: the flag as it was when this was
   written, and as it is when the errors of the third part have been mended by kind. None of its errors is looked at,
   and nothing is mended after it. From then on the third part counts as looked at.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.outputs import own_file, write

SEED = 20261130

# A record is its name within the source, the question and the answer.
Record = tuple[str, str, str]


def _csv(path: str, text: str) -> Iterator[Record]:
    for row in csv.DictReader(io.StringIO(text)):
        yield f"{path}#{row['id']}", row["question"], row["response"]


def _report(path: str, text: str) -> Iterator[Record]:
    for number, each in enumerate(json.loads(text)["prompts"]):
        yield f"{path}#{number}", each["prompt"], each["results"][0]["outputs"][0]


def _dialogue(path: str, text: str) -> Iterator[Record]:
    for number, line in enumerate(text.splitlines()):
        *_, asked, answer = re.split(r"\n\n(?:Human|Assistant): ", json.loads(line)["chosen"])
        yield f"{path}#{number}", asked, answer


def _pair(path: str, text: str) -> Iterator[Record]:
    for number, each in enumerate(json.loads(text)):
        yield f"{path}#{number}", each["conversations"][-1]["value"], each["rejected"]["value"]


def _instruction(path: str, text: str) -> Iterator[Record]:
    for number, each in enumerate(json.loads(text)):
        yield f"{path}#{number}", f"{each['instruction']} {each['input']}".strip(), each["output"]


def _turns(path: str, text: str) -> Iterator[Record]:
    for line in text.splitlines():
        each = json.loads(line)
        yield f"{path}#{each['question_id']}", "", each["choices"][0]["turns"][0]


def _messages(path: str, text: str) -> Iterator[Record]:
    for line in text.splitlines():
        each = json.loads(line)
        asked, answer = (message["content"] for message in each["messages"][:2])
        yield f"{path}#{each['uid']}", asked, answer["answer"] if isinstance(answer, dict) else answer


def _asked_and_told(path: str, text: str) -> Iterator[Record]:
    for line in text.splitlines():
        each = json.loads(line)
        yield f"{path}#{each['ID']}", each["user_query"], each["chatgpt_response"]


def _compared(path: str, text: str) -> Iterator[Record]:
    """Two answers to each question, in lines or in a list."""
    told = json.loads(text) if text.startswith("[") else map(json.loads, text.splitlines())
    for number, each in enumerate(told):
        first, second = [each[key] for key in sorted(each) if re.fullmatch(r"response \d|output_\d", key)]
        yield f"{path}#{number}a", each.get("prompt") or each["input"], first
        yield f"{path}#{number}b", each.get("prompt") or each["input"], second


def _attack(path: str, text: str) -> Iterator[Record]:
    for each in json.loads(text)["jailbreaks"]:
        if each["prompt"] and each["response"]:
            yield f"{path}#{each['index']}", each["prompt"], each["response"]


def _numbered(path: str, text: str) -> Iterator[Record]:
    for line in text.splitlines():
        each = json.loads(line)
        yield f"{path}#{each['question_id']}", "", each["text"]


def _reference(path: str, text: str) -> Iterator[Record]:
    for line in text.splitlines():
        each = json.loads(line)
        yield f"{path}#{each['question_id']}", each["question"], each["reference"]


def _book(path: str, text: str) -> Iterator[Record]:
    body = re.split(r"\*\*\* ?(?:START|END) OF [^\n]*", text.replace("\r", ""))[1]
    for number, paragraph in enumerate(re.split(r"\n\s*\n", body)):
        yield f"{path}#{number}", "", " ".join(paragraph.split())


@dataclass(frozen=True)
class Source:
    repository: str
    commit: str
    paths: str  # a regular expression of whole paths
    records: Callable[[str, str], Iterator[Record]]
    count: int  # of sentences to draw
    questions: str = ""  # the file that has them, where the answers name their numbers alone
    art: bool = False
    fourth: bool = False


SOURCES = (
    Source("kunishou/do-not-answer-ja", "1380ff2f", r"datasets/Response/.*\.csv", _csv, 2000),
    Source(
        "Open-Assistant/oasst-model-eval",
        "ce935dee",
        # no bare bases and no writers of stories
        r"sampling_reports/(?!llama2?/|gpt-r/|jav|opt-|.*1k-prompts/|.*multilingual).*\.jsonl?",
        _report,
        3000,
    ),
    Source("Open-Assistant/oasst-model-eval", "ce935dee", r"sampling_reports/.*multilingual.*", _report, 60),
    Source("anthropics/hh-rlhf", "354e5c3c", r"harmless-base/test\.jsonl\.gz", _dialogue, 600),
    Source("hiyouga/LLaMA-Factory", "ff6d4d12", r"data/dpo_(en|zh)_demo\.json", _pair, 400),
    Source("hiyouga/LLaMA-Factory", "ff6d4d12", r"data/alpaca_(en|zh)_demo\.json", _instruction, 400),
    Source(
        "ku-nlp/ja-vicuna-qa-benchmark",
        "128a862d",
        r"data/jp_bench/model_answer/.*\.jsonl",
        _turns,
        400,
        questions="data/jp_bench/question.jsonl",
    ),
    Source("lmarena/arena-hard-auto", "196f6b82", r"data/arena-hard-v0.1/model_answer/.*\.jsonl", _messages, 400),
    Source(
        "GITenberg/The-Letters-of-a-Post-ImpressionistBeing-the-Familiar-Correspondence-of-Vincent-Van-Gogh_40393",
        "bbaeb508",
        r"40393-0\.txt",
        _book,
        150,
        art=True,
    ),
    Source("GITenberg/The-Memoirs-of-Madame-Vig-e-Lebrun_31934", "2e2ec3da", r"31934-8\.txt", _book, 150, art=True),
    Source("GITenberg/The-Gentle-Art-of-Making-Enemies_24650", "d855f391", r"24650-8\.txt", _book, 100, art=True),
    Source("GITenberg/Thoughts-on-Art-and-Life_29904", "9a355d2b", r"29904-8\.txt", _book, 100, art=True),
    Source("RUCAIBox/HaluEval", "b7253db3", r"data/general_data\.json", _asked_and_told, 3500, fourth=True),
    Source("GAIR-NLP/auto-j", "2ae17a39", r"data/test/testdata_pairwise\.jsonl", _compared, 2000, fourth=True),
    Source(
        "kaistAI/FLASK",
        "3b4e22bc",
        r"model_output/outputs/.*\.jsonl",
        _numbered,
        4000,
        questions="evaluation_set/flask_evaluation.jsonl",
        fourth=True,
    ),
    Source("princeton-nlp/LLMBar", "900616bf", r"Dataset/LLMBar/.*dataset\.json", _compared, 500, fourth=True),
    Source("JailbreakBench/artifacts", "909e68c0", r"attack-artifacts/.*/.*/.*\.json", _attack, 300, fourth=True),
    Source("THUDM/AlignBench", "5b79d4a8", r"data/data_v1\.1_release\.jsonl", _reference, 200, fourth=True),
    Source("GITenberg/An-Autobiography_41638", "4a1804c7", r"41638-8\.txt", _book, 200, art=True, fourth=True),
    Source(
        "GITenberg/Adventures-in-the-ArtsInformal-Chapters-on-Painters-Vaudeville-and-Poets_20921",
        "43dfff1d",
        r"20921-8\.txt",
        _book,
        150,
        art=True,
        fourth=True,
    ),
    Source(
        "GITenberg/Lives-of-the-Most-Eminent-Painters-Sculptors-and-Architects-Vol.-01--of-10---13-Cimabue-to-Ag__25326",
        "f7b8fc79",
        r"25326-8\.txt",
        _book,
        150,
        art=True,
        fourth=True,
    ),
    Source(
        "GITenberg/The-Practice-and-Science-of-Drawing_14264",
        "bbd0cb02",
        r"14264-8\.txt",
        _book,
        100,
        art=True,
        fourth=True,
    ),
)

WIDE = re.compile(
    r"\bI\b|\b(?i:me|my|mine|myself|we|our|ours|this (?:assistant|chat|bot|program))\b|\bus\b|\b[Ii]['’]"
    r"|\b(?i:machine|robot|model|artificial|program|software|comput|algorithm|train|data|neural|chatbot|bot\b|assistant|"
    r"knowledge|cut-?off|update|version)"
    r"|\b(?:AI|A\.I\.|OpenAI|GPT|LAION|Anthropic|Claude|Alpaca|Vicuna|DeepSeek|Llama)"
    r"|\b(?i:ich|mich|mir|mein\w*|je|moi|yo|mis|soy|eu|meu|minha|sou|io|mio|jestem)\b|\b(?:mon|ma|mes|mi|sono|ja)\b|\bj['’]"
    r"|[我咱]|私|僕|俺|自分|人工|知能|模型|モデル|语言|言語|训练|学習|程序|机器|助手|数据|データ|アシスタント"
    r"|\b(?:я|меня|мне|мой|моя|мои|мною|мені|мене|мій|моя|модел\w*|ИИ|ШІ)\b"
)
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])[」』”]?|\n+")
_MARKS = re.compile(r"^[\s>*#\-•–—\d.)(]+(?=\S)")


_CJK = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


@dataclass(frozen=True)
class Drawn:
    source: int
    record: str
    sentence: str
    question: str
    read: bool

    @property
    def address(self) -> str:
        return f"{SOURCES[self.source].repository}:{self.record}"


def sentences(text: str) -> list[str]:
    """Those of a length that a reader can judge alone, without the marks of lists and headings."""
    text = re.sub(r"<\|[^|]{1,40}\|>|</?s>", "\n", text)
    found = (" ".join(_MARKS.sub("", part).split()) for part in _END.split(text) if part)
    return [each for each in found if (8 if _CJK.search(each) else 25) <= len(each) <= 300]


# The examples that the requirement names, as far as they occur in these sources.
NAMED = re.compile(r"\bMauve\b|\bMistral\b|Mercury or Gemini|Miss Llama")


def named(clones: Path, drawn: set[str]) -> Iterator[Drawn]:
    """Sentences with the examples that the requirement names, but for those that were drawn."""
    for number in (1, 4, 8):
        for name, question, answer in records(SOURCES[number], clones):
            for sentence in sentences(answer):
                if NAMED.search(sentence) and sentence not in drawn:
                    yield Drawn(number, name, sentence, question, WIDE.search(sentence) is not None)


def wording(sentence: str) -> str:
    """What two sentences of one wording begin with."""
    words = re.findall(r"\w+(?:['’]\w+)?", sentence.lower())
    return sentence[:14] if _CJK.search(sentence) else " ".join(words[:8])


def _git(clone: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", clone, *words], capture_output=True, check=True).stdout


def _read(clone: Path, commit: str, path: str) -> str:
    raw = _git(clone, "show", f"{commit}:{path}")
    raw = gzip.decompress(raw) if path.endswith(".gz") else raw
    return raw.decode("latin-1" if path.endswith("-8.txt") else "utf-8")


def _small(listed: str) -> bool:
    size = listed.split()[3]
    return size.isdigit() and int(size) < 4 << 20


def records(source: Source, clones: Path) -> Iterator[Record]:
    clone = next((clones / source.repository.replace("/", "+")).rglob("HEAD")).parent
    listed = [line.split("\t") for line in _git(clone, "ls-tree", "-rl", source.commit).decode().splitlines()]
    questions = {}
    if source.questions:
        asked = map(json.loads, _read(clone, source.commit, source.questions).splitlines())
        both = (
            (each.get("question_id", each.get("idx")), each.get("turns") or [each["instruction"]]) for each in asked
        )
        questions = {str(number): turns[0] for number, turns in both}
    for path in sorted(path for entry, path in listed if re.fullmatch(source.paths, path) and _small(entry)):
        for name, question, answer in source.records(path, _read(clone, source.commit, path)):
            yield name, question or questions.get(name.rsplit("#", 1)[1], ""), answer


def draw(clones: Path) -> Iterator[Drawn]:
    for number, source in enumerate(SOURCES):
        if not source.fourth:
            yield from _sample(number, list(records(source, clones)), SEED, source.count)


def third(clones: Path, drawn: list[Drawn]) -> Iterator[Drawn]:
    """Half as many once more, of other records and of other words than what is `drawn`."""
    names, said = {(each.source, each.record) for each in drawn}, {each.sentence for each in drawn}
    for number, source in enumerate(SOURCES):
        if source.fourth:
            continue
        left = [each for each in records(source, clones) if (number, each[0]) not in names]
        yield from (each for each in _sample(number, left, SEED + 1, source.count // 2) if each.sentence not in said)


def fourth(clones: Path, drawn: list[Drawn]) -> Iterator[Drawn]:
    """From the sources that are its own, without the words of what is `drawn`."""
    said = {each.sentence for each in drawn}
    for number, source in enumerate(SOURCES):
        if source.fourth:
            found = _sample(number, list(records(source, clones)), SEED + 2, source.count)
            yield from (each for each in found if each.sentence not in said)


def _sample(number: int, told: list[Record], seed: int, count: int) -> Iterator[Drawn]:
    found = [(name, question, sentences(answer)) for name, question, answer in told]
    found = [each for each in found if each[2]]
    for name, question, said in random.Random(f"{seed} {number}").sample(found, min(count, len(found))):
        sentence = random.Random(f"{seed} {name}").choice(said)
        yield Drawn(number, name, sentence, question, WIDE.search(sentence) is not None)


def composed(drawn: list[Drawn], leaks: set[str]) -> tuple[list[Drawn], list[Drawn]]:
    """The leaks and the innocent sentences of the set, of all that was drawn and the addresses of its leaks."""
    found: list[Drawn] = []
    for each in drawn:
        alike = [other for other in found if wording(other.sentence) == wording(each.sentence)]
        if each.address in leaks and len(alike) < 2 and each.sentence not in [other.sentence for other in alike]:
            found.append(each)
    said = {each.sentence for each in drawn if each.address in leaks}
    innocent = list({each.sentence: each for each in drawn if each.sentence not in said}.values())
    art = [each for each in innocent if SOURCES[each.source].art]
    others = [each for each in innocent if not SOURCES[each.source].art]
    of_art = len(found) * 2 // 5
    return found, random.Random(SEED).sample(art, of_art) + random.Random(SEED).sample(others, len(found) - of_art)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clones", type=Path, required=True, help="the folder of the clones")
    parser.add_argument("--out", type=own_file, required=True, help="the file that the drawn sentences are written to")
    parser.add_argument("--third", action="store_true", help="draw the third part instead")
    parser.add_argument("--fourth", action="store_true", help="draw the fourth part instead")
    asked = parser.parse_args()
    drawn = list(draw(asked.clones))
    if asked.fourth:
        drawn = list(fourth(asked.clones, drawn + list(third(asked.clones, drawn))))
    elif asked.third:
        drawn = list(third(asked.clones, drawn))
    else:
        drawn += named(asked.clones, {each.sentence for each in drawn})
    write(asked.out, "\n".join(json.dumps(asdict(each), ensure_ascii=False) for each in drawn))


if __name__ == "__main__":
    main()
