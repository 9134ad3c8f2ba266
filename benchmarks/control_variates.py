"""Measure which control variates of a random trace pay at the nodes of a likelihood's path.

python benchmarks/control_variates.py [--workdir=DIR] [--json=FILE]

At each node the whole Jacobian of the velocity is computed, on points ``y = x0 + rho z`` with one z
for all nodes. Then the variance of every estimator of the integral is in closed form, with S the
symmetric part of the Jacobian; that of XTrace is simulated. All have as many products at a node,
four for each channel. The models are the trained digits, and a mixture of stationary Gaussians of
three contrasts whose score is known, in 3,072 dimensions unless ``--side`` is smaller. Rows are
ratios of the variance to that of regular colors, which `planned` has.

- ``signs``: independent random signs.
- ``gaussian``: colors for S minus that of the Gaussian of the data's second moments, in closed
  form; ``gaussian, by level`` only at the nodes where it lowers the variance.
- ``neighbor``: every other node estimates the difference of its Jacobian to its neighbor's, with
  the same probes for both.
- ``xtrace``: Epperly, Tropp & Webber 2024, arXiv:2301.07825, algorithm 1.2.

The share of the identity is no row: signs and colors have no error on the diagonal.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.common import load_or_train, read_flags, save, show
from gradlog.distributions import natural_images
from gradlog.likelihood.divergences.coloring import regular_partition
from gradlog.likelihood.quadrature import gregory
from gradlog.models import BoundModel
from gradlog.ode import LogRhoFlow
from gradlog.sde_lib import VP

_INTERVALS = 24
_PRODUCTS_A_CHANNEL = 4
_REPEATS = 10  # of XTrace, at every node


class Contrasts:
    """A mixture of natural images whose amplitudes are ``scales``, with equal weights."""

    def __init__(self, shape: tuple[int, int, int], scales: tuple[float, ...] = (0.4, 1.0, 2.0)):
        base = natural_images(shape)
        self.laws = [replace(base, power=scale**2 * base.power) for scale in scales]

    def covariance(self) -> np.ndarray:
        """Return the covariance as a whole matrix."""
        power = jnp.mean(jnp.stack([law.power for law in self.laws]), axis=0)
        basis = jnp.eye(power.size).reshape(power.size, *power.shape)
        rows = jax.lax.map(partial(self.laws[0].apply_filter, power), basis, batch_size=128)
        return np.asarray(rows.reshape(power.size, power.size))

    def score_fn(self, process: VP) -> Callable[[jax.Array, jax.Array], jax.Array]:
        def log_density(x, t):
            own = [law.log_density(x, process.alpha(t), process.sigma(t)) for law in self.laws]
            return jax.nn.logsumexp(jnp.stack(own))

        return jax.grad(log_density)

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        keys = jax.random.split(key, count)
        laws = [self.laws[i % len(self.laws)] for i in range(count)]
        return jnp.stack([law.sample(own) for law, own in zip(laws, keys, strict=True)])


def jacobians(model: BoundModel, x0: jax.Array, z: jax.Array, grid: jax.Array) -> jax.Array:
    """Return the Jacobian of the velocity at each node."""

    def at_node(s):
        field = lambda y: LogRhoFlow().velocity(model, s, y.reshape(x0.shape)).ravel()  # noqa: E731
        y = (x0 + jnp.exp(s) * z).ravel()
        product = lambda v: jax.jvp(field, (y,), (v,))[1]  # noqa: E731
        return jax.lax.map(product, jnp.eye(y.size), batch_size=128).T

    return jax.lax.map(at_node, grid)


def colored(matrix: np.ndarray, shape: tuple[int, ...], colors: int) -> float:
    """Return the variance of a trace by random signs on regular colors."""
    S = (matrix + matrix.T) / 2
    own = regular_partition(shape, colors).ravel()
    found = 0.0
    for color in range(colors):
        block = S[np.ix_(own == color, own == color)]
        found += 2 * (np.sum(block**2) - np.sum(np.diag(block) ** 2))
    return found


def xtrace(matrix: np.ndarray, products: int, rng: np.random.Generator) -> float:
    """Return one estimate by XTrace; half of the products make the basis."""
    d, m = len(matrix), products // 2
    omega = rng.choice([-1.0, 1.0], (d, m))
    estimates = []
    sketch = matrix @ omega
    for i in range(m):  # the published algorithm shares one factorization; this one is plain
        Q = np.linalg.qr(np.delete(sketch, i, axis=1))[0]
        rest = omega[:, i] - Q @ (Q.T @ omega[:, i])
        rest *= np.sqrt(d - m + 1) / np.linalg.norm(rest)
        estimates.append(np.sum(Q * (matrix @ Q)) + rest @ (matrix @ rest))
    return float(np.mean(estimates))


def variances(
    found: np.ndarray, gaussian: np.ndarray, weights: np.ndarray, shape: tuple[int, ...]
) -> dict[str, float]:
    """Return the variance of the integral by each estimator, for the Jacobians of one image."""
    products = _PRODUCTS_A_CHANNEL * shape[-1]
    squares = weights**2
    plain = np.array([colored(J, shape, products) for J in found])
    controlled = np.array(
        [colored(J - own, shape, products) for J, own in zip(found, gaussian, strict=True)]
    )
    anchors = np.arange(1, len(found), 2)
    of_pair = weights.copy()
    of_pair[anchors] += weights[anchors - 1]
    pairs = zip(found[anchors - 1], found[anchors], strict=True)
    differences = np.array([colored(J - next_J, shape, products // 2) for J, next_J in pairs])
    last = len(found) - 1
    rng = np.random.default_rng(0)
    spread = [np.var([xtrace(J, products, rng) for _ in range(_REPEATS)], ddof=1) for J in found]
    return {
        "colors": float(squares @ plain),
        "signs": float(squares @ [colored(J, shape, 1) / products for J in found]),
        "gaussian": float(squares @ controlled),
        "gaussian, by level": float(squares @ np.minimum(plain, controlled)),
        "neighbor": float(
            of_pair[anchors] ** 2 @ plain[anchors]
            + weights[anchors - 1] ** 2 @ differences
            + weights[last] ** 2 * plain[last]
        ),
        "xtrace": float(squares @ spread),
    }


def measure(
    model: BoundModel, x0s: jax.Array, covariance: np.ndarray, eps: float
) -> dict[str, float]:
    """Return the mean variances over images, as ratios to that of colors."""
    low, high = (float(model.process.log_rho(t)) for t in (eps, model.process.t_max))
    grid, shape = np.linspace(low, high, _INTERVALS + 1), x0s.shape[1:]
    weights = (high - low) * gregory(_INTERVALS)
    values, vectors = np.linalg.eigh(covariance.astype(np.float32))
    gains = [np.exp(2 * s) / (np.maximum(values, 0) + np.exp(2 * s)) for s in grid]
    gaussian = np.stack([(vectors * gain.astype(np.float32)) @ vectors.T for gain in gains])
    compute = jax.jit(jacobians)
    rows = []
    for number, x0 in enumerate(x0s):
        z = jax.random.normal(jax.random.key(number), shape)
        with jax.default_matmul_precision("float32"):
            found = np.asarray(compute(model, x0, z, jnp.asarray(grid, jnp.float32)))
        rows.append(variances(found, gaussian, weights, shape))
    mean = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
    return {name: float(value / mean["colors"]) for name, value in mean.items()}


def main() -> None:
    # The side is that of the mixture's images.
    flags = read_flags(__doc__ or "", workdir="runs/digits", images=8, side=32)
    run = load_or_train("configs/digits.py", flags.workdir)
    experiment = run.experiment
    model = experiment.model.in_float32().bind(run.params())
    train = np.asarray(experiment.dataset.train[np.arange(1000)], np.float64)
    levels = experiment.dataset.levels or 0
    to_space = lambda x: 2 * (x + 0.5) / levels - 1  # noqa: E731
    second = np.cov(to_space(train).reshape(len(train), -1).T)
    second += np.eye(len(second)) / (3 * levels**2)  # of the dequantization
    test = experiment.dataset.test[np.arange(flags.images)]
    digits = jnp.asarray(to_space(np.asarray(test, np.float32)))

    law, process = Contrasts((flags.side, flags.side, 3)), VP()
    oracle = BoundModel(process, law.score_fn(process))
    report: dict[str, Any] = {
        "digits": measure(model, digits, second, experiment.config.likelihood.eps),
        "contrasts": measure(oracle, law.sample(jax.random.key(0), 3), law.covariance(), 1e-3),
    }
    rows = [{"name": name, **{k: v[name] for k, v in report.items()}} for name in report["digits"]]
    columns = {"estimator": "{name}", "digits": "{digits:.2f}", "contrasts": "{contrasts:.2f}"}
    show("variance at equal products, relative to colors", columns, rows)
    save(flags.json, report)


if __name__ == "__main__":
    main()
