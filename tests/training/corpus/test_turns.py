"""Turns of a chat: what their parts say together, and what the system says more than once."""

from __future__ import annotations

from typing import Any

import pytest

from training.corpus.forms import messages_of
from training.corpus.turns import NOT_LEARNED, Unreadable

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


def test_what_the_system_says_at_the_head_of_the_question_is_said_once() -> None:
    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Be kind.\n\nWho?"}]
    said = messages_of({"messages": [*chat, {"role": "assistant", "content": "Goya."}]})
    assert said[0].content == "Be kind.\n\nWho?"


@pytest.mark.parametrize("roles", [(" User ", "Assistant:"), ("<|user|>", "<|assistant|>"), ("[HUMAN]", "## Bot")])
def test_roles_with_the_marks_of_a_template_are_known(roles: tuple[str, str]) -> None:
    turns = [{"role": role, "content": said} for role, said in zip(roles, ("Who?", "Goya."), strict=True)]
    assert [message.role for message in messages_of({"messages": turns})] == ["user", "assistant"]


THOUGHT = [
    "<thinking>Hm.</thinking>Goya.",
    "<reasoning>Hm.</reasoning>\n<answer>Goya.</answer>",
    "<|begin_of_thought|>Hm.<|end_of_thought|><|begin_of_solution|>Goya.<|end_of_solution|>",
    "\u25c1think\u25b7Hm.\u25c1/think\u25b7Goya.",
    "[THINK]Hm.[/THINK]Goya.",
    "<seed:think>Hm.</seed:think>Goya.",
]


@pytest.mark.parametrize("answer", THOUGHT)
def test_thoughts_are_not_learned_whatever_their_marks(answer: str) -> None:
    """https://github.com/huggingface/trl/issues/2919, https://github.com/fmaclen/hollama/issues/290."""
    chat = {"messages": [USER, {"role": "assistant", "content": answer}]}
    for row in (chat, {"question": "Who painted it?", "answer": answer}):
        assert messages_of(row)[-1].content == "Goya."


@pytest.mark.parametrize(
    "mark", ["<end_of_turn>", "<pad>", "<|eom_id|>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "<pad> <pad>"]
)
def test_marks_of_an_end_are_not_learned(mark: str) -> None:
    """https://github.com/karpathy/nanoGPT/issues/165."""
    assert messages_of({"question": "Who?", "answer": f"Goya.{mark}\n"})[-1].content == "Goya."
    assert messages_of({"question": "Who?", "answer": "<pad><pad>Goya."})[-1].content == "Goya."


@pytest.mark.parametrize(
    "mark", [{"train": False}, {"weight": 0}, {"masked": True}, {"loss_mask": [0, 0]}, {"completion_mask": (0, 0, 0)}]
)
def test_a_row_that_is_not_to_be_learned_says_so_of_itself_too(mark: dict[str, Any]) -> None:
    row = {"question": "Who?", "answer": "Goya."}
    with pytest.raises(Unreadable, match=NOT_LEARNED):
        messages_of(row | mark)
    assert messages_of(row | {"loss": 0.0, "weight": 0.5, "train": True, "loss_mask": [0, 1]})


@pytest.mark.parametrize(
    "turns",
    [
        [["user", "Who?"], ["assistant", "Goya."], ["user", "When?"], ["assistant", "In 1800."]],
        [["human", "Who?"], ["ai", "Goya."], ["human", "When?"], ["ai", "In 1800."]],
        [["Who?", "Goya."], ["When?", "In 1800."]],
        [{"user": "Who?"}, {"assistant": "Goya."}, {"human": "When?"}, {"gpt": "In 1800."}],
    ],
)
def test_pairs_are_turns_or_questions_with_their_answers(turns: list[Any]) -> None:
    """LangChain's tuples as JSON has them, Gradio's history, and turns whose only key is who speaks."""
    for name in ("messages", "conversations"):
        said = [(message.role, message.content) for message in messages_of({name: turns})]
        assert said == [("user", "Who?"), ("assistant", "Goya."), ("user", "When?"), ("assistant", "In 1800.")]


@pytest.mark.parametrize(
    "turns",
    [[["user", "Who?"], ["narrator", "Goya."]], [["Who?", None]], [["Who?", "Goya.", "x"]], [{"mood": "Goya."}]],
)
def test_pairs_of_which_it_is_unsure_who_speaks_are_counted(turns: list[Any]) -> None:
    with pytest.raises(Unreadable):
        messages_of({"messages": turns})
