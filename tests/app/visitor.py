"""What a tester does on the page, by the ids that are promised to users' scripts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.app.serving import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HEADLESS_SHELL = "chromium-headless-shell"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ANSWER_MS = 120_000
PREDICT = "**/run/predict*"  # the events of a page
# In a page: how many clicks no response has confirmed yet.
WAITING = "Object.keys(localStorage).filter((key) => key.startsWith('diptych.out.')).length"


def installed_browser(whole: bool = False) -> str | None:
    """The Chromium or Chrome of this machine, if it has one; without windows and settings unless it must be whole."""
    names = BROWSERS if whole else (HEADLESS_SHELL, *BROWSERS)
    return next((path for name in names if (path := shutil.which(name))), None)


class Visitor:
    """A browser profile of its own with one page."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.context = browser.new_context(**{"reduced_motion": "reduce", **options})
        self.context.set_default_timeout(120_000)  # a machine that does much else takes a while
        self.url = url
        self.problems: list[str] = []
        self.page = self.open()

    def open(self) -> Page:
        """The tester's page in a further tab."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.goto(self.url)
        return page

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.context.close()

    def log_in(self, tab: str = "") -> None:
        """As the researcher, where the page asks for the password; then to a tab."""
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("button")
        if tab:
            self.page.click(f"role=tab[name={tab}]")

    def consent(self) -> None:
        self.page.check("#consent input")
        self.page.click("#start")
        self.page.wait_for_selector("#prompt textarea")

    def type(self, question: str) -> None:
        self.page.fill("#prompt textarea", question)
        self.page.click("#send")

    def ask(self, question: str) -> None:
        """Ask and wait until both new answers can be voted on."""
        before = self.page.locator("#answer-left .answer").count() if self.page.locator("#vote-left").count() else 0
        self.type(question)
        grown = "n => document.querySelectorAll('#answer-left .answer').length > n"
        try:
            self.page.wait_for_function(grown, arg=before, timeout=ANSWER_MS)
        except PlaywrightTimeout as error:  # what the tester would have seen instead
            raise AssertionError(f"no answers to {question!r}: {self.page.inner_text('body')[:2000]}") from error
        self.wait_for_vote()

    def wait_for_vote(self) -> None:
        """Until a vote can be given, or, where there is room for one answer, the other one can be opened."""
        self.page.wait_for_selector("html[data-phase=vote] #vote-left:not([disabled])", timeout=ANSWER_MS)

    def read_both(self) -> None:
        """Where there is room for one answer, open each and look at it for as long as a vote asks."""
        if self.page.is_visible(".switch"):
            for pane in "ab":
                self.page.click(f".switch [data-pane={pane}]")
                self.page.wait_for_selector(f".switch [data-pane={pane}]:not([data-unread])")

    def vote(self, choice: str) -> None:
        self.read_both()
        self.page.click(f"#vote-{choice}")
        self.page.wait_for_selector("#next-round")

    def double_click(self, button: str, then: str) -> None:
        """As a hand does, slowly enough for what the first click brings (`then`) to be there at the second one."""
        box = self.page.locator(button).bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for count in (1, 2):
            self.page.mouse.down(click_count=count)
            self.page.mouse.up(click_count=count)
            self.page.wait_for_selector(then)

    @property
    def status(self) -> str:
        return self.page.inner_text("#status").strip()

    def wait_for_status(self, text: str) -> None:
        self.page.wait_for_function("text => document.getElementById('status').innerText.includes(text)", arg=text)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for something to become true while the page goes on; fail when it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            self.page.wait_for_timeout(50)

    def answers(self) -> tuple[str, str]:
        left, right = (self.page.locator(f"#answer-{side} .answer").last for side in ("left", "right"))
        return left.inner_text(), right.inner_text()
