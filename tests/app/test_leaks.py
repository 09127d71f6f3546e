"""What counts as a model giving itself away."""

from __future__ import annotations

import pytest

from app.leaks import leaks


@pytest.mark.parametrize(
    "answer",
    [
        "I am SmolLM, trained by Hugging Face.",
        "As an AI language model, I cannot say.",
        "I was created by OpenAI.",
        "i'm a small model trained from scratch",
        "My training data ends in 2023.",
        "I am GPT-2.",
        "I'm called Claude.",
    ],
)
def test_a_model_that_names_itself(answer: str) -> None:
    assert leaks(answer, "Who are you?")


@pytest.mark.parametrize(
    "answer",
    [
        "Claude Monet painted Impression, Sunrise.",
        "Llamas are animals of the Andes.",
        "The model was trained on pictures by hand.",
        "The frame was made by a carpenter.",
        "",
    ],
)
def test_an_answer_about_art(answer: str) -> None:
    assert not leaks(answer, "Tell me something.")


def test_a_word_of_the_question_is_no_leak() -> None:
    assert not leaks("OpenAI makes ChatGPT.", "Does openai make chatgpt?")
    assert leaks("OpenAI makes ChatGPT.", "What is OpenAI?"), "the other name was not asked about"
