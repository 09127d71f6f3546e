"""What anybody can post to the app without its page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.app.chat_server import ChatServer
from tests.app.serving import App
from tests.app.visitor import Visitor

if TYPE_CHECKING:
    pass


class TestRawRequests:
    """What anybody can post without the page."""

    @pytest.fixture
    def call(self, app: App) -> Any:
        """Posts to the handler of the component with an id, as the page itself would."""
        config = httpx.get(f"{app.url}/config").json()
        assert all(entry["api_visibility"] == "private" for entry in config["dependencies"])
        elements = {entry["id"]: entry["props"].get("elem_id") for entry in config["components"]}
        functions = {
            elements.get(target): entry["id"]
            for entry in config["dependencies"]
            for target, _ in entry["targets"]
            if target
        }

        def post(element: str, *data: Any) -> httpx.Response:
            body = {"data": list(data), "fn_index": functions[element], "session_hash": "raw"}
            return httpx.post(f"{app.url}/gradio_api/run/predict", json=body, timeout=20, headers={"Origin": app.url})

        return post

    def test_nothing_is_served_by_name(self, app: App) -> None:
        info = httpx.get(f"{app.url}/gradio_api/info").json()
        assert info == {"named_endpoints": {}, "unnamed_endpoints": {}}

    @pytest.mark.parametrize("token", ["", "forged", None, 7, ["x"], {"a": 1}, "x" * 5000])
    def test_forged_tokens_change_nothing(self, app: App, call: Any, token: Any) -> None:
        counts = app.rows(
            "SELECT (SELECT COUNT(*) FROM votes), (SELECT COUNT(*) FROM battles), (SELECT COUNT(*) FROM testers)"
        )
        for key in ("1", "", None, -1, 10**30, {"a": 1}):
            assert call("vote-left", token, key, [], "", "").status_code in (200, 422)
            call("undo-vote", token, key, "")
        now = app.rows(
            "SELECT (SELECT COUNT(*) FROM votes), (SELECT COUNT(*) FROM battles), (SELECT COUNT(*) FROM testers)"
        )
        assert now == counts

    def test_no_consent_no_tester(self, app: App, call: Any) -> None:
        before = app.rows("SELECT COUNT(*) FROM testers")
        for consent in (False, None, "yes", 1, ["x"]):
            call("start", "", consent, "", None, None, "")
        assert app.rows("SELECT COUNT(*) FROM testers") == before

    def test_votes_are_refused_before_the_answers_and_when_repeated(
        self, visitor: Visitor, app: App, chat_server: ChatServer, call: Any
    ) -> None:
        requests: list[Any] = []
        visitor.page.on("request", lambda request: requests.append(request))
        visitor.consent()
        visitor.type("[hold] Tell me everything.")
        visitor.page.wait_for_selector("#stop")
        token = json.loads(next(r for r in reversed(requests) if "run/predict" in r.url).post_data)["data"][0]
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        call("vote-left", token, str(battle), [], "", "")
        assert app.rows("SELECT COUNT(*) FROM votes WHERE battle_id = ?", battle) == [(0,)]
        chat_server.gate.set()
        visitor.wait_for_vote()
        visitor.vote("both-bad")
        for _ in range(3):
            call("vote-left", token, str(battle), [], "", "")
        assert app.rows("SELECT choice FROM votes WHERE battle_id = ?", battle) == [("both_bad",)]
        stranger = call("start", "", True, "", None, None, "").json()["data"][0]
        for element, arguments in (
            ("undo-vote", [""]),
            ("vote-left", [[], "", ""]),
            ("other-question", [""]),
            ("good-enough", [[], "", "yes", ""]),
            ("reveal", [""]),
        ):
            answer = call(element, stranger, str(battle), *arguments)
            assert "Model 1" not in answer.text
        assert "end of the session" in call("reveal", token, str(battle), "").text, "nor is it told to its own tester"
        assert app.rows("SELECT choice, superseded FROM votes WHERE battle_id = ?", battle) == [("both_bad", 0)]
        visitor.page.click("#next-round")
        visitor.type("[die] What is Impressionism?")
        visitor.page.wait_for_selector("#retry", timeout=120_000)
        failed = app.rows("SELECT MAX(id) FROM battles")[0][0]
        assert "could not be finished" in call("vote-left", token, str(failed), [], "", "").text
        assert app.rows("SELECT COUNT(*) FROM votes WHERE battle_id = ?", failed) == [(0,)]

    def test_wrong_types_are_nothing(self, app: App, call: Any) -> None:
        before = app.rows("SELECT COUNT(*), (SELECT COUNT(*) FROM turns) FROM testers")
        for value in (None, 7, [], {}, ["x", 3], "x" * 5000, {"text": "y"}):
            for element, arguments in (
                ("next-round", [value, value, value, value, value]),
                ("good-enough", [value, value, value, value, value]),
                ("confirm-yes", [value, value]),
                ("guess-left", [value]),
            ):
                assert call(element, value, *arguments).status_code in (200, 422), (element, value)
        assert app.rows("SELECT COUNT(*), (SELECT COUNT(*) FROM turns) FROM testers") == before
