"""Words by which a model gives itself away. Such answers are flagged and stored, never changed or deleted.

What counts is that a model speaks of itself, or names a model or laboratory that is nothing else. Names with another
meaning (Gemini, llama, mistral, Google, Claude) count only in a sentence of the first person about what it is. The
rules were measured on sentences that they were not made from: `tests/app/test_leaks.py`.
"""

from __future__ import annotations

import re

# Of models and laboratories, and of nothing else.
_NAMES = (
    r"smol\s?lm\d?[\w.-]*",
    r"hugging\s?face(?:tb)",
    r"gpt[\s-]?[\dj][\w.]*",
    r"chat\s?gpt",
    r"openai",
    r"phi[\s-][1-4]",
    r"(?:code\s?)?llama[\s-]?\d[\w.]*",
    r"meta\s?ai",
    r"anthropic's?(?= (?:claude|made|built|train|develop))",
    r"claude\s?(?:ai\b|[1-4]|opus|sonnet|haiku|instant)",
    r"google deepmind",
    r"deepmind",
    r"gemini\s(?:\d|pro|nano|ultra|flash)",
    r"gemma[\s-]?\d",
    r"mi[sx]tral(?:\s?ai|[\s-]?\d+x?\d*b)",
    r"qwen[\d.]*",
    r"deepseek[\w-]*",
    r"model [12]",
)
_AMBIGUOUS = (
    r"(?:chat)?gpt|claude|gemini|gemma|llama|mi[sx]tral|google|microsoft|meta|anthropic|alibaba|baidu|hugging ?face|"
    r"stability ai|eleuther ?ai|xai|lmsys|deepmind|smollm|qwen|open ?ai|open ?assistant|vicuna|alpaca|ernie|yi|grok|"
    r"copilot|bard|falcon|stablelm|pythia|olmo|granite|nemotron|cohere|nvidia|ibm|tencent|kimi|mamba|bloom"
)
# What a model is, in the words that models use.
_AI = (
    r"a\.?i\.?|artificial intelligence|artificial neural network|neural network|(?:language|text|ai|llm|transformer|"
    r"machine[- ]learning|deep[- ]learning|generative|chat|instruction[- ]following|open[- ]weights?|open[- ]source|"
    r"pre-?trained|fine-?tuned) models?|language models?|llms?|chat-?bot|bot|computer program|(?:piece of )?software|"
    r"(?:virtual|digital|ai|helpful|chat-based) (?:ai )?(?:assistant|companion)|transformer model|small model|"
    r"conversational agent|machine learning system"
)
_I = r"\b(?:i am|i'm|i’m|am i)"
_WORDS = r"(?:[\w,'’-]+ ){0,6}?"  # a few words of the same sentence
_MADE = (
    r"(?:trained|fine-?tuned|tuned|developed|created|made|built|designed|programmed|released|open-?sourced|"
    r"initiali[sz]ed)"
)
_WHO = (
    rf"(?:{_AMBIGUOUS}|(?:the |a |some |my )?(?:team|group|researchers?|engineers?|developers?|scientists|students?|"
    r"programmers?|company|lab(?:oratory)?|start-?up)\b)"
)
_DATA = (
    r"(?:(?:a|an|the|my|some|large|huge|vast|diverse|only|many|lots of) )*(?:[\w,-]+ ){0,3}?"
    r"(?:data(?:set)?s?|corpus|corpora|texts?|books and|websites?|web pages|internet|conversations|dialogues?|"
    r"questions|tokens|examples|wikipedia)\b"
)
_PHRASES = (
    rf"{_I} (?:not a (?:human|person)\W+(?:but |i am |i'm )?)?(?:only |just |simply |merely |really |actually |also )*"
    rf"(?:an?|your|the|only|part of|what people call an?)? ?{_WORDS}(?:{_AI})\b",
    rf"\b(?:as|being|since i am|because i am|speaking as|i, as) an? (?:\w+[ -]){{0,3}}?(?:{_AI}|machine(?=,))\b",
    rf"\bas an? model (?:{_MADE}|from)\b",
    rf"{_I} (?:not )?(?:{_AMBIGUOUS})(?![\w'’]| (?:monet|lorrain|cahun|debussy|twins?)\b)",
    rf"(?:my name(?: is|'s|’s)|the name is|call(?:ed)? (?:me )?|i go by(?: the name of)?|known as|"
    rf"{_I} (?:called|named|known as)) ?(?:{_AMBIGUOUS})(?![\w'’]| (?:monet|lorrain|cahun|debussy)\b)",
    rf"\b(?:you are|you're) (?:talking|speaking|chatting) (?:to|with) (?:{_AMBIGUOUS}|an? (?:{_AI}))\b",
    rf"\bthis is (?:{_AMBIGUOUS}) (?:speaking|here)\b|\bthis is (?:{_AMBIGUOUS}), an?\b|\b(?:{_AMBIGUOUS}) here\b",
    rf"\bi(?: was|'ve been| have been|’ve been| am|'m|’m| wasn't| was never| was not| have not been| have only been|"
    rf"'ve only been) (?:\w+ ){{0,3}}?{_MADE}(?: and \w+)? (?:\w+ ){{0,2}}?(?:by|at|from) (?:{_WHO})",
    rf"\bi(?: was|'ve been| have been|’ve been| am|'m|’m|'ve only been) (?:not |never |only |also )*(?:pre-?)?"
    rf"(?:trained|fine-?tuned|tuned) (?:on|with|using) (?:{_DATA})",
    r"\bi (?:was|wasn't|have been|am|'m) (?:not |never )?(?:programmed|fine-?tuned|pre-?trained)\b",
    rf"\b(?:{_AMBIGUOUS}) (?:{_MADE}) me\b|\b(?:{_MADE}|made|built) me from scratch\b|\btrained from scratch\b",
    r"\bmy (?:training (?:data|set|corpus|cut-?off)|knowledge (?:cut-?off|base|only goes)|weights|parameters|"
    r"model card|base model|context window|programming|algorithms?|developers?|programmers?|neural)\b",
    rf"\bmy (?:creators?|makers?) (?:at|from) (?:{_AMBIGUOUS})\b",
    r"\bmy architecture is (?:based on|a) (?:the |a )?(?:transformer|llama|gpt|decoder)",
    r"\bbased on my training\b|\bmy training (?:ended|stopped|cut)",
    r"\bi have (?:about |around |only )?[\d.,]+ ?(?:million|billion|m|b) parameters\b",
    rf"{_I} (?:based on|powered by|a (?:version|variant|product) of|from|part of the|a (?:fine-?tuned|pre-?trained)) "
    rf"(?:the )?(?:{_AMBIGUOUS})",
    rf"\bi (?:run on|come from|belong to the|belong to) (?:{_AMBIGUOUS})\b",
    rf"{_I} (?:a )?(?:pre-?trained|fine-?tuned)\b",
    r"\bi (?:predict the next|generate (?:text|words) by|exist as software|store knowledge in weights)\b",
    r"\bi(?:'m| am) trained (?:to be|on|with|by)\b(?! (?:anton|the studio))",
    rf"\bthe people who (?:{_MADE}|built) me\b",
)
_LEAKS = tuple(re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE) for pattern in _NAMES)
_SELF = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _PHRASES)


def leaks(answer: str, prompt: str) -> bool:
    """Whether `answer` names or describes its own model in words that `prompt` did not bring in."""
    return any(pattern.search(answer) and not pattern.search(prompt) for pattern in (*_LEAKS, *_SELF))
