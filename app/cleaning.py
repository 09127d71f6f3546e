"""What is shown of a text, by one rule for both models and for testers; what was written is stored beside it.

The rule takes away what nobody reads and what would tell the models apart by their wrapping: blanks around a text,
marks of a chat form around it, a block in which a model thinks before it answers. It changes no word, no code, no
formula, no list and no script: joiners stay (Persian, Indic scripts, emoji), and marks that order mixed directions.
"""

from __future__ import annotations

import itertools
import re
import unicodedata

from training.common.thoughts import without_thoughts

MOST_MARKS = 100  # on one letter
_TIBETAN_MARKS = "\u0f73\u0f75\u0f81"  # the only ones that become marks when they are taken apart and are none before
_LINE_ENDS = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
# Format characters without a use in a text of today: byte order marks, annotations, deprecated ones; and those that
# turn all that follows round, which could make a text read otherwise than it was written.
_GONE = frozenset("\ufeff\u202a\u202b\u202c\u202d\u202e\ufff9\ufffa\ufffb\u206a\u206b\u206c\u206d\u206e\u206f")
_TAGS = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|[\U000e0000-\U000e007f]+")  # flags are made of them
_BLANKS = " \t\u00a0\n"
# A model that goes on where its turn has ended, and asks itself the next question in the marks of its own chat form.
_MARK = r"<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|<\|user\|>"
_NEXT_TURN = re.compile(
    rf"\A((?:(?!{_MARK}|```).)*?)(?:<\|(?:im_end|eot_id|eom_id|end|endoftext|end_of_text)\|>|</s>|<end_of_turn>)\s*"
    rf"(?:{_MARK}).*",
    re.DOTALL,
)
_END_OF_TURN = re.compile(
    r"(?:<\|(?:im_end|im_start|endoftext|end_of_text|eot_id|eom_id|end|return|assistant|user)\|>|</s>|<end_of_turn>"
    r"|<\|start_header_id\|>assistant<\|end_header_id\|>|<\|im_start\|>assistant"
    r"|<\uff5cend\u2581of\u2581sentence\uff5c>)\Z"
)
_LONGEST_END = 60
_START_OF_TURN = re.compile(
    r"\A\s*(?:(?:<bos>|<s>(?!.*</s>)|<\|begin_of_text\|>)(?=\S)|<\|im_start\|>assistant\n"
    r"|<\|start_header_id\|>assistant<\|end_header_id\|>\n|<start_of_turn>model\n|<\|assistant\|>\n){1,8}",
    re.DOTALL,
)
# What is composed into a character that looks otherwise: signs of East Asian names, and brackets as wide as such signs.
_COMPOSED_OTHERWISE = re.compile("([\u2329\u232a\uf900-\ufaff\U0002f800-\U0002fa1f]+)")
_INDENTED = re.compile(r"\n*([ \t]*\t|[ \t]{2,})(?=[^ \t\n][^\n]*\n)")


def _composed(text: str) -> str:
    """`text` in composed form (NFC); one that piles marks up stays as it is, since what is gained is none to read.

    Marks on one letter are put in order in a time that grows with the square of their number: 20,000 take 0.3 s, in
    which nothing else runs. No script has more than thirty (https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format).
    """
    if not text.isascii():
        for marks, run in itertools.groupby(text, lambda c: unicodedata.combining(c) > 0 or c in _TIBETAN_MARKS):
            if marks and sum(1 for _ in run) > MOST_MARKS:
                return text
    parts = _COMPOSED_OTHERWISE.split(text)
    return "".join(part if number % 2 else unicodedata.normalize("NFC", part) for number, part in enumerate(parts))


def clean_text(text: str) -> str:
    """`text` in composed form (NFC) without what nobody can see; line ends as `\\n`, no blanks around it."""
    text = _TAGS.sub(lambda found: found[1] or "", _LINE_ENDS.sub("\n", _composed(text)))
    kept = "".join(c for c in text if c in "\n\t" or (c not in _GONE and unicodedata.category(c) not in ("Cc", "Cs")))
    kept = "\n".join(line.rstrip(_BLANKS) for line in kept.split("\n")).rstrip("\n")
    indent = found[1] if (found := _INDENTED.match(kept)) else ""  # of the first line of many: it may be code
    kept = indent + kept.strip(_BLANKS)
    return re.sub(r"\n{4,}", "\n\n\n", kept)


def clean_prompt(text: str) -> str:
    """What a tester typed, as it is asked; nothing where nothing of it can be seen.

    Marks of a chat form stay in: the tokenizers take them for text.
    """
    cleaned = clean_text(text)
    return cleaned if any(unicodedata.category(c) not in ("Cf", "Zs", "Cn", "Zl", "Zp") for c in cleaned) else ""


def clean_answer(text: str) -> str:
    """What a tester is shown of what a model wrote."""
    written, text = text, _START_OF_TURN.sub("", _ended(text))
    if not text.strip():  # such marks are all that there is: they are the answer
        return clean_text(written)
    text = _NEXT_TURN.sub(r"\1", without_thoughts(text))
    return clean_text(_ended(text))


def _ended(text: str) -> str:
    """A text without the marks at its end.  Looked for there alone: a search from each of many blanks takes minutes."""
    text = text.rstrip()
    while found := _END_OF_TURN.search(text, max(0, len(text) - _LONGEST_END)):
        text = text[: found.start()].rstrip()
    return text
