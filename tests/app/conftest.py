"""Models, servers and running apps for the tests of the app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.chat_server import ChatServer
from tests.app.serving import ROOT, App
from tests.app.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def gguf() -> Path:
    """A real model for llama.cpp; any small one with a chat template does."""
    path = Path(os.environ.get("DIPTYCH_TEST_GGUF", ROOT / "checkpoints" / "art_ai_model" / "model.gguf"))
    if not path.is_file():
        pytest.fail(f"{path} does not exist; train Model 1 or name a GGUF with DIPTYCH_TEST_GGUF")
    return path


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


@pytest.fixture
def visitor(browser: Browser, app: App) -> Iterator[Visitor]:
    """A tester in a fresh browser profile, on the page of `app`, who does not want to wait for animations."""
    with Visitor(browser, app.url) as visitor:
        yield visitor
