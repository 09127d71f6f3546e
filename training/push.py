"""Push a trained model to the Hugging Face Hub, or a data set that `python -m feedback push` has written.

    python -m training.push --model model1 --to owner/name
    python -m training.push --model model2 --checkpoint checkpoints/my_model --to owner/name --public

A model goes there in Hugging Face's form, with its card and `model.gguf`, so that `from_pretrained("owner/name")` of
transformers loads it. The repository is private unless --public is said. The token is that of `hf auth login`, or
HF_TOKEN.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.common.checkpoint_folder import (
    CONFIG,
    FOLDERS,
    GGUF,
    IN_HF_FORM,
    MODEL1_FOLDER,
    MODEL2_FOLDER,
    find,
    weights_in,
)
from training.common.cli import OneLineParser, run_command
from training.common.files import place

if TYPE_CHECKING:
    from huggingface_hub import HfApi

DEFAULTS = {"model1": MODEL1_FOLDER, "model2": MODEL2_FOLDER}
CARD = "README.md"
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9]([\w.-]*\w)?(?<!\.git)", re.ASCII)
TOKENS = "settings/tokens"

Kind = Literal["model", "dataset"]


class PushError(ValueError):
    """Nothing, or not all, has been pushed: one line with the reason and the remedy."""


def parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m training.push", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", choices=DEFAULTS, help="the model to push")
    what.add_argument("--dataset", type=place, metavar="FOLDER", help="a data set in a folder, with its card")
    parser.add_argument(
        "--checkpoint", type=place, metavar="DIR", help="the folder of its training (default: that of --model)"
    )
    parser.add_argument("--to", required=True, metavar="OWNER/NAME", help="the repository on the Hub")
    parser.add_argument("--public", action="store_true", help="everybody may read it (default: you and whom you let)")
    parser.add_argument("--update", action="store_true", help="add a commit to a repository that exists")
    return parser


def files_of_model(folder: Path) -> dict[str, Path]:
    """What is pushed of a checkpoint, by its names there.

    Raises:
        PushError: it holds no model in Hugging Face's form, or no card.
    """
    form = find(folder, IN_HF_FORM)
    if form is None or not weights_in(form):
        raise PushError(
            f"{folder} holds no model in Hugging Face's form ({', '.join([*FOLDERS][:2])}); train it first, or make it"
            " with `python -m training.export CHECKPOINT --to hf`"
        )
    files = files_in(form)
    card = next((path for path in (form / CARD, folder / CARD) if path.is_file()), None)
    if card is None:
        raise PushError(f"{form} has no card; write {CARD} there: what the model is, its data, its licence")
    files[CARD] = card
    return files | ({GGUF: folder / GGUF} if (folder / GGUF).is_file() else {})


def files_in(folder: Path) -> dict[str, Path]:
    """The files of a folder by their names; what begins with a dot is nobody's business."""
    return {path.name: path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."}


def hub_for(to: str) -> HfApi:
    """The Hub with a token. Raises PushError: ``to`` is no ``owner/name``, or there is no token."""
    if not NAME.fullmatch(to) or ".." in to or "--" in to or len(to) > 96:
        raise PushError(
            f"--to {to!r} must be OWNER/NAME of letters without accents, digits, - _ and ., not at the end - . or"
            " .git, such as my-name/diptych-model1; OWNER is your name on the Hub or an organization's"
        )
    try:
        from huggingface_hub import HfApi, get_token
    except ModuleNotFoundError as error:
        raise PushError(f'needs {error.name}, which is not installed; pip install "diptych[train]"') from None
    api = HfApi()
    token = get_token()
    if not token:
        raise PushError(
            f"there is no token for {api.endpoint}; make one with the role write at {api.endpoint}/{TOKENS}, then"
            " `hf auth login`, or set HF_TOKEN"
        )
    if strange := re.sub("[!-~]", "", token):
        raise PushError(
            f"the token holds {strange[0]!r}, which none has; copy it again from {api.endpoint}/{TOKENS}, then"
            " `hf auth login`, or set HF_TOKEN"
        )
    return api


def push(api: HfApi, files: Mapping[str, Path], to: str, kind: Kind, public: bool, update: bool, message: str) -> str:
    """One commit with these files; returns the address of the repository.

    Args:
        to: ``owner/name``.
        update: whether the repository may exist; files of other names in it stay.

    Raises:
        PushError: whatever the Hub, the network or the token have against it.
    """
    from huggingface_hub import CommitOperationAdd

    created = False
    try:
        if update:
            _must_be_as_meant(api, to, kind, public)
        address = api.create_repo(to, repo_type=kind, private=not public, exist_ok=update)
        created = True
        operations = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
        api.create_commit(to, operations, commit_message=message, repo_type=kind)
    except PushError:
        raise
    except Exception as error:  # the Hub's, httpx's and Xet's are of many kinds
        if not isinstance(error, OSError | ValueError | RuntimeError) and "httpx" not in type(error).__module__:
            raise
        half = "; the repository is there without these files: go on with --update" if created else ""
        raise PushError(f"--to {to}: {_reason(error, to, api.endpoint)}{half}") from error
    return str(address)


def _must_be_as_meant(api: HfApi, to: str, kind: Kind, public: bool) -> None:
    """Raises PushError where a repository is there already that others may read than is asked for: a commit changes
    nothing of that."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        is_private = api.repo_info(to, repo_type=kind).private
    except RepositoryNotFoundError:
        return
    if is_private is False and not public:
        raise PushError(f"--to {to}: everybody may read it; say --public too if that is meant, or name another")
    if is_private and public:
        raise PushError(
            f"--to {to}: is private, and stays so; leave --public out, or open it in its settings on the Hub"
        )


def _reason(error: Exception, to: str, endpoint: str) -> str:
    """What went wrong, and what to do."""
    chain: list[Any] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    status = next((one.response.status_code for one in chain if getattr(one, "response", None) is not None), None)
    remedies = {
        401: f"the token is not valid; make another at {endpoint}/{TOKENS} and `hf auth login`",
        403: f"the token may not write to {to.partition('/')[0]}; make one with that right at {endpoint}/{TOKENS}",
        404: "there is no such place, or the token may not see it; check OWNER",
        409: "it exists already; name another, or add a commit to it with --update",
        413: "the Hub takes no file of this size there",
        429: "the Hub asks for patience; wait some minutes and try again",
    }
    if status in remedies:
        return remedies[status]
    if any(isinstance(one, JSONDecodeError) for one in chain):  # of a network that wants a login first, for example
        return f"what answers at {endpoint} is not the Hub; check the network and HF_ENDPOINT"
    said = " ".join(str(chain[-1]).split()).partition(" For more information")[0][:300] or type(chain[-1]).__name__
    if status is not None:
        return f"the Hub answered {status}: {said}; try again later"
    if any("httpx" in type(one).__module__ or isinstance(one, ConnectionError) for one in chain):
        return f"no connection to {endpoint} ({said}); check the network and try again"
    return said


def _check(files: Mapping[str, Path]) -> None:
    """Raises CheckpointError where weights are missing or no numbers: nobody else is to be given them."""
    from training.models.whole import check_folder, check_gguf  # late: PyTorch takes seconds to load

    check_folder(files[CONFIG].parent)
    if GGUF in files:
        check_gguf(files[GGUF])


def run(arguments: argparse.Namespace) -> None:
    if arguments.dataset:
        if arguments.checkpoint:
            raise PushError("--checkpoint is for --model; leave it out with --dataset")
        if not (arguments.dataset / CARD).is_file():
            raise PushError(f"--dataset {arguments.dataset} has no {CARD}; write it with `python -m feedback push`")
        files, kind = files_in(arguments.dataset), "dataset"
    else:
        files, kind = files_of_model(arguments.checkpoint or DEFAULTS[arguments.model]), "model"
    api = hub_for(arguments.to)
    if kind == "model":
        _check(files)
    message = "Votes of a Diptych study" if arguments.dataset else f"Diptych's {arguments.model}"
    address = push(api, files, arguments.to, kind, arguments.public, arguments.update, message)  # type: ignore[arg-type]
    size = sum(path.stat().st_size for path in files.values())
    print(f"{address}: {len(files)} files, {size / 1e6:.1f} MB" + ("" if arguments.public else ", private"))


def main(argv: list[str] | None = None) -> int:
    return run_command(run, parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
