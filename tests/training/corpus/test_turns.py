"""Turns of a chat: what their parts say together, and what the system says more than once."""

from __future__ import annotations

from typing import Any

import pytest

from training.corpus.forms import messages_of

USER = {"role": "user", "content": "Who painted it?"}


def part(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


CITED: dict[str, tuple[list[Any], str]] = {
    "at sources": (
        [part("It was "), part("Picasso", citations=[{"cited_text": "by Picasso"}]), part(", in Paris.")],
        "It was Picasso, in Paris.",
    ),
    "within a word": ([part("Pica"), part("sso", citations=[{}]), part(" did.")], "Picasso did."),
    "at blanks": (
        [part("Picasso"), part(" did,"), part(" in 1937.\n\n"), part("In Paris.")],
        "Picasso did, in 1937.\n\nIn Paris.",
    ),
    "before a mark": ([part("Picasso"), part(".")], "Picasso."),
    "paragraphs": ([part("Picasso did."), part("In Paris.")], "Picasso did.\nIn Paris."),
    "texts": (["Picasso did. ", "In Paris."], "Picasso did. In Paris."),
}


@pytest.mark.parametrize("where", CITED)
def test_a_sentence_in_several_parts_stays_one(where: str) -> None:
    """https://github.com/pydantic/pydantic-ai/pull/2933: Anthropic's answers are cut where they name a source."""
    parts, said = CITED[where]
    assert messages_of({"messages": [USER, {"role": "assistant", "content": parts}]})[-1].content == said


def test_what_the_system_repeats_is_said_once() -> None:
    """https://github.com/continuedev/continue/issues/2465: beside the chat and in it, or above each turn."""
    system, answer = {"role": "system", "content": "Be kind."}, {"role": "assistant", "content": "Picasso."}
    said = messages_of({"system": "Be kind.", "messages": [system, USER, answer, system, USER, answer]})
    assert [message.content for message in said] == [
        "Be kind.\n\nWho painted it?",
        "Picasso.",
        USER["content"],
        "Picasso.",
    ]
    other = {"role": "system", "content": "Be brief."}
    assert messages_of({"messages": [system, other, USER, answer]})[0].content.startswith("Be kind.\n\nBe brief.")
