"""``--config FILE.yaml`` and ``--print-config``: every option and every setting of a command, by its name, in a file.

A value is read as the same words on a command line would be, so `no` is a text and `1e-3` a number. What the file says
stands in the place of the defaults: options on the command line, ``--set`` among them, go before it.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from training.common.options import field_docs, nearest, ranges_of

NO_KEYS = ("help", "config", "print_config", "debug", "set", "version")
"""Options of a command that are no part of its configuration; settings stand under their own names."""

KINDS: dict[Any, str] = {int: "a whole number", float: "a number"}
MAX_BYTES = 1 << 20
WIDTH = 100
Value = str | list[str] | None
BLANK = "\0"
"""What stands for a key with nothing behind it: a character that no value has."""


class Setting(argparse.Action):
    """``--learning-rate 0.003``, which is ``--set learning_rate=0.003``: of both the last one counts."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        namespace.set = [*namespace.set, f"{self.const}={values}"]


def add_settings(parser: argparse.ArgumentParser, options: Any, title: str) -> None:
    """An option for each setting, and ``--set KEY=VALUE``; both are gathered in ``arguments.set``, in their order.

    Args:
        options: a dataclass with the defaults that the help shows.
        title: what these are, such as ``defaults of the profile demo``.
    """
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting by its name; may be repeated"
    )
    group = parser.add_argument_group("settings", f"({title}; none takes a limit away)")
    cls: type = type(options)
    hints, docs, ranges = get_type_hints(cls), field_docs(cls), ranges_of(cls)
    for field in dataclasses.fields(cls):
        allowed = f"; {ranges[field.name].in_use}" if field.name in ranges else ""
        text = f"{docs.get(field.name, '')} (default {getattr(options, field.name)}{allowed})".strip()
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            action=Setting,
            dest="set",
            const=field.name,
            default=[],
            metavar=_metavar(hints[field.name]),
            help=text.replace("%", "%%"),
        )


def _metavar(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "|".join(map(str, get_args(hint)))
    kinds = {int: "N", float: "X", bool: "true|false", str: "TEXT"}
    return next((kinds[kind] for kind in (hint, *get_args(hint)) if kind in kinds), "VALUE")


def add_config(parser: argparse.ArgumentParser) -> None:
    """The two options; ``OneLineParser`` does what they say."""
    parser.add_argument(
        "--config", metavar="FILE.yaml", help="take options from this file; those of the command line go before them"
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print what the command would work with, as such a file, and do nothing else",
    )


def keys_of(actions: Iterable[argparse.Action]) -> dict[str, argparse.Action]:
    """What a file may say, by its keys."""
    found = {}
    for action in actions:
        names = [option[2:].replace("-", "_") for option in action.option_strings if option.startswith("--")]
        for name in names or [action.dest]:
            if name not in NO_KEYS and not isinstance(action, argparse._SubParsersAction):
                found[name] = action
    return found


def take(path: str, parser: argparse.ArgumentParser, typed: Collection[str] = ()) -> list[str]:
    """Put what a file says in the place of a parser's defaults, but for what excludes an option among the words that
    were ``typed``; returns every problem, each with its line."""
    actions = keys_of(parser._actions)
    settings: list[str] = []
    said: dict[argparse.Action, str] = {}
    entries, problems = read(path)
    for line, key, value in entries:
        name, place = key.replace("-", "_"), f"{path}:{line}"
        action = actions.get(name)
        if action is None:
            problems.append(f"{place}: unknown key {key!r}{_meant(name, actions)}")
        elif isinstance(action, Setting) and value == BLANK:  # YAML's null: a limit forgotten would be a limit gone
            problems.append(f"{place}: {key} has no value; write one, or none to take a limit away")
        elif isinstance(action, Setting):
            text = ",".join(value) if isinstance(value, list) else "none" if value is None else value
            settings.append(f"{name}={text}")
        elif value not in (None, BLANK):
            try:
                converted = _converted(action, value)
            except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
                known = isinstance(error, argparse.ArgumentTypeError)
                reason = str(error) if known else f"{value!r} must be {KINDS.get(action.type, 'another value')}"
                problems.append(f"{place}: {key}: {' '.join(reason.split())}")
                continue
            if action.nargs == 0 and converted != action.const:  # says no, as it is without a word
                continue
            rivals = _rivals(parser, action)
            problems += [
                f"{place}: {key} is not allowed with {said[rival]}; leave one out" for rival in rivals if rival in said
            ]
            if any(_is_typed(rival, typed) for rival in rivals):
                continue
            said[action] = key
            _set_default(parser, action, converted)
    if settings:
        parser.set_defaults(set=settings)
    return problems


def _meant(name: str, actions: Iterable[str]) -> str:
    if name in NO_KEYS:
        return "; it belongs on the command line"
    return (near := nearest(name, actions)) and f"; {near}"


def _set_default(parser: argparse.ArgumentParser, action: argparse.Action, value: Any) -> None:
    action.help = _help_of(action).replace("%", "%%")  # before the default that it names is another
    parser.set_defaults(**{action.dest: value})
    action.required = False
    if not action.option_strings and action.nargs is None:
        action.nargs = "?"


def _rivals(parser: argparse.ArgumentParser, action: argparse.Action) -> list[argparse.Action]:
    """The options that one excludes."""
    groups = [group._group_actions for group in parser._mutually_exclusive_groups if action in group._group_actions]
    return [other for group in groups for other in group if other is not action]


def _is_typed(action: argparse.Action, words: Collection[str]) -> bool:
    return any(word.partition("=")[0] in action.option_strings for word in words)


def _converted(action: argparse.Action, value: str | list[str]) -> Any:
    """What a command line would make of the value."""
    if action.nargs == 0:
        if isinstance(value, list) or value.lower() not in ("true", "false", "yes", "no", "1", "0"):
            raise argparse.ArgumentTypeError(f"{value!r} is not true or false")
        return action.const if value.lower() in ("true", "yes", "1") else action.default
    several = action.nargs in ("+", "*") or isinstance(action.nargs, int)
    if isinstance(value, list) and not several:
        raise argparse.ArgumentTypeError("is one value, not a list")
    texts = value if isinstance(value, list) else [value]
    convert: Callable[[str], Any] = action.type if callable(action.type) else str
    values = [convert(text) for text in texts]
    if action.nargs == "+" and not values and action.default != []:  # which --print-config shows where nothing is named
        raise argparse.ArgumentTypeError("needs one value at least")
    for one in values:
        if action.choices is not None and one not in action.choices:
            raise argparse.ArgumentTypeError(f"{one!r} is not one of {', '.join(map(str, action.choices))}")
    return values if several else values[0]


def read(path: str) -> tuple[list[tuple[int, str, Value]], list[str]]:
    """The keys of a YAML file with their lines and values as they are typed, and what is wrong with it."""
    import yaml  # late: few commands are given a file

    if not path or "\0" in path:
        return [], [f"--config {path!r} is no path; name a file"]
    try:
        with Path(path).expanduser().open("rb") as file:
            held = file.read(MAX_BYTES + 1)
        if len(held) > MAX_BYTES:
            return [], [f"{path}: has more than {MAX_BYTES:,} bytes; a configuration has a line for each option"]
        root = yaml.compose(held.decode("utf-8-sig"), Loader=yaml.BaseLoader)
    except OSError as error:
        return [], [f"--config {path}: {error.strerror}; check the path"]
    except UnicodeDecodeError:
        return [], [f"{path}: is not text in UTF-8; save it as that"]
    except RecursionError:
        return [], [f"{path}: lists within lists within lists; write one option a line, as KEY: VALUE"]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return [], [f"{path}{f':{mark.line + 1}' if mark else ''}: is no YAML: {_why(error)}"]
    is_blank = isinstance(root, yaml.ScalarNode) and _scalar(root) in (None, BLANK)
    if root is None or is_blank:  # nothing, or `---` alone
        return [], []
    if not isinstance(root, yaml.MappingNode):
        return [], [f"{path}: holds no keys; write one option a line, as KEY: VALUE"]
    entries: list[tuple[int, str, Value]] = []
    problems = []
    seen: set[str] = set()
    for key, node in root.value:
        place = f"{path}:{key.start_mark.line + 1}"
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        # First: lists of lists, written out, may be longer than any memory, since an alias names one again.
        if not name or not all(isinstance(part, yaml.ScalarNode) for part in parts):
            problems.append(f"{place}: {name or 'a key'} is neither a value nor a list of values; write KEY: VALUE")
        elif any("\0" in part.value for part in (key, *parts)):
            problems.append(f"{place}: {name!r} holds a character NUL, which no value has; take it out")
        elif (plain := name.replace("-", "_")) in seen:
            problems.append(f"{place}: {name} is there twice; leave one out")
        else:
            seen.add(plain)
            value: Value = [part.value for part in parts] if parts != [node] else _scalar(node)
            entries.append((key.start_mark.line + 1, name, value))
    return entries, problems


def _why(error: Any) -> str:
    """What YAML's parser has against a file, and what to do."""
    why = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
    if "another document" in why:
        return "--- begins another document; leave one"
    return f"{why}; {'indent with spaces' if repr(chr(9)) in why else 'write KEY: VALUE'}"


def _scalar(node: Any) -> str | None:
    text: str = node.value
    if node.style is None and not text:
        return BLANK
    return None if node.style is None and text.lower() in ("~", "null") else text


def written(actions: Sequence[argparse.Action], arguments: argparse.Namespace, settings: Mapping[str, Any]) -> str:
    """A file that says what ``arguments`` say, each key below what it means; ``settings`` are values that are not among
    the arguments, or stand there in another form."""
    import yaml

    parts = []
    for key, action in keys_of(actions).items():
        value = settings[key] if key in settings else getattr(arguments, action.dest)
        if key not in settings and action.nargs == 0:
            value = value == action.const
        values = value if isinstance(value, list | tuple) else [value]
        plain = [as_typed(one) if isinstance(one, Path) else one for one in values]
        several = isinstance(value, list | tuple)
        about = textwrap.fill(_help_of(action), WIDTH, initial_indent="# ", subsequent_indent="# ")
        said = plain if several else {key: plain[0]}
        text = yaml.safe_dump(said, default_flow_style=several, width=10**6, allow_unicode=True).strip()
        parts.append(f"{about}\n{f'{key}: ' if several else ''}{text}\n")
    return "\n".join(parts)


def _help_of(action: argparse.Action) -> str:
    """What ``--help`` says of an option, in one line."""
    return " ".join(((action.help or "") % vars(action)).split())


def as_typed(path: Path) -> str:
    """A path as it would be typed here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
