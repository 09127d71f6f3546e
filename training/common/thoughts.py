"""What a model says to itself before it answers, in the marks of today's models; testers are shown what follows.

The forms are those that servers part from an answer (https://docs.vllm.ai/en/latest/features/reasoning_outputs.html,
https://docs.sglang.io/advanced_features/separate_reasoning.html) where they know the model, and leave in it elsewhere.
"""

from __future__ import annotations

import re

# <think>, <seed:think>, <mm:think>, <longcat_think>, <ifm|think>, <chain_of_thought>, ...
_NAME = r"(?:\w+[:_|])?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|monologue|analysis)|cot"
# Marks that begin and end a block. What is begun and never ended is a thought to its end: the answer was cut.
_MARKS = (
    (rf"<(?P<tag>(?i:{_NAME}))(?:\s[^<>]*)?>", r"</(?i:(?P=tag))\s*>"),
    (r"<(?i:details) type=[\"'](?i:reasoning)[\"'][^<>]*>", r"</(?i:details)>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"\u25c1think\u25b7", r"\u25c1/think\u25b7"),
    (r"\[unused16\]", r"\[unused17\]"),
    (r"<unused94>", r"<unused95>"),
    (r"<start_working_out>", r"<end_working_out>"),
    (r"<\|channel>(?:thought|analysis)?(?=\s|\b|<)", r"<channel\|>"),
    (r"<\|(?:START_THINKING|start_thinking)\|>", r"<\|(?:END_THINKING|end_thinking)\|>"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    (
        r"<\|think(?:ing)?\|>",
        r"(?:<\|/think(?:ing)?\|>|<\|end\|>\s*<\|begin\|>assistant(?=<\|content\|>)|(?=<\|answer\|>))",
    ),
    (r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)", r"(?=<\|channel\|>final)"),
)
_SIGNS = "<[\u25c1"  # one of them is in every mark, and in what an answer is wrapped in
# Words that do the same. They may be an answer's own, so both have to be there.
_WORDS = (
    (r"(?:assistantanalysis|analysis(?=[A-Z\n]))", r"assistantfinal"),  # where a server has taken the marks out
    (r"Here(?:'s|\u2019s| is) my thought process:", r"Here(?:'s|\u2019s| is) my response:"),
    (r"Here are my reasoning steps:", r"(?=\[BEGIN FINAL RESPONSE\])"),
    (r"#+ Thinking[ \t]*\n", r"\n#+ Final (?:Response|Answer)[ \t]*\n"),
    (r"Thinking\.\.\.[ \t]*\n", r"\n\.\.\.done thinking\.[ \t]*\n"),
    (r"/think\n", r"<\|im_end\|>\s*<\|im_start\|>assistant"),
)
_UNSEEN = r"[\s\u200b-\u200d\u2060\ufeff]*"  # what an answer may begin with that nobody sees
_FIRST = re.compile(
    rf"{_UNSEEN}(?:"
    + "|".join(
        [f"(?:{begin}).*?(?:{end}|\\Z)" for begin, end in _MARKS]
        + [f"(?:{begin}).*?(?:{end})" for begin, end in _WORDS]
    )
    + ")",
    re.DOTALL,
)
# Where the form of the chat opens the block itself, an answer has its end alone: glued to a word or to the end of a
# sentence, on a line of its own, or before a blank line. What is said of such a mark has blanks or quotes around it.
_END = re.compile(
    rf"</(?P<tag>(?i:{_NAME}))\s*>|\[/THINK\]|\u25c1/think\u25b7|\[unused17\]|<unused95>|<end_working_out>|<channel\|>"
    r"|<\|(?:END_THINKING|end_thinking|end_of_thought|inner_suffix)\|>"
)
_BEFORE_END = re.compile(r"(?:[^\s`'\"\u2018\u201c\u00ab(<,:;=]|\n[ \t]*)\Z")
_AFTER_END = re.compile(r"[ \t]{0,80}\n[ \t]{0,80}(?:\n|\Z)|\Z")
_BEGIN = re.compile("|".join(begin.replace("?P<tag>", "") for begin, _ in _MARKS))
# A block in the midst of an answer, where code is no block: what begins a line is one; if it ends, also what follows a
# word or a sentence, and what holds more than the few words of an example. Not what somebody tells of the marks.
_CODE = r"(?P<code>^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)|\Z)|`[^`\n]+`)"
_LATER = re.compile(
    "|".join([_CODE, *(f"(?P<mark{n}>{begin})" for n, (begin, _) in enumerate(_MARKS))]), re.DOTALL | re.MULTILINE
)
_LINE, _AFTER_WORDS = re.compile(r"(?:\A|\n) {0,3}\Z"), re.compile(r"(?:\w|[.!?\u2026\u3002\uff01\uff1f][ \t]*)\Z")
_QUOTES = "`'\"\u2018\u201c\u00ab\\"
_WORDS_OF_AN_EXAMPLE = 3
_MOST_ENDLESS = 20  # marks that are begun and never ended: an answer with more of them tells of marks

# What an answer is wrapped in, after thoughts or alone.
_OPEN = (
    r"<(?P<answer>(?i:(?:final_)?(?:answer|response)|solution))>",
    r"<\|(?:START_RESPONSE|begin_of_solution|answer|content|message)\|>",
    r"\[BEGIN FINAL RESPONSE\]",
    r"(?:<\|start\|>assistant)?<\|channel\|>final[^<>]*(?:<\|constrain\|>\w*)?<\|message\|>",
)
_CLOSE = (
    r"</(?i:(?:final_)?(?:answer|response)|solution)>|<\|(?:END_RESPONSE|end_of_solution)\|>|\[END FINAL RESPONSE\]"
)
_OPENED = re.compile(rf"\A\s*(?:{'|'.join(_OPEN)})")
_CLOSED = re.compile(rf"(?:{_CLOSE})\s*\Z")


def without_thoughts(text: str) -> str:
    """An answer without the blocks in which its model thinks first, and without what it is wrapped in itself."""
    start = 0
    while found := _FIRST.match(text, start):
        start = found.end()
    rest = text[start:]
    if not any(sign in rest for sign in _SIGNS):  # nearly every answer, in a tenth of the time of the patterns below
        return rest
    rest = _after_end(rest)
    rest = _without_later(rest, thought=len(rest) < len(text))
    return _unwrapped(rest, thought=len(rest) < len(text))


def _without_later(text: str, thought: bool) -> str:
    """An answer without the blocks in its midst; `thought`: it had one before, so that such marks are its model's."""
    kept, start, at = list[str](), 0, 0
    endless = set[str]()  # marks that are nowhere in what follows: each look for one goes to the end of the answer
    while found := _LATER.search(text, at):
        at = found.end()
        if found["code"] is None and (end := _end_of_later(text, found, thought or bool(kept), endless)) is not None:
            part = text[start : found.start()]
            kept.append(part.rstrip(" \t") if text[end : end + 1].isspace() else part)
            start = at = end
    return "".join([*kept, text[start:]])


def _end_of_later(text: str, found: re.Match[str], thought: bool, endless: set[str]) -> int | None:
    """Where a block ends that begins in the midst of an answer; None for what only looks like one."""
    number = next(n for n in range(len(_MARKS)) if found[f"mark{n}"] is not None)
    form = _MARKS[number][1].replace("(?P=tag)", re.escape(found["tag"] or ""))
    before = text[max(0, found.start() - 80) : found.start()]
    begins_line = _LINE.search(before)
    if not begins_line and before[-1] in _QUOTES:
        return None
    is_endless = form in endless or len(endless) >= _MOST_ENDLESS
    ended = None if is_endless else re.compile(form, re.DOTALL).search(text, found.end())
    if begins_line:
        return ended.end() if ended else len(text)
    if ended is None:
        endless.add(form)
        return None
    said = text[found.end() : ended.start()]
    is_long = "\n" in said or len(said.split(None, _WORDS_OF_AN_EXAMPLE)) > _WORDS_OF_AN_EXAMPLE
    return ended.end() if thought or is_long or _AFTER_WORDS.search(before) else None


def _after_end(text: str) -> str:
    """What follows the end of a block that was opened before the answer began; the text itself if none was."""
    fences = counted = 0
    for found in _END.finditer(text):
        fences += text.count("```", counted, found.start())
        counted = found.start()
        glued = _BEFORE_END.search(text, max(0, counted - 80), counted) or not counted
        if fences % 2 == 0 and (glued or _AFTER_END.match(text, found.end())):
            return text if _BEGIN.search(text, 0, counted) else text[found.end() :]
    return text


def _unwrapped(text: str, thought: bool) -> str:
    """An answer without the marks around it; what is only begun with them stays, unless a thought came before."""
    opened, closed = _OPENED.match(text), _CLOSED.search(text)
    if opened and (closed or thought or not re.search(_CLOSE, text)):
        return text[opened.end() : closed.start() if closed else len(text)]
    if closed and not re.search("|".join(_OPEN), text) and text[: closed.start()].strip():
        return text[: closed.start()]
    return text
