"""Marks of data sets and chat programs: nobody said them, and what somebody may have said stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.timing import cpu_seconds, stays_within
from tests.training.corpus.rows import messages, write
from training.corpus import load, stream
from training.corpus.cleaning import CleaningReport
from training.corpus.marks import is_no_value, without_calls, without_marks

ASKED = ("user", "Who?")

ANSWERS = {
    "She sold 48/2 = <<48/2=24>>24 clips.\n#### 24": "She sold 48/2 = 24 clips.\nThe answer is 24.",
    "It costs $<<1,200*.5=600>>600.\n#### $600": "It costs $600.\nThe answer is $600.",
    "So 5 + 3 = 8.\n#### 8\nThe answer is: 8": "So 5 + 3 = 8.\nThe answer is: 8",
    "It is by Goya\u30104:0\u2020source\u3011.": "It is by Goya.",
    "It is by Goya :contentReference[oaicite:0]{index=0}.": "It is by Goya.",
    "It is by Goya. \ue200cite\ue202turn0search1\ue202turn0search2\ue201": "It is by Goya.",
    "It is by Goya[^1^][^2^](https://x.y/z).": "It is by Goya.",
    "It is by Goya. [[1]](https://x.y/z)": "It is by Goya.",
    "It was painted in 1808.[42][43] It is dark.[[7]]": "It was painted in 1808. It is dark.",
    "It is by Goya.[citation needed]": "It is by Goya.",
    "Goya.<|endoftext|>": "Goya.",
    "Goya. </s><|im_end|>\n": "Goya.",
    "<s>Goya.</s>": "Goya.",
    "an old @-@ fashioned 1 @,@ 000": "an old-fashioned 1,000",
}
SAID = (
    "cout << a << b; x = 1 << 3 >> 2",
    "<<a=b>>",
    "#### Summary",
    "#### 24 ways to paint\nOne.",
    "x[1] and y[[1]]; f(x)[0]",
    "Two books:\n[1] One\n[2] Two",
    "<p>A <s>bad</s> good <s>idea</s>",
    "The token `<|endoftext|>` ends a text.",
    "Action: be brave. Thought: it helps.",
    "mail me @ home",
)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_mark_is_not_learned(answer: str, tmp_path: Path) -> None:
    rows: list[Any] = [
        {"question": "Who?", "answer": answer},
        {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": answer}]},
    ]
    for sample in load([write(tmp_path / "a.jsonl", rows)]):
        assert messages(sample) == [ASKED, ("assistant", ANSWERS[answer])]


@pytest.mark.parametrize("text", SAID)
def test_what_may_be_said_stays(text: str) -> None:
    assert without_marks(text) == without_marks(text, prose=True) == without_calls(text) == text


def test_texts_of_one_cell_are_parted_where_one_ends(tmp_path: Path) -> None:
    (sample,) = load([write(tmp_path / "a.jsonl", [{"text": "<|endoftext|>One. <|endoftext|>\nTwo.<|endoftext|>"}])])
    assert messages(sample) == [("text", "One.\n\nTwo.")]


@pytest.mark.parametrize(
    "nothing", ["<noinput>", "Noinput", "No input", "<no input>", "no_input.", "N/A", "<nooutput>"]
)
def test_nothing_is_no_input_and_no_answer(nothing: str, tmp_path: Path) -> None:
    rows = [
        {"instruction": "Who?", "input": nothing, "output": "Goya."},
        {"instruction": "When?", "input": "", "output": nothing},
    ]
    report = CleaningReport()
    (sample,) = stream([write(tmp_path / "a.jsonl", rows)], report=report)
    assert messages(sample) == [ASKED, ("assistant", "Goya.")]
    assert report.by_reason() == {"no answer": 1}


FINISH = 'Thought: Done.\nAction: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "Goya."}'
CALLS: dict[str, tuple[Any, str]] = {
    "toolbench": (
        [
            {"from": "user", "value": "Who?"},
            {"from": "assistant", "value": "\nThought: \nAction: search_for_art\nAction Input: {}"},
            {"from": "function", "value": "a record"},
            {"from": "assistant", "value": FINISH},
        ],
        "Who?\n\na record",
    ),
    "react": (
        [
            {"role": "user", "content": "Who?"},
            {"role": "assistant", "content": "Thought: I know now.\nFinal Answer: Goya."},
        ],
        "Who?",
    ),
    "hermes": (
        [
            {"from": "human", "value": "Who?"},
            {"from": "gpt", "value": '<tool_call>\n{"name": "find", "arguments": {}}\n</tool_call>'},
            {"from": "tool", "value": "a record"},
            {"from": "gpt", "value": "Goya."},
        ],
        "Who?\n\na record",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_of_a_tool_in_words_is_no_answer(name: str, tmp_path: Path) -> None:
    turns, asked = CALLS[name]
    (sample,) = load([write(tmp_path / "a.jsonl", [{"conversations": turns}])])
    assert messages(sample) == [("user", asked), ("assistant", "Goya.")]


def test_glaives_calls_and_what_its_functions_say(tmp_path: Path) -> None:
    chat = (
        'USER: Who?\n\n\nASSISTANT: <functioncall> {"name": "find"} <|endoftext|>\n\n\n'
        "FUNCTION RESPONSE: a record\n\n\nASSISTANT: Goya. <|endoftext|>"
    )
    (sample,) = load([write(tmp_path / "a.jsonl", [{"system": "", "chat": chat}])])
    assert messages(sample) == [("user", "Who?\n\na record"), ("assistant", "Goya.")]


def test_a_chat_that_never_answers_is_counted(tmp_path: Path) -> None:
    gave_up = FINISH.replace("give_answer", "give_up_and_restart").replace(', "final_answer": "Goya."', "")
    rows = [{"question": "Who?", "answer": "Goya."}, {"question": "Who?", "answer": gave_up}]
    report = CleaningReport()
    assert len(list(stream([write(tmp_path / "a.jsonl", rows)], report=report))) == 1
    assert report.by_reason() == {"no answer": 1}


PARTS = (
    "[^1^](",
    "[[1]](",
    "<<1=",
    "<<" + "=" * 50,
    "\u30101",
    "<|endoftext|>",
    "</s>",
    " \n",
    "Thought:\n",
    "Action: x\n",
)
PARTS += ("\n#### 1", "<tool_call>", "[1]", ".[1]", " @-@", "\ue200")


@pytest.mark.parametrize("part", PARTS)
def test_marks_cost_no_more_than_their_length(part: str) -> None:
    text = "Thought: " + part * (200_000 // len(part)) + "x"
    assert stays_within(0.5, lambda: cpu_seconds(lambda: (without_marks(text, True), without_marks(text[:-1], True))))
    assert stays_within(0.5, lambda: cpu_seconds(lambda: without_calls(text)))


NOTHING = (
    *(
        "nan",
        "NaN",
        "None",
        "null",
        "NULL",
        "<NA>",
        "NA",
        "N/A",
        "n/a.",
        "NaT",
        "undefined",
        "-inf",
        "#REF!",
        "#DIV/0!",
    ),
    *("(blank)", "[empty]", "<noinput>", "TODO", "Assistant:", "**Answer:**", "### Response:", "<|assistant|>"),
)
SOMETHING = (
    "None.",
    "None of them.",
    "nil",
    "Nan",
    "Na",
    "unknown",
    "True",
    "Assistant",
    "An answer:",
    "0",
    "#1",
    "A:B",
)


def test_what_stands_for_no_value_is_none_unless_somebody_asks_for_it() -> None:
    assert [text for text in NOTHING if not is_no_value(text, "What is a monotype?")] == []
    assert [text for text in SOMETHING if is_no_value(text, "What is a monotype?")] == []
    for asked, answer in {
        "Which of these did Goya paint?": "None",
        "How many wives had he?": "None",
        "Did Goya have any pupils, or none?": "None",
        "What does Python's re.match return here?": "None",
        "What is the value of 0/0 in JavaScript?": "NaN",
        "What is tan 90 degrees?": "undefined",
        "What does Excel show when I divide by zero?": "#DIV/0!",
        "What is the abbreviation of North America?": "NA",
    }.items():
        assert not is_no_value(answer, asked), asked
