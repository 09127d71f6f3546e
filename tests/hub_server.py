"""A server that speaks the Hugging Face Hub's API, over real HTTP: create, preupload, LFS, commit, resolve.

It answers as the Hub's own clients of huggingface_hub and transformers expect it, and keeps what was pushed in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

OWNER, WRITE, READ = "somebody", "hf_mayWrite", "hf_mayRead"
LARGE = (".safetensors", ".gguf", ".model", ".bin")


@dataclass
class Repository:
    """What one repository holds."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha1(str(len(self.commits)).encode()).hexdigest()


class Hub(ThreadingHTTPServer):
    """The server; ``repositories`` by ``models/owner/name`` or ``datasets/owner/name``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.full = False
        """Whether it has no room for large files."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.read_body()
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        if match := re.fullmatch(r"/objects/(\w+)", path):
            return self.store(match[1], body)
        if path == "/api/validate-yaml":
            return self.send(200, {"errors": [], "warnings": []})
        if match := re.fullmatch(r"/(datasets/)?(\w[\w.-]*/\w[\w.-]*)/resolve/[^/]+/(.+)", path):
            return self.resolve(f"{match[1] or 'models/'}{match[2]}", match[3])
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in (WRITE, READ):
            return self.send(401, {"error": "Invalid username or password."})
        if token == READ and self.command == "POST":
            return self.send(403, {"error": "You don't have the rights to do this."})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if match := re.fullmatch(r"/api/((?:models|datasets)/[\w.-]+/[\w.-]+)", path):
            return self.info(match[1])
        if match := re.fullmatch(r"/api/(\w+/[\w.-]+/[\w.-]+)/(preupload|commit)/main", path):
            return self.preupload(json.loads(body)) if match[2] == "preupload" else self.commit(match[1], body)
        if re.fullmatch(r"/(datasets/)?[\w.-]+/[\w.-]+\.git/info/lfs/objects/batch", path):
            return self.batch(json.loads(body))
        return self.send(404, {"error": "Entry not found"}, **{"X-Error-Code": "EntryNotFound"})

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('type', 'model')}s/{asked['organization']}/{asked['name']}"
        if asked["organization"] != OWNER:
            return self.send(
                403, {"error": f"You don't have the rights to create a repo under {asked['organization']}"}
            )
        url = f"{self.server.address}/{name.removeprefix('models/')}"
        if name in self.server.repositories:
            return self.send(409, {"error": "You already created this repo", "url": url})
        private = asked.get("visibility") == "private" or asked.get("private") is True
        self.server.repositories[name] = Repository(private)
        return self.send(200, {"url": url, "name": name, "id": "1"})

    def info(self, name: str) -> None:
        repository = self.server.repositories.get(name)
        if repository is None:
            return self.send(404, {"error": "Repository not found"}, **{"X-Error-Code": "RepoNotFound"})
        told = {"id": name.partition("/")[2], "private": repository.private, "sha": repository.sha}
        return self.send(200, {**told, "tags": [], "siblings": [{"rfilename": file} for file in repository.files]})

    def preupload(self, asked: dict[str, Any]) -> None:
        modes = {True: "lfs", False: "regular"}
        files = [
            {"path": f["path"], "uploadMode": modes[f["path"].endswith(LARGE)], "shouldIgnore": False}
            for f in asked["files"]
        ]
        self.send(200, {"files": files})

    def batch(self, asked: dict[str, Any]) -> None:
        if self.server.full:
            return self.send(413, {"error": "Payload too large"})
        objects = [
            {
                **{key: entry[key] for key in ("oid", "size")},
                "actions": {"upload": {"href": f"{self.server.address}/objects/{entry['oid']}", "header": {}}},
            }
            for entry in asked["objects"]
        ]
        return self.send(200, {"transfer": "basic", "objects": objects})

    def store(self, oid: str, body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self.send(400, {"error": "the hash is of another file"})
        self.server.objects[oid] = body
        return self.send(200, {})

    def commit(self, name: str, body: bytes) -> None:
        repository = self.server.repositories[name]
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                repository.commits.append(value["summary"])
            elif entry["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                repository.files[value["path"]] = self.server.objects[value["oid"]]
        url = f"{self.server.address}/{name.removeprefix('models/')}/commit/{repository.sha}"
        self.send(200, {"success": True, "commitOid": repository.sha, "commitUrl": url})

    def resolve(self, name: str, file: str) -> None:
        repository = self.server.repositories.get(name)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repository is None or (repository.private and token not in (WRITE, READ)):
            return self.send(401, {"error": "Repository not found"}, **{"X-Error-Code": "RepoNotFound"})
        if file not in repository.files:
            return self.send(
                404, {"error": "Entry not found"}, **{"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.sha}
            )
        held = repository.files[file]
        named = {"X-Repo-Commit": repository.sha, "ETag": f'"{hashlib.sha256(held).hexdigest()}"'}
        return self.send(200, held, **named)

    def send(self, status: int, answer: Any, **headers: str) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/octet-stream" if body is answer else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
