"""Can an attacker tell which model is on which side, from all that a tester can see or poll?

    python benchmarks/blindness.py --rounds 400 --out docs/benchmarks-blindness.md

Three processes on 127.0.0.1: two made-up models of very unequal speed whose texts are drawn alike, `python app.py`, and
this one. The attacker takes part, and while answers are on their way polls `/metrics` and `/healthz`; every response's
time, size and headers, the order of the suggestions and the own reveals of earlier rounds are written down, while two
other testers are at work. Half of the rounds are of a study that reveals after each vote, half of one that reveals at
the end. Each observable is then tested for independence of the side, and a classifier over all of them together has to
guess the sides of the rounds to come; both are held against other draws of the sides
(`benchmarks/blindness_statistics.py`). The secret behind the draws is seeded, so that the sides are the same each time.
Ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import numpy as np

from benchmarks.blindness_statistics import DRAWS, LEVEL, Round, holm, judge
from benchmarks.outputs import own_file, write
from benchmarks.page import Page, client, enter, read_config
from benchmarks.page import run as run_async
from feedback.assignment import BLOCK_SIZE
from tests.app.serving import App

SPEEDS = {"quick": (0.002, 0.001), "slow": (0.06, 0.004)}  # seconds to the first word and between words
POLL_SECONDS = 0.01
WORDS = ("line", "colour", "light", "plane", "form", "shade", "brush", "canvas", "edge", "tone", "field", "hue", "wash")
# The app as it is, but for a generator with a seed in the place of the system's, for the secret and the tokens.
SEEDED = """
import random, secrets, sys
chance = random.Random({seed})
secrets.token_hex = lambda n=32: chance.randbytes(n).hex()
from app.cli import main
sys.exit(main())
"""


class Model(BaseHTTPRequestHandler):
    """An OpenAI-compatible server of both models: unequal in speed, equal in what they write."""

    protocol_version = "HTTP/1.1"
    chance = random.Random(0)
    lock = threading.Lock()

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        models = [{"id": name, "max_model_len": 4096} for name in SPEEDS]
        self._answer(json.dumps({"object": "list", "data": models}).encode(), "application/json")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        first, between = SPEEDS[body["model"]]
        with self.lock:
            words = self.chance.choices(WORDS, k=self.chance.randint(5, 30))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        time.sleep(first)
        for word in words:
            self._event({"choices": [{"delta": {"content": f"{word} "}}]})
            time.sleep(between)
        self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        self._event({"choices": [], "usage": {"completion_tokens": len(words)}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def _answer(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Wire(Page):
    """A page that writes down what every response looked like."""

    def __init__(self, http: httpx.AsyncClient, config: dict[str, Any]) -> None:
        super().__init__(http, config)
        self.seen: list[tuple[float, int, int]] = []  # seconds, bytes of the body, bytes of the headers

    async def _trigger(self, function: dict[str, Any]) -> None:
        started = time.monotonic()
        await super()._trigger(function)
        self.seen.append((time.monotonic() - started, *self._size))

    def _apply(self, outputs: list[int], data: list[Any]) -> None:
        super()._apply(outputs, data)
        told = json.dumps(data)
        self._size = (len(told), sum(value == {"__type__": "update"} for value in data))


async def poll(http: httpx.AsyncClient, found: list[tuple[float, dict[str, float]]], health: list[float]) -> None:
    """Read the metrics and the health again and again."""
    while True:
        answer = await http.get("/metrics")
        values = dict(re.findall(r"^(diptych_\w+)(?:\{[^}]*\})? ([\d.e+-]+)$", answer.text, re.M))
        found.append((time.monotonic(), {name: float(value) for name, value in values.items()}))
        started = time.monotonic()
        await http.get("/healthz")
        health.append(time.monotonic() - started)
        await asyncio.sleep(POLL_SECONDS)


async def observe(page: Wire, http: httpx.AsyncClient, chance: random.Random) -> Round:
    """Ask one question and write down all that can be seen until both answers are there."""
    chips = [unescape(text) for text in re.findall(r'class="chip"[^>]*>(.*?)</button>', page.text("suggestions"))]
    if not chips:
        raise RuntimeError("no suggestion is seen; read them as the page writes them now")
    metrics: list[tuple[float, dict[str, float]]] = []
    health: list[float] = []
    polling = asyncio.create_task(poll(http, metrics, health))
    await asyncio.sleep(3 * POLL_SECONDS)
    asked = chance.choice(chips)
    page.set("prompt", asked)
    asked_at, page.seen = time.monotonic(), []
    await page.click("send")
    await page.follow()
    answered_at = time.monotonic()
    await asyncio.sleep(3 * POLL_SECONDS)
    polling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await polling
    if not page.shows("votes"):
        raise RuntimeError(f"no vote is asked for: {page.text('status')}")
    words = [
        len(re.findall(r"\b(?:" + "|".join(WORDS) + r")\b", page.text(f"answer-{side}"))) for side in ("left", "right")
    ]
    observed = {
        "seconds of the sending": page.seen[0][0],
        "seconds to both answers": answered_at - asked_at,
        "bytes of the sending": page.seen[0][1],
        "bytes of the answers, their texts left out": page.seen[-1][1]
        - len(page.text("answer-left") + page.text("answer-right")),
        "outputs left unchanged": page.seen[-1][2],
        "requests until the answers": len(page.seen),
        "words left less words right": words[0] - words[1],
        "seconds of a health check": float(np.mean(health)) if health else 0.0,
        "number of the round": float(page.values[page.key]),
        "number of the round, odd": float(page.values[page.key]) % 2,
    }
    observed |= _of_metrics(metrics, asked_at, words)
    return Round(int(page.values[page.key]), observed, chips=tuple(chips), asked=asked)


def _of_metrics(metrics: list[tuple[float, dict[str, float]]], asked_at: float, words: list[int]) -> dict[str, float]:
    """When and in how many steps the counters moved, and whether the first step is as long as the left answer."""
    moves = [
        (when, after["diptych_answer_tokens_total"] - before["diptych_answer_tokens_total"])
        for (_, before), (when, after) in itertools.pairwise(metrics)
        if after["diptych_answers_total"] > before["diptych_answers_total"]
    ]
    first, last = (moves[0], moves[-1]) if moves else ((asked_at, 0.0), (asked_at, 0.0))
    match = abs(first[1] - words[1]) - abs(first[1] - words[0])
    return {
        "metrics: seconds to the first step": first[0] - asked_at,
        "metrics: seconds between steps": last[0] - first[0],
        "metrics: steps": len(moves),
        "metrics: tokens of the first step": first[1],
        "metrics: the first step is the left answer": float(np.sign(match)) if len(moves) > 1 else 0.0,
    }


async def attack(url: str, rounds: int, seed: int, reveals: bool) -> list[Round]:
    """Take part again and again, `rounds` rounds in all."""
    chance, found = random.Random(seed), list[Round]()
    async with client(url) as http, client(url) as spy:
        config, session = await read_config(http), 0
        while len(found) < rounds:
            page, serving, session = Wire(http, config), 0, session + 1
            await enter(page)
            while len(found) < rounds:
                one = await observe(page, spy, chance)
                found.append(one)
                one.study, one.session = "vote" if reveals else "end", session
                if not reveals:
                    one.block = session, serving // BLOCK_SIZE
                serving += 1
                await page.click("vote-left")
                if reveals:
                    await page.click("reveal")
                    one.told = "A was Model" in page.text("status")
                last = "Finish" in str(page.values[page._ids["next-round"]])
                await page.click("next-round")
                if last and page.shows("guess"):  # after which this study tells the sides of the last round
                    await page.click("guess-left")
                    one.told = "A was Model" in page.text("thanks")
                if last or not page.shows("composer"):
                    break
    return found


async def busy(url: str, number: int, ends: threading.Event) -> None:
    """Another tester, for ever."""
    chance = random.Random(number)
    async with client(url) as http:
        config = await read_config(http)
        while not ends.is_set():
            page = Page(http, config)
            await enter(page)
            for _ in range(6):
                if ends.is_set():
                    return
                page.set("prompt", f"Question {chance.random()}?")
                await page.click("send")
                await page.follow()
                await page.click("vote-left" if chance.random() < 0.5 else "vote-tie")
                await page.click("next-round")


async def _all(url: str, rounds: int, seed: int, reveals: bool) -> list[Round]:
    ends = threading.Event()
    others = [asyncio.create_task(busy(url, number, ends)) for number in range(2)]
    try:
        return await attack(url, rounds, seed, reveals)
    finally:
        ends.set()
        for result in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(result, BaseException):
                print(f"another tester: {result}", file=sys.stderr)


def measure(rounds: int, seed: int, folder: Path, reveal: str, base_url: str) -> list[Round]:
    """So many rounds of a study with this policy, with the true sides."""
    folder.mkdir()
    specs = [f"openai:{base_url}#{name}" for name in SPEEDS]
    limits = ["--tester-limit", "0", "--address-limit", "0"]
    command = [sys.executable, "-c", SEEDED.format(seed=seed), "--model1", specs[0], "--model2", specs[1], *limits]
    app = App(folder, "", "", command, reveal=reveal)
    study = folder / "study.toml"
    bank = "".join(
        f'\n[[prompts]]\nid = "more{n}"\ncategory = "More {n % 3}"\ntext = "What is number {n}?"\n' for n in range(12)
    )
    study.write_text(re.sub(r"rounds = \d+", "rounds = 8", study.read_text()) + bank)
    app.start()
    try:
        found = run_async(_all(app.url, rounds, seed, reveal == "vote"))
        sides = dict(app.rows("SELECT id, left_model = 'model1' FROM battles"))
    finally:
        app.stop()
    for one in found:
        one.model1_left = bool(sides[one.battle])
    return found


@contextlib.contextmanager
def models() -> Any:
    """The two models; gives their base address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


def run(rounds: int, seed: int) -> dict[str, list[Round]]:
    """Half of the rounds for each policy."""
    with models() as base_url, tempfile.TemporaryDirectory() as folder:
        return {
            reveal: measure(rounds // 2, seed + place, Path(folder) / reveal, reveal, base_url)
            for place, reveal in enumerate(("vote", "end"))
        }


def read(path: Path) -> dict[str, list[Round]]:
    """What was kept of an earlier run."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    found = {name: [Round(**one) for one in rounds] for name, rounds in kept.items()}
    for one in itertools.chain(*found.values()):  # JSON has lists alone
        one.chips, one.block = tuple(one.chips), None if one.block is None else (one.block[0], one.block[1])
    return found


def report(found: dict[str, list[Round]], arguments: argparse.Namespace) -> tuple[str, bool]:
    """The findings as Markdown, and whether the sides stayed unknown.

    Some sixty tests at 5% each would find something in nearly every run, and at 5% for each study in one of six: so the
    level is 5% for all of them together.
    """
    groups = {"both": [one for rounds in found.values() for one in rounds], **found}
    verdicts = {name: judge(rounds, arguments.seed) for name, rounds in groups.items()}
    family = {f"{group}: {name}": p for group, one in verdicts.items() for name, p in one.p_values.items()}
    family |= {f"{group}: the classifier": one.p_classifier for group, one in verdicts.items()}
    told = holm(family, LEVEL)
    lines = [
        f"# Blindness: {len(groups['both'])} rounds of an attacker who sees everything", "",
        f"Measured on {time.strftime('%Y-%m-%d')} with `benchmarks/blindness.py --rounds {arguments.rounds} --seed "
        f"{arguments.seed}` on {os.cpu_count()} cores. The quick model begins after {SPEEDS['quick'][0]:g} s, the slow "
        f"one after {SPEEDS['slow'][0]:g} s and is four times as slow; what they write is drawn alike.", "",
        "| study | rounds | sides to come that were guessed | 95% by chance | p | the smallest p of an observable |",
        "|---|---:|---:|---|---:|---|",
    ]  # fmt: skip
    for group, verdict in verdicts.items():
        share, (low, high) = verdict.guessed / verdict.asked, (n / verdict.asked for n in verdict.by_chance)
        name, p = min(verdict.p_values.items(), key=lambda item: item[1])
        lines.append(
            f"| {'reveal = ' + group if group != 'both' else 'both'} | {verdict.rounds} | {share:.1%} |"
            f" {low:.1%} to {high:.1%} | {verdict.p_classifier:.3f} | {p:.4f}, {name} |"
        )
    lines += [
        "",
        f"Chance is what the same attacker finds in {DRAWS:,} other draws of the sides, made as the app makes them. At "
        f"{LEVEL:.0%} for all {len(family)} tests together (Holm) these go with the side: {', '.join(told) or 'none'}.",
    ]
    lines += ["", "| observable | p, both studies |", "|---|---:|"]
    lines += [f"| {name} | {p:.3f} |" for name, p in sorted(verdicts["both"].p_values.items())]
    lines += ["", "**The sides can be told.**" if told else "No better than chance."]
    return "\n".join(lines) + "\n", not told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--out", type=own_file, help="write the report there")
    parser.add_argument("--keep", type=own_file, help="write there what was observed, so that it can be judged again")
    parser.add_argument("--kept", type=Path, help="judge what was observed in an earlier run")
    arguments = parser.parse_args()
    found = read(arguments.kept) if arguments.kept else run(arguments.rounds, arguments.seed)
    write(arguments.keep, json.dumps({name: [asdict(one) for one in rounds] for name, rounds in found.items()}))
    text, held = report(found, arguments)
    write(arguments.out, text)
    print(text)
    if not held:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
