"""The Dockerfile's steps in a folder, where no Docker runs.

    python benchmarks/image_steps.py FOLDER --model1 SPEC --model2 SPEC

Reads the Dockerfile itself, so that both are the same steps. Absolute paths of the image lie below FOLDER; what needs a
container's root (a user, its rights) is left out and told. Then ENTRYPOINT is started with `app` and the two SPECs, the
HEALTHCHECK's own command asked until it succeeds, and the size of what the image adds to its base is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KNOWN = ("FROM", "WORKDIR", "RUN", "COPY", "ARG", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")
OF_ROOT = ("useradd", "apt-get", "chown")
PLACES = ("/opt/", "/src", "/data")
START_SECONDS = 300


@dataclass
class Image:
    """What the steps have come to: the folder in which a command runs, its environment, the two commands to start."""

    root: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def place(self, text: str) -> str:
        """`text` with the image's absolute paths below the folder."""
        return re.sub(rf"(?<![\w.])(?={'|'.join(PLACES)})", str(self.root), text)


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Each instruction with its arguments, comments left out and continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", dockerfile, flags=re.M))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def carry_out(dockerfile: str, root: Path) -> Image:
    """Perform every step.

    Raises:
        ValueError: an instruction that this script does not know.
    """
    image = Image(root, root)
    for word, rest in instructions(dockerfile):
        print(f"{word} {rest}", flush=True)
        if word not in KNOWN:
            raise ValueError(f"{word}: is not among {', '.join(KNOWN)}")
        if word == "WORKDIR":
            image.folder = Path(image.place(rest))
            image.folder.mkdir(parents=True, exist_ok=True)
        elif word == "COPY" and "--from=" not in rest:
            copy(rest.split()[:-1], image.folder / rest.split()[-1])
        elif word == "RUN" and any(name in rest for name in OF_ROOT):
            print("  left out: needs a container's root")
        elif word == "RUN":
            command = image.place(rest).replace("python -m venv", f"{sys.executable} -m venv")
            subprocess.run(["sh", "-ec", command], cwd=image.folder, env=os.environ | image.environment, check=True)
        elif word in ("ENV", "ARG"):
            for name, value in re.findall(r"(\w+)=(\S+)", rest):
                image.environment[name] = os.path.expandvars(image.place(value).strip('"'))
        elif word == "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        elif word == "HEALTHCHECK":
            image.health = json.loads(rest.partition(" CMD ")[2])
    return image


def copy(sources: list[str], target: Path) -> None:
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
        else:
            shutil.copy(ROOT / source, target)


def serve(image: Image, options: list[str], port: int) -> bool:
    """Start the app as the image does, ask for its health as the image does, and end it."""
    environment = os.environ | image.environment | {"GRADIO_SERVER_NAME": "127.0.0.1"}  # here for nobody else
    program = shutil.which(image.entrypoint[0], path=image.environment["PATH"])
    command = [program or image.entrypoint[0], "app", "--port", str(port), *options]
    app = subprocess.Popen(command, cwd=image.folder, env=environment)
    health = [word.replace(":7860/", f":{port}/") for word in image.health]
    try:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and app.poll() is None:
            if subprocess.run(health, env=environment, stderr=subprocess.DEVNULL).returncode == 0:
                return True
            time.sleep(1)
        return False
    finally:
        app.send_signal(signal.SIGTERM)
        app.wait(30)


def megabytes(folder: Path) -> float:
    """What the files take on the disk, as `du` counts."""
    return sum(path.lstat().st_blocks for path in folder.rglob("*")) * 512 / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an empty folder")
    parser.add_argument("--model1", required=True, metavar="SPEC")
    parser.add_argument("--model2", required=True, metavar="SPEC")
    parser.add_argument("--port", type=int, default=7869)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    image = carry_out((ROOT / "Dockerfile").read_text(encoding="utf-8"), arguments.folder.resolve())
    options = [f"--{name}={Path(spec).resolve() if Path(spec).exists() else spec}" for name, spec in
               (("model1", arguments.model1), ("model2", arguments.model2))]  # fmt: skip
    print(f"what is added to the base: {megabytes(image.root / 'opt'):.0f} MB")
    healthy = serve(image, options, arguments.port)
    print("healthy" if healthy else "not healthy")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
