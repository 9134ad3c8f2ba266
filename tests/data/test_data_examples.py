"""Examples of the user's own that are no data set, such as those to compress."""

import numpy as np
import pytest

from gradlog.data import DataError, read_examples


def test_the_examples_of_a_file_get_an_axis_of_channels_and_what_is_left_out_is_said(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 4, 5)), mean=np.zeros(7))
    found, account = read_examples(tmp_path / "x.npz", (4, 5, 1), axes="")
    assert found.shape == (3, 4, 5, 1)
    assert account.startswith("3 examples, ")
    assert "'x'; left out: 1 array" in account
    assert "'mean'" in account


def test_a_single_number_is_no_example(tmp_path):
    np.save(tmp_path / "x.npy", 3.0)
    with pytest.raises(DataError, match="single number"):
        read_examples(tmp_path / "x.npy", (2,), axes="")
