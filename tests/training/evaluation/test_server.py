"""A model behind a server over real HTTP: a tiny model that answers in vLLM's forms, and one that gives less."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from training.corpus.sample import Message
from training.evaluation.local import LocalModel
from training.evaluation.opening import open_subject
from training.evaluation.server import ServerModel
from training.evaluation.subjects import Unavailable

QUESTION = [Message("user", "Who painted Guernica?")]
PAIRS: list[Any] = [(QUESTION, "Pablo Picasso painted it."), (QUESTION, "Goya"), ("The painter was", " Goya")]


class Handler(BaseHTTPRequestHandler):
    """What vLLM's server replies to the requests that the evaluation makes."""

    server: Server

    def do_GET(self) -> None:
        self.reply({"data": [{"id": "tiny"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = {"/tokenize": self.tokens, "/v1/completions": self.echo, "/v1/chat/completions": self.chat}
        if self.path == "/tokenize" and not self.server.scores:
            self.send_error(404)
            return
        self.reply(answers[self.path](body))

    def tokens(self, body: dict[str, Any]) -> dict[str, Any]:
        form = self.server.model.network.form
        if "messages" in body:
            return {"tokens": form.prompt([Message(**m) for m in body["messages"]])}
        return {"tokens": form.plain(body["prompt"])}

    def echo(self, body: dict[str, Any]) -> dict[str, Any]:
        assert (body["echo"], body["logprobs"], body["temperature"]) == (True, 1, 0.0)
        network, ids = self.server.model.network, body["prompt"]
        with torch.no_grad():
            log_p = network.logits(network.states(torch.tensor([ids])))[0].log_softmax(-1)
        own = [None, *(float(log_p[i, token]) for i, token in enumerate(ids[1:]))]
        tops: list[Any] = [None]
        for i, token in enumerate(ids[1:]):
            tops.append({f"t{token}": own[i + 1], f"t{int(log_p[i].argmax())}": float(log_p[i].max())})
        return {"choices": [{"logprobs": {"token_logprobs": [*own, -1.0], "top_logprobs": [*tops, {"x": -1.0}]}}]}

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        chat = [Message(**message) for message in body["messages"]]
        (answer,) = self.server.model.answers([chat], body["max_tokens"])
        finish, tokens = ("stop", answer.tokens + 1) if answer.stopped else ("length", answer.tokens)
        choice = {"message": {"content": answer.text}, "finish_reason": finish}
        return {"choices": [choice], "usage": {"completion_tokens": tokens}}

    def reply(self, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *values: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A server of one model; without ``scores`` it has chats only, like most."""

    def __init__(self, model: LocalModel, scores: bool) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model: Any = model
        self.scores = scores

    @property
    def spec(self) -> str:
        return f"openai:http://127.0.0.1:{self.server_port}/v1#tiny"


@pytest.fixture(scope="module")
def model(saved_checkpoint: Path) -> LocalModel:
    model = open_subject(str(saved_checkpoint / "hf"))
    assert isinstance(model, LocalModel)
    _ = model.network
    return model


@pytest.fixture(params=[True, False])
def server(model: LocalModel, request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(model, request.param)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_server_gives_what_it_has(server: Server, model: LocalModel) -> None:
    subject = open_subject(server.spec)
    assert isinstance(subject, ServerModel)
    assert (subject.kind, subject.name, subject.parameters, subject.report) == ("openai", "tiny", None, None)
    done: list[int] = []
    subject.done = done.append
    conversations = [QUESTION, [Message("user", "Hello!")]]
    assert subject.answers(conversations, 6) == model.answers(conversations, 6)
    assert done == [1, 1]
    with pytest.raises(Unavailable, match="whose turn"):
        subject.document_losses([])
    if not server.scores:
        with pytest.raises(Unavailable, match="no /tokenize as vLLM has"):
            subject.loglikelihoods(PAIRS)
        return
    for ours, theirs in zip(subject.loglikelihoods(PAIRS), model.loglikelihoods(PAIRS), strict=True):
        assert ours.nats == pytest.approx(theirs.nats, rel=1e-4)
        assert (ours.tokens, ours.text_bytes, ours.greedy) == (theirs.tokens, theirs.text_bytes, theirs.greedy)


def test_a_server_that_has_gone_is_told(model: LocalModel) -> None:
    server = Server(model, scores=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    subject = open_subject(server.spec, "mine")
    assert subject.name == "mine"
    server.shutdown()
    server.server_close()
    with pytest.raises(Unavailable, match="broke off at /chat/completions"):
        subject.answers([QUESTION], 4)
