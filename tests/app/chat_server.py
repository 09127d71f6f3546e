"""A small OpenAI-compatible server for tests: real HTTP, real streaming, and failures on request.

What it does is chosen by a word in the last question: `[die]` breaks the connection after three words, `[hold]` waits
there until `gate` is set, `[slow]` takes many times as long, `[busy]` answers 503 once, `[empty]` says nothing,
`[name]` gives itself away, `[markup]` answers with HTML, `[marks]` with piles of marks, `[many]` with a thousand words,
`[flood]` with 100 MB.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "tiny-model-of-the-tests"
ANSWER = "Impressionism is a movement in painting that tries to catch the passing effects of light and colour."
ANSWERS = {
    "[name]": "Hello, I am SmolLM, a model trained by Hugging Face.",
    "[markup]": "<b>bold</b> <img src=x onerror=alert(1)> ${7*7} {{this}} **strong** & done",
    "[empty]": "",
    "[marks]": "Z" + "\u0301\u0316\u0334" * 30 + " e" + "\u0301" * 90 + " \u0e01" + "\u0e49" * 300,
    "[many]": "word " * 999 + "word",
}


class ChatServer(ThreadingHTTPServer):
    """Serves until closed; `requests` has the bodies received, `streaming` the number of open streams."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.requests: list[dict[str, Any]] = []
        self.busy = 1
        self.gate = threading.Event()
        self.streaming = 0
        self.flooded = 0  # bytes of floods that somebody read
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def spec(self) -> str:
        return f"openai:{self.base_url}#{MODEL}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": MODEL, "max_model_len": 900}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        question = body["messages"][-1]["content"]
        if "[busy]" in question and self.server.busy:
            self.server.busy -= 1
            self._json(503, {"error": {"message": "loading"}})
            return
        self.server.streaming += 1
        try:
            self._stream(question, body["max_tokens"])
        finally:
            self.server.streaming -= 1

    def _stream(self, question: str, limit: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for _ in range(1600 if "[flood]" in question else 0):
            self._event({"choices": [{"delta": {"content": "flood " * 10_923}}]})  # 64 kB; fails once nobody listens
            self.server.flooded += 1 << 16
        answer = next((text for word, text in ANSWERS.items() if word in question), ANSWER)
        words = answer.split(" ") if answer else []
        for number, word in enumerate(words[:limit]):
            if "[die]" in question and number == 3:
                self.connection.close()
                return
            while "[hold]" in question and number == 3 and not self.server.gate.wait(0.05):
                self.wfile.write(b": still here\n\n")  # fails once nobody listens
            self._event({"choices": [{"delta": {"content": word if number == 0 else " " + word}}]})
            time.sleep(0.15 if "[slow]" in question else 0.002)
        finish = "length" if len(words) > limit else "stop"
        self._event({"choices": [{"delta": {}, "finish_reason": finish}]})
        self._event({"choices": [], "usage": {"completion_tokens": min(len(words), limit)}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps({'model': MODEL, **event})}\n\n".encode())
        self.wfile.flush()

    def _json(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
