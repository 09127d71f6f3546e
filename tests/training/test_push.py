"""Models pushed to a server that speaks the Hub's API, loaded from there, and each mistake in one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from json import JSONDecodeError
from pathlib import Path

import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.hub_server import OWNER, READ, WRITE, Hub
from tests.trained import ROOT
from training.corpus import load
from training.models.gguf_format import export_gguf
from training.models.hf_format import export_hf
from training.models.tokenizer import train_tokenizer
from training.models.transformer import ModernTransformer
from training.push import _reason, main


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    server = Hub()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Model 1 as its training leaves it: the form of transformers with a card, a GGUF beside it."""
    folder = tmp_path_factory.mktemp("model1")
    texts = [message.content for sample in load(("art",))[::200] for message in sample.messages]
    tokenizer = train_tokenizer(texts, 800, folder / "tokenizer.model")
    torch.manual_seed(0)
    export_hf(ModernTransformer(len(tokenizer), 32, 2, 4, 2, 48, 64), tokenizer, folder / "hf")
    (folder / "hf" / "README.md").write_text("---\nlicense: mit\n---\n# Model 1\n")
    export_gguf(folder / "hf", folder / "model.gguf")
    (folder / "training_report.json").write_text('{"config": {"data": ["/home/me/private/"]}}')
    return folder


def environment(hub: Hub | None, token: str, home: Path) -> dict[str, str]:
    """What a user of this server has set, and no log-in of this machine; the protocol of Xet is the Hub's alone."""
    address = hub.address if hub else "http://127.0.0.1:9"
    hub_of = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return kept | hub_of | ({"HF_TOKEN": token} if token else {})


def push(hub: Hub | None, home: Path, *words: str, token: str = WRITE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training.push", *words]
    env = environment(hub, token, home)
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=200)


# The command again and again in one process, since its libraries take seconds to load: for each line that comes in,
# its words and the token, its exit code and all that it and they wrote, by whatever way.
SERVE = """
import json, os, sys, tempfile
from training.push import main
answers = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    words, token = json.loads(line)
    os.environ.pop("HF_TOKEN", None)
    os.environ.update({"HF_TOKEN": token} if token else {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            code = main(words)
        except SystemExit as stopped:
            code = stopped.code
        sys.stdout.flush()
        sys.stderr.flush()
        told = [file.seek(0) or file.read().decode() for file in (out, err)]
    print(json.dumps([code, *told]), file=answers, flush=True)
"""
Push = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def push_again(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Push]:
    """As ``push`` to this server, without a process of its own for each."""
    pipe, env = subprocess.PIPE, environment(hub, "", tmp_path_factory.mktemp("home"))
    process = subprocess.Popen([sys.executable, "-c", SERVE], cwd=ROOT, env=env, stdin=pipe, stdout=pipe, text=True)

    def push(*words: str, token: str = WRITE) -> subprocess.CompletedProcess[str]:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps([words, token]), file=process.stdin, flush=True)
        code, out, err = json.loads(process.stdout.readline())
        return subprocess.CompletedProcess(words, code, out, err)

    yield push
    process.communicate(timeout=60)


def test_a_pushed_model_1_loads_from_the_hub(hub: Hub, checkpoint: Path, tmp_path: Path, push_again: Push) -> None:
    words = ("--model", "model1", "--checkpoint", str(checkpoint), "--to", f"{OWNER}/one")
    done = push(hub, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{hub.address}/{OWNER}/one: ")
    assert done.stdout.endswith("MB, private\n")
    held = hub.repositories[f"models/{OWNER}/one"]
    assert held.private
    assert {"config.json", "model.safetensors", "README.md", "model.gguf"} <= held.files.keys()
    # Reports name folders of this machine; the list of our files is for our eyes.
    assert not {name for name in held.files if name.startswith(".")} | ({"training_report.json"} & held.files.keys())
    assert held.files["model.safetensors"] == (checkpoint / "hf" / "model.safetensors").read_bytes()

    code = (
        "from transformers import AutoModelForCausalLM as M; import torch\n"
        f"m = M.from_pretrained('{OWNER}/one')\n"
        "print(m(torch.tensor([[1, 2, 3]])).logits.sum().item())"
    )
    env = environment(hub, READ, tmp_path)
    loaded = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=200)
    assert loaded.returncode == 0, loaded.stderr
    here = AutoModelForCausalLM.from_pretrained(checkpoint / "hf")(torch.tensor([[1, 2, 3]])).logits.sum().item()
    assert float(loaded.stdout) == pytest.approx(here, rel=1e-4)

    # A repository that exists is left alone unless it is meant.
    again = push_again(*words)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "it exists already; name another, or add a commit to it with --update" in again.stderr
    assert len(held.commits) == 1
    assert push_again(*words, "--update").returncode == 0
    assert len(held.commits) == 2

    # Nor does a commit say who may read it: what is there decides, and has to be what was meant.
    opened = push_again(*words, "--update", "--public")
    assert (opened.returncode, opened.stderr.count("\n")) == (2, 1), opened.stderr
    assert f"--to {OWNER}/one: is private, and stays so; leave --public out" in opened.stderr
    held.private = False
    hidden = push_again(*words, "--update")
    assert (hidden.returncode, hidden.stderr.count("\n")) == (2, 1), hidden.stderr
    assert f"--to {OWNER}/one: everybody may read it; say --public too" in hidden.stderr
    assert len(held.commits) == 2
    assert push_again(*words, "--update", "--public").stdout.endswith("MB\n")
    held.private = True

    # One that --update finds missing is as private as any other.
    assert push_again(*words[:-1], f"{OWNER}/another", "--update").returncode == 0
    assert hub.repositories[f"models/{OWNER}/another"].private


@pytest.mark.parametrize(
    ("to", "token", "expected"),
    [
        (f"{OWNER}/two", "", "there is no token for"),
        (f"{OWNER}/two", "hf_wrong", "the token is not valid"),
        (f"{OWNER}/two", READ, f"the token may not write to {OWNER}"),
        (
            f"{OWNER}/two",
            f"\N{LEFT DOUBLE QUOTATION MARK}{WRITE}",
            "the token holds '\N{LEFT DOUBLE QUOTATION MARK}', which none has",
        ),
        ("another/two", WRITE, "the token may not write to another"),
    ],
)
def test_a_token_that_will_not_do(
    to: str, token: str, expected: str, hub: Hub, checkpoint: Path, push_again: Push
) -> None:
    done = push_again("--model", "model1", "--checkpoint", str(checkpoint), "--to", to, token=token)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert expected in done.stderr
    assert f"models/{to}" not in hub.repositories


def test_a_page_in_the_hub_s_place_is_told_as_that() -> None:
    error = ValueError("no JSON")
    error.__cause__ = JSONDecodeError("Expecting value", "<html>", 0)
    assert _reason(error, "a/b", "http://hub").startswith(
        "what answers at http://hub is not the Hub; check the network"
    )


@pytest.mark.parametrize("damaged", ["hf/model.safetensors", "model.gguf"])
def test_weights_that_are_no_numbers_are_not_pushed(
    damaged: str,
    hub: Hub,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = shutil.copytree(checkpoint, tmp_path / "model1") / damaged
    if path.suffix == ".gguf":
        at = max(GGUFReader(path).tensors, key=lambda tensor: tensor.data_offset).data_offset
        with path.open("r+b") as file:
            file.seek(int(at))
            file.write(b"\xff" * 4)  # NaN in any format of floats
    else:
        weights = load_file(path)
        weights["model.norm.weight"][3] = float("inf")
        save_file(weights, path, metadata={"format": "pt"})
    for name, value in environment(hub, WRITE, tmp_path).items():
        monkeypatch.setenv(name, value)
    assert main(["--model", "model1", "--checkpoint", str(tmp_path / "model1"), "--to", f"{OWNER}/four"]) == 2
    told = capsys.readouterr().err
    assert "holds what is no number" in told
    assert told.count("\n") == 1
    assert f"models/{OWNER}/four" not in hub.repositories


@pytest.mark.parametrize(
    "to",
    [
        *("two", "a/b/c", "somebody/t wo", "/two", "somebody/", "some--body/two", "../two", "", "somebody/two\n"),
        *("böse/two", "somebody/zwölf", "somebody/２", "somebody/two.", "somebody/two-", "somebody/two.git"),
        "https://huggingface.co/somebody/two",
    ],
)
def test_a_name_that_the_hub_would_not_take(to: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "model1", "--checkpoint", str(checkpoint), "--to", to]) == 2
    told = capsys.readouterr().err
    assert f"--to {to!r} must be OWNER/NAME" in told
    assert told.count("\n") == 1


def test_no_network_no_model_no_card_and_no_room(hub: Hub, checkpoint: Path, tmp_path: Path, push_again: Push) -> None:
    to = ("--to", f"{OWNER}/three")
    done = push(None, tmp_path, "--model", "model1", "--checkpoint", str(checkpoint), *to)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "no connection to http://127.0.0.1:9" in done.stderr
    done = push_again("--model", "model1", "--checkpoint", str(tmp_path), *to)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"{tmp_path} holds no model in Hugging Face's form" in done.stderr
    hub.full = True
    try:
        done = push_again("--model", "model1", "--checkpoint", str(checkpoint), *to)
    finally:
        hub.full = False
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "the Hub takes no file of this size there; the repository is there without these files" in done.stderr
    card = checkpoint / "hf" / "README.md"
    card.rename(tmp_path / "README.md")
    try:
        done = push_again("--model", "model1", "--checkpoint", str(checkpoint), *to)
    finally:
        (tmp_path / "README.md").rename(card)
    assert "has no card; write README.md there" in done.stderr
