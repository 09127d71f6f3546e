"""The pictures of docs/loop.md: a newcomer's way from ten votes to a running test of before against after.

    python benchmarks/loop_pictures.py --out pictures
    python benchmarks/loop_pictures.py --learn model2 --out pictures

The real app with copies of both checkpoints, in a real browser; the votes are the script's own, for the shorter answer.
Prints what it sees and the seconds that each part takes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Page, sync_playwright

from app.cli import STUDY
from app.demo_training import CHECKPOINTS
from benchmarks.outputs import empty_folder
from tests.app.serving import PASSWORD, App
from tests.app.visitor import Visitor, installed_browser

DESK = {"viewport": {"width": 1280, "height": 960}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 375, "height": 812}, "color_scheme": "light", "has_touch": True, "is_mobile": True}
VOTES = (8, 2)  # of one session, which ends with them, and of another, which is left early
TRAINING_MS = 1000 * 1200


class Pictures:
    """One app, its testers and its researcher, and where the pictures go."""

    def __init__(self, folder: Path, models: dict[str, Path], out: Path) -> None:
        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        self.app = App(folder, str(models["model1"]), str(models["model2"]))
        (folder / "study.toml").write_bytes(STUDY.read_bytes())
        self.began = time.monotonic()

    def take(self, page: Page, name: str, top: str = "") -> None:
        """What a page shows, from the element `top` on."""
        if top:
            page.locator(top).first.scroll_into_view_if_needed()
            page.evaluate("top => document.querySelector(top).scrollIntoView({block: 'start'})", top)
        page.wait_for_timeout(400)
        page.screenshot(path=self.out / f"{name}.png")
        print(f"{time.monotonic() - self.began:6.0f} s  {name}.png", flush=True)

    def vote(self, tester: Visitor, votes: int, picture: str = "") -> None:
        """Ask a suggested question each time and prefer the shorter answer."""
        for number in range(votes):
            chip = tester.page.locator("#suggestions .chip").nth(number % 3)
            question = chip.inner_text()
            tester.ask(question)
            left, right = map(len, tester.answers())
            if picture and number == 1:
                self.take(tester.page, picture)
            tester.vote("tie" if left == right else "left" if left < right else "right")
            tester.page.click("#next-round")


def researcher(visitor: Visitor) -> Page:
    """Somebody who is logged in."""
    page = visitor.page
    page.fill("[name=password]", PASSWORD)
    page.click("button")
    page.wait_for_selector("#results h1")
    return page


def run(pictures: Pictures, browser: object, learn: str) -> None:
    url = pictures.app.url
    with Visitor(browser, url, **DESK) as tester:  # type: ignore[arg-type]
        tester.consent()
        pictures.vote(tester, VOTES[0])
        tester.page.click("#guess-unknown")
    with Visitor(browser, url, **DESK) as tester:  # type: ignore[arg-type]
        tester.consent()
        pictures.vote(tester, VOTES[1])
        tester.page.click("#finish")
        tester.page.click("#confirm-yes")
        tester.page.wait_for_selector("#guess")
    with Visitor(browser, f"{url}/admin", **DESK) as visitor:  # type: ignore[arg-type]
        page = researcher(visitor)
        page.click("role=tab[name=Improve]")
        page.check(f"#improve-model input[value={learn}]")
        page.wait_for_selector("#improve-counts .numbers")
        pictures.take(page, "loop-votes-1280-light")
        page.click("#improve-train")
        page.wait_for_selector("#improve-told .setup-step:has-text('step ')", timeout=TRAINING_MS)
        pictures.take(page, "loop-training-1280-light", "#improve-counts")
        page.wait_for_selector("#improve-train:visible", timeout=TRAINING_MS)
        print(page.inner_text("#improve-told"), flush=True)
        page.wait_for_selector("#improve-outcome:has-text('Version')")
        pictures.take(page, "loop-outcome-1280-light", "#improve-told")
        print(page.inner_text("#improve-result"), flush=True)
        page.click("#improve-begin")
        page.wait_for_selector("#improve-said p", timeout=60_000)
        print(page.inner_text("#improve-said"), flush=True)
        page.wait_for_selector("#improve-said:has-text('is running')")
        pictures.take(page, "loop-begun-1280-light", "#improve-told")
    with Visitor(browser, url, **DESK) as tester:  # type: ignore[arg-type]
        tester.consent()
        pictures.vote(tester, VOTES[0])
        tester.page.click("#guess-unknown")
        tester.page.wait_for_selector("#thanks")
        pictures.take(tester.page, "loop-reveal-1280-light")
    with Visitor(browser, f"{url}/admin", **DESK) as visitor:  # type: ignore[arg-type]
        page = researcher(visitor)
        pictures.take(page, "loop-results-1280-light")
        print(page.inner_text("#results h1"), flush=True)
    with Visitor(browser, f"{url}/admin", **PHONE) as visitor:  # type: ignore[arg-type]
        pictures.take(researcher(visitor), "loop-results-375-light")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for model, folder in CHECKPOINTS.items():
        parser.add_argument(f"--{model}", type=Path, default=folder, help="its checkpoint folder (%(default)s)")
    parser.add_argument("--learn", choices=list(CHECKPOINTS), default="model1", help="which learns (%(default)s)")
    parser.add_argument("--out", type=empty_folder, required=True, help="where the pictures go: an empty folder")
    arguments = parser.parse_args()
    path = installed_browser()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        models = {}
        for model in CHECKPOINTS:
            models[model] = Path(folder) / getattr(arguments, model).name
            shutil.copytree(getattr(arguments, model), models[model], ignore=shutil.ignore_patterns("improved"))
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        pictures = Pictures(Path(folder), models, arguments.out)
        pictures.app.start()
        try:
            run(pictures, browser, arguments.learn)
        finally:
            pictures.app.stop()
            browser.close()


if __name__ == "__main__":
    main()
