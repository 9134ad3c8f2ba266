"""The log density of a run as a function to differentiate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.experiment.reader import ConfigError
from gradlog.run import RunDirectory


def test_its_gradients_follow_the_estimate_of_a_trained_network(workdir):
    run = RunDirectory.open(workdir, tiny.points(**{"likelihood.start": "as_sample"}))
    f, key, base = run.log_density_fn(), jax.random.key(0), (run.params(), jnp.array([0.2, -0.1]))
    program = jax.jit(jax.vmap(jax.value_and_grad(lambda point: f(*point, key))))

    def at(steps, slopes):
        """Values and gradients, parameters and point moved along slopes."""
        move = lambda leaf, slope: leaf + jnp.multiply.outer(jnp.asarray(steps), slope)  # noqa: E731
        return program(jax.tree.map(move, base, slopes))

    _, gradients = at([0.0, 0.0], base)
    slopes = jax.tree.map(lambda leaf: leaf[0], gradients)
    (up, down), _ = at([2e-3, -2e-3], slopes)
    rise = sum(float(jnp.sum(slope**2)) for slope in jax.tree.leaves(slopes))
    # The solver's tolerance is 1e-3: a difference of that size over 4e-3 is allowed for.
    np.testing.assert_allclose((up - down) / 4e-3, rise, rtol=0.05)


@pytest.mark.parametrize(
    ("overrides", "adjoint", "says"),
    [
        ({"likelihood.name": "scipy"}, None, "'scipy': .* runs on the host"),
        ({"likelihood.name": "bound"}, "direct", "'bound': .* no adaptive solver"),
        ({}, "sideways", "adjoint = 'sideways' is unknown"),
    ],
)
def test_what_has_no_gradient_is_one_line_that_names_the_key(workdir, overrides, adjoint, says):
    run = RunDirectory.open(workdir, tiny.points(**overrides))
    with pytest.raises(ConfigError, match=f"config.likelihood.name = .*{says}"):
        run.log_density_fn(adjoint)
