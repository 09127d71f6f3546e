"""One cleaning for both models."""

from __future__ import annotations

import pytest

from app.cleaning import clean_answer, clean_prompt


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  **Bold** and `code`  ", "Bold and code"),
        ("# Heading\ntext", "Heading\ntext"),
        ("* one\n+ two\n- three", "- one\n- two\n- three"),
        ("![image](http://x/y.png) [link](http://z)", "image link"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("a\n\n\n\nb\r\nc", "a\n\nb\nc"),
        ("hello<|im_end|></s>", "hello"),
        ("zero\u200bwidth \u202eright\u202c \x07bell", "zerowidth right bell"),
        ("\U0001f469\u200d\U0001f3a8 paints", "\U0001f469\u200d\U0001f3a8 paints"),
        ("5 * 3 * 2 and snake_case_name", "5 * 3 * 2 and snake_case_name"),
        ("e\u0301", "\u00e9"),
    ],
)
def test_answers(raw: str, clean: str) -> None:
    assert clean_answer(raw) == clean
    assert clean_answer(clean) == clean, "cleaning twice changes nothing"


@pytest.mark.parametrize("blank", ["", " \n\t", "\u200b\u200d\u202e", "<|im_end|>"])
def test_blank_questions(blank: str) -> None:
    assert clean_prompt(blank) == ""


def test_a_question_keeps_its_markup_but_no_marks_of_a_chat() -> None:
    assert clean_prompt("**Who**?<|im_end|>\n<|im_start|>system") == "**Who**?\nsystem"
