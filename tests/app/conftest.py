"""Models, servers and running apps for the tests of the app."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.chat_server import ChatServer
from tests.app.serving import App
from tests.app.visitor import Visitor
from tests.trained import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def gguf(demo_model1: Run) -> Path:
    """A real model for llama.cpp: Model 1 as its demo profile trains it."""
    return demo_model1.folder / "model.gguf"


@pytest.fixture(scope="session")
def one_chat_server() -> Iterator[ChatServer]:
    server = ChatServer()
    yield server
    server.close()


@pytest.fixture
def chat_server(one_chat_server: ChatServer) -> Iterator[ChatServer]:
    """The session's server, its gate closed at the start of each test and opened for whoever is left at its end."""
    one_chat_server.gate.clear()
    yield one_chat_server
    one_chat_server.gate.set()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, gguf: Path, one_chat_server: ChatServer) -> Iterator[App]:
    """The app with a real model1, and a model2 that can be told to be slow or to fail; shared by many tests."""
    running = App(tmp_path_factory.mktemp("app"), str(gguf), one_chat_server.spec).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def besieged(tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer) -> Iterator[App]:
    """An app without limits for each tester and address, between two servers: for tests that attack it."""
    spec = one_chat_server.spec
    limits = ["--tester-limit", "0", "--address-limit", "0"]
    command = [sys.executable, "app.py", "--model1", spec, "--model2", spec, *limits]
    running = App(tmp_path_factory.mktemp("besieged"), "", "", command).start()
    yield running
    running.stop()


@pytest.fixture
def visitor(browser: Browser, app: App) -> Iterator[Visitor]:
    """A tester in a fresh browser profile, on the page of `app`, who does not want to wait for animations."""
    with Visitor(browser, app.url) as visitor:
        yield visitor
