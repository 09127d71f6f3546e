"""The changelog's section of a version, as the notes of its release: `python .github/release_notes.py 0.1.0`."""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"


def notes(changelog: str, version: str) -> str:
    """What stands below the version's heading.

    Raises:
        ValueError: there is no such version, or nothing below it; one line.
    """
    sections = re.split(r"^## \[?([^\]\s]+)\]?.*\n", changelog, flags=re.M)[1:]
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    if version not in found:
        raise ValueError(f"{version}: has no section in CHANGELOG.md; it has {', '.join(found)}")
    if not (text := found[version].strip()):
        raise ValueError(f"{version}: its section in CHANGELOG.md is empty; move what belongs to it there")
    return text + "\n"


def main(words: list[str]) -> int:
    try:
        if len(words) != 1:
            raise ValueError("name one version, or Unreleased")
        sys.stdout.write(notes(CHANGELOG.read_text(encoding="utf-8"), words[0]))
    except ValueError as error:
        print(f"release_notes.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
