"""Words by which a model gives itself away. Such answers are flagged and stored, never changed or deleted."""

from __future__ import annotations

import re

# Names of bases and laboratories. "Claude" alone is an artist's name far more often than a model's.
_NAMES = (
    r"smol\s?lm\d*",
    r"hugging\s?face(?:tb)?",
    r"gpt[\s-]?[\dj]\w*",
    r"chat\s?gpt",
    r"open\s?ai",
    r"microsoft",
    r"phi[\s-]?[1-4]",
    r"llama[\s-]?\d*",
    r"meta\s?ai",
    r"anthropic",
    r"claude\s?(?:ai|\d)",
    r"(?:i am|i'm|called) claude(?! monet)",
    r"google",
    r"deep\s?mind",
    r"gemini",
    r"gemma",
    r"mistral(?:\s?ai)?",
    r"qwen\d*",
    r"alibaba",
    r"deepseek",
    r"model [12]",
)
# Phrases in which a model speaks of its own making.
_PHRASES = (
    r"as an? (?:ai|artificial intelligence|language|large language)[\w\s-]{0,30}model",
    r"\bi(?:'m| am| was) [\w\s-]{0,40}(?:trained|tuned|developed|created|made|built) (?:by|from|on)\b",
    r"\bas a model (?:trained|developed|created|made|built)\b",
    r"\bmy (?:training data|developers?|creators?|makers?|parameters)\b",
    r"\btrained (?:me|from scratch)\b",
    r"\b(?:am|i'm) (?:a )?(?:pre-?trained|fine-?tuned)\b",
)
_LEAKS = tuple(re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE) for pattern in (*_NAMES, *_PHRASES))


def leaks(answer: str, prompt: str) -> bool:
    """Whether `answer` names or describes its own model in words that `prompt` did not bring in."""
    return any(pattern.search(answer) and not pattern.search(prompt) for pattern in _LEAKS)
