"""llama.cpp in this process, for the tests that compare it with our own arithmetic: greedy tokens from token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import xllamacpp


class LlamaCpp:
    """One GGUF file in a server object of xllamacpp."""

    def __init__(self, path: Path) -> None:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_parallel = 1
        parameters.n_ctx = 256
        parameters.fit_params = parameters.warmup = parameters.ui = False
        parameters.verbosity = 0
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1  # of two one would wait
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        # Flash attention adds up in half precision: its logits are off by 0.5%, which turns near ties.
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.server = xllamacpp.Server(parameters)
        self.http = httpx.Client(base_url=self.server.listening_address, timeout=60)

    def post(self, path: str, **body: Any) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def tokenise(self, text: str, special: bool = False) -> list[int]:
        return self.post("/tokenize", content=text, add_special=False, parse_special=special)["tokens"]

    def greedy(self, prompt: Sequence[int], n: int) -> list[int]:
        """The likeliest ``n`` tokens after ``prompt``, the end of an answer not stopping them."""
        answer = self.post(
            "/completion",
            prompt=list(prompt),
            n_predict=n,
            temperature=0.0,
            ignore_eos=False,
            return_tokens=True,
            cache_prompt=False,
        )
        return answer["tokens"]

    def chat_prompt(self, messages: list[dict[str, str]]) -> str:
        return self.post("/apply-template", messages=messages)["prompt"]

    def close(self) -> None:
        self.http.close()
