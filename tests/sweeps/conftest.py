"""What tests of sweeps share."""

import pytest
from standing_in import StoodIn


@pytest.fixture
def sweep(tmp_path, monkeypatch) -> StoodIn:
    """A sweep that is quick: nothing is trained."""
    return StoodIn(tmp_path, monkeypatch)
