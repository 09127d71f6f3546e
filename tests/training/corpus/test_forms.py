"""Every form in which chats are exported is read, and what cannot be read is counted with its file and line."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tests.training.corpus.rows import check_unread, messages, write
from training.corpus import CorpusError, load, turns
from training.corpus.__main__ import main
from training.data.dataset import load_dataset

USER, GOYA = {"role": "user", "content": "Who was it?"}, {"role": "assistant", "content": "Goya."}
MONET = {"role": "assistant", "content": "Monet."}
PLAIN = [("user", "Who was it?"), ("assistant", "Goya.")]
WEBUI = {
    "history": {
        "currentId": "b",
        "messages": {
            "a": {"id": "a", "parentId": None, "role": "user", "content": "Who was it?"},
            "x": {"id": "x", "parentId": "a", "role": "assistant", "content": "Monet."},
            "b": {
                "id": "b",
                "parentId": "a",
                "role": "assistant",
                "content": '<details type="reasoning" done="true">\n<summary>Thought</summary>\n</details>\nGoya.',
            },
        },
    }
}


def said(value: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": value}


def asked(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


READ: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "chosen with its prompt": ({"prompt": "Who was it?", "chosen": [USER, GOYA], "rejected": [USER, MONET]}, PLAIN),
    "completion with its prompt": ({"prompt": [USER], "completion": [USER, GOYA]}, PLAIN),
    "system in the prompt alone": (
        {"prompt": [{"role": "system", "content": "Be brief."}, USER], "chosen": [USER, GOYA]},
        [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya.")],
    ),
    "turns and a text": ({"prompt": [USER], "chosen": "Goya.", "rejected": "Monet."}, PLAIN),
    "chosen as JSON": ({"prompt": "Who was it?", "chosen": json.dumps([USER, GOYA])}, PLAIN),
    "JSON with spaces": ({"messages": " [ " + json.dumps([USER, GOYA])[1:]}, PLAIN),
    "battle in a table": (
        {"conversation_a": json.dumps([USER, GOYA]), "conversation_b": "[]", "winner_model_a": "1"},
        PLAIN,
    ),
    "thought begun in the template": ({"question": "Who was it?", "answer": "Monet?\n</think>\nGoya."}, PLAIN),
    "Llama 3 in a text": (
        {
            "text": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWho was it?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nGoya.<|eot_id|>"
        },
        PLAIN,
    ),
    "Gemma in a text": (
        {"text": "<bos><start_of_turn>user\nWho was it?<end_of_turn>\n<start_of_turn>model\nGoya.<end_of_turn>\n"},
        PLAIN,
    ),
    "Zephyr in a text": ({"text": "<|user|>\nWho was it?</s>\n<|assistant|>\nGoya.</s>\n"}, PLAIN),
    "Phi 3 in a text": ({"text": "<|user|>\nWho was it?<|end|>\n<|assistant|>\nGoya.<|end|>"}, PLAIN),
    "Alpaca in a text": (
        {
            "text": "Below is an instruction that describes a task. Write a response that appropriately completes the "
            "request.\n\n### Instruction:\nWho was it?\n\n### Response:\nGoya."
        },
        PLAIN,
    ),
    "messages": ({"messages": [USER, GOYA]}, PLAIN),
    "parts": ({"messages": [asked({"type": "text", "text": "Who was it?", "image": None}), GOYA]}, PLAIN),
    "system": (
        {"messages": [{"role": "system", "content": "Be brief."}, USER, GOYA]},
        [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya.")],
    ),
    "developer": ({"messages": [{"role": "developer", "content": ""}, USER, GOYA]}, PLAIN),
    "tools": (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "find"}}]},
                {"role": "tool", "content": "Found: Goya"},
                GOYA,
            ]
        },
        [("user", "Who was it?\n\nFound: Goya"), ("assistant", "Goya.")],
    ),
    "greeting first": ({"messages": [{"role": "assistant", "content": "Welcome!"}, USER, GOYA]}, PLAIN),
    "question last": ({"messages": [USER, GOYA, {"role": "user", "content": "Thanks"}]}, PLAIN),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "Who was it?"}, {"from": "gpt", "value": "Goya."}]},
        PLAIN,
    ),
    "sharegpt system": (
        {
            "system": "Be brief.",
            "conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Goya."}],
        },
        [("user", "Be brief.\n\nWho?"), ("assistant", "Goya.")],
    ),
    "sharegpt tools": (
        {
            "conversations": [
                {"from": "human", "value": "Who was it?"},
                {"from": "function_call", "value": "{}"},
                {"from": "observation", "value": "Goya"},
                {"from": "gpt", "value": "Goya."},
            ]
        },
        [("user", "Who was it?\n\nGoya"), ("assistant", "Goya.")],
    ),
    "messages as JSON": ({"messages": json.dumps([USER, GOYA])}, PLAIN),
    "alpaca": ({"instruction": "Who was it?", "input": "", "output": "Goya."}, PLAIN),
    "alpaca input": (
        {"instruction": "Translate.", "input": "Guten Tag", "output": "Good day"},
        [("user", "Translate.\n\nGuten Tag"), ("assistant", "Good day")],
    ),
    "alpaca history": (
        {"instruction": "When?", "input": "", "output": "1800", "history": [["Who?", "Goya."]]},
        [("user", "Who?"), ("assistant", "Goya."), ("user", "When?"), ("assistant", "1800")],
    ),
    "dolly": (
        {"instruction": "Who painted it?", "context": "Goya painted it.", "response": "Goya."},
        [("user", "Who painted it?\n\nGoya painted it."), ("assistant", "Goya.")],
    ),
    "prompt and completion": ({"prompt": "Who was it?", "completion": "Goya."}, PLAIN),
    "conversational": ({"prompt": [USER], "completion": [GOYA]}, PLAIN),
    "preference": ({"prompt": "Who was it?", "chosen": "Goya.", "rejected": "Monet."}, PLAIN),
    "preference with its scores": (
        {"prompt": "Who was it?", "chosen": "Goya.", "rejected": "Monet.", "score_chosen": 5, "score_rejected": 5.0},
        PLAIN,
    ),
    "preference without a score": (
        {"prompt": "Who was it?", "chosen": "Goya.", "rejected": None, "score_chosen": 1, "score_rejected": "N/A"},
        PLAIN,
    ),
    "preference of one answer": ({"prompt": "Who was it?", "chosen": "Goya.", "rejected": ""}, PLAIN),
    "conversational preference": ({"prompt": [USER], "chosen": [GOYA], "rejected": [MONET]}, PLAIN),
    "implicit prompt": ({"chosen": [USER, GOYA], "rejected": [USER, MONET]}, PLAIN),
    "anthropic": (
        {"chosen": "\n\nHuman: Who was it?\n\nAssistant: Goya.", "rejected": "\n\nHuman: Who?\n\nAssistant: No."},
        PLAIN,
    ),
    "unpaired": ({"prompt": [USER], "completion": [GOYA], "label": True}, PLAIN),
    "arena": ({"conversation_a": [USER, MONET], "conversation_b": [USER, GOYA], "winner": "model_b"}, PLAIN),
    "open webui": ({"id": "1", "title": "t", "chat": WEBUI}, PLAIN),
    "open webui list": ({"chat": {"messages": [USER, GOYA]}}, PLAIN),
    "open webui rating": ({"data": {"rating": 1}, "snapshot": {"chat": {"chat": WEBUI}}}, PLAIN),
    "header": ({" Question": "Who was it?", "ANSWER ": "Goya."}, PLAIN),
    "response": ({"query": "Who was it?", "response": "Goya."}, PLAIN),
    "number": ({"question": "When?", "answer": 1937}, [("user", "When?"), ("assistant", "1937")]),
    "decimal": ({"question": "Pi?", "answer": 3.5}, [("user", "Pi?"), ("assistant", "3.5")]),
    "parts in an object": (
        {"messages": [{"role": "user", "content": {"type": "text", "text": "Who was it?"}}, GOYA]},
        PLAIN,
    ),
    "lists in an object": (
        {"messages": {"role": ["user", "assistant"], "content": ["Who was it?", "Goya."]}},
        PLAIN,
    ),
    "a thought": ({"messages": [USER, said("<think>\nhm\n</think>\n\nGoya.")]}, PLAIN),
    "a part that is a thought": (
        {"messages": [USER, said([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Goya."}])]},
        PLAIN,
    ),
    "a thought in an answer": ({"question": "Who was it?", "answer": "<think>hm</think>Goya."}, PLAIN),
    "to be learned": ({"messages": [USER, GOYA | {"weight": 1, "train": True}]}, PLAIN),
    "arena in columns": (
        {
            "conversation_a": [USER, MONET],
            "conversation_b": [USER, GOYA],
            **{"winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0},
        },
        PLAIN,
    ),
    "alpaca noinput": ({"instruction": "Who was it?", "input": "<noinput>", "output": "Goya."}, PLAIN),
    "choices by number": ({"question": "Who was it?", "choices": ["Monet.", "Goya."], "answer": 1}, PLAIN),
    "choices by letter": ({"question": "Who was it?", "options": ["Monet.", "Goya."], "answer": "B"}, PLAIN),
    "choices by text": ({"question": "Who was it?", "choices": ["Monet.", "Goya."], "answer": "Goya."}, PLAIN),
    "a letter that is a choice": (
        {"question": "Which?", "choices": ["B", "A"], "answer": "A"},
        [("user", "Which?"), ("assistant", "A")],
    ),
    "channels": ({"messages": [USER, MONET | {"channel": "analysis"}, GOYA | {"channel": "final"}]}, PLAIN),
    "chatml in a text": (
        {"text": "<|im_start|>user\nWho was it?<|im_end|>\n<|im_start|>assistant\nGoya.<|im_end|>\n"},
        PLAIN,
    ),
    "llama 2 in a text": (
        {
            "text": "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWho was it? [/INST] Goya. </s>"
            "<s>[INST] Sure? [/INST] Yes.</s>"
        },
        [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya."), ("user", "Sure?"), ("assistant", "Yes.")],
    ),
    "JSON in an answer": ({"question": "Who was it?", "answer": json.dumps([GOYA])}, PLAIN),
    "JSON of one turn in an answer": ({"question": "Who was it?", "response": json.dumps(GOYA)}, PLAIN),
    "JSON with its question in an answer": ({"prompt": "Who was it?", "output": json.dumps([USER, GOYA])}, PLAIN),
    "turns in an answer": ({"instruction": "Who was it?", "output": [GOYA]}, PLAIN),
    "JSON in a question": (
        {"query": json.dumps([{"content": "Be brief.", "role": "system"}, USER]), "answer": "Goya."},
        [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya.")],
    ),
    "JSON in a text": ({"text": json.dumps([USER, GOYA])}, PLAIN),
    "JSON in a content": ({"messages": [USER | {"content": '[{"type": "text", "text": "Who was it?"}]'}, GOYA]}, PLAIN),
    "JSON in a history": (
        {"instruction": "When?", "input": "", "output": "1800", "history": '[["Who?", "Goya."]]'},
        [("user", "Who?"), ("assistant", "Goya."), ("user", "When?"), ("assistant", "1800")],
    ),
    "JSON that is an answer": (
        {"question": "As JSON?", "answer": '[{"type": "circle", "value": 3}]'},
        [("user", "As JSON?"), ("assistant", '[{"type": "circle", "value": 3}]')],
    ),
    "a context of two lines": (
        {"question": "Who painted it?", "context": "It hangs in Madrid.\nGoya painted it.", "answer": "Goya."},
        [("user", "It hangs in Madrid.\nGoya painted it.\n\nWho painted it?"), ("assistant", "Goya.")],
    ),
    "a context of a conversation": (
        {"question": "Sure?", "context": "Who was it?\nGoya.", "answer": "Yes.", "topic": "conversation/art"},
        [*PLAIN, ("user", "Sure?"), ("assistant", "Yes.")],
    ),
    "guanaco in a text": ({"text": "### Human: Who was it?### Assistant: Goya.### Human: And"}, PLAIN),
    "an address beside a question": ({"question": "Who was it?", "answer": "Goya.", "image": "http://a/b.jpg"}, PLAIN),
    "openai's preference": (
        {
            "input": {"messages": [USER | {"content": "Who was it?"}], "tools": []},
            "preferred_output": [GOYA],
            "non_preferred_output": [MONET],
        },
        PLAIN,
    ),
    "openai's refusal": (
        {"messages": [USER | {"content": "Who was it?"}, {"role": "assistant", "content": None, "refusal": "Goya."}]},
        PLAIN,
    ),
    "a refusal among the parts": (
        {
            "messages": [
                USER | {"content": "Who was it?"},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "Goya."}]},
            ]
        },
        PLAIN,
    ),
    "openai's first form": ({"prompt": "Who was it?\n\n###\n\n", "completion": " Goya. END"}, PLAIN),
    "openai's arrow": ({"prompt": "Who was it? ->", "completion": " Goya.\n"}, PLAIN),
    "an END of its own": (
        {"prompt": "What did it say?", "completion": "THE END"},
        [("user", "What did it say?"), ("assistant", "THE END")],
    ),
    "a model by its name": (
        {"conversations": [{"from": "human", "value": "Who was it?"}, {"from": "claude", "value": "Goya."}]},
        PLAIN,
    ),
    "ends of lines of every system": (
        {"question": "Who\r\nwas\u2028it?", "answer": "Goya\rand\x0bMonet."},
        [("user", "Who\nwas\nit?"), ("assistant", "Goya\nand\nMonet.")],
    ),
    "None as an answer": (
        {"question": "Which of these did Goya paint?", "answer": "None"},
        [("user", "Which of these did Goya paint?"), ("assistant", "None")],
    ),
    "None among choices": (
        {"question": "Who?", "choices": ["Monet", "None"], "answer": 1},
        [("user", "Who?"), ("assistant", "None")],
    ),
    "nan in place of an input": ({"instruction": "Who was it?", "input": "nan", "output": "Goya."}, PLAIN),
    "nan in place of a passage": ({"question": "Who was it?", "context": "None", "answer": "Goya."}, PLAIN),
    "nan in place of a system's words": (
        {"messages": [{"role": "system", "content": "null"}, USER | {"content": "Who was it?"}, GOYA]},
        PLAIN,
    ),
    "a greeting for a greeting": (
        {"messages": [{"role": "user", "content": "Good morning!"}, {"role": "assistant", "content": "Good morning."}]},
        [("user", "Good morning!"), ("assistant", "Good morning.")],
    ),
    "a tool that says nothing": (
        {
            "messages": [
                USER | {"content": "Who was it?"},
                {"role": "assistant", "content": None, "tool_calls": [{}]},
                {"role": "tool", "content": None},
                GOYA,
            ]
        },
        PLAIN,
    ),
    "text": ({"text": "A page about Goya and his time."}, [("text", "A page about Goya and his time.")]),
}

UNREAD: dict[str, tuple[str, Any]] = {
    "null": (turns.NO_TEXT, {"messages": [USER, {"role": "assistant", "content": None}]}),
    "null question": (turns.NO_TEXT, {"messages": [{"role": "user", "content": None}, GOYA]}),
    "null value": (
        turns.NO_TEXT,
        {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": None}]},
    ),
    "weight 0": (turns.NOT_LEARNED, {"messages": [USER, MONET | {"weight": 0}, USER, GOYA | {"weight": 1}]}),
    "train false": (
        turns.NOT_LEARNED,
        {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Monet.", "train": False}]},
    ),
    "kto of a table": (turns.RATED_BAD, {"prompt": "Who?", "completion": "Monet.", "label": 0.0}),
    "kto tag": (turns.RATED_BAD, {"instruction": "Who?", "output": "Monet.", "kto_tag": False}),
    "kto of turns": (turns.RATED_BAD, {"messages": [USER, MONET], "label": False}),
    "rating as text": (turns.RATED_BAD, {"messages": [USER, MONET | {"annotation": {"rating": "-1"}}]}),
    "chosen in Python's form": (turns.NOT_TEXT, {"prompt": "Who?", "chosen": str([USER, GOYA])}),
    "thought alone": (turns.NO_ANSWER, {"question": "Who?", "answer": "<think>Monet? No,"}),
    "winner that is not there": (turns.NO_TEXT, {"conversation_a": None, "conversation_b": [], "winner": "model_a"}),
    "id that is a list": (
        turns.NO_ANSWER,
        {"chat": {"history": {"currentId": ["b"], "messages": WEBUI["history"]["messages"]}}},
    ),
    "history with a hole": (turns.NO_TEXT, {"instruction": "Who?", "output": "Goya.", "history": [["And?", None]]}),
    "fact and a number": (turns.UNKNOWN_ROLE, {"fact": "a", "messages": 5}),
    "kto words": (turns.RATED_BAD, {"prompt": "Who?", "completion": "Monet.", "label": "undesirable"}),
    "arena tie": (
        turns.NO_WINNER,
        {"conversation_a": [USER, GOYA], "conversation_b": [USER, MONET], "winner_model_a": 0, "winner_model_b": 0},
    ),
    "picture in a column": (
        turns.MEDIA,
        {"question": "Who?", "answer": "Goya.", "image": {"bytes": None, "path": "a"}},
    ),
    "place of a picture": (
        turns.MEDIA,
        {"image": "a.jpg", "question": "<image>\nWho?", "answer": "Goya."},
    ),
    "null answer": (turns.NO_ANSWER, {"question": "Who?", "answer": None}),
    "empty answer": (turns.NO_ANSWER, {"instruction": "Who?", "input": "", "output": " "}),
    "no question": (turns.NO_QUESTION, {"question": "", "answer": "Goya."}),
    "prompt only": (turns.NO_ANSWER, {"prompt": [USER]}),
    "question only": (turns.NO_ANSWER, {"messages": [USER]}),
    "picture": (
        turns.MEDIA,
        {"messages": [asked({"type": "text", "text": "See"}, {"type": "image_url", "image_url": {}}), GOYA]},
    ),
    "bare picture": (
        turns.MEDIA,
        {"messages": [asked({"text": "See", "image": base64.b64encode(b"x" * 90).decode()}), GOYA]},
    ),
    "list": (turns.NOT_TEXT, {"question": "Who?", "answer": ["Goya", "Monet"]}),
    "object": (turns.NOT_TEXT, {"question": "Who?", "answer": {"text": "Goya"}}),
    "flag": (turns.NOT_TEXT, {"question": "Was it?", "answer": True}),
    "object in a part": (turns.NOT_TEXT, {"messages": [USER, {"role": "assistant", "content": [{"text": {"a": 1}}]}]}),
    "object for a content": (turns.NOT_TEXT, {"messages": [USER, {"role": "assistant", "content": {"a": 1}}]}),
    "list question": (turns.NOT_TEXT, {"prompt": ["Who?"], "completion": "Goya."}),
    "list text": (turns.NOT_TEXT, {"text": ["Goya"]}),
    "turn of another kind": (turns.NOT_TEXT, {"messages": ["Who?", 1937]}),
    "tool object": (turns.NOT_TEXT, {"messages": [USER, {"role": "tool", "content": {"a": 1}}, GOYA]}),
    "python in an answer": (turns.NOT_TEXT, {"question": "Who?", "answer": str([GOYA])}),
    "python in a content": (
        turns.NOT_TEXT,
        {"messages": [USER, {"role": "assistant", "content": "[{'type': 'text', 'text': 'Goya.'}]"}]},
    ),
    "JSON cut short in an answer": (
        turns.NOT_TEXT,
        {"question": "Who?", "answer": '[{"role": "assistant", "content": "Go'},
    ),
    "JSON in an answer with a context": (
        turns.NOT_TEXT,
        {"question": "Who?", "answer": json.dumps([GOYA]), "context": "Goya painted it."},
    ),
    "python in a cell": (turns.NOT_TEXT, {"messages": "[{'role': 'user', 'content': 'Who?'}]"}),
    "role": (turns.UNKNOWN_ROLE, {"messages": [{"role": "narrator", "content": "Once"}, USER, GOYA]}),
    "bad by label": (turns.RATED_BAD, {"prompt": [USER], "completion": [MONET], "label": False}),
    "bad by rating": (turns.RATED_BAD, {"data": {"rating": -1}, "snapshot": {"chat": {"chat": WEBUI}}}),
    "bad by note": (turns.RATED_BAD, {"chat": {"messages": [USER, MONET | {"annotation": {"rating": -1}}]}}),
    "tie": (turns.NO_WINNER, {"conversation_a": [USER, MONET], "conversation_b": [USER, GOYA], "winner": "tie"}),
    "surrogate": (turns.SURROGATE, {"question": "Who?", "answer": "Goya \ud83d"}),
    "surrogate in a turn": (turns.SURROGATE, {"messages": [USER, {"role": "assistant", "content": "\udc00"}]}),
    "echo": (turns.ECHO, {"question": "Who painted it?", "answer": "WHO painted it"}),
    "echo below a passage": (turns.ECHO, {"question": "Who?", "context": "Goya painted it.", "answer": "Who?"}),
    "echo below an instruction": (turns.ECHO, {"instruction": "Name him.", "input": "Saturn", "output": "Name him"}),
    "echo of a turn": (
        turns.ECHO,
        {"messages": [{"role": "system", "content": "Be brief."}, USER, GOYA, USER, USER | {"role": "assistant"}]},
    ),
    "echo that was chosen": (
        turns.ECHO,
        {"prompt": "Who?", "chosen": [USER, USER | {"role": "assistant"}], "rejected": "Goya."},
    ),
    "nan": (turns.NO_ANSWER, {"question": "Who?", "answer": "nan"}),
    "None": (turns.NO_ANSWER, {"instruction": "Name him.", "output": "None"}),
    "null question as text": (turns.NO_QUESTION, {"question": "null", "answer": "Goya."}),
    "None in a turn": (turns.NO_TEXT, {"messages": [USER, GOYA | {"content": "None"}]}),
    "nan for a question": (
        turns.NO_TEXT,
        {"conversations": [{"from": "human", "value": "nan"}, {"from": "gpt", "value": "Goya."}]},
    ),
    "a speaker alone": (turns.NO_ANSWER, {"question": "Who?", "answer": "Assistant:"}),
    "loss false": (turns.NOT_LEARNED, {"messages": [USER, MONET | {"loss": False}]}),
    "masked": (turns.NOT_LEARNED, {"messages": [USER, MONET | {"masked": True}]}),
    "columns": (turns.NO_COLUMNS, {"title": "Saturn", "year": 1823}),
}


@pytest.mark.parametrize("form", READ)
def test_a_form_is_read(form: str, tmp_path: Path) -> None:
    row, expected = READ[form]
    (sample,) = load([write(tmp_path / "a.jsonl", [row])])
    assert messages(sample) == expected


@pytest.mark.parametrize("what", UNREAD)
def test_what_cannot_be_read_is_counted_by_its_reason_and_place(what: str, tmp_path: Path) -> None:
    reason, row = UNREAD[what]
    check_unread(row, reason, tmp_path)


def test_the_same_forms_are_read_from_json_and_parquet(tmp_path: Path) -> None:
    rows = [row for row, _ in READ.values()]
    expected = [messages for _, messages in READ.values()]
    for name, text in (
        ("list.json", json.dumps(rows, indent=1)),
        ("inside.json", json.dumps({"version": 1, "data": rows})),
        ("lines.json", "".join(json.dumps(row) + "\n" for row in rows)),
        ("long.json", "[" + ",".join(json.dumps(row) + " " * 70_000 for row in rows) + "]"),
    ):
        (tmp_path / name).write_text(text)
        assert [messages(sample) for sample in load([str(tmp_path / name)])] == expected, name
    for form in ("messages", "sharegpt", "conversational preference", "alpaca history", "implicit prompt"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([READ[form][0]]), tmp_path / "a.parquet")
        assert [messages(sample) for sample in load([str(tmp_path / "a.parquet")])] == [READ[form][1]]


def test_a_folder_s_settings_are_no_data(tmp_path: Path) -> None:
    write(tmp_path / "chats.jsonl", [READ["messages"][0]])
    (tmp_path / "export.json").write_text(json.dumps([READ["open webui"][0]]))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "._chats.jsonl").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    for hidden in (".ipynb_checkpoints", "__MACOSX"):
        (tmp_path / hidden).mkdir()
        write(tmp_path / hidden / "chats.jsonl", [READ["messages"][0]])
    assert [sample.source for sample in load([str(tmp_path)])] == ["chats", "export"]


def test_a_file_without_known_columns_names_those_that_it_has(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["Title", "Year"], ["Saturn", "1823"]])
    with pytest.raises(CorpusError, match="it has the columns title, year and lacks the columns question and answer"):
        load([str(tmp_path / "a.csv")])
    with pytest.raises(CorpusError, match=r"no usable rows; 1 unknown role \(first: .*b.jsonl, line 1\)"):
        load([write(tmp_path / "b.jsonl", [UNREAD["role"][1]])])


def test_what_was_dropped_is_told_on_the_screen_and_in_the_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Any] = [{"question": f"Who was number {i}?", "answer": f"Painter {i}."} for i in range(90)]
    path = write(tmp_path / "chats.jsonl", [*rows, *[UNREAD["role"][1]] * 4])
    out = tmp_path / "out" / "corpus.jsonl"
    assert main(["build", "--data", path, "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert f"kept 90 of 94 samples; removed 4 unknown role (first: {path}, line 91)" in shown.out
    assert "WARNING" not in shown.err, "4 of 94 rows are few"
    path = write(tmp_path / "chats.jsonl", [*rows, *[UNREAD["role"][1]] * 10])
    assert main(["build", "--data", path, "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith(
        "WARNING: nothing is learned from 10 of 100 rows of chats (10%): 10 unknown role (first:"
    )
    card = json.loads((out.parent / "corpus.data_card.json").read_text())
    assert card["removed"] == {"unknown role": 10}
    assert card["first_unread"] == {"unknown role": f"{path}, line 91"}
    assert card["sources"][0]["rows"] == 100
    page = (out.parent / "corpus.data_card.md").read_text()
    assert page.index("**WARNING: nothing is learned from 10 of 100") < page.index("## Sources")
    assert f"| unknown role | {path}, line 91 |" in page
    dataset = load_dataset([path], None, 10)
    assert dataset.card.cleaning.by_reason() == {"unknown role": 10}
