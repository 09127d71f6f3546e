"""Marks that data sets and chat programs leave in texts for programs of their own; nobody says them.

A mark that could be somebody's words stays: ``x[1]``, ``[[1]]`` in code, ``<s>`` around words that were struck out.
"""

from __future__ import annotations

import json
import re

from training.corpus.prose import without_front_matter

_LINE_ENDS = "\r\x0b\x0c\u2028\u2029"  # of Windows, of Word within a paragraph, of JavaScript
_LINE_END = re.compile(f"\r\n?|[{_LINE_ENDS}]")
_BEGIN = re.compile(
    r"\s*(?:(?:<pad>|<\|pad\|>|<bos>|<BOS_TOKEN>|<\|begin_of_text\|>|<\|startoftext\|>|<\|endoftext\|>)\s*)+"
)
_ENDS = (
    *("<end_of_turn>", "<|eom_id|>", "<|return|>", "<|endofturn|>", "<|END_OF_TURN_TOKEN|>", "<end_of_utterance>"),
    *("<\uff5cend\u2581of\u2581sentence\uff5c>", "<pad>", "<|pad|>"),
    *("<eos>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|EOT|>", "<|im_end|>", "<|end|>"),
)
_BETWEEN = re.compile(r"(?<![`'\"])<\|endoftext\|>(?![`'\"])")
_CALCULATED = re.compile(r"<<(?=[^<>=]*=)[\d .,+*/()%$=-]{3,200}>>")  # 48/2 = <<48/2=24>>24
_RESULT = re.compile(r"(\A|\n)#### ?(-?\$?\d[\d,./]*%?) *(\Z|\n(?=The answer is))")
_CITED = re.compile(
    r" ?\u3010[^\u3010\u3011\n]{1,100}\u2020[^\u3010\u3011\n]{0,200}\u3011"  # of OpenAI's file search
    r"| ?:contentReference\[oaicite:\d+\]\{index=\d+\}| ?\ue200[^\ue200\ue201\n]{0,300}\ue201"  # of ChatGPT
    r"| ?\[\^\d{1,3}\^\](?:\([^)\s\[]*\))?"  # of Bing
    r"| ?\[\[\d{1,3}\]\]\([^)\s\[]*\)"
    r"|(?<=[.!?])(?:\[\[?\d{1,3}\]\]?)+(?=\s|\Z)"  # of Wikipedia, as in Dolly
    r"| ?\[citation needed\]"
)
_CITES = ("[", "\u3010", ":contentReference", "\ue200")
"""One of them is in whatever ``_CITED`` finds."""
_WIKITEXT = re.compile(r" @([-,.])@ ")
_NO_INPUT = re.compile(
    r"<?\s*(?:no[ _-]?(?:in|out)put|n/a)\s*>?\.?|[<(\[]\s*(?:blank|empty|null|no (?:answer|response|text))\s*[>)\]]",
    re.IGNORECASE,
)
MISSING = frozenset(("nan", "NaN", "-nan", "-NaN", "null", "NULL", "<NA>", "#N/A", "#NA", "\\N"))
"""What pandas and databases write where there is no value; in a table never a word of anybody's."""
_MAYBE_MISSING = MISSING | {
    *("None", "NA", "NaT", "undefined", "inf", "-inf", "TBD", "TODO"),
    *("#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"),
}
_ABOUT_MISSING = re.compile(
    r"\b(?:which of|how (?:many|much)|any\w*|none|nothing|options?|choose|choices|null|nan|missing|python|pandas|numpy|"
    r"java\w*|json|sql|code|program\w*|functions?|variables?|returns?|outputs?|prints?|evaluates?|excel|spreadsheets?|"
    r"formulas?|cells?|abbreviat\w*|acronyms?|initials|symbols?|stands? for|short for|infinit\w*|limits?|"
    r"undefined|zero|divid\w+|slope|tan|log\w*)\b|/ ?0\b"
    r"|\bor (?:none|not)\b|\bNone\b",
    re.IGNORECASE,
)
"""Words of a question to which one of these may be the answer."""
_SPEAKER = "system|user|human|assistant|bot|chatbot|ai|gpt|model|question|answer|response|instruction|output"
_LABEL_ALONE = re.compile(
    rf"(?:#{{1,6}} ?|\*\*|<)?(?:{_SPEAKER})(?:\*\*|>)?:(?:\*\*)?|#{{1,6}} ?(?:{_SPEAKER})"
    rf"|<\|(?:im_start\|>|start_header_id\|>)?(?:{_SPEAKER})(?:\|>|<\|end_header_id\|>)?",
    re.IGNORECASE,
)

_CALL_BLOCK = re.compile(r"<tool_call>.*?(?:</tool_call>|\Z)", re.DOTALL)
_CALL = re.compile(r"(?:<functioncall>|<\|python_tag\|>|<function=)")
_STEP = re.compile(r"(?:Thought:.*?\n[ \t]*)?Action: *([^\n]+)\n\s*Action Input:(.*)\Z", re.DOTALL)
_FINAL = re.compile(r"Thought:.*?\n[ \t]*Final Answer:(.*)\Z", re.DOTALL)


def without_marks(text: str, prose: bool = False) -> str:
    """A text without marks of where it begins and ends, of calculations and of sources; lines end in one way."""
    if any(end in text for end in _LINE_ENDS):  # here and below: to look for a sign takes a tenth of a pattern's time
        text = _LINE_END.sub("\n", text)
    if begun := _BEGIN.match(text):
        text = text[begun.end() :]
    text = without_end(text)
    if text.startswith("<s>") and "</s>" not in text:
        text = text.removeprefix("<s>").lstrip()
    if prose and "<|endoftext|>" in text:  # texts of a file for GPT-2, one after the other
        text = "\n\n".join(filter(None, map(str.strip, _BETWEEN.split(text))))
    if prose:
        text = without_front_matter(text)
    if "<<" in text or "####" in text:  # GSM8K's
        text = _RESULT.sub(_result, _CALCULATED.sub("", text))
    if " @" in text:
        text = _WIKITEXT.sub(r"\1", text)
    if any(sign in text for sign in _CITES):
        text = _CITED.sub("", text)
    return text.strip()


def _result(found: re.Match[str]) -> str:
    return f"{found[1]}The answer is {found[2].rstrip('.,')}." if not found[3] else found[1]


def without_end(text: str) -> str:
    """A text without the marks of its end."""
    text = text.strip()
    ends = _ENDS if "<s>" in text[1:] else (*_ENDS, "</s>")  # else words that were struck out in HTML
    end = len(text)
    while text.endswith(ends, 0, end):
        end -= next(len(mark) for mark in ends if text.endswith(mark, 0, end))
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]


def is_no_value(text: str, asked: str = "") -> bool:
    """Whether a text says that there is nothing: Alpaca's ``<noinput>``, ``nan``, ``None`` or ``#REF!`` of an export, a
    speaker's name and no words. ``asked`` is what the text answers: ``None`` of which of these is an answer."""
    if len(text) > 40:
        return False
    if text in _MAYBE_MISSING:
        return _ABOUT_MISSING.search(asked) is None
    return _NO_INPUT.fullmatch(text) is not None or _LABEL_ALONE.fullmatch(text) is not None


def without_calls(answer: str) -> str | None:
    """What an answer says to the user; None where it calls a tool and says nothing.

    Calls in words are those of Hermes, Glaive and Llama, and ReAct's steps, which ToolBench ends with ``Finish``.
    """
    if found := _FINAL.match(answer):
        return found[1].strip()
    if found := _STEP.match(answer):
        return _finished(found[2]) if found[1].strip() == "Finish" else None
    if _CALL.match(answer):
        return None
    said = _CALL_BLOCK.sub("", answer).strip()
    return said or (None if "<tool_call>" in answer else "")


def _finished(given: str) -> str | None:
    try:
        answer = json.loads(given).get("final_answer")
    except (ValueError, AttributeError, RecursionError):
        return None
    return answer.strip() or None if isinstance(answer, str) else None
