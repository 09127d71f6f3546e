"""llama.cpp in this process, through xllamacpp: a GGUF file, continuous batching, no GPU needed."""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from training.common.checkpoint_folder import CheckpointError, served_sha256
from training.common.paths import named_in_utf8
from training.common.workers import usable_cores
from training.data.prompts import llama_cpp_prompt
from training.inference.engines import CONTEXT, Emit, EngineError, Message, Piece, Sampling, relay
from training.models.whole import check_gguf

SLOTS = 8  # conversations decoded together in one batch
SMALL_BYTES = 50_000_000
FEW_CORES = 2  # on so few no model gets more than half (docs/experiments.md, 2026-11-28)
HEALTH_SECONDS = 5.0  # a server object that does not answer a health check for so long is dead
PROMPT_BATCH = 128  # tokens read between two looks at `cancel`


_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Of a GGUF's values by their types (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); texts and lists have
lengths of their own."""
_TEXT, _LIST = 8, 9


def trained_context(path: Path) -> int | None:
    """The tokens that the model of a GGUF reads at most, from the front of the file; None where it is told behind the
    tokenizer's lists, which take a second to read, or not at all."""
    with contextlib.suppress(OSError, struct.error, KeyError), path.open("rb") as file:

        def number(form: str) -> int:
            return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])

        file.seek(16)  # the magic number, the version and the number of tensors
        for _ in range(number("<Q")):
            name, kind, count = file.read(min(number("<Q"), 1 << 16)), number("<I"), 1
            if name.startswith(b"tokenizer."):
                return None
            if name.endswith(b".context_length"):
                return int.from_bytes(file.read(_BYTES[kind]), "little")
            if kind == _LIST:
                kind, count = number("<I"), number("<Q")
            for _ in range(min(count, 1000)) if kind == _TEXT else ():
                file.seek(number("<Q"), os.SEEK_CUR)
            file.seek(0 if kind == _TEXT else count * _BYTES[kind], os.SEEK_CUR)
    return None


class LlamaCpp:
    """One GGUF model in one llama.cpp server object inside this process.

    `context` is in tokens, of each conversation. With `alone`, for an evaluation, it takes all cores, and cuts what is
    longer than its context; the app cuts by itself.
    """

    slots = SLOTS

    def __init__(self, path: Path, context: int = CONTEXT, *, alone: bool = False) -> None:
        self.path, self._most, self._alone = path, context, alone
        self._broken = False  # an answer broke off without a word
        self._server: Any = None
        self._http: httpx.Client | None = None
        self._context = context

    def start(self) -> None:
        """Load the file. Raises EngineError when it is missing, cut short or not a GGUF."""
        import xllamacpp

        self.close()
        if not self.path.is_file():
            raise EngineError(f"{self.path}: no such file; train the model first or name another checkpoint")
        key = secrets.token_hex(16)
        try:
            with named_in_utf8(self.path) as readable:
                parameters = self._parameters(xllamacpp, key)
                parameters.model.path = str(readable)
                self._server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise EngineError(self._why_not()) from error
        # The object also listens on a loopback port. It is used here to count tokens, and closed to others by the key.
        self._http = httpx.Client(
            base_url=self._server.listening_address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,  # a proxy of the environment knows nothing of this machine's port, nor may it know the key
        )
        model = self._request("GET", "/v1/models")["data"][0]["meta"]
        self._context = min(self._most, int(model["n_ctx_train"]))
        self._broken = False

    def _why_not(self) -> str:
        """Why llama.cpp does not load the file, which says so only in its log."""
        try:
            check_gguf(self.path)
        except CheckpointError as problem:
            if problem.__cause__ is None:  # it can be read as a GGUF, and a weight is NaN or infinite
                return str(problem)
        except OSError as problem:
            return f"{self.path}: cannot be read ({problem.strerror}); check its rights"
        return f"{self.path}: llama.cpp cannot load it (cut short, or not a GGUF model); train or export it again"

    def _parameters(self, xllamacpp: Any, key: str) -> Any:
        half, together = self._threads()
        parameters = xllamacpp.CommonParams()
        parameters.model_alias = {"model"}
        parameters.n_parallel = SLOTS
        # Room is taken for all of it at once: with 2,048 tokens for each of GPT-2 XL's conversations, of which it reads
        # 1,024, that was 5 GB in place of 2.5.
        parameters.n_ctx = SLOTS * min(self._most, trained_context(self.path) or self._most)
        parameters.n_batch = parameters.n_ubatch = PROMPT_BATCH
        for cpu, threads in ((parameters.cpuparams, half), (parameters.cpuparams_batch, together)):
            cpu.n_threads = threads
            cpu.poll = 0  # of no effect where llama.cpp is built with OpenMP, whose threads wait as `SPINS` says
        parameters.check_tensors = True  # NaN and infinite weights would answer, as others than were trained
        parameters.fit_params = False
        parameters.cache_ram_mib = 0
        parameters.warmup = False
        parameters.verbosity = 0
        parameters.ui = False
        parameters.endpoint_slots = False
        parameters.api_keys = [key]
        return parameters

    def _threads(self) -> tuple[int, int]:
        """For one conversation, and for several together.

        Two models answer at the same time. One conversation decodes on half of the cores. Several together, and
        prompts, take all of them, but for a small model, which is done early, and but for two cores, where threads
        that share one with a second program, or with the other model, would make each other wait at every operation.
        """
        cores = usable_cores()
        if self._alone:
            return cores, cores
        half = max(1, cores // 2)
        return half, half if cores <= FEW_CORES or self.path.stat().st_size < SMALL_BYTES else cores

    def stream(self, messages: list[Message], sampling: Sampling, cancel: threading.Event) -> Iterator[Piece]:
        """Yield the answer token by token. Raises EngineError."""
        if self._server is None:
            raise EngineError(f"{self.path}: not started")
        server = self._server  # a new start during the answer does not change it
        return relay(lambda emit: self._answer(server, self.request(messages, sampling), emit, cancel), cancel)

    def request(self, messages: list[Message], sampling: Sampling) -> dict[str, Any]:
        """What llama.cpp is asked, in OpenAI's form with its own additions.

        Its chat endpoint would take a typed special token for the real one: a conversation with one goes as token ids.
        """
        room = sampling.max_new_tokens
        ids = llama_cpp_prompt(self._post, messages, self._context if self._alone else None, room)
        if ids is not None and self._alone:
            room = min(room, self._context - len(ids))
        conversation: dict[str, Any] = {"messages": [m._asdict() for m in messages]} if ids is None else {"prompt": ids}
        if sampling.to_the_end:
            conversation |= {"ignore_eos": True, "cache_prompt": False}
        return {
            **conversation,
            "max_tokens": room,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": 0,
            "min_p": 0.0,
            "seed": sampling.seed,
            "stream": True,
            "return_progress": True,  # events while the prompt is read, so that a stop is seen there too
        }

    def _answer(self, server: Any, request: dict[str, Any], emit: Emit, cancel: threading.Event) -> None:
        tokens = 0
        error = ""
        ended = False

        def receive(event: dict[str, Any]) -> bool:  # True asks llama.cpp to stop
            nonlocal tokens, error, ended
            if "error" in event:
                error = str(event["error"].get("message", "failed"))
                return True
            piece = _piece(event, tokens)
            tokens += piece.tokens
            ended = ended or bool(piece.finish)
            return not emit(piece)

        try:
            ask = server.handle_chat_completions if "messages" in request else server.handle_completions
            ask(request, receive)
        except Exception as failure:  # whatever the binding raises, the object is not to be trusted any more
            self._broken = server is self._server
            raise EngineError(f"{self.path}: llama.cpp broke ({failure})") from failure
        if error:
            raise EngineError(f"{self.path}: {error}")
        if not ended and not cancel.is_set():
            self._broken = server is self._server
            raise EngineError(f"{self.path}: llama.cpp broke off in an answer")

    def fits(self, messages: list[Message], max_new_tokens: int) -> bool:
        """Whether prompt and answer have room, counted with the model's own template and tokenizer."""
        tokens = llama_cpp_prompt(self._post, messages)
        if tokens is None:
            prompt = self._post("/apply-template", {"messages": [m._asdict() for m in messages]})["prompt"]
            tokens = self._post("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
        return len(tokens) + max_new_tokens <= self._context

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._request("POST", path, body)

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if self._http is None:
            raise EngineError(f"{self.path}: not started")
        try:
            return self._http.request(method, path, json=body).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise EngineError(f"{self.path}: llama.cpp does not answer ({error})") from error

    def describe(self) -> dict[str, str]:
        """Kind, name and SHA-256 of the file; its folder is left out, so that moving it does not begin a new study."""
        return {"kind": "llama.cpp", "source": self.path.name, **served_sha256(self.path)}

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self._post("/tokenize", {"content": text})["tokens"])

    def setup(self) -> dict[str, Any]:
        """Engine, version, device and threads, for one conversation and for eight."""
        import xllamacpp

        one, eight = self._threads()
        version = f"xllamacpp {xllamacpp.__version__}"
        return {"engine": "llama.cpp", "version": version, "device": "cpu", "threads": {"1": one, "8": eight}}

    def health(self) -> dict[str, object]:
        """Whether the server object answers; its context in tokens."""
        http = self._http
        try:
            ok = http is not None and not self._broken and http.get("/health", timeout=HEALTH_SECONDS).is_success
        except (httpx.HTTPError, RuntimeError):  # RuntimeError: closed at this moment
            ok = False
        return {"ok": ok, "context": self._context}

    def close(self) -> None:
        """Free the model."""
        self._server = None
        if self._http is not None:
            self._http.close()
            self._http = None


def _piece(event: dict[str, Any], tokens_before: int) -> Piece:
    """One streaming event of llama.cpp, without anything that names the model."""
    choice = event["choices"][0]
    if not choice["finish_reason"]:
        text = (choice["delta"].get("content") if "delta" in choice else choice["text"]) or ""
        return Piece(text, 1 if text else 0)
    # One event can carry more than one token; the total is known only at the end.
    total = int(event.get("timings", {}).get("predicted_n", tokens_before))
    return Piece("", max(0, total - tokens_before), "length" if choice["finish_reason"] == "length" else "stop")
