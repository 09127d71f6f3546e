"""PyTorch in this process: a GPU, or a checkpoint for which there is no GGUF.

torch and transformers are imported when a model starts, so that an app on llama.cpp alone never loads them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.engines import EngineError, Message, Piece, Sampling
from app.engines.checksum import file_sha256
from app.engines.relay import Emit, relay


class HuggingFace:
    """A folder in Hugging Face's form: `config.json`, weights and a tokenizer with a chat template."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._model: Any = None
        self._tokenizer: Any = None
        self._one_at_a_time = threading.Lock()  # a seed belongs to the whole process

    def start(self) -> None:
        """Load model and tokenizer on the best device. Raises EngineError."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = _device(torch)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(self.folder)
            model: Any = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=torch.float32 if device == "cpu" else "auto"
            )
        except Exception as error:  # transformers raises many kinds for a broken folder
            raise EngineError(f"{self.folder}: transformers cannot load it ({_one_line(error)})") from error
        if not self._tokenizer.chat_template:
            raise EngineError(f"{self.folder}: its tokenizer has no chat template; train or export the model again")
        if len(self._tokenizer) > model.get_input_embeddings().weight.shape[0]:
            raise EngineError(
                f"{self.folder}: the tokenizer belongs to another model (it has more tokens than this one)"
            )
        self._model = model.to(device).eval()

    def stream(self, messages: list[Message], sampling: Sampling, cancel: threading.Event) -> Iterator[Piece]:
        """Yield the answer as transformers generates it."""
        if self._model is None:
            raise EngineError(f"{self.folder}: not started")
        return relay(lambda emit: self._answer(messages, sampling, cancel, emit), cancel)

    def _answer(self, messages: list[Message], sampling: Sampling, cancel: threading.Event, emit: Emit) -> None:
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

        class Cancelled(StoppingCriteria):
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
                return torch.full((input_ids.shape[0],), cancel.is_set(), device=input_ids.device)

        prompt = self._encode(messages).to(self._model.device)
        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        draw = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        outcome: list[Any] = []

        def generate() -> None:
            try:
                torch.manual_seed(sampling.seed)
                outcome.append(
                    self._model.generate(
                        input_ids=prompt,
                        attention_mask=torch.ones_like(prompt),
                        max_new_tokens=sampling.max_new_tokens,
                        streamer=streamer,
                        stopping_criteria=StoppingCriteriaList([Cancelled()]),
                        **(draw if sampling.temperature > 0 else {"do_sample": False}),
                    )
                )
            except Exception as error:
                outcome.append(error)
                streamer.end()

        with self._one_at_a_time:
            worker = threading.Thread(target=generate, daemon=True)
            worker.start()
            for text in streamer:
                emit(Piece(text, 0))
            worker.join()
        if isinstance(outcome[0], Exception):
            raise EngineError(f"{self.folder}: {_one_line(outcome[0])}") from outcome[0]
        tokens = outcome[0].shape[1] - prompt.shape[1]
        emit(Piece("", tokens, "length" if tokens >= sampling.max_new_tokens else "stop"))

    def _encode(self, messages: list[Message]) -> Any:
        encoded = self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        return encoded["input_ids"]

    def fits(self, messages: list[Message], max_new_tokens: int) -> bool:
        """Whether prompt and answer have room, counted with the model's own template and tokenizer."""
        context = getattr(self._model.config, "max_position_embeddings", None)
        return context is None or self._encode(messages).shape[1] + max_new_tokens <= context

    def describe(self) -> dict[str, str]:
        """Kind, the folder's name and the SHA-256 of the weights."""
        weights = next(iter(sorted(self.folder.glob("*.safetensors"))), self.folder / "config.json")
        return {"kind": "transformers", "source": self.folder.name, "sha256": file_sha256(weights)}

    def health(self) -> dict[str, object]:
        """Whether the model is loaded, and where."""
        return {"ok": self._model is not None, "device": str(self._model.device) if self._model else ""}

    def close(self) -> None:
        """Free the model."""
        self._model = None


class TrainedFromScratch:
    """Model 1 as a `.pt`, with its tokenizer beside it, decoded by `training.generation`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._model: Any = None
        self._tokenizer: Any = None

    def start(self) -> None:
        """Load model and tokenizer on the best device. Raises EngineError."""
        import torch

        from training import generation

        try:
            model, self._tokenizer = generation.load(self.path)
        except ValueError as error:  # CheckpointError or TokenizerError, whose one line says what to do
            raise EngineError(_one_line(error)) from error
        self._model = model.to(_device(torch)).eval()

    def stream(self, messages: list[Message], sampling: Sampling, cancel: threading.Event) -> Iterator[Piece]:
        """Yield the answer token by token."""
        if self._model is None:
            raise EngineError(f"{self.path}: not started")
        return relay(lambda emit: self._answer(messages, sampling, emit), cancel)

    def _answer(self, messages: list[Message], sampling: Sampling, emit: Emit) -> None:
        from training import generation

        tokens = 0
        for text in generation.stream(
            self._model,
            self._tokenizer,
            _pairs(messages),
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
        ):
            tokens += 1
            if not emit(Piece(text, 1)):
                return
        emit(Piece("", 0, "length" if tokens >= sampling.max_new_tokens else "stop"))

    def fits(self, messages: list[Message], max_new_tokens: int) -> bool:
        """Whether prompt and answer have room, counted with the model's own tokenizer."""
        prompt = self._tokenizer.encode_chat(_pairs(messages))
        return len(prompt) + max_new_tokens <= int(self._model.config["max_seq_len"])

    def describe(self) -> dict[str, str]:
        """Kind, name and SHA-256 of the file; its folder is left out, so that moving it does not begin a new study."""
        return {"kind": "pytorch", "source": self.path.name, "sha256": file_sha256(self.path)}

    def health(self) -> dict[str, object]:
        """Whether the model is loaded."""
        return {"ok": self._model is not None}

    def close(self) -> None:
        """Free the model."""
        self._model = None


def _device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _pairs(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages]


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
