"""Models on this machine: loaded when they are first asked, by transformers, by our own code or by llama.cpp."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from training.common.checkpoint_folder import CheckpointError
from training.corpus.sample import Sample
from training.data.prompts import encodable, llama_cpp_prompt
from training.evaluation.subjects import Answer, Chat, DocumentLoss, Likelihood, Unavailable, checksum, read_report

if TYPE_CHECKING:
    from training.evaluation.likelihood import Done
    from training.evaluation.networks import Network

SLOTS = 8
"""Answers that llama.cpp gives at the same time."""

LONGEST_CONTEXT = 4096
"""Tokens of question and answer for each of them at most, as for the networks in memory."""

TEMPLATE_TOKENS = 64
"""More than a chat template puts around a message."""


class LocalModel:
    """Model 1's ``.pt``, or a folder that transformers can load. A ``Subject``."""

    def __init__(self, spec: str, kind: str, path: Path, name: str) -> None:
        self.spec, self.kind, self.path, self.name = spec, kind, path, name
        self.report: dict[str, Any] | None = read_report(path)
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
        from training.evaluation.networks import Model1Network, TransformersNetwork

        return Model1Network(self.path) if self.kind == "model1" else TransformersNetwork(self.path)

    def loglikelihoods(self, pairs: Sequence[tuple[Chat | str, str]]) -> list[Likelihood]:
        from training.evaluation.likelihood import pair_likelihoods

        network = self.network
        ids = [network.form.pair(context, continuation) for context, continuation in pairs]
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
        from training.evaluation.networks import TransformersNetwork

        try:
            return TransformersNetwork(self.path.parent, self.path.name)
        except CheckpointError as error:
            raise Unavailable(f"its probabilities cannot be had: {error}") from error

    def answers(self, conversations: Sequence[Chat], max_new_tokens: int) -> list[Answer]:
        import xllamacpp

        # A token has a byte at least, so a conversation never has more of them than bytes.
        lengths = [[len(encodable(text).encode()) + TEMPLATE_TOKENS for _, text in chat] for chat in conversations]
        needed = max(map(sum, lengths), default=0)
        room, key = min(LONGEST_CONTEXT, needed + max_new_tokens), secrets.token_hex(16)
        try:
            server = xllamacpp.Server(self._parameters(xllamacpp, room, key))
        except RuntimeError as error:
            raise CheckpointError(
                f"{self.path}: llama.cpp cannot load it (cut short, or not a GGUF model); train or export it again"
            ) from error
        authorised = {"Authorization": f"Bearer {key}"}
        with httpx.Client(
            base_url=server.listening_address, headers=authorised, timeout=60, trust_env=False
        ) as client:  # past a proxy of the environment, which would be asked for 127.0.0.1 and told the key

            def post(path: str, body: dict[str, Any]) -> Any:
                return client.post(path, json=body).raise_for_status().json()

            trained = client.get("/v1/models").raise_for_status().json()["data"][0]["meta"]["n_ctx_train"]
            context = min(LONGEST_CONTEXT, int(trained))

            def answer(conversation: Chat) -> Answer:
                messages = [{"role": role, "content": content} for role, content in conversation]
                settings: dict[str, Any] = {"max_tokens": max_new_tokens, "temperature": 0.0, "stream": False}
                ids = llama_cpp_prompt(post, messages, context, max_new_tokens)
                if ids is None:
                    reply = server.handle_chat_completions({"messages": messages, **settings})
                else:
                    settings["max_tokens"] = min(max_new_tokens, context - len(ids))
                    reply = server.handle_completions({"prompt": ids, **settings})
                if "choices" not in reply:
                    raise Unavailable(f"llama.cpp does not answer: {reply}")
                self.done(1)
                return answer_of(reply)

            with ThreadPoolExecutor(SLOTS) as threads:
                return list(threads.map(answer, conversations))

    def _parameters(self, xllamacpp: Any, room: int, key: str) -> Any:
        """What llama.cpp is started with: ``room`` tokens for each answer with its question."""
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(self.path)
        parameters.n_parallel, parameters.n_ctx = SLOTS, SLOTS * room
        for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
            cpu.n_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            cpu.poll = 0
        parameters.fit_params = False
        parameters.cache_ram_mib = 0
        parameters.warmup = False
        parameters.verbosity = 0
        parameters.ui = False
        parameters.endpoint_slots = False
        parameters.api_keys = [key]  # it also listens on a loopback port, closed to others by this
        return parameters


def answer_of(reply: dict[str, Any]) -> Answer:
    """The answer in a reply of the form of OpenAI's chat completions, or of its completions."""
    choice = reply["choices"][0]
    stopped = choice.get("finish_reason") == "stop"
    tokens = int((reply.get("usage") or {}).get("completion_tokens") or 0)
    text = choice["message"].get("content") if "message" in choice else choice["text"]
    return Answer((text or "").strip(), tokens - (stopped and tokens > 0), stopped)
