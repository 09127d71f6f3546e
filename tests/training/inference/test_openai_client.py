"""The client that the app and the evaluation share, against servers and networks as they are."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.any_server import JSON, SSE, Reply, Server, any_server, events, refusal
from tests.training.inference.chat_bytes import END, FIELDS, HTML, LINE, WHOLE, at, choice, delta, dribbling, say, sse
from training.corpus.sample import Message
from training.evaluation.cost import find_forms, measure_costs
from training.evaluation.server import ServerModel
from training.evaluation.subjects import Unavailable
from training.evaluation.timing import Job, ask, open_engine
from training.inference.openai_client import Client
from training.inference.openai_connection import Address, connect, read_spec, without_password
from training.inference.openai_errors import ForGood, ServerError, TooLong, Unfinished


@pytest.fixture
def server() -> Iterator[Server]:
    with any_server() as server:
        yield server


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (sse("\ufeff", delta(content="a"), END), "a"),
        (sse(delta(content="a"), ": ping\n\n", "\n\n", delta(content="b"), END), "ab"),
        (sse("id: 1\nretry: 10\n", delta(content="a"), END), "a"),
        (sse((delta(content="a") + END).replace("\n", "\r")), "a"),
        (sse((delta(content="a") + END).replace("\n", "\r\n")), "a"),
        (sse(delta(content="a"), END.removesuffix("\n")), "a"),
        (sse(delta(role="assistant", content=None), delta(content="a"), delta(content=""), END), "a"),
        (sse(delta(refusal="I cannot say."), END), "I cannot say."),
        (sse(delta(reasoning="hm", content=""), delta(content="a"), END), "a"),
        (sse('data: {"choices":[]}\n\n', 'data: {"choices":null}\n\n', "data: [1]\n\n", delta(content="a"), END), "a"),
        (sse(delta(content="a"), 'data: {"choices":[],"usage":{"completion_tokens":"x"}}\n\n', END), "a"),
        (sse(delta(content="a"), 'data: {"choices":[{"text":"b","finish_reason":"length"}]}\n\n'), "ab"),
        (sse(delta(content="a"), "data: [DONE]\n\n", delta(content="never")), "a"),
        (sse('data: {"choices":{}}\n\n', delta(content="a"), END), "a"),
        (sse(delta(content="a"), "data: \n\n", 'event: ping\ndata: {"type":"ping"}\n\n', END), "a"),
        (sse((delta(content="a") + delta(content="b") + END).replace("\n\n", "\n")), "ab"),
        (sse((delta(content="a") + delta(content="b") + END).replace("\n\n", "\n").replace("data: ", "")), "ab"),
        (sse('data: {"choices":\ndata: [{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'), "a"),
        (sse(delta(content="a"), "data: [done]\n\n", delta(content="never")), "a"),
        (sse(delta(content="a"), 'data: "[DONE]"\n\n'), "a"),
        (sse('data: {"error":{"code":null,"message":""},"choices":[{"delta":{"content":"a"}}]}\n\n', END), "a"),
        (sse(delta(content=[{"text": "I am GPT", "thought": True}, {"text": "a"}]), END), "a"),
        (sse(delta(content="a"), 'data: {"choices":[{"delta":null,"finish_reason":"end_turn"}]}\n\n'), "a"),
        (sse('data: {"choices":[{"delta":{},"finish_reason":"MAX_TOKENS"}]}\n\n', "data: [DONE]\n\n"), ""),
        (sse(delta(content="a"), delta(content="b"), choice(message={"content": "ab"}, finish_reason="stop")), "ab"),
        (sse(delta(content=LINE), choice(delta={"content": LINE}, finish_reason="stop")), LINE),
        (sse(delta(content="ha"), choice(delta={"content": "ha"}, finish_reason="stop")), "haha"),
        (sse(*(choice(index=n, delta={"content": c}) for n, c in ((0, "a"), (1, "X"), (0, "b"), (1, "Y"))), END), "ab"),
        (sse(delta(content=[{"type": "refusal", "refusal": "I cannot say."}]), END), "I cannot say."),
        (sse(delta(content="a"), END, 'data: {"error":{"message":"no usage"}}\n\n'), "a"),
        (sse("data: " + delta(content="a"), "data:data:" + END.removeprefix("data: ")), "a"),
        (sse('data: {"choices":[{"delta":{"content":"a\tb"}}]}\n\n', END), "a\tb"),
        (sse(delta(content="a").strip() + delta(content="b").removeprefix("data: "), END), "ab"),
        (sse(delta(content="a").strip() + delta(content="b"), END.strip() + "data: [DONE]\n\n"), "ab"),
        (sse(delta(content="a"), 'data: {"choices":[{"delta":{},"finishReason":"stop"}]}\n\n'), "a"),
        (sse(choice(delta={"content": "a"}, finish_reason="null"), END), "a"),
        (sse(*(choice(delta={"content": c}, finish_reason="stop") for c in "ab"), "data: [DONE]\n\n"), "ab"),
        (sse(delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "I am"}]}], role="a"), END), ""),
        (
            sse(
                delta(content="a"),
                'data: {"choices":[],"usage":{"completion_tokens":"2","prompt_tokens":null}}\n\n',
                END,
            ),
            "a",
        ),
        (sse('data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}\n\n', delta(content="a"), END), "a"),
        (
            sse(
                delta(content="a"), choice(content_filter_offsets={"check_offset": 1}, finish_reason=None, index=0), END
            ),
            "a",
        ),
        (sse(*(choice(message={"content": c}) for c in "ab"), END), "ab"),
        (sse(choice(delta="a"), choice(delta="b"), END), "ab"),
        (sse(choice(delta={"content": "a"}, logprobs={"content": [{"logprob": float("-inf")}]}), END), "a"),
        ((200, JSON, json.dumps([WHOLE]).encode()), "whole"),
        ((200, {}, json.dumps(WHOLE, indent=1).encode()), "whole"),
        ((200, SSE, b"\xef\xbb\xbf" + json.dumps(WHOLE).encode()), "whole"),
        ((200, {**JSON, "Content-Encoding": "gzip"}, gzip.compress(json.dumps(WHOLE).encode())), "whole"),
        ((200, {**SSE, "Content-Encoding": "gzip"}, gzip.compress((delta(content="z") + END).encode())), "z"),
    ],
)
def test_forms_of_an_answer(server: Server, reply: Reply, text: str) -> None:
    server.chat = lambda body: reply
    assert say(at(server)) == text


@pytest.mark.parametrize(
    ("refused", "message", "kept"),
    [
        ("max_tokens", "Unknown parameter: 'max_tokens'.", {"max_completion_tokens", "seed", "stream_options"}),
        ("max_tokens", "max_tokens: Extra inputs are not permitted", {"max_completion_tokens", "seed"}),
        ("stream", "Streaming is not supported for this model.", {"max_tokens", "seed", "temperature"}),
        ("top_p", "temperature and top_p cannot both be specified", {"max_tokens", "seed", "temperature"}),
    ],
)
def test_a_field_that_is_refused_costs_no_other(server: Server, refused: str, message: str, kept: set[str]) -> None:
    server.chat = lambda body: refusal(400, message) if refused in body else (200, JSON, json.dumps(WHOLE).encode())
    client = at(server)
    for asked in (2, 3):  # the second question has the form at once
        assert "".join(more for more, _ in client.chat(FIELDS | {"top_p": 1.0})) == "whole"
        assert len(server.asked) == asked
    assert kept <= set(server.asked[-1][2])


LONG = "This model's maximum context length is 2048 tokens."
RAW = '{"raw":"the pool is rate-limited","provider_name":"X"}'


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        ((200, HTML, b"<!DOCTYPE html><title>Hotel Wi-Fi</title>"), ForGood, "web page"),
        ((200, HTML, b"\n<p>Please log in</p>"), ForGood, "web page"),
        ((302, {"Location": "https://elsewhere.example/v1/chat/completions?t=1"}, b""), ForGood,
         "openai:https://elsewhere.example/v1#m"),
        ((404, HTML, b"<style>p{}</style><h1>Not found</h1>"), ForGood, "404: Not found; check the address"),
        ((413, HTML, b"<h1>Request Entity Too Large</h1>"), TooLong, "413"),
        (refusal(500, "the request exceeds the available context size"), TooLong, "500"),
        (refusal(500, "boom"), ServerError, "HTTP 500, 3 times.*boom"),
        (refusal(500, "Timeout exceeded while it waited for tokens"), ServerError, "HTTP 500, 3 times"),
        (refusal(500, "exceeded token rate limit of your tier; retry after 5 seconds"), ServerError, "wait 5 s"),
        (refusal(422, "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 2000"), TooLong, "2048"),
        (refusal(422, "`inputs` must have less than 1024 tokens. Given: 1872"), TooLong, "1024"),
        (refusal(400, "Range of input length should be [1, 30720]"), TooLong, "30720"),
        (refusal(400, "Your request exceeded model token limit: 8192"), TooLong, "8192"),
        (refusal(498, "Flex tier capacity exceeded"), ServerError, "HTTP 498, 3 times"),
        (refusal(424, "Request failed during generation"), ServerError, "HTTP 424, 3 times"),
        (refusal(402, "Insufficient credits"), ForGood, "HTTP 402"),
        (sse('data: {"error":{"code":429,"message":"Rate limit exceeded: free-models-per-min"}}\n\n'), ServerError,
         "Rate limit exceeded.*3 times"),
        (sse('data: {"error":"The model is currently at capacity due to high demand"}\n\n'), ServerError, "3 times"),
        (sse('data: {"error":{"message":"no","code":"context_length_exceeded"}}\n\n'), TooLong, "no"),
        (sse(choice(delta={"content": "half"}, finish_reason="null")), ServerError, "broke off"),
        (sse(*(choice(delta={"content": c}, finish_reason="stop") for c in "ab"), 'data: {"error":"upstream"}\n\n'),
         ServerError, "upstream"),
        (sse(f'data: {{"error":{{"message":"{LONG}"}}}}\n\n'), TooLong, "2048"),
        (sse('event: error\ndata: {"detail":"out of memory"}\n\n'), ServerError, "out of memory"),
        (sse('data: {"choices":[{"error":{"message":"upstream"},"finish_reason":"error"}]}\n\n'), ServerError, "upst"),
        (sse(delta(content="half")), ServerError, "broke off"),
        (sse('data: {"choices":[{"delta":{},"finish_reason":"content_filter"}]}\n\n'), ForGood, "filter"),
        (sse(delta(content="half"), END.replace("stop", "SAFETY")), ForGood, "filter ended .*SAFETY"),
        (sse(delta(content="half"), END.replace("stop", "insufficient_system_resource")), ServerError, "an error .*"),
        (sse(END.replace("stop", "refusal")), ForGood, "without a word .*refusal"),
        (sse('data: {"type":"response.output_text.delta","delta":"Hi"}\n\n'), ServerError, "no choices.*/v1"),
        ((200, JSON, b"{}"), ServerError, "no choices.*/v1"),
        ((200, JSON, b'{"error_code":17,"error_msg":"daily limit"}'), ServerError, 'no choices.*it says.*daily limit'),
        ((200, JSON, b'{"choices":null,"base_resp":{"status_msg":"insufficient balance"}}'), ForGood, "insufficient b"),
        ((200, {"Content-Type": "text/plain"}, b"Too many users"), ServerError, "reports: Too many users"),
        ((200, JSON, b'{"message":{"content":"Hi"},"done":true}'), ServerError, "no choices.*/v1"),
        (sse(delta(tool_calls=[{}]), END.replace("stop", "tool_calls")), ForGood, "tool"),
        (sse(delta(tool_calls=[{"function": {"name": "look"}}]), END), ForGood, "tool"),
        (sse(delta(content="half"), 'error: {"code":500,"message":"slot gone"}\n\n'), ServerError, "slot gone"),
        (sse(delta(content="half"), "event: error\ndata: out of memory\n\n"), ServerError, "reports: out of memory"),
        (sse(delta(content="half"), 'data: {"choices":[{"del'), ServerError, "broke off"),
        (sse("data: " + "[" * 100_000 + "\n\n"), ServerError, "not JSON"),
        (sse('data: {"choices":[{"delta":{"content":"half"}}]}\n', '{"choices":[]}\n'), ServerError, "JSON|broke off"),
        ((200, JSON, b'{"object":"error","message":"no model x","code":404}'), ForGood, "no model x"),
        ((200, JSON, b'{"detail":"not loaded"}'), ServerError, "reports: not loaded"),
        ((200, JSON, b'{"error":true,"message":"not loaded"}'), ServerError, "reports: not loaded"),
        (sse('data: {"error":{"message":"bad key","code":401}}\n\n'), ForGood, "bad key"),
        (sse('data: {"error":{"message":"busy","type":"overloaded_error"}}\n\n'), ServerError, "busy, 3 times"),
        (refusal(429, "You exceeded your current quota, check your plan."), ForGood, "HTTP 429"),
        (refusal(429, "You exceeded your current quota. Please retry in 20s."), ServerError, "3 times"),
        (refusal(429, "Insufficient account balance or no resource package"), ForGood, "HTTP 429"),
        (refusal(400, "unknown context parameter"), ForGood, "HTTP 400"),
        ((403, HTML, b"<title>Attention Required!</title>"), ForGood, "Attention Required!; check what stands before"),
        (refusal(400, "temperature and top_p cannot both be specified"), ForGood, "set top_p = 1"),
        (refusal(400, "Could not finish the message because max_tokens was reached"), Unfinished, "all its tokens"),
        (refusal(401, "no"), ForGood, "OPENAI_API_KEY"),
        (refusal(422, "temperature must be 1"), ForGood, "refuses temperature = 0"),
        (refusal(400, "max_tokens and max_completion_tokens are unknown"), ForGood, "HTTP 400"),
        ((304, {}, b""), ForGood, "304"),
        (sse(f'data: {{"error":{{"message":"Provider returned error","code":429,"metadata":{RAW}}}}}\n\n'), ServerError,
         "Provider returned error: the pool is rate-limited, 3 times"),
        (refusal(500, "Jinja Exception: conversation roles must alternate"), ForGood, "500: .*roles must alternate"),
        (refusal(500, "model requires more system memory (5.6 GiB) than is available"), ForGood, "more system memory"),
        (sse(END.replace("stop", "network_error")), ServerError, "network_error.*3 times"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_said_in_one_line(server: Server, reply: Reply, error: type, told: str) -> None:
    server.chat = lambda body: reply
    with pytest.raises(ServerError, match=told) as raised:
        say(at(server))
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ({"data": [{"id": "m"}]}, True),
        ([{"id": "m"}], True),
        ({"data": [{"id": "m:latest"}]}, True),
        ({"data": [{"id": "models/m"}]}, True),
        ({"data": [{"id": "path/to.gguf", "aliases": ["m"]}]}, True),
        ({"data": None}, True),
        ({"data": [{"id": "other"}]}, False),
        ({"data": ["m"]}, True),
    ],
)
def test_the_names_in_a_list(server: Server, listed: Any, found: bool) -> None:
    server.models = (200, JSON, json.dumps(listed).encode())
    if found:
        assert at(server).find()[0]
    else:
        with pytest.raises(ServerError, match="it has: other"):
            at(server).find()


def test_an_impossible_count_of_tokens_is_not_believed(server: Server) -> None:
    """Two of them, and their sum is more than SQLite can tell."""
    usage = f'data: {{"choices":[],"usage":{{"completion_tokens":{1 << 62}}}}}\n\n'
    server.chat = lambda body: sse(delta(content="yes"), usage, END)
    assert [text.total for _, text in at(server).chat(FIELDS)][-1] is None


@pytest.mark.parametrize(
    ("headers", "message", "wait"),
    [
        ({"Retry-After": "3"}, "busy", 3),
        ({"retry-after-ms": "1500"}, "busy", 1.5),
        ({"Retry-After": "nan"}, "busy", 0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "busy", 0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 +99999999999999"}, "busy", 0.5),
        ({"Retry-After": "soon"}, "Please try again in 7.66s. Need more tokens?", 7.66),
        ({}, "exceeded token rate limit of your tier. Please retry after 45 seconds.", 45),
        ({}, '"retryDelay": "34s"', 34),
        ({}, "Please try again in 0m50.5s.", 50.5),
        ({}, "Please try again in 20ms.", 0.02),
        ({}, "please try again", 0.5),
    ],
)
def test_how_long_to_wait_is_read_wherever_it_is_said(
    server: Server, headers: dict[str, str], message: str, wait: float
) -> None:
    replies = [refusal(429, message, **headers), sse(delta(content="a"), END)]
    server.chat = lambda body: replies.pop(0)
    waits = list[float]()
    assert "".join(more for more, _ in at(server).chat(FIELDS, waits.append)) == "a"
    assert waits == [pytest.approx(wait)]


@pytest.mark.parametrize(
    ("listed", "model", "found"),
    [
        ("openai/*", "openai/gpt-4o", True),
        ("*", "gpt-4o", True),
        ("openai/*", "mistral/small", False),
        ("x-ai/grok", "x-ai/grok:nitro", True),
        ("x-ai/grok", "x-ai/grok:free", False),
    ],
)
def test_names_that_a_list_has_in_another_form(server: Server, listed: str, model: str, found: bool) -> None:
    server.models = (200, JSON, json.dumps({"data": [{"id": listed}]}).encode())
    client = Client(f"{server.url}/v1", model)
    if found:
        assert client.find()[0]
    else:
        with pytest.raises(ServerError, match="no such model"):
            client.find()


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_see_the_list_may_still_be_good_for_answers(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    server.models = refusal(status, "Missing scopes: api.model.read")
    with pytest.raises(ServerError, match="it wants a key"):
        at(server).find()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    client = at(server)
    assert client.find() == (False, {})
    assert say(client) == "ok"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_taken_is_told_apart_from_one_that_is_missing(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-one")
    server.chat = lambda body: refusal(status, "Incorrect API key sk-secret-one: the country is not supported")
    with pytest.raises(ForGood, match=r"does not take the key.*OPENAI_API_KEY.*country is not supported") as refused:
        say(at(server))
    assert "secret" not in str(refused.value)


def test_a_model_that_is_loaded_for_a_question_is_waited_for(server: Server) -> None:
    """As a server does that swaps models; three attempts in a second and a half were too few."""
    replies = [*[refusal(503, "Loading model")] * 5, sse(delta(content="a"), END)]
    server.chat = lambda body: replies.pop(0)
    assert say(at(server)) == "a"


CRASHED = "The model has crashed without additional information. (Exit code: 6)"


@pytest.mark.parametrize(
    "lost",
    [
        refusal(400, CRASHED),
        refusal(400, "Model unloaded."),
        refusal(404, "No models loaded. Please load a model in the developer page or use the `lms load` command."),
        sse(f'event: error\ndata: {{"error":{{"message":"{CRASHED}"}}}}\n\n'),
    ],
)
def test_a_model_that_crashed_is_no_fault_of_the_question(server: Server, lost: Reply) -> None:
    """With 400 the round was set aside, and the tester told to ask something else; many servers load it again."""
    replies = [lost, sse(delta(content="a"), END)]
    server.chat = lambda body: replies.pop(0)
    assert say(at(server)) == "a"
    server.chat = lambda body: lost
    with pytest.raises(ServerError, match=r"crashed|loaded") as told:
        say(at(server))
    assert not isinstance(told.value, ForGood)


@pytest.mark.parametrize("finish", ["error", "abort", "load"])
def test_an_answer_that_ended_in_an_error_before_its_first_word_is_asked_for_again(server: Server, finish: str) -> None:
    """It failed at once, where a gateway's provider had broken off, or Ollama had done no more than load the model."""
    replies = [sse(delta(role="assistant", content=""), END.replace("stop", finish)), sse(delta(content="a"), END)]
    server.chat = lambda body: replies.pop(0)
    assert say(at(server)) == "a"


def test_an_error_with_status_200_is_no_list_of_models(server: Server) -> None:
    """As LM Studio answers at an address without /v1, which was taken for one that has no model, and not completed."""
    server.models = (200, JSON, b'{"error":"Unexpected endpoint or method. (GET /models). Returning 200 anyway"}')
    assert at(server).find() == (False, {})


def test_a_server_that_still_loads_its_model_is_told_so_in_one_line(server: Server) -> None:
    server.models = refusal(503, "Loading model")
    with pytest.raises(ServerError, match=r"HTTP 503.*Loading model.*wait until it is ready") as refused:
        at(server).find()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "key", "header"),
    [
        ("x.openai.azure.com", "abc", {"api-key": "abc"}),
        ("x.azure-api.net", "abc", {"api-key": "abc"}),
        ("x.openai.azure.com", "eyJhbGciOi.x.y", {"authorization": "Bearer eyJhbGciOi.x.y"}),
        ("api.openai.com", "abc", {"authorization": "Bearer abc"}),
    ],
)
def test_where_a_key_stands(host: str, key: str, header: dict[str, str]) -> None:
    with connect(Address.of(f"https://{host}/openai/v1"), key) as client:
        assert {
            name: client.headers.get(name) for name in ("api-key", "authorization") if name in client.headers
        } == header


def test_a_certificate_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "own.pem")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(["openssl", "req", "-x509", *kind, "-nodes", *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem", tmp_path / "key.pem")

    def send(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b'{"data":[{"id":"m"}]}')

    with dribbling(send, context) as port:
        with pytest.raises(ServerError, match="SSL_CERT_FILE"):
            Client(f"https://127.0.0.1:{port}/v1", "m").find()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
        assert Client(f"https://127.0.0.1:{port}/v1", "m").find() == (True, {"id": "m"})
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        with pytest.raises(ServerError, match="SSL_CERT_FILE"):
            Client(f"https://127.0.0.1:{port}/v1", "m").find()


@pytest.mark.parametrize(
    ("spec", "read"),
    [
        ("openai:http://[::1]:8000/v1#m", ("http://[::1]:8000/v1", "m")),
        ("openai:http://h/v1#a/b:c", ("http://h/v1", "a/b:c")),
        ("openai:http://h/v1# ", None),
        ("openai:http://[::1/v1#m", None),
        ("openai:http://h:x/v1#m", None),
        ("openai:h:8000/v1#m", None),
    ],
)
def test_forms_of_a_spec(spec: str, read: tuple[str, str] | None) -> None:
    assert read_spec(spec) == read


def test_no_password_is_shown(server: Server) -> None:
    assert without_password("openai:http://ann:s3@cr3t@host/v1#m") == "openai:http://...@host/v1#m"
    spec = f"openai:{server.url.replace('//', '//ann:s3cr3t@')}/v1#m"
    server.chat = lambda body: refusal(400, "no")
    told = str(measure_costs({"a": spec}, repeats=1, seconds=0.01)) + str(find_forms("openai:http://h/v1#m"))
    subject = ServerModel(spec)
    assert "s3cr3t" not in told + subject.spec


def test_the_evaluation_and_the_timing_take_the_same_ways(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("DIPTYCH_MODEL2_KEY", "sk-two")
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    fine = events({"content": "one\u2028two"}, {"content": "three"}, more={"error": None})
    server.chat = lambda body: refusal(400, message) if "max_tokens" in body else fine
    subject = ServerModel(f"openai:{server.url}#m", "model2")
    assert subject.spec == f"openai:{server.url}/v1#m", "completed"
    assert [answer.text for answer in subject.answers([[Message("user", "Hello?")]], 8)] == ["one\u2028twothree"]
    assert server.asked[-1][1]["Authorization"] == "Bearer sk-two"
    timed = open_engine(Job("openai", f"{server.url}/v1/chat/completions#m", role="model2"))
    timed.start()
    [timing] = ask(timed, ["Hello?"], 8)
    assert timing.tokens == 2
    assert server.asked[-1][1]["Authorization"] == "Bearer sk-two"
    server.chat = lambda body: refusal(429, "slow down", **{"Retry-After": "3600"})
    with pytest.raises(Unavailable, match="3600 s"):
        subject.answers([[Message("user", "Hello?")]], 8)
