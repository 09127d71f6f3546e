"""A model behind an OpenAI-compatible server: answers from any, probabilities from those that give them (vLLM)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from training.corpus.sample import Sample
from training.evaluation.local import answer_of
from training.evaluation.subjects import Answer, Chat, DocumentLoss, Likelihood, Unavailable

T = TypeVar("T")
U = TypeVar("U")

SECONDS = 180.0
AT_A_TIME = 8


class ServerModel:
    """One model of one server. A ``Subject``. The key, where the server wants one, is read from OPENAI_API_KEY.

    Raises:
        CheckpointError: when the spec is not of the form ``openai:BASE_URL#MODEL``, or no server answers there.
    """

    kind = "openai"
    parameters: int | None = None
    report: dict[str, Any] | None = None

    def __init__(self, spec: str, name: str | None = None) -> None:
        from training.generation import CheckpointError

        base_url, _, self.model = spec.removeprefix("openai:").partition("#")
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or not self.model:
            raise CheckpointError(
                f"{spec} is not of the form openai:BASE_URL#MODEL; for example openai:http://localhost:8000/v1#art"
            )
        self.name, self.base_url = name or self.model.rpartition("/")[2], base_url.rstrip("/")
        self.spec = spec = re.sub(r"//[^/@#]*@", "//", spec)  # a password is used and told nowhere
        self.sha256 = hashlib.sha256(f"{self.base_url}#{self.model}".encode()).hexdigest()
        key = os.environ.get("OPENAI_API_KEY", "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(SECONDS, connect=5.0))
        self.done: Callable[[int], object] = lambda n: None
        try:
            self._client.get(f"{self.base_url}/models", timeout=5.0)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CheckpointError(
                f"{spec}: no OpenAI-compatible server answers there ({error}); start it first, or check the address "
                "(it usually ends in /v1)"
            ) from error

    def answers(self, conversations: Sequence[Chat], max_new_tokens: int) -> list[Answer]:
        def answer(conversation: Chat) -> Answer:
            messages = [{"role": role, "content": content} for role, content in conversation]
            body = {"messages": messages, "max_tokens": max_new_tokens, "temperature": 0.0, "seed": 0}
            return answer_of(self._post("/chat/completions", body))

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
            messages = [{"role": role, "content": content} for role, content in context]
            before = self._tokenize({"messages": messages, "add_generation_prompt": True})
        after = self._tokenize({"prompt": continuation, "add_special_tokens": False})
        if not before:
            raise Unavailable("the server encodes an empty context as no token; give one that is not empty")
        body = {"prompt": before + after, "max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 1}
        reply = self._post("/completions", body)
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
        root = self.base_url.removesuffix("/v1")
        try:
            reply = self._client.post(f"{root}/tokenize", json={"model": self.model, **body})
            reply.raise_for_status()
            return [int(token) for token in reply.json()["tokens"]]
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            raise Unavailable(
                f"the server has no /tokenize as vLLM has ({type(error).__name__}), so texts cannot be scored; measure "
                "the model's own files"
            ) from error

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            reply = self._client.post(f"{self.base_url}{path}", json={"model": self.model, **body})
            reply.raise_for_status()
            content = reply.json()
        except httpx.HTTPStatusError as error:
            said = " ".join(error.response.text.split())[:160]
            raise Unavailable(f"the server refuses {path} (HTTP {error.response.status_code}: {said})") from error
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"the server broke off at {path} ({error or type(error).__name__})") from error
        if not isinstance(content, dict):
            raise Unavailable(f"the server's reply to {path} is not an object")
        return content

    def _map(self, ask: Callable[[T], U], questions: Sequence[T]) -> list[U]:
        """Several at a time: the server batches them."""

        def one(question: T) -> U:
            result = ask(question)
            self.done(1)
            return result

        with ThreadPoolExecutor(AT_A_TIME) as threads:
            return list(threads.map(one, questions))
