"""One model served as the app serves it, and timed, in a process of its own: its peak memory is then its own too.

`training.evaluation.cost` starts this module, once for every repeat, with a job as JSON; the measurements are the last
line that it prints.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.common.progress import quiet_transformers
from training.hardware.energy import Energy, EnergyUse
from training.hardware.memory import peak_memory_bytes
from training.inference.engines import EngineError, Message, Sampling
from training.inference.engines.llama_cpp import LlamaCpp
from training.inference.engines.openai_server import OpenAIServer
from training.inference.engines.pytorch import HuggingFace, TrainedFromScratch

EngineName = Literal["llama.cpp", "transformers", "openai"]

SLOTS = 8
"""Questions asked together."""
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
    """What to measure."""

    engine: EngineName  # which engine answers
    source: str  # a GGUF file, a folder in Hugging Face's form, a `.pt`, an id of the Hub, or BASE_URL#MODEL
    tokens: int = 64  # length of each answer; the end of an answer is ignored, so that all models say equally much
    seconds: float = 1.0  # how long questions are asked, at least, one at a time and then eight at a time
    country: str = "GBR"  # whose electricity mix codecarbon counts with, ISO 3166 code of three letters
    role: str = ""  # whose key a server gets, ``model1`` or ``model2``; otherwise the one for both


@dataclass(frozen=True)
class Timing:
    """One answer: seconds until its first text, and its length in tokens."""

    first: float
    tokens: int


Served = LlamaCpp | HuggingFace | TrainedFromScratch | OpenAIServer


def ask(engine: Served, questions: Sequence[str], tokens: int) -> list[Timing]:
    """Ask all questions at once and wait for all answers, each timed."""
    return list(_ASKERS.map(lambda question: _answer(engine, question, tokens), questions))


_ASKERS = ThreadPoolExecutor(SLOTS)


def _answer(engine: Served, question: str, tokens: int) -> Timing:
    sampling = Sampling(tokens, temperature=0.0, top_p=1.0, seed=0, to_the_end=True)
    started, first, tokens_so_far = time.perf_counter(), 0.0, 0
    for piece in engine.stream([Message("user", question)], sampling, threading.Event()):
        if piece.tokens and not first:
            first = time.perf_counter() - started
        tokens_so_far += piece.tokens
    if not tokens_so_far:
        raise ValueError("an empty answer; check the model")
    return Timing(first, tokens_so_far)


def characters_per_token(engine: Served, text: str) -> float | None:
    """Of a text in the model's tokenizer, where that is at hand."""
    count = engine.count(text)
    return len(text) / count if count else None


def open_engine(job: Job) -> Served:
    """The engine of a job, as the app has it, not loaded yet; its libraries are imported."""
    path = Path(job.source)
    if job.engine == "openai":
        base_url, _, model = job.source.partition("#")
        return OpenAIServer(base_url, model, job.role)
    if job.engine == "llama.cpp":
        import xllamacpp  # noqa: F401 - not a part of the time that loading takes

        return LlamaCpp(path)
    import torch  # noqa: F401 - as above
    import transformers  # noqa: F401

    quiet_transformers()
    return TrainedFromScratch(path) if path.suffix == ".pt" else HuggingFace(path, needs_template=False)


@dataclass(frozen=True)
class Phase:
    """Questions asked so many at a time for a while."""

    firsts: list[float]  # seconds to the first text of each answer
    tokens: int
    tokens_per_second: float  # over the whole time, prompts included
    energy: EnergyUse  # what that took, if it can be known


def run_phase(engine: Served, at_once: int, job: Job, tokens: int) -> Phase:
    """Ask for at least ``job.seconds``, in rounds of ``at_once`` questions."""
    questions = itertools.cycle(QUESTIONS)
    timings: list[Timing] = []
    energy = Energy()
    metered = energy.measure(job.country) if job.engine != "openai" else contextlib.nullcontext()
    with metered:
        started = time.perf_counter()
        while (passed := time.perf_counter() - started) < job.seconds or not timings:
            timings += ask(engine, [next(questions) for _ in range(at_once)], tokens)
    total = sum(timing.tokens for timing in timings)
    return Phase([timing.first for timing in timings], total, total / passed, energy.so_far())


def measure(job: Job) -> dict[str, Any]:
    """Everything that one process can tell; energy and memory of a server elsewhere cannot be known here."""
    engine = open_engine(job)
    started = time.perf_counter()
    engine.start()
    loaded = time.perf_counter() - started
    started = time.perf_counter()
    warm = ask(engine, QUESTIONS[:1], WARM_UP_TOKENS)[0]
    rate = warm.tokens / (time.perf_counter() - started)
    tokens = max(LEAST_TOKENS, min(job.tokens, int(rate * ANSWER_SECONDS)))
    phases = {at_once: run_phase(engine, at_once, job, tokens) for at_once in (1, SLOTS)}
    is_here = job.engine != "openai"
    return {
        **engine.setup(),
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
        "characters_per_token": characters_per_token(engine, PASSAGE),
    }


def main(argv: Sequence[str]) -> int:
    """Measure the job given as JSON; a model that cannot be measured is reported in one line on stderr."""
    try:
        result = measure(Job(**json.loads(argv[0])))
    except (ValueError, OSError, ImportError, EngineError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    print(json.dumps(result), flush=True)
    os._exit(0)  # the threads of the engines have nothing left to do, and llama.cpp's take a while to end


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
