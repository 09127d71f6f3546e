"""One model served as the app serves it, and timed, in a process of its own: its peak memory is then its own too.

`training.evaluation.cost` starts this module, once for every repeat, with a job as JSON; the measurements are the last
line that it prints. The engines are those of `app/engines`, reduced to questions asked at once: llama.cpp in this
process for a GGUF, transformers' continuous batching where there is none, or an OpenAI-compatible server.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from training.common.progress import quiet_transformers
from training.hardware.energy import Energy, EnergyUse
from training.hardware.memory import peak_memory_bytes

EngineName = Literal["llama.cpp", "transformers", "openai"]

CONTEXT, SLOTS = 2048, 8
"""Tokens of a conversation, and conversations decoded together, as in the app."""
SMALL_BYTES = 50_000_000
FEW_CORES = 2
"""Below this size of a GGUF, or on so few cores, the app gives several conversations no more threads than one."""
LEAST_TOKENS, WARM_UP_TOKENS = 8, 8
ANSWER_SECONDS = 4.0
"""A slow model's answers are cut so that one takes no longer than this."""

QUESTIONS = (
    "What is Impressionism?",
    "Who painted Guernica?",
    "What is a neural network?",
    "Tell me about Rembrandt.",
    "How does a language model choose its next word?",
    "What is fresco?",
    "Why do models make things up?",
    "Who was Frida Kahlo?",
)
PASSAGE = (
    "Claude Monet painted the same haystacks again and again, at dawn, at noon and in the snow, because it was the "
    "light that he wanted to show and not the hay. A neural network learns in a similar way: it sees many examples, "
    "compares what it expected with what is there, and changes a little each time. Neither of them ever sees the "
    "whole; both become better by small corrections."
)
"""English text that tells how many characters a token of each model has."""


@dataclass(frozen=True)
class Job:
    """What to measure.

    Attributes:
        engine: which engine answers.
        source: a GGUF file, a folder in Hugging Face's form, a `.pt`, an id of the Hub, or BASE_URL#MODEL.
        tokens: length of each answer; the end of an answer is ignored, so that all models say equally much.
        seconds: how long questions are asked, at least, one at a time and then eight at a time.
        country: whose electricity mix codecarbon counts with, ISO 3166 code of three letters.
        role: whose key a server gets, ``model1`` or ``model2``; otherwise the one for both.
    """

    engine: EngineName
    source: str
    tokens: int = 64
    seconds: float = 1.0
    country: str = "GBR"
    role: str = ""


@dataclass(frozen=True)
class Timing:
    """One answer: seconds until its first text, and its length in tokens."""

    first: float
    tokens: int


class Engine(Protocol):
    """What can be asked."""

    def load(self) -> None:
        """Open the model; libraries are imported before."""

    def ask(self, questions: Sequence[str], tokens: int) -> list[Timing]:
        """Ask all questions at once and wait for all answers."""

    def characters_per_token(self, text: str) -> float | None:
        """Of a text in the model's tokenizer, where that is at hand."""

    def describe(self) -> dict[str, Any]:
        """Engine, version, device and threads."""


class LlamaCpp:
    """A GGUF in llama.cpp, set up as `app/engines/llama_cpp.py` does: one conversation on half of the cores."""

    def __init__(self, path: Path) -> None:
        import xllamacpp

        self._library, self.path = xllamacpp, path
        cores = os.cpu_count() or 2
        self.threads = max(1, cores // 2)
        few = cores <= FEW_CORES or path.stat().st_size < SMALL_BYTES
        self.threads_together = self.threads if few else cores

    def parameters(self) -> Any:
        """llama.cpp's settings; a test holds them equal to the app's."""
        parameters = self._library.CommonParams()
        parameters.model.path = str(self.path)
        parameters.n_parallel = SLOTS
        parameters.n_ctx = SLOTS * CONTEXT
        parameters.n_batch = parameters.n_ubatch = 128
        for cpu, threads in (
            (parameters.cpuparams, self.threads),
            (parameters.cpuparams_batch, self.threads_together),
        ):
            cpu.n_threads = threads
            cpu.poll = 0
        parameters.cache_ram_mib = parameters.verbosity = 0
        parameters.fit_params = parameters.warmup = parameters.ui = parameters.endpoint_slots = False
        return parameters

    def load(self) -> None:
        try:
            self._server = self._library.Server(self.parameters())
        except RuntimeError as error:
            raise ValueError(f"{self.path}: llama.cpp cannot load it (cut short, or not a GGUF model)") from error
        self._pool = ThreadPoolExecutor(SLOTS)

    def ask(self, questions: Sequence[str], tokens: int) -> list[Timing]:
        return list(self._pool.map(lambda question: self._answer(question, tokens), questions))

    def _answer(self, question: str, tokens: int) -> Timing:
        request = {
            "messages": [{"role": "user", "content": question}], "max_tokens": tokens, "temperature": 0.0,
            "ignore_eos": True, "cache_prompt": False, "stream": True,
        }  # fmt: skip
        started, first, told, failed = time.perf_counter(), 0.0, 0, ""

        def receive(event: dict[str, Any]) -> bool:  # True would stop the answer
            nonlocal first, told, failed
            if "error" in event:
                failed = str(event["error"].get("message", "failed"))
                return True
            if not first:
                first = time.perf_counter() - started
            told = int(event.get("timings", {}).get("predicted_n", told))
            return False

        self._server.handle_chat_completions(request, receive)
        if failed or not told:
            raise ValueError(f"{self.path}: llama.cpp broke off ({failed or 'no answer'})")
        return Timing(first, told)

    def characters_per_token(self, text: str) -> float | None:
        import httpx

        url = f"{self._server.listening_address}/tokenize"
        return len(text) / len(httpx.post(url, json={"content": text}, timeout=30).raise_for_status().json()["tokens"])

    def describe(self) -> dict[str, Any]:
        return {
            "engine": "llama.cpp",
            "version": f"xllamacpp {self._library.__version__}",
            "device": "cpu",
            "threads": {"1": self.threads, "8": self.threads_together},
        }


class Transformers:
    """A checkpoint without a GGUF, decoded as `app/engines/pytorch.py` does: transformers' continuous batching."""

    def __init__(self, source: str) -> None:
        import torch
        import transformers

        quiet_transformers()
        self._torch, self._library, self.source = torch, transformers, source
        self._encode: Callable[[str], list[int]]
        self._encode_chat: Callable[[str], list[int]]
        accelerated = "mps" if torch.backends.mps.is_available() else "cpu"
        self.device = "cuda" if torch.cuda.is_available() else accelerated

    def load(self) -> None:
        model = self._read().to(self.device).eval()
        context = min(CONTEXT, getattr(model.config, "max_position_embeddings", None) or CONTEXT)
        defaults = self._library.GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0)
        self._manager = model.init_continuous_batching(
            generation_config=defaults,
            continuous_batching_config=self._library.ContinuousBatchingConfig(
                page_size=128,
                num_blocks=SLOTS * math.ceil(context / 128),
                max_batch_tokens=256,
                max_requests_per_batch=SLOTS,
                auto_switch_to_flash=False,  # would look for kernels on the network
            ),
        )
        self._manager.start()
        while self._manager.batch_processor is None:  # it makes the cache in its own thread
            if not self._manager.is_running():
                raise ValueError(f"{self.source}: no room for the model's cache on {self.device}")
            time.sleep(0.005)

    def _read(self) -> Any:
        if self.source.endswith(".pt"):
            from training.models.checkpoint import load
            from training.models.hf_format import to_llama

            model, tokenizer = load(self.source)
            self._encode_chat = lambda question: tokenizer.encode_chat([("user", question)])
            self._encode = lambda text: tokenizer.encode_batch([text])[0]
            return to_llama(model)
        found: Any = self._library.AutoTokenizer.from_pretrained(self.source)
        from training.hardware.compute import serving_dtype

        self._encode = lambda text: found(text, add_special_tokens=False)["input_ids"]
        self._encode_chat = self._encode
        if found.chat_template:
            self._encode_chat = lambda question: found.apply_chat_template(
                [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=True
            )["input_ids"]
        return self._library.AutoModelForCausalLM.from_pretrained(self.source, dtype=serving_dtype(self.device))

    def ask(self, questions: Sequence[str], tokens: int) -> list[Timing]:
        firsts: dict[str, float] = {}
        lengths: dict[str, int] = {}
        started = time.perf_counter()
        for question in questions:
            self._manager.add_request(
                self._encode_chat(question), max_new_tokens=tokens, streaming=True, eos_token_id=-1
            )
        while len(lengths) < len(questions):
            result = self._manager.get_result(timeout=1)
            if result is None:
                if not self._manager.is_running():
                    raise ValueError(f"{self.source}: the decoding broke off")
                continue
            if result.error:
                raise ValueError(f"{self.source}: {result.error}")
            firsts.setdefault(result.request_id, time.perf_counter() - started)
            if result.is_finished():
                lengths[result.request_id] = len(result.generated_tokens)
        return [Timing(firsts[name], length) for name, length in lengths.items()]

    def characters_per_token(self, text: str) -> float | None:
        return len(text) / len(self._encode(text))

    def describe(self) -> dict[str, Any]:
        threads = self._torch.get_num_threads()
        return {
            "engine": "transformers",
            "version": f"transformers {self._library.__version__}, torch {self._torch.__version__}",
            "device": self.device,
            "threads": {"1": threads, "8": threads},
        }


class OpenAIServer:
    """One model of a server. It may end its answers when it likes: not every server can ignore the end."""

    def __init__(self, source: str, role: str) -> None:
        from training.inference.openai_client import Client, ServerError

        self._error = ServerError
        base_url, _, model = source.partition("#")
        self._client = Client(base_url, model, role)
        self._pool = ThreadPoolExecutor(SLOTS)

    def load(self) -> None:
        """It is loaded already; its address is completed."""
        try:
            self._client.find()
        except self._error as error:
            raise ValueError(str(error)) from error

    def ask(self, questions: Sequence[str], tokens: int) -> list[Timing]:
        try:
            return list(self._pool.map(lambda question: self._answer(question, tokens), questions))
        except self._error as error:
            raise ValueError(str(error)) from error

    def _answer(self, question: str, tokens: int) -> Timing:
        fields = {"messages": [{"role": "user", "content": question}], "max_tokens": tokens, "temperature": 0.0}
        started, first, pieces, told = time.perf_counter(), 0.0, 0, None
        for more, text in self._client.chat(fields):
            if more:
                first, pieces = first or time.perf_counter() - started, pieces + 1
            told = text.total
        if not pieces:
            raise ValueError(f"{self._client.name}: an empty answer; check the server")
        return Timing(first, told or pieces)

    def characters_per_token(self, text: str) -> float | None:
        return None

    def describe(self) -> dict[str, Any]:
        return {"engine": "openai", "version": None, "device": None, "threads": None}


def open_engine(job: Job) -> Engine:
    """The engine of a job, not loaded yet; its libraries are imported."""
    if job.engine == "llama.cpp":
        return LlamaCpp(Path(job.source))
    return Transformers(job.source) if job.engine == "transformers" else OpenAIServer(job.source, job.role)


@dataclass(frozen=True)
class Phase:
    """Questions asked so many at a time for a while.

    Attributes:
        firsts: seconds to the first text of each answer.
        tokens_per_second: all tokens over the whole time, prompts included.
        kwh: what that took, if it can be known, with its source.
    """

    firsts: list[float]
    tokens: int
    tokens_per_second: float
    energy: EnergyUse


def run_phase(engine: Engine, at_once: int, job: Job, tokens: int) -> Phase:
    """Ask for at least ``job.seconds``, in rounds of ``at_once`` questions."""
    questions = itertools.cycle(QUESTIONS)
    timings: list[Timing] = []
    energy = Energy()
    metered = energy.measure(job.country) if job.engine != "openai" else contextlib.nullcontext()
    with metered:
        started = time.perf_counter()
        while (passed := time.perf_counter() - started) < job.seconds or not timings:
            timings += engine.ask([next(questions) for _ in range(at_once)], tokens)
    total = sum(timing.tokens for timing in timings)
    return Phase([timing.first for timing in timings], total, total / passed, energy.so_far())


def measure(job: Job) -> dict[str, Any]:
    """Everything that one process can tell; energy and memory of a server elsewhere cannot be known here."""
    engine = open_engine(job)
    started = time.perf_counter()
    engine.load()
    loaded = time.perf_counter() - started
    started = time.perf_counter()
    warm = engine.ask(QUESTIONS[:1], WARM_UP_TOKENS)[0]
    rate = warm.tokens / (time.perf_counter() - started)
    tokens = max(LEAST_TOKENS, min(job.tokens, int(rate * ANSWER_SECONDS)))
    phases = {at_once: run_phase(engine, at_once, job, tokens) for at_once in (1, SLOTS)}
    is_here = job.engine != "openai"
    return {
        **engine.describe(),
        "answer_tokens": tokens,
        "load_seconds": loaded if is_here else None,
        "peak_memory_bytes": peak_memory_bytes() if is_here else None,
        "first_token_seconds": statistics.median(phases[1].firsts),
        "tokens_per_second": {str(n): phase.tokens_per_second for n, phase in phases.items()},
        "kwh_per_1000_tokens": {
            str(n): phase.energy.kwh / phase.tokens * 1000 if phase.energy.kwh is not None else None
            for n, phase in phases.items()
        },
        "energy_source": phases[1].energy.source,
        "characters_per_token": engine.characters_per_token(PASSAGE),
    }


def main(argv: Sequence[str]) -> int:
    """Measure the job given as JSON; a model that cannot be measured is told in one line on stderr."""
    try:
        result = measure(Job(**json.loads(argv[0])))
    except (ValueError, OSError, ImportError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    print(json.dumps(result), flush=True)
    os._exit(0)  # the threads of the engines have nothing left to do, and llama.cpp's take a while to end


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
