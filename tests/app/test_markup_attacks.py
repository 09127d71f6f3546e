"""Whatever testers, models, researchers and files bring in is text on every page of researchers and in the report."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.child import Progress
from app.components import run_html
from app.demo_training import Step
from app.improve_figures import outcome_html
from app.improvements import Improvement
from app.live import live_html
from app.models_tab import models_html
from app.results import ResultsTab
from app.runtime import Runtime
from app.study_tab import invites_html, study_html
from app.votes_tab import Filters, categories, vote_table
from app.waiting import training_step
from feedback.__main__ import main
from feedback.blind_test import Answer, BlindTest
from tests.app.test_improve import improvement
from tests.app.test_models_tab import evaluate, runtime_of
from tests.feedback.protocol import Clock, open_test
from training.common.progress import State

MARK = "zq7"
PAYLOADS = (
    f"<{MARK} onmouseover=alert(1)>",
    f"</title></style></script></svg></textarea><{MARK}>",
    f"'\"><{MARK} x=`'\">",
    f'" onmouseover="{MARK}',
    f"' onmouseover='{MARK}",
    f"<img src=x onerror={MARK}><script>{MARK}</script><iframe srcdoc='{MARK}'>",
    f"&lt;{MARK}&gt; &#60;{MARK}&#62;",
    f"<!--><{MARK}>--><![CDATA[<{MARK}>]]>",
    f"[{MARK}](javascript:{MARK}) ![x](http://{MARK}/x.png) <a href='javascript:{MARK}'>x</a>",
    "${" + MARK + "} {{" + MARK + "}}",
)


class Elements(HTMLParser):
    """What a browser would make elements and attributes of."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.text = ""
        self._raw = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        told = {"title", "aria-label", "id", "href", "class"}
        reached = [name for name, value in attrs if MARK in (value or "") and name not in told]
        links = [
            value
            for name, value in attrs
            if name in ("href", "src") and re.match(r"\s*(javascript|data):", value or "")
        ]
        if MARK in tag or tag in ("iframe", "object", "embed", "base", "form", "img") or reached or links:
            self.found.append(f"<{tag} {names}>")
        self.found += [f"<{tag} {name}>" for name in names if MARK in name or name.startswith("on")]
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_comment(self, data: str) -> None:
        self.found += [f"<!--{data}"] if MARK in data else []

    unknown_decl = handle_decl = handle_pi = handle_comment

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._raw and MARK in data:
            self.found.append(f"in <{self._raw}>")


def test_the_judge_sees_each_attack() -> None:
    for payload in (*PAYLOADS[:6], *PAYLOADS[7:9]):
        assert Elements(f"<p title=\"{payload}\">{payload}</p><p title='{payload}'>").found or "](" in payload, payload
        assert not Elements(f"<p>{payload.replace('&', '&amp;').replace('<', '&lt;')}</p>").found


def hostile(folder: Path, payload: str) -> BlindTest:
    """A study of which every text is an attack: its file's, its testers', its models', and what failed."""
    short = payload[:40]
    test = open_test(
        folder / "v.db",
        Clock(),
        name=payload[:80],
        reasons=[payload[:80], "Clearer"],
        access="invite",
        show_models=True,
        consent={"version": short, "text": payload},
        background=[{"id": "age", "text": payload, "options": [payload[:80], "young"]}],
        prompts=[{"id": f"q{number}", "category": short, "text": f"{payload} {number}"} for number in range(3)],
    )
    code = test.make_invite(payload, uses=None)
    for _ in range(3):
        tester = test.enrol(short, {"age": payload[:80].strip()}, code).id
        for text in (None, payload):
            prompt = test.suggestions(tester)[0] if text is None else None
            battle = test.start_battle(tester, prompt.id if prompt else None, prompt.text if prompt else payload)
            turn = test.start_turn(tester, battle.id, prompt.text if prompt else payload)
            answers = {model: Answer(payload, 5, 1.0, 0.1, raw=f"{payload}!") for model in ("model1", "model2")}
            test.finish_turn(turn.id, answers)
            test._clock.forward(1)  # type: ignore[attr-defined]
            test.vote(tester, battle.id, "left", [payload[:80].strip()], payload)
        battle = test.start_battle(tester, None, payload)
        turn = test.start_turn(tester, battle.id, payload)
        test.fail_turn(turn.id, "model1", payload)
        test.close(tester, "quit")
        test.guess(tester, "left_last")
    return test


@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_page_of_researchers_and_the_report_show_texts_as_texts(tmp_path: Path, payload: str) -> None:
    test = hostile(tmp_path, payload)
    runtime = Runtime(test.study, test.database, {"model1": payload, "model2": payload})
    runtime.failure = payload
    runtime.rounds = SimpleNamespace(blind_test=test)  # type: ignore[assignment] # its engines are asked for nothing
    connection = test.database.connection
    _, top, details = ResultsTab(runtime).refresh(None)
    assert main(["report", "--db", str(tmp_path / "v.db"), "--out", str(tmp_path)]) == 0
    pages = {
        "results": top + details,
        "live": live_html(runtime),
        "votes": vote_table(connection, test.study_id, Filters(), test.study.exclusion),
        "votes by category": vote_table(
            connection, test.study_id, Filters(category=categories(connection, test.study_id)[0]), test.study.exclusion
        ),
        "study": study_html(runtime),
        "invites": invites_html(runtime, test.invites()),
        "report": (tmp_path / "report.html").read_text(encoding="utf-8"),
    }
    for name, html in pages.items():
        assert Elements(html).found == [], name
        assert MARK in unescape(html), f"{name} shows none of it, so it proves nothing"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_the_models_files_say_is_text_in_cards_and_comparison(tmp_path: Path, payload: str) -> None:
    specs: dict[str, str] = {}
    for model in ("model1", "model2"):
        folder = tmp_path / model
        (folder / "final").mkdir(parents=True)
        (folder / "final" / "config.json").write_text("{}")
        report: dict[str, Any] = {
            "model": model, "base": payload, "parameters": 6_843_840, "trainable_parameters": 6_843_840,
            "tokens": 873_184, "steps": 437, "train_seconds": 571.4, "energy_kwh": 0.00219, "co2_kg": 0.000521,
            "energy_source": payload, "device": payload, "dtype": payload, "val_bits_per_byte": 0.535,
            "config": {"data": [payload], "country": payload},
        }  # fmt: skip
        (folder / "training_report.json").write_text(json.dumps(report))
        (folder / "metrics.jsonl").write_text("")
        (folder / "README.md").write_text(f"---\nlicense: {json.dumps(payload)}\n---\n# {payload}\n")
        (folder / "model.gguf").write_bytes(b"GGUF")
        specs[model] = str(folder / "model.gguf")
    evaluate(tmp_path, specs, settings={"data": [payload]}, machine={"processor": payload, "cores": 2})
    overview, comparison = models_html(runtime_of(tmp_path, specs))
    assert Elements(overview + comparison).found == []
    assert MARK in unescape(overview + comparison)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_training_on_votes_says_is_text_on_the_improve_tab(tmp_path: Path, payload: str) -> None:
    refused = improvement(method=payload, study=payload, accepted=False, refused_because=[payload])
    few = improvement(held_out={"judged": False, "why_not": payload}, study=payload)
    many = improvement(held_out={"judged": True, "n": payload, "testers": payload, "before": {"accuracy": payload}})
    shown = [outcome_html(Improvement(tmp_path / payload.replace("/", ""), told)) for told in (refused, few, many)]
    shown += [run_html(Progress(state, payload), payload) for state in ("idle", "failed", "stopped")]
    state = State(
        "train", step=1, steps=9, looks=((1.0, 2.0), (2.0, 1.0)), target=0.5, question=payload, answer=payload
    )
    shown += [training_step(Step(payload, "running", "Training", state))]
    for html in shown:
        assert Elements(html).found == []
        assert MARK in unescape(html)
