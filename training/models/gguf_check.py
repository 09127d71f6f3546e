"""Whether llama.cpp reads a GGUF as transformers reads the folder it was made of: tokens and answers of two prompts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.common.workers import usable_cores

QUESTIONS = ("Who painted Guernica, and in 1937?", "What is a neural network? It's asked in two sentences.")
LENGTH = 24
"""Tokens of each answer."""
TOLERANCE = 0.3
"""How far below the likeliest token's logit that of llama.cpp's may be, in standard deviations of the logits: rounding
to 8 bits moves near ties, and another place of a head or another frequency moves far more."""


def gguf_fault(path: Path, model: Any, tokenizer: Any) -> str | None:
    """What llama.cpp does otherwise, in words; None when it does the same, or is not installed here.

    Args:
        path: of the GGUF.
        model: the model in transformers, of which it was made.
    """
    try:
        import httpx
        import xllamacpp
    except ImportError:
        return None
    from training.hardware.compute import EXACT

    model = model.to(EXACT)  # llama.cpp's own sums are exact, and a CPU without bf16 takes minutes to emulate it
    key = secrets.token_hex(16)
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, path, key))
    except RuntimeError:
        return "llama.cpp cannot load it"
    with httpx.Client(
        base_url=server.listening_address, headers={"Authorization": f"Bearer {key}"}, timeout=600, trust_env=False
    ) as client:

        def post(place: str, **body: Any) -> Any:
            return client.post(place, json=body).raise_for_status().json()

        for question in QUESTIONS:
            text = _prompt(tokenizer, question)
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            if (theirs := post("/tokenize", content=text, add_special=False, parse_special=True)["tokens"]) != ids:
                return f"llama.cpp reads {question!r} as the tokens {theirs[:12]}, transformers as {ids[:12]}"
            answer = post(
                "/completion", prompt=ids, n_predict=LENGTH, temperature=0.0, return_tokens=True, cache_prompt=False
            )["tokens"]
            if (place := _first_other(model, ids, answer)) is not None:
                return f"llama.cpp's answer to {question!r} differs from that of transformers at token {place + 1}"
    return None


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


def _parameters(xllamacpp: Any, path: Path, key: str) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_parallel, parameters.n_ctx = 1, 256
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        cpu.n_threads = usable_cores()
        cpu.poll = 0
    parameters.fit_params = parameters.warmup = parameters.ui = parameters.endpoint_slots = False
    parameters.cache_ram_mib = 0
    parameters.verbosity = 0
    parameters.n_gpu_layers = 0
    parameters.api_keys = [key]  # it listens on a loopback port, closed to others by this
    return parameters
