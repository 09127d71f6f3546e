"""Chats that a template wrote into one text, and texts that only look like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.corpus.rows import messages, write
from training.corpus import CorpusError, load

READ: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "mistral": (
        "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Who was it?[/INST]Goya.</s>",
        [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya.")],
    ),
    "vicuna": (
        "A chat between a curious user and an assistant. Be brief. USER: Who? ASSISTANT: Goya.</s>"
        "USER: Sure? ASSISTANT: Yes.",
        [
            ("user", "A chat between a curious user and an assistant. Be brief.\n\nWho?"),
            ("assistant", "Goya."),
            ("user", "Sure?"),
            ("assistant", "Yes."),
        ],
    ),
    "deepseek": (
        "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Who was it?<｜Assistant｜>Goya.<｜end▁of▁sentence｜>",
        [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya.")],
    ),
    "llama 4": (
        "<|begin_of_text|><|header_start|>user<|header_end|>\n\nWho was it?<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\nGoya.<|eot|>",
        [("user", "Who was it?"), ("assistant", "Goya.")],
    ),
    "phi 4": (
        "<|im_start|>user<|im_sep|>Who was it?<|im_end|><|im_start|>assistant<|im_sep|>Goya.<|im_end|>",
        [("user", "Who was it?"), ("assistant", "Goya.")],
    ),
    "gpt-oss": (
        "<|start|>developer<|message|>Be brief.<|end|><|start|>user<|message|>Who was it?<|end|>"
        "<|start|>assistant<|channel|>analysis<|message|>Monet?<|end|>"
        "<|start|>assistant<|channel|>final<|message|>Goya.<|return|>",
        [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya.")],
    ),
    "glm": (
        "[gMASK]<sop><|user|>\nWho was it?<|assistant|>\nGoya.",
        [("user", "Who was it?"), ("assistant", "Goya.")],
    ),
    "another beginning": (
        "<|startoftext|><|im_start|>user\nWho was it?<|im_end|>\n<|im_start|>assistant\nGoya.<|im_end|>",
        [("user", "Who was it?"), ("assistant", "Goya.")],
    ),
    "heads with a system": (
        "### System:\nBe brief.\n\n### User:\nWho was it?\n\n### Assistant:\nGoya.",
        [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya.")],
    ),
    "dialogue with a system": (
        "System: Be brief.\n\nUser: Who was it?\nAssistant: Goya.",
        [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya.")],
    ),
    "dialogue with a thought": (
        "User: Who was it?\nAssistant: <think>\nMonet?\n</think>\n\nGoya.",
        [("user", "Who was it?"), ("assistant", "Goya.")],
    ),
    "a head that is none": (
        "### System: pumps\n\nIt has two.",
        [("text", "### System: pumps\n\nIt has two.")],
    ),
    "a word that is none": ("USER: what a keyboard says.", [("text", "USER: what a keyboard says.")]),
}


@pytest.mark.parametrize("form", READ)
def test_a_text_is_the_chat_that_a_template_wrote(form: str, tmp_path: Path) -> None:
    text, expected = READ[form]
    (sample,) = load([write(tmp_path / "a.jsonl", [{"text": text}])])
    assert messages(sample) == expected


@pytest.mark.parametrize("text", ["User: Who was it?\nAssistant:", "User: Who?\nAssistant: <think>Monet, or"])
def test_no_empty_answer_of_a_dialogue_is_learned(text: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no text"):
        load([write(tmp_path / "a.jsonl", [{"text": text}])])
