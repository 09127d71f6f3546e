"""How a model sees a conversation: its chat form in token ids, and which of them say something that can be scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from training.corpus.sample import Sample
from training.data.prompts import ChatTokenizer, encodable, parts
from training.evaluation.subjects import Chat, Unavailable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from training.models.tokenizer import Tokenizer


Pair = tuple[list[int], list[int]]
"""Ids of a context and of what follows it."""

RAW_TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
"""For a base that has no chat template: what was said, a line a turn. Its answer ends with the line."""


@dataclass(frozen=True)
class Document:
    """A sample in the tokens of a model."""

    ids: list[int]  # token ids, (N,)
    answers: np.ndarray  # which of them are of an answer or end one, (N,) bool
    everything: np.ndarray  # the same for all that is said, (N,) bool
    answer_bytes: int  # UTF-8 bytes of the answers' text
    all_bytes: int  # of all texts


class TemplateForm(ChatTokenizer):
    """A tokenizer of transformers with its chat template.

    A conversation is rendered and encoded whole, as any program does that runs the model, but for special tokens that
    somebody typed in it: those stay text. Scored are the tokens of the texts, found by their offsets, and the token
    that ends a turn where the template has one.

    Attributes:
        stop_ids: the tokens that end an answer.
        own: Model 1's tokenizer, of whose training every text began with the first token, raw ones too; it also knows
            better what bytes are that are no character.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, own: Tokenizer | None = None) -> None:
        super().__init__(tokenizer, tokenizer.chat_template or RAW_TEMPLATE)
        self.begin, self.own = self._first_id(), own
        ends = [] if self.tokenizer.eos_token_id is None else [self.tokenizer.eos_token_id]
        self.stop_ids: tuple[int, ...] = tuple(ends)
        self.stop_strings: tuple[str, ...] = () if tokenizer.chat_template else ("\n",)

    def _first_id(self) -> int:
        """What stands before a text that has nothing before it."""
        for candidate in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id):
            if candidate is not None:
                return candidate
        raise Unavailable("its tokenizer has no token that begins or ends a text; add one as bos_token")

    def _encode_text(self, text: str) -> list[int]:
        return self.tokenizer(encodable(text), split_special_tokens=True)["input_ids"]

    def render(self, messages: Chat, contents: Sequence[str], *, answer_follows: bool) -> str:
        try:
            return super().render(messages, contents, answer_follows=answer_follows)
        except Exception as error:  # templates raise errors of their own, for roles that they do not know
            raise Unavailable(f"its chat template cannot write the conversation: {error}") from error

    def pair(self, context: Chat | str, continuation: str) -> Pair:
        """Ids of a context, at least one, and of its continuation."""
        return self.pairs([(context, continuation)])[0]

    def pairs(self, pairs: Sequence[tuple[Chat | str, str]]) -> list[Pair]:
        """The same of many; what can be encoded together is."""
        said = [[*_contents(context), continuation] for context, continuation in pairs]
        typed = self._typed(
            {text for (context, _), texts in zip(pairs, said, strict=True) if _contents(context) for text in texts}
        )
        whole: dict[int, tuple[str, str]] = {}
        for i, (context, continuation) in enumerate(pairs):
            if not isinstance(context, str) and typed.isdisjoint(said[i]):
                whole[i] = split_spaces(self.render(context, said[i][:-1], answer_follows=True), continuation)
        ids = self._encode_together({text for before, after in whole.values() for text in (before, before + after)})
        found = []
        for i, (context, continuation) in enumerate(pairs):
            if i in whole:
                before, after = whole[i]
                found.append((ids[before], ids[before + after][len(ids[before]) :]))
            elif isinstance(context, str):
                found.append(self._raw_pair(context, continuation))
            else:
                found.append((self.prompt(context), self.plain(continuation)))
        return found

    def _raw_pair(self, context: str, continuation: str) -> Pair:
        # A text begins with what the tokenizer puts before every text, as in the harness; many put nothing there.
        before, after = split_pair(self._encode_text if context.strip() else self.plain, context, continuation)
        return [self.begin, *before] if self.own or not before else before, after

    def _typed(self, texts: AbstractSet[str]) -> set[str]:
        """Those in which a special token was typed."""
        listed = list(texts)
        return {text for text, found in zip(listed, self.holding_special(listed), strict=True) if found}

    def _encode_together(self, texts: AbstractSet[str]) -> dict[str, list[int]]:
        listed = list(texts)
        ids = (
            self.tokenizer(listed, add_special_tokens=False, split_special_tokens=False)["input_ids"] if listed else []
        )
        return dict(zip(listed, ids, strict=True))

    def documents(self, samples: Sequence[Sample]) -> list[Document]:
        """Whole samples; what can be encoded together is, in a third of the time."""
        typed = iter(self.holding_special([message.content for sample in samples for message in sample.messages]))
        in_parts = [any(next(typed) for _ in sample.messages) for sample in samples]
        raw = [sample.messages[0].role == "text" for sample in samples]
        whole = [i for i in range(len(samples)) if not raw[i] and not in_parts[i]]
        documents = dict(zip(whole, self._whole_documents([samples[i] for i in whole]), strict=True))
        for i, sample in enumerate(samples):
            if i not in documents:
                documents[i] = self._raw_document(sample) if raw[i] else self._document_in_parts(sample)
        return [documents[i] for i in range(len(samples))]

    def _raw_document(self, sample: Sample) -> Document:
        ids = [self.begin, *self.plain(sample.messages[0].content), *self.stop_ids[:1]]
        scored = np.arange(len(ids)) > 0
        return Document(ids, scored, scored, *_bytes(sample))

    def _whole_documents(self, samples: Sequence[Sample]) -> Iterator[Document]:
        """Conversations in which nothing special was typed, encoded as any program does that runs the model."""
        if not samples:
            return
        contents = [[message.content for message in sample.messages] for sample in samples]
        texts = [
            self.render(each.messages, said, answer_follows=False) for each, said in zip(samples, contents, strict=True)
        ]
        encoded = self.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
        for sample, text, ids, places in zip(
            samples, texts, encoded["input_ids"], encoded["offset_mapping"], strict=True
        ):
            offsets = np.array(places)
            answers, everything = np.zeros(len(ids), bool), np.zeros(len(ids), bool)
            at = 0
            for message in sample.messages:
                begin, at = _place(text, message.content, at)
                first = int(np.argmax(offsets[:, 1] > begin))
                last = int(np.searchsorted(offsets[:, 0], at))
                if last < len(ids) and ids[last] in self.stop_ids:
                    last += 1
                everything[first:last] = True
                answers[first:last] |= message.role != "user"
            yield Document(ids, answers, everything, *_bytes(sample))

    def _document_in_parts(self, sample: Sample) -> Document:
        """A conversation in which a special token was typed: each message is encoded by itself, as plain text."""
        contents = [encodable(message.content) for message in sample.messages]
        is_answer = [message.role != "user" for message in sample.messages]
        ids: list[int] = []
        answers: list[bool] = []
        everything: list[bool] = []
        said_before: int | None = None
        render = partial(self.render, sample.messages, answer_follows=False)
        pieces = parts(render, contents, range(len(contents)))
        for text, said_by in pieces:
            new = self.encode(text, special=True) if said_by is None else self.plain(text)
            scored = [said_by is not None] * len(new)
            if said_before is not None and new and new[0] in self.stop_ids:
                scored[0] = True
            speaker = said_by if said_by is not None else said_before
            ids += new
            everything += scored
            answers += [flag and speaker is not None and is_answer[speaker] for flag in scored]
            said_before = said_by
        return Document(ids, np.array(answers, bool), np.array(everything, bool), *_bytes(sample))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer."""
        if self.own:
            return self.own.decode(ids).strip()
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()


def _contents(context: Chat | str) -> list[str]:
    """What was said in a chat; nothing in a text."""
    return [] if isinstance(context, str) else [message.content for message in context]


def _bytes(sample: Sample) -> tuple[int, int]:
    """UTF-8 bytes of its answers, and of all that it says."""
    sizes = [(message.role != "user", len(message.content.encode())) for message in sample.messages]
    return sum(size for is_answer, size in sizes if is_answer), sum(size for _, size in sizes)


def _place(text: str, content: str, after: int) -> tuple[int, int]:
    """Where a content stands in a rendered conversation; many templates strip it."""
    for form in (content, content.strip()):
        if (begin := text.find(form, after)) >= 0:
            return begin, begin + len(form)
    raise Unavailable(f"its chat template changes what is said: {content[:40]!r} is not in the conversation it writes")


def split_spaces(context: str, continuation: str) -> tuple[str, str]:
    """Both, with spaces at the end of the context moved to the continuation."""
    rest = context.rstrip()
    return rest, context[len(rest) :] + continuation


def split_pair(encode: Any, context: str, continuation: str) -> Pair:
    """Ids of both, encoded as one text; spaces at the end of the context go to the continuation.

    The rule of lm-evaluation-harness (``TemplateLM._encode_pair``): a word's token holds the space before it.
    """
    context, continuation = split_spaces(context, continuation)
    before = encode(context)
    return before, encode(context + continuation)[len(before) :]
