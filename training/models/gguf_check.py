"""Whether llama.cpp reads a GGUF as transformers reads the folder it was made of: tokens and answers of two prompts."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.common.paths import named_in_utf8
from training.common.workers import usable_cores
from training.data.prompts import fit
from training.models import gguf_server
from training.models.gguf_server import ABSENT, CONTEXT

QUESTIONS = ("Who painted Guernica, and in 1937?", "What is a neural network? It's asked in two sentences.")
LENGTH = 24
"""Tokens of each answer."""
TOLERANCE = 0.3
"""How far below the likeliest token's logit that of llama.cpp's may be, in standard deviations of the logits: rounding
to 8 bits moves near ties, and another place of a head or another frequency moves far more."""


def gguf_fault(path: Path, model: Any, tokenizer: Any) -> str | None:
    """What llama.cpp does otherwise with a GGUF than transformers with the model that it was made of, in words; None
    when it does the same, or is not installed here.

    llama.cpp ends the process that it runs in where it meets what it did not expect, so it has one of its own.
    """
    try:
        import httpx
    except ImportError:
        return None
    from training.hardware.compute import EXACT

    model = model.to(EXACT)  # llama.cpp's own sums are exact, and a CPU without bf16 takes minutes to emulate it
    with _served(path) as (process, address, key):
        if address == ABSENT:
            return None
        if not address:
            return "llama.cpp cannot load it"
        with httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=600, trust_env=False
        ) as client:
            try:
                return _first_fault(client, model, tokenizer)
            except httpx.HTTPStatusError as error:
                return f"llama.cpp answers with an error: {' '.join(error.response.text.split())[:200]}"
            except (httpx.HTTPError, ValueError) as error:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                ended = "ends its process at it" if process.returncode is not None else "does not answer"
                return f"llama.cpp {ended} ({str(error) or type(error).__name__})"


def _first_fault(client: Any, model: Any, tokenizer: Any) -> str | None:
    def post(place: str, **body: Any) -> Any:
        return client.post(place, json=body).raise_for_status().json()

    room = min(CONTEXT, getattr(model.config, "max_position_embeddings", CONTEXT))
    for question in QUESTIONS:
        text = _prompt(tokenizer, question)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if (theirs := post("/tokenize", content=text, add_special=False, parse_special=True)["tokens"]) != ids:
            return f"llama.cpp reads {question!r} as the tokens {theirs[:12]}, transformers as {ids[:12]}"
        ids, length = fit(ids, room, LENGTH)
        answer = post(
            "/completion", prompt=ids, n_predict=length, temperature=0.0, return_tokens=True, cache_prompt=False
        )["tokens"]
        if (place := _first_other(model, ids, answer)) is not None:
            return f"llama.cpp's answer to {question!r} differs from that of transformers at token {place + 1}"
    return None


@contextlib.contextmanager
def _served(path: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process of llama.cpp, its address, which is empty where it could not load the file, and the key to it."""
    key = secrets.token_hex(16)
    with (
        named_in_utf8(path) as readable,
        subprocess.Popen(
            [sys.executable, gguf_server.__file__, str(usable_cores()), str(readable)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(OSError):  # it may have ended already
                process.stdin.write(f"{key}\n")
                process.stdin.flush()
            found = (line.strip() for line in process.stdout)
            address = next((line for line in found if line == ABSENT or line.startswith("http")), "")
            yield process, address, key
        finally:
            process.kill()


def _prompt(tokenizer: Any, question: str) -> str:
    if not tokenizer.chat_template:
        return question
    chat = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)


def _first_other(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> int | None:
    """The first token of ``answer`` that is not the likeliest or close to it."""
    import torch

    if not answer:
        return None
    with torch.inference_mode():
        ids = torch.tensor([[*prompt, *answer]], device=model.device)
        logits = model(ids).logits[0, len(prompt) - 1 : -1]
    chosen = logits[torch.arange(len(answer)), torch.tensor(answer)]
    close = (logits.max(dim=-1).values - chosen) / logits.std(dim=-1) <= TOLERANCE  # which NaN is to nothing
    return None if close.all() else int((~close).nonzero()[0])
