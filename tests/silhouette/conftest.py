import os

import pytest
import torch

from silhouette.training import determinism

os.environ["OMP_NUM_THREADS"] = "1"  # tests share their machine, and bits depend on the thread count


@pytest.fixture(autouse=True)
def known_state():
    determinism.reset(0, threads=1)
    yield
    torch.set_deterministic_debug_mode("default")
