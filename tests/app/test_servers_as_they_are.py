"""OpenAI-compatible servers as they are: what each of them does otherwise, over real HTTP."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.markup import status_line
from app.rounds import Rounds
from app.scenes import Phase, Scene
from feedback.battles import OUT_OF_SERVICE, SET_ASIDE
from feedback.blind_test import BlindTest
from feedback.database import Database
from feedback.study import Study
from tests.any_server import JSON, SSE, Reply, Server, any_server, events, refusal
from tests.app.serving import write_study
from training.inference.engines import EngineError, Message, Sampling, TooLong, Unanswerable
from training.inference.engines.openai_server import OpenAIServer
from training.inference.engines.spec import open_engine
from training.inference.openai_connection import Address

SAMPLING = Sampling(16, 0.7, 0.9, 1)


@pytest.fixture
def server() -> Iterator[Server]:
    with any_server() as server:
        yield server


def answer(engine: OpenAIServer, question: str = "Hello?") -> str:
    pieces = engine.stream([Message("user", question)], SAMPLING, threading.Event())
    return "".join(piece.text for piece in pieces)


def started(server: Server, path: str = "/v1") -> OpenAIServer:
    engine = OpenAIServer(server.url + path, "m")
    engine.start()
    return engine


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (events({"content": "one\u2028two\u0085three"}), "one\u2028two\u0085three"),
        (events({"content": "a"}, {"content": "b"}, more={"error": None}), "ab"),
        (events({"content": "\ud83c"}, {"content": "\udfa8!"}), "\U0001f3a8!"),
        (events({"content": [{"type": "text", "text": "a"}, {"type": "thinking", "text": "x"}]}), "a"),
        (events({"reasoning_content": "I am GPT"}, {"content": "Blue"}), "Blue"),
        (events({"content": "no reason to stop"}, finish=None), "no reason to stop"),
        (
            (200, JSON, json.dumps({"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}).encode()),
            "whole",
        ),
        (
            (
                200,
                SSE,
                b'data:{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\r\n\r\ndata:[DONE]\r\n\r\n',
            ),
            "x",
        ),
        ((200, SSE, b': hi\n\nevent: m\ndata: {"choices":\ndata: [{"delta":{"content":"y"}}]}\n\ndata: [DONE]'), "y"),
    ],
)
def test_forms_of_an_answer(server: Server, reply: Reply, text: str) -> None:
    server.chat = lambda body: reply
    assert answer(started(server)) == text


@pytest.mark.parametrize(
    ("unknown", "message"),
    [
        ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        ("seed", "Unrecognized request argument supplied: seed"),
        ("stream_options", "[{'type': 'extra_forbidden', 'loc': ['body', 'stream_options']}]"),
        ("seed", "Extra inputs are not permitted"),
    ],
)
def test_fields_that_a_server_does_not_know(server: Server, unknown: str, message: str) -> None:
    server.chat = lambda body: refusal(400, message) if unknown in body else events({"content": "fine"})
    engine = started(server)
    assert answer(engine) == "fine"
    asked = len(server.asked)
    answer(engine)
    assert len(server.asked) == asked + 1, "it is known from then on"


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/chat/completions", "/v1/models"])
def test_forms_of_an_address(server: Server, path: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = started(server, path)
    assert answer(engine) == "ok"
    assert engine.base_url == f"{server.url}/v1"
    assert ("write openai:" in caplog.text) == (path in ("", "/"))


def test_a_query_goes_with_each_request_and_is_not_shown(server: Server) -> None:
    engine = started(server, "/v1/chat/completions?api-version=2024-06&sig=secret")
    answer(engine)
    assert server.asked[-1][0] == "/v1/chat/completions?api-version=2024-06&sig=secret"
    assert "secret" not in str(engine.describe())


def test_a_password_in_the_address_is_used_and_told_nowhere(server: Server) -> None:
    engine = open_engine(f"openai:{server.url.replace('//', '//ann:s3cr3t@')}/v1#m", "model1")
    engine.start()
    assert server.asked[-1][1]["Authorization"].startswith("Basic ")
    server.shutdown()
    server.server_close()
    with pytest.raises(EngineError) as refused:
        engine.start()
    with pytest.raises(EngineError) as malformed:
        open_engine("openai:ftp://ann:s3cr3t@host/v1#m", "model1")
    for told in (str(engine.describe()), str(refused.value), str(malformed.value)):
        assert "s3cr3t" not in told


def test_a_server_without_a_list_is_asked_three_tokens(server: Server) -> None:
    server.models = (404, JSON, b"{}")
    assert answer(started(server)) == "ok"
    assert server.asked[0][2]["max_tokens"] == 3
    server.chat = lambda body: refusal(404, "The model `m` does not exist.")
    with pytest.raises(Unanswerable, match="does not exist"):
        started(server)


def test_a_refused_question_does_not_make_a_server_ill(server: Server) -> None:
    server.models = (404, JSON, b"{}")
    engine = started(server)
    for refused in (
        refusal(400, "not allowed"),
        refusal(400, "maximum context length is 900 tokens"),
        refusal(503, ""),
    ):
        server.chat = lambda body, reply=refused: reply  # type: ignore[misc]
        with pytest.raises(EngineError):
            answer(engine)
        assert engine.health()["ok"], refused
    server.chat = lambda body: refusal(401, "no")
    with pytest.raises(Unanswerable):
        answer(engine)
    assert not engine.health()["ok"]


def test_a_server_says_how_long_to_wait(server: Server) -> None:
    engine = started(server)
    replies = [refusal(429, "slow down", **{"Retry-After": "1"}), events({"content": "later"})]
    server.chat = lambda body: replies.pop(0)
    begun = time.monotonic()
    assert answer(engine) == "later"
    assert time.monotonic() - begun >= 1
    server.chat = lambda body: refusal(429, "slow down", **{"Retry-After": "3600"})
    with pytest.raises(EngineError, match="3600 s"):
        answer(engine)


def test_a_conversation_that_is_too_long_is_told_apart(server: Server) -> None:
    engine = started(server)
    assert engine.fits([Message("user", "x" * 9000)], 16), "the server tells no context"
    server.chat = lambda body: refusal(400, "This model's maximum context length is 2048 tokens. You asked for 3000.")
    with pytest.raises(TooLong):
        answer(engine)
    assert not engine.fits([Message("user", "x" * 9000)], 16), "it is learnt"
    assert not engine.fits([Message("user", "\u7ed8" * 1500)], 16), "a sign is more than a third of a token"
    assert engine.fits([Message("user", "\u7ed8" * 1200)], 16)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_taken_is_no_passing_failure(server: Server, status: int) -> None:
    engine = started(server)
    server.chat = lambda body: refusal(status, "no")
    with pytest.raises(Unanswerable, match="OPENAI_API_KEY"):
        answer(engine)


def test_each_server_has_its_key_and_a_bad_one_is_not_printed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-both\n")
    monkeypatch.setenv("DIPTYCH_MODEL2_KEY", "sk-two")
    for role, key in (("model1", "sk-both"), ("model2", "sk-two")):
        open_engine(f"openai:{server.url}/v1#m", role).start()  # type: ignore[arg-type]
        assert server.asked[-1][1]["Authorization"] == f"Bearer {key}"
    monkeypatch.setenv("DIPTYCH_MODEL1_KEY", "sk-one\nsk-more")
    with pytest.raises(EngineError, match="DIPTYCH_MODEL1_KEY") as refused:
        open_engine(f"openai:{server.url}/v1#m", "model1").start()
    assert "sk-" not in str(refused.value)


@pytest.mark.parametrize("quoted", ['"sk-one"', "'sk-one'", "Bearer sk-one"])
def test_a_key_with_what_stood_around_it_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch, quoted: str
) -> None:
    """As `docker --env-file` takes it: with its quotes."""
    monkeypatch.setenv("OPENAI_API_KEY", quoted)
    with pytest.raises(EngineError, match=r"OPENAI_API_KEY: .*the key alone") as refused:
        started(server)
    assert "sk-" not in str(refused.value)


@pytest.mark.parametrize(
    ("model", "name", "told"), [("gpt-4o", "gpt-4o-2024-08-06", False), ("qwen3-vl-8b", "gemma-3-1b-it", True)]
)
def test_another_model_that_answers_is_told_once(
    server: Server, caplog: pytest.LogCaptureFixture, model: str, name: str, told: bool
) -> None:
    server.models = (404, JSON, b"{}")
    server.chat = lambda body: events({"content": "ok"}, more={"model": name})
    engine = OpenAIServer(f"{server.url}/v1", model)
    engine.start()
    answer(engine)
    assert caplog.text.count(f"answers under the name {name}") == told


def test_proxies_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert answer(started(server)) == "ok", "a local server is not asked for through a proxy"
    with pytest.raises(EngineError, match="ALL_PROXY"):
        OpenAIServer("http://models.example.org/v1", "m").start()


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000/v1", True),
        ("http://192.168.1.4/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://gpu-box:8000/v1", True),
        ("https://api.example.org/v1", False),
        ("https://8.8.8.8/v1", False),
    ],
)
def test_which_servers_are_local(url: str, local: bool) -> None:
    assert Address.of(url).is_local is local


def test_sampling_that_a_server_refuses_is_said_with_the_remedy(server: Server) -> None:
    server.chat = lambda body: refusal(400, "Unsupported value: 'temperature' does not support 0.7 with this model.")
    with pytest.raises(Unanswerable, match="study file"):
        started(server)


@pytest.fixture
def rounds(server: Server, tmp_path: Path) -> Iterator[Rounds]:
    engines = {model: started(server) for model in ("model1", "model2")}
    described = {model: engine.describe() for model, engine in engines.items()}
    database = Database(tmp_path / "votes.db")
    rounds = Rounds(BlindTest(database, Study.load(write_study(tmp_path)), described), engines)
    yield rounds
    rounds.close()
    database.close()


def ask(rounds: Rounds, tester: str, text: str) -> None:
    battle = rounds.blind_test.last_battle(tester)
    if battle is None or battle.status != "open":
        rounds.begin(tester, text)
    else:
        rounds.follow_up(tester, battle, text)
    if job := rounds.job(tester):
        job.done.result(15)


def test_what_a_server_finds_too_long_is_asked_again_without_its_oldest_part(rounds: Rounds, server: Server) -> None:
    tester = rounds.blind_test.enrol("1").id
    ask(rounds, tester, "What is Impressionism?")
    too_long = refusal(400, "maximum context length exceeded")
    server.chat = lambda body: too_long if len(body["messages"]) > 1 else events({"content": "ok"})
    ask(rounds, tester, "And who began it?")
    battle = rounds.blind_test.last_battle(tester)
    assert battle is not None
    assert battle.votable
    assert len(battle.complete_turns) == 2


def test_what_a_server_refuses_for_good_is_set_aside_and_the_researcher_sees_why(
    rounds: Rounds, server: Server
) -> None:
    tester = rounds.blind_test.enrol("1").id
    server.chat = lambda body: refusal(400, "this content is not allowed")
    ask(rounds, tester, "What is Impressionism?")
    battle = rounds.blind_test.last_battle(tester)
    assert battle is not None
    assert (battle.status, battle.reason) == ("abandoned", SET_ASIDE)
    [error] = rounds.blind_test.database.connection.execute("SELECT DISTINCT error FROM failures").fetchone()
    assert "HTTP 400: " in error
    assert "this content is not allowed" in error
    server.chat = lambda body: events({"content": "ok"})
    ask(rounds, tester, "Who painted Guernica?")
    battle = rounds.blind_test.last_battle(tester)
    assert battle is not None
    assert battle.status == "open"


def error_in_stream(**error: object) -> Reply:
    return 200, SSE, f"data: {json.dumps({'error': error})}\n\n".encode()


OF_THE_SERVER = {
    "a key that is not taken": refusal(401, "Incorrect API key provided"),
    "a bill": refusal(402, "Payment required"),
    "not allowed": refusal(403, "You do not have access to this model"),
    "a firewall": (403, {"Content-Type": "text/html"}, b"<h1>Forbidden</h1>"),
    "no such model": refusal(404, "The model `m` does not exist"),
    "no such address": (404, {"Content-Type": "text/html"}, b"<h1>Not Found</h1>"),
    "no such method": refusal(405, "Method Not Allowed"),
    "gone": refusal(410, "This model has been retired"),
    "not implemented": refusal(501, "Not Implemented"),
    "decommissioned": refusal(400, "The model `m` has been decommissioned and is no longer supported"),
    "an expired key": refusal(400, "API key expired. Please renew the API key."),
    "an unknown name": refusal(400, "Invalid model name passed in model=m"),
    "an account": refusal(400, "Your account has been deactivated"),
    "a quota": refusal(429, "You exceeded your current quota, please check your plan (insufficient_quota)"),
    "a setting": refusal(400, "temperature: must be 1"),
    "401 in a stream": error_in_stream(message="expired", code=401),
    "a word in a stream": error_in_stream(message="no", type="authentication_error"),
    "a login of the network": (200, {"Content-Type": "text/html"}, b"<html><h1>Log in to the Wi-Fi</h1></html>"),
    "a move": (302, {"Location": "https://login.example/"}, b""),
}
OF_THE_QUESTION = {
    "moderation": refusal(403, "Your input was flagged by moderation"),
    "a filter": refusal(400, "The response was filtered due to our content management policy"),
    "a character": refusal(422, "body: the message holds what cannot be read"),
}


def test_a_tester_is_told_whether_the_question_or_the_server_is_at_fault(rounds: Rounds, server: Server) -> None:
    """Of a key that had expired they were asked for another question, again and again."""
    tester = rounds.blind_test.enrol("1").id
    study = rounds.blind_test.study
    for replies, reason, told in (
        (OF_THE_SERVER, OUT_OF_SERVICE, "come back later"),
        (OF_THE_QUESTION, SET_ASIDE, "ask another one"),
    ):
        for name, reply in replies.items():
            # The three tokens that it is asked for in between are none of a tester's.
            server.chat = lambda body, reply=reply: reply if body["max_tokens"] > 3 else events({"content": "ok"})
            ask(rounds, tester, "What is Impressionism?")
            battle = rounds.blind_test.last_battle(tester)
            assert battle is not None, name
            assert (battle.status, battle.reason) == ("abandoned", reason), name
            assert told in status_line(Scene(Phase.ASK, study.rounds, battle=battle)), name
    causes = " ".join(row[0] for row in rounds.blind_test.database.connection.execute("SELECT error FROM failures"))
    for cause in ("HTTP 402", "no longer supported", "does not exist", "Invalid model name", "login.example", "renew"):
        assert cause in causes
    server.chat = lambda body: events({"content": "ok"})
    ask(rounds, tester, "Who painted Guernica?")
    answered = rounds.blind_test.last_battle(tester)
    assert answered is not None
    assert answered.status == "open"


def test_thoughts_are_stored_and_not_shown(rounds: Rounds, server: Server) -> None:
    server.chat = lambda body: events({"content": "<think>I am GPT-4.</th"}, {"content": "ink>\n\n2**3 is `8`."})
    tester = rounds.blind_test.enrol("1").id
    ask(rounds, tester, "What is 2**3?")
    battle = rounds.blind_test.last_battle(tester)
    assert battle is not None
    for answer in battle.turns[0].answers.values():
        assert answer.text == "2**3 is `8`."
        assert answer.raw == "<think>I am GPT-4.</think>\n\n2**3 is `8`."
        assert not answer.leak_flag


@pytest.mark.parametrize(
    ("delta", "finish", "told", "status"),
    [
        ({"content": "<think>I am GPT-4, let me see"}, "length", "nothing but thoughts.*max_new_tokens", "abandoned"),
        ({"reasoning_content": "I am GPT-4, let me see"}, "length", "thought for all.*max_new_tokens", "abandoned"),
        ({"reasoning_content": "I am GPT-4, let me see"}, "stop", "only thought.*reasoning parser", "open"),
        ({"content": [{"type": "thinking", "thinking": [{"text": "I"}]}]}, "length", "thought for all", "abandoned"),
    ],
)
def test_a_model_that_only_thinks_is_told_with_the_remedy(
    rounds: Rounds, server: Server, delta: dict[str, str], finish: str, told: str, status: str
) -> None:
    """Not as a blank answer, at which a tester would try again for ever and a researcher know nothing."""
    server.chat = lambda body: events(delta, finish=finish)
    tester = rounds.blind_test.enrol("1").id
    ask(rounds, tester, "What is Impressionism?")
    battle = rounds.blind_test.last_battle(tester)
    assert battle is not None
    assert battle.status == status
    errors = {row[0] for row in rounds.blind_test.database.connection.execute("SELECT error FROM failures")}
    assert any(re.search(told, error) for error in errors)


@pytest.mark.parametrize(
    "usage",
    [
        {"completion_tokens": 48, "completion_tokens_details": {"reasoning_tokens": 48}},
        {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 57},
        {"completion_tokens": 48, "reasoning_tokens": 48},
    ],
)
def test_a_model_that_thinks_in_secret_is_told_with_the_remedy(
    rounds: Rounds, server: Server, usage: dict[str, object]
) -> None:
    """Nothing but the count of its tokens says that it has thought: it was a blank answer, at which to try again."""
    server.chat = lambda body: events({"content": ""}, finish="length", more={"usage": usage})
    tester = rounds.blind_test.enrol("1").id
    ask(rounds, tester, "What is Impressionism?")
    battle = rounds.blind_test.last_battle(tester)
    assert battle is not None
    assert (battle.status, battle.reason) == ("abandoned", SET_ASIDE)
    errors = {row[0] for row in rounds.blind_test.database.connection.execute("SELECT error FROM failures")}
    assert any(re.search("thought for all.*max_new_tokens", error) for error in errors)
