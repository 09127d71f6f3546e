"""Answers as Markdown, where a study says so: the same for both sides, and nothing in them can act."""

from __future__ import annotations

from dataclasses import replace

from app import markup
from app.scenes import Phase
from feedback.battles import Answer, Battle, Turn

TEXT = """# A heading

Some **bold** words, `code` and 2**3.

| a | b |
|---|---|
| 1 | 2 |

- [a link](https://example.org/?q=1) and [another](javascript:alert(1))
- ![a picture](https://example.org/x.png) <img src=x onerror=alert(1)> <script>alert(2)</script>
"""
TURN = Turn(1, 1, 1, 1, "Q?", "complete", {model: Answer(TEXT, 1, 1.0) for model in ("model1", "model2")})
BATTLE = Battle(1, 1, "p", "c", "Q?", "model1", "open", (TURN,))


def test_markdown_is_rendered_alike_and_safely() -> None:
    left, right = markup.panes(BATTLE, Phase.VOTE, markdown=True)
    assert left.replace("Answer A", "").replace(">A<", "") == right.replace("Answer B", "").replace(">B<", "")
    for tag in ("<h1>A heading</h1>", "<strong>bold</strong>", "<code>code</code>", "<table>", "<li>"):
        assert tag in left
    assert '<a href="https://example.org/?q=1" target="_blank" rel="noopener noreferrer nofollow">' in left
    for danger in ("<img", "<script", 'href="javascript', "onerror=alert(1)>"):
        assert danger not in left.replace("&lt;img src=x onerror=alert(1)&gt;", "")


def test_plain_text_is_the_default_and_shows_every_character() -> None:
    left, _ = markup.panes(BATTLE, Phase.VOTE, markdown=False)
    assert "**bold** words, `code` and 2**3." in left
    assert "| 1 | 2 |" in left
    assert "<table" not in left
    cancelled = replace(BATTLE, turns=(replace(TURN, status="cancelled"),))
    assert "bold" not in markup.panes(cancelled, Phase.BROKEN, markdown=True)[0]
