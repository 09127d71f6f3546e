"""What comes from a browser, made into what a handler expects. Anybody can post anything, of any type."""

from __future__ import annotations

import json
from typing import Any


def as_text(value: Any) -> str:
    """`value` if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def as_texts(value: Any) -> list[str]:
    """The texts among the members of a list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def as_yes_or_no(value: Any) -> bool | None:
    """True for `yes`, False for `no`, None for anything else."""
    return {"yes": True, "no": False}.get(value) if isinstance(value, str) else None


def as_key(value: Any) -> int:
    """The number of a round as the page keeps it, a text of digits; -1, which no round has, for anything else."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else -1


def as_facts(value: Any) -> dict[str, Any]:
    """What the page's script says (`seconds`, `time`, `invite`), as far as it has the right types."""
    try:
        facts = json.loads(as_text(value)[:500] or "{}")
    except ValueError:
        return {}
    if not isinstance(facts, dict):
        return {}
    kinds = {"seconds": (int, float), "time": (str,), "invite": (str,)}
    return {name: facts[name] for name, allowed in kinds.items() if type(facts.get(name)) in allowed}
