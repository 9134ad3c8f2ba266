"""What no machine can hold is refused by counting, not by trying."""

import pytest

from gradlog.data import memory
from gradlog.data.dataset import DataError
from gradlog.data.toys import load_circle, load_mixture, load_moons


def test_a_machine_has_memory():
    assert 2**28 < memory.machine_bytes() < 2**50


@pytest.mark.parametrize(("text", "expected"), [("1000\n", 1000), ("max\n", None), ("", None)])
def test_a_containers_share_is_its_limit(tmp_path, monkeypatch, text, expected):
    (tmp_path / "limit").write_text(text)
    monkeypatch.setattr(memory, "LIMITS", (str(tmp_path / "limit"), str(tmp_path / "none")))
    found = memory.machine_bytes.__wrapped__()
    assert found == expected if expected else found > 2**28


@pytest.mark.parametrize("load", [load_moons, load_circle, load_mixture])
def test_too_many_points_are_refused(load):
    with pytest.raises(DataError, match=r"num_train = 1000000000000, num_test = 0 and dims = 2 w"):
        load(num_train=10**12)


@pytest.mark.parametrize("load", [load_circle, load_mixture])
def test_too_many_dimensions_are_refused(load):
    with pytest.raises(DataError, match=r"this machine has"):
        load(dims=10**9)
