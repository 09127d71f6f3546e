"""Every page by axe-core (WCAG 2.2 AA): nothing serious, in both themes and sizes; no sideways scrolling on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.app.serving import App
from tests.app.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE_DARK = {"viewport": {"width": 375, "height": 760}, "color_scheme": "dark"}
DESK_LIGHT = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
TABS = ("Live", "Votes", "Models", "Improve", "Study", "Invites", "Chat lab", "Downloads")


def must_be_accessible(page: Page, name: str) -> None:
    results = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": RULES})
    serious = [
        f"{name}: {finding['id']} at {finding['nodes'][0]['html'][:160]}"
        for finding in results.response["violations"]
        if finding["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"


@pytest.mark.parametrize("options", [PHONE_DARK, DESK_LIGHT], ids=["phone-dark", "desk-light"])
def test_each_page_of_a_tester(browser: Browser, app: App, options: dict) -> None:
    with Visitor(browser, app.url, **options) as visitor:
        page = visitor.page
        page.wait_for_selector("#start")
        must_be_accessible(page, "consent")
        visitor.consent()
        must_be_accessible(page, "question")
        page.evaluate(_LISTEN)
        visitor.ask("What is Impressionism?")
        assert page.evaluate("window.heard") == ["Both answers are being written.", "Which answer is better?"]
        assert page.evaluate(_ELSE_SPEAKING) == [], "the growing words are not read out"
        must_be_accessible(page, "answers")
        visitor.vote("left")
        must_be_accessible(page, "voted")
        page.click("#finish")
        page.wait_for_selector("#confirm-yes")
        must_be_accessible(page, "confirmation")
        page.click("#confirm-yes")
        page.wait_for_selector("#guess-left")
        must_be_accessible(page, "guess")
        page.click("#guess-left")
        page.wait_for_selector("#thanks")
        must_be_accessible(page, "thanks")


_ELSE_SPEAKING = """() => [...document.querySelectorAll("[aria-live], [role=alert], [role=log]")]
  .filter((one) => one.id !== "status" && one.textContent.trim()).map((one) => one.outerHTML)"""
_LISTEN = """() => {
  const status = document.getElementById("status");
  window.heard = [];
  new MutationObserver(() => {
    const text = status.innerText.trim();
    if (text && text !== window.heard.at(-1)) window.heard.push(text);
  }).observe(status, {childList: true, subtree: true, characterData: true});
}"""


@pytest.mark.parametrize("options", [PHONE_DARK, DESK_LIGHT], ids=["phone-dark", "desk-light"])
def test_each_page_of_a_researcher(browser: Browser, app: App, options: dict) -> None:
    with Visitor(browser, f"{app.url}/admin", **options) as visitor:
        page = visitor.page
        must_be_accessible(page, "login")
        visitor.log_in()
        page.wait_for_selector("#results h1")
        must_be_accessible(page, "results")
        for name in TABS:
            open_tab(page, name)
            page.wait_for_selector(".tabitem:visible h1")
            must_be_accessible(page, name)
            assert not page.get_by_label("Textbox", exact=True).count(), f"{name}: a field with Gradio's name for it"


def open_tab(page: Page, name: str) -> None:
    """On a phone some tabs are in a menu at the end of the row."""
    in_menu = page.locator(".overflow-dropdown button", has_text=name)
    if in_menu.count():
        page.click(".overflow-menu > button")
        in_menu.click()
    else:
        page.get_by_role("tab", name=name, exact=True).click()
