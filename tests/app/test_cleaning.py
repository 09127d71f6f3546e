"""One rule for what is shown, which loses nothing that a reader needs."""

from __future__ import annotations

from functools import partial

import pytest

from app.cleaning import clean_answer, clean_prompt
from tests.timing import costs_less_than

FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"  # of Wales, made of tags


@pytest.mark.parametrize(
    "text",
    [
        "2**3 + 4**5",
        "+ 3y\n- 4x\n* 2",
        "__init__ and snake_case_name",
        "f[0](x)",
        "# comment\nprint(1)",
        "```python\ndef f():\n\treturn `x`\n\n\ndef g(): ...\n```",
        "**bold** and [a link](http://z)",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian: a joiner keeps the parts of a word apart
        "\u0915\u094d\u200d\u0937",  # Devanagari: another holds a half form
        "\U0001f469\u200d\U0001f3a8 paints",
        FLAG,
        "\u2067\u05e9\u05dc\u05d5\u05dd\u2069 (shalom)",  # isolates order mixed directions
        "The token <pad> fills a batch, and <|im_end|> ends a turn.",
        "x < y and y > z",
        "    def f():\n        return 1\n\n    f()",
        "\tindented\n\t\tmore",
        "<|begin_of_text|> begins a text.",
        "0. zero\n1. one\n   - [ ] to do\n\n$$\\frac{1}{2}$$ and \\(x_1\\)",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f \u845b\ufe00",
        "~~~~\n```\nnested\n```\n~~~~",
        "\u2329\u03c8|\u03c6\u232a, and \ufa19\u793e is no \u795e\u793e: \ufa10, \U0002f800",  # NFC has others
        "x" * 5000,
    ],
)
def test_nothing_that_a_reader_needs_is_lost(text: str) -> None:
    assert clean_answer(text) == text
    assert clean_prompt(text) == text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  Bold and code  ", "Bold and code"),
        ("a\n\n\n\n\nb\r\nc", "a\n\n\nb\nc"),
        ("one\u2028two\x85three", "one\ntwo\nthree"),
        ("hello<|im_end|></s>", "hello"),
        ("right \u202ereversed\u202c \x07bell\ufeff", "right reversed bell"),
        ("hidden \U000e0041\U000e0042letters", "hidden letters"),
        ("e\u0301", "\u00e9"),
        ("e\u0301" * 200, "\u00e9" * 200),  # many marks, one on each letter
        ("a" + "\u0301\u0316" * 50, "\u00e1" + "\u0316" * 50 + "\u0301" * 49),
        (" one blank\nand more", "one blank\nand more"),
        ("page\fbreak and\vtab", "page\nbreak and\ntab"),
        ("Hello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "Hello"),
        ("Hello<|im_end|>\n<|im_start|>assistant\n", "Hello"),
        ("<|im_start|>assistant\nHello<|im_end|>", "Hello"),
        ("<bos>Hello", "Hello"),
        ("<|im_end|>", "<|im_end|>"),
        ("<seed:think>hm</seed:think>Blue.", "Blue."),
        ("<think>I am GPT-4, let me see.</think>\n\nBlue.", "Blue."),
        ("<think>it never ends", ""),
        ("so, as a model of OpenAI\n</think>\n\nBlue.", "Blue."),
        ("[THINK]hm[/THINK]Blue.", "Blue."),
        ("<mm:think>it never ends", ""),
        ("<|channel|>analysis<|message|>it never ends", ""),
    ],
)
def test_answers(raw: str, clean: str) -> None:
    assert clean_answer(raw) == clean
    assert clean_answer(clean) == clean, "cleaning twice changes nothing"


@pytest.mark.parametrize("blank", ["", " \n\t", "\u200b\u200d\u202e"])
def test_blank_questions(blank: str) -> None:
    assert clean_prompt(blank) == ""


def test_a_question_about_marks_of_a_chat_is_asked_as_it_is() -> None:
    """The tokenizers take them for text, so nothing has to be cut out of a tester's words."""
    assert clean_prompt("What does `<pad>` mean?") == "What does `<pad>` mean?"
    assert clean_prompt("**Who**?<|im_end|>\n<|im_start|>system") == "**Who**?<|im_end|>\n<|im_start|>system"


@pytest.mark.parametrize(
    "written",
    [
        "<Think>secret</Think>Answer",
        "<think type='x'>secret</think>\nAnswer",
        "<scratchpad>secret</scratchpad>Answer",
        "analysisThe user asks for a secret.assistantfinalAnswer",
        "assistantanalysishm, a secretassistantfinalAnswer",
        "I will keep the secret.</think>\n\nAnswer",
        "secret</think>Answer",
        "secret </think>\n\nAnswer",
        "```\nsecret()\n```\nSo.\n</thinking>Answer",
        "secret</reasoning>\nAnswer",
        "secret[/THINK]Answer",
        "secret<|END_THINKING|><|START_RESPONSE|>Answer<|END_RESPONSE|>",
        "<|START_THINKING|>secret<|END_THINKING|><|START_RESPONSE|>Answer<|END_RESPONSE|>",
        "<think>secret</think>\n<answer>\nAnswer\n</answer>",
        "<think>\nsecret\n</think>\n<answer>\nAnswer",
        "<reasoning>secret</reasoning><answer>Answer</answer>",
        "<answer>Answer</answer>",
        "<think>secret <b></think>Answer</answer>",
        "<seed:think>secret</seed:think>Answer",
        "<mm:think>secret</mm:think>Answer",
        "<longcat_think>secret</longcat_think>Answer",
        "<ifm|think>secret</ifm|think>Answer",
        '<details type="reasoning" done="true"><summary>Thought</summary>secret</details>\nAnswer',
        "[unused16]secret[unused17]Answer",
        "<unused94>thought\nsecret<unused95>Answer",
        "<|channel>thought\nsecret<channel|>Answer",
        "<|inner_prefix|>secret<|inner_suffix|>Answer",
        "<|think|>secret<|end|><|begin|>assistant<|content|>Answer<|end|>",
        "<|begin_of_thought|>secret<|end_of_thought|>\n<|begin_of_solution|>Answer<|end_of_solution|>",
        "<start_working_out>secret<end_working_out><SOLUTION>Answer</SOLUTION>",
        "<|channel|>analysis<|message|>secret<|end|><|start|>assistant<|channel|>final<|message|>Answer<|return|>",
        "<|channel|>commentary<|message|>secret<|end|><|start|>assistant<|channel|>analysis<|message|>more secrets"
        "<|end|><|start|>assistant<|channel|>final<|message|>Answer<|return|>",
        "<|channel|>final<|message|>Answer<|return|>",
        "Here is my thought process: a secret. Here is my response: Answer",
        "Here's my thought process:\n\nsecret\n\nHere's my response:\n\nAnswer",
        "Here are my reasoning steps:\nsecret\n[BEGIN FINAL RESPONSE]\nAnswer\n[END FINAL RESPONSE]\n<|end|>",
        "## Thinking\n\nsecret\n\n## Final Response\n\nAnswer",
        "Thinking...\nsecret\n...done thinking.\n\nAnswer",
        "/think\nsecret<|im_end|>\n<|im_start|>assistant\nAnswer<|im_end|>",
        "<s>Answer</s>",
        "Answer<|im_end|>\n<|im_start|>user\nA secret question?<|im_end|>",
        "Answer<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nA secret question?",
        "Answer</s>\n<|user|>\nA secret question?",
    ],
)
def test_other_wrappings_of_an_answer_tell_nothing(written: str) -> None:
    assert clean_answer(written) == "Answer"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Sure!\n<think>a secret</think>\nBlue.", "Sure!\n\nBlue."),
        ("Sure! <think>secret</think> Blue.", "Sure! Blue."),
        ("Sure, <think>all of this is a secret</think> blue.", "Sure, blue."),
        ("Sure, <think>\nsecret\n</think>blue.", "Sure, blue."),
        ("<think>secret</think>Blue.\n<think>secret</think>\nRed.", "Blue.\n\nRed."),
        ("secret</think>Blue.\n\n<thinking>secret</thinking>\n\nRed.", "Blue.\n\n\nRed."),
        ("<think>secret</think>blue<think>secret</think>, red", "blue, red"),
        ("blue<think>secret</think>red", "bluered"),
        ("<think>secret</think>Blue, <think>secret</think>red.", "Blue, red."),
        ("Blue.\n\n<think>\nsecret without an end", "Blue."),
        ("Blue.\n[THINK]secret[/THINK]", "Blue."),
        ("\u84dd\u8272\u3002<think>\u79d8\u5bc6</think>", "\u84dd\u8272\u3002"),
        ("```\nx = 1\n```\n<think>secret ``` secret</think>\n```\ny\n```", "```\nx = 1\n```\n\n```\ny\n```"),
        ("\ufeff<think>secret</think>Blue.", "Blue."),
        ("\u200b\n<think>secret</think>Blue.", "Blue."),
    ],
)
def test_thoughts_in_the_midst_of_an_answer_are_not_shown(written: str, shown: str) -> None:
    assert clean_answer(written) == shown


@pytest.mark.parametrize(
    "written",
    [
        "Models close their thoughts with </think> and go on.",
        "Close it with </think>\nand go on.",
        "<s>old</s> new",
        "ChatML:\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello",
        "```\nHi<|im_end|>\n<|im_start|>user\n```",
        "Analysis of the final assistant",
        "analysis by an assistantfinalist",
        "It ends with `</think>` or '</think>'.",
        "Use:\n```\nsecret</think>Answer\n```\nand parse it.",
        "Tags: <think>a</think> and <answer>b</answer>, in this order.",
        "It is told to write <think> reasoning process here </think> <answer> answer here </answer>.",
        "Write `<think>a thought of as many words as you like</think>` first.",
        'Write "<think>a thought of as many words as you like</think>" first.',
        "So:\n\n```xml\n<think>\na thought of as many words as you like\n</think>\n```\n\nThen the answer.",
        "<answer> begins it and </answer> ends it, says the paper.",
        "The form ends in </answer>, after <answer>.",
        "Here is my thought process: first I look at the light.",
        "## Thinking\n\nPhilosophers ask what it is.",
        "Thinking...\nis hard.",
        "analysis",
        "The final channel is written <|channel|>final<|message|> in Harmony.",
    ],
)
def test_what_is_said_of_such_marks_stays(written: str) -> None:
    assert clean_answer(written) == written


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0f73\u0316", "\u0f73"])
def test_marks_that_are_piled_up_cost_no_more_than_letters(marks: str) -> None:
    """To put 20,000 of them in order takes 0.3 s, and a growing answer is cleaned again and again."""

    def stays(text: str) -> None:
        assert clean_prompt(text) == text

    piled, letters = "a" + marks * (20_000 // len(marks)), "\u00e9" * 20_001
    assert costs_less_than(5, partial(stays, piled), partial(stays, letters))


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        "\t",
        "\u00a0",
        " \n",
        "<s>",
        "</think>",
        "a</think> ",
        "<think></think>",
        "<answer>",
        "</answer>",
        "<|im_end|> ",
        ". <think>",
        "\n<think>x</think>",
        "`<think>",
        "\n```\n<think>",
    ],
)
def test_blanks_and_marks_by_the_thousand_cost_no_more_than_letters(unit: str) -> None:
    """A search from each of 20,000 blanks for the end of their line took seconds, in which nothing else ran."""

    def clean(text: str) -> None:
        clean_answer(text)
        clean_prompt(text)

    blanks, letters = unit * (20_000 // len(unit)) + "x", "e" * 20_000
    assert costs_less_than(30, partial(clean, blanks), partial(clean, letters))


@pytest.mark.parametrize(
    "text",
    [
        "So. <think> " * 10_000,
        'So "<think> ' * 10_000 + "</think>",
        "".join(f"So. <a{number}_think> " for number in range(6_000)),
    ],
)
def test_thoughts_that_never_end_cost_no_more_than_their_length(text: str) -> None:
    """From each of their beginnings the rest of the answer was searched for an end."""
    assert costs_less_than(20, partial(clean_answer, text), partial(clean_answer, text[: len(text) // 10]))
