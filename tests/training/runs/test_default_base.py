"""The base of a run that names none: the original where the Hub can be reached, the embedded one elsewhere, as it began
where it goes on; and what only tells something asks nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from huggingface_hub import constants

from training import train_model2_pretrained
from training.loop.plans import config_of
from training.loop.resume import TrainingStates
from training.models.known_bases import KNOWN
from training.runs.checks import configuration
from training.runs.model2 import with_base_at_hand
from training.settings.model2 import PROFILES

ORIGINAL, EMBEDDED = "smollm2-135m-bf16", "smollm2-135m"
SEED = PROFILES["seed"]
SMALL = ("--set", "seq_len=32", "--set", "micro_batch_size=1")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """What a Hub on this machine was asked, which has the original; nothing of it was downloaded yet."""
    paths: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/models/"):  # its library has questions of its own
                paths.append(self.path)
            body = json.dumps({"_id": "1", "id": KNOWN[ORIGINAL].hub}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield paths
        server.shutdown()


@pytest.fixture
def no_hub(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def test_the_original_is_the_default_where_the_hub_answers(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = TrainingStates(tmp_path / "out", {})
    assert with_base_at_hand(SEED, states, "new").base == ORIGINAL
    assert asked == [f"/api/models/{KNOWN[ORIGINAL].hub}"]
    assert (
        capsys.readouterr().err
        == f"{ORIGINAL} is downloaded from the Hub once (269 MB); --base {EMBEDDED} does without\n"
    )


@pytest.mark.usefixtures("no_hub")
def test_elsewhere_the_embedded_one_stands_in_and_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    states = TrainingStates(tmp_path / "out", {})
    assert with_base_at_hand(SEED, states, "new").base == EMBEDDED
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{ORIGINAL} cannot be had from the Hub" in line
    assert f"beginning with {EMBEDDED} instead, whose weights are stored in 4 bits (Q4_1)" in line


@pytest.mark.usefixtures("no_hub")
def test_what_was_downloaded_before_needs_no_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "hub" / f"models--{KNOWN[ORIGINAL].hub.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "model.safetensors").write_bytes(b"x")
    assert with_base_at_hand(SEED, TrainingStates(tmp_path / "out", {}), "new").base == ORIGINAL
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("began_with", [ORIGINAL, EMBEDDED])
def test_a_run_goes_on_with_the_base_that_it_began_with(asked: list[str], tmp_path: Path, began_with: str) -> None:
    config = configuration(SEED, ["core"]) | {"base": began_with}
    states = TrainingStates(tmp_path, config)
    states.save(1, {})
    assert with_base_at_hand(SEED, states, "resume").base == began_with
    assert asked == []
    assert with_base_at_hand(SEED, states, "restart").base == ORIGINAL


@pytest.mark.parametrize(
    ("arguments", "base"),
    [
        (("--profile", "seed", "--check", "--base", EMBEDDED), None),
        (("--profile", "seed", "--check", "--set", f"base={ORIGINAL}"), None),
        (("--profile", "demo", "--check"), None),
        (("--profile", "seed", "--check"), ORIGINAL),
    ],
)
def test_nobody_is_asked_but_for_a_default_that_is_to_be_trained(
    asked: list[str], tmp_path: Path, arguments: tuple[str, ...], base: str | None
) -> None:
    assert train_model2_pretrained.main([*arguments, *SMALL, "--out", str(tmp_path / "out")]) == 0
    assert asked == ([f"/api/models/{KNOWN[base].hub}"] if base else [])


def test_a_plan_asks_nobody(asked: list[str]) -> None:
    assert config_of(ORIGINAL).num_hidden_layers == 30
    assert asked == []


def test_both_forms_are_one_model() -> None:
    same = {key: value for key, value in asdict(KNOWN[ORIGINAL]).items() if key not in ("megabytes", "stored")}
    other = asdict(KNOWN[EMBEDDED])
    assert {key for key in same if same[key] != other[key]} == {"in_wheel", "stand_in"}
    assert (KNOWN[ORIGINAL].stored, KNOWN[EMBEDDED].stored) == ("bf16", "Q4_1")
