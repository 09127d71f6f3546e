"""Model 1's tokens one after another: many conversations at a time, each with its own settings and length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from training.data.prompts import fit
from training.models.tokenizer import END
from training.models.transformer import KeyValueCache, ModernTransformer


def sample(logits_V: Tensor, *, temperature: float, top_p: float, top_k: int, generator: torch.Generator | None) -> int:
    """One token id; temperature 0 takes the likeliest."""
    if temperature <= 0:
        return int(logits_V.argmax())
    probabilities = (logits_V.float() / temperature).softmax(-1)
    ordered, ids = probabilities.sort(descending=True)
    if top_k > 0:
        ordered[top_k:] = 0
    ordered[ordered.cumsum(0) - ordered >= top_p] = 0
    return int(ids[torch.multinomial(ordered, 1, generator=generator)])


def penalise(logits_V: Tensor, seen: Sequence[int], penalty: float) -> Tensor:
    """Repetition penalty of CTRL (Keskar et al. 2019): logits of tokens already produced are made less likely."""
    if penalty != 1.0 and seen:
        ids = torch.tensor(sorted(set(seen)), device=logits_V.device)
        values = logits_V[ids]
        logits_V = logits_V.clone()
        logits_V[ids] = torch.where(values > 0, values / penalty, values * penalty)
    return logits_V


@dataclass(eq=False)
class Answer:
    """An answer in the making, with how it is drawn; ``finished`` says why it ended: ``stop``, ``length``, or not yet
    (None)."""

    max_new_tokens: int = 160
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    stop_ids: Sequence[int] = (END,)
    generator: torch.Generator | None = None
    unread: int = 0
    ids: list[int] = field(default_factory=list)
    finished: str | None = None

    def choose(self, logits_V: Tensor) -> int:
        """The next token."""
        logits_V = penalise(logits_V, self.ids, self.repetition_penalty)
        return sample(
            logits_V, temperature=self.temperature, top_p=self.top_p, top_k=self.top_k, generator=self.generator
        )


class Decoder:
    """Answers several conversations at once, ``rows`` at most; new ones join and finished ones leave between two steps.

    One thread owns a decoder, whose model is in evaluation mode. Each conversation is one row of the cache, the running
    ones first, and each row has its own length, so that nothing is padded and the tokens are those that each
    conversation gets alone.
    """

    def __init__(self, model: ModernTransformer, rows: int = 8) -> None:
        self.model, self.cache, self.n_rows = model, KeyValueCache(model, rows), rows
        self.running: list[Answer] = []

    @property
    def free(self) -> int:
        """How many conversations can join."""
        return self.n_rows - len(self.running)

    @torch.inference_mode()
    def add(self, prompt: Sequence[int], *, seed: int | None = None, **settings: Any) -> Answer:
        """Read a prompt; its answer, an ``Answer`` of these settings, grows with each ``step``.

        A prompt that leaves no room for an answer loses its oldest tokens (``training.data.prompts.fit``).

        Raises:
            RuntimeError: when no row is free.
        """
        if not self.free:
            raise RuntimeError(f"all {self.n_rows} rows are taken; take a step until one is free")
        answer, device = Answer(**settings), self.model.tok_embeddings.weight.device
        ids, answer.max_new_tokens = fit(prompt, self.model.config["max_seq_len"], answer.max_new_tokens)
        answer.unread = ids[-1]
        if seed is not None:
            answer.generator = torch.Generator(device).manual_seed(seed)
        row = len(self.running)
        self.cache.lengths[row] = 0
        if ids[:-1]:
            self.model.hidden(torch.tensor([ids[:-1]], device=device), cache=self.cache.rows(row, row + 1))
        self.running.append(answer)
        return answer

    @torch.inference_mode()
    def step(self) -> list[tuple[Answer, int]]:
        """One more token of every running answer; those that end with this step yield their last one, or none."""
        if not self.running:
            return []
        unread = torch.tensor([[answer.unread] for answer in self.running], device=self.cache.keys.device)
        states = self.model.hidden(unread, cache=self.cache.rows(0, len(self.running)))
        logits_BV = self.model.output(states[:, -1])
        limit = self.cache.keys.shape[3]
        new = []
        for answer, logits_V, length in zip(
            list(self.running), logits_BV, self.cache.lengths.tolist()[: len(logits_BV)], strict=True
        ):
            token = answer.unread = answer.choose(logits_V)
            if token in answer.stop_ids:
                answer.finished = "stop"
            else:
                answer.ids.append(token)
                new.append((answer, token))
                if len(answer.ids) >= answer.max_new_tokens or length >= limit:
                    answer.finished = "length"
        for answer in [answer for answer in self.running if answer.finished]:
            self.remove(answer)
        return new

    def remove(self, answer: Answer) -> None:
        """Free the answer's row, whether it has ended or not; the last running one moves there."""
        if answer in self.running:
            row, last = self.running.index(answer), len(self.running) - 1
            if row != last:
                self.cache.move_row(last, row)
                self.running[row] = self.running[last]
            self.running.pop()

    def answers(
        self,
        prompts: Iterable[Sequence[int]],
        *,
        seed: int | None = None,
        is_over: Callable[[Answer], bool] = lambda answer: False,
        **settings: Any,
    ) -> list[Answer]:
        """Answers to any number of prompts, in their order; a row is filled again as soon as its answer has ended.

        Args:
            seed: prompt i draws from seed + i.
            is_over: whether an answer is to end after the token that it has just got.
            settings: as for ``add``.
        """
        waiting = iter(prompts)
        answers: list[Answer] = []
        while True:
            while self.free and (prompt := next(waiting, None)) is not None:
                answers.append(self.add(prompt, seed=None if seed is None else seed + len(answers), **settings))
            if not self.running:
                return answers
            for answer, _ in self.step():
                if is_over(answer):
                    self.remove(answer)
