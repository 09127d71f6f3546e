"""A model that is measured, whatever its format: Model 1, a Hugging Face folder or id, a GGUF, or a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from training.common.score import Score
from training.corpus.sample import Message, Sample

Chat = Sequence[Message]
"""A conversation from the oldest turn on, the last one the user's."""


class Unavailable(Exception):
    """A part that this kind of model cannot give; the message is the reason, and becomes an entry of ``missing``."""


@dataclass(frozen=True)
class Likelihood(Score):
    """How likely a model finds a text: ``nats`` are −log p of it given what stands before it, ``greedy`` says whether
    it is what the model would have said itself, token by token the likeliest."""

    greedy: bool = False


@dataclass(frozen=True)
class DocumentLoss:
    """The losses of one sample: over its answers alone, and over everything that is said in it, prompts too."""

    answers: Likelihood
    everything: Likelihood


@dataclass(frozen=True)
class Answer:
    """An answer, how many tokens it has, and whether it stopped by itself, before it was cut off."""

    text: str
    tokens: int
    stopped: bool


class Subject(Protocol):
    """What every kind of model can be asked."""

    name: str  # ``model1``, ``model2``, the NAME of NAME=SPEC, or the name of the folder or file
    spec: str  # what the user named
    kind: str  # ``model1`` (.pt), ``transformers`` (folder or id of the Hub), ``gguf`` or ``openai``
    report: dict[str, Any] | None  # the ``training_report.json`` beside the checkpoint, if there is one
    trained_on: Path | None  # the file beside it that says which samples were trained on, if there is one
    done: Callable[[int], object]  # told of each number of texts that are done, for a progress bar; set it to be told

    @property
    def sha256(self) -> str:
        """Of weights and tokenizer (of a server: of address and model): the key of cached results."""
        ...

    @property
    def parameters(self) -> int | None:
        """How many, where that is known."""
        ...

    def loglikelihoods(self, pairs: Sequence[tuple[Chat | str, str]]) -> list[Likelihood]:
        """Of each continuation after its context, without the token that ends a turn.

        A context is a conversation, which is put in the model's own chat form up to where the answer begins, or raw
        text. What several pairs have in common is computed once.

        Raises:
            Unavailable: a server that gives no probabilities.
        """
        ...

    def document_losses(self, samples: Sequence[Sample]) -> list[DocumentLoss]:
        """Of each sample, in the model's own chat form; the tokens that end a turn are scored, roles are not.

        Raises:
            Unavailable: a server that gives no probabilities.
        """
        ...

    def answers(self, conversations: Sequence[Chat], max_new_tokens: int) -> list[Answer]:
        """The likeliest answer to each conversation. Raises Unavailable: a server that does not answer."""
        ...

    def close(self) -> None:
        """Free the memory of the weights; they are loaded again when they are needed."""
        ...
