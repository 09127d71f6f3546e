"""How the end of an answer is called that is none, in the words of servers and of programs that keep their answers."""

from __future__ import annotations

import re

FILTERED = re.compile(r"filter|safety|recitation|sensitive|block|prohibit|spii|moderat", re.IGNORECASE)
BROKEN = re.compile(
    r"error|abort|cancel|fail|insufficient|time_?out|overload|interrupt|disconnect|user_?stopped|unload", re.IGNORECASE
)
CUT = re.compile(r"length|max_?(?:output_?|predicted_?)?tokens|token_limit|context_window", re.IGNORECASE)
