"""Chats that were written into one text: as a dialogue, or by a chat template."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

from training.corpus.marks import without_end
from training.corpus.turns import TEMPLATE, Unreadable

Turn = tuple[str, str]
"""Who speaks, by any name that ``turns.role_of`` knows, and what is said."""

LONG_ANSWER = 50
"""Paragraphs of a question with its answer at most, in a text file: what goes on for longer is no dialogue."""


def written(text: str, named: bool = False) -> list[dict[str, str]]:
    """The turns, as role and content, of a text that is a dialogue or that a chat template wrote; none of other texts.

    Args:
        named: whether a dialogue of two people by their names counts too: the user begins, or speaks to a helper.

    Raises:
        Unreadable: the text begins with the mark of a template that is not known.
    """
    bare = _BEGIN.sub("", text)
    turns = _marked(bare) or _instructed(bare) or _headed(bare) or _inline(bare) or _labelled(bare)
    if not turns and named:
        turns = _named(bare)
    if not turns and _MARK.match(bare):
        raise Unreadable(TEMPLATE)
    said_by = ((role.lower().replace(" ", "_"), without_end(_INNER.sub("", said))) for role, said in turns)
    return [{"role": role, "content": said} for role, said in said_by]


def begun(text: str) -> list[dict[str, str]]:
    """The turns of a question that a template or a dialogue wrote, up to where the answer begins; else none."""
    turns = written(text)
    while turns and not turns[-1]["content"]:
        turns.pop()
    return turns if turns and turns[-1]["role"] not in _ANSWERERS else []


def rounds(paragraphs: Iterable[str]) -> Iterator[str]:
    """The paragraphs of a text file; where it begins as a dialogue, each question with what follows it, so that no
    sample begins within an answer."""
    asking, joined = None, list[str]()
    for number, paragraph in enumerate(paragraphs):
        if number == 0 and (found := _label("|".join(asks for asks, _ in _SPEAKERS)).match(paragraph)):
            asking = _label(re.escape(found[1]))
        if joined and (asking is None or asking.match(paragraph) or len(joined) == LONG_ANSWER):
            yield "\n\n".join(joined)
            joined.clear()
        joined.append(paragraph)
    if joined:
        yield "\n\n".join(joined)


_BEGIN = re.compile(
    r"\A\s*(?:<s>|<bos>|<BOS_TOKEN>|<\|begin_of_text\|>|<\|startoftext\|>|<\|endoftext\|>|\[gMASK\]<sop>)?\s*"
)
_INNER = re.compile(  # Command's thoughts and calls of tools, and the marks around its answer
    r"<\|START_(THINKING|ACTION)\|>.*?(?:<\|END_\1\|>|\Z)|<\|(?:START|END)_(?:RESPONSE|TEXT)\|>", re.DOTALL
)
_MARK = re.compile(r"<[|\uff5c][^<>|\uff5c\n]{1,40}[|\uff5c]>|<start_of_turn>|\[INST\]|<extra_id_\d+>")

_ROLE_THEN_TEXT = re.compile(
    r"<\|(system|user|prompter|assistant)\|>(.*?)"
    r"(?:</s>|<\|end\|>|<\|endoftext\|>|(?=<\|(?:user|prompter|assistant)\|>)|\Z)",
    re.DOTALL,
)
_EXTRA_IDS = re.compile(r"<extra_id_\d>(System|User|Assistant)\n(.*?)(?=<extra_id_\d>|\Z)", re.DOTALL)
_KIMI = re.compile(r"<\|im_(system|user|assistant)\|>\w+<\|im_middle\|>(.*?)(?:<\|im_end\|>|\Z)", re.DOTALL)
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
    "<|START_OF_TURN_TOKEN|>": re.compile(
        r"<\|START_OF_TURN_TOKEN\|><\|(SYSTEM|USER|CHATBOT)_TOKEN\|>(.*?)(?:<\|END_OF_TURN_TOKEN\|>|\Z)", re.DOTALL
    ),
    "<|start_of_role|>": re.compile(  # the answer's role may have settings beside it
        r"<\|start_of_role\|>(\w+)(?: *\{[^{}]*\})?<\|end_of_role\|>(.*?)(?:<\|end_of_text\|>|\Z)", re.DOTALL
    ),
    **dict.fromkeys(
        ("[|system|]", "[|user|]", "[|Human|]"),
        re.compile(r"\[\|(\w+)\|\](.*?)(?:\[\|endofturn\|\]|(?=\[\|\w+\|\])|\Z)", re.DOTALL),
    ),
    **dict.fromkeys(("<|im_system|>", "<|im_user|>"), _KIMI),
    **dict.fromkeys(("<extra_id_0>System", "<extra_id_1>User"), _EXTRA_IDS),
    **dict.fromkeys(("<|system|>", "<|user|>", "<|prompter|>"), _ROLE_THEN_TEXT),
}
"""What a text begins with that the template of ChatML, Llama 3 or 4, gpt-oss, Gemma, Command, Granite, EXAONE or Baize,
Kimi, Nemotron, or of Zephyr, Phi, GLM and OpenAssistant wrote, and its turns."""


def _marked(text: str) -> list[Turn]:
    """Of a template that marks each turn with its speaker."""
    form = next((form for start, form in _TEMPLATES.items() if text.startswith(start)), None)
    if form is not None:
        return form.findall(text)
    begin, asked, said = "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>"
    if 0 <= text.find(asked) < text.rfind(said):  # of DeepSeek, where the system has no mark
        return [("system", text.partition(asked)[0].removeprefix(begin)), *_DEEPSEEK_TURN.findall(text)]
    return []


_DEEPSEEK_TURN = re.compile(
    "<\uff5c(User|Assistant)\uff5c>(.*?)(?=<\uff5c(?:User|Assistant|end\u2581of\u2581sentence)\uff5c>|\\Z)", re.DOTALL
)


def _instructed(text: str) -> list[Turn]:
    """Of Llama 2 and Mistral: rounds of what the system says first, question, answer."""
    turns: list[Turn] = []
    if text.startswith(("[INST]", "[SYSTEM_PROMPT]")):
        for system, asked, said in _ROUND.findall(text):
            first, asked = _SYSTEM.findall(asked) or [system], _SYSTEM.sub("", asked)
            turns += [("system", first[0]), ("user", asked), ("assistant", said)]
    return turns


_ROUND = re.compile(
    r"(?:\[SYSTEM_PROMPT\](.*?)\[/SYSTEM_PROMPT\]\s*)?\[INST\](.*?)\[/INST\](.*?)(?=</s>|<s>|\[INST\]|\Z)", re.DOTALL
)
_SYSTEM = re.compile(r"<<SYS>>\s*(.*?)\s*<</SYS>>\s*", re.DOTALL)


def _headed(text: str) -> list[Turn]:
    """Of Alpaca, Guanaco and others: headings such as ``### Instruction:``, perhaps below a line for the system."""
    if "###" not in text or not _HEADED.match(text := _ALPACA.sub("", text)):
        return []
    first, *parts = _HEAD.split(text)
    return [("system", first)] + [
        (_HEADS.get(head, "user"), said) for head, said in zip(parts[::2], parts[1::2], strict=True)
    ]


_ASKING, _ANSWERING = "Human|User|Instruction|Question|Prompt", "Assistant|Response|Answer|Output|AI|Bot"
_HEADED = re.compile(
    rf"### ?(?:Human|User|Instruction):|### ?System:(?=.*### ?(?:{_ASKING}):)"
    rf"|(?:[^#\n]+\n+)?(?=### ?(?:{_ASKING}):.*### ?(?:{_ANSWERING}):)",
    re.DOTALL,
)
_HEAD = re.compile(rf"### ?(System|Input|Context|{_ASKING}|{_ANSWERING}):")
_HEADS = {"System": "system"} | dict.fromkeys(_ANSWERING.split("|"), "assistant")
_ALPACA = re.compile(r"\ABelow is an instruction that describes a task[^\n]*\s+(?=### ?Instruction:)")


def _inline(text: str) -> list[Turn]:
    """Of Vicuna: ``USER:`` and ``ASSISTANT:`` in one line."""
    found = _VICUNA.match(text)
    if found is None or "ASSISTANT: " not in text[found.end() :]:
        return []
    return [("system", found[1] or ""), *_VICUNA_TURN.findall(text, found.start("first"))]


_VICUNA = re.compile(r"(?:(A chat between [^\n]{0,2000}?)\s+)?(?P<first>USER: )")
_VICUNA_TURN = re.compile(  # with what a tool said, in Glaive's
    r"\b(USER|ASSISTANT|FUNCTION RESPONSE): (.*?)(?=\b(?:USER|ASSISTANT|FUNCTION RESPONSE): |\Z)", re.DOTALL
)


def _labelled(text: str) -> list[Turn]:
    """Of a dialogue whose lines begin with their speakers, perhaps below what the system says.

    The first speaker of each side is looked for again, and no other: another name at a line's beginning is a part of
    what is said. Lines of one speaker are joined.
    """
    system = ""
    if found := _ABOVE.match(text):
        system, text = found[1] or found[2] or "", text[found.end() :]
    for asking, answering in _SPEAKERS:
        if not _label(f"{asking}|{answering}").match(text):
            continue
        asker, answerer = _label(asking).search(text), _label(answering).search(text)
        if asker is None or answerer is None:
            continue
        roles = {asker[1].lower(): "user", answerer[1].lower(): "assistant"}
        parts = _label("|".join(map(re.escape, roles))).split(text)[1:]
        turns: list[Turn] = [("system", system)] if system else []
        for speaker, said in zip(parts[::2], parts[1::2], strict=True):
            role, said = roles[speaker.lower()], said.strip()
            turns.append((role, f"{turns.pop()[1]}\n{said}" if turns and turns[-1][0] == role else said))
        return turns
    return []


def _named(text: str) -> list[Turn]:
    """Of two people who talk, a line a turn with the speaker's name before it.

    No chat is what has a line of nobody's (a stage's direction, a remark), speakers in capitals, as plays have, or one
    who asks for a paper or tells a story; nor a list of ``Title:`` and ``Artist:``, in which nobody asks anything.
    """
    lines = [_SPOKEN.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    spoken = [(line[1], line[2]) for line in lines if line]
    names = Counter(name for name, _ in spoken)
    if len(spoken) < len(lines) or len(names) != 2 or min(names.values()) < 2 or _NO_CHAT.match(" ".join(names)):
        return []
    ends = [said.rstrip("\"'\u201d\u2019)*")[-1:] for _, said in spoken]
    if "?" not in ends or sum(end in ".?!\u2026" for end in ends) < len(ends) / 2:
        return []
    user = next((name for name in names if all(map(_HELPER.fullmatch, names.keys() - {name}))), spoken[0][0])
    return [("user" if name == user else "assistant", said) for name, said in spoken]


_SPOKEN = re.compile(
    r"(?:\*\*)?(#?(?:Person|Speaker) ?\w#?|[AB]|[^\W\d_a-z][^\W\d_]*[^\W\d_A-Z](?: [^\W\d_a-z][^\W\d_]{0,20}\.?)?)"
    r":(?:\*\*)?[ \t]+(\S.*)"
)
_HELPER = re.compile("Agent|Support|Advisor|Doctor|Nurse|Teacher|Tutor|Librarian|Operator", re.IGNORECASE)
_NO_CHAT = re.compile(r".*\b(?:interview\w*|host|guest|moderator|reporter|journalist|narrator)\b", re.IGNORECASE)


@cache
def _label(names: str) -> re.Pattern[str]:
    """A speaker at the beginning of a line: ``User:``, ``**User:**``, ``<human>:``."""
    return re.compile(rf"^[ \t]*(?:\*\*|<)?({names})(?:\*\*|>)?:(?:\*\*)?[ \t]*", re.MULTILINE | re.IGNORECASE)


_SPEAKERS = (
    ("User|Human", "Assistant|AI Assistant|AI|Bot|Chatbot|ChatGPT|GPT"),
    ("Question|Q", "Answer|A"),
    ("Instruction|Prompt", "Response|Answer|Output"),
)
"""Who asks and who answers in a dialogue; names of both sides have to be there."""
_ABOVE = re.compile(
    r"(?:System: ?(.*?)|((?:The|This|Below|A)\b[^\n]{0,300}?\b(?:chat|conversation|dialogue?)\b.{0,400}?))\n{1,4}"
    r"(?=[ \t]*(?:\*\*|<)?(?:User|Human)(?:\*\*|>)?:)",
    re.DOTALL | re.IGNORECASE,
)
_ANSWERERS = ("assistant", "model", "chatbot", "ai")
