"""Threads beside other programs: how OpenMP waits is asked of OpenMP itself, and a real program keeps a core busy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

from tests.training.tiny_run import Watched, tiny_trainer
from training.common.workers import usable_cores, visible_cores
from training.hardware import threads
from training.hardware.threads import LONGEST_PAUSE, PAUSE_SECONDS, SPINS, FreeCores, Use, stay_within_limit
from training.loop.distributed import DistributedTrainer

ROOT = Path(__file__).resolve().parents[3]
ENGINE = "from training.inference.engines.llama_cpp import LlamaCpp; LlamaCpp('none.gguf').start()"


def spins(command: list[str], **environment: str) -> set[str]:
    """What GNU OpenMP says of itself when a command has loaded it."""
    clean = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    told = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=clean | {"OMP_DISPLAY_ENV": "verbose"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return set(re.findall(r"GOMP_SPINCOUNT = '(\d+)'", told.stderr))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch does not come with GNU OpenMP")
@pytest.mark.parametrize(
    "command",
    [
        ["training/train_art_ai_model.py", "--help"],
        ["training/train_model2_pretrained.py", "--help"],
        ["-m", "training.train_art_ai_model", "--help"],
        ["-c", ENGINE],
    ],
)
def test_waiting_threads_sleep_soon(command: list[str]) -> None:
    assert spins(command) == {SPINS}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch does not come with GNU OpenMP")
def test_the_users_own_way_of_waiting_stays() -> None:
    command = ["-c", "import training, torch"]
    assert spins(command, OMP_WAIT_POLICY="passive") == {"0"}
    assert spins(command, GOMP_SPINCOUNT="77") == {"77"}


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where the user has chosen nothing and there are two cores."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


QUIET, SHARED, UNEVEN = Use(1.95, 0.05, 0.0), Use(1.0, 1.0, 0.0), Use(0.9, 0.8, 0.3)


def test_fewer_threads_are_tried_and_kept_only_if_they_are_faster(two_threads: None) -> None:
    cores = FreeCores()
    assert cores.next(QUIET, 1.0, 0.0) == 2
    assert cores.next(Use(1.2, 0.0, 0.8), 1.6, 1.0) == 2, "nobody else is to blame for an idle core"
    assert cores.next(SHARED, 2.0, 1.5) == 2, "as much processor time a step as when nothing disturbed"
    cores = FreeCores()
    assert cores.next(SHARED, 2.0, 2.0) == 1, "it has never been undisturbed"
    cores.threads = 1
    assert cores.next(Use(0.6, 1.4, 0.0), 3.0, 4.0) == 2, "slower"
    cores.threads, now = 2, 4.0
    assert cores.next(Use(0.9, 1.1, 0.0), 2.0, 1000.0) == 2, "no more processor time a step than one thread took"
    for pause in (2 * PAUSE_SECONDS, 4 * PAUSE_SECONDS, 8 * PAUSE_SECONDS, LONGEST_PAUSE, LONGEST_PAUSE):
        assert cores.next(UNEVEN, 2.5, now + pause - 1) == 2
        now += pause
        assert cores.next(UNEVEN, 2.5, now) == 1, "tried again after a pause, which grows"
        cores.threads = 1
        assert cores.next(Use(0.75, 1.25, 0.0), 2.4, now) == 2, "hardly faster"
        cores.threads = 2
    assert cores.next(SHARED, 2.5, now + LONGEST_PAUSE) == 2, "fewer were slower with as much time a step"
    assert cores.next(SHARED, 3.5, now + LONGEST_PAUSE) == 1, "and may be faster with more"
    cores.threads = 1
    assert cores.next(Use(1.0, 1.0, 0.0), 1.0, now) == 1, "faster"
    assert cores.next(Use(1.0, 1.0, 0.0), 1.0, now + 1000) == 1
    assert cores.next(Use(0.6, 1.4, 0.0), 3.0, now + 1000) == 2, "the one has to share its core as well"
    cores.threads = 1
    assert cores.next(Use(1.0, 0.1, 0.9), 1.0, now + 1000) == 2, "a core is free again"


def test_many_cores_of_which_some_are_taken(two_threads: None) -> None:
    cores = FreeCores()
    cores.most = cores.threads = 8
    assert cores.next(Use(4.0, 2.0, 2.0), 1.0, 0.0) == 6
    cores.threads = 6
    assert cores.next(Use(6.0, 2.0, 0.0), 0.7, 2.0) == 6
    assert cores.next(Use(6.0, 0.0, 2.0), 0.7, 4.0) == 8


def test_what_is_fixed_is_not_followed(two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FreeCores().follow
    assert not FreeCores(follow=False).follow
    torch.set_num_threads(1)
    assert not FreeCores().follow
    torch.set_num_threads(2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert not FreeCores().follow
    assert not DistributedTrainer.follows_cores, "processes that train as one have to add up alike"


def test_a_training_changes_its_threads_and_gives_them_back(
    two_threads: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(FreeCores, "next", lambda cores, *seen: 3 - cores.threads)
    counts: list[int] = []
    run = tiny_trainer(tmp_path, progress=Watched(lambda step: counts.append(torch.get_num_threads())))
    run.run()
    assert set(counts) == {1, 2}
    assert torch.get_num_threads() == 2


def used_by_others(seconds: float) -> float:
    """Cores that other programs, of any priority, and other machines on the same hardware use in the next seconds."""

    def used() -> float:
        times = psutil.cpu_times()
        return sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "steal")) - time.process_time()

    before = used()
    time.sleep(seconds)
    return (used() - before) / seconds


@pytest.mark.alone
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a program cannot be bound to a core here")
def test_a_busy_program_takes_a_thread_and_its_end_gives_it_back(
    two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = sorted(os.sched_getaffinity(0))[:2]
    if len(mine) < 2 or used_by_others(1.0) > 0.3:
        pytest.skip("needs two cores that nothing else uses")
    monkeypatch.setattr(threads, "WINDOW_SECONDS", 0.5)
    monkeypatch.setattr(threads, "PAUSE_SECONDS", 1.0)
    loop = "import os\nos.sched_setaffinity(0, {%d})\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    a, b = torch.randn(256, 384), torch.randn(384, 256)
    cores, told = FreeCores(), []

    def steps_until(n: int) -> None:
        for _ in range(400):
            started = time.monotonic()
            for _ in range(100):
                torch.tanh(a @ b)
            told.append(cores.after_step(time.monotonic() - started))
            if any(told) and cores.threads == n:
                return
        if n == 2 and used_by_others(1.0) > 0.3:
            pytest.skip("another program has taken a core meanwhile")
        raise AssertionError(f"{cores.threads} threads, and not {n}")

    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, mine)
    program = subprocess.Popen([sys.executable, "-c", loop % mine[0]], start_new_session=True)
    try:
        with cores:
            steps_until(1)
            program.kill()
            program.wait()
            steps_until(2)
    finally:
        program.kill()
        program.wait()
        os.sched_setaffinity(0, before)
    assert "1 of 2 threads are faster" in next(filter(None, told))


def test_a_containers_limit_is_as_many_threads_as_it_keeps_busy(tmp_path: Path) -> None:
    """Threads beyond it are stopped by turns, and the others wait for them."""
    cores = visible_cores()
    assert usable_cores(tmp_path) == cores
    for limit, usable in (("max 100000", cores), ("100000 100000", 1), ("50000 100000", 1), ("99900000 100000", cores)):
        (tmp_path / "cpu.max").write_text(f"{limit}\n")
        assert usable_cores(tmp_path) == usable
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for limit, usable in (("-1", cores), ("150000", 1)):
        (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{limit}\n")
        assert usable_cores(tmp_path) == usable
    environment: dict[str, str] = {}
    stay_within_limit(environment, cores)
    assert environment == {}
    stay_within_limit(environment, cores - 1)
    assert environment == {"OMP_NUM_THREADS": str(cores - 1)}
    stay_within_limit(environment, cores - 2)
    assert environment == {"OMP_NUM_THREADS": str(cores - 1)}, "what the user chose"
