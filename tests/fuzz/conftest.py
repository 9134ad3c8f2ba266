"""A small machine, no network, and one setting for all properties."""

import jax
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

ROOM = 2 << 30


@pytest.fixture(autouse=True)
def small_machine(monkeypatch):
    """What cannot be held must be refused: on a machine as large as it takes, it would be tried."""
    monkeypatch.setattr("gradlog.data.array_files.machine_bytes", lambda: ROOM)
    monkeypatch.setattr("gradlog.experiment.experiment.machine_bytes", lambda: ROOM)
    monkeypatch.setattr("gradlog.data.downloads.TIMEOUT_SECONDS", 0.1)


@pytest.fixture
def examples():
    """``examples(make, count, check)``: checks what is made of so many sources of randomness.

    They are the same at every run.
    """

    def run(make, count, check):
        done = 0

        @settings(
            max_examples=count,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        @given(st.randoms(use_true_random=True).map(make))
        def hold(example):
            nonlocal done
            done += 1
            if done % 50 == 0:
                jax.clear_caches()  # compiled programs hold memory maps, of which there are 65530
            check(example)

        hold()

    return run
