"""Answers as Markdown, where a study says so: the same for both sides, and nothing in them can act."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from html import escape

import pytest

from app import markup
from app.scenes import Phase
from feedback.battles import Answer, Battle, Turn
from tests.timing import costs_less_than

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


@pytest.mark.parametrize(
    "formula",
    [
        r"$a*b*c$",
        r"$\{1, 2\} \cup x_1^* + y_2^*$",
        r"\(x_1 * y * z\)",
        r"\[a \\ b\]",
        r"$$\begin{pmatrix} a & b \\ c & d \end{pmatrix}$$",
        "$$\na\n= b\n- c\n\n* d\n$$",
        "\\begin{align*}\nx &= 1 \\\\\n  &= 2*3*4\n\\end{align*}",
        "$<script>alert(1)</script>$",
    ],
)
def test_a_formula_in_markdown_loses_nothing(formula: str) -> None:
    """Markdown alone makes `$abc$` of the first, and a heading of a line above `= b`."""
    shown = markup.panes(_with(f"Before.\n\n{formula}\n\nAfter *that*."), Phase.VOTE, markdown=True)[0]
    assert f'class="formula">{escape(formula, quote=False)}</' in shown
    assert "<em>that</em>" in shown


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("It costs $5 and *then* $6.", "<em>then</em>"),
        ("`$a*b*c$`", "<code>$a*b*c$</code>"),
        ("```\n$$\na*b*c\n$$\n```", "<pre><code>$$\na*b*c\n$$\n</code></pre>"),
        ("$$ without an end *here*", "<em>here</em>"),
        (r"\$5 *is* \$5", "<em>is</em>"),
    ],
)
def test_what_is_no_formula_is_markdown(text: str, rendered: str) -> None:
    assert rendered in markup.panes(_with(text), Phase.VOTE, markdown=True)[0]


@pytest.mark.parametrize(
    "text",
    [
        "2*3*4*5 = 120",
        "2**3 + 4**5, 5*6=30 and 7*8=56",
        "a*b*c, 2*x*y and b**2 - 4*a*c",
        "width*height*depth",
        "Die K\u00fcnstler*innen und ihre Sch\u00fcler*innen",
        "\u8ba1\u7b972*3*4\u5f97\u523024",
        "Python calls __init__ and __main__.",
    ],
)
def test_stars_and_underscores_that_are_no_emphasis_stay(text: str) -> None:
    shown = markup.panes(_with(f"{text}\n\n- {text}, *really*"), Phase.VOTE, markdown=True)[0]
    assert (shown.count(escape(text)), shown.count("<em>")) == (2, 1)
    assert "<strong>" not in shown


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("in the **1990**s", "<strong>1990</strong>s"),
        ("**2*3*4** is *24*", "<strong>2*3*4</strong> is <em>24</em>"),
        ("**So 2*3*4** = **24**", "<strong>So 2*3*4</strong> = <strong>24</strong>"),
        ("\u8fd9\u662f*\u91cd\u70b9*\u5185\u5bb9", "\u8fd9\u662f<em>\u91cd\u70b9</em>\u5185\u5bb9"),
        ("__two words__ and _one_", "<strong>two words</strong> and <em>one</em>"),
        ("`2*3*4`", "<code>2*3*4</code>"),
        ("*a*b*", "<em>a</em>b*"),
    ],
)
def test_emphasis_stays_emphasis(text: str, rendered: str) -> None:
    assert rendered in markup.panes(_with(text), Phase.VOTE, markdown=True)[0]


def test_items_keep_the_numbers_that_they_have() -> None:
    """Browsers count on from the first: of years and of a countdown others were shown."""
    years = markup.panes(_with("1874. Monet\n1889. Van Gogh\n1907. Picasso"), Phase.VOTE, markdown=True)[0]
    assert [f'<li value="{year}">' in years for year in (1874, 1889, 1907)] == [True] * 3
    down = markup.panes(_with("3. three\n2. two\n   - 1\n1. one"), Phase.VOTE, markdown=True)[0]
    assert [f'<li value="{n}">' in down for n in (3, 2, 1)] == [True] * 3
    for counted in ("1. one\n2. two\n3. three", "1. one\n1. two", "- a\n- b"):
        assert "value=" not in markup.panes(_with(counted), Phase.VOTE, markdown=True)[0]


def test_a_row_with_more_cells_than_its_table_loses_none() -> None:
    table = "| sign | says |\n|---|---|\n| abs | a |x| b |\n| or | c |"
    shown = markup.panes(_with(f"Before.\n\n{table}\n\nAfter."), Phase.VOTE, markdown=True)[0]
    assert "| abs | a |x| b |" in shown
    assert "<table>" not in shown
    for whole in ("| a | b |\n|---|---|\n| 1 | 2 | |\n| 3 |", "a | b\n--|--\n1 | 2\nno pipe"):
        assert "<table>" in markup.panes(_with(whole), Phase.VOTE, markdown=True)[0]


def test_a_table_of_cells_that_nobody_wrote_is_shown_as_it_was_written() -> None:
    """Of each row that is shorter than the head the rest is made: 10 kB became 675 kB, in seconds."""
    table = f"{'|a' * 1500}|\n{'|-' * 1500}|\n" + "|x\n" * 1500
    shown = markup.panes(_with(f"Before.\n\n{table}"), Phase.VOTE, markdown=True)[0]
    assert len(shown) < 5 * len(table)
    assert shown.count("|x") == 1500
    assert "<table>" in markup.panes(_with("|a|b|c|\n|-|-|-|\n" + "|x|\n" * 100), Phase.VOTE, markdown=True)[0]


def test_sources_are_shown_and_lead_where_they_say() -> None:
    text = "Monet [1] painted.\n\nSources:\n\n[1]: https://a.example/1\n[2]: <https://b.example/2> 'Title'\n\n[^3]: https://c.example"
    shown = markup.panes(_with(text), Phase.VOTE, markdown=True)[0]
    assert [f": {address}" in shown for address in ("https://a.example/1", "https://c.example")] == [True, True]
    assert "https://b.example/2</a> &#x27;Title&#x27;" in shown or "https://b.example/2</a> 'Title'" in shown
    assert shown.count('href="https://a.example/1"') == 2


@pytest.mark.parametrize("unit", ["a*", "__a", "|a|b|\n|-|-|\n", "[a]: http://b.example\n", "1. a\n3. b\n"])
def test_what_stays_as_it_is_costs_no_more_than_other_markdown(unit: str) -> None:
    def render(text: str) -> None:
        markup._answer.cache_clear()
        markup.panes(_with(text), Phase.VOTE, markdown=True)

    assert costs_less_than(
        8, partial(render, unit * (20_000 // len(unit)) + "|a|b|c|"), partial(render, "*a* " * 5_000)
    )


NAMES = [a + b + c for a in "abcdefghijk" for b in "abcdefghijk" for c in "abcdefghijk"]


@pytest.mark.parametrize("end", ["", "\\] x", "\\end{a} x", "".join(f"\\end{{{name}}} " for name in NAMES) + "x"])
@pytest.mark.parametrize(
    "unit",
    [
        "$",
        "$a",
        "$$",
        "\\(",
        "\\[",
        "\\[\n",
        "$$\n",
        "\\begin{a}\n",
        "$a*b*c$ ",
        "".join(f"\\begin{{{n}}}\n" for n in NAMES),
    ],
)
def test_formulas_by_the_thousand_cost_no_more_than_other_markdown(unit: str, end: str) -> None:
    def render(text: str) -> None:
        markup._answer.cache_clear()
        markup.panes(_with(text), Phase.VOTE, markdown=True)

    formulas = unit * max(1, 20_000 // len(unit)) + end
    assert costs_less_than(5, partial(render, formulas), partial(render, "*a* " * 5_000))


def test_an_address_that_stands_in_a_thousand_links_is_not_sent_a_thousand_times() -> None:
    address = "http://study.example/" + "y" * 5000
    left, _ = markup.panes(_with(f"[a]: {address} 'title'\n\n" + "[a] " * 1000), Phase.VOTE, markdown=True)
    assert left.count(address) == 3
    assert (left.count("<a>"), left.count("</a>")) == (997, 1000)
    assert len(left) < 50_000


def test_an_answer_is_rendered_once_however_often_it_is_shown() -> None:
    """A page that is loaded again and again is a request of a moment, whatever the models wrote."""
    shown, text = _with("[" * 3000), _with("x")

    def show(battle: Battle) -> None:
        for _ in range(20):
            markup.panes(battle, Phase.VOTE, markdown=True)

    show(shown)
    assert costs_less_than(20, partial(show, shown), partial(show, text))


def _with(text: str) -> Battle:
    answers = {model: Answer(text, 1, 1.0) for model in ("model1", "model2")}
    return replace(BATTLE, turns=(replace(TURN, answers=answers),))
