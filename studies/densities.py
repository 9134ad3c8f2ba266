"""One model's log densities by its energy and by the ODE, and the truth's, over pairs of points."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oracles import GaussianMixture
from run import RunDirectory
from wiring.reader import Reader


class Densities:
    """The three log densities of a run at one noise level, in nats."""

    def __init__(self, run: RunDirectory, law: GaussianMixture):
        self.law, self.eps = law, Reader(run.config).get("likelihood.eps")
        self._sde, params = run.experiment.sde, run.params()
        log_q = run.experiment.model.log_density_fn(self._sde, params)
        log_p = law.log_density_fn(self._sde)
        ode = run.log_density_fn()
        self.energy = lambda x: log_q(x, self.eps)
        self.ode = lambda x: ode(params, x, jax.random.key(0))
        self.truth = lambda x: log_p(x, self.eps)

    def __call__(self, xs: Float[Array, "n d"]) -> dict[str, Float[np.ndarray, " n"]]:
        """Each of them at each point, by name; the energy's constant is anybody's."""
        fs = {"energy": self.energy, "ode": self.ode, "truth": self.truth}
        return {name: np.asarray(jax.jit(jax.vmap(f))(xs)) for name, f in fs.items()}

    def draws(self, count: int) -> Float[Array, "count d"]:
        """From the true law of x_eps."""

        def draw(key):
            data_key, noise_key = jax.random.split(key)
            z = jax.random.normal(noise_key, self.law.shape)
            return self._sde.perturb(self.law.sample(data_key), jnp.asarray(self.eps), z)

        return jax.vmap(draw)(jax.random.split(jax.random.key(1), count))


def nearest_mode(xs: Float[Array, "n d"], law: GaussianMixture) -> Int[np.ndarray, " n"]:
    """The index of the mean nearest to each point."""
    return np.argmin(np.linalg.norm(np.asarray(xs)[:, None] - np.asarray(law.means), axis=-1), 1)


def pair_errors(
    values: dict[str, Float[np.ndarray, " n"]], mode: Int[np.ndarray, " n"]
) -> dict[str, tuple[float, float]]:
    """Rms of ``(a(x) - a(x')) - (b(x) - b(x'))`` in nats for each two, within a mode and across."""
    first, second = np.triu_indices(len(mode), 1)
    same = mode[first] == mode[second]
    found = {}
    for a, b in (("energy", "ode"), ("energy", "truth"), ("ode", "truth")):
        error = values[a] - values[b]
        pairs = error[first] - error[second]
        found[f"{a} - {b}"] = (_rms(pairs[same]), _rms(pairs[~same]))
    return found


def _rms(x: Float[np.ndarray, " n"]) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))
