"""What pyproject.toml cannot say: the package notes the commit that it is built from, for `diptych --version`."""

import os
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCommit(build_py):
    """Writes `app/COMMIT` into what is built, from Git or, where there is none, from `DIPTYCH_COMMIT`."""

    def run(self) -> None:
        super().run()
        commit = os.environ.get("DIPTYCH_COMMIT") or _commit()
        if commit and not self.editable_mode:
            Path(self.build_lib, "app", "COMMIT").write_text(commit + "\n", encoding="utf-8")


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).resolve().parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


setup(cmdclass={"build_py": BuildWithCommit})
