"""The researchers' page: login, results, votes, downloads, the chat lab."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.study_tab import study_html
from app.votes_tab import Filters, categories, vote_table
from feedback.export import FORMATS
from feedback.statistics.exclusion import wordings
from feedback.study import Exclusion, Study
from tests.app.chat_server import ANSWER, ChatServer
from tests.app.serving import PASSWORD, App, wait_until
from tests.app.visitor import Visitor
from tests.feedback.protocol import Clock, answered, open_test, vote_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ADMIN = ("admin", PASSWORD)


@pytest.fixture
def voted(browser: Browser, app: App) -> str:
    """The id in the exports of a tester who voted B on a question of the bank."""
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        visitor.ask("What is a neural network?")
        visitor.page.fill("#comment textarea", "=1+1")
        visitor.vote("right")
    sql = "SELECT testers.code FROM votes JOIN testers ON testers.id = tester_id ORDER BY votes.id DESC LIMIT 1"
    return str(app.rows(sql)[0][0])


def test_a_vote_reaches_the_page_and_the_csv(
    browser: Browser, app: App, voted: str, one_chat_server: ChatServer
) -> None:
    looks = app.rows("SELECT COUNT(*) FROM looks")[0][0]
    votes = app.rows("SELECT COUNT(*) FROM votes WHERE superseded = 0")[0][0]
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        page.fill("[name=password]", "wrong")
        page.click("button")
        assert "wrong" in page.inner_text("[role=alert]")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", PASSWORD)
        page.click("button")
        page.wait_for_selector("#results h1")
        assert f"{votes} vote" in page.inner_text("#results h1")
        assert "Model" in page.inner_text("#results")
        for form, ending in (("SVG", ".svg"), ("PNG", ".png"), ("LaTeX", ".tex"), ("Markdown", ".md")):
            with page.expect_download() as download:
                page.locator("#results .take button", has_text=form).first.click()
            assert download.value.suggested_filename.endswith(ending)
            assert download.value.path().stat().st_size > 60
        page.click("role=tab[name=Votes]")
        page.wait_for_selector("#votes-table table")
        row = page.locator("#votes-table tr", has_text=voted[:8]).first.inner_text()
        assert "What is a neural network?" in row
        assert "=1+1" in row
        page.click("role=tab[name=Downloads]")
        with page.expect_download() as download:
            page.click("text=CSV")
        text = download.value.path().read_text(encoding="utf-8")
        page.click("role=tab[name='Chat lab']")
        battles = app.rows("SELECT COUNT(*) FROM battles")
        page.fill("#lab-system textarea", "Be brief.")
        page.fill("#lab-max-tokens input[type=number]", "5")
        page.fill("#lab-prompt textarea", "Hello!")
        page.click("#lab-send")
        page.wait_for_function(
            "document.querySelectorAll('#lab-model1 .bot, #lab-model2 .bot').length >= 2", timeout=120_000
        )
        wait_until(lambda: one_chat_server.requests[-1]["messages"][-1]["content"] == "Hello!")
        asked = one_chat_server.requests[-1]
        assert [message["content"] for message in asked["messages"]] == ["Be brief.", "Hello!"]
        assert asked["max_tokens"] == 5
        assert app.rows("SELECT COUNT(*) FROM battles") == battles, "nothing of the lab is stored"
        # The real Model 1 would say anything to what comes now, and may name an artist.
        page.locator("#lab-who label", has_text="Model 2").click()
        page.fill("#lab-prompt textarea", "[markup]")  # while the first answers may still come
        for _ in range(20):  # a click is for nothing until they are there
            page.click("#lab-send")
            page.wait_for_timeout(500)
            if one_chat_server.requests[-1]["messages"][-1]["content"] == "[markup]":
                break
        written = "document.querySelector('#lab-model2').innerText.includes('<b>bold</b>')"
        page.wait_for_function(written, timeout=120_000)
        assert page.locator("#lab-model2 .bot :is(img[src*='x'], b, form, a[href])").count() == 0, "it is text"
        page.wait_for_function("!document.querySelector('#lab-sources li')", timeout=120_000)  # nothing was named
        page.fill("#lab-prompt textarea", "<i>What</i> is Impressionism?")
        page.click("#lab-send")
        page.wait_for_selector("#lab-sources li:has-text('Tate, art term Impressionism')", timeout=120_000)
        drawn = "e => e.getBoundingClientRect().height - e.querySelector('.md').getBoundingClientRect().height"
        assert page.locator("#lab-model2 .user").last.evaluate(drawn) < 16, "no empty line below what was written"
        hangs = "e => parseFloat(getComputedStyle(e).paddingLeft)"
        assert page.locator("#lab-sources ul").evaluate(hangs) >= 16, "the marks of the list stand on the page"
        assert visitor.problems == []
    [vote] = [row for row in csv.DictReader(io.StringIO(text)) if row["tester_id"] == voted]
    assert vote["choice"] == "right"
    assert vote["winner_model"] == vote["right_model"]
    assert vote["prompt_id"] == "p3"
    assert app.rows("SELECT COUNT(*) FROM looks")[0][0] >= looks + 3, "results, votes and the export were looked at"


def test_a_researcher_begins_another_study_invites_a_tester_and_closes_it(
    browser: Browser, tmp_path: Path, chat_server: ChatServer
) -> None:
    running = App(tmp_path, chat_server.spec, chat_server.spec).start()
    try:
        with Visitor(browser, f"{running.url}/admin") as researcher:
            page = researcher.page
            researcher.log_in("Study")
            page.wait_for_selector("#study-facts h1")
            another = researcher.open()
            another.click("role=tab[name=Study]")
            another.wait_for_selector("#study-facts:has-text('Test study')")
            page.click("#study-edit button")
            old = page.input_value("#study-toml textarea")
            begin_study(page, old.replace("rounds = 2", "rounds = 0").replace('"end"', '"soon"'))
            page.wait_for_selector("#study-said .problem")
            problems = page.inner_text("#study-said")
            assert "rounds = 0" in problems
            assert '"soon"' in problems, "all problems at once"
            begin_study(
                page, old.replace("Test study", "By invitation").replace('"open"', '"invite"') + LONG + BACKGROUND
            )
            page.wait_for_selector("#study-facts:has-text('By invitation')")
            [saved] = (tmp_path / "studies").glob("by-invitation-*.toml")
            assert Study.load(saved).access == "invite"
            assert Study.load(saved).background, "what stands at the end of a long file"

            # A tab that shows the old study does not close the new one, which nobody has seen there.
            another.click("#study-end button")
            another.check("#study-sure input")
            another.click("#study-close")
            another.wait_for_selector("#study-said .problem:has-text('“By invitation” has been begun meanwhile')")
            another.wait_for_selector("#study-facts:has-text('By invitation')")
            assert not another.is_checked("#study-sure input")
            assert running.rows("SELECT COUNT(*) FROM studies WHERE closed_at IS NOT NULL") == [(0,)]
            another.close()

            page.click("role=tab[name=Invites]")
            page.fill("#invite-label input, #invite-label textarea", "<b>Ada</b>")
            researcher.double_click("#invite-make", "#invite-said code")
            link = page.inner_text("#invite-said code")
            assert running.rows("SELECT COUNT(*) FROM invites") == [(1,)], "a double click makes one"
            assert "<b>Ada</b>" in page.inner_text("#invite-list")
            with Visitor(browser, link) as guest, Visitor(browser, running.url) as stranger:
                stranger.page.check("#consent input")
                stranger.page.click("#start")
                stranger.wait_for_status("needs an invite code")
                guest.page.check("#background-1 input >> nth=1")
                guest.consent()
                guest.ask("What is Impressionism?")
                guest.ask("And who began it?")
                guest.vote("right")
                stranger.page.fill("#invite input, #invite textarea", link.partition("=")[2])
                stranger.page.click("#start")
                stranger.wait_for_status("used already")
            kept = running.rows("SELECT background, invite IS NOT NULL FROM testers")
            assert kept == [('{"often": "Never"}', 1)]

            page.click("role=tab[name=Votes]")
            page.wait_for_selector("#votes-table table")
            page.click("#votes-table summary")
            conversation = page.inner_text("#votes-table details")
            assert "And who began it?" in conversation
            assert conversation.count(ANSWER) == 4, "every turn, both sides"
            page.fill("#filter-text input, #filter-text textarea", "100%_")
            page.press("#filter-text input, #filter-text textarea", "Enter")
            page.wait_for_selector("#votes-table:has-text('No vote is like that')")
            page.click("role=tab[name=Live]")
            page.wait_for_selector("#live:has-text('Answered by both')")

            page.click("role=tab[name=Study]")
            page.click("#study-end button")
            page.click("#study-close")
            page.wait_for_selector("#study-said:has-text('Tick the box first')")
            page.check("#study-sure input")
            page.click("#study-close")
            page.wait_for_selector("#study-said:has-text('The secret')")
            assert running.rows("SELECT name, closed_at IS NOT NULL FROM studies") == [
                ("Test study", 0),
                ("By invitation", 1),
            ]
            assert researcher.problems == []
            with Visitor(browser, running.url) as late:
                late.page.wait_for_selector("text=This study is closed")
                assert late.page.locator("#start, #consent").count() == 0, "nothing to agree to any more"
    finally:
        running.stop()


LONG = f"\n# {'A file is read to its end, however much is said in it. ' * 300}\n"
BACKGROUND = """
[[background]]
id = "often"
text = "How often do you use chatbots?"
options = ["Daily", "Never"]
"""


def begin_study(page: Page, text: str) -> None:
    page.fill("#study-toml textarea", text)
    page.click("#study-begin")


def test_the_filters_find_votes_and_only_those(tmp_path: Path) -> None:
    test = open_test(tmp_path / "votes.db")
    tester = test.enrol("1")
    vote_for(test, tester.id, ["model1", "tie", "both_bad"])
    battle = answered(test, tester.id, "Is 100% of it <b>art</b>?")
    test.vote(tester.id, battle.id, "left", comment="Fine.", vote_seconds=0.5)
    test.explain_vote(tester.id, battle.id, ["Clearer"], "Fine!", good_enough=True)

    def found(**filters: str) -> int:
        page = vote_table(test.database.connection, test.study_id, Filters(**filters), Exclusion(min_vote_seconds=1))
        return page.count("<details>")

    assert found() == 5
    assert found(flag="current") == 4
    assert found(flag="superseded") == found(flag="good") == 1
    assert found(winner="tie") == found(choice="both_bad") == 1
    assert found(category="own") == found(text="100%") == found(text="fine") == 2
    assert found(text="100_") == found(text="' OR 1=1") == found(tester="zz") == 0
    assert found(tester=tester.code[:4].upper()) == 5
    assert categories(test.database.connection, test.study_id)[-1] == "own"
    table = vote_table(test.database.connection, test.study_id, Filters(text="fine"), Exclusion(min_vote_seconds=1))
    assert "excluded: too fast" in table
    test.close(tester.id, "quit")
    table = vote_table(test.database.connection, test.study_id, Filters(), Exclusion(min_votes=5))
    assert table.count("excluded: testers with fewer than 5 votes") == 5, "each row of theirs, the superseded one too"
    assert "&lt;b&gt;art" in table


def test_each_rule_on_votes_marks_what_it_leaves_out(tmp_path: Path) -> None:
    """As the statistics count it, the rules on patterns included."""
    rules = Exclusion(
        min_vote_seconds=1, min_seen_seconds=0.5, max_reading_speed=100, max_testers_per_address=2, max_same_comment=1
    )
    clock = Clock()
    test = open_test(tmp_path / "votes.db", clock, address_hash=True, exclusion=rules.settings)
    for number, address in enumerate(("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3")):
        tester = test.enrol("1", address=address).id
        battle = answered(test, tester, chars=(9000, 9000) if number == 4 else (1, 1))
        clock.forward(0.1)
        seen = {"left": 0.1, "right": 3.0} if number == 3 else None
        comment = "The left one knew much more about it." if number < 2 else ""
        test.vote(tester, battle.id, "left", comment=comment, vote_seconds=0.0 if number == 2 else None, seen=seen)
    table = vote_table(test.database.connection, test.study_id, Filters(), rules)
    marks = {
        "excluded: votes faster than 100 characters a second": 1,
        "excluded: votes from an address of more than 2 testers": 3,
        "excluded: votes with a comment that more than 1 testers gave": 2,
        "excluded: not looked at": 1,
        "excluded: too fast": 1,
    }
    assert {mark: table.count(mark) for mark in marks} == marks
    runtime: Any = SimpleNamespace(study=test.study, blind_test=test)
    told = study_html(runtime)
    assert all(rule in told for rule in wordings(rules).values()), "the tab Study says it in the same words"
    assert "excluded" not in vote_table(test.database.connection, test.study_id, Filters(), Exclusion())


def test_without_login_nothing_is_shown(app: App) -> None:
    paths = ("admin/config", "admin/gradio_api/info", "admin/export/csv", "admin/export/sqlite")
    for path in (*paths, "admin/comparison/report.html"):
        assert httpx.get(f"{app.url}/{path}").status_code == 401, path
    page = httpx.get(f"{app.url}/admin/", headers={"Accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["location"] == "/admin/login"
    assert httpx.get(f"{app.url}/admin/export/csv", auth=("admin", "wrong")).status_code == 401
    forged, ours = {"diptych-admin": "forged"}, {"Sec-Fetch-Site": "same-origin"}
    assert httpx.get(f"{app.url}/admin/export/csv", cookies=forged, headers=ours).status_code == 401


@pytest.mark.usefixtures("voted")
def test_every_format_downloads(app: App) -> None:
    for name in FORMATS:
        response = httpx.get(f"{app.url}/admin/export/{name}", auth=ADMIN)
        assert response.status_code == 200, name
        assert response.content, name
        assert "attachment" in response.headers["content-disposition"]
    assert httpx.get(f"{app.url}/admin/export/xls", auth=ADMIN).status_code == 404
    assert httpx.get(f"{app.url}/admin/comparison/evaluation.json", auth=ADMIN).status_code == 404


def test_a_script_logs_in_and_out(app: App) -> None:
    with httpx.Client(base_url=app.url, headers={"Origin": app.url}) as client:
        assert client.post("/admin/login", data={"username": "admin", "password": "no"}).status_code == 401
        response = client.post("/admin/login", data={"username": "admin", "password": PASSWORD})
        assert response.json() == {"success": True}
        assert "httponly" in response.headers["set-cookie"].lower()
        assert client.get("/admin/export/csv").status_code == 200
        assert client.get("/admin/logout").status_code == 404, "a picture in a text would end the session"
        client.post("/admin/logout")
        assert client.get("/admin/export/csv").status_code == 401


def test_health_and_metrics_tell_no_secret(app: App) -> None:
    assert httpx.get(f"{app.url}/healthz").json() == {"status": "ok", "model1": "ok", "model2": "ok", "database": "ok"}
    metrics = httpx.get(f"{app.url}/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert re.search(r"^diptych_votes_total \d", metrics.text, re.M)
    assert "model1" not in metrics.text, "counts by model would tell which answer was whose"
    for name in ("turns_waiting", "tokens_per_second", "first_token_seconds_count", "answers_total", "failures_total"):
        assert re.search(rf"^diptych_{name} \d", metrics.text, re.M), name


def test_what_the_app_refuses_from_anybody(app: App) -> None:
    assert httpx.post(f"{app.url}/gradio_api/upload", files={"files": b"x"}).status_code == 404
    big = json.dumps({"data": ["x" * (1 << 21)], "fn_index": 0, "session_hash": "x"})
    assert httpx.post(f"{app.url}/gradio_api/run/predict", content=big, headers={"Origin": app.url}).status_code == 413
    for path in (app.database, "/etc/passwd", "app.py"):
        assert httpx.get(f"{app.url}/gradio_api/file={path}").status_code in (403, 404)
    headers = httpx.get(app.url).headers
    assert "default-src 'self'" in headers["content-security-policy"]
