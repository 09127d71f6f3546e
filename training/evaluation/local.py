"""Models on this machine: loaded when they are first asked, by transformers or by llama.cpp."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.common.checkpoint_folder import TRAINED_ON, CheckpointError, checksum, home_of, read_report
from training.corpus.sample import Sample
from training.data.prompts import encodable
from training.evaluation.subjects import Answer, Chat, DocumentLoss, Likelihood, Unavailable
from training.inference.engines import EngineError, Sampling
from training.inference.engines.llama_cpp import LlamaCpp

if TYPE_CHECKING:
    from training.evaluation.likelihood import Done
    from training.evaluation.networks import Network

LONGEST_CONTEXT = 4096
"""Tokens of question and answer for each of them at most, as for the networks in memory."""

TEMPLATE_TOKENS = 64
"""More than a chat template puts around a message."""


class LocalModel:
    """Model 1's ``.pt``, or a folder that transformers can load. A ``Subject``."""

    def __init__(self, spec: str, kind: str, path: Path, name: str) -> None:
        self.spec, self.kind, self.path, self.name = spec, kind, path, name
        self.report: dict[str, Any] | None = read_report(path)
        found = (home_of(path) or path.parent) / TRAINED_ON
        self.trained_on = found if found.is_file() else None
        self.done: Done = lambda n: None

    @cached_property
    def sha256(self) -> str:
        return checksum(self.path)

    @property
    def parameters(self) -> int | None:
        return self.network.parameters

    @cached_property
    def network(self) -> Network:
        """The model in memory. Raises CheckpointError in one line."""
        from training.evaluation.networks import Network

        return Network.of_model1(self.path) if self.kind == "model1" else Network.of_folder(self.path)

    def loglikelihoods(self, pairs: Sequence[tuple[Chat | str, str]]) -> list[Likelihood]:
        from training.evaluation.likelihood import pair_likelihoods

        network = self.network
        ids = network.form.pairs(pairs)
        return pair_likelihoods(network, ids, [len(text.encode()) for _, text in pairs], self.done)

    def document_losses(self, samples: Sequence[Sample]) -> list[DocumentLoss]:
        from training.evaluation.likelihood import document_likelihoods

        return document_likelihoods(self.network, self.network.form.documents(samples), self.done)

    def answers(self, conversations: Sequence[Chat], max_new_tokens: int) -> list[Answer]:
        import torch

        network = self.network
        prompts = [network.form.prompt(conversation) for conversation in conversations]
        with torch.inference_mode():
            answers = network.greedy(prompts, max_new_tokens)
        self.done(len(answers))
        return [Answer(network.form.decode(ids), len(ids), stopped) for ids, stopped in answers]

    def close(self) -> None:
        """Free the memory of the weights; they are loaded again when they are needed."""
        self.__dict__.pop("network", None)


class GGUFModel(LocalModel):
    """A GGUF: llama.cpp answers, as it does in the app; probabilities are those of the same weights in transformers,
    since llama.cpp does not tell the probabilities of a text that it is given."""

    @property
    def parameters(self) -> int | None:
        from gguf import GGUFReader

        return int(sum(int(tensor.n_elements) for tensor in GGUFReader(self.path).tensors))

    @cached_property
    def network(self) -> Network:
        """Raises Unavailable for an architecture that transformers cannot read from a GGUF."""
        from training.evaluation.networks import Network

        try:
            return Network.of_folder(self.path.parent, self.path.name)
        except CheckpointError as error:
            raise Unavailable(f"its probabilities cannot be had: {error}") from error

    def answers(self, conversations: Sequence[Chat], max_new_tokens: int) -> list[Answer]:
        # A token has a byte at least, so a conversation never has more of them than bytes.
        lengths = [[len(encodable(text).encode()) + TEMPLATE_TOKENS for _, text in chat] for chat in conversations]
        room = min(LONGEST_CONTEXT, max(map(sum, lengths), default=0) + max_new_tokens)
        engine = LlamaCpp(self.path, room, alone=True)
        sampling = Sampling(max_new_tokens, temperature=0.0, top_p=1.0, seed=0)

        def answer(conversation: Chat) -> Answer:
            pieces = list(engine.stream(list(conversation), sampling, threading.Event()))
            self.done(1)
            text, tokens = "".join(piece.text for piece in pieces), sum(piece.tokens for piece in pieces)
            stopped = pieces[-1].finish == "stop"
            return Answer(text.strip(), tokens - (stopped and tokens > 0), stopped)

        try:
            engine.start()
        except EngineError as error:
            raise CheckpointError(str(error)) from error
        try:
            with ThreadPoolExecutor(engine.slots) as threads:
                return list(threads.map(answer, conversations))
        except EngineError as error:
            raise Unavailable(str(error)) from error
        finally:
            engine.close()
