"""What is said in a conversation: the one type of message, and how the end of an answer is called that is none."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant", "text"]


class Message(NamedTuple):
    """One turn of a chat, or a piece of plain prose (role ``text``, in samples alone). A tuple, so that it unpacks;
    ``_asdict`` makes of it what chat templates and servers take."""

    role: Role
    content: str


# Of an answer that has no end, in the words of servers and of programs that keep their answers.
FILTERED = re.compile(r"filter|safety|recitation|sensitive|block|prohibit|spii|moderat", re.IGNORECASE)
BROKEN = re.compile(
    r"error|abort|cancel|fail|insufficient|time_?out|overload|interrupt|disconnect|user_?stopped|unload", re.IGNORECASE
)
CUT = re.compile(r"length|max_?(?:output_?|predicted_?)?tokens|token_limit|context_window", re.IGNORECASE)
