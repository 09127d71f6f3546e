"""A Hub on this machine: as much of its protocol as reading data sets needs, over the files of a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

_COMMIT = "a" * 40
_DATA_SET = r"/(?P<id>[^/]+/[^/]+)"


class HubServer(ThreadingHTTPServer):
    """Serves the repositories in ``folder``; ``sent`` counts the bytes of their files that were fetched."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.sent = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub_server(folder: Path) -> Iterator[HubServer]:
    with HubServer(folder) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(f"/api/datasets{_DATA_SET}/tree/[^/]+/?(?P<under>.*)", path):
            self._tree(self.server.folder / found["id"], found["under"])
        elif found := re.fullmatch(f"/api/datasets{_DATA_SET}(/revision/[^/]+)?", path):
            self._describe(found["id"])
        elif found := re.fullmatch(f"/datasets{_DATA_SET}/resolve/[^/]+/(?P<file>.*)", path):
            self._file(self.server.folder / found["id"] / found["file"])
        else:
            self._answer(404)

    def _describe(self, repository: str) -> None:
        known = (self.server.folder / repository).is_dir()
        content = {"id": repository, "sha": _COMMIT, "private": False, "tags": [], "siblings": []}
        self._json(content) if known else self._answer(404, headers={"X-Error-Code": "RepoNotFound"})

    def _tree(self, folder: Path, under: str) -> None:
        if not (folder / under).is_dir():
            return self._answer(404, headers={"X-Error-Code": "EntryNotFound"})
        entries = [
            {
                "type": "directory" if path.is_dir() else "file",
                "path": path.relative_to(folder).as_posix(),
                "oid": "1" * 40,
                "size": 0 if path.is_dir() else path.stat().st_size,
            }
            for path in sorted((folder / under).iterdir())
        ]
        return self._json(entries)

    def _file(self, path: Path) -> None:
        if not path.is_file():
            return self._answer(404, headers={"X-Error-Code": "EntryNotFound"})
        content, headers = path.read_bytes(), {"ETag": f'"{path.name}"', "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked is None:
            return self._answer(200, content, headers)
        first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return self._answer(206, content[first : last + 1], headers)

    def _json(self, content: Any) -> None:
        self._answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "X-Repo-Commit": _COMMIT, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
            self.server.sent += len(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""
