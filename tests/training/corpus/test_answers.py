"""Rows as the cards of much used data sets show them: the answer is found in whatever form they keep it, or the row is
left out for a reason."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tests.training.corpus.odd_values import odd
from tests.training.corpus.rows import messages, write
from training.corpus import forms, load, stream, turns
from training.corpus.cleaning import CleaningReport

WHO = {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Goya."}
PLAIN = [("user", "Who?"), ("assistant", "Goya.")]
TWICE = [*PLAIN, ("user", "Sure?"), ("assistant", "Yes.")]

READ: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "alpaca": ({"instruction": "Who?", "input": "", "output": "Goya.", "text": "Below is an instruction that"}, PLAIN),
    "dolly": (
        {"instruction": "Who?", "context": "It is by Goya.", "response": "Goya.", "category": "closed_qa"},
        [("user", "Who?\n\nIt is by Goya."), ("assistant", "Goya.")],
    ),
    "openassistant trees": (
        {
            "message_tree_id": "t",
            "tree_state": "ready_for_export",
            "prompt": {
                "role": "prompter",
                "text": "Who?",
                "replies": [
                    {"role": "assistant", "text": "Monet.", "rank": 1, "replies": []},
                    {
                        "role": "assistant",
                        "text": "Goya.",
                        "rank": 0,
                        "replies": [{"role": "prompter", "text": "Thanks", "rank": None, "replies": []}],
                    },
                ],
            },
        },
        PLAIN,
    ),
    "ultrachat": ({"id": "0", "data": ["Who?", "Goya.", "Sure?", "Yes."]}, TWICE),
    "ultrachat 200k": ({"prompt": "Who?", "prompt_id": "f0", "messages": [*WHO]}, PLAIN),
    "ultrafeedback": (
        {
            "source": "evol_instruct",
            "instruction": "Who?",
            "models": ["a", "b"],
            "completions": [
                {"model": "a", "response": "Monet.", "overall_score": 6.5},
                {"model": "b", "response": "Goya.", "overall_score": 8.0},
            ],
            "correct_answers": ["None"],
        },
        PLAIN,
    ),
    "nectar": (
        {
            "prompt": "\n\nHuman: Who?\n\nAssistant: ",
            "answers": [{"answer": "Monet.", "rank": 2.0}, {"answer": "Goya.", "rank": 1.0}],
        },
        PLAIN,
    ),
    "hh-rlhf": (
        {
            "chosen": "\n\nHuman: Who?\n\nAssistant: Goya.\n\nHuman: Sure?\n\nAssistant: Yes.",
            "rejected": "\n\nHuman: Who?\n\nAssistant: Goya.\n\nHuman: Sure?\n\nAssistant: No.",
        },
        TWICE,
    ),
    "full-hh-rlhf": (
        {"prompt": "\n\nHuman: Who?\n\nAssistant:", "response": " Goya.", "chosen": " Goya.", "rejected": " No."},
        PLAIN,
    ),
    "mmlu": ({"question": "Who?", "subject": "art", "choices": ["Monet.", "Goya.", "Klee."], "answer": 1}, PLAIN),
    "mmlu-pro": ({"question": "Who?", "options": ["Monet.", "Goya."], "answer": "B", "answer_index": 1}, PLAIN),
    "boolq": (
        {"question": "is it by goya", "answer": True, "passage": "Goya painted it."},
        [("user", "Goya painted it.\n\nis it by goya"), ("assistant", "Yes")],
    ),
    "boolq in a table": (
        {"question": "is it by monet", "answer": "False", "passage": "Goya painted it."},
        [("user", "Goya painted it.\n\nis it by monet"), ("assistant", "No")],
    ),
    "commonsenseqa": (
        {"question": "Who?", "choices": {"label": ["A", "B"], "text": ["Monet.", "Goya."]}, "answerKey": "B"},
        PLAIN,
    ),
    "arc": (
        {"question": "Who?", "choices": {"text": ["Goya.", "Monet."], "label": ["1", "2"]}, "answerKey": "1"},
        PLAIN,
    ),
    "arc as json lines": (
        {
            "question": "Who?",
            "choices": [{"text": "Monet.", "label": "A"}, {"text": "Goya.", "label": "B"}],
            "answerKey": "B",
        },
        PLAIN,
    ),
    "openbookqa": (
        {"question_stem": "Who?", "choices": {"text": ["Monet.", "Goya."], "label": ["A", "B"]}, "answerKey": "B"},
        PLAIN,
    ),
    "medqa": ({"question": "Who?", "answer": "Goya.", "options": {"A": "Monet.", "B": "Goya."}}, PLAIN),
    "labels alone": ({"question": "Who?", "answer": "b", "options": {"A": "Monet.", "B": "Goya."}}, PLAIN),
    "race": (
        {"article": "Goya painted it.", "question": "Who?", "options": ["Monet.", "Goya."], "answer": "B"},
        [("user", "Goya painted it.\n\nWho?"), ("assistant", "Goya.")],
    ),
    "squad": (
        {
            "title": "Saturn",
            "context": "Goya painted it.",
            "question": "Who?",
            "answers": {"text": ["Goya.", "Francisco de Goya"], "answer_start": [0, 0]},
        },
        [("user", "Goya painted it.\n\nWho?"), ("assistant", "Goya.")],
    ),
    "squad's own file": ({"question": "Who?", "answers": [{"text": "Goya.", "answer_start": 0}]}, PLAIN),
    "squad in a cell": ({"question": "Who?", "answers": '{"text": ["Goya."], "answer_start": [0]}'}, PLAIN),
    "triviaqa": (
        {"question": "Who?", "answer": {"value": "Goya.", "aliases": ["Goya", "Francisco"], "type": "WikipediaEntity"}},
        PLAIN,
    ),
    "natural questions, open": ({"question": "Who?", "answer": ["Goya."]}, PLAIN),
    "one answer, twice": ({"query": "Who?", "answers": ["Goya.", "Goya. "]}, PLAIN),
    "gsm8k": (
        {"question": "How many?", "answer": "48/2 = <<48/2=24>>24\n#### 24"},
        [("user", "How many?"), ("assistant", "48/2 = 24\nThe answer is 24.")],
    ),
    "openorca": (
        {"id": "flan.1", "system_prompt": "Be brief.", "question": "Who?", "response": "Goya."},
        [("user", "Be brief.\n\nWho?"), ("assistant", "Goya.")],
    ),
    "sharegpt": (
        {"id": "Q", "conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Goya."}]},
        PLAIN,
    ),
    "wizardlm": ({"instruction": "Who?", "output": "Goya."}, PLAIN),
    "lima": ({"conversations": ["Who?", "Goya."], "source": "stackexchange"}, PLAIN),
    "lima in a cell": ({"conversations": '["Who?", "Goya."]'}, PLAIN),
    "no robots": ({"prompt": "Who?", "prompt_id": "1", "messages": [*WHO], "category": "Open QA"}, PLAIN),
    "capybara": (
        {"conversation": [{"input": "Who?", "output": "Goya."}, {"input": "Sure?", "output": "Yes."}]},
        TWICE,
    ),
    "slimorca": (
        {
            "conversations": [
                {"from": "system", "value": "Be brief.", "weight": None},
                {"from": "human", "value": "Who?", "weight": 0.0},
                {"from": "gpt", "value": "Goya.", "weight": 1.0},
            ]
        },
        [("user", "Be brief.\n\nWho?"), ("assistant", "Goya.")],
    ),
    "metamathqa": ({"type": "MATH", "query": "Who?", "original_question": "What?", "response": "Goya."}, PLAIN),
    "personachat": (
        {
            "personality": ["i paint ."],
            "utterances": [
                {"candidates": ["No.", "Goya."], "history": ["Who?"]},
                {"candidates": ["No.", "Yes."], "history": ["Who?", "Goya.", "Sure?"]},
            ],
        },
        TWICE,
    ),
    "personachat, a reply a row": (
        {"personality": ["i paint ."], "candidates": ["No.", "Goya."], "history": ["__ SILENCE __", "Hello!", "Who?"]},
        PLAIN,
    ),
    "dailydialog": ({"dialog": [" Who? ", " Goya. "], "act": [2, 1], "emotion": [0, 0]}, PLAIN),
    "soda": ({"dialogue": ["Who?", "Goya.", "Sure?", "Yes."], "speakers": ["Ann", "Ben", "Ann", "Ben"]}, TWICE),
    "aya": ({"inputs": "Who?", "targets": "Goya.", "language": "English"}, PLAIN),
    "sciq": ({"question": "Who?", "distractor1": "Monet.", "correct_answer": "Goya.", "support": ""}, PLAIN),
    "glaive": (
        {
            "system": "",
            "chat": "USER: Who?\n\n\nASSISTANT: Goya. <|endoftext|>\n\n\n"
            "USER: Sure?\n\n\nASSISTANT: Yes. <|endoftext|>",
        },
        TWICE,
    ),
    "labels in the cells": ({"question": "Q: Who?", "answer": "A: Goya."}, PLAIN),
    "a label in the answer alone": (
        {"question": "Who?", "answer": "A: Goya."},
        [("user", "Who?"), ("assistant", "A: Goya.")],
    ),
    "langchain": ({"messages": [{"type": "human", "content": "Who?"}, {"type": "ai", "content": "Goya."}]}, PLAIN),
    "langchain, as it saves them": (
        {"messages": [{"type": "human", "data": {"content": "Who?"}}, {"type": "ai", "data": {"content": "Goya."}}]},
        PLAIN,
    ),
    "claude's export": (
        {"name": "t", "chat_messages": [{"sender": "human", "text": "Who?"}, {"sender": "assistant", "text": "Goya."}]},
        PLAIN,
    ),
    "gemini": (
        {
            "contents": [
                {"role": "user", "parts": [{"text": "Who?"}]},
                {"role": "model", "parts": [{"text": "Goya."}]},
            ]
        },
        PLAIN,
    ),
    "a template in a question": (
        {
            "input": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
            "output": "Goya.<|eot_id|>",
        },
        PLAIN,
    ),
    "rounds in a question": (
        {"prompt": "<s>[INST] Who? [/INST] Goya. </s><s>[INST] Sure? [/INST]", "completion": " Yes.</s>"},
        TWICE,
    ),
    "a word with a colon in a question": (
        {"question": "User: what is that?", "answer": "Goya."},
        [("user", "User: what is that?"), ("assistant", "Goya.")],
    ),
}  # fmt: skip

UNREAD: dict[str, tuple[str, Any]] = {
    "a message of openassistant": (
        turns.ALONE,
        {"message_id": "1", "parent_id": None, "text": "Who painted it, and when?", "role": "prompter", "lang": "en"},
    ),
    "squad without an answer": (turns.NO_ANSWER, {"question": "Who?", "answers": {"text": [], "answer_start": []}}),
    "squad as pandas writes it": (
        turns.NOT_TEXT,
        {"question": "Who?", "answers": "{'text': array(['Goya'], dtype=object), 'answer_start': array([0])}"},
    ),
    "triviaqa as pandas writes it": (turns.NOT_TEXT, {"question": "Who?", "answer": "{'aliases': [], 'value': 'x'}"}),
    "choices as pandas writes them": (turns.NOT_TEXT, {"question": "Who?", "choices": "['Monet' 'Goya']", "answer": 1}),
    "a choice that is not there": (turns.NO_ANSWER, {"question": "Who?", "choices": ["Monet.", "Goya."], "answer": -1}),
    "a letter that is not there": (turns.NO_ANSWER, {"question": "Who?", "options": ["Monet.", "No."], "answer": "E"}),
    "a letter without choices": (turns.NO_ANSWER, {"question": "Who?", "answerKey": "B"}),
    "several answers": (turns.NOT_TEXT, {"question": "Who?", "answers": ["Paris", "London", "Rome"], "correct": 2}),
    "candidates without scores": (
        turns.NOT_TEXT,
        {"instruction": "Who?", "completions": [{"response": "Monet."}, {"response": "Goya."}]},
    ),
    "candidates of which one has no score": (
        turns.NOT_TEXT,
        {
            "instruction": "Who?",
            "completions": [{"response": "Goya.", "overall_score": "N/A"}, {"response": "Monet.", "overall_score": 3}],
        },
    ),
    "ranks in words": (
        turns.NOT_TEXT,
        {"prompt": "Who?", "answers": [{"answer": "Monet.", "rank": "first"}, {"answer": "Goya.", "rank": "last"}]},
    ),
    "a flag about nothing": (turns.NOT_TEXT, {"question": "Is it?", "answer": True}),
    "three speakers": (turns.UNKNOWN_ROLE, {"dialogue": ["Who?", "I.", "No."], "speakers": ["Ann", "Ben", "Cy"]}),
    "speakers that are lists": (turns.UNKNOWN_ROLE, {"dialogue": ["Who?", "I."], "speakers": [["Ann"], ["Ben"]]}),
    "an unknown template": (turns.TEMPLATE, {"prompt": "<|hy_User|>Who?<|hy_Assistant|>", "completion": "Goya."}),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_row_of_a_data_set_is_read(name: str, tmp_path: Path) -> None:
    row, expected = READ[name]
    (sample,) = load([write(tmp_path / "a.jsonl", [row])])
    assert messages(sample) == expected
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "a.parquet")
    (sample,) = load([str(tmp_path / "a.parquet")])
    assert messages(sample) == expected


@pytest.mark.parametrize("name", UNREAD)
def test_a_row_that_would_have_to_be_guessed_is_counted(name: str, tmp_path: Path) -> None:
    reason, row = UNREAD[name]
    report = CleaningReport()
    path = write(tmp_path / "a.jsonl", [{"question": "Who?", "answer": "Goya."}, row])
    assert [messages(sample) for sample in stream([path], report=report)] == [PLAIN]
    assert report.by_reason() == {reason: 1}


def test_a_table_that_pandas_saved_is_never_learned_in_its_python_form(tmp_path: Path) -> None:
    """The usual way from the Hub to a CSV: lists and objects become their Python form."""
    answers = [row["answers"] for row, _ in READ.values() if isinstance(row.get("answers"), dict | list)]
    rows = [{"question": "Who?", "answers": value} for value in answers]
    (tmp_path / "a.json").write_text(json.dumps([*rows, {"question": "Who?", "answers": "Goya."}]))
    assert {sample.answer for sample in load([str(tmp_path / "a.json")])} == {"Goya."}
    lines = [
        "question,answers",
        *(f'Who?,"{str(value).replace(chr(34), chr(34) * 2)}"' for value in answers),
        "Who?,Goya.",
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert [sample.answer for sample in load([str(tmp_path / "a.csv")])] == ["Goya."]


COLUMNS = (
    *("question", "prompt", "answer", "answers", "answerkey", "completions", "chosen", "rejected", "messages", "text"),
    *("conversations", "instruction", "input", "choices", "utterances", "history", "candidates", "speakers"),
    *(
        "dialogue",
        "data",
        "chat",
        "snapshot",
        "mapping",
        "rank",
        "rating",
        "role",
        "content",
        "conversation_a",
        "winner",
    ),
)
FIELDS = (
    "role",
    "from",
    "content",
    "value",
    "text",
    "label",
    "rank",
    "overall_score",
    "response",
    "replies",
    "aliases",
)


def test_whatever_a_row_holds_it_is_read_or_counted_and_ends_nothing() -> None:
    chance = random.Random(1)
    read = 0
    for _ in range(30_000):
        row = {chance.choice(COLUMNS): odd(chance, FIELDS) for _ in range(chance.randrange(1, 5))}
        with contextlib.suppress(turns.Unreadable):
            read += all(isinstance(message.content, str) for message in forms.messages_of(row))
    assert read > 300
