"""What a row holds by accident is not learned; what speaks of such accidents stays as it is."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.timing import cpu_seconds, stays_within
from tests.training.corpus.rows import messages, write
from training.corpus import load, stream, turns
from training.corpus.accidents import as_meant
from training.corpus.cleaning import CleaningReport
from training.corpus.sample import Message

APOSTROPHE = "Goya’s"

MENDED = {
    "Simon &amp; Garfunkel don&#39;t say &quot;no&quot;.": 'Simon & Garfunkel don\'t say "no".',
    "Q&amp;amp;A": "Q&A",
    "by&nbsp;Goya, 20&deg;C, x is &lt; 5, caf&eacute;": "by Goya, 20°C, x is < 5, café",
    "No.&#x200B; Yes.": "No. Yes.",
    '<p>It is by <b>Goya</b>.</p>\n\n<p>See <a href="https://x.y/z?a=1" rel="nofollow">this</a>.</p>': (
        "It is by Goya.\n\nSee this."
    ),
    "One.<p>Two &gt; one.<p>I&#x27;m <i>sure</i>.": "One.\n\nTwo > one.\n\nI'm sure.",
    "Dear Ann,<br><br />it is by Goya.<br/>Ben": "Dear Ann,\n\nit is by Goya.\nBen",
    "<p>Two:</p>\n<ul>\n<li>Goya</li>\n<li><p>Monet</p></li>\n</ul>\n<p>Both.</p>": "Two:\n\n- Goya\n- Monet\n\nBoth.",
    '<p>So:</p>\n<pre><code class="x">if a &lt; b:\n    go()\n</code></pre>': "So:\n\n```\nif a < b:\n    go()\n```",
    "It has 10<sup>6</sup> and H<sub>2</sub>O on the 19<sup>th</sup>.": "It has 10⁶ and H2O on the 19th.",
    "He was <s>good</s> bad.<br>So.": "He was ~~good~~ bad.\nSo.",
    "&lt;p&gt;It is by Goya.&lt;/p&gt;": "It is by Goya.",
    "Goyaâ€™s â€œMajaâ€\x9d â€“ itâ\x80\x99s 5Â\xa0mÂ² in MusÃ©e d'Orsay": "Goya’s “Maja” – it’s 5 m² in Musée d'Orsay",
    "Goyaâ€šÃ„Ã´s": APOSTROPHE,
    "GoyaÃ¢â‚¬â„¢s": APOSTROPHE,
    "Goya‚Äôs": APOSTROPHE,
    "GoyaвЂ™s": APOSTROPHE,
    "Goyaβ€™s": APOSTROPHE,
    "GoyaΓÇÖs": APOSTROPHE,
    "Goya\x92s": APOSTROPHE,
    "Goya\\u2019s": APOSTROPHE,
    "ðŸ˜€ âœ“ Î± Â£5, MalÃ¡ Strana, Å¡koda": "😀 ✓ α £5, Malá Strana, škoda",
    "a ﬁne ef\u00adfort\ufeff": "a fine effort",
    "One.\\n\\nTwo,\\n- three": "One.\n\nTwo,\n- three",
    "It is by Goya ([source](_URL_0_)).": "It is by Goya (source).",
    "It is by Goya (_URL_0_).\n\nSource: _URL_1_": "It is by Goya.",
    "Goya -LRB- born in 1746 -RRB- did.": "Goya (born in 1746) did.",
    "So:\n```python\nCopy code\nprint(1)\n```": "So:\n```python\nprint(1)\n```",
    "It&#39;s `x`:\n```c\n#include &lt;stdio.h&gt;\nif (a &lt; b &amp;&amp; c &gt; d) return;\n```": (
        "It's `x`:\n```c\n#include <stdio.h>\nif (a < b && c > d) return;\n```"
    ),
    "So:\n```js\nf = x =&gt; &quot;y&quot;\n```": 'So:\n```js\nf = x => "y"\n```',
}
SAID = (
    "Write &amp; for an ampersand in HTML.",
    "What does &nbsp; mean?",
    "Use `&amp;` here, and don't use AT&T.",
    "```html\n<p>Hi &amp; bye</p>\n```\nThat is it.",
    "Use <b> and </b> for bold type, as browsers do.",
    "List<String> x; vector<int> y; a<b and c>d; <3",
    "x = &sum; y = &num; ?a=1&copy=2 R&D AT&T;",
    "<instructions>Be brief.</instructions> <p>Who?</p>",
    '<div class="a"><p>Home</p></div>',
    'print("<b>" + name + "</b>")',
    "Why do I see â€™ in UTF-8 text?",
    "SÃO PAULO, IRMÃ” said, LÀ…, «CAFÉ», 1.54 Å±0.01, naïve, château, pâté, Ünlü",
    "C:\\new\\nvidia and \\nabla f, \\neq",
    "Say greet <name>, as in a template for <NAME>.",
    "The token <unk> stands for unknown words.",
    "Hello {{ name }} is a template in Jinja.",
    "what_URL_is and MY_NAME_1",
    "I [deleted] it.",
    "So:\n```html\nx &lt; y\n```",
    "So:\n```\n&lt;b&gt;x&lt;/b&gt;\n```",
    "So:\n```py\ns.replace('&lt;', '<')\n```",
    "Use `&lt;` in it, and:\n```\na &lt; b\n```",
    "So:\n```\n&copy; 2020\n```",
    '(laughs) "No"',
    "[Goya] (Goya) {Goya}",
    "('Goya')",
    "b'Goya",
    '["Goya" is how he signs, "Francisco" is his name]',
    "Ōide Tōkō, Kraków, Łódź, Ångström, 日本語, Привет",
)
LEFT = {
    "It is by Goya, see _URL_0_ for more.": turns.PLACEHOLDER,
    "I am {{name}}, made by {{author}}.": turns.PLACEHOLDER,
    "I am <NAME>, made by <AUTHOR>.": turns.PLACEHOLDER,
    "Hello NAME_1, it is by Goya.": turns.PLACEHOLDER,
    "It is by <unk> .": turns.PLACEHOLDER,
    "[deleted]": turns.PLACEHOLDER,
    "[ Removed by Reddit ]": turns.PLACEHOLDER,
    "Goyaâ€ says so": turns.GARBLED,
    "voilÃ  Goya": turns.GARBLED,
    "Goya\x81": turns.GARBLED,
    '<p>See:</p><p><img src="a.png" alt="x"></p>': turns.MEDIA,
    "![It](data:image/png;base64," + "iVBORw0KGgo" * 9 + ")": turns.MEDIA,
    "b'Goya'": turns.NOT_TEXT,
    "['Goya']": turns.NOT_TEXT,
    "('Goya', 'Monet')": turns.NOT_TEXT,
    "{'name': 'Goya'}": turns.NOT_TEXT,
    "[{'name': 'Goya'}]": turns.NOT_TEXT,
    "array(['Goya'], dtype=object)": turns.NOT_TEXT,
    "[object Object]": turns.NOT_TEXT,
    "<__main__.Painter object at 0x7f1c2b3a4d50>": turns.NOT_TEXT,
    "[]": turns.NOT_TEXT,
}


@pytest.mark.parametrize("answer", MENDED)
def test_an_accident_is_not_learned(answer: str, tmp_path: Path) -> None:
    (sample,) = load([write(tmp_path / "a.jsonl", [{"question": "Who?", "answer": answer}])])
    assert messages(sample) == [("user", "Who?"), ("assistant", MENDED[answer])]
    (sample,) = load([write(tmp_path / "b.jsonl", [{"text": answer}])])
    assert messages(sample) == [("text", MENDED[answer])]


@pytest.mark.parametrize("text", SAID)
def test_what_is_meant_stays(text: str) -> None:
    for said in ((Message("text", text),), (Message("user", "Who?"), Message("assistant", text))):
        assert as_meant(said) == said


def test_a_question_about_html_keeps_its_answer() -> None:
    chat = (Message("user", "How do I make a paragraph in HTML?"), Message("assistant", "<p>Like this &amp; that.</p>"))
    assert as_meant(chat) == chat


@pytest.mark.parametrize("answer", LEFT)
def test_what_nothing_says_is_counted_with_its_place(answer: str, tmp_path: Path) -> None:
    report = CleaningReport()
    path = write(
        tmp_path / "a.jsonl", [{"question": "Who?", "answer": "Goya."}, {"question": "And?", "answer": answer}]
    )
    assert len(list(stream([path], report=report))) == 1
    assert report.by_reason() == {LEFT[answer]: 1}
    assert report.first == {LEFT[answer]: f"{path}, line 2"}


@pytest.mark.parametrize(
    "question", ["What does print(['a']) show?", "Extract the names: Ann met Ben.", "A JSON, please"]
)
def test_a_value_that_was_asked_for_stays(question: str) -> None:
    chat = (Message("user", question), Message("assistant", "['a', 'b']"))
    assert as_meant(chat) == chat


PARTS = (
    '["',
    "['a',",
    "{'",
    "&amp;",
    "<p>",
    "<pre>",
    "<p ",
    "<b a=1 ",
    " \n",
    "`",
    "``` ",
    "(_URL_0_",
    "[x](",
    "Ã",
    "â€",
    "\\n",
    "\\u0041",
    "the &",
    "-LRB-",
)


@pytest.mark.parametrize("part", PARTS)
def test_accidents_cost_no_more_than_their_length(part: str) -> None:
    def mend(text: str) -> None:
        with contextlib.suppress(turns.Unreadable):
            as_meant((Message("text", text),))

    text = "_URL_0_ x &amp; <p>y é\\n" + part * (200_000 // len(part)) + "x"
    assert stays_within(1, lambda: cpu_seconds(lambda: mend(text)))
