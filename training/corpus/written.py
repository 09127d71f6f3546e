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
    elif text.startswith(("[INST]", "[SYSTEM_PROMPT]")):
        for system, asked, said in _INSTRUCTED.findall(text):
            first, asked = _SYSTEM.findall(asked) or [system], _SYSTEM.sub("", asked)
            turns += [("system", first[0]), ("user", asked), ("assistant", said)]
    elif _HEADED.match(text := _ALPACA.sub("", text)):
        parts = _HEAD.split(text)[1:]
        turns = [(_HEADS.get(head, "user"), said) for head, said in zip(parts[::2], parts[1::2], strict=True)]
    elif found := _VICUNA.match(text):
        turns = [("system", found[1] or "")]
        turns += [(speaker.lower(), said) for speaker, said in _VICUNA_TURN.findall(text, found.end())]
    elif found := _DEEPSEEK.match(text):
        turns = [("system", found[1]), *_DEEPSEEK_TURN.findall(text)]
    elif found := _LABELLED.match(text):
        turns = [("system", found[1])]
        turns += [(message.role, message.content) for message in dialogue(text[found.end() :]) or ()]
    return [{"role": role, "content": content.strip()} for role, content in turns]


_BEGIN = re.compile(r"\A\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|startoftext\|>|<\|endoftext\|>|\[gMASK\]<sop>)\s*")
_TEMPLATES = {
    "<|im_start|>": re.compile(r"<\|im_start\|>(\w+)(?:\n|<\|im_sep\|>)(.*?)(?:<\|im_end\|>|\Z)", re.DOTALL),
    "<|start_header_id|>": re.compile(
        r"<\|start_header_id\|>(\w+)<\|end_header_id\|>(.*?)(?:<\|eot_id\|>|<\|eom_id\|>|\Z)", re.DOTALL
    ),
    "<|header_start|>": re.compile(
        r"<\|header_start\|>(\w+)<\|header_end\|>(.*?)(?:<\|eot\|>|<\|eom\|>|\Z)", re.DOTALL
    ),
    "<|start|>": re.compile(  # what its other channels say is thought, or calls a tool
        r"<\|start\|>(system|developer|user|assistant)(?:<\|channel\|>final)?<\|message\|>"
        r"(.*?)(?:<\|end\|>|<\|return\|>|\Z)",
        re.DOTALL,
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
"""What a text begins with that ChatML's, Llama's (3, 4), gpt-oss's, Gemma's, Zephyr's or Phi's template wrote, and its
turns."""
_INSTRUCTED = re.compile(
    r"(?:\[SYSTEM_PROMPT\](.*?)\[/SYSTEM_PROMPT\]\s*)?\[INST\](.*?)\[/INST\](.*?)(?=</s>|<s>|\[INST\]|\Z)", re.DOTALL
)
"""Llama 2's and Mistral's rounds: what the system says first, question, answer."""
_SYSTEM = re.compile(r"<<SYS>>\s*(.*?)\s*<</SYS>>\s*", re.DOTALL)
_HEADED = re.compile(r"### ?(?:Human|User|Instruction):|### ?System:(?=.*### ?(?:Human|User|Instruction):)", re.DOTALL)
_HEAD = re.compile(r"### ?(System|Human|User|Instruction|Input|Assistant|Response):")
_VICUNA = re.compile(r"(?:(A chat between [^\n]*?)\s+)?(?=USER: .*\bASSISTANT: )", re.DOTALL)
_VICUNA_TURN = re.compile(r"\b(USER|ASSISTANT): ?(.*?)(?:</s>)?\s*(?=\b(?:USER|ASSISTANT): |\Z)", re.DOTALL)
_DEEPSEEK = re.compile(
    "(?:<\uff5cbegin\u2581of\u2581sentence\uff5c>)?(.*?)(?=<\uff5cUser\uff5c>.*<\uff5cAssistant\uff5c>)", re.DOTALL
)
_DEEPSEEK_TURN = re.compile(
    "<\uff5c(User|Assistant)\uff5c>(.*?)(?=<\uff5c(?:User|Assistant|end\u2581of\u2581sentence)\uff5c>|\\Z)", re.DOTALL
)
_LABELLED = re.compile(r"System: ?(.*?)\n+(?=User: )", re.DOTALL)
_ALPACA = re.compile(r"\ABelow is an instruction that describes a task[^\n]*\s+(?=### ?Instruction:)")
_HEADS = {"Assistant": "assistant", "Response": "assistant", "System": "system"}
