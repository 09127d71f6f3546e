"""What every part of the suite may use: a real browser, and a pair of models trained through the users' commands."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import training  # noqa: F401 - before PyTorch, whose threads it tells how to wait
from tests.order import has_nothing_for, put_in_order
from tests.trained import Run, train

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Before PyTorch is loaded, here and in what the tests start: tiny models gain nothing from a second thread, and lose
# much where the machine has other work. The demo training of Model 1 takes 89 s of CPU time with one thread, with two
# 102 s alone and 187 s beside two other processes of the suite.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What Windows has not: tests that use it are left out there, and docs/platforms.md says so.
POSIX_ONLY = (
    r"\b(full_disk|killed_run|killpg|nginx-light|prctl|RLIMIT_\w+|SIGKILL|SIGHUP|chmod|train_nohup|mkfifo"
    r"|sched_\w+affinity|start_new_session)\b|\"/(proc|dev)\b|\btzset\("
)
if os.name == "nt":
    files = Path(__file__).parent.rglob("test_*.py")
    collect_ignore = [str(file) for file in files if re.search(POSIX_ONLY, file.read_text(encoding="utf-8"))]


gc.disable()  # until all is imported: it would be walked again and again, for a quarter of that time


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return has_nothing_for(collection_path, config.getoption("markexpr")) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_in_order(items)


def pytest_collection_finish() -> None:
    gc.freeze()  # what was imported stays, and need not be walked when something else is collected
    gc.enable()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """An installed Chromium or Chrome, else Playwright's own; without one the test fails."""
    from playwright.sync_api import Error, sync_playwright

    from tests.app.visitor import installed_browser

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=installed_browser(), args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
            )
        except Error as error:
            pytest.fail(f"no browser: install chromium, or run `make browser` ({str(error).splitlines()[0]})")
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where trained models are kept for all processes of the session."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained"


@pytest.fixture(scope="session")
def demo_model1(tmp_path_factory: pytest.TempPathFactory, shelf: Path) -> Run:
    """Model 1 in its demo profile, whole: about two minutes beside the other tests."""
    return train(shelf, "training/train_art_ai_model.py", tmp_path_factory.mktemp("model1") / "art_ai_model")


@pytest.fixture(scope="session")
def small_model2(tmp_path_factory: pytest.TempPathFactory, shelf: Path) -> Run:
    """Model 2 on its real base, a few steps of the demo profile."""
    folder = tmp_path_factory.mktemp("model2") / "model2_pretrained"
    # Scoring 120 of each kind takes longer than the steps, and so do eight scores of 40 on the way.
    settings = [word for value in ("max_held_out=40", "looks=1", "look_samples=20") for word in ("--set", value)]
    return train(shelf, "training/train_model2_pretrained.py", folder, "--max-steps", "12", *settings)
