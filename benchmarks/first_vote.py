"""How long a newcomer waits: a fresh clone, `make app`, and a real browser until the first blind vote is saved.

    python benchmarks/first_vote.py

Prints the seconds until the page is served (installation included), until the test opens by itself, and until the first
vote is saved. Needs a browser. The clone and the votes are in a temporary folder; the base's download is kept.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from playwright.sync_api import sync_playwright

from tests.app.serving import ROOT, free_port
from tests.app.visitor import Visitor, installed_browser

PATIENCE_SECONDS = 1200


def wait_until_served(url: str, deadline: float) -> None:
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", timeout=5)
            return
        except httpx.HTTPError:
            time.sleep(0.3)
    raise SystemExit("the page was not served in time")


def vote_once(url: str, started: float) -> None:
    browser_path = installed_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        with Visitor(browser, url) as tester:
            tester.page.wait_for_selector("#consent input", timeout=1000 * PATIENCE_SECONDS)
            print(f"the test opened by itself after {time.monotonic() - started:.0f} s", flush=True)
            tester.consent()
            tester.ask("What is Impressionism?")
            for side, answer in zip("AB", tester.answers(), strict=True):
                print(f"  {side}: {answer}")
            tester.vote("left")
            print(f"first vote after {time.monotonic() - started:.0f} s ({tester.status})")
        browser.close()


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "diptych"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        port, started = free_port(), time.monotonic()
        command = ["make", "app", f"ARGS=--port {port}"]
        app = subprocess.Popen(command, cwd=clone, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_served(url, started + PATIENCE_SECONDS)
            print(f"served after {time.monotonic() - started:.0f} s", flush=True)
            vote_once(url, started)
        finally:
            os.killpg(app.pid, signal.SIGTERM)
            app.wait()


if __name__ == "__main__":
    main()
