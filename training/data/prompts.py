"""A conversation in a model's tokens: what people say is plain text, and what is too long is cut alike everywhere.

A chat template writes a conversation as one text, in which a typed ``<|im_end|>`` cannot be told from the end of a
turn. So whatever was said is looked at first: where it holds a special token, the template's own parts are encoded with
special tokens and the words without them, as in training. Other conversations are encoded whole, as any program does.

Nothing here needs PyTorch: the app uses it for llama.cpp as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from training.common.message import Message

Encode = Callable[[str, bool], list[int]]
"""Ids of a text; the flag says whether special tokens in it are read as such."""

Render = Callable[[Sequence[str]], str]
"""A conversation as a chat template writes it, with other words in the place of what was said."""

Part = tuple[str, int | None]
"""A piece of a written conversation, and which message said it; None for the template's own."""

_DIGIT = re.compile(r"\d")
_MARK = re.compile("\ue0f0(\\d+)\ue0f1")


def encodable(text: str) -> str:
    """The text with U+FFFD for half a surrogate pair, which is no character and which no tokenizer takes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain_ids(encode: Encode, text: str, special: Collection[int] = ()) -> list[int]:
    """Ids of words that somebody said, none of them in ``special``.

    Most tokenizers need no more than to be told. A few (Unigram) find ``</s>`` in their vocabulary all the same; a text
    in which that happens is encoded in halves, so that the token is cut through.
    """
    ids = encode(text, False)
    if not any(token in special for token in ids):
        return ids
    if len(text) < 2:
        return [token for token in ids if token not in special]
    middle = len(text) // 2
    return plain_ids(encode, text[:middle], special) + plain_ids(encode, text[middle:], special)


def holds_special(encode: Encode, text: str, special: Collection[int] = ()) -> bool:
    """Whether a program that encodes the text as part of a whole conversation would find a special token in it."""
    return _found_special(encode(text, True), encode(text, False), special)


def _found_special(ids: list[int], plain: list[int], special: Collection[int]) -> bool:
    return ids != plain or any(token in special for token in ids)


def parts(render: Render, contents: Sequence[str], apart: Collection[int]) -> list[Part]:
    """A written conversation in pieces: the messages of ``apart``, and the template's own text with all the others.

    The blanks around what was said stay for the template, many of which strip them.
    """
    cores = [content.strip() for content in contents]
    stand_ins = [
        content.replace(core, f"\ue0f0{i}\ue0f1", 1) if i in apart and core else content
        for i, (content, core) in enumerate(zip(contents, cores, strict=True))
    ]
    pieces = _MARK.split(render(stand_ins))
    found = [int(number) for number in pieces[1::2]]
    if found != [i for i in sorted(apart) if cores[i]]:  # a template that leaves out, repeats or changes what was said
        return [(render([_broken(content) for content in contents]), None)]
    written: list[Part] = [(pieces[0], None)]
    for i, after in zip(found, pieces[2::2], strict=True):
        written += [(cores[i], i), (after, None)]
    return [part for part in written if part[0]]


def _broken(text: str) -> str:
    """The words with a blank in every special token, for templates in which their place cannot be known."""
    return re.sub(r"([<\[{|])(?=\S)", r"\1 ", text)


def conversation_ids(
    render: Render, encode: Encode, contents: Sequence[str], special: Collection[int] = ()
) -> list[int]:
    """Ids of a conversation; no special token is in it but the template's own. ``special`` are ids that nobody can say;
    without them the tokenizer's word is taken for it."""
    apart = [i for i, content in enumerate(contents) if holds_special(encode, content.strip(), special)]
    if not apart:
        return encode(render(contents), True)
    ids: list[int] = []
    for text, said_by in parts(render, contents, apart):
        ids += encode(text, True) if said_by is None else plain_ids(encode, text, special)
    return ids


def fit(ids: Sequence[int], context: int, max_new_tokens: int) -> tuple[list[int], int]:
    """A prompt that leaves room for its answer, and how many tokens the answer may have.

    A prompt that is too long loses its oldest tokens but for the first, which marks the beginning. It keeps half of the
    context however long the answer may become: an answer to nothing is of no use.
    """
    room = max(context - max_new_tokens, context // 2, 2)
    kept = list(ids) if len(ids) <= room else [*ids[:1], *ids[len(ids) - room + 1 :]]
    return kept, max(1, min(max_new_tokens, context - len(kept)))


def _saying(messages: Sequence[Message], contents: Sequence[str]) -> list[dict[str, str]]:
    """The messages with other contents, as a chat template takes them."""
    return [{"role": message.role, "content": said} for message, said in zip(messages, contents, strict=True)]


class ChatTokenizer:
    """Any tokenizer of transformers, with words that are words, and maybe another chat template than its own."""

    def __init__(self, tokenizer: Any, template: str | None = None) -> None:
        self.tokenizer, self.template = tokenizer, template
        self.special = special_ids(tokenizer)

    def encode(self, text: str, special: bool) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=not special)["input_ids"]

    def holding_special(self, texts: Sequence[str]) -> list[bool]:
        """``holds_special`` of each, encoded together: a call of transformers' tokenizer costs as much as its work."""
        if not texts:
            return []
        as_tokens, as_text = (
            self.tokenizer(list(texts), add_special_tokens=False, split_special_tokens=split)["input_ids"]
            for split in (False, True)
        )
        return [_found_special(*both, self.special) for both in zip(as_tokens, as_text, strict=True)]

    def plain(self, text: str) -> list[int]:
        """Ids of words alone."""
        return plain_ids(self.encode, encodable(text), self.special)

    def render(self, messages: Sequence[Message], contents: Sequence[str], *, answer_follows: bool) -> str:
        """The messages as the template writes them, saying ``contents``."""
        how = {} if self.template is None else {"chat_template": self.template}
        return self.tokenizer.apply_chat_template(
            _saying(messages, contents), add_generation_prompt=answer_follows, tokenize=False, **how
        )

    def prompt(self, messages: Sequence[Message], *, answer_follows: bool = True) -> list[int]:
        """Ids of a conversation up to where the answer begins."""
        return conversation_ids(
            lambda contents: self.render(messages, contents, answer_follows=answer_follows),
            self.encode,
            [encodable(message.content) for message in messages],
            self.special,
        )


def special_ids(tokenizer: Any) -> frozenset[int]:
    """The ids of a tokenizer's special tokens, but for the one that stands for what it does not know.

    An added word that looks like one counts: makers add ``<tool_call>`` and ``<think>`` as mere words, and a model
    reads them as more than that.
    """
    ids = set(tokenizer.all_special_ids)
    added = tokenizer.added_tokens_decoder.items()
    ids |= {token_id for token_id, token in added if token.special or looks_special(token.content)}
    own = {tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id}
    unknown = tokenizer.unk_token_id
    return frozenset(ids if unknown in own else ids - {unknown})


def looks_special(token: str) -> bool:
    """Whether a token is written as a mark, such as ``<think>`` or ``[INST]``: no word, and no run of blanks."""
    return bool(_MARKUP.fullmatch(token))


_MARKUP = re.compile(r"[▁ ]*(<\S*[^\W\d_]\S*>|\[/?\w*[^\W\d_]\w*\]|>>\w+<<|\{\|\S+\|\})[▁ ]*")


def guarded_template(template: str, content: str, special_tokens: Iterable[str]) -> str:
    """A chat template that puts a blank into every special token that somebody typed.

    For programs that write a conversation as one text and encode it whole, as transformers and llama.cpp do. What was
    said is ``content`` in the template, e.g. ``message['content']``.
    """
    texts = {token.strip("▁ ") for token in special_tokens}
    if len(texts) > 40:  # Llama 3 has 256, Gemma 3 has 6,000 that differ in their number
        texts = {family if len(family := _DIGIT.split(text)[0]) > 3 else text for text in texts}
    tokens = sorted(texts, key=lambda token: (-len(token), token))
    guards = "".join(f" | replace({_quoted(token)}, {_quoted(token[0] + ' ' + token[1:])})" for token in tokens)
    return template.replace(f"{{{{ {content} }}}}", f"{{{{ {content}{guards} }}}}")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def llama_cpp_prompt(
    post: Callable[[str, dict[str, Any]], Any],
    messages: Sequence[Message],
    context: int | None = None,
    max_new_tokens: int = 0,
) -> list[int] | None:
    """Ids of a conversation that llama.cpp's chat endpoint would not read as meant; None for every other.

    That is one in which somebody typed a special token, and, where ``context`` is given, one that leaves no room for an
    answer of ``max_new_tokens``. ``post`` asks the server: a path and a body, answered with JSON.
    """

    def encode(text: str, special: bool) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": special}
        return list(post("/tokenize", body)["tokens"])

    def render(contents: Sequence[str]) -> str:
        return str(post("/apply-template", {"messages": _saying(messages, contents)})["prompt"])

    contents = [encodable(message.content) for message in messages]
    as_meant = contents == [message.content for message in messages] and not holds_special(encode, "\n".join(contents))
    if as_meant and context is None:
        return None
    ids = conversation_ids(render, encode, contents)
    kept = ids if context is None else fit(ids, context, max_new_tokens)[0]
    return None if as_meant and kept == ids else kept
