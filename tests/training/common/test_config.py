"""``--config`` and ``--print-config``: what a file says is what an option says, and all mistakes are told at once."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from training.common.cli import OneLineParser
from training.common.config import add_config, add_settings
from training.common.options import OptionsError, Range, range_problems, with_settings


@dataclass(frozen=True)
class Settings:
    rate: Annotated[float, Range(0, 1)] = 0.1
    """How fast, in 100% of cases"""
    limit: int | None = 5
    """At most"""
    kind: Literal["a", "b", "true"] = "a"
    """Which"""
    label: str = "x"
    """Any text"""
    tied: bool = False
    """Whether"""


PROFILES = {"small": Settings(), "large": Settings(limit=50, kind="b")}


def build() -> OneLineParser:
    parser = OneLineParser(prog="example")
    parser.add_argument("models", nargs="*", help="which")
    parser.add_argument("--profile", choices=PROFILES, default="small", help="a set of settings (%(default)s)")
    parser.add_argument("--data", nargs="+", default=["core"], help="sources")
    parser.add_argument("--out", type=Path, required=True, help="where")
    parser.add_argument("--port", type=int, default=1, help="a number")
    parser.add_argument("--dry", action="store_true", help="whether")
    votes = parser.add_mutually_exclusive_group()
    votes.add_argument("--db", help="votes")
    votes.add_argument("--stats", help="or their numbers")
    start = parser.add_mutually_exclusive_group()
    start.set_defaults(start="new")
    for name in ("resume", "restart"):
        start.add_argument(f"--{name}", dest="start", action="store_const", const=name, help=name)
    add_config(parser)
    add_settings(parser, PROFILES["small"], "defaults of small")

    def effective(arguments: argparse.Namespace) -> dict[str, object]:
        options = of(arguments)
        assert not range_problems(options)
        return asdict(options)

    parser.effective = effective
    return parser


def of(arguments: argparse.Namespace) -> Settings:
    return with_settings(PROFILES[arguments.profile], arguments.set)


def parsed(tmp_path: Path, text: str, *words: str) -> tuple[argparse.Namespace, Settings]:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    arguments = build().parse_args(["--config", str(path), *words])
    return arguments, of(arguments)


def test_defaults_then_profile_then_file_then_command_line(tmp_path: Path) -> None:
    text = "profile: large\nout: here\nrate: 2e-1\nlabel: file\ndata: [a, b=2]\n"
    arguments, settings = parsed(tmp_path, text)
    assert settings == Settings(rate=0.2, limit=50, kind="b", label="file")
    assert (arguments.out, arguments.data, arguments.models) == (Path("here"), ["a", "b=2"], [])
    arguments, settings = parsed(tmp_path, text, "--set", "rate=0.3", "--limit", "7", "--out", "there", "--data", "c")
    assert settings == Settings(rate=0.3, limit=7, kind="b", label="file")
    assert (arguments.out, arguments.data) == (Path("there"), ["c"])
    assert parsed(tmp_path, text, "--profile", "small")[1] == Settings(rate=0.2, label="file")
    # Of an option and --set the last one counts, in either order.
    assert parsed(tmp_path, text, "--rate", "0.4", "--set", "rate=0.5")[1].rate == 0.5
    assert parsed(tmp_path, text, "--set", "rate=0.5", "--rate=0.4")[1].rate == 0.4


def test_a_value_is_read_as_on_a_command_line(tmp_path: Path) -> None:
    text = "out: o\nlimit: none\nkind: true\nlabel: no\ntied: yes\ndry: true\nmodels: one=a\nport: 08\ndata: core\n"
    arguments, settings = parsed(tmp_path, text)
    assert settings == Settings(limit=None, kind="true", label="no", tied=True)
    assert (arguments.dry, arguments.models, arguments.port, arguments.data) == (True, ["one=a"], 8, ["core"])
    assert parsed(tmp_path, "out: o\nlimit: ~\nport: null\nlabel: 'null'\n")[1] == Settings(limit=None, label="null")
    assert parsed(tmp_path, text, "two=b")[0].models == ["two=b"]
    for value in ("[]", "''", "1:30", "0o10", ".inf"):  # 90 seconds and 8 in YAML 1.1
        with pytest.raises(OptionsError, match=r"limit=.* is not a whole number or none"):
            parsed(tmp_path, f"out: o\nlimit: {value}\n")


def test_what_is_printed_says_the_same_when_it_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "m=1",
        "--profile",
        "large",
        "--out",
        "o",
        "--rate",
        "1e-05",
        "--set",
        "limit=none",
        "--set",
        "label=no: #",
    ]

    def printed(*words: str) -> str:
        with pytest.raises(SystemExit) as end:
            build().parse_args([*words, "--print-config"])
        assert end.value.code == 0
        return capsys.readouterr().out

    text = printed(*words)
    assert "# How fast, in 100% of cases (default 0.1; at least 0 and at most 1)\nrate: 1.0e-05\n" in text
    assert "limit: null" in text
    assert "config" not in text
    arguments, settings = parsed(tmp_path, text)
    assert settings == Settings(rate=1e-5, limit=None, kind="b", label="no: #")
    assert (arguments.models, arguments.profile) == (["m=1"], "large")
    assert printed("--config", str(tmp_path / "a.yaml")) == text


def test_options_that_exclude_each_other_do_so_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for first, second in (("resume: true", "restart: yes"), ("stats: s", "db: d")):
        told = refused(tmp_path, capsys, f"out: o\n{first}\n{second}\n")
        key, other = second.partition(":")[0], first.partition(":")[0]
        assert f"/a.yaml:3: {key} is not allowed with {other}; leave one out" in told
    assert parsed(tmp_path, "out: o\nresume: false\nrestart: true\n")[0].start == "restart"
    assert parsed(tmp_path, "out: o\nrestart: true\nresume: false\n")[0].start == "restart"
    # What is typed goes before the file, also where the two have other names.
    arguments, _ = parsed(tmp_path, "out: o\nresume: true\ndb: d\n", "--restart", "--stats=s")
    assert (arguments.start, arguments.db, arguments.stats) == ("restart", None, "s")


def test_names_are_taken_in_full_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--conf FILE` was read as `--config FILE` once everything that the file says had been left out."""
    with pytest.raises(SystemExit):
        build().parse_args(["--out", "o", "--conf", str(tmp_path / "a.yaml")])
    assert "unrecognized arguments: --conf" in capsys.readouterr().err
    assert "did you mean --config" in told_of(capsys, "--out", "o", "--confi=x")


def told_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit):
        build().parse_args(list(words))
    return capsys.readouterr().err


def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | bytes, *words: str) -> str:
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SystemExit) as end:
        build().parse_args(["--config", str(path), *words])
    assert end.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err.replace(str(tmp_path), "")


def test_all_mistakes_of_file_and_command_line_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "out: o\nrat: 1\nprofile: lrge\nport: x\ndry: maybe\nout: p\nlabel: {a: 1}\nlimit: abc\ndata-x: 1\nmodels: []\n"
    )
    told = refused(tmp_path, capsys, text, "--set", "rate=7", "--lable=y")
    for expected in (
        "/a.yaml:2: unknown key 'rat'; did you mean rate",
        "/a.yaml:3: profile: 'lrge' is not one of small, large",
        "/a.yaml:4: port: 'x' must be a whole number",
        "/a.yaml:5: dry: 'maybe' is not true or false",
        "/a.yaml:6: out is there twice",
        "/a.yaml:7: label is neither a value nor a list of values",
        "/a.yaml:9: unknown key 'data-x'; did you mean data",
        "limit='abc' is not a whole number or none",
        "rate=7.0 must be at least 0 and at most 1",
        "unrecognized arguments: --lable=y; did you mean --label",
    ):
        assert expected in told
    assert told.startswith("example: ")
    # What ends the reading of the command line does not hide what is wrong with the file.
    assert "unknown key 'rat'" in refused(tmp_path, capsys, "out: o\nrat: 1\n", "--port", "many")


# Half a kilobyte that names lists of lists, as many values as no memory holds.
LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("a: [b", "is no YAML: expected ',' or ']'"),
        ("- a\n- b\n", "holds no keys; write one option a line"),
        (b"label: \xff\xfe", "is not text in UTF-8"),
        ("label: a\x07", "is no YAML: special characters are not allowed"),
        ("label: " + "[" * 5000, "write one option a line"),
        (LAUGHS, "/a.yaml:2: a1 is neither a value nor a list of values"),
        ("data: &x [*x]\n", "/a.yaml:1: data is neither a value nor a list of values"),
        ("#" * 1_100_000, "has more than 1,048,576 bytes"),
        ("a: &x 1\na2: *y\n", "found undefined alias"),
        ("port: [1, 2]\n", "port: is one value, not a list"),
        ("limit:\nport:\n", "/a.yaml:1: limit has no value; write one, or none to take a limit away; see"),
        ("data: []\n", "data: needs one value at least"),
        ('label: "a\\0b"\n', "/a.yaml:1: 'label' holds a character NUL"),
        ('data: [a, "\\0"]\n', "/a.yaml:1: 'data' holds a character NUL"),
        ('"a\\nb": 1\n"a\\nb": 2\n', "/a.yaml:2: a b is there twice"),
        ("label: a\n---\nlabel: b\n", "is no YAML: --- begins another document; leave one"),
        ("label:\tb\n\tkind: a\n", "that cannot start any token; indent with spaces"),
        ("<<: {label: a}\n", "<< is neither a value nor a list of values"),
        ("config: b.yaml\n", "unknown key 'config'; it belongs on the command line"),
        ("debug: true\n", "unknown key 'debug'; it belongs on the command line"),
    ],
)
def test_a_file_that_is_no_configuration(
    held: str | bytes, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(tmp_path, capsys, held, "--out", "o")


def test_a_file_that_is_not_there_and_an_empty_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, why in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(SystemExit):
            build().parse_args(["--out", "o", "--config", str(path)])
        assert f"--config {path}: {why}" in capsys.readouterr().err
    for held in ("# nothing\n", "", "---\n...\n", "\ufeff"):
        assert parsed(tmp_path, held, "--out", "o")[1] == Settings()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--config"], "argument --config: expected one argument"),
        (["--config", "--port", "2"], "argument --config: expected one argument"),
        (["--config="], "--config '' is no path; name a file"),
        (["--port", "1e3"], "argument --port: '1e3' is not a whole number; write 1000"),
        (["--port="], "argument --port: '' is not a whole number"),
        (["--config", "a\0b"], "--config 'a\\x00b' is no path; name a file"),
        (["a", "--verbose", "b\nc"], "unrecognized arguments: --verbose b c"),
        (
            ["--PRINT-CONFIG"],
            "unrecognized arguments: --PRINT-CONFIG; did you mean --print-config, --config, --profile?",
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word without its file was told by a parser within the parser: two lines, and another program's name."""
    line = told_of(capsys, "--out", "o", *words)
    assert line == f"example: {told}; see example --help\n"


def test_a_date_and_a_no_are_texts_and_an_anchor_stands_for_what_it_names(tmp_path: Path) -> None:
    text = "out: 2024-01-01\nlabel: off\ndata: &all [no, 1e3, 08]\nmodels: *all\n"
    arguments, settings = parsed(tmp_path, text)
    assert (str(arguments.out), settings.label) == ("2024-01-01", "off")
    assert arguments.data == arguments.models == ["no", "1e3", "08"]


def test_the_help_shows_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(build().format_help().split())
    assert "--kind a|b|true Which (default a)" in text
    assert "--rate X How fast, in 100% of cases (default 0.1; at least 0 and at most 1)" in text
