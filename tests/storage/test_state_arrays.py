"""Names of the arrays of a state, in this version and in version 0.1."""

import pytest

from gradlog.storage.state_arrays import match_names

NEW = ["step", "skipped", "params.network.Dense_0.bias", "ema.network.Dense_0.bias"]
NEW += ["opt_state.network.0.mu.Dense_0.bias", "opt_state.network.0.count"]
OLD = ["step", "skipped", "params.Dense_0.bias", "ema_params.Dense_0.bias"]
OLD += ["opt_state.0.mu.Dense_0.bias", "opt_state.0.count"]


def test_names_of_version_0_1_get_the_group_of_the_state():
    assert match_names(OLD, NEW) == dict(zip(OLD, NEW, strict=True))
    named = [name.replace(".network", ".classifier") for name in NEW]
    assert match_names(OLD, named) == dict(zip(OLD, named, strict=True))


def test_with_several_groups_the_old_parameters_are_the_network():
    several = [*NEW, "params.process.beta_max", "ema.process.beta_max"]
    assert match_names(OLD, several) == dict(zip(OLD, NEW, strict=True))


@pytest.mark.parametrize("names", [NEW, OLD, ["x"], []])
def test_names_that_match_are_not_changed(names):
    assert match_names(names, names) == {name: name for name in names}


def test_a_state_without_averages_keeps_its_names():
    assert match_names(["params.bias"], NEW) == {"params.bias": "params.bias"}
