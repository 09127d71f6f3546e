"""A user's mistakes on the command line: exit code 2 and one line that says what to do."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app import cli
from app.cli import main
from tests.app.serving import ROOT, write_study


def fails(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run, expect the exit code 2 and one line; the line."""
    assert main([str(argument) for argument in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"--port {port}: in use" in fails(capsys, "--port", str(port))


@pytest.mark.parametrize(
    ("arguments", "told"), [(["--port", "70000"], "70000"), (["--host", "no.such.host.invalid"], "--host")]
)
def test_an_address_that_cannot_be(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    assert told in fails(capsys, *arguments)


@pytest.mark.parametrize("value", ["localhost", "127.0.0.1;10.0.0.1", "10.0.0.1/8", "10.0.0.0/40", "192.168.*"])
def test_a_proxy_that_cannot_be(capsys: pytest.CaptureFixture[str], value: str) -> None:
    """It was taken, and trusted nobody: all testers then had one address."""
    line = fails(capsys, "--port", "70000", "--trust-proxy", f"127.0.0.1, {value}")
    assert line.startswith(f"app.py: --trust-proxy {value}: ")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("*", "0.0.0.0/0"), ("10.0.0.0/8,*", "0.0.0.0/0"), ("::/0", "::/0"), ("0.0.0.0/1,128.0.0.0/1", "0.0.0.0/1"),
        ("127.0.0.1", ""), ("10.0.0.0/8, 2606:4700::/32,::1", ""), ("", ""),
    ],
)  # fmt: skip
def test_proxies_that_are_everybody_are_told(capsys: pytest.CaptureFixture[str], value: str, told: str) -> None:
    assert main(["--port", "70000", "--trust-proxy", value]) == 2
    warned = [line for line in capsys.readouterr().err.splitlines() if "--trust-proxy" in line]
    assert [line.split(": ")[1] for line in warned] == ([f"--trust-proxy {told}"] if told else [])


def test_a_version_that_a_guard_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"accepted": False, "refused_because": ["held-out text takes 1.9 bits per byte, at most 1.2 may be"]}
    (tmp_path / "training_report.json").write_text(json.dumps({"model": "model2", "improvement": told}))
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    line = fails(capsys, "--port", "0", "--db", tmp_path / "votes.db", "--model1", tmp_path)
    assert line.endswith("takes 1.9 bits per byte, at most 1.2 may be; name another version")


def test_a_malformed_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.toml"
    study.write_text('name = "x"\nrounds = "many"\n')
    line = fails(capsys, "--port", "0", "--study", study)
    assert "rounds" in line
    assert "many" in line
    assert "no.toml" in fails(capsys, "--port", "0", "--study", tmp_path / "no.toml")


def test_a_database_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a folder" in fails(capsys, "--port", "0", "--db", tmp_path)
    assert "no folder" in fails(capsys, "--port", "0", "--db", tmp_path / "missing" / "votes.db")
    (tmp_path / "text.db").write_text("this is no database" * 100)
    assert "no SQLite database" in fails(capsys, "--port", "0", "--db", tmp_path / "text.db")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("no/such/folder", "no such file or folder"),
        ("{empty}", "holds none of"),
        ("{text}", "not a model"),
        ("{cut}", "llama.cpp cannot load it"),
        ("openai:localhost#x", "openai:BASE_URL#MODEL"),
        ("openai:http://127.0.0.1:9/v1#x", "no OpenAI-compatible server answers"),
    ],
)
def test_a_model_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], spec: str, told: str) -> None:
    names = {"empty": tmp_path / "empty", "text": tmp_path / "notes.txt", "cut": tmp_path / "cut.gguf"}
    names["empty"].mkdir()
    names["text"].write_text("hello")
    names["cut"].write_bytes(b"GGUF\x03\0\0\0" + bytes(100))
    spec = spec.format(**names)
    line = fails(capsys, "--port", "0", "--db", tmp_path / "votes.db", "--model1", spec, "--model2", spec)
    assert told in line


def test_a_model_that_has_not_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = {"val": {"new_wording": {"bits_per_byte": 2.49}}, "ended_by": "time", "plan_share": 0.04}
    (tmp_path / "training_report.json").write_text(json.dumps(report | {"config": {"data": ["core"]}}))
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    for spec in (tmp_path, tmp_path / "model.gguf"):
        line = fails(capsys, "--port", "0", "--db", tmp_path / "votes.db", "--model1", spec)
        assert f"--model1 {spec}: Model 1 has not learned enough to be tested: 2.49 bits per byte" in line
        assert "(ended by time at 4% of its plan); go on with its training by --resume" in line


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT"):
        monkeypatch.setenv(name, "")
    arguments = cli.parser().parse_args([])
    assert (arguments.host, arguments.port) == ("127.0.0.1", 7860)


def test_a_value_of_two_lines_is_told_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--root-path /a b: a sub-path begins with /" in fails(capsys, "--root-path", "/a\nb")


def test_a_wrong_option_and_the_help() -> None:
    command = [sys.executable, "app.py"]
    wrong = subprocess.run([*command, "--prot", "1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    told = "app.py: unrecognized arguments: --prot 1; did you mean --port, --host?; see app.py --help"
    assert wrong.stderr.splitlines() == [told]
    usage = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(option in usage for option in ("--host", "--port", "--db", "--study", "--model1", "--model2", "--debug"))


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no such file or folder"):
        main(
            [
                "--port",
                "0",
                "--db",
                str(tmp_path / "v.db"),
                "--study",
                str(write_study(tmp_path)),
                "--model1",
                "x",
                "--debug",
            ]
        )


def test_an_app_on_llama_cpp_loads_no_deep_learning_library() -> None:
    code = "import sys, app.cli, app.server; print(sys.modules.keys() & {'torch', 'transformers'})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"
