"""Chats that were written into one text: as a dialogue, or by a chat template."""

from __future__ import annotations

import re

from training.corpus.sample import Message, Role

_SPEAKERS: dict[str, Role] = {"User": "user", "Assistant": "assistant"}
_TURN = re.compile(r"^(User|Assistant): ?", re.MULTILINE)


def dialogue(text: str) -> tuple[Message, ...] | None:
    """The turns of a text of ``User:`` and ``Assistant:`` lines, from the first user to the last assistant."""
    if not _TURN.match(text):
        return None
    parts = _TURN.split(text)[1:]
    turns: list[Message] = []
    for speaker, content in zip(parts[::2], parts[1::2], strict=True):
        role, content = _SPEAKERS[speaker], content.strip()
        if turns and turns[-1].role == role:
            turns[-1] = Message(role, f"{turns[-1].content}\n{content}")
        elif turns or role == "user":
            turns.append(Message(role, content))
    if turns and turns[-1].role == "user":
        turns.pop()
    return tuple(turns) or None


def templated(text: str) -> list[dict[str, str]]:
    """The turns, as role and content, of a text that a chat template wrote; none of any other text."""
    text = _BEGIN.sub("", text)
    turns: list[tuple[str, str]] = []
    if form := next((form for start, form in _TEMPLATES.items() if text.startswith(start)), None):
        turns = form.findall(text)
    elif text.startswith("[INST]"):
        rounds = re.findall(r"\[INST\](.*?)\[/INST\](.*?)(?=</s>|<s>|\[INST\]|\Z)", text, re.DOTALL)
        turns = [turn for asked, said in rounds for turn in (("user", _SYSTEM.sub(r"\1\n\n", asked)), ("gpt", said))]
    elif re.match(r"### ?(?:Human|User|Instruction):", text := _ALPACA.sub("", text)):
        parts = re.split(r"### ?(Human|User|Instruction|Input|Assistant|Response):", text)[1:]
        turns = [(_HEADS.get(head, "user"), said) for head, said in zip(parts[::2], parts[1::2], strict=True)]
    return [{"role": role, "content": content.strip()} for role, content in turns]


_BEGIN = re.compile(r"\A\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|endoftext\|>)\s*")
_TEMPLATES = {
    "<|im_start|>": re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", re.DOTALL),
    "<|start_header_id|>": re.compile(
        r"<\|start_header_id\|>(\w+)<\|end_header_id\|>(.*?)(?:<\|eot_id\|>|<\|eom_id\|>|\Z)", re.DOTALL
    ),
    "<start_of_turn>": re.compile(r"<start_of_turn>(\w+)\n(.*?)(?:<end_of_turn>|\Z)", re.DOTALL),
    **dict.fromkeys(
        ("<|system|>", "<|user|>"),
        re.compile(
            r"<\|(system|user|assistant)\|>(.*?)(?:</s>|<\|end\|>|<\|endoftext\|>|(?=<\|(?:user|assistant)\|>)|\Z)",
            re.DOTALL,
        ),
    ),
}
"""What a text begins with that ChatML's, Llama 3's, Gemma's, Zephyr's or Phi 3's template wrote, and its turns."""
_SYSTEM = re.compile(r"<<SYS>>\s*(.*?)\s*<</SYS>>\s*", re.DOTALL)
_ALPACA = re.compile(r"\ABelow is an instruction that describes a task[^\n]*\s+(?=### ?Instruction:)")
_HEADS = {"Assistant": "assistant", "Response": "assistant"}
