"""The split: stable, disjoint on facts, and honest about what each kind of sample can measure."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from training.corpus import Message, Sample, load, split_of
from training.corpus.split import NEW_FACT_SHARE, NEW_WORDING_SHARE

DEMO = {
    "What is Impressionism?": "movement:Impressionism/definition",
    "Who painted Guernica?": "work:Guernica/artist",
    "What is a neural network?": "concept:neural network/definition",
    "Hello!": "exchange:greeting-hello",
}
# Of the samples "id-0", "id-1", ...; another salt or hash would mix what was trained on with what was held out.
NEW_FACT_NUMBERS = [71, 86, 111, 135, 153, 155, 217, 281]
NEW_WORDING_NUMBERS = [52, 62, 107, 171, 252, 350, 394, 402]


def sample(identity: str, fact: str) -> Sample:
    return Sample(identity, "test", "art", fact, (Message("text", "x"),), "MIT")


def test_the_split_of_a_sample_never_changes() -> None:
    found = [split_of(sample(f"id-{number}", f"work:{number}/artist")) for number in range(2000)]
    assert [number for number, split in enumerate(found) if split == "new_fact"][:8] == NEW_FACT_NUMBERS
    assert [number for number, split in enumerate(found) if split == "new_wording"][:8] == NEW_WORDING_NUMBERS


def test_the_split_does_not_depend_on_what_else_is_loaded(samples: list[Sample]) -> None:
    together = {one.id: split_of(one) for one in samples}
    assert all(split_of(one) == together[one.id] for one in load(["conversation"], max_rows_per_source=100))


def test_facts_that_are_held_out_are_never_trained_on(samples: list[Sample]) -> None:
    trained = {fact for one in samples if split_of(one) == "train" for fact in one.facts}
    held_out = [one for one in samples if split_of(one) == "new_fact"]
    assert held_out
    assert [one.id for one in held_out if set(one.facts) <= trained] == []


def test_new_wordings_are_of_facts_that_are_trained_on(samples: list[Sample]) -> None:
    splits: dict[str, Counter[str]] = {}
    for one in samples:
        splits.setdefault(one.fact, Counter())[split_of(one)] += 1
    held_out = [counts for counts in splits.values() if counts["new_wording"]]
    assert sum(counts["train"] > 0 for counts in held_out) > 0.7 * len(held_out)


def test_about_as_many_are_held_out_as_promised(samples: list[Sample]) -> None:
    counts = Counter(split_of(one) for one in samples)
    facts = {fact for one in samples for fact in one.facts if not fact.startswith(("exchange:", "unknown:"))}
    new = {fact for fact in facts if split_of(sample("", fact)) == "new_fact"}
    assert len(new) / len(facts) == pytest.approx(NEW_FACT_SHARE, rel=0.3)
    assert counts["new_wording"] / len(samples) == pytest.approx(NEW_WORDING_SHARE, rel=0.2)


def test_a_sample_of_several_facts_is_held_out_with_any_of_them() -> None:
    facts = [f"work:{number}/artist" for number in range(500)]
    alone = {fact: split_of(sample("x", fact)) for fact in facts}
    for pair in pairwise(facts):
        expected = "new_fact" in {alone[fact] for fact in pair}
        assert (split_of(sample("x", " | ".join(pair))) == "new_fact") == expected


def test_chat_manners_are_held_out_by_wording_only() -> None:
    splits = Counter(split_of(sample(f"id-{number}", f"exchange:{number}")) for number in range(2000))
    assert splits["new_fact"] == 0
    assert splits["new_wording"] > 0


def test_rows_of_one_id_stay_together() -> None:
    for number in range(500):
        assert len({split_of(sample(f"{wording}", f"row:{number}")) for wording in range(20)}) == 1
    assert {split_of(sample("x", f"row:{number}")) for number in range(500)} == {"train", "new_fact"}


@pytest.mark.parametrize(("question", "fact"), DEMO.items())
def test_the_first_questions_are_trained_on(samples: list[Sample], question: str, fact: str) -> None:
    asked = [one for one in samples if one.question == question and len(one.messages) == 2]
    assert [one.fact for one in asked] == [fact]
    assert len(asked[0].answer.split()) <= 25
    assert {split_of(one) for one in samples if one.fact == fact} == {"train"}


TEMPLATES = (
    ("chatml", "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>"),
    ("llama2", "<s>[INST] <<SYS>>\n{}\n<</SYS>>\n\n{} [/INST] {} </s>"),
    (
        "llama3",
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>user<|end_header_id|>"
        "\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n{}<|eot_id|>",
    ),
    ("zephyr", "<|system|>\n{}</s>\n<|user|>\n{}</s>\n<|assistant|>\n{}</s>"),
    ("mistral", "[SYSTEM_PROMPT]{}[/SYSTEM_PROMPT][INST]{}[/INST]{}</s>"),
    ("heads", "### System:\n{}\n\n### User:\n{}\n\n### Assistant:\n{}"),
    ("vicuna", "A chat between two. {} USER: {} ASSISTANT: {}</s>"),
    ("deepseek", "<｜begin▁of▁sentence｜>{}<｜User｜>{}<｜Assistant｜>{}<｜end▁of▁sentence｜>"),
    ("labels", "System: {}\nUser: {}\nAssistant: {}"),
)


def test_one_question_is_one_fact_whatever_the_system_says_and_however_a_table_keeps_its_chats(tmp_path: Path) -> None:
    def chat(system: str, answer: str = "She did.") -> list[dict[str, str]]:
        said = zip(("system", "user", "assistant"), (system, "Who painted it?", answer), strict=True)
        return [{"role": role, "content": content} for role, content in said]

    chats, other = [chat(system) for system in ("Be brief.", "Explain at length.")], chat("Be brief.", "He did.")
    texts = [[turn["content"] for turn in turns] for turns in chats]
    cells = ['"' + json.dumps(turns).replace('"', '""') + '"' for turns in chats]
    columns = [{name: [turn[name] for turn in turns] for name in ("role", "content")} for turns in chats]
    for name, lines in (
        ("plain.jsonl", [json.dumps({"messages": turns}) for turns in chats]),
        ("cells.csv", ["messages", *cells]),
        (
            "battles.jsonl",
            [json.dumps({"conversation_a": other, "conversation_b": turns, "winner": "model_b"}) for turns in chats],
        ),
        ("columns.jsonl", [json.dumps({"messages": lists}) for lists in columns]),
        ("answers.jsonl", [json.dumps({"question": turns[:2], "answer": turns[2:]}) for turns in chats]),
        ("webui.jsonl", [json.dumps({"chat": {"messages": turns}}) for turns in chats]),
        *((f"{form}.jsonl", [json.dumps({"text": text.format(*says)}) for says in texts]) for form, text in TEMPLATES),
    ):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        samples = load([str(tmp_path / name)])
        assert len(samples) == 2, name
        assert len({sample.fact for sample in samples}) == 1, name
