"""Answers from either model: ``generate`` for one, ``stream`` for pieces as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from training.model import KeyValueCache, ModernTransformer
from training.tokenizer import END, Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MODEL1_FOLDER = Path(__file__).resolve().parents[1] / "checkpoints" / "art_ai_model"
MODEL2_FOLDER = Path(__file__).resolve().parents[1] / "checkpoints" / "model2_pretrained"

Message = tuple[str, str]
"""A role, ``user`` or ``assistant``, and what was said."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one line and says what to do."""


def load(path: str | Path) -> tuple[ModernTransformer, Tokenizer]:
    """Model 1 and its tokenizer from a ``.pt`` file with ``tokenizer.model`` beside it.

    Raises:
        CheckpointError: when the file is missing, damaged or of another program, or the tokenizer is not the one that
            the model was trained with.
    """
    path = Path(path)
    remedy = "train Model 1 again (python training/train_art_ai_model.py) or name another file"
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; {remedy}")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        model = ModernTransformer(**checkpoint["config"])
        model.load_state_dict(checkpoint["model_state_dict"])
    except Exception as error:  # torch.load raises a dozen kinds for a file that is damaged
        raise CheckpointError(
            f"{path} is not a readable checkpoint of Model 1 ({type(error).__name__}); {remedy}"
        ) from error
    tokenizer = Tokenizer(path.parent / "tokenizer.model")
    expected = checkpoint.get("tokenizer_sha256", tokenizer.sha256)
    if tokenizer.sha256 != expected or len(tokenizer) != model.config["vocab_size"]:
        raise CheckpointError(
            f"{tokenizer.path} is not the tokenizer that {path.name} was trained with; put that one there or {remedy}"
        )
    return model.eval(), tokenizer


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


@torch.inference_mode()
def stream_ids(
    model: ModernTransformer,
    prompt: Sequence[int],
    *,
    max_new_tokens: int = 160,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int = 0,
    repetition_penalty: float = 1.0,
    stop: Sequence[int] = (END,),
    seed: int | None = None,
) -> Iterator[int]:
    """New token ids one by one, without the one that stops.

    A prompt that leaves no room for an answer loses its oldest tokens; the first one is kept, since it marks the
    beginning.
    """
    device = model.tok_embeddings.weight.device
    limit: int = model.config["max_seq_len"]
    room = max(1, limit - max_new_tokens)
    ids = list(prompt)
    if len(ids) > room:
        ids = ids[:1] + ids[len(ids) - room + 1 :]
    generator = torch.Generator(device).manual_seed(seed) if seed is not None else None
    cache = KeyValueCache(model, 1)
    feed = torch.tensor([ids], device=device)
    produced: list[int] = []
    while len(produced) < max_new_tokens and cache.length + feed.shape[1] <= limit:
        logits = model.output(model.hidden(feed, cache=cache)[:, -1])[0]
        logits = penalise(logits, produced, repetition_penalty)
        token = sample(logits, temperature=temperature, top_p=top_p, top_k=top_k, generator=generator)
        if token in stop:
            return
        produced.append(token)
        yield token
        feed = torch.tensor([[token]], device=device)


def stream(
    model: ModernTransformer, tokenizer: Tokenizer, messages: Sequence[Message], **sampling: Any
) -> Iterator[str]:
    """The answer's text in pieces. Bytes of a character that is not complete yet are held back."""
    ids: list[int] = []
    shown = ""
    for token in stream_ids(model, tokenizer.encode_chat(messages), **sampling):
        ids.append(token)
        text = tokenizer.decode(ids)
        if not text.endswith("�") and len(text) > len(shown):
            yield text[len(shown) :]
            shown = text


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
        model: Model 1, or any causal language model of transformers.
        prompt: the question.
        tokenizer: the model's own; without it, that of ``checkpoints/art_ai_model`` for Model 1, and for the other the
            one saved in the folder that the model was loaded from.
        max_new_tokens: tokens of the answer at most.
        temperature: 0 for the likeliest answer, which is the same every time.
        top_p: sample from the likeliest tokens that together have this probability.
    """
    if isinstance(model, ModernTransformer):
        tokenizer = tokenizer or Tokenizer(MODEL1_FOLDER / "tokenizer.model")
        if len(tokenizer) != model.config["vocab_size"]:
            raise CheckpointError(
                f"the tokenizer has {len(tokenizer)} pieces and the model {model.config['vocab_size']}; "
                "pass the tokenizer that the model was trained with"
            )
        model.eval()
        sampling |= {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p}
        return "".join(stream(model, tokenizer, [("user", prompt)], **sampling)).strip()
    if tokenizer is None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model.config._name_or_path)
    chat = [{"role": "user", "content": prompt}]
    inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    sampling |= (
        {"do_sample": True, "temperature": temperature, "top_p": top_p} if temperature > 0 else {"do_sample": False}
    )
    with torch.inference_mode():
        output = model.generate(  # type: ignore[operator]
            **inputs.to(model.device), max_new_tokens=max_new_tokens, pad_token_id=tokenizer.pad_token_id, **sampling
        )
    return tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()


def complete(checkpoint: str | Path, question: str) -> str:
    """The likeliest answer of the Model 1 in a file."""
    model, tokenizer = load(checkpoint)
    return generate(model, question, tokenizer)
