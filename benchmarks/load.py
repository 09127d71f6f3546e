"""Hundreds of testers at once against a remote engine: are votes fast, and is none lost or counted twice?

    python benchmarks/load.py --testers 200 --minutes 5 --out docs/benchmarks-load.md

Three processes on 127.0.0.1: an OpenAI-compatible server that makes up answers at a fixed speed, `python app.py`, and
this one, which plays the testers over the page's own protocol: consent, question, both answers, a pause for the replay
and to read, the vote (one in ten clicks twice), the next round. At the end it looks in the database for each vote that
a tester was told to be saved. Ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx

from benchmarks.outputs import own_file, write
from benchmarks.page import Page, ask, client, enter, read_config
from benchmarks.serving import memory_mb, p95, processor_seconds
from tests.app.serving import App, free_port

CHOICES = {"vote-left": "left", "vote-right": "right", "vote-tie": "tie", "vote-both-bad": "both_bad"}
MODEL = "made-up"
ANSWER_WORDS, WORD_SECONDS = 48, 0.02
REPLAY_SECONDS = 1.8  # a browser's, in which nothing is asked of the server
SAMPLE_SECONDS = 5.0
VOTE_SECONDS, PAGE_SECONDS, MEMORY_GROWTH = 0.3, 2.0, 1.05  # what is asked for


@dataclass
class Log:
    """What the testers saw."""

    votes: list[float] = field(default_factory=list)  # seconds of each vote
    answers: list[float] = field(default_factory=list)  # seconds to both answers
    told: dict[str, str] = field(default_factory=dict)  # round -> choice that the page called saved
    errors: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    processor: float = 0.0  # seconds that the app computed
    pages: list[float] = field(default_factory=list)  # seconds until a browser shows the first page


def serve_model(port: int) -> None:
    """An OpenAI-compatible server: streams words at a fixed speed, whatever it is asked."""
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    server = FastAPI()

    @server.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"data": [{"id": MODEL, "max_model_len": 4096}]}

    @server.post("/v1/chat/completions")
    async def chat() -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            for number in range(ANSWER_WORDS):
                yield f"data: {json.dumps({'choices': [{'delta': {'content': f' word{number}'}}]})}\n\n"
                await asyncio.sleep(WORD_SECONDS)
            yield f"data: {json.dumps({'choices': [{'delta': {}, 'finish_reason': 'stop'}]})}\n\n"
            yield f"data: {json.dumps({'choices': [], 'usage': {'completion_tokens': ANSWER_WORDS}})}\n\n"
            yield "data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    uvicorn.run(server, host="127.0.0.1", port=port, log_level="error")


async def play(
    number: int, http: httpx.AsyncClient, config: dict[str, Any], ends: float, think: float, log: Log
) -> None:
    """One tester until the time is over."""
    chance = random.Random(number)
    await asyncio.sleep(chance.uniform(0, min(think, (ends - time.monotonic()) / 4)))
    page = Page(http, config)
    try:
        await enter(page)
        while time.monotonic() < ends:
            log.answers.append(await ask(page, f"Question {chance.random()} of tester {number}?"))
            await asyncio.sleep(REPLAY_SECONDS + chance.uniform(0.5, 1.5) * think)
            await vote(page, chance, log)
            await page.click("next-round")
    except (httpx.HTTPError, RuntimeError, KeyError) as error:
        log.errors.append(f"tester {number}: {type(error).__name__}: {error}"[:200])


async def vote(page: Page, chance: random.Random, log: Log) -> None:
    element = chance.choice(list(CHOICES))
    clicks = 2 if chance.random() < 0.1 else 1
    round_key = str(page.values[page.key])
    log.votes += await asyncio.gather(*(page.click(element) for _ in range(clicks)))
    if "Saved" in page.text("status"):
        log.told[round_key] = CHOICES[element]
    else:
        log.errors.append(f"not saved: {page.text('status')}"[:200])


async def watch(pid: int, ends: float, log: Log) -> None:
    """The app's memory, until the end."""
    while time.monotonic() < ends:
        log.memory.append(await asyncio.to_thread(memory_mb, pid))
        await asyncio.sleep(SAMPLE_SECONDS)


async def open_pages(url: str, ends: float, log: Log) -> None:
    """How long a newcomer's browser takes to the first page, a fresh profile each time; where there is a browser."""
    from playwright.async_api import Error, async_playwright

    from tests.app.visitor import installed_browser

    browser_path = installed_browser()
    if browser_path is None:
        return
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        while time.monotonic() < ends:
            context = await browser.new_context()
            page, started = await context.new_page(), time.monotonic()
            try:
                await page.goto(url, wait_until="commit")
                await page.wait_for_selector("#consent", timeout=30_000)
                log.pages.append(time.monotonic() - started)
            except Error as error:
                log.errors.append(f"a new page: {error.message.splitlines()[0]}")
            await context.close()
            await asyncio.sleep(2 * SAMPLE_SECONDS)
        await browser.close()


async def play_all(app: App, arguments: argparse.Namespace) -> Log:
    log, ends = Log(), time.monotonic() + 60 * arguments.minutes
    before = processor_seconds(app.pid)
    async with client(app.url) as http:
        config = await read_config(http)
        testers = [play(number, http, config, ends, arguments.think, log) for number in range(arguments.testers)]
        await asyncio.gather(*testers, watch(app.pid, ends, log), open_pages(app.url, ends, log))
    log.processor = processor_seconds(app.pid) - before
    return log


def compare(app: App, log: Log) -> tuple[int, int, int]:
    """Votes in the database, votes lost, votes that count twice or otherwise than the tester was told."""
    rows = app.rows("SELECT battle_id, choice FROM votes WHERE superseded = 0")
    stored: dict[str, list[str]] = {}
    for battle, choice in rows:
        stored.setdefault(str(battle), []).append(choice)
    lost = sum(key not in stored for key in log.told)
    wrong = sum(len(choices) > 1 or log.told.get(key, choices[0]) != choices[0] for key, choices in stored.items())
    return len(rows), lost, wrong


def report(log: Log, stored: tuple[int, int, int], arguments: argparse.Namespace) -> str:
    """The figures as Markdown."""
    warm = log.memory[len(log.memory) // 4 :] or [0.0]
    third = max(1, len(warm) // 3)
    first, last = statistics.median(warm[:third]), statistics.median(warm[-third:])
    votes, lost, wrong = stored
    rows = {
        "votes told to be saved": f"{len(log.told):,}",
        "votes in the database": f"{votes:,}",
        "lost": f"{lost}",
        "counted twice or changed": f"{wrong}",
        "errors that testers saw": f"{len(log.errors)}",
        "vote, median": f"{1000 * statistics.median(log.votes or [0]):.0f} ms",
        "vote, p95 (at most 300 ms)": f"{1000 * p95(log.votes or [0]):.0f} ms",
        "both answers, median": f"{statistics.median(log.answers or [0]):.2f} s",
        "both answers, p95": f"{p95(log.answers or [0]):.2f} s",
        "first page in a browser, median (at most 2 s)": (
            f"{statistics.median(log.pages):.2f} s ({len(log.pages)} pages, worst {max(log.pages):.2f} s)"
            if log.pages else "no browser here"
        ),
        "processor time of the app for each vote": f"{1000 * log.processor / max(1, len(log.told)):.0f} ms",
        "memory of the app after a quarter of the time, and at the end (flat)": f"{first:,.0f} MB, {last:,.0f} MB",
    }  # fmt: skip
    misses = [
        name for name, missed in (
            ("votes lost or counted twice", lost or wrong),
            ("errors", log.errors),
            ("the p95 of a vote", p95(log.votes or [0]) > VOTE_SECONDS),
            ("the first page", log.pages and statistics.median(log.pages) > PAGE_SECONDS),
            ("the memory", last > MEMORY_GROWTH * first),
        ) if missed
    ]  # fmt: skip
    lines = [
        "# Load: many testers, one remote engine", "",
        f"Measured on {time.strftime('%Y-%m-%d')} with `benchmarks/load.py`: {arguments.testers} testers for "
        f"{arguments.minutes:g} minutes on {os.cpu_count()} cores, which the app shares with the testers, the browser "
        f"and the engine. A tester reads for {arguments.think:g} s on average; an answer has {ANSWER_WORDS} words and "
        f"takes {ANSWER_WORDS * WORD_SECONDS:.1f} s.", "",
        "| | |", "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows.items()), "",
        f"Missed: {', '.join(misses)}." if misses else "All that was asked for is held.", "",
        *(f"- {error}" for error in sorted(set(log.errors))[:10]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--testers", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--think", type=float, default=15, help="seconds that a tester reads, on average")
    parser.add_argument("--out", type=own_file, help="write the report there")
    parser.add_argument("--serve-model", type=int, metavar="PORT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve_model:
        serve_model(arguments.serve_model)
        return
    port = free_port()
    model = subprocess.Popen([sys.executable, __file__, "--serve-model", str(port)])
    try:
        wait_for(f"http://127.0.0.1:{port}/v1/models")
        with tempfile.TemporaryDirectory() as folder:
            spec = f"openai:http://127.0.0.1:{port}/v1#{MODEL}"
            limits = ["--tester-limit", "0", "--address-limit", "0"]
            command = [sys.executable, "app.py", "--model1", spec, "--model2", spec, *limits]
            app = App(Path(folder), "", "", command)
            study = Path(folder) / "study.toml"
            study.write_text(re.sub(r"rounds = \d+", "rounds = 1000", study.read_text()))
            app.start()
            try:
                log = asyncio.run(play_all(app, arguments))
                text = report(log, compare(app, log), arguments)
            finally:
                app.stop()
    finally:
        model.terminate()
        model.wait()
    write(arguments.out, text)
    print(text)


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            httpx.get(url, timeout=5)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


if __name__ == "__main__":
    main()
