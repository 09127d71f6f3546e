"""lm-evaluation-harness (https://github.com/EleutherAI/lm-evaluation-harness): its tasks for every kind of model.

Our own benchmarks are tasks of it too, in ``tasks/``: given them, ``lm_eval --model hf`` and our scorer choose the same
options. They are asked in the model's chat form. Every other task is given as the harness gives it by default, as raw
text, so that its numbers are those that others publish; what a task lets a model write is asked as a user's turn.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.common.options import nearest
from training.corpus.hub import FOLDER_VARIABLE
from training.corpus.sample import Message
from training.evaluation.items import BenchmarkError
from training.evaluation.subjects import Chat, Subject, Unavailable

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.tasks import TaskManager

PACKAGE = "lm-eval==0.4.13"
TASKS = Path(__file__).parent / "tasks"
OURS = ("diptych_embedded", "diptych_file")

INCLUDE_DEFAULTS = True
"""Whether names other than ours are looked for among the 14,000 files of the harness, which takes it some seconds."""

_PROBE_SECONDS = 5.0
_BOOTSTRAP = 1000
_NEW_TOKENS = 256
"""Of an answer that a task lets a model write, unless the task says another number."""


class HarnessError(ValueError):
    """A task that cannot be run; the message is one line and says what to do."""


@dataclass(frozen=True)
class Tasks:
    """Tasks with their data, ready to be run, as ``lm_eval.evaluate`` takes them: ours, and what else was named."""

    ours: dict[str, Any]
    others: dict[str, Any]


def load_tasks(names: Sequence[str], benchmark: str | Path | None = None) -> Tasks:
    """Find tasks by name and fetch their data, before any model is asked.

    Args:
        names: of tasks, groups or tags of the harness, or of ``OURS``.
        benchmark: the file for ``diptych_file``.

    Raises:
        HarnessError: the package is missing, a name is unknown, or a task's data cannot be had.
        BenchmarkError: the file cannot be used.
    """
    others = [name for name in names if name not in OURS]
    with _quiet():
        metadata = {} if benchmark is None else {"benchmark": str(benchmark)}
        manager = _manager(INCLUDE_DEFAULTS and bool(others), metadata)
        for name in others:
            _check_name(name, manager)
        return Tasks(
            _load({name: name for name in names if name in OURS}, manager),
            _load({name: _spec(name, manager) for name in others}, manager),
        )


def _manager(include_defaults: bool, metadata: dict[str, Any]) -> TaskManager:
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise HarnessError(
            f"--tasks needs lm-evaluation-harness, which is not installed ({error}); run: pip install {PACKAGE}"
        ) from error
    return TaskManager(include_path=str(TASKS), include_defaults=include_defaults, metadata=metadata)


def _check_name(name: str, manager: TaskManager) -> None:
    if name in manager.task_index:
        return
    meant = nearest(name, (*manager.all_tasks, *OURS), "lm_eval ls tasks shows all names")
    raise HarnessError(f"{name}: lm-evaluation-harness has no such task; {meant}")


def _spec(name: str, manager: TaskManager) -> str | dict[str, Any]:
    """What the harness is to load: the name, or the task with its data taken from a folder of one's own.

    Raises:
        HarnessError: the Hub does not answer; without this question the harness would ask it for half a minute.
    """
    import huggingface_hub
    from lm_eval.tasks._yaml_loader import load_yaml

    entry = manager.task_index[name]
    repository = (entry.cfg or {}).get("dataset_path")
    if not repository or "/" not in repository or Path(repository).exists():
        return name  # a group, whose tasks are asked one by one, or data that lie beside the task
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder and entry.yaml_path and (copy := Path(folder).expanduser() / repository).is_dir():
        return {**load_yaml(entry.yaml_path), "dataset_path": str(copy)}
    if not huggingface_hub.constants.HF_HUB_OFFLINE:
        try:
            huggingface_hub.HfApi().dataset_info(repository, timeout=_PROBE_SECONDS)
        except Exception as error:  # no network, a proxy's refusal, a repository that is gated or gone
            raise _unreachable(name, repository, error) from error
    return name


def _load(specs: dict[str, str | dict[str, Any]], manager: TaskManager) -> dict[str, Any]:
    """Every task with its data, those of groups and tags too, as the harness would set them up."""
    from lm_eval.defaults import DEFAULT_OTHER_SEED

    found: dict[str, Any] = {"tasks": {}, "groups": {}, "group_map": {}}
    for name, spec in specs.items():
        try:
            loaded: Any = manager.load([spec])
        except BenchmarkError:
            raise
        except Exception as error:  # datasets, the Hub's client and the tasks' own code raise some twenty kinds
            raise _unreachable(name, "its data", error) from error
        for key, part in found.items():
            part.update(loaded.get(key) or {})
    for task in found["tasks"].values():
        if task.get_config("num_fewshot") is None:
            task.set_config("num_fewshot", 0)
        task.set_fewshot_seed(DEFAULT_OTHER_SEED)
    return found


def _unreachable(name: str, what: str, error: Exception) -> HarnessError:
    reason = " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__
    return HarnessError(
        f"{name}: {what} cannot be had ({reason}); go online, set HF_HUB_OFFLINE=1 to use what was downloaded before, "
        f"or put a copy of the data set's repository into FOLDER/OWNER/NAME and set {FOLDER_VARIABLE}=FOLDER"
    )


def measure(subject: Subject, tasks: Tasks, limit: int | None = None) -> list[dict[str, Any]]:
    """Every metric of every task, as the entries of ``tasks`` in ``evaluation.json``.

    Raises:
        Unavailable: what a task asks for cannot be had of this kind of model.
    """
    found: list[dict[str, Any]] = []
    for loaded, as_chat in ((tasks.ours, True), (tasks.others, False)):
        if loaded["tasks"]:
            found += _entries(run(harness_model(subject), loaded, as_chat=as_chat, limit=limit))
    return found


def run(model: Any, loaded: dict[str, Any], *, as_chat: bool, limit: int | None = None, **more: Any) -> dict[str, Any]:
    """What ``lm_eval.evaluate`` gives for a model of the harness, samples included; it writes nothing."""
    from lm_eval import evaluate

    settings = {"apply_chat_template": as_chat, "limit": limit, "bootstrap_iters": _BOOTSTRAP} | more
    with _quiet():
        results = evaluate(lm=model, task_dict=loaded, **settings)
    assert results is not None, "one process alone has rank 0"
    return dict(results)


def _entries(results: dict[str, Any]) -> list[dict[str, Any]]:
    entries = []
    for task, values in {**results["results"], **results.get("groups", {})}.items():
        for key, value in values.items():
            metric, comma, filtered = key.partition(",")
            if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            stderr = values.get(f"{metric}_stderr,{filtered}")
            entries.append(
                {
                    "task": task,
                    "metric": metric if filtered == "none" else f"{metric} ({filtered})",
                    "value": value,
                    "stderr": stderr if isinstance(stderr, int | float) else None,
                    "n": results.get("n-samples", {}).get(task, {}).get("effective"),
                }
            )
    return entries


def harness_model(subject: Subject) -> Any:
    """A ``Subject`` as a model of the harness, an ``lm_eval.api.model.LM``."""
    from lm_eval.api.model import LM

    class SubjectLM(LM):
        """Hands the harness's requests to a subject.

        The harness works with texts. A conversation that it wants in the chat form is therefore handed over as a text
        that stands for it, and taken back when it comes in a request.
        """

        def __init__(self) -> None:
            super().__init__()
            self._chats: dict[str, Chat] = {}

        @property
        def tokenizer_name(self) -> str:
            return subject.sha256

        def apply_chat_template(self, chat_history: list[dict[str, Any]], add_generation_prompt: bool = True) -> str:
            if not add_generation_prompt:
                raise Unavailable("the task begins the answer itself, which is not done in a chat; run it without one")
            key = json.dumps(chat_history, ensure_ascii=False)
            self._chats[key] = [Message(turn["role"], turn["content"]) for turn in chat_history]
            return key

        def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
            pairs = [(self._chats.get(context, context), text) for context, text in (r.args for r in requests)]
            return [(-found.nats, found.greedy) for found in subject.loglikelihoods(pairs)]

        def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
            return [rolling(subject, request.args[0]) for request in requests]

        def generate_until(self, requests: list[Instance]) -> list[str]:
            answers = [""] * len(requests)
            for new_tokens in {_new_tokens(request) for request in requests}:
                chosen = [i for i, request in enumerate(requests) if _new_tokens(request) == new_tokens]
                asked = [self._chats.get(c, [Message("user", c)]) for c in (requests[i].args[0] for i in chosen)]
                for i, answer in zip(chosen, subject.answers(asked, new_tokens), strict=True):
                    answers[i] = _until(answer.text, requests[i].args[1].get("until", ()))
            return answers

    return SubjectLM()


def rolling(subject: Subject, text: str) -> float:
    """Log likelihood of a whole text, in the harness's windows: each token is predicted once.

    Raises:
        Unavailable: a server, which does not tell how much it can read.
    """
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    from training.evaluation.likelihood import pair_likelihoods

    network = getattr(subject, "network", None)
    if network is None:
        raise Unavailable("tasks over whole texts need the model's own files")
    begin, ids = network.form.pair("", text)
    windows = [make_disjoint_window(w) for w in get_rolling_token_windows(ids, begin[0], network.context, 1)]
    return -sum(found.nats for found in pair_likelihoods(network, windows, [0] * len(windows)))


def _new_tokens(request: Instance) -> int:
    return int(request.args[1].get("max_gen_toks") or request.args[1].get("max_new_tokens") or _NEW_TOKENS)


def _until(text: str, stops: str | Sequence[str]) -> str:
    """A text up to the first of some strings."""
    return min((text.split(stop)[0] for stop in ([stops] if isinstance(stops, str) else stops) if stop), default=text)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the page of log and the bars that the harness writes for each task; errors are reported in one line."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(level)
