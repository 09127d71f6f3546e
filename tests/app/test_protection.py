"""Which routes there are, and what pages of other origins can do: nothing."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.routing import Mount

from app.assets import FOLDER, MAX_BYTES
from app.client import Forwarded, Proxies, is_local
from app.protection import FRAMED, MAX_FORM_BYTES, ROUTES, Origins, Protection, is_open
from benchmarks.page import run
from feedback.export import FORMATS
from tests.app.serving import PASSWORD, App
from tests.app.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Of Gradio's own routes, the ones that the two pages ask for.
NEEDED = {
    "/", "/config", "/theme.css", "/manifest.json", "/favicon.ico", "/robots.txt", "/assets/{path:path}",
    "/gradio_api/info", "/gradio_api/startup-events", "/gradio_api/heartbeat/{session_hash}",
    "/gradio_api/run/{api_name}", "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel",
}  # fmt: skip


def registered() -> Iterator[tuple[str, str]]:
    """Method and path of every route that the installed Gradio registers."""
    with gr.Blocks() as blocks:
        gr.Textbox()
    server = gr.mount_gradio_app(FastAPI(), blocks, "/")
    mounted: Any = next(route for route in server.routes if isinstance(route, Mount)).app

    def walk(routes: Any, prefix: str) -> Iterator[tuple[str, str]]:
        for route in routes:
            inner = getattr(route, "original_router", None)
            if inner is not None:
                yield from walk(inner.routes, prefix)
            elif path := getattr(route, "path", ""):
                yield from ((method, prefix + path) for method in getattr(route, "methods", None) or ("GET",))

    yield from walk(mounted.routes, "")


def test_of_all_routes_that_gradio_registers_only_the_needed_ones_are_there(besieged: App) -> None:
    routes = sorted(set(registered()))
    assert len(routes) > 60
    assert ("POST", "/gradio_api/process_recording") in routes, "the router's own routes are found"
    open_to: dict[str, set[str]] = {}
    with httpx.Client(base_url=besieged.url, timeout=20) as http:
        for method, path in routes:
            concrete = re.sub(r"\{[^}]+\}", "x", path)
            for base in ("", "/admin"):
                if is_open(method, base + concrete):
                    open_to.setdefault(base + path, set()).add(method)
                    continue
                for odd in (concrete, f"{concrete}/", f"/{concrete}"):
                    if not is_open(method, base + odd):
                        answer = http.request(method, besieged.url + base + odd, follow_redirects=False)
                        assert answer.status_code == 404, (method, base + odd)
    ours = {"/admin/login"}  # answered before Gradio's own
    assert set(open_to) <= {base + path for base in ("", "/admin") for path in NEEDED} | ours
    assert all(methods <= {"GET", "HEAD"} for path, methods in open_to.items() if path not in ROUTES)
    # The testers' page has no queue, the researchers' page only one; nothing is called by another name.
    for path in ("/gradio_api/queue/join", "/gradio_api/run/x", "/admin/gradio_api/run/predict", "/gradio_api/cancel"):
        assert not is_open("POST", path)


def test_of_gradios_files_only_what_a_page_needs_is_there(besieged: App) -> None:
    """32 MB of a program for films, packed anew for whoever asked, stopped everybody for a second."""
    frontend = FOLDER.parent
    sizes = {path: path.stat().st_size for path in frontend.rglob("*") if path.is_file()}
    too_much = [path for path, size in sizes.items() if size > MAX_BYTES]
    assert len(too_much) >= 3
    others = [path for path in (frontend / "static").rglob("*.*") if not str(path).endswith(FRAMED)]
    with httpx.Client(base_url=besieged.url, timeout=60) as http:
        for path in (*too_much, *others[::10], frontend / "assets"):
            for base in ("", "/admin"):
                assert http.get(f"{base}/{path.relative_to(frontend).as_posix()}").status_code == 404, path
        needed = [*sorted(FOLDER.glob("index-*.js")), *sorted(FOLDER.glob("*.woff2"))[:2], *FOLDER.glob("*.svg")]
        for path in (*needed, frontend / FRAMED[1:]):
            for packing in ("gzip", "identity"):
                asked = {"Accept-Encoding": packing, "Range": "bytes=0-1,4-5"}
                answer = http.get(f"/{path.relative_to(frontend).as_posix()}", headers=asked)
                assert (answer.status_code, answer.content) == (200, path.read_bytes()), path


def test_nobody_holds_a_stream_open_without_a_login(besieged: App) -> None:
    """Not even the one by which Gradio knows that a page is still there, which asks for no login of its own."""
    for path, status in (("heartbeat/x", 401), ("queue/data?session_hash=x", 401)):
        assert httpx.get(f"{besieged.url}/admin/gradio_api/{path}").status_code == status
    assert httpx.get(f"{besieged.url}/gradio_api/heartbeat/x").status_code == 404, "testers' pages ask for none"


def test_health_can_be_asked_with_head_and_nothing_else_answers_foreign_methods(besieged: App) -> None:
    assert httpx.head(f"{besieged.url}/healthz").status_code == 200
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        for path in ("/", "/healthz", "/admin/login", "/gradio_api/run/predict"):
            assert httpx.request(method, besieged.url + path).status_code == 404


def test_metrics_are_for_this_machine_or_a_token(besieged: App) -> None:
    url = f"{besieged.url}/metrics"
    assert httpx.get(url).status_code == 200
    proxies = (
        "X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Forwarded-Port",
        "X-Azure-ClientIP", "X-Original-Forwarded-For", "X-Cluster-Client-IP",
    )  # fmt: skip
    for header in proxies:  # of this machine that are not trusted
        assert httpx.get(url, headers={header: "203.0.113.9"}).status_code == 401
    for header in ("Host", "X-Forwarded-Host"):  # one that leaves no mark but the name that was asked for
        assert httpx.get(url, headers={header: "study.example"}).status_code == 401


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True), ("127.0.0.1:7860", True), ("[::1]:7860", True), ("localhost:7860", True),
        ("a.localhost", True), ("lab-pc:7860", True), ("", True), ("study.example", False),
        ("study.example.:80", False),
        ("127.0.0.1.study.example", False), ("localhost.study.example:7860", False),
    ],
)  # fmt: skip
def test_who_asks_under_the_name_of_a_site_is_not_this_machine(host: str, local: bool) -> None:
    """A proxy that adds no header (HAProxy, nginx with `Host` alone), or a page whose name was made to mean us."""
    headers = [(b"host", host.encode())] if host else []
    assert is_local(Request({"type": "http", "client": ("127.0.0.1", 50000), "headers": headers})) is local
    assert not is_local(Request({"type": "http", "client": ("203.0.113.9", 50000), "headers": headers}))


@pytest.mark.parametrize(
    ("trusted", "peer", "told", "known", "local"),
    [
        ("127.0.0.1", "127.0.0.1", "203.0.113.9", "203.0.113.9", False),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", True),  # who asks the proxy of this machine on it
        ("127.0.0.1", "127.0.0.1", "127.0.0.1, 203.0.113.9", "203.0.113.9", False),
        ("127.0.0.1", "::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9", False),  # of a socket for both
        ("*", "203.0.113.9", "127.0.0.1", "127.0.0.1", False),  # whoever says so
        ("*", "127.0.0.1", "127.0.0.1, 203.0.113.9", "127.0.0.1", False),  # and a proxy that keeps what it is sent
        ("::/0", "2001:db8::1", "::1", "::1", False),
        ("10.0.0.0/8", "10.0.0.1", "127.0.0.1, 10.9.9.9", "127.0.0.1", False),  # a client among the proxies
        ("10.0.0.0/8", "10.0.0.1", "127.0.0.1", "127.0.0.1", False),  # another machine has no clients here
        ("10.0.0.0/8", "203.0.113.9", "127.0.0.1", "203.0.113.9", False),
    ],
)
def test_nobody_is_this_machine_because_a_header_says_so(
    trusted: str, peer: str, told: str, known: str, local: bool
) -> None:
    """With `--trust-proxy '*'` one header opened the metrics, and let passwords be guessed without a delay."""
    found: list[tuple[str, bool]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope)
        found.append((request.client.host if request.client else "", is_local(request)))

    async def unused(*_: Any) -> Any:
        raise AssertionError("nobody reads or answers")

    proxies = Proxies.read(trusted)
    scope = {
        "type": "http",
        "client": (peer, 50000),
        "headers": [(b"x-forwarded-for", told.encode())],
        "scheme": "http",
    }
    run(Forwarded(app, proxies)(scope, unused, unused))
    assert found == [(known, local)]


ORIGIN = "http://study.example:8080"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://other.study.example:8080"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN}, 403),
        ({"Origin": ORIGIN}, 200),
        ({"Origin": "https://study.example:8080"}, 200),  # a proxy ended TLS
        ({"Origin": "http://study.example:8081"}, 403),
        ({"Origin": "http://study.example"}, 403),
        ({"Origin": "http://evil.study.example:8080"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "https://public.example", "X-Forwarded-Host": "public.example"}, 200),
        ({"Sec-Fetch-Site": "none"}, 403),  # nobody types a request that changes something
        ({"Cookie": "diptych-admin=x"}, 403),
        ({}, 403),  # no browser leaves both out, and a script can say where it acts
        ({"Origin": "https://friend.example"}, 200),
    ],
)
def test_what_changes_something_comes_from_our_own_pages(headers: dict[str, str], status: int) -> None:
    server = FastAPI()

    @server.post("/admin/logout")
    def change() -> str:
        return "changed"

    server.add_middleware(Protection, origins=Origins(scripts=("https://friend.example",)))
    client = TestClient(server, base_url=ORIGIN)
    client.headers.clear()
    answer = client.post("/admin/logout", headers=headers)
    assert answer.status_code == status
    allowed = [value for name, value in answer.headers.items() if name.startswith("access-control")]
    assert allowed == (["https://friend.example"] if headers.get("Origin") == "https://friend.example" else [])


def _counts(app: App) -> dict[str, int]:
    tables = app.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'looks'")
    return {name: app.rows(f'SELECT COUNT(*) FROM "{name}"')[0][0] for (name,) in tables}


def test_of_a_script_that_does_not_say_where_it_acts_nothing_is_taken(besieged: App) -> None:
    """Every route that changes something, for testers and for researchers, with a password and with a cookie."""
    config = httpx.get(f"{besieged.url}/config").json()
    start = max(config["dependencies"], key=lambda entry: len(entry["inputs"]))
    body = {"data": [True] * len(start["inputs"]), "fn_index": start["id"], "session_hash": "script"}
    changing = [(m, path) for path, methods in ROUTES.items() for m in methods if m not in ("GET", "HEAD")]
    assert len(changing) == 4
    before = _counts(besieged)
    with httpx.Client(base_url=besieged.url, timeout=20) as http:
        http.post("/admin/login", data={"username": "admin", "password": PASSWORD}, headers={"Origin": besieged.url})
        for method, path in changing:
            for options in (
                {}, {"auth": ("admin", PASSWORD)}, {"headers": {"Origin": "null"}}, {"headers": {"Origin": ""}},
                {"headers": {"Sec-Fetch-Site": "none"}}, {"headers": {"Referer": besieged.url + "/"}},
                {"headers": {"Sec-Fetch-Site": "cross-site", "Origin": besieged.url}},
            ):  # fmt: skip
                for content in ({"json": body}, {"data": {"username": "admin", "password": PASSWORD}}):
                    answer = http.request(method, path, **options, **content)  # type: ignore[arg-type]
                    assert answer.status_code == 403, (method, path, options)
        assert http.get("/admin/session").status_code == 200, "not logged out either"
        assert http.get("/admin/export/csv").status_code == 403, "the cookie alone, which an old browser sends along"
        assert http.get("/admin/export/csv", headers={"Sec-Fetch-Site": "none"}).status_code == 200
        for path in (*ROUTES, "/admin/comparison/x", "/assets/x"):
            for method in ("GET", "HEAD"):
                if "queue/data" not in path:
                    http.request(method, path, headers={"Origin": besieged.url})
    assert httpx.get(f"{besieged.url}/admin/export/csv", auth=("admin", PASSWORD)).status_code == 200
    assert _counts(besieged) == before, "neither what was refused nor what was read has changed anything"


def test_a_web_socket_is_closed_before_it_opens(besieged: App) -> None:
    for path in ("/", "/gradio_api/queue/join", "/admin/", "/healthz"):
        headers = {
            "Connection": "Upgrade", "Upgrade": "websocket", "Origin": besieged.url, "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }  # fmt: skip
        assert httpx.get(besieged.url + path, headers=headers).status_code != 101


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Gradio-Server"])
def test_the_name_of_a_host_reaches_nobody_else_and_is_one(besieged: App, header: str) -> None:
    """What one visitor calls the app is in that visitor's page alone, and no cache may keep it for others."""
    for path in ("/", "/config"):
        own = httpx.get(besieged.url + path)
        for packing in ("gzip", "identity"):
            headers = {header: "evil.example:81", "Accept-Encoding": packing}
            poisoned = httpx.get(besieged.url + path, headers=headers)
            assert ("http://evil.example:81" in poisoned.text) == (header != "X-Gradio-Server")
            assert "private" in poisoned.headers["cache-control"]
            again = httpx.get(besieged.url + path, headers={"Accept-Encoding": packing})
            assert again.content == own.content
            assert "evil" not in again.text
            assert besieged.url in again.text
            assert "address.invalid" not in again.text
    if header != "X-Gradio-Server":
        for name in ('a"><script>alert(1)</script>', "a b", "[::1", "a/../b", "a@b", "x" * 300, "a:b", "é".encode()):
            assert httpx.get(f"{besieged.url}/config", headers={header: name}).status_code == 400, name
        for name in ("a.b-c_d:8080", "[::1]:80", "192.0.2.1"):
            assert f"http://{name}" in httpx.get(f"{besieged.url}/config", headers={header: name}).text


def test_of_cookies_our_own_are_read() -> None:
    """Those of other programs of this host, which browsers send to all its ports, are dropped before they cost."""
    read: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        read.append(Request(scope).cookies)

    cookies = [b"a=b; diptych-admin=one;x=diptych-admin=no", b"diptych-browser=two; diptych-adminx=no"]
    headers = [(b"host", b"localhost"), *((b"cookie", value) for value in cookies)]
    asked = {"path": "/", "query_string": b"", "headers": headers, "scheme": "http"}
    nothing: Any = None
    run(Protection(app)({"type": "http", "method": "GET", **asked}, nothing, nothing))
    assert read == [{"diptych-admin": "one", "diptych-browser": "two"}]


def test_a_login_is_a_short_form(besieged: App) -> None:
    with httpx.Client(base_url=besieged.url, headers={"Origin": besieged.url}) as http:
        for length, status in ((3000, 401), (MAX_FORM_BYTES, 413)):
            form = {"username": "admin", "password": "x" * length}
            assert http.post("/admin/login", data=form).status_code == status


def test_a_request_for_two_hosts_is_for_none(besieged: App) -> None:
    with socket.create_connection(("127.0.0.1", besieged.port), 10) as connection:
        connection.sendall(b"GET /config HTTP/1.1\r\nHost: a\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).split()[1] == b"400"


def test_whatever_answers_get_answers_head(besieged: App) -> None:
    """As `curl -I`, a monitor or a download manager asks before it loads."""
    of_study = [f"/admin/export/{name}" for name in FORMATS]
    paths = [path for path, methods in ROUTES.items() if "HEAD" in methods] + of_study
    paths += [f"{path}/{what}" for path in of_study for what in ("codebook.md", "manifest.json")]
    with httpx.Client(base_url=besieged.url, auth=("admin", PASSWORD), timeout=60) as http:
        looks = besieged.rows("SELECT COUNT(*) FROM looks")
        heads = {path: http.head(path) for path in [*paths, "/admin/export/none", "/admin/comparison/report.html"]}
        assert besieged.rows("SELECT COUNT(*) FROM looks") == looks, "nothing was seen"
        for path, head in heads.items():
            get = http.get(path)
            assert (path, head.status_code) == (path, get.status_code)
            assert head.content == b""
            assert head.headers.get("content-type") == get.headers.get("content-type"), path


def test_a_page_is_kept_as_gradio_would_make_it_now(besieged: App) -> None:
    """Nothing of the study, its state or a query is in a page; so what was kept is what would be made again."""
    plain = {path: httpx.get(besieged.url + path, headers={"Accept": "text/html"}) for path in ("/", "/config")}
    for path, page in plain.items():
        for query in ("?deep_link=../../../etc/passwd", "?page=x", "?__theme=dark", "?all_endpoints=1"):
            assert httpx.get(besieged.url + path + query).content == page.content
        assert httpx.head(besieged.url + path).status_code == 200
    assert "needs JavaScript" in plain["/"].text
    assert plain["/config"].json()["root"] == besieged.url
    assert plain["/config"].json()["username"] is None
    assert httpx.get(f"{besieged.url}/admin/config").status_code == 401


class Neighbour(BaseHTTPRequestHandler):
    """A page on another port of the same host, which is another origin but the same site: cookies are sent along."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>neighbour</title><body></body>")

    def log_message(self, *_: Any) -> None:
        """Quiet."""


_STRIKE = """async ([app, events]) => {
  const tried = [];
  const send = async (name, path, options) => {
    try {
      const answer = await fetch(app + path, { credentials: "include", ...options });
      tried.push([name, answer.type, answer.status, (await answer.text()).slice(0, 200)]);
    } catch (error) { tried.push([name, "refused", 0, ""]); }
  };
  for (const [name, body] of events)
    for (const type of ["text/plain", "application/json"])
      for (const mode of ["no-cors", "cors"])
        await send(name, "/admin/gradio_api/queue/join",
          { method: "POST", mode, body, headers: { "Content-Type": type } });
  await send("votes", "/admin/export/csv", { mode: "cors" });
  await send("config", "/admin/config", { mode: "cors" });
  await send("logout", "/admin/logout", { method: "POST", mode: "no-cors" });
  await send("logout", "/admin/logout", { mode: "no-cors" });
  for (const path of ["/admin/logout", "/admin/export/csv"]) {
    const image = new Image();
    await new Promise((done) => { image.onload = image.onerror = done; image.src = app + path; });
  }
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: app + "/admin/logout", target: "f" });
  const frame = Object.assign(document.createElement("iframe"), { name: "f", src: app + "/admin/" });
  document.body.append(form, frame);
  await new Promise((done) => setTimeout(done, 1000));
  form.submit();
  await new Promise((done) => setTimeout(done, 1000));
  return tried;
}"""


def test_a_page_on_another_port_can_neither_act_nor_read_nor_frame(browser: Browser, besieged: App) -> None:
    neighbour = ThreadingHTTPServer(("127.0.0.1", 0), Neighbour)
    threading.Thread(target=neighbour.serve_forever, daemon=True).start()
    with Visitor(browser, f"{besieged.url}/admin") as researcher:
        page = researcher.page
        researcher.log_in()
        page.wait_for_selector("#results h1")
        config = page.evaluate("fetch('config').then((answer) => answer.json())")
        elements = {entry["id"]: entry["props"].get("elem_id") for entry in config["components"]}
        events = []
        for entry in config["dependencies"]:
            name = elements.get(entry["targets"][0][0])
            if name in ("study-close", "invite-make"):
                data: list[Any] = [True] if name == "study-close" else ["stolen", 0]
                events.append([name, json.dumps({"data": data, "fn_index": entry["id"], "session_hash": "evil"})])
        assert len(events) == 2
        looks, invites = (besieged.rows(f"SELECT COUNT(*) FROM {table}") for table in ("looks", "invites"))
        evil = researcher.context.new_page()
        framed: list[str] = []
        evil.on("console", lambda message: framed.append(message.text))
        evil.goto(f"http://127.0.0.1:{neighbour.server_address[1]}/")
        tried = evil.evaluate(_STRIKE, [besieged.url, events])
        assert {kind for _, kind, _, _ in tried} <= {"refused", "opaque"}, "nothing can be read"
        assert besieged.rows("SELECT COUNT(*) FROM invites") == invites
        assert besieged.rows("SELECT COUNT(*) FROM studies WHERE closed_at IS NOT NULL") == [(0,)]
        assert besieged.rows("SELECT COUNT(*) FROM looks") == looks, "not even a look is written down"
        assert any("frame-ancestors" in text for text in framed)
        assert page.evaluate("fetch('session').then((answer) => answer.status)") == 200, "still logged in"
        page.click("text=Log out")
        page.wait_for_selector("[name=password]")
    neighbour.shutdown()
    neighbour.server_close()


def test_a_frame_is_a_setting() -> None:
    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    for origins, ends in (
        (Origins(), "frame-ancestors 'self'"),
        (Origins(("https://huggingface.co",)), "huggingface.co"),
    ):
        policy = TestClient(Protection(page, origins)).get("/").headers["content-security-policy"]
        assert policy.endswith(ends)
        assert "form-action 'self'" in policy
