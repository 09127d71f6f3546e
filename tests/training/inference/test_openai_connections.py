"""The client on connections as they are: bytes in pieces, drop by drop, without end, and broken in the middle."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time

import pytest

from tests.training.inference.chat_bytes import CHUNKED, END, FIELDS, WHOLE, choice, chunk, delta, dribbling, say
from training.inference.engines.openai_server import OpenAIServer
from training.inference.openai_client import Client
from training.inference.openai_errors import ServerError


def test_bytes_in_pieces_of_one() -> None:
    body = (delta(content="Ma\u00f1ana \U0001f3a8 \u2028x").replace("\n", "\r\n") + END).encode()

    def send(connection: socket.socket) -> None:
        connection.sendall(CHUNKED)
        for byte in body:
            connection.sendall(b"1\r\n" + bytes([byte]) + b"\r\n")
        connection.sendall(b"0\r\n\r\n")

    with dribbling(send) as port:
        assert say(Client(f"http://127.0.0.1:{port}/v1", "m")) == "Ma\u00f1ana \U0001f3a8 \u2028x"


@pytest.mark.parametrize("head", ["200 OK\r\nContent-Type: application/json", "400 Bad\r\nContent-Type: text/html"])
@pytest.mark.parametrize("unit", ["[", "<", "<style ", '{"a":'])
def test_a_body_without_end_is_read_no_further_than_it_is_wanted(head: str, unit: str) -> None:
    """A refusal of a megabyte of `<` took hours, in which nothing else of the app ran."""

    def flood(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {head}\r\n\r\n".encode())
        while True:
            connection.sendall(unit.encode() * 20_000)

    with dribbling(flood) as port:
        client, begun = Client(f"http://127.0.0.1:{port}/v1", "m"), time.process_time()
        with pytest.raises(ServerError):
            say(client) if head.startswith("400") else client.list_models()
        assert time.process_time() - begun < 5


DROPS = {  # what comes before them, and one of them
    "headers": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "one header after the other": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "answers that announce another": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a body": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" "),
    "the length of a chunk": (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1;x=", b"x"
    ),
    "a refusal": (b"HTTP/1.1 503 Busy\r\n\r\n", b" "),
}  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "drops"),
    [
        (asked, drops)
        for asked in ("models", "chat", "completions")
        for drops in DROPS
        if (asked, drops) != ("chat", "a body")  # which may be a long answer: the engine has a time for it
    ],
)
def test_what_comes_drop_by_drop_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, asked: str, drops: str) -> None:
    for name in ("LIST_SECONDS", "WHOLE_SECONDS", "SILENCE_SECONDS"):
        monkeypatch.setattr(f"training.inference.openai_client.{name}", 0.3)
    monkeypatch.setattr("training.inference.openai_client.ATTEMPTS", 1)
    first, drop = DROPS[drops]

    def drip(connection: socket.socket) -> None:
        connection.sendall(first)
        for _ in range(500):  # ten seconds
            connection.sendall(drop)
            time.sleep(0.02)

    with dribbling(drip) as port:
        client, begun = Client(f"http://127.0.0.1:{port}/v1", "m"), time.monotonic()
        with pytest.raises(ServerError):
            client.list_models() if asked == "models" else say(client) if asked == "chat" else client.post("x", {})
        assert time.monotonic() - begun < 5


def test_a_stream_may_take_longer_than_a_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.inference.openai_client.SILENCE_SECONDS", 0.8)

    def send(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for word in ("one", "two", "three", "four", "five", "six"):
            time.sleep(0.25)
            connection.sendall(delta(content=word).encode())
        connection.sendall(f"{END}data: [DONE]\n\n".encode())

    with dribbling(send) as port:
        assert say(Client(f"http://127.0.0.1:{port}/v1", "m")) == "onetwothreefourfivesix"


def test_one_look_at_a_server_that_hangs_is_enough() -> None:
    """Each request for the app's health would else wait for it, until no thread is left."""
    looks: list[float] = []
    go_on = threading.Event()

    def hang(_: socket.socket) -> None:
        looks.append(time.monotonic())
        go_on.wait(10)

    with dribbling(hang) as port:
        engine = OpenAIServer(f"http://127.0.0.1:{port}/v1", "m")
        engine._checked = (-1e9, True)
        first = threading.Thread(target=engine.health)
        first.start()
        while not looks:
            time.sleep(0.01)
        assert engine.health()["ok"] is True, "what was seen last"
        assert time.monotonic() - looks[0] < 3
        go_on.set()
        first.join()
        assert engine.health()["ok"] is False
    assert len(looks) == 1


def test_a_connection_that_breaks_in_the_middle_is_not_asked_again() -> None:
    asked = []

    def send(connection: socket.socket) -> None:
        asked.append(1)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n"
        connection.sendall(head + delta(content="half").encode())

    with dribbling(send) as port, pytest.raises(ServerError, match="broke off"):
        say(Client(f"http://127.0.0.1:{port}/v1", "m"))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (CHUNKED + chunk(delta(content="a") + END), "a"),  # and no chunk that ends the body
        (CHUNKED + chunk(delta(content="a") + END) + b"zz\r\n", "a"),
        (
            CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: 9999")
            + (delta(content="a") + END).encode(),
            "a",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + chunk(delta(content="a") + END) + b"0\r\n\r\n", "a"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + CHUNKED + chunk(delta(content="a") + END), "a"),
    ],
)
def test_an_answer_whose_end_has_come_is_whole_however_its_connection_ends(sent: bytes, text: str) -> None:
    with dribbling(lambda connection: connection.sendall(sent)) as port:
        assert say(Client(f"http://127.0.0.1:{port}/v1", "m")) == text


@pytest.mark.parametrize(
    "pieces",
    [
        chunk(delta(content="half")),
        chunk(choice(delta={"content": "ha"}, finish_reason="stop"))
        + chunk(choice(delta={"content": "lf"}, finish_reason="stop")),
    ],
)
def test_an_answer_that_went_on_behind_its_end_is_not_whole_where_its_connection_breaks(pieces: bytes) -> None:
    """Some servers say `stop` with each piece."""
    with (
        dribbling(lambda connection: connection.sendall(CHUNKED + pieces)) as port,
        pytest.raises(ServerError, match="broke off"),
    ):
        say(Client(f"http://127.0.0.1:{port}/v1", "m"))


LAST_CHUNK = b"0\r\n\r\n"
COUNTED = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(delta(content="a")))


@pytest.mark.parametrize(
    "sent", [CHUNKED + chunk(delta(content="a")) + LAST_CHUNK, COUNTED + delta(content="a").encode()]
)
def test_a_server_that_never_says_an_end_is_taken_at_its_word_where_its_body_is_whole(sent: bytes) -> None:
    with dribbling(lambda connection: connection.sendall(sent)) as port:
        client = Client(f"http://127.0.0.1:{port}/v1", "m")
        assert [say(client), say(client)] == ["a", "a"]


@pytest.mark.parametrize("end", [END, "data: [DONE]\n\n"])
def test_a_server_that_has_said_an_end_broke_off_where_it_says_none(end: str) -> None:
    """As a gateway that ends its own body well whatever became of the model behind it."""
    replies = [CHUNKED + chunk(delta(content="a") + more) + LAST_CHUNK for more in (end, "")]
    with dribbling(lambda connection: connection.sendall(replies.pop(0))) as port:
        client = Client(f"http://127.0.0.1:{port}/v1", "m")
        assert say(client) == "a"
        with pytest.raises(ServerError, match="broke off"):
            say(client)


@pytest.mark.parametrize("sign", [b"", chunk(": still here\n\n"), chunk(choice(delta={}))])
def test_what_is_kept_open_behind_the_end_of_an_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, sign: bytes
) -> None:
    """Each turn took a minute; with signs of life it failed after three."""
    monkeypatch.setattr("training.inference.openai_client.REST_SECONDS", 0.5)
    over = threading.Event()

    def send(connection: socket.socket) -> None:
        usage = 'data: {"choices":[],"usage":{"completion_tokens":7}}\n\n'
        connection.sendall(CHUNKED + chunk(delta(content="a") + END) + chunk(usage))
        while not over.wait(0.1):
            connection.sendall(sign)

    with dribbling(send) as port:
        begun = time.monotonic()
        answer = list(Client(f"http://127.0.0.1:{port}/v1", "m").chat(FIELDS))
        over.set()
        assert "".join(more for more, _ in answer) == "a"
        assert answer[-1][1].total == 7
        assert time.monotonic() - begun < 20


HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
DOCUMENT = json.dumps(WHOLE, indent=1)
SAID = delta(content="whole") + END
UNENDED = [
    HEAD + DOCUMENT.encode(),
    HEAD + json.dumps([WHOLE]).encode(),
    HEAD + b'{"choices":[{"text":"whole","finish_reason":"stop"}]}',
    CHUNKED + chunk(DOCUMENT),
    HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 9999\r\n\r\n") + DOCUMENT.encode(),
    HEAD + SAID.encode(),
    HEAD + SAID.strip().encode(),
    HEAD + SAID.replace("\n", "\r").encode(),
    HEAD + (SAID.replace("\n\n", "\n") + "data: [DONE]").encode(),
    CHUNKED + chunk(delta(content="wh") + choice(delta={"content": "ole"}, finish_reason="stop")),
]


@pytest.mark.parametrize("sent", UNENDED)
@pytest.mark.parametrize("end", ["closed", "broken", "open"])
def test_an_answer_that_is_whole_is_taken_however_its_body_ends(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, end: str
) -> None:
    """Without a length, a last chunk or `[DONE]`: an open socket cost a minute, a broken one the answer."""
    monkeypatch.setattr("training.inference.openai_client.REST_SECONDS", 0.2)

    def send(connection: socket.socket) -> None:
        connection.sendall(sent)
        if end == "broken":  # by a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        while end == "open" and connection.recv(65536):  # until the client has gone
            pass

    with dribbling(send) as port:
        begun = time.monotonic()
        assert say(Client(f"http://127.0.0.1:{port}/v1", "m")) == "whole"
        assert time.monotonic() - begun < 30


@pytest.mark.parametrize("pieces", [1, 7, 4096])
def test_a_document_in_pieces_is_whole_at_its_end_and_not_before(pieces: int) -> None:
    text = json.dumps({"choices": [{"message": {"content": 'a {"b": [1]} c'}}]}).encode()

    def send(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        for at in range(0, len(text), pieces):
            connection.sendall(text[at : at + pieces])
        while connection.recv(65536):
            pass

    with dribbling(send) as port:
        assert say(Client(f"http://127.0.0.1:{port}/v1", "m")) == 'a {"b": [1]} c'


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"HTTP/1.1 400 Bad\r\n\r\n" + b'{"error":{"message":"no such thing"}}', "HTTP 400: .*no such thing"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<h1>No such page</h1>", "HTTP 404: No such page"),
        (HEAD + b'{"error":{"message":"no such thing","code":400}}', "reports: no such thing"),
        (HEAD + b"<html>Please log in", "web page"),
    ],
)
def test_a_refusal_on_a_connection_that_stays_open_is_told(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, told: str
) -> None:
    monkeypatch.setattr("training.inference.openai_client.REST_SECONDS", 0.2)

    def send(connection: socket.socket) -> None:
        connection.sendall(sent)
        while connection.recv(65536):
            pass

    with dribbling(send) as port:
        begun = time.monotonic()
        with pytest.raises(ServerError, match=told):
            say(Client(f"http://127.0.0.1:{port}/v1", "m"))
        assert time.monotonic() - begun < 30


def test_a_list_of_models_on_a_connection_that_stays_open() -> None:
    def send(connection: socket.socket) -> None:
        connection.sendall(HEAD + b'{"data":[{"id":"m"}]}')
        while connection.recv(65536):
            pass

    with dribbling(send) as port:
        assert Client(f"http://127.0.0.1:{port}/v1", "m").find() == (True, {"id": "m"})


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
def test_a_key_does_not_follow_to_another_address(monkeypatch: pytest.MonkeyPatch, status: bytes) -> None:
    asked = list[int]()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    with dribbling(lambda connection: asked.append(1)) as elsewhere:
        location = f"http://localhost:{elsewhere}/v1/chat/completions"
        head = b"HTTP/1.1 " + status + f"\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        with dribbling(lambda connection: connection.sendall(head)) as port:
            client = Client(f"http://127.0.0.1:{port}/v1", "m")
            for ask in (client.find, lambda: say(client)):
                with pytest.raises(ServerError, match=f"write openai:http://localhost:{elsewhere}"):
                    ask()
    assert not asked


def test_a_text_behind_an_end_may_take_as_long_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers say `stop` with each piece."""
    monkeypatch.setattr("training.inference.openai_client.REST_SECONDS", 0.2)

    def send(connection: socket.socket) -> None:
        connection.sendall(CHUNKED)
        for word in ("ha", "lf"):
            connection.sendall(chunk(choice(delta={"content": word}, finish_reason="stop")))
            time.sleep(0.6)
        connection.sendall(chunk("data: [DONE]\n\n") + LAST_CHUNK)

    with dribbling(send) as port:
        assert say(Client(f"http://127.0.0.1:{port}/v1", "m")) == "half"


PIECES = [json.dumps({"choices": [fields]}) for fields in (
    {"delta": {"content": "a\u2028"}}, {"delta": {"content": "b"}}, {"delta": {}, "finish_reason": "stop"},
)]  # fmt: skip


@pytest.mark.parametrize(
    "lines",
    [
        [f"{piece}\n" for piece in PIECES],
        [*(f"{piece}\r\n" for piece in PIECES[:2]), PIECES[2]],
        ["\n".join(PIECES) + "\n"],
        [*(f"{piece}\n\n" for piece in PIECES[:2]), "[DONE]\n"],
    ],
)
def test_json_in_each_line_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    """It was read when the connection closed: all at once, or after a minute of which nobody was told."""
    monkeypatch.setattr("training.inference.openai_client.REST_SECONDS", 0.2)
    told = threading.Event()

    def send(connection: socket.socket) -> None:
        connection.sendall(CHUNKED)
        for number, line in enumerate(lines):
            connection.sendall(chunk(line))
            assert number or len(lines) == 1 or told.wait(30), "the first piece is told before the second is sent"
        while connection.recv(65536):
            pass

    with dribbling(send) as port:
        text = ""
        for more, _ in Client(f"http://127.0.0.1:{port}/v1", "m").chat(FIELDS, lambda seconds: None):
            text += more
            told.set() if text else None
        assert text == "a\u2028b"


def test_an_error_in_a_line_of_json_is_told() -> None:
    def send(connection: socket.socket) -> None:
        connection.sendall(CHUNKED + chunk(f"{PIECES[0]}\n") + chunk('{"error":{"message":"out of memory"}}\n'))
        while connection.recv(65536):
            pass

    with dribbling(send) as port, pytest.raises(ServerError, match="reports: out of memory"):
        say(Client(f"http://127.0.0.1:{port}/v1", "m"))
