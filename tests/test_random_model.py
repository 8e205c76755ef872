"""The random model is one model: a process started anew draws the same weights."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from radseek.retrieval.encoders.random_model import build_random

ROOT = Path(__file__).resolve().parents[1]
PRINT_HASH = "from tests.test_random_model import weights_hash; print(weights_hash())"


def weights_hash() -> str:
    model, _ = build_random()
    return hashlib.sha256(b"".join(p.detach().float().numpy().tobytes() for p in model.parameters())).hexdigest()


@pytest.mark.slow
def test_weights_are_the_same_in_another_process_and_after_other_draws() -> None:
    torch.rand(7)
    command = [sys.executable, "-c", PRINT_HASH]
    other = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    assert weights_hash() == other
