"""One model's log densities by its energy and by the ODE, and the truth's, over pairs of points."""

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from gradlog.distributions import GaussianMixture
from gradlog.experiment.reader import Reader
from gradlog.run import RunDirectory


class Densities:
    """The three log densities of a run at one noise level, in nats."""

    def __init__(self, run: RunDirectory, law: GaussianMixture):
        self.law, self.eps = law, Reader(run.config).get("likelihood.eps")
        sde, params = run.experiment.sde, run.params()
        log_q = run.experiment.model.log_density_fn(sde, params)
        log_p = law.log_density_fn(sde)
        ode = run.log_density_fn()
        self.energy = lambda x: log_q(x, self.eps)
        self.ode = lambda x: ode(params, x, jax.random.key(0))
        self.truth = lambda x: log_p(x, self.eps)

    def __call__(self, xs: Float[Array, "n d"]) -> dict[str, Float[np.ndarray, " n"]]:
        """Each of them at each point, by name; the energy's constant is anybody's."""
        fs = {"energy": self.energy, "ode": self.ode, "truth": self.truth}
        return {name: np.asarray(jax.jit(jax.vmap(f))(xs)) for name, f in fs.items()}


def both_kinds_of_pairs(mode: Int[np.ndarray, " n"]) -> bool:
    """Whether there are pairs within a mode and pairs across."""
    counts = np.bincount(mode)
    return bool(np.any(counts > 1) and np.sum(counts > 0) > 1)


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
