"""The report as a PDF, printed by a browser of the Chromium family where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..export.write import ExportError, replace_file

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
SECONDS = 180
KIND = "a report of votes, as PDF"


def find_browser() -> str:
    """A browser that prints.  Raises ExportError where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None) or next(filter(os.path.exists, PLACES), None)
    if found is None:
        raise ExportError(
            "--pdf needs Chromium, Chrome or Edge, and none was found; install one, or open report.html in any browser"
            " and print it into a file"
        )
    return found


def print_to_pdf(page: Path, browser: str) -> Path:
    """Write a page beside itself as PDF. Raises ExportError."""
    out = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        printed = Path(scratch) / "printed.pdf"
        command = [browser, "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command += [f"--user-data-dir={scratch}/profile", "--no-pdf-header-footer", f"--print-to-pdf={printed}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # Chromium's sandbox refuses root, as in a container
            command.append("--no-sandbox")
        try:
            done = subprocess.run([*command, page.resolve().as_uri()], capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(f"--pdf: {browser} did not print ({error}); open {page} and print it there") from None
        if done.returncode or not printed.is_file() or not printed.read_bytes().startswith(b"%PDF-"):
            said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise ExportError(f"--pdf: {browser} did not print ({said[:200]}); open {page} and print it there")
        replace_file(out, [printed.read_bytes()], kind=KIND)
    return out
