"""`python app.py`: checks everything that can be wrong before a page is served, in one line each."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from app import logs
from app.begun import read_begun
from app.child import LOGS, short_path
from app.client import Forwarded, Proxies
from app.demo_training import CHECKPOINTS, DemoTraining
from app.language import must_have_texts
from app.limits import ADDRESS_LIMIT, SESSION_LIMIT, TESTER_LIMIT, Limits
from app.model_files import refusal, shortfall_of
from app.protection import Origins
from app.runtime import Runtime
from diptych import command
from feedback.claim import Claim, low_space
from feedback.database import DEFAULT_PATH, Database, DatabaseError
from feedback.study import Study, StudyError
from training.common.checkpoint_folder import GGUF, REPORT
from training.common.cli import OneLineParser, is_installed
from training.common.config import add_config
from training.common.files import place
from training.inference.engines import EngineError
from training.inference.engines.spec import FORMS, MODELS, open_engine

SPACE_FRAME = "https://huggingface.co"  # where a Space's page is shown
STUDY = Path(__file__).with_name("study.toml")


class UsageError(ValueError):
    """A user's mistake: one line with the value, the rule and the remedy."""


def parser(prog: str = "app.py") -> argparse.ArgumentParser:
    """The command line."""
    parser = OneLineParser(
        prog=prog,
        description="Serve the blind test at / and its results at /admin. Without checkpoints the demo pair is trained "
        "first, while the page shows how far it is.",
        epilog=f"SPEC is {FORMS}. The password of /admin is DIPTYCH_ADMIN_PASSWORD, else one is made and printed."
        " DIPTYCH_METRICS_TOKEN opens /metrics for others than this machine. DIPTYCH_LOGS is the folder for the logs of"
        " trainings (logs/).",
    )
    host = os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    port = os.environ.get("GRADIO_SERVER_PORT") or 7860
    parser.add_argument("--host", default=host, metavar="H", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=port, metavar="N", help="port to listen on (%(default)s)")
    parser.add_argument("--db", type=place, default=_database(), metavar="PATH", help="votes (feedback/diptych.db)")
    parser.add_argument("--study", type=place, metavar="FILE", help="the study (app/study.toml)")
    for model, folder in CHECKPOINTS.items():
        parser.add_argument(f"--{model}", metavar="SPEC", help=f"what answers as {model} ({short_path(folder)})")
    for who, limit, what in (
        ("tester", TESTER_LIMIT, "questions an hour of one tester"),
        ("address", ADDRESS_LIMIT, "questions and new sessions an hour from one address"),
        ("session", SESSION_LIMIT, "new sessions an hour from one address"),
    ):
        help_text = f"{what} (%(default)s; 0: no limit)"
        parser.add_argument(f"--{who}-limit", type=int, default=limit, metavar="N", help=help_text)
    parser.add_argument(
        "--trust-proxy", metavar="IPS", help="proxies whose X-Forwarded-For is to be believed: addresses or networks,"
        " such as 127.0.0.1 or 10.1.0.0/16, separated by commas (none)",
    )  # fmt: skip
    parser.add_argument(
        "--root-path", default="", metavar="PATH", help="sub-path below which a proxy serves the app, such as /diptych"
    )
    parser.add_argument(
        "--allow-frame", metavar="ORIGINS", help="sites whose pages may show this app in a frame, separated by commas"
        " (none; on a Space https://huggingface.co)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-origin", metavar="ORIGINS", help="sites whose scripts may use this app, separated by commas (none)"
    )
    parser.add_argument(
        "--log-format", choices=logs.FORMATS, default="text", help="how the log on stderr is written (%(default)s)"
    )
    add_config(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks and a detailed log")
    return parser


def _database() -> Path:
    """Where the votes are by default: on a Space with a persistent disk, there."""
    disk = Path("/data")
    return disk / DEFAULT_PATH.name if "SPACE_ID" in os.environ and os.access(disk, os.W_OK) else DEFAULT_PATH


@command
def main(argv: list[str] | None = None, prog: str = "app.py") -> int:
    """Serve until interrupted. Returns 0, or 2 after one line on stderr about a user's mistake."""
    arguments = parser(prog).parse_args(argv)
    logs.set_up(arguments.log_format, arguments.debug)
    try:
        return _serve(arguments)
    except (UsageError, StudyError, DatabaseError, EngineError) as error:
        if arguments.debug:
            raise
        print(f"{prog}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # how a user ends it
        return 0


def _serve(arguments: argparse.Namespace) -> int:
    for name in ("tester_limit", "address_limit", "session_limit"):
        if (value := getattr(arguments, name)) < 0:
            raise UsageError(f"--{name.replace('_', '-')} {value}: a limit is a whole number; 0 is no limit")
    root_path = arguments.root_path.rstrip("/")
    if root_path and not re.fullmatch(r"(/[\w.~-]+)+", root_path):
        raise UsageError(f"--root-path {arguments.root_path}: a sub-path begins with / and has no spaces, as /diptych")
    origins, proxies = _origins(arguments), _proxies(arguments)
    _take_up(arguments)
    study = Study.load(arguments.study)
    must_have_texts(study)
    listening = _listen(arguments.host, arguments.port)
    claim = Claim(arguments.db)
    claim.take()
    database = Database(arguments.db)
    if warning := low_space(arguments.db):
        print(f"app.py: {warning}", file=sys.stderr)
    specs: dict[str, str] = {model: getattr(arguments, model) or str(CHECKPOINTS[model]) for model in MODELS}
    missing = [model for model in MODELS if _has_to_be_trained(model, getattr(arguments, model), specs[model])]
    if missing and not is_installed("torch"):
        raise UsageError(
            f"{' and '.join(missing)} cannot be trained here, since PyTorch is not installed; name GGUF files or"
            ' servers with --model1 and --model2, or install it with: pip install "diptych[train]"'
        )
    for model in MODELS:
        if model not in missing:
            open_engine(specs[model], model)  # a wrong SPEC is reported now, not after minutes of training

    limits = Limits(arguments.tester_limit, arguments.address_limit, sessions=arguments.session_limit)
    training = DemoTraining(missing, check=lambda m: shortfall_of(specs[m], m), ahead=True) if missing else None
    runtime = Runtime(study, database, specs, training, limits)
    if missing:
        runtime.train_then_open()
    else:
        runtime.open()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # Else Gradio loads pyplot, to see which one there is, at the first click.
    os.environ.setdefault("MPLBACKEND", "agg")
    import uvicorn  # late, since Gradio takes seconds to load and the mistakes above should not

    from app.connections import RESERVED_FILES, Door, protocol_for, raise_file_limit
    from app.server import build

    password = os.environ.get("DIPTYCH_ADMIN_PASSWORD", "").strip() or secrets.token_urlsafe(12)
    server = build(runtime, password, root_path, origins, os.environ.get("DIPTYCH_METRICS_TOKEN", ""))
    before, files = raise_file_limit()
    _announce(arguments.host, listening.getsockname()[1], password, missing)
    print(f"At most {files:,} open files" + (f" (raised from {before:,})" if files > before else ""), flush=True)
    door = Door(max(64, files - RESERVED_FILES), proxies)
    level = "debug" if arguments.debug else "warning"
    # Open pages hold a stream each; without a limit the server would wait for them to be closed.
    config = uvicorn.Config(
        Forwarded(server, proxies) if proxies.networks else server,
        http=protocol_for(door), log_config=None, log_level=level, access_log=arguments.debug, ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
        proxy_headers=False, root_path=root_path,
    )  # fmt: skip
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        runtime.close()  # once more, for a server that never came to serve: a decoding thread would keep the process
        claim.free()
    return 0


def _take_up(arguments: argparse.Namespace) -> None:
    """Without a study and models on the command line: what was begun last at /admin, else the default study."""
    begun = None
    if not any((arguments.study, arguments.model1, arguments.model2)):
        begun = read_begun(arguments.db)
    arguments.study = arguments.study or STUDY
    if begun is None:
        return
    if begun.missing:
        raise UsageError(
            f"{begun.missing}: is not there, and the study that was begun last at /admin needs it; name what to serve"
            " with --study FILE, --model1 SPEC and --model2 SPEC"
        )
    arguments.study = begun.study
    for model, spec in begun.specs.items():
        setattr(arguments, model, spec)
    print(f"Going on with what was begun last at /admin ({begun.study.name}); --study {short_path(STUDY)} serves the"
          " default study.")  # fmt: skip


def _has_to_be_trained(model: str, asked: str | None, spec: str) -> bool:
    """Whether a model that nobody named is missing, or has not learned enough to be tested.

    Raises:
        UsageError: one that was named has not.
    """
    # Neither is there before a training has come to its end; an interrupted one leaves weights.
    if asked is None and not any((CHECKPOINTS[model] / name).is_file() for name in (GGUF, REPORT)):
        return True
    why = shortfall_of(spec, model)
    if why and refusal(spec):
        raise UsageError(f"--{model} {spec}: {why}; name another version")
    if why and asked is not None:
        raise UsageError(f"--{model} {asked}: {why}; go on with its training by --resume, or name another model")
    if why:
        print(f"{why}; its training goes on.", file=sys.stderr)
    return bool(why)


def _origins(arguments: argparse.Namespace) -> Origins:
    """Whom the pages trust besides themselves."""
    frames = arguments.allow_frame
    if frames is None:
        frames = SPACE_FRAME if "SPACE_ID" in os.environ else ""
    named = {"--allow-frame": frames, "--allow-origin": arguments.allow_origin or ""}
    origins = {option: tuple(filter(None, (o.strip() for o in text.split(",")))) for option, text in named.items()}
    for option, values in origins.items():
        for value in values:
            if not re.fullmatch(r"https?://[\w.-]+(:\d{1,5})?", value):
                raise UsageError(
                    f"{option} {value}: an origin is a scheme, a host and perhaps a port, as https://a.org"
                )
    return Origins(origins["--allow-frame"], origins["--allow-origin"])


def _proxies(arguments: argparse.Namespace) -> Proxies:
    """The proxies that are trusted; those that are not only proxies are told."""
    try:
        proxies = Proxies.read(arguments.trust_proxy or "")
    except ValueError as error:
        raise UsageError(
            f"--trust-proxy {error}: a proxy is an address, as 127.0.0.1, or a network without bits of a host, as"
            " 10.1.0.0/16; several are separated by commas"
        ) from error
    if widest := proxies.widest:
        print(
            f"app.py: --trust-proxy {widest}: whoever reaches this port, or a proxy that keeps the headers it is sent,"
            " is believed any address, so that no limit by address holds; name the proxies themselves",
            file=sys.stderr,
        )
    return proxies


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: a port is a number from 0 to 65535; 7860 is usual")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        # Windows': there SO_REUSEADDR lets two programs share a port.
        alone = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if alone is None else alone, 1)
        listening.bind((host, port))
        listening.listen(128)
    except socket.gaierror as error:
        raise UsageError(f"--host {host}: not an address of this machine; 127.0.0.1 is usual") from error
    except PermissionError as error:
        raise UsageError(f"--port {port}: only root may use ports below 1024; choose another, such as 7860") from error
    except OSError as error:
        raise UsageError(f"--port {port}: in use, or not to be had on {host}; choose another with --port") from error
    return listening


def _announce(host: str, port: int, password: str, missing: Sequence[str]) -> None:
    address = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0', '::', '') else host}:{port}"
    if missing:
        print(f"Training {' and '.join(missing)} first; the page shows how far it is. Logs are in {short_path(LOGS)}/.")
    print(f"Diptych is at {address}")
    given = os.environ.get("DIPTYCH_ADMIN_PASSWORD", "").strip()
    credential = "password from DIPTYCH_ADMIN_PASSWORD" if given else f"password {password}"
    print(f"Results are at {address}/admin (user admin, {credential})", flush=True)
