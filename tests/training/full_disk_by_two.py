"""A disk that fills under runs of two processes: ``torchrun`` starts this with a folder on a small disk, and the first
process prints what came of each run, as JSON."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.training.distributed_run import make, options
from training.loop.distributed import World


def fill(disk: Path, world: World, kilobytes: int) -> None:
    """Leave so much room on the disk."""
    if world.is_first:
        with (disk / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - kilobytes * 1024)
    world.wait()


def refuse(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def outcome_of(run: Any, world: World, states: Path, said: list[str]) -> dict[str, Any]:
    try:
        found = {"stopped": run.run().stopped, "error": ""}
    except Exception as error:
        found = {"stopped": "", "error": f"{type(error).__name__}: {error}"}
    except SystemExit as error:
        found = {"stopped": "", "error": f"SystemExit: {error}"}
    both = world.gather(found)
    return {"processes": both, "said": said, "states": run.states.steps()}


def main(disk: Path) -> None:
    found = {}
    with World.join() as world:
        for parallel in ("ddp", "fsdp"):
            for name in ("time", "weights", "weights at the end", "state"):
                folder, said = disk / f"{parallel}-{name}".replace(" ", "-"), list[str]()
                world.wait()
                settings = options(parallel=parallel, max_steps=6, save_steps=2 if name == "state" else None)
                if name == "time":
                    settings = replace(settings, max_seconds=1e-3, target_bits_per_byte=0.01)
                run: Any = make("model1", settings, world, folder)
                run.progress.say = said.append
                if name == "time":
                    fill(disk, world, 0)
                elif name == "state":
                    step = run.step
                    run.step = lambda batch, run=run, step=step: (
                        fill(disk, world, 0) if run.outcome.steps == 2 else None,
                        step(batch),
                    )[1]
                elif world.is_first:  # who alone writes the weights
                    run.on_best = refuse
                if name == "weights at the end":
                    run.held_out = {}
                found[f"{parallel} {name}"] = outcome_of(run, world, folder, said)
                if world.is_first:
                    (disk / "filler").unlink(missing_ok=True)
        if world.is_first:
            print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
