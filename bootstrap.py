"""Set everything up and go: `python bootstrap.py app`, `python bootstrap.py test`. `make` calls this.

    app [OPTIONS OF app.py]       what the app needs, then the app
    test [ARGUMENTS OF pytest]    what the checks need, then all of them (or those that are named)
    install, dev                  only the packages of the one or the other
    browser, nginx                only what some tests need besides

Needs Python alone, on Linux, macOS and Windows. Packages go into .venv, with the pins of constraints.txt: by uv with
pip's settings, or by pip where uv cannot be had.
DIPTYCH_TORCH says which PyTorch: cpu, pip (what pip finds by itself), or the address of an index; without it the CPU's
build is taken on Linux without an NVIDIA GPU, unless pip was told of an index of its own.
"""

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from diptych import command  # tells, too, that a Python is too old

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
GPU_INDEX = "https://download.pytorch.org/whl/cu130"
SOURCES = ("index-url", "extra-index-url", "find-links", "no-index")
"""Settings of pip that name where packages come from."""
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", "constraints.txt")
IMPATIENT = ("--retries", "1", "--timeout", "30")
"""Where something else can be tried: pip's own patience is minutes."""
UV = ("pip", "install", "--quiet", "--index-strategy", "unsafe-best-match", "-c", "constraints.txt")
"""The best version of all indexes, as pip takes it; uv by itself stops at the first index that has a package."""
UV_OPTIONS = {
    "index-url": "--index-url",
    "extra-index-url": "--extra-index-url",
    "find-links": "--find-links",
    "constraint": "-c",
    "trusted-host": "--allow-insecure-host",
}
UV_VARIABLES = {"cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT", "proxy": "ALL_PROXY"}
WORDS_ONLY = {"disable-pip-version-check", "no-color", "no-input", "no-warn-script-location", "progress-bar", "quiet"}
WORDS_ONLY |= {"cache-dir", "default-timeout", "retries", "root-user-action", "timeout", "verbose"}
"""Settings of pip that change nothing of what is installed."""
LINT = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))
# Three processes on two cores: the tests of pages and servers mostly wait. Files in the order of tests/order.py.
AT_ONCE = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
CHECKS = (("-m", "alone"), ("-m", "not alone", *AT_ONCE, "--durations=15"))
HEADLESS_SHELL = "chromium-headless-shell"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Failed(Exception):
    """A step that did not succeed; `code` is how bootstrap.py ends."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


@command
def main(words: list[str]) -> int:
    steps = {"app": app, "test": test, "install": install, "dev": dev, "browser": browser, "nginx": nginx}
    if {"-h", "--help"} & set(words[:1] if words[:1] in (["app"], ["test"]) else words):
        print(__doc__)
        return 0
    if not words or words[0] not in steps:
        print(f"bootstrap.py: name one of {', '.join(steps)}; see bootstrap.py --help", file=sys.stderr)
        return 2
    if words[1:] and words[0] not in ("app", "test"):
        print(f"bootstrap.py: {words[0]} takes no arguments, and not {words[1]}", file=sys.stderr)
        return 2
    if os.name == "nt":  # what is started reads and writes UTF-8 then
        os.environ.setdefault("PYTHONUTF8", "1")
    # Where bytecode is unwanted beside the sources it lies here: each training that starts would compile PyTorch and
    # transformers anew, which takes as long again as to import them (docs/experiments.md).
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(VENV / "bytecode"))
    try:
        return steps[words[0]](*words[1:]) or 0
    except Failed as error:
        print(f"bootstrap.py: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130


def app(*options: str) -> int:
    """Set up and serve, from where the command was typed."""
    install()
    command = [str(tool("python")), str(ROOT / "app.py"), *options]
    if os.name == "posix":  # the app takes the place of this process, and with it its signals
        sys.stdout.flush()
        os.execv(command[0], command)
    child = subprocess.Popen(command)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # the app has heard it too, and needs its time to end
            pass


def test(*arguments: str) -> None:
    """Set up and check: style, types, tests."""
    dev()
    browser()
    nginx()
    if not arguments:
        for command in LINT:
            run(str(tool(command[0])), *command[1:])
    for check in [arguments] if arguments else CHECKS:
        run(str(tool("python")), "-m", "pytest", *check)


def install() -> None:
    """The packages of requirements.txt, if they have changed since."""
    dead = tool("python").is_symlink() and not tool("python").exists()  # the Python that it was made of is gone
    if is_new(".installed", "requirements.txt") and not dead:
        return
    if not has_pip():
        run(sys.executable, "-m", "venv", *(["--clear"] if dead else []), str(VENV))
    install_torch()
    install_packages("-r", "requirements.txt")
    (VENV / ".installed").touch()


def has_pip() -> bool:
    """Whether the environment can be installed into: one whose making was cut short has a Python, and no pip."""
    try:
        return subprocess.run([str(tool("python")), "-m", "pip", "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def install_packages(*words: str, index: str = "") -> None:
    """By uv, which takes a quarter of pip's time (docs/experiments.md); by pip where uv cannot.

    Raises:
        Failed: pip could not either.
    """
    uv = uv_settings(settings_of_pip(), index)
    if uv and has_uv():
        options, variables = uv
        try:
            run(str(tool("uv")), *UV, "--python", str(tool("python")), *options, *words, env=variables)
            return
        except Failed:
            print("uv could not install these packages; pip is asked.", flush=True)
    run(str(tool("python")), *PIP, *(("--index-url", index, *IMPATIENT) if index else ()), *words)


def uv_settings(settings: dict[str, str], index: str = "") -> tuple[list[str], dict[str, str]] | None:
    """What pip was told, as options and variables of uv, which reads nothing of pip's; None where uv has no such thing.

    See https://docs.astral.sh/uv/pip/compatibility.
    """
    if settings.keys() - UV_OPTIONS.keys() - UV_VARIABLES.keys() - WORDS_ONLY - {"no-index"}:
        return None
    options = ["--index-url", index] if index else []
    options += ["--no-index"] if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") else []
    for name, option in UV_OPTIONS.items():
        if not (index and name == "index-url"):
            options += [word for value in settings.get(name, "").split() for word in (option, value)]
    return options, {variable: settings[name] for name, variable in UV_VARIABLES.items() if name in settings}


def has_uv() -> bool:
    """Whether uv is in the environment, or could be put there."""
    command = [str(tool("python")), *PIP, *IMPATIENT, "uv"]
    try:
        return tool("uv").exists() or subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    except OSError:
        return False


def dev() -> None:
    """Those of requirements-dev.txt too."""
    install()
    if not is_new(".installed-dev", "requirements-dev.txt", str(VENV / ".installed")):
        install_packages("-r", "requirements-dev.txt")
        (VENV / ".installed-dev").touch()


def is_new(stamp: str, *sources: str) -> bool:
    """Whether what a stamp stands for was done after the last change of what it was done from."""
    done = VENV / stamp
    return done.exists() and all(
        (ROOT / source).stat().st_mtime <= done.stat().st_mtime for source in (*sources, "constraints.txt")
    )


def tool(name: str) -> Path:
    """A program of the virtual environment, where this system keeps them."""
    return VENV / ("Scripts" if os.name == "nt" else "bin") / (f"{name}.exe" if os.name == "nt" else name)


def install_torch() -> None:
    """PyTorch first, where pip by itself would choose another build than fits this machine."""
    asked = os.environ.get("DIPTYCH_TORCH", "")
    index, why = torch_index(asked, platform.system(), has_nvidia_gpu(), sources_of_pip())
    if why:
        print(why, flush=True)
    if not index:
        return
    pin = re.search(r"^torch==\S+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    try:
        install_packages("--no-deps", pin[0] if pin else "torch", index=index)
    except Failed as error:
        if asked:
            raise Failed(f"PyTorch cannot be had from {index}; name another with DIPTYCH_TORCH, or pip") from error
        print("PyTorch's own index cannot be reached; pip's build is taken.", flush=True)


def torch_index(asked: str, system: str, has_gpu: bool, sources: list[str]) -> tuple[str, str]:
    """From which index PyTorch comes (none: from where pip looks by itself), and a line that says why.

    Raises:
        Failed: what was asked is neither a name nor an address.
    """
    if asked not in ("", "cpu", "pip") and not re.match(r"(https?|file)://", asked):
        raise Failed(f"DIPTYCH_TORCH={asked}: must be cpu, pip, or the address of an index, such as {GPU_INDEX}")
    if asked == "pip":
        return "", ""
    if asked == "cpu":
        return ("", "") if system == "Darwin" else (CPU_INDEX, "")
    if asked:
        return asked, ""
    if system == "Windows" and has_gpu:
        return "", f"pip's PyTorch for Windows is the CPU's; DIPTYCH_TORCH={GPU_INDEX} takes the GPU's."
    if system != "Linux" or has_gpu:
        return "", ""
    if sources:
        return "", f"No NVIDIA GPU here; PyTorch comes from where pip was told to look ({', '.join(sources)})."
    return CPU_INDEX, "No NVIDIA GPU here: PyTorch's build for the CPU is taken; DIPTYCH_TORCH=pip takes CUDA's."


def has_nvidia_gpu() -> bool:
    """Whether NVIDIA's driver is here: its own command finds a GPU, or the kernel has one."""
    smi = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/lib/wsl/lib")
    if smi:
        try:
            return subprocess.run([smi, "-L"], capture_output=True, timeout=30).stdout.startswith(b"GPU ")
        except (OSError, subprocess.SubprocessError):
            pass
    return Path("/proc/driver/nvidia/version").exists()


def sources_of_pip() -> list[str]:
    """Which settings of pip name where packages come from."""
    return [name for name in SOURCES if name in settings_of_pip()]


def settings_of_pip() -> dict[str, str]:
    """What pip is told by its files and by the environment, the latter before the former."""
    command = [str(tool("python")), "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True).stdout.decode("utf-8", "replace")
    found = re.findall(r"^(global|install|:env:)\.([\w-]+)=('.*'|\".*\")\r?$", listed, re.M)
    found.sort(key=lambda setting: ("global", "install", ":env:").index(setting[0]))
    return {name: str(ast.literal_eval(value)) for _, name, value in found}


def browser() -> None:
    """The browser for the browser tests: an installed one, else Debian's, else Playwright's own.

    Debian's headless shell comes too where it can: a page in it takes a third of the CPU time (docs/experiments.md).
    """
    tried = VENV / ".headless-shell"
    has_browser = any(shutil.which(name) for name in BROWSERS)
    if has_browser and (shutil.which(HEADLESS_SHELL) or tried.exists() or not is_root_of_debian()):
        return
    if not is_root_of_debian():
        dev()
        run(str(tool("python")), "-m", "playwright", "install", "chromium")
        return
    try:
        install_of_debian(*([] if has_browser else ["chromium"]), HEADLESS_SHELL)
    except Failed:
        print("There is no headless shell; pages are tested in the whole browser, which takes longer.", flush=True)
        if not has_browser:
            install_of_debian("chromium")
        if VENV.exists():
            tried.touch()


def nginx() -> None:
    """The proxy of docs/deploy.md, for its test."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"])
    if shutil.which("nginx", path=places):
        return
    if is_root_of_debian():
        install_of_debian("nginx-light", "openssl")
    else:
        print("Install nginx for the test of docs/deploy.md.", file=sys.stderr)


def is_root_of_debian() -> bool:
    return getattr(os, "geteuid", lambda: 1)() == 0 and shutil.which("apt-get") is not None


def install_of_debian(*packages: str) -> None:
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run("apt-get", "update", "-qq")
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, quiet=True)


def run(*command: str, quiet: bool = False, env: dict[str, str] | None = None) -> None:
    """Raises Failed, with the command and its exit code."""
    out, variables = subprocess.DEVNULL if quiet else None, {**os.environ, **(env or {})}
    try:
        code = subprocess.call(command, cwd=ROOT, stdout=out, env=variables)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}; install it, or remove .venv and try again") from error
    if code:
        raise Failed(f"`{' '.join(command)}` ended with exit code {code}", code if 0 < code < 256 else 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
