"""Training, generation and export of the two models. Public names are imported on first use, so that
``import training.corpus`` needs no PyTorch."""

from contextlib import suppress

with suppress(ImportError):  # this folder alone, beside a user's own code, has no commands
    import diptych  # noqa: F401 - first, since it tells what this Python lacks

from importlib import import_module
from typing import TYPE_CHECKING, Any

from training.common.cache import give_a_home
from training.hardware.threads import spin_briefly, stay_within_limit

if TYPE_CHECKING:
    from training.inference.generation import generate
    from training.models.transformer import ModernTransformer

__all__ = ["ModernTransformer", "generate"]

give_a_home()  # before any library asks where it is

_HOME = {"ModernTransformer": "training.models.transformer", "generate": "training.inference.generation"}

spin_briefly()  # here, since PyTorch must not be loaded before
stay_within_limit()


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
