"""PyTorch in this process: a GPU, or a checkpoint for which there is no GGUF.

Decoding is transformers' continuous batching: one thread takes a step for all conversations at once, and a new one
joins between two steps. Model 1's `.pt` is decoded as the Llama that it is exported as, so both kinds share the way.
torch and transformers are imported when a model starts, so that an app on llama.cpp alone never loads them.
"""

from __future__ import annotations

import itertools
import math
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.common.checkpoint_folder import CheckpointError, served_sha256
from training.data.prompts import ChatTokenizer
from training.inference.engines import CONTEXT, POLL_SECONDS, Emit, EngineError, Message, Piece, Sampling, relay
from training.models.whole import load_whole

SLOTS_CPU, SLOTS_GPU = 8, 32  # conversations decoded together
PAGE_TOKENS = 128  # of the paged key-value cache
STEP_TOKENS = 256  # prompts are read in parts of this size, between the steps of other conversations


class _Batched:
    """A causal language model of transformers and its tokenizer, decoding several conversations together."""

    slots = SLOTS_CPU

    def __init__(self, path: Path) -> None:
        self.path = path
        self._context = CONTEXT
        self._manager: Any = None
        self._end: tuple[int, ...] = ()  # the tokens that end an answer
        self._answers: dict[str, queue.SimpleQueue[Any]] = {}
        self._numbers = itertools.count()

    def _load(self) -> Any:
        """The model on the CPU; the tokenizer is kept. Raises EngineError."""
        raise NotImplementedError

    def _encode(self, messages: list[Message]) -> list[int]:
        raise NotImplementedError

    def _decode(self, ids: list[int]) -> str:
        raise NotImplementedError

    def count(self, text: str) -> int:
        """Tokens of a text."""
        raise NotImplementedError

    def start(self) -> None:
        """Load the model onto the best device and start decoding. Raises EngineError."""
        import torch
        from transformers import ContinuousBatchingConfig, GenerationConfig

        self.close()
        device = _device(torch)
        model = self._load().to(device).eval()
        self.slots = SLOTS_CPU if device == "cpu" else SLOTS_GPU
        self._context = min(CONTEXT, getattr(model.config, "max_position_embeddings", None) or CONTEXT)
        end = model.generation_config.eos_token_id
        self._end = tuple(end) if isinstance(end, list | tuple) else () if end is None else (end,)
        # transformers prepares only for the filters that the defaults use; each request brings its own values.
        defaults = GenerationConfig(
            do_sample=True,
            temperature=0.5,
            top_p=0.5,
            top_k=2,
            eos_token_id=list(self._end) or None,
            pad_token_id=next(iter(self._end), 0),
        )
        self._everything = model.config.get_text_config().vocab_size  # top_k that leaves nothing out
        self._manager = model.init_continuous_batching(
            generation_config=defaults,
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=PAGE_TOKENS,
                num_blocks=self.slots * math.ceil(self._context / PAGE_TOKENS),
                max_batch_tokens=STEP_TOKENS,
                max_requests_per_batch=self.slots,
                per_request_processors=True,
                auto_switch_to_flash=False,  # would look for kernels on the network
            ),
        )
        self._manager.start()
        while self._manager.batch_processor is None:  # it makes the cache and seeds in its own thread
            if not self._manager.is_running():
                raise EngineError(f"{self.path}: no room for the model's cache on {device}; its reason is in the log")
            time.sleep(0.01)
        threading.Thread(target=self._deliver, args=(self._manager,), name="engine-deliver", daemon=True).start()

    def _deliver(self, manager: Any) -> None:
        """Hand each result to the answer that waits for it, for as long as the decoding runs."""
        while manager.is_running():
            result = manager.get_result(timeout=POLL_SECONDS)
            if result is not None and (waiting := self._answers.get(result.request_id)):
                waiting.put(result)

    def stream(self, messages: list[Message], sampling: Sampling, cancel: threading.Event) -> Iterator[Piece]:
        """Yield the answer as it is decoded. Raises EngineError."""
        if self._manager is None:
            raise EngineError(f"{self.path}: not started")
        return relay(lambda emit: self._answer(self._manager, messages, sampling, cancel, emit), cancel)

    def _answer(
        self, manager: Any, messages: list[Message], sampling: Sampling, cancel: threading.Event, emit: Emit
    ) -> None:
        import torch

        prompt = self._encode(messages)
        if len(prompt) + sampling.max_new_tokens > self._context:
            raise EngineError(f"{self.path}: {len(prompt)} tokens and an answer exceed the context of {self._context}")
        name = str(next(self._numbers))
        results = self._answers[name] = queue.SimpleQueue()
        if len(self._answers) == 1:
            torch.manual_seed(sampling.seed)  # one source of chance for all: a seed repeats only an answer made alone
        try:
            manager.add_request(prompt, name, sampling.max_new_tokens, streaming=True, **self._draw(sampling))
            self._pass_on(manager, results, sampling, cancel, emit)
        finally:
            del self._answers[name]
            manager.cancel_request(name)

    def _draw(self, sampling: Sampling) -> dict[str, Any]:
        end: dict[str, Any] = {"eos_token_id": -1} if sampling.to_the_end else {}
        if sampling.temperature <= 0:
            return end | {"temperature": 1.0, "top_p": 1.0, "top_k": 1}
        drawn = {"temperature": float(sampling.temperature), "top_p": float(sampling.top_p)}
        return end | drawn | {"top_k": self._everything}

    def _pass_on(
        self, manager: Any, results: queue.SimpleQueue[Any], sampling: Sampling, cancel: threading.Event, emit: Emit
    ) -> None:
        end = () if sampling.to_the_end else self._end
        shown, counted = "", 0
        while not cancel.is_set():
            try:
                result = results.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if not manager.is_running():
                    raise EngineError(f"{self.path}: the decoding broke off; its reason is in the log") from None
                continue
            if result.error:
                raise EngineError(f"{self.path}: {_one_line(result.error)}")
            ids = [token for token in result.generated_tokens if token not in end]
            text = self._decode(ids)
            if result.is_finished() or not text.endswith("\ufffd"):  # else a character is not complete yet
                listening = emit(Piece(text[len(shown) :], len(ids) - counted))
                shown, counted = text, len(ids)
                if not listening:
                    return
            if result.is_finished():
                emit(Piece("", 0, "length" if len(ids) >= sampling.max_new_tokens else "stop"))
                return

    def fits(self, messages: list[Message], max_new_tokens: int) -> bool:
        """Whether prompt and answer have room, counted with the model's own template and tokenizer."""
        return len(self._encode(messages)) + max_new_tokens <= self._context

    def setup(self) -> dict[str, Any]:
        """Engine, version, device and threads, for one conversation and for eight."""
        import torch
        import transformers

        version = f"transformers {transformers.__version__}, torch {torch.__version__}"
        threads = {"1": torch.get_num_threads(), "8": torch.get_num_threads()}
        return {"engine": "transformers", "version": version, "device": _device(torch), "threads": threads}

    def health(self) -> dict[str, object]:
        """Whether the decoding runs, and where."""
        manager = self._manager
        running = manager is not None and manager.is_running()
        return {"ok": running, "context": self._context, "device": str(manager.model.device) if running else ""}

    def close(self) -> None:
        """End the decoding and free the model."""
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.stop(timeout=5, hard_stop=True)


class HuggingFace(_Batched):
    """A folder in Hugging Face's form: `config.json`, weights and a tokenizer with a chat template.

    `needs_template` is False for measurements alone: a base is then asked the text of the last message, as it stands.
    """

    def __init__(self, path: Path, *, needs_template: bool = True) -> None:
        super().__init__(path)
        self._needs_template = needs_template

    def _load(self) -> Any:
        import torch
        from transformers import AutoTokenizer

        from training.hardware.compute import serving_dtype

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(self.path)
            self._chat = ChatTokenizer(self._tokenizer)
            model = load_whole(self.path, dtype=serving_dtype(_device(torch)))
        except CheckpointError as error:
            raise EngineError(str(error)) from error
        except Exception as error:  # transformers raises many kinds for a broken folder
            raise EngineError(f"{self.path}: transformers cannot load it ({_one_line(error)})") from error
        if self._needs_template and not self._tokenizer.chat_template:
            raise EngineError(f"{self.path}: its tokenizer has no chat template; train or export the model again")
        if len(self._tokenizer) > model.get_input_embeddings().weight.shape[0]:
            raise EngineError(f"{self.path}: the tokenizer belongs to another model (it has more tokens than this one)")
        return model

    def _encode(self, messages: list[Message]) -> list[int]:
        if not self._tokenizer.chat_template:
            return list(self._tokenizer(messages[-1].content, add_special_tokens=False)["input_ids"])
        return self._chat.prompt(messages)

    def count(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def describe(self) -> dict[str, str]:
        """Kind, the folder's name and the SHA-256 of what decides its answers."""
        return {"kind": "transformers", "source": self.path.name, **served_sha256(self.path)}


class TrainedFromScratch(_Batched):
    """Model 1 as a `.pt`, with its tokenizer beside it."""

    def _load(self) -> Any:
        from training.models.checkpoint import load
        from training.models.hf_format import to_llama

        try:
            model, self._tokenizer = load(self.path)
        except ValueError as error:  # CheckpointError or TokenizerError, whose one line says what to do
            raise EngineError(_one_line(error)) from error
        return to_llama(model)

    def _encode(self, messages: list[Message]) -> list[int]:
        return list(self._tokenizer.encode_chat(messages))

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode_batch([text])[0])

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids))

    def describe(self) -> dict[str, str]:
        """Kind, name and SHA-256 of the file; its folder is left out, so that moving it does not begin a new study."""
        return {"kind": "pytorch", "source": self.path.name, **served_sha256(self.path)}


def _device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _one_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
