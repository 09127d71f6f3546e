"""A model behind an OpenAI-compatible server: answers from any, probabilities from those that give them (vLLM)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from training.common.checkpoint_folder import CheckpointError
from training.corpus.sample import Sample
from training.evaluation.subjects import Answer, Chat, DocumentLoss, Likelihood, Unavailable
from training.inference.openai_client import Client
from training.inference.openai_connection import read_spec, without_password
from training.inference.openai_errors import ForGood, ServerError
from training.inference.openai_events import Text

T = TypeVar("T")
U = TypeVar("U")

AT_A_TIME = 8


class ServerModel:
    """One model of one server. A ``Subject``. The key, where the server wants one, is read from
    DIPTYCH_MODEL1_KEY or DIPTYCH_MODEL2_KEY where `name` is that model, else from OPENAI_API_KEY.

    Raises:
        CheckpointError: when the spec is not of the form ``openai:BASE_URL#MODEL``, or no server answers there.
    """

    kind = "openai"
    parameters: int | None = None
    report: dict[str, Any] | None = None
    trained_on: Path | None = None

    def __init__(self, spec: str, name: str | None = None) -> None:
        found = read_spec(spec)
        if found is None:
            raise CheckpointError(
                f"{without_password(spec)} is not of the form openai:BASE_URL#MODEL; for example"
                " openai:http://localhost:8000/v1#art"
            )
        self._client = Client(*found, name or "")
        self.done: Callable[[int], object] = lambda n: None
        try:
            self._client.find()
        except ServerError as error:
            raise CheckpointError(str(error)) from error
        self.spec = self._client.name  # a password is used and told nowhere
        self.name = name or self._client.model.rpartition("/")[2]
        self.sha256 = hashlib.sha256(self.spec.removeprefix("openai:").encode()).hexdigest()

    def answers(self, conversations: Sequence[Chat], max_new_tokens: int) -> list[Answer]:
        def answer(conversation: Chat) -> Answer:
            messages = [message._asdict() for message in conversation]
            fields = {"messages": messages, "max_tokens": max_new_tokens, "temperature": 0.0, "seed": 0}
            try:
                pieces = list(self._client.chat(fields))
            except ServerError as error:
                raise _unavailable("/chat/completions", error) from error
            text = pieces[-1][1] if pieces else Text()
            stopped, tokens = bool(text.finish) and not text.cut, int(text.total or 0)
            return Answer("".join(more for more, _ in pieces).strip(), tokens - (stopped and tokens > 0), stopped)

        return self._map(answer, conversations)

    def loglikelihoods(self, pairs: Sequence[tuple[Chat | str, str]]) -> list[Likelihood]:
        """Through completions that echo their prompt with its probabilities, in token ids that the server makes."""
        return self._map(self._likelihood, pairs)

    def document_losses(self, samples: Sequence[Sample]) -> list[DocumentLoss]:
        raise Unavailable(
            "a server does not tell which tokens are whose turn; measure held-out text on the model's own files"
        )

    def close(self) -> None:
        """The connection stays open for the next question."""

    def _likelihood(self, pair: tuple[Chat | str, str]) -> Likelihood:
        context, continuation = pair
        if isinstance(context, str):
            before = self._tokenize({"prompt": context, "add_special_tokens": True})
        else:
            messages = [message._asdict() for message in context]
            before = self._tokenize({"messages": messages, "add_generation_prompt": True})
        after = self._tokenize({"prompt": continuation, "add_special_tokens": False})
        if not before:
            raise Unavailable("the server encodes an empty context as no token; give one that is not empty")
        body = {"prompt": before + after, "max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 1}
        try:
            reply = self._client.post("completions", body)
        except ServerError as error:
            raise _unavailable("/completions", error) from error
        try:
            given = reply["choices"][0]["logprobs"]
            found = [float(value) for value in given["token_logprobs"][len(before) : len(before) + len(after)]]
            best = [max(tops.values()) for tops in given["top_logprobs"][len(before) : len(before) + len(after)]]
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise Unavailable(
                "the server does not give the probabilities of a prompt (completions with echo and logprobs, as vLLM "
                "does); measure the model's own files"
            ) from error
        if len(found) != len(after):
            raise Unavailable(
                "the server's completions do not echo the prompt (as vLLM's do); measure the model's files"
            )
        greedy = all(own >= top - 1e-6 for own, top in zip(found, best, strict=True))
        return Likelihood(-sum(found), len(found), len(continuation.encode()), greedy)

    def _tokenize(self, body: dict[str, Any]) -> list[int]:
        try:
            return [int(token) for token in self._client.post("/tokenize", body)["tokens"]]
        except (ServerError, KeyError, TypeError, ValueError) as error:
            raise Unavailable(
                f"the server has no /tokenize as vLLM has ({type(error).__name__}), so texts cannot be scored; measure "
                "the model's own files"
            ) from error

    def _map(self, ask: Callable[[T], U], questions: Sequence[T]) -> list[U]:
        """Several at a time: the server batches them."""

        def one(question: T) -> U:
            result = ask(question)
            self.done(1)
            return result

        with ThreadPoolExecutor(AT_A_TIME) as threads:
            return list(threads.map(one, questions))


def _unavailable(endpoint: str, error: ServerError) -> Unavailable:
    does = "refuses" if isinstance(error, ForGood) else "broke off at"
    return Unavailable(f"the server {does} {endpoint} ({error})")
