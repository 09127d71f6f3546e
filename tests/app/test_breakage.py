"""What breaks below a running app: the disk, the file of the database, a model's server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.page import Page, ask, client, enter, read_config, run
from benchmarks.serving import memory_mb
from tests.app.chat_server import ChatServer
from tests.app.serving import PASSWORD, App, wait_until
from tests.feedback.test_database_file import delete, overwrite_with_noise, overwrite_with_other, replace_with_other

ADMIN = ("admin", PASSWORD)


@pytest.fixture
def app(tmp_path: Path, one_chat_server: ChatServer) -> Iterator[App]:
    one_chat_server.gate.set()
    running = App(tmp_path, one_chat_server.spec, one_chat_server.spec).start()
    yield running
    running.stop()


def health(app: App) -> tuple[int, dict[str, str]]:
    answer = httpx.get(f"{app.url}/healthz", timeout=20)
    return answer.status_code, answer.json()


async def takes_part(url: str, question: str, between: Callable[[], object] | None = None) -> str:
    """Consent, ask, vote after something has happened; what the page says then."""
    async with client(url) as http:
        page = Page(http, await read_config(http))
        await enter(page)
        await ask(page, question)
        if between:
            between()
        await page.click("vote-left")
        return page.text("status")


def test_a_full_disk_is_told_by_exports_and_by_health(app: App) -> None:
    assert "Saved" in run(takes_part(app.url, "What is Impressionism?"))
    names = ("csv", "jsonl", "parquet", "sqlite")
    with app.full_disk():
        for name in names:
            answer = httpx.get(f"{app.url}/admin/export/{name}", auth=ADMIN, timeout=30)
            assert answer.status_code == 503, name
            assert "nothing of the votes is lost" in answer.text
        wait_until(lambda: health(app)[0] == 503, 30)
        assert health(app)[1]["database"] == "down"
        assert health(app)[1]["disk"] == "full"
    wait_until(lambda: health(app)[0] == 200, 30)
    for name in names:
        assert httpx.get(f"{app.url}/admin/export/{name}", auth=ADMIN, timeout=30).status_code == 200, name


@pytest.mark.parametrize("harm", [delete, replace_with_other, overwrite_with_other, overwrite_with_noise])
def test_no_vote_is_called_saved_in_a_file_that_is_gone(app: App, harm: Callable[[Path], None]) -> None:
    assert "Saved" in run(takes_part(app.url, "What is Impressionism?"))
    told = run(takes_part(app.url, "What is Cubism?", between=lambda: harm(app.database)))
    assert "Saved" not in told
    assert "kept on this page" in told
    wait_until(lambda: health(app)[0] == 503, 30)
    assert health(app)[1]["database"] == "down"
    assert httpx.get(f"{app.url}/admin/export/csv", auth=ADMIN, timeout=30).status_code == 503


def test_an_answer_of_100_mb_ends_while_it_streams_and_nobody_waits_for_it(
    app: App, one_chat_server: ChatServer
) -> None:
    run(takes_part(app.url, "What is Impressionism?"))
    before, one_chat_server.flooded = memory_mb(app.pid), 0
    slowest, ended = [0.0], threading.Event()

    def watch() -> None:
        with httpx.Client(base_url=app.url, timeout=60) as http:
            while not ended.is_set():
                started = time.monotonic()
                assert http.get("/healthz").status_code == 200
                slowest.append(time.monotonic() - started)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert "Saved" in run(takes_part(app.url, "[flood] Tell me everything."))
    finally:
        ended.set()
        watcher.join()
    assert memory_mb(app.pid) - before < 40
    assert one_chat_server.flooded < 32 << 20, "both servers were left long before their ends"
    assert max(slowest) < 10, "it was 90 s where the whole answer was read first"
    assert max(app.rows("SELECT MAX(LENGTH(text)) FROM answers")[0]) <= 20_000
