"""The networks behind the models on this machine: states, logits, shared contexts and greedy answers, in fp32.

Everything is computed in fp32. bf16 is several times as fast where a CPU has instructions for it, but keeps three
digits: options that are about equally likely could change places, and no figure would agree with another program's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.common.checkpoint_folder import CheckpointError
from training.common.progress import quiet_transformers
from training.data.prompts import fit
from training.evaluation.chat_forms import TemplateForm
from training.hardware.compute import EXACT
from training.hardware.products import use_fast_products
from training.models.checkpoint import load
from training.models.fine_tuning import use_own_swiglu
from training.models.hf_format import to_llama
from training.models.whole import in_one_line, load_whole

ANSWERS_AT_A_TIME = 32

LONGEST_CONTEXT = 4096
"""Tokens that are read together at most; memory for attention grows with them."""

Generated = tuple[list[int], bool]
"""An answer's ids without the one that ends it, and whether it ended by itself."""


class Network:
    """A causal language model of transformers in memory, with its chat form.

    Shapes have B rows, S tokens, D width of the states, V pieces.

    Attributes:
        context: tokens that it can read.
        parameters: how many, shared ones once.
    """

    def __init__(self, model: Any, form: TemplateForm) -> None:
        self.model, self.form, self.tokenizer = model.to(device()).eval(), form, form.tokenizer
        use_fast_products(self.model)
        use_own_swiglu(self.model)
        longest = getattr(model.config.get_text_config(), "max_position_embeddings", None) or LONGEST_CONTEXT
        self.context = min(int(longest), LONGEST_CONTEXT)
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self._plain_head = self._has_plain_head()

    @classmethod
    def of_model1(cls, path: Path) -> Network:
        """Model 1's ``.pt``, as the Llama that it is. Raises CheckpointError in one line."""
        model, tokenizer = load(path)
        return cls(to_llama(model), TemplateForm(tokenizer.to_transformers(), own=tokenizer))

    @classmethod
    def of_folder(cls, folder: Path, gguf_file: str | None = None) -> Network:
        """What transformers can load, a GGUF in a folder included. Raises CheckpointError in one line."""
        from transformers import AutoTokenizer

        quiet_transformers()
        how = {} if gguf_file is None else {"gguf_file": gguf_file}
        place = folder / (gguf_file or "")
        with in_one_line(place):
            tokenizer = AutoTokenizer.from_pretrained(folder, **how)
            model = load_whole(folder, place, dtype=EXACT, **how)
        rows = model.get_input_embeddings().weight.shape[0]
        if len(tokenizer) > rows:
            raise CheckpointError(
                f"{folder}: the tokenizer has {len(tokenizer)} tokens and the model {rows}; it is another model's, put "
                "its own there"
            )
        if gguf_file is not None and not tokenizer.chat_template:
            tokenizer.chat_template = _template_of(folder / gguf_file)
        return cls(model, TemplateForm(tokenizer))

    @torch.inference_mode()
    def _has_plain_head(self) -> bool:
        """Whether logits are the output layer's and nothing else: some families scale or cap them."""
        probe = torch.arange(4, device=device())[None]
        head = self.model.get_output_embeddings()
        if head is None:
            return False
        whole = self.model(probe).logits
        states = self.model.base_model(probe).last_hidden_state
        return states.shape[-1] == head.weight.shape[-1] and torch.allclose(head(states), whole, rtol=1e-4, atol=1e-4)

    def states(self, tokens_BS: Tensor) -> Tensor:
        """Final states (B, S, D) of rows that may be padded on the right: no token sees what comes after it."""
        return self._forward(tokens_BS, use_cache=False)[0]

    def _forward(self, tokens_BS: Tensor, **how: Any) -> tuple[Tensor, Any]:
        tokens = tokens_BS.to(device())
        if self._plain_head:
            output = self.model.base_model(tokens, **how)
            return output.last_hidden_state, output.get("past_key_values")
        output = self.model(tokens, **how)
        return output.logits, output.get("past_key_values")

    def read(self, tokens_BS: Tensor) -> tuple[Tensor, Any]:
        """Final states (B, S, D) of contexts of equal length, and their keys and values."""
        return self._forward(tokens_BS, use_cache=True)

    def states_after(self, read: Any, contexts_N: Tensor, tokens_NS: Tensor) -> Tensor:
        """Final states (N, S, D) of rows that each go on after one of the contexts of ``read``, which is used up."""
        read.batch_select_indices(contexts_N.to(device()))
        return self._forward(tokens_NS, past_key_values=read, use_cache=True)[0]

    def logits(self, states_ND: Tensor) -> Tensor:
        """Logits (N, V) of some states."""
        return self.model.get_output_embeddings()(states_ND) if self._plain_head else states_ND

    def greedy(self, prompts: Sequence[list[int]], max_new_tokens: int) -> list[Generated]:
        """The likeliest answers."""
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        answers: dict[int, Generated] = {}
        for start in range(0, len(order), ANSWERS_AT_A_TIME):
            chosen = order[start : start + ANSWERS_AT_A_TIME]
            fitting = [fit(prompts[i], self.context, max_new_tokens) for i in chosen]
            new = self._generate([ids for ids, _ in fitting], min(room for _, room in fitting))
            answers |= dict(zip(chosen, new, strict=True))
        return [answers[i] for i in range(len(prompts))]

    def _generate(self, prompts: list[list[int]], max_new_tokens: int) -> list[Generated]:
        """Prompts padded on the left, so that every answer begins at the same place."""
        length = max(map(len, prompts))
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        tokens = torch.tensor([[pad] * (length - len(ids)) + ids for ids in prompts], device=device())
        mask = torch.tensor([[0] * (length - len(ids)) + [1] * len(ids) for ids in prompts], device=device())
        stop_strings = {"stop_strings": list(self.form.stop_strings), "tokenizer": self.tokenizer}
        output = self.model.generate(
            input_ids=tokens,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=pad,
            eos_token_id=list(self.form.stop_ids) or None,
            **(stop_strings if self.form.stop_strings else {}),
        )
        return [self._cut(ids) for ids in output[:, length:].tolist()]

    def _cut(self, ids: list[int]) -> Generated:
        """An answer up to its end, without the padding of those that ended before others."""
        end = next((at for at, token in enumerate(ids) if token in self.form.stop_ids), None)
        for stop in self.form.stop_strings:
            at = next((n for n in range(1, len(ids) + 1) if stop in self.tokenizer.decode(ids[:n])), None)
            end = at if end is None or (at is not None and at < end) else end
        return (ids, False) if end is None else (ids[:end], True)


def device() -> torch.device:
    """CUDA where there is one, else the CPU: MPS rounds too much for figures that are compared."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _template_of(path: Path) -> str | None:
    """The chat template that a GGUF carries; transformers reads it for some tokenizers only."""
    from gguf import GGUFReader

    field = GGUFReader(path).get_field("tokenizer.chat_template")
    return None if field is None else str(field.contents())
