"""Time to both answers of testers who ask at once: this app, transformers' `generate` in threads, llama.cpp's server.

    python benchmarks/serving.py --model1 checkpoints/art_ai_model --model2 checkpoints/model2_pretrained \\
        --out docs/serving.md

- app: `python app.py` with both GGUF files, over HTTP with its page's own protocol (database, queue, page included).
- naive: transformers' `generate` with a `TextIteratorStreamer` for each request, each in threads of its own.
- llama.cpp: its own HTTP server for each of the same GGUF files, with the same threads and places as in the app.

The ways take turns within one run. Every answer has exactly the same number of tokens: the end of text is ignored.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing as mp
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx

from benchmarks.outputs import own_file, write
from benchmarks.page import Page, ask, client, enter, read_config
from tests.app.serving import ROOT, App

QUESTIONS = (
    "What is Impressionism?", "Who painted Guernica?", "What is a neural network?", "Tell me about Rembrandt.",
    "What is a transformer?", "What is fresco?", "Why do models make things up?", "Who was Frida Kahlo?",
    "What is Cubism?", "What is overfitting?",
)  # fmt: skip
# The app as it is, but for ignoring the end of text.
SERVE = """
import sys
sys.path.insert(0, {root!r})
from app import cli
from training.inference.engines import llama_cpp
body = llama_cpp.LlamaCpp.request
llama_cpp.LlamaCpp.request = lambda self, *arguments: {{**body(self, *arguments), "ignore_eos": True}}
sys.exit(cli.main(sys.argv[1:]))
"""


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return int(told.strip() or 0) / 1024


def processor_seconds(pid: int) -> float:
    """Processor time of a process so far; what other programs take does not count."""
    told = subprocess.run(["ps", "-o", "cputimes=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return float(told.strip() or 0)


class Ours:
    """The app in a child process, asked through its page."""

    name = "app"

    def __init__(self, model1: Path, model2: Path, tokens: int, folder: Path) -> None:
        serve = [sys.executable, "-c", SERVE.format(root=str(ROOT))]
        limits = ["--tester-limit", "0", "--address-limit", "0"]
        self._app = App(folder, "", "", [*serve, "--model1", str(model1), "--model2", str(model2), *limits])
        study = folder / "study.toml"
        text = study.read_text().replace("rounds = 2", "rounds = 1000")
        study.write_text(re.sub(r"max_new_tokens = \d+", f"max_new_tokens = {tokens}", text))
        self._app.start()
        self.pid = self._app.pid

    def run(self, testers: int) -> tuple[list[float], int]:
        return asyncio.run(self._run(testers))

    async def _run(self, testers: int) -> tuple[list[float], int]:
        before = self._tokens()
        async with client(self._app.url) as http:
            config = await read_config(http)
            pages = [Page(http, config) for _ in range(testers)]
            for page in pages:
                await enter(page)
            seconds = await asyncio.gather(*(ask(page, QUESTIONS[n % 10]) for n, page in enumerate(pages)))
        return list(seconds), self._tokens() - before

    def _tokens(self) -> int:
        return int(self._app.rows("SELECT COALESCE(SUM(tokens), 0) FROM answers")[0][0])

    def close(self) -> None:
        self._app.stop()


class Child:
    """A way that lives in a process of its own and is told how many testers to serve."""

    def __init__(self, name: str, work: Any, *arguments: Any) -> None:
        self.name = name
        context = mp.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=work, args=(other, *arguments), daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0
        self._pipe.recv()  # loaded

    def run(self, testers: int) -> tuple[list[float], int]:
        self._pipe.send(testers)
        seconds, tokens = self._pipe.recv()
        return seconds, tokens

    def close(self) -> None:
        self._pipe.send(0)
        self._process.join(10)


def both(testers: int, answer: Any, models: list[Any]) -> tuple[list[float], int]:
    """Every tester's question to both models at once, a thread each; seconds to both answers, tokens in all."""
    started = time.monotonic()

    def one(model: Any, number: int) -> tuple[float, int]:
        tokens = answer(model, QUESTIONS[number % 10])
        return time.monotonic() - started, tokens

    with ThreadPoolExecutor(2 * testers) as pool:
        pairs = [[pool.submit(one, model, number) for model in models] for number in range(testers)]
        done = [[future.result() for future in pair] for pair in pairs]
    return [max(seconds for seconds, _ in pair) for pair in done], sum(tokens for pair in done for _, tokens in pair)


def naive(pipe: Any, model1: Path, model2: Path, tokens: int) -> None:
    """What most demonstrations do: a thread with `generate` and a streamer for each request."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

    models: list[Any] = [
        (AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(path))
        for path in (model1, model2)
    ]

    def answer(model: Any, question: str) -> int:
        network, tokenizer = model
        chat = [{"role": "user", "content": question}]
        inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)
        options = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "streamer": streamer}
        options |= {"min_new_tokens": tokens, "max_new_tokens": tokens}
        worker = threading.Thread(target=network.generate, kwargs={**inputs, **options})
        worker.start()
        for _ in streamer:
            pass
        worker.join()
        return tokens

    pipe.send("loaded")
    while testers := pipe.recv():
        pipe.send(both(testers, answer, models))


def own_server(pipe: Any, model1: Path, model2: Path, tokens: int) -> None:
    """llama.cpp's own HTTP server for each model, with the app's settings."""
    import xllamacpp

    from training.inference.engines.llama_cpp import LlamaCpp

    keep, models = [], []
    for path in (model1, model2):
        server = xllamacpp.Server(LlamaCpp(path)._parameters(xllamacpp, "key"))
        keep.append(server)
        headers = {"Authorization": "Bearer key"}
        limits = httpx.Limits(max_connections=None)
        models.append(httpx.Client(base_url=server.listening_address, headers=headers, timeout=300, limits=limits))

    def answer(model: httpx.Client, question: str) -> int:
        body = {
            "messages": [{"role": "user", "content": question}], "max_tokens": tokens, "temperature": 0.7,
            "top_p": 0.9, "top_k": 0, "min_p": 0.0, "ignore_eos": True, "stream": True,
        }  # fmt: skip
        total = 0
        with model.stream("POST", "/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    total = json.loads(line[6:]).get("timings", {}).get("predicted_n", total)
        return int(total)

    pipe.send("loaded")
    while testers := pipe.recv():
        pipe.send(both(testers, answer, models))
    os._exit(0)


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, -(-95 * len(values) // 100) - 1)]


def measure(ways: list[Any], testers: list[int], repeats: int) -> dict[tuple[int, str], dict[str, float]]:
    """All ways in turn, `repeats` times; what each took."""
    results = {}
    for way in ways:
        way.run(1)  # pages in the weights
    for count in testers:
        runs: dict[str, list[tuple[list[float], int]]] = {way.name: [] for way in ways}
        for _ in range(repeats):
            for way in ways:
                runs[way.name].append(way.run(count))
        for way in ways:
            seconds = [value for values, _ in runs[way.name] for value in values]
            speeds = [tokens / max(values) for values, tokens in runs[way.name]]
            results[count, way.name] = {
                "median": statistics.median(seconds), "p95": p95(seconds), "speed": statistics.median(speeds),
                "memory": memory_mb(way.pid), "tokens": statistics.mean(t / (2 * count) for _, t in runs[way.name]),
            }  # fmt: skip
            print(
                count, way.name, {key: round(value, 2) for key, value in results[count, way.name].items()}, flush=True
            )
    return results


def report(results: dict[tuple[int, str], dict[str, float]], arguments: argparse.Namespace) -> str:
    """The tables as Markdown."""
    lines = [
        "# Serving: time to both answers", "",
        f"Measured on {time.strftime('%Y-%m-%d')} with `benchmarks/serving.py`: {os.cpu_count()} cores, testers who "
        f"ask at once, {arguments.tokens} tokens an answer, {arguments.repeats} repeats, the ways in turn in one run.",
        "",
        "| testers | way | both answers, median | p95 | tokens/s in all | memory |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for (count, name), found in results.items():
        lines.append(
            f"| {count} | {name} | {found['median']:.2f} s | {found['p95']:.2f} s | {found['speed']:.0f} "
            f"| {found['memory']:,.0f} MB |"
        )
    lines += ["", "| testers | against naive (at least 3 at 5 testers) | against llama.cpp's server (at least 0.9) |"]
    lines += ["|---|---|---|"]
    for count in arguments.testers:
        ours = results[count, "app"]["speed"]
        ratios = (ours / results[count, other]["speed"] for other in ("naive", "llama.cpp"))
        lines.append(f"| {count} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    return "\n".join([*lines, ""]) + (__doc__ or "").split("\n\n", 2)[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model1", type=Path, default=ROOT / "checkpoints/art_ai_model", help="holds model.gguf and hf/"
    )
    parser.add_argument(
        "--model2", type=Path, default=ROOT / "checkpoints/model2_pretrained", help="holds model.gguf and final/"
    )
    parser.add_argument("--testers", type=int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=own_file, help="write the report there")
    arguments = parser.parse_args()
    ggufs = [folder / "model.gguf" for folder in (arguments.model1, arguments.model2)]
    folders = [arguments.model1 / "hf", arguments.model2 / "final"]
    for path in (*ggufs, *folders):
        if not path.exists():
            parser.error(f"{path}: not there; train both models first (make app), or name others: --model1, --model2")
    with tempfile.TemporaryDirectory() as folder:
        ways: list[Any] = []
        try:
            ways.append(Ours(*ggufs, arguments.tokens, Path(folder)))
            ways.append(Child("naive", naive, *folders, arguments.tokens))
            ways.append(Child("llama.cpp", own_server, *ggufs, arguments.tokens))
            results = measure(ways, arguments.testers, arguments.repeats)
        finally:
            for way in ways:
                way.close()
    text = report(results, arguments)
    write(arguments.out, text)
    print(text)


if __name__ == "__main__":
    main()
