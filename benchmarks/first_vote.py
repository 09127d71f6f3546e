"""How long a newcomer waits: a fresh clone, `make app`, and a real browser until the first blind vote is saved.

    python benchmarks/first_vote.py

Prints the seconds until the page is served (installation included), until the test opens by itself, and until the first
vote is saved; then both answers to each demo question, and what the models learned. Needs a browser. The clone and the
votes are in a temporary folder; the base's download is kept. To see an older CPU's time, keep a newer one to AVX2:

    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_CBWR=COMPATIBLE python benchmarks/first_vote.py
"""

from __future__ import annotations

import argparse
import json
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
from training.runs.command import DEMO_QUESTIONS

PATIENCE_SECONDS = 1200


def wait_until_served(url: str, deadline: float) -> None:
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", timeout=5)
            return
        except httpx.HTTPError:
            time.sleep(0.3)
    raise SystemExit("the page was not served in time")


def vote(url: str, started: float) -> None:
    """One tester for each demo question, from the moment when the test opens."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=["--no-sandbox"])
        for number, question in enumerate(DEMO_QUESTIONS):
            with Visitor(browser, url) as tester:
                tester.page.wait_for_selector("#consent input", timeout=1000 * PATIENCE_SECONDS)
                if not number:
                    print(f"the test opened by itself after {time.monotonic() - started:.0f} s", flush=True)
                tester.consent()
                tester.ask(question)
                left, right = tester.answers()
                tester.vote("left")
                if not number:
                    print(f"first vote after {time.monotonic() - started:.0f} s ({tester.status})")
                print(f"{question}\n  A: {left}\n  B: {right}", flush=True)
        browser.close()


def print_scores(folder: Path) -> None:
    """What the training reports in a folder say of held-out text."""
    for path in sorted(folder.glob("*/training_report.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        learned = report["val"]["new_wording"]["bits_per_byte"]
        base = report.get("base_val_bits_per_byte")
        before = f", of all held-out text {report['val_bits_per_byte']:.3f} (its base {base:.3f})" if base else ""
        print(
            f"{path.parent.name}: {learned:.3f} bits per byte on new wordings{before}; "
            f"{report['steps']} steps in {report['train_seconds']:.0f} s, ended by {report['ended_by']}"
        )


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
            vote(url, started)
            print_scores(clone / "checkpoints")
        finally:
            os.killpg(app.pid, signal.SIGTERM)
            app.wait()


if __name__ == "__main__":
    main()
