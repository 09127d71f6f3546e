"""Chats that a template wrote into one text, and texts that only look like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.timing import cpu_seconds, stays_within
from tests.training.corpus.rows import messages, write
from training.corpus import CorpusError, load
from training.corpus.written import written

PLAIN = [("user", "Who was it?"), ("assistant", "Goya.")]
TWICE = [*PLAIN, ("user", "Sure?"), ("assistant", "Yes.")]
WITH_SYSTEM = [("user", "Be brief.\n\nWho was it?"), ("assistant", "Goya.")]
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
    "command": (
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief.<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Who was it?<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Goya.<|END_OF_TURN_TOKEN|>",
        WITH_SYSTEM,
    ),
    "command that thinks": (
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Who was it?<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
        "<|START_THINKING|>Monet?<|END_THINKING|><|START_RESPONSE|>Goya.<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
        PLAIN,
    ),
    "granite": (
        "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>Who was it?<|end_of_text|>\n"
        '<|start_of_role|>assistant {"length": "short"}<|end_of_role|>Goya.<|end_of_text|>\n',
        WITH_SYSTEM,
    ),
    "openassistant": ("<|prompter|>Who was it?<|endoftext|><|assistant|>Goya.<|endoftext|>", PLAIN),
    "exaone": ("[|system|]Be brief.[|endofturn|]\n[|user|]Who was it?\n[|assistant|]Goya.[|endofturn|]", WITH_SYSTEM),
    "kimi": (
        "<|im_user|>user<|im_middle|>Who was it?<|im_end|><|im_assistant|>assistant<|im_middle|>Goya.<|im_end|>",
        PLAIN,
    ),
    "nemotron": (
        "<extra_id_0>System\nBe brief.\n\n<extra_id_1>User\nWho was it?\n<extra_id_1>Assistant\nGoya.\n",
        WITH_SYSTEM,
    ),
    "deepseek coder": ("Be brief.\n### Instruction:\nWho was it?\n### Response:\nGoya.\n<|EOT|>", WITH_SYSTEM),
    "heads of a question": ("### Question: Who was it?\n### Answer: Goya.", PLAIN),
    "instruction and response": ("Instruction: Who was it?\nResponse: Goya.</s>", PLAIN),
    "langchain": (
        "The following is a conversation between a human and an AI. Be brief.\n\nCurrent conversation:\n"
        "Human: Who was it?\nAI: Goya.",
        [
            (
                "user",
                "The following is a conversation between a human and an AI. Be brief.\n\nCurrent conversation:\n\n"
                "Who was it?",
            ),
            ("assistant", "Goya."),
        ],
    ),
    **{
        f"{asks} {answers}": (f"{asks} Who was it?\n{answers} Goya.\n\n{asks} Sure?\n{answers} Yes.", TWICE)
        for asks, answers in (
            ("Human:", "Assistant:"), ("User:", "Bot:"), ("User:", "AI:"), ("user:", "assistant:"), ("Q:", "A:"),
            ("<human>:", "<bot>:"), ("**User:**", "**Assistant:**"), ("**Human**:", "**AI**:"),
            ("Question:", "Answer:"),
        )
    },
    "another name within an answer": (
        "User: Who was it?\nBot: It says:\nHuman: nobody\nAnswer: Goya.",
        [("user", "Who was it?"), ("assistant", "It says:\nHuman: nobody\nAnswer: Goya.")],
    ),
    "an answer to nothing": ("Question: what?\nIt is a print.", [("text", "Question: what?\nIt is a print.")]),
    "two people": ("Alice: Who was it?\nBob: Goya.\nAlice: Sure?\nBob: Yes.", TWICE),
    "two people by letters": ("A: Who was it?\nB: Goya.\n\nA: Sure?\nB: Yes.", TWICE),
    "two people by numbers": ("#Person1#: Who was it?\n#Person2#: Goya.\n#Person1#: Sure?\n#Person2#: Yes.", TWICE),
    "two people, two lines on end": (
        "Amanda: Hi.\r\nAmanda: Who was it?\r\nJerry: Goya.\r\nJerry: Yes.",
        [("user", "Hi.\n\nWho was it?"), ("assistant", "Goya.\n\nYes.")],
    ),
    "one who helps": ("Librarian: Hello.\nAda: Who was it?\nLibrarian: Goya.\nAda: Thanks.", PLAIN),
    **{
        f"no chat, {name}": (text, [("text", text)])
        for name, text in {
            "too short": "Alice: Who was it?\nBob: Goya.",
            "three people": "Ann: Who?\nBen: Goya.\nCy: Yes.\nAnn: Sure.\nBen: Yes.\nCy: Yes.",
            "a play": "HAMLET: Who is it?\nOPHELIA: I.\nHAMLET: Who?\nOPHELIA: Ophelia.",
            "a direction": "Alice: Who was it?\nBob: Goya.\n(They leave.)\nAlice: Sure?\nBob: Yes.",
            "an interview": "Interviewer: Where were you born?\nMonet: In Paris.\nInterviewer: When?\nMonet: In 1840.",
            "a list": "Title: Who?\nArtist: Ada Berg\nTitle: Garden\nArtist: Carl Dahl",
            "nobody asks": "Pros: It is cheap.\nCons: It is slow.\nPros: It is light.\nCons: It breaks.",
        }.items()
    },
    "a heading of its own": ("Intro.\n\n### Question: why?\n\nSo.", [("text", "Intro.\n\n### Question: why?\n\nSo.")]),
}  # fmt: skip


@pytest.mark.parametrize("form", READ)
def test_a_text_is_the_chat_that_a_template_wrote(form: str, tmp_path: Path) -> None:
    text, expected = READ[form]
    (sample,) = load([write(tmp_path / "a.jsonl", [{"text": text}])])
    assert messages(sample) == expected


@pytest.mark.parametrize("text", ["User: Who was it?\nAssistant:", "User: Who?\nAssistant: <think>Monet, or"])
def test_no_empty_answer_of_a_dialogue_is_learned(text: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no text"):
        load([write(tmp_path / "a.jsonl", [{"text": text}])])


@pytest.mark.parametrize("mark", ["<|hy_User|>Who?<|hy_Assistant|>Goya.", "<|turn|>", "[INST] Who?", "<｜x｜>Who?"])
def test_the_mark_of_a_template_that_is_not_known_is_no_prose(mark: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="1 a chat template that is not known"):
        load([write(tmp_path / "a.jsonl", [{"text": f"{mark} and what else there is to say"}])])


def test_a_text_file_of_a_dialogue_is_never_cut_within_an_answer(tmp_path: Path) -> None:
    answers = [f"Answer {n}. " + "It is long. " * 60 for n in range(4)]
    text = "\n\n".join(f"Human: Number {n}?\n\nAssistant: {answer}\n\nAnd more." for n, answer in enumerate(answers))
    (tmp_path / "chat.txt").write_text(text)
    chats = [messages(sample) for sample in load([str(tmp_path / "chat.txt")])]
    expected = [
        turn
        for n, answer in enumerate(answers)
        for turn in (("user", f"Number {n}?"), ("assistant", f"{answer.strip()}\n\nAnd more."))
    ]
    assert [turn for chat in chats for turn in chat] == expected


def test_no_text_takes_long_to_be_told_from_a_chat() -> None:
    """What begins like one and goes on for ever; each took more than a second by expressions that look back."""
    texts = (
        "A chat between " + "USER: " * 20_000,
        "USER: " * 20_000,
        "The conversation " + "\n" * 20_000,
        "Human: " + "x\n" * 20_000,
        "### Instruction: " + "### " * 20_000,
        "Be brief.<｜Assistant｜>" + "<｜User｜>" * 20_000,
    )
    assert stays_within(2, lambda: cpu_seconds(lambda: [written(text) for text in texts]))
