"""Kills a run again and again: ``python -m tests.training.killed_run FOLDER KILLS`` prints what it found, as JSON.

PyTorch is imported once; each attempt is a fork of this process, which itself never computes anything.
"""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # which the optimizers would import in each fork

from tests.training.tiny_run import OPTIONS, Watched, saved_run
from training.hardware.products import fp32_products
from training.loop.resume import TrainingStates

SAVE_STEPS = 2
RUN = replace(OPTIONS, max_steps=80, save_steps=SAVE_STEPS, save_seconds=None)


def attempt(folder: Path, kill_after: int | None) -> int:
    """One life of the run, which ends by itself or soon after ``kill_after`` steps; the last step that it reported."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        trainer = saved_run(folder, RUN, Watched(lambda step: os.write(writer, struct.pack("i", step))))
        trainer.run()
        torch.save(trainer.model.state_dict(), folder / "final.pt")
        os._exit(0)
    os.close(writer)
    last, n = 0, 0
    while data := os.read(reader, 4):
        (last,), n = struct.unpack("i", data), n + 1
        if n == kill_after:
            time.sleep(random.uniform(0, 0.02))
            os.kill(child, signal.SIGKILL)
            break
    while data := os.read(reader, 4):  # steps that it still took in that time
        (last,) = struct.unpack("i", data)
    os.close(reader)
    os.waitpid(child, 0)
    return last


def main(folder: Path, kills: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    fp32_products()  # measured here, for all lives alike: the other library adds up in another order
    random.seed(int(time.time()))
    killed, whole = folder / "killed", folder / "whole"
    found: dict[str, Any] = {"lost": [], "saved": [], "unreadable": []}
    for _ in range(kills):
        last = attempt(killed, random.randint(1, 6))
        states = TrainingStates(killed, {})
        for step in states.steps():
            try:
                torch.load(states.path(step) / "state.pt")
            except Exception as error:
                found["unreadable"].append(f"{step}: {error}")
        newest = max(states.steps(), default=0)
        found["lost"].append(last - newest)
        found["saved"].append(newest)
    found["steps"] = [attempt(folder, None) for folder in (killed, whole)]
    weights = [torch.load(folder / "final.pt") for folder in (killed, whole)]
    found["equal"] = all(torch.equal(weights[0][name], tensor) for name, tensor in weights[1].items())
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
