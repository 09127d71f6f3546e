"""Answers from either model: ``generate`` for one question, ``generate_batch`` for many conversations."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from training.common.checkpoint_folder import MODEL1_FOLDER, TOKENIZER, CheckpointError
from training.corpus.sample import Message
from training.data.prompts import ChatTokenizer, fit
from training.inference.decoding import Decoder
from training.models.checkpoint import load
from training.models.tokenizer import END, Tokenizer
from training.models.transformer import ModernTransformer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HALF_CHARACTER = "\N{REPLACEMENT CHARACTER}"


def generate_batch(
    model: ModernTransformer | PreTrainedModel,
    tokenizer: Any,
    conversations: Sequence[Sequence[Message]],
    *,
    stop: Sequence[str | int] = (),
    seed: int | None = None,
    batch_size: int = 16,
    **sampling: Any,
) -> list[str]:
    """Answers to many conversations, in their order; the likeliest ones are those that ``generate`` gives one by one.

    Args:
        stop: strings or token ids at which an answer ends; they are not part of it.
        seed: with a temperature, conversation i of Model 1 draws from seed + i; transformers draws for a batch at once.
        sampling: max_new_tokens (160), temperature (0), top_p (1), top_k (0: all) and repetition_penalty (1).
    """
    model.eval()
    strings = [end for end in stop if isinstance(end, str) and end]
    ids = [end for end in stop if isinstance(end, int)]
    texts: list[str] = []
    if isinstance(model, ModernTransformer):
        answers = Decoder(model, rows=max(1, min(batch_size, len(conversations)))).answers(
            map(tokenizer.encode_chat, conversations),
            seed=seed,
            is_over=lambda answer: any(end in tokenizer.decode(answer.ids) for end in strings),
            stop_ids=[END, *ids],
            **sampling,
        )
        texts = [tokenizer.decode(answer.ids) for answer in answers]
        return [_until(text, strings).rstrip(HALF_CHARACTER).strip() for text in texts]
    settings = {"max_new_tokens": 160, "temperature": 0.0} | sampling
    if strings:
        settings |= {"stop_strings": strings, "tokenizer": tokenizer}
    if ids:
        settings["eos_token_id"] = [tokenizer.eos_token_id, *ids]
    for start in range(0, len(conversations), batch_size):
        texts += _from_transformers(model, tokenizer, conversations[start : start + batch_size], seed, settings)
    return [_until(text, strings).strip() for text in texts]


def _from_transformers(
    model: PreTrainedModel,
    tokenizer: Any,
    conversations: Sequence[Sequence[Message]],
    seed: int | None,
    settings: dict[str, Any],
) -> list[str]:
    """Prompts padded on the left, so that every answer begins at the same place."""
    chat, context = ChatTokenizer(tokenizer), context_of(model)
    prompts = [fit(chat.prompt(messages), context, settings["max_new_tokens"]) for messages in conversations]
    rooms = {room for _, room in prompts}
    if len(rooms) > 1:  # of a long prompt and a long answer, each gets what it gets alone
        alone = ([messages] for messages in conversations)
        return [_from_transformers(model, tokenizer, one, seed, settings)[0] for one in alone]
    inputs = tokenizer.pad({"input_ids": [ids for ids, _ in prompts]}, padding_side="left", return_tensors="pt").to(
        model.device
    )
    settings = settings | {"max_new_tokens": rooms.pop(), "do_sample": settings["temperature"] > 0}
    if not settings["do_sample"]:
        settings = {key: value for key, value in settings.items() if key not in ("temperature", "top_p", "top_k")}
    if seed is not None:
        torch.manual_seed(seed)
    with torch.inference_mode():
        output = model.generate(**inputs, pad_token_id=tokenizer.pad_token_id, **settings)  # type: ignore[operator]
    return tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def _until(text: str, ends: Sequence[str]) -> str:
    return min((text.split(end)[0] for end in ends), key=len, default=text)


def context_of(model: PreTrainedModel) -> int:
    """Tokens that a model of transformers can read; where it does not say, as many as there are."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None) or sys.maxsize


def generate(
    model: ModernTransformer | PreTrainedModel,
    prompt: str,
    tokenizer: Any = None,
    *,
    max_new_tokens: int = 160,
    temperature: float = 0.0,
    top_p: float = 1.0,
    **sampling: Any,
) -> str:
    """The answer of either model to one question, as text.

    Args:
        tokenizer: the model's own; without it, that of ``checkpoints/art_ai_model`` for Model 1, and for the other the
            one saved in the folder that the model was loaded from.
        temperature: 0 for the likeliest answer, which is the same every time.
        sampling: top_k, repetition_penalty, stop and seed, as for ``generate_batch``.
    """
    if isinstance(model, ModernTransformer):
        tokenizer = tokenizer or Tokenizer(MODEL1_FOLDER / TOKENIZER)
        if len(tokenizer) != model.config["vocab_size"]:
            raise CheckpointError(
                f"the tokenizer has {len(tokenizer)} pieces and the model {model.config['vocab_size']}; "
                "pass the tokenizer that the model was trained with"
            )
    elif tokenizer is None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model.config._name_or_path)
    sampling |= {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p}
    return generate_batch(model, tokenizer, [[Message("user", prompt)]], **sampling)[0]


def complete(checkpoint: str | Path, question: str) -> str:
    """The likeliest answer of the Model 1 in a file."""
    model, tokenizer = load(checkpoint)
    return generate(model, question, tokenizer)
