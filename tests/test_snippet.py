"""The snippet that the users' documents print, as it stands, from the repository's root."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trained import ROOT, Run

SNIPPET = """
import torch
from training import ModernTransformer, generate
checkpoint = torch.load("checkpoints/art_ai_model/art_ai_best.pt")
model1 = ModernTransformer(**checkpoint["config"])
model1.load_state_dict(checkpoint["model_state_dict"])
from transformers import AutoModelForCausalLM, AutoTokenizer
model2 = AutoModelForCausalLM.from_pretrained("checkpoints/model2_pretrained/final")
tokenizer2 = AutoTokenizer.from_pretrained("checkpoints/model2_pretrained/final")
prompt = "What is Impressionism?"
output1 = generate(model1, prompt)
output2 = generate(model2, prompt)
"""


@pytest.mark.slow
def test_it_runs(demo_model1: Run, small_model2: Run, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "training", tmp_path / "training", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "art_ai_model").symlink_to(demo_model1.folder)
    (tmp_path / "checkpoints" / "model2_pretrained").symlink_to(small_model2.folder)
    done = subprocess.run(
        [sys.executable, "-c", SNIPPET + "print(output1)\nprint(output2)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()[0], done.stdout.strip().splitlines()[-1]
    assert "Impressionism" in first
    assert len(second.split()) > 3
