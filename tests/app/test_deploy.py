"""Behind nginx, as docs/deploy.md says: TLS, a sub-path, and answers that stream."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.app.chat_server import ANSWER, ChatServer
from tests.app.serving import PASSWORD, ROOT, App, free_port, wait_until
from tests.app.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser

GUIDE = ROOT / "docs" / "deploy.md"


def nginx() -> str:
    path = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin:/usr/local/bin:/usr/bin")
    if path is None:
        pytest.fail("no nginx: install it (apt-get install nginx-light), or run `make nginx`")
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer) -> Iterator[tuple[App, str]]:
    """The app below /diptych/ of an nginx with the guide's own configuration and a certificate of its own."""
    folder = tmp_path_factory.mktemp("nginx")
    command = [sys.executable, "app.py", "--model1", one_chat_server.spec, "--model2", one_chat_server.spec]
    app = App(folder, "", "", [*command, "--root-path", "/diptych", "--trust-proxy", "127.0.0.1"])
    port = free_port()
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    found = re.search(r"```nginx\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    assert found, "the guide shows a configuration"
    block = found[1]
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/ssl/certs/diptych.pem", str(folder / "certificate.pem")),
        ("/etc/ssl/private/diptych.key", str(folder / "key.pem")),
        ("127.0.0.1:7860", f"127.0.0.1:{app.port}"),
    ):
        assert old in block
        block = block.replace(old, new)
    places = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {places}\n{block}\n}}\n"
    )
    app.start()
    server = subprocess.Popen([nginx(), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)])
    url = f"https://localhost:{port}/diptych/"
    try:
        wait_until(lambda: reachable(url), 20)
        yield app, url
    finally:
        server.terminate()
        server.wait(10)
        app.stop()


def reachable(url: str) -> bool:
    try:
        return httpx.get(url, verify=False, timeout=5).is_success
    except httpx.HTTPError:
        return False


def test_a_vote_through_nginx(served: tuple[App, str], browser: Browser) -> None:
    app, url = served
    # Opened once: a page that is reloaded while its modules load reports the one that did not come.
    with Visitor(browser, "about:blank", ignore_https_errors=True) as visitor:
        foreign: list[str] = []
        visitor.page.on("request", lambda r: foreign.append(r.url) if not r.url.startswith((url, "data:")) else None)
        visitor.page.goto(url)
        visitor.consent()
        visitor.ask("What is Impressionism?")
        assert visitor.answers() == (ANSWER, ANSWER)
        visitor.vote("left")
        kept = visitor.page.evaluate("Object.keys(localStorage)")
        assert "diptych/diptych.token" in kept, "apps below other paths of this host have names of their own"
        assert "diptych.token" not in kept
        assert not visitor.problems
        assert not foreign, "everything is asked for below the sub-path, over TLS"
    assert app.rows("SELECT COUNT(*) FROM votes") == [(1,)]


def test_events_are_not_held_back_and_the_rest_is_there(served: tuple[App, str]) -> None:
    _, url = served
    with httpx.Client(base_url=url, verify=False, timeout=20) as client:
        assert client.get("healthz").json()["status"] == "ok"
        assert "diptych_votes_total" in client.get("metrics").text
        assert client.get("admin/export/csv").status_code == 401
        login = client.get("admin/", headers={"accept": "text/html"}, follow_redirects=True)
        assert str(login.url) == f"{url}admin/login"
        script = re.search(r'src="\./(assets/[^"]+\.js)"', client.get("").text)
        assert script
        kept = client.get(script[1], headers={"accept-encoding": "gzip"})
        assert (kept.headers["content-encoding"], "immutable" in kept.headers["cache-control"]) == ("gzip", True)
        assert client.post("gradio_api/upload", files={"files": b"x"}).status_code == 404, "closed below a sub-path too"
        assert client.post("gradio_api/queue/join", json={}).status_code == 404, "the testers' page asks directly"
        client.headers["Origin"] = url.removesuffix("/diptych/")  # as a browser does
        client.post("admin/login", data={"username": "admin", "password": PASSWORD})
        entries = client.get("admin/config").json()["dependencies"]
        load = next(entry for entry in entries if entry["targets"][0][1] == "load")
        body = {"data": [""] * len(load["inputs"]), "fn_index": load["id"], "session_hash": "nginx", "event_data": None}
        client.post("admin/gradio_api/queue/join", json=body).raise_for_status()
        with client.stream("GET", "admin/gradio_api/queue/data", params={"session_hash": "nginx"}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            started = time.monotonic()
            assert next(stream.iter_lines()).startswith("data:")
            assert time.monotonic() - started < 10, "an event comes when it happens"


def test_a_proxy_may_leave_the_sub_path_on(served: tuple[App, str]) -> None:
    """As nginx does without a slash behind the port; every page was 404."""
    app, _ = served
    with httpx.Client(base_url=app.url, timeout=20) as client:
        assert client.get("/diptych/healthz").json()["status"] == "ok"
        page = client.get("/diptych/", headers={"accept": "text/html"})
        script = re.search(r'src="\./(assets/[^"]+\.js)"', page.text)
        assert script
        assert client.get(f"/diptych/{script[1]}").status_code == 200
        assert (
            client.get("/diptych/admin/", headers={"accept": "text/html"}).headers["location"] == "/diptych/admin/login"
        )
        assert client.get("/diptych/gradio_api/upload").status_code == 404
        assert client.get("/diptych?invite=a+b").headers["location"] == "/diptych/?invite=a+b"
        assert client.get("/diptychon/healthz").status_code == 404
        assert client.get("/healthz").status_code == 200


def test_the_guide_names_only_what_there_is() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    told = subprocess.run([sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for line in re.findall(r"python app\.py (.*)", text):
        for option in re.findall(r"--[a-z0-9-]+", line):
            assert option in told.stdout, option
    for path in re.findall(r"`((?:app|docs|benchmarks|feedback)/[\w./-]+\.\w+)`", text):
        assert Path(ROOT, path).exists() or path == "feedback/diptych.db", path
