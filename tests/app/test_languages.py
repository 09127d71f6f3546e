"""The testers' page in seven languages: which one, whether no text is missing, and the whole path in a real browser."""

from __future__ import annotations

import ast
import gettext
import io
import json
import re
import string
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo

from app import language, markup
from app.cli import main
from app.gathering import gathered, read
from app.language import chosen, ntr, said, speaking, tr
from app.limits import Later
from feedback.rules import Refused
from feedback.study import LANGUAGES, Study, StudyError
from tests.app.chat_server import ANSWER, ChatServer
from tests.app.serving import ROOT, App
from tests.app.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OTHERS = tuple(code for code in LANGUAGES if code != "en")
LOCALES = {"en": "en-GB", "de": "de-AT", "fr": "fr-CA", "es": "es-MX", "pt": "pt-BR", "zh": "zh-CN", "ar": "ar-EG"}
TAGS = {code: code for code in LANGUAGES} | {"zh": "zh-Hans"}
BUILT_IN = Study.load(ROOT / "app" / "study.toml")


# -- the catalogues -------------------------------------------------------------------------------------------------


def forms(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


def key(message: Message) -> tuple[str, ...]:
    return forms(message.id)


@pytest.fixture(scope="module")
def template() -> Catalog:
    return gathered()


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_there_and_none_in_doubt(code: str, template: Catalog) -> None:
    catalogue = read(code)
    wanted = {key(message) for message in template if message.id}
    there = {key(message): message for message in catalogue if message.id}
    assert set(there) == wanted, "run python -m app.gathering"
    assert len(wanted) > 200
    numbers = catalogue.num_plurals
    for texts, message in there.items():
        translated = forms(message.string)
        assert len(translated) == (1 if len(texts) == 1 else numbers), texts
        assert all(text.strip() for text in translated), texts
        assert not message.fuzzy, texts
        known = set(chain.from_iterable(map(places, texts)))
        for text in translated:
            assert places(text) <= known, (text, "a placeholder that the text does not have")
            assert sorted(re.findall(r"<[^>]*>", text)) == sorted(re.findall(r"<[^>]*>", texts[0])), text
        # A number may be left out where one form is for one number alone, as "two rounds" is a word in Arabic.
        assert known <= set(chain.from_iterable(map(places, translated))), texts
        if len(texts) == 1:
            assert known == places(translated[0]), texts
        assert all(known == places(text) for text in translated[-1:]), texts


# What a language's own punctuation and its polite form of address rule out.
WRONG = {
    "de": r"[\"']|”|\b([Dd]u|[Dd]ein\w*)\b",
    "fr": r"(?<![\u00a0\u202f])[;:!?»]|«(?!\u00a0)|[\"']|\b([Tt]u|[Tt]on|[Tt]es)\b",
    "es": r"^[^¿]*\?|^[^¡]*!|[\"“”]|\b([Tt][uú]|[Tt]us)\b",
    "pt": r"[\"«»]|\b([Tt]u|[Tt]eus?|[Tt]uas?)\b",
    "zh": r"[,;:?!.()\"]|你",
    "ar": r"[,;?\"“”]",
}


@pytest.mark.parametrize("code", OTHERS)
def test_punctuation_and_address_are_those_of_the_language(code: str) -> None:
    texts = [text for message in read(code) if message.id for text in forms(message.string)]
    bare = [re.sub(r"\{[^}]*\}|<[^>]*>", "x", text) for text in texts]
    assert [text for text in bare if re.search(WRONG[code], text)] == []


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", OTHERS)
def test_what_the_app_reads_is_what_the_catalogue_says(code: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, read(code))
    made, there = gettext.GNUTranslations(io.BytesIO(compiled.getvalue())), language.catalogue(code)
    assert isinstance(there, gettext.GNUTranslations)
    assert there._catalog == made._catalog, "run python -m app.gathering"


@pytest.mark.parametrize("code", OTHERS)
def test_plurals_follow_the_rules_of_unicode(code: str) -> None:
    """CLDR says for each number which form it takes; two numbers of one form have the same text but for the number."""
    rule = Locale.parse(code).plural_form
    with speaking(code):
        text = "Waiting: {n} before you."
        texts = {n: ntr(text, text, n=n).replace(str(n), "#") for n in [*range(130), 1_000_000]}
    of_form: dict[str, set[str]] = {}
    for n, text in texts.items():
        of_form.setdefault(rule(n), set()).add(text)
    assert all(len(found) == 1 for found in of_form.values()), of_form
    assert len(of_form) == {"zh": 1, "de": 2, "ar": 6}.get(code, 3)
    if code == "ar":
        assert texts[2] == "في الانتظار: شخصان قبلكم."
        assert len(set(texts.values())) == 6


@pytest.mark.parametrize("code", LANGUAGES)
def test_numbers_are_written_as_the_language_writes_them(code: str) -> None:
    mark = Locale.parse(code).number_symbols["latn"]["decimal"]
    with speaking(code):
        assert f"1{mark}25" in tr("It began at {score:.2f}.", score=1.25)
        text = "This session ended after {n:g} minute without activity; your votes so far are saved."
        many = text.replace("minute", "minutes")
        assert f"0{mark}5" in ntr(text, many, n=0.5)
        assert "20" in ntr(text, many, n=20.0)


def test_a_sentence_within_a_sentence_is_in_the_same_language() -> None:
    refused = Later("Too many questions came from your network within an hour; come back {when}.", 60)
    assert str(refused) == "Too many questions came from your network within an hour; come back in 60 seconds."
    with speaking("de"):
        assert (
            said(refused)
            == "Aus Ihrem Netz kamen innerhalb einer Stunde zu viele Fragen; kommen Sie in 60 Sekunden wieder."
        )
        assert said(Refused("{value} is none of this study's reasons.", value="{n}")).startswith("{n} ist keiner")
        assert tr("") == ""
        assert tr("What a study says itself, {with} braces") == "What a study says itself, {with} braces"


# -- nothing forgotten ----------------------------------------------------------------------------------------------

TESTERS = ("markup", "scenes", "testers", "testers_layout", "waiting", "page_texts", "rounds", "limits", "inputs")
# Strings that look like sentences and are none for testers: for logs, researchers, scripts and the database.
NOT_SHOWN = re.compile(
    r"^(another question|a handler broke|a kept request|a model could not be asked|turn %d|no end after|turn answered|"
    r"noopener noreferrer|This was done already|one kind$)"
)


# What the page is made with, but never shows: the script's own buttons, and a label that each study fills.
MADE_AGAIN = ("Send again", "Invite code")
MARKING = ("tr", "ntr", "mark", "many", "Refused", "NotNow", "Later")


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Strings of a module that are neither documentation nor given to a function that marks or looks up texts."""
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in (*MARKING, "EngineError", "Unanswerable", "warning", "error", "debug"):
                skipped.update(inner for argument in node.args for inner in ast.walk(argument))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, node.value


@pytest.mark.parametrize("module", TESTERS)
def test_no_sentence_of_the_testers_page_stands_outside_the_catalogues(module: str) -> None:
    tree = ast.parse((ROOT / "app" / f"{module}.py").read_text())
    shown = []
    for line, text in literals(tree):
        if module == "testers_layout" and text in MADE_AGAIN:
            continue
        bare = re.sub(r"<[^>]*>?|^[^<]*>|\b[\w-]+=\"[^\"]*\"?", " ", text)
        if re.search(r"[A-Za-z]{2,} [a-z]{2,}|aria-label=\"[A-Za-z]", bare) and not NOT_SHOWN.match(text):
            shown.append((line, text))
    assert shown == []


@pytest.mark.parametrize("script", ["kept.js", "testers.js", "work.js"])
def test_no_sentence_of_the_script_stands_outside_the_catalogues(script: str) -> None:
    code = re.sub(r"(?m)(^|\s)//.*$", "", (ROOT / "app" / script).read_text())
    strings = re.findall(r'(tr\()?"((?:[^"\\\n]|\\.)*)"', code)
    assert [text for marked, text in strings if not marked and re.search(r"[A-Z][a-z]+ [a-z]+ [a-z]+", text)] == []


def test_what_is_refused_is_a_sentence_that_can_be_looked_up(template: Catalog) -> None:
    """A text that is put together in code is in no catalogue; `RefusedCall` is for calls that no page makes."""
    classes, wrong = {"Refused", "NotNow", "WrongCode", "Later"}, []
    for path in chain((ROOT / "app").glob("*.py"), (ROOT / "feedback").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes:
                wrong += [
                    (path.name, node.lineno) for part in node.args if isinstance(part, (ast.JoinedStr, ast.BinOp))
                ]
    assert wrong == []


# -- which language -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        ("", "en"), ("de-CH,de;q=0.9,en;q=0.8", "de"), ("it,fr;q=0.5", "fr"), ("it", "en"), ("en-GB,de;q=0.9", "en"),
        ("de;q=0.3, ar-EG;q=0.9", "ar"), ("zh-Hant-TW", "zh"), ("PT-br", "pt"), ("*", "en"), ("de;q=0", "en"),
        ("es;q=x", "en"), (";;,,=", "en"), ("fr;q=9", "en"), ("x" * 100_000, "en"), ("\u0664;q=\u0661,es", "es"),
    ],
)  # fmt: skip
def test_the_browser_chooses_where_the_study_lets_it(wishes: str, code: str) -> None:
    assert BUILT_IN.language == "auto"
    assert chosen(BUILT_IN, wishes) == code


def test_a_study_chooses_for_all_and_english_where_it_says_nothing() -> None:
    plain = re.sub(r"(?m)^language.*\n", "", (ROOT / "app" / "study.toml").read_text())
    assert chosen(Study.from_toml(plain), "de") == "en"
    for code in LANGUAGES:
        study = Study.from_toml(f'language = "{code}"\n{plain}')
        assert chosen(study, "fr,de") == code
        assert Study.from_toml(study.toml) == study
        language.must_have_texts(study)


def test_an_unknown_language_is_told_with_those_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.toml"
    text = (ROOT / "app" / "study.toml").read_text()
    path.write_text(text.replace('language = "auto"', 'language = "klingon"'))
    assert main(["--port", "0", "--study", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'language = "klingon" must be one of auto, en, de, fr, es, pt, zh, ar' in line
    for wrong in ("7", "true", '["de"]', '""', '"DE"'):
        with pytest.raises(StudyError, match=r"language = .* must be one of auto"):
            Study.from_toml(text.replace('language = "auto"', f"language = {wrong}"))


@pytest.mark.parametrize(
    "content", [None, b"", b"no catalogue", b"\xde\x12\x04\x95" + bytes(8), b"\xde\x12\x04\x95" + b"\xff" * 40]
)
def test_a_missing_or_damaged_catalogue_is_told_before_a_page_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(language, "FOLDER", tmp_path)
    language.catalogue.cache_clear()
    path = tmp_path / "de" / "LC_MESSAGES" / "diptych.mo"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_bytes(content)
    try:
        assert main(["--port", "0"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert 'language = "de"' in line
        assert str(path) in line
        assert "python -m app.gathering" in line
    finally:
        language.catalogue.cache_clear()


def test_the_hashes_of_files_of_before_stay() -> None:
    """A study that is under way must not become another one because the page learned languages."""
    text = 'name = "x"\n[consent]\nversion = "1"\ntext = "x"\n[[prompts]]\nid = "x"\ncategory = "x"\ntext = "x"\n'
    golden = "aacbfaecb89437afd5137e5b01ce5014098c1029d57dd528be1030fe88361d80"
    assert Study.from_toml(text).hash == golden
    assert Study.from_toml(f'language = "en"\n{text}').hash == golden
    assert Study.from_toml(f'language = "auto"\n{text}').hash != golden


def test_the_german_example_loads() -> None:
    study = Study.load(ROOT / "docs" / "study-de.toml")
    assert study.language == "de"
    assert study.hash != BUILT_IN.hash


# -- the consent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["none", "votes", "everything"])
def test_the_consent_says_what_is_published_in_each_language(scope: str) -> None:
    text = (ROOT / "app" / "study.toml").read_text()
    study = Study.from_toml(text.replace("[consent]\n", f'[consent]\npublication = "{scope}"\n'))
    assert study.consent_publication == scope
    for code in LANGUAGES:
        with speaking(code):
            shown = unescape(markup.welcome(study))
            told = {name for name, sentence in markup.PUBLISHED.items() if tr(sentence) in shown}
        assert told == {scope} - {"none"}, code
        assert code == "en" or not any(sentence in shown for sentence in markup.PUBLISHED.values()), code


def test_the_language_of_a_consent_is_that_of_its_text() -> None:
    """A text of the study's own is in no catalogue: where each browser chooses, nobody knows what it was written in."""
    text = (ROOT / "app" / "study.toml").read_text()
    own = re.sub(r'(?s)(\[consent\].*?text = )""".*?"""', r'\1"Ich bin einverstanden."', text)
    for code in LANGUAGES:
        with speaking(code):
            assert language.consent_language(BUILT_IN) == code
            assert language.consent_language(Study.from_toml(own)) is None
    with speaking("de"):
        german = Study.from_toml(own.replace('language = "auto"', 'language = "de"'))
        assert language.consent_language(german) == "de"


# -- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer) -> Iterator[App]:
    """An app with the built-in study, two rounds of it, between two servers."""
    spec = one_chat_server.spec
    command = [sys.executable, "app.py", "--model1", spec, "--model2", spec]
    running = App(tmp_path_factory.mktemp("languages"), "", "", command)
    text = (ROOT / "app" / "study.toml").read_text()
    (running.folder / "study.toml").write_text(re.sub(r"(?m)^rounds = \d+", "rounds = 1", text))
    yield running.start()
    running.stop()


# Whatever somebody can read or hear on the page: texts, labels, placeholders.
VISIBLE = """() => {
    const shown = [];
    for (const element of document.querySelectorAll("body *")) {
        if (!element.checkVisibility() || element.closest("script, style, noscript, [lang=en]")) continue;
        for (const name of ["aria-label", "placeholder", "title", "alt"]) shown.push(element.getAttribute(name) ?? "");
        for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) shown.push(node.data);
    }
    return shown.map((text) => text.trim()).filter(Boolean);
}"""
# Fields that hold more than they show; what is in them here are placeholders.
CUT = """() => [...document.querySelectorAll("textarea")]
    .filter((field) => field.checkVisibility() && field.scrollHeight > field.clientHeight + 8)
    .map((field) => field.value || field.placeholder)"""
# Buttons that are narrower than their words.
TOO_NARROW = """() => [...document.querySelectorAll("button")].filter((button) => {
    const words = document.createRange();
    words.selectNodeContents(button);
    const [inner, outer] = [words, button].map((one) => one.getBoundingClientRect());
    return outer.width && (inner.left < outer.left - 1 || inner.right > outer.right + 1);
}).map((button) => button.textContent)"""
# In a page without its scripts' texts nothing else is written in Latin letters than these.
LATIN = {"Diptych", "A", "B"}


TICK = "Please tick the box first: without your consent nothing is stored and nothing begins."
ENGLISH_QUESTIONS = "The suggested questions are in English. You can also ask one of your own."
NO_SCRIPT = "This page needs JavaScript, which is turned off in this browser."


def test_the_whole_path_in_each_language(browser: Browser, app: App, template: Catalog) -> None:
    english = {text for message in template if message.id for text in key(message)}
    ids: dict[str, list[str]] = {}
    for code in LANGUAGES:
        with Visitor(browser, app.url, locale=LOCALES[code], viewport={"width": 375, "height": 800}) as visitor:
            page = visitor.page

            def look(code: str = code, visitor: Visitor = visitor) -> None:
                page = visitor.page
                html = page.evaluate("[document.documentElement.lang, getComputedStyle(document.body).direction]")
                assert html == [TAGS[code], "rtl" if code == "ar" else "ltr"]
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{code}: cut off"
                assert page.evaluate(CUT) == [], code
                if code == "en":
                    return
                same = {text for text in english if tr_in(code, text) == text}
                own = {prompt.text for prompt in BUILT_IN.prompts} | {ANSWER}
                shown = [text for text in page.evaluate(VISIBLE) if text not in own]
                assert [text for text in shown if text in english - same] == []
                if code in ("zh", "ar"):
                    assert [text for text in shown if set(re.findall("[A-Za-z]{2,}", text)) - LATIN] == []

            page.wait_for_selector("#start")
            look()
            page.click("#start")
            visitor.wait_for_status(tr_in(code, TICK))
            look()
            visitor.consent()
            look()
            assert (tr_in(code, ENGLISH_QUESTIONS) in page.inner_text("#suggestions")) == (code != "en")
            visitor.ask(BUILT_IN.prompts[0].text)
            look()
            for width, height in ((320, 256), (701, 700), (900, 700)):
                page.set_viewport_size({"width": width, "height": height})
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{code}: {width}"
                assert page.evaluate(TOO_NARROW) == [], f"{code}: {width}"
            page.set_viewport_size({"width": 375, "height": 800})
            visitor.read_both()
            look()
            page.check("#reasons input >> nth=1")
            if code == "de":  # what is ticked is kept as the study has it, also by the script of a page that is left
                page.reload()
                visitor.wait_for_vote()
                visitor.wait_for(lambda: app.rows("SELECT reasons FROM remarks") == [('["Clearer"]',)])
                page.wait_for_selector("#reasons input:checked")
                visitor.read_both()
            page.click("#vote-left")
            page.wait_for_selector("#next-round")
            page.wait_for_function("document.activeElement.id === 'next-round'")
            look()
            page.set_viewport_size({"width": 1280, "height": 800})
            look()
            left, right = (page.locator(f"#answer-{side}").bounding_box() for side in ("left", "right"))
            assert left is not None
            assert right is not None
            assert left["x"] < right["x"], "what is stored as left is on the left of the screen in every language"
            page.click("#next-round")
            page.wait_for_selector("#guess-unknown")
            look()
            page.click("#guess-unknown")
            page.wait_for_selector("#thanks h1")
            look()
            page.click("#withdraw")
            page.wait_for_selector("#confirm-no")
            look()
            ids[code] = sorted(page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)"))
            assert visitor.problems == []
    votes = app.rows("SELECT choice, reasons FROM votes WHERE superseded = 0")
    assert votes == [("left", '["Clearer"]')] * len(LANGUAGES), "codes and the study's own words, whatever was read"
    consents = app.rows("SELECT consent_language FROM testers ORDER BY id")
    assert [language for (language,) in consents] == list(LANGUAGES)


def tr_in(code: str, text: str) -> str:
    with speaking(code):
        return tr(text)


def test_many_testers_at_once_each_have_their_own_language(app: App) -> None:
    """No language stays with the process: interleaved requests in all of them, each answered in its own."""
    config = httpx.get(f"{app.url}/config").json()
    number = next(one["id"] for one in config["dependencies"] if [t for t in one["targets"] if t[1] == "load"])
    body = {"data": ["t" * 32, json.dumps({"fresh": True})], "fn_index": number, "session_hash": "x"}

    def load(code: str) -> tuple[str, str, str]:
        headers = {"Origin": app.url, "Accept-Language": LOCALES[code], "Accept": "text/html"}
        page = httpx.get(app.url, headers=headers, timeout=30)
        told = httpx.post(f"{app.url}/gradio_api/run/predict", json=body, headers=headers, timeout=30)
        return code, page.text, str(told.json())

    with ThreadPoolExecutor(len(LANGUAGES)) as pool:
        results = list(pool.map(load, LANGUAGES * 4))
    agreed = {code: tr_in(code, "What you agree to") for code in LANGUAGES}
    for code, page, told in results:
        assert f'lang="{TAGS[code]}" dir="{"rtl" if code == "ar" else "ltr"}"' in page
        assert "JavaScript" in page.partition("<noscript>")[2]
        assert (NO_SCRIPT in page) == (code == "en")
        said_in = [each for each, text in agreed.items() if text in told]
        assert said_in == [code]
