"""Browsers as they are: storage denied, other keyboards, touch, a screen for one answer, 400% zoom, no JavaScript."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from PIL import Image

from app import markup
from tests.app.chat_server import ChatServer
from tests.app.serving import App
from tests.app.visitor import Visitor, installed_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("browsers"), one_chat_server.spec, one_chat_server.spec).start()
    yield running
    running.stop()


def test_a_browser_that_denies_storage(browser: Browser, app: App, tmp_path: Path) -> None:
    """Chromium with cookies blocked in its settings, which denies every kind of storage."""
    (tmp_path / "Default").mkdir()
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(blocked))
    context = browser.browser_type.launch_persistent_context(
        tmp_path,
        executable_path=installed_browser(whole=True),
        args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        page.goto(app.url)
        page.wait_for_selector("#start")
        assert page.evaluate("(() => { try { localStorage; return false } catch { return true } })()"), "it is denied"
        page.wait_for_selector("#nothing-kept")
        assert "a reload would begin a new session" in page.inner_text("#nothing-kept")
        page.check("#consent input")
        page.click("#start")
        page.fill("#prompt textarea", "What is Impressionism?")
        page.click("#send")
        page.wait_for_selector("#vote-left", timeout=120_000)
        page.click("#vote-left")
        page.wait_for_selector("#next-round")
        assert app.rows("SELECT choice FROM votes ORDER BY id DESC LIMIT 1") == [("left",)]
    finally:
        context.close()


KEYS = [  # how a browser tells a key: what it writes, where it is
    ("&", "Digit1", "left"),  # AZERTY
    ("\u00e9", "Digit2", "tie"),
    ("3", "Numpad3", "both_bad"),
    ("\u0664", "Digit4", "right"),  # Arabic
    ("\u096a", "Digit4", "right"),  # Devanagari
    ("\u00b4", "Digit4", None),  # with Shift, on a layout where the digits need none
    ("\u00b9", "Digit1", None),  # with AltGr, as Linux tells it
    ("End", "Numpad1", None),  # the keypad without its lock
]


def test_the_digits_of_other_keyboards_and_the_way_to_turn_them_off(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        for key, code, choice in KEYS:
            page.evaluate(
                "([key, code, shiftKey, modifierAltGraph]) => document.body.dispatchEvent(new KeyboardEvent('keydown',"
                " {key, code, shiftKey, modifierAltGraph, bubbles: true, cancelable: true}))",
                [key, code, key == "\u00b4", key == "\u00b9"],
            )
            if choice is None:
                page.wait_for_timeout(200)
                assert page.locator("#vote-left").is_visible(), key
                continue
            page.wait_for_selector("#next-round")
            votes = app.rows("SELECT choice FROM votes WHERE battle_id = ? AND superseded = 0", battle)
            assert votes == [(choice,)], key
            page.click("#undo-vote")
            visitor.wait_for_vote()
        page.click("#finish")
        page.wait_for_selector("#confirm-no")
        page.keyboard.press("1")
        page.wait_for_timeout(300)
        assert page.is_visible("#confirm-no")  # a vote would have closed the question
        page.click("#confirm-no")
        visitor.wait_for_vote()
        page.click("#keys")
        page.reload()
        visitor.wait_for_vote()
        assert page.inner_text("#keys") == "Turn on the keys 1 to 4"
        page.keyboard.press("1")
        page.wait_for_timeout(300)
        assert page.locator("#vote-left").is_visible()
        assert page.locator("[aria-keyshortcuts]").count() == 0


def test_a_phone_votes_when_both_answers_were_opened(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url, viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        battle, drawn = app.rows("SELECT id, first_side FROM battles ORDER BY id DESC LIMIT 1")[0]
        letters = {"left": "a", "right": "b"}
        other = {"left": "right", "right": "left"}[drawn]
        assert page.is_visible(f"#answer-{drawn}"), "the one that was drawn is shown first"
        assert not page.is_visible(f"#answer-{other}")
        assert page.locator(f".switch [data-pane={letters[other]}][data-unread]").count() == 1
        assert page.locator(f".switch [aria-label='Answer {letters[other].upper()}, not read yet']").count() == 1
        page.emulate_media(forced_colors="active")
        pressed = "getComputedStyle(document.querySelector('.switch [aria-pressed=true]')).outlineStyle"
        assert page.evaluate(pressed) == "solid", "without our colours a line tells which is shown"
        page.emulate_media(forced_colors="none")
        page.click("#vote-left")
        visitor.wait_for_status("was not on your screen yet")
        assert app.rows("SELECT COUNT(*) FROM votes WHERE battle_id = ?", battle) == [(0,)]
        page.wait_for_selector(f".switch [data-pane={letters[drawn]}]:not([data-unread])")
        glance = """panes => panes.map((pane) => {
            document.querySelector(`.switch [data-pane=${pane}]`).click();
            return document.getElementById("vote-left").disabled;
        })"""
        held = page.evaluate(glance, [letters[other], letters[drawn]])
        assert held == [True, False], "the vote waits while the other is looked at, and answers once it is gone"
        page.click("#vote-left")
        visitor.wait_for_status(f"{letters[other].upper()} was on your screen for a moment only")
        visitor.read_both()
        page.emulate_media(media="print")
        assert page.is_visible("#answer-left")
        assert page.is_visible("#answer-right")
        assert not page.is_visible("#vote-left")
        page.emulate_media(media="screen")
        page.click("#vote-left")
        page.wait_for_selector("#next-round")
        least = f"(SELECT MIN(2.0, {{0}}_chars / 100.0) - 0.01 FROM votes WHERE battle_id = {battle})"
        columns = ", ".join(f"{side}_seen >= {least.format(side)}" for side in letters)
        seen = app.rows(
            f"SELECT first_seen, {columns}, left_seen <= server_seconds FROM votes WHERE battle_id = ?", battle
        )
        assert seen == [(drawn, 1, 1, 1)]
        page.wait_for_function("document.activeElement.id === 'next-round'")  # the button that was pressed is gone
        page.click("#next-round")
        page.wait_for_function("document.activeElement.matches('#question h1')")  # no keyboard opens


def test_a_follow_up_counts_when_its_own_answers_were_in_sight(browser: Browser, app: App) -> None:
    """They stood below those to the first question, beyond the edge, and counted as read with them."""
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        page.add_style_tag(content=".answer:not(:last-child) { min-height: 3000px; }")
        visitor.ask("And who began it?")
        [battle] = app.rows("SELECT id FROM battles ORDER BY id DESC LIMIT 1")[0]
        page.click("#vote-left")
        visitor.wait_for_status("was not on your screen yet")
        assert app.rows("SELECT COUNT(*) FROM votes WHERE battle_id = ?", battle) == [(0,)]
        page.locator("#answer-left .answer").last.evaluate("answer => answer.scrollIntoView({ block: 'center' })")
        asleep = "() => { const end = performance.now() + 6000; while (performance.now() < end); }"
        page.evaluate(asleep)
        visitor.vote("left")
        told = app.rows("SELECT left_seen > 0, left_seen < server_seconds - 3 FROM votes WHERE battle_id = ?", battle)
        assert told == [(1, 1)]


# In a page: how far it goes beyond the screen, and which buttons are cut off, with letters of twice the size.
LARGE = """() => {
  const { style } = document.documentElement;
  style.setProperty("font-size", "200%", "important");
  const shown = [...document.querySelectorAll("button")].filter((one) => one.getClientRects().length);
  const cut = shown.filter((one) => one.scrollWidth > one.clientWidth + 1);
  const told = [document.documentElement.scrollWidth - innerWidth, cut.map((one) => one.id || one.textContent)];
  style.removeProperty("font-size");
  return told;
}"""


def test_a_screen_of_320_by_256_pixels(browser: Browser, app: App) -> None:
    """Which is also what 400% zoom leaves of 1280 by 1024; with the letters of the page alone at 200% too."""
    with Visitor(browser, app.url, viewport={"width": 320, "height": 256}) as visitor:
        page = visitor.page

        def fits() -> bool:
            assert page.evaluate(LARGE) == [0, []]
            return bool(page.evaluate("document.documentElement.scrollWidth <= 320"))

        assert fits()
        visitor.consent()
        assert fits()
        visitor.ask("What is Impressionism?")
        assert fits()
        covered = page.evaluate(
            """() => { const dock = document.getElementById('dock').getBoundingClientRect();
                       return getComputedStyle(document.getElementById('dock')).position === 'sticky'
                              && dock.height > 90 }"""
        )
        assert not covered, "nothing stands over what is to be read"
        visitor.read_both()
        page.click("#vote-both-bad")
        page.wait_for_selector("#next-round")
        assert fits()
        page.click("#next-round")
        page.wait_for_selector("#suggestions .chip")
        assert fits()
        for pressed, then in (
            ("#finish", "#confirm-yes"),
            ("#confirm-yes", "#guess h2"),
            ("#guess button >> nth=0", ".tally"),
        ):
            page.click(pressed)
            page.wait_for_selector(then)
            assert fits()


def test_marks_that_a_model_piles_up_stay_within_its_answer(browser: Browser, app: App) -> None:
    """They were painted over the question and the votes, or made the page three times as wide."""
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        visitor.ask("[marks] What is Impressionism?")
        page = visitor.page
        page.evaluate("document.activeElement.blur()")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        box = page.locator(".asked-first").bounding_box()
        assert box is not None
        clip: Any = {**box, "height": page.locator("#panes").bounding_box()["y"] - box["y"]}  # type: ignore[index]
        shown = page.screenshot(clip=clip)
        page.add_style_tag(content=".answer { visibility: hidden }")
        assert _pixels(page.screenshot(clip=clip)) == _pixels(shown)


def _pixels(picture: bytes) -> bytes:
    return Image.open(io.BytesIO(picture)).convert("RGB").tobytes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_ticked_is_seen_in_the_systems_own_colours(
    browser: Browser, app: App, scheme: Literal["light", "dark"]
) -> None:
    """Gradio draws it in white on a colour that is not there then: an agreement looked as if it had not been given."""
    with Visitor(browser, app.url, forced_colors="active", color_scheme=scheme) as visitor:
        page = visitor.page

        def is_seen(box: str) -> bool:
            box = f"{box} input >> nth=0"
            before = as_grey(page.locator(box).screenshot())
            page.check(box)
            page.mouse.move(2, 2)
            page.evaluate("document.activeElement.blur()")
            return int((np.abs(before - as_grey(page.locator(box).screenshot())) > 64).sum()) > 20

        assert is_seen("#consent")
        visitor.consent()
        visitor.ask("What is Impressionism?")
        assert is_seen("#reasons")
        visitor.vote("left")
        assert is_seen("#good-enough")
        assert np.ptp(as_grey(page.locator(".ticks").screenshot())) > 64, "how many rounds there are"


def test_phones_of_before_2024(browser: Browser, app: App) -> None:
    """Safari 16 has no `checkVisibility`, Safari 15 no `AbortSignal.timeout`, without which nothing was sent."""
    with Visitor(browser, f"{app.url}/healthz", viewport={"width": 375, "height": 700}) as visitor:
        page = visitor.page
        visitor.context.set_default_timeout(30_000)
        page.add_init_script("delete Element.prototype.checkVisibility; delete AbortSignal.timeout;")
        page.goto(app.url)
        assert page.evaluate("AbortSignal.timeout ?? document.body.checkVisibility") is None
        visitor.consent()
        visitor.ask("What is Impressionism?")
        visitor.vote("left")
        page.click("#finish")
        page.wait_for_function("document.activeElement.id === 'confirm-no'")
        assert visitor.problems == []


def test_what_others_have_left_in_the_storage_stops_nothing(browser: Browser, app: App) -> None:
    """Pages of one host share it: a token of another form, half an item, no JSON, an item of another version."""
    with Visitor(browser, f"{app.url}/healthz") as visitor:
        visitor.page.evaluate(
            """() => Object.entries({
                token: "somebody else's", seen: "[object Object]", moved: "x",
                "draft.prompt": "{", "draft.comment": "7",
                "out.1": '{"key": "abcdefghij"}', "out.2": "null", "out.3": '{"key": 5, "item": {}, "values": null}',
                "out.x.y.z": '{"key": "abcdefghij", "item": "out.x", "do": "vote left"}',
            }).forEach(([item, text]) => localStorage.setItem("diptych." + item, text))"""
        )
        visitor.page.goto(app.url)
        visitor.consent()
        visitor.ask("What is Impressionism?")
        visitor.vote("left")
        assert visitor.problems == []


def test_without_javascript_there_is_a_sentence(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url, java_script_enabled=False) as visitor:
        assert "This page needs JavaScript" in visitor.page.inner_text("body")


def test_an_enter_that_ends_a_composition_sends_nothing(browser: Browser, app: App) -> None:
    """Japanese, Chinese and Korean are typed by composition: its Enter takes a proposal, only the next one sends."""
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        before = app.rows("SELECT COUNT(*) FROM turns")
        page.click("#prompt textarea")
        keyboard = page.context.new_cdp_session(page)
        keyboard.send("Input.imeSetComposition", {"text": "むずかしい", "selectionStart": 5, "selectionEnd": 5})
        for key, code in (("Process", 229), ("Enter", 229)):  # Chromium and Firefox; Safari
            for kind in ("rawKeyDown", "keyUp"):
                keyboard.send(
                    "Input.dispatchKeyEvent",
                    {"type": kind, "key": key, "code": "Enter", "windowsVirtualKeyCode": code},
                )
        page.evaluate(
            "document.querySelector('#prompt textarea').dispatchEvent(new KeyboardEvent('keydown',"
            " {key: 'Enter', code: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
        )
        keyboard.send("Input.insertText", {"text": "難しい質問ですか"})
        page.wait_for_timeout(500)
        assert page.input_value("#prompt textarea") == "難しい質問ですか"
        assert app.rows("SELECT COUNT(*) FROM turns") == before
        page.keyboard.press("Enter")
        visitor.wait_for_vote()
        assert app.rows("SELECT prompt FROM turns ORDER BY id DESC LIMIT 1") == [("難しい質問ですか",)]


def as_grey(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L"), float)


def side_of_ink(picture: bytes) -> str:
    """On which half of a picture more is written."""
    grey = as_grey(picture)[8:-8, 8:-8]
    left, right = np.array_split(np.abs(grey - np.median(grey)) > 64, 2, axis=1)
    return "left" if left.sum() > right.sum() else "right"


def test_words_from_right_to_left_begin_on_their_side(browser: Browser, app: App) -> None:
    """What is typed, with code in it, what is asked and what is written about it, on a page of another language."""
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        box = page.locator("#prompt textarea")
        for words, side in (("What is print(x)?", "left"), ("ما معنى print(x)؟", "right")):
            box.fill(words)
            page.mouse.click(2, 2)  # no caret in the picture
            assert side_of_ink(box.screenshot()) == side
        page.click("#send")
        visitor.wait_for_vote()
        asked = page.get_by_text("ما معنى print(x)").first
        assert asked.evaluate("element => getComputedStyle(element).direction") == "rtl"
        html = markup.MARKDOWN.render("مثال `print(x)`:\n\n```\nprint(x)\n```")
        page.evaluate(
            "html => document.querySelector('#answer-left .answer').outerHTML ="
            " `<div class='answer rendered' dir='auto'>${html}</div>`",
            html,
        )
        parts = page.locator("#answer-left :is(.answer, .answer pre, .answer p code)")
        directions = parts.evaluate_all("all => all.map((each) => getComputedStyle(each).direction)")
        assert directions == ["rtl", "ltr", "ltr"]
        comment = page.locator("#comment textarea")
        comment.fill("الجواب الأول")
        page.mouse.click(2, 2)
        assert side_of_ink(comment.screenshot()) == "right"
