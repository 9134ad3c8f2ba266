"""Gradient variance and the price of denoising: a fixed, a variance-trained, a per-dimension gamma.

The denoising loss is explicit score matching plus a gap that no score can lower: the loss of the
exact score. The gap of a path is a difference of mutual informations between its ends (Palomar &
Verdu 2006, IEEE Trans. Inf. Theory 52, 141). So with equal ends it is the same for all schedules;
they only place it at other times. They differ in the variance of a draw, and one for each dimension
also in the loss of a score that is not exact.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import GaussianMixture
from gradlog.experiment.run import Run
from gradlog.experiment.training_parts import law_of
from gradlog.losses import EvidenceBound, add_noise
from gradlog.models import BoundModel, Centers, Uniform
from gradlog.studies.common import open_variant, require, write_results
from gradlog.studies.curves import Curve, curves_to_json, draw_line, label_axes
from gradlog.studies.learned_noise import exact_model
from gradlog.theory.gradients import GradientMeter

_CHUNK = 256
_SCHEDULES = {
    "fixed": {"sde.name": "log_snr"},
    "variance-trained": {"sde.name": "learned_gamma", "sde.learn_ends": False},
    "per dimension": {"sde.name": "multivariate", "sde.learn_ends": False},
}
_COLORS = dict(zip(_SCHEDULES, ("black", "tab:blue", "tab:orange"), strict=True))


@dataclass(frozen=True)
class LearnedGradients:
    """Train a network with each schedule by the bound, then measure along the time.

    The data are a mixture, or images as a mixture of a Gaussian around each training image, of the
    variance of the dequantization noise. Losses are the diffusion term of the bound at one draw.

    Attributes:
      noise_levels: number of times.
      draws: number of draws at each time.
    """

    noise_levels: int = 9
    draws: int = 4096

    def __call__(self, run: Run) -> None:
        require(
            isinstance(run.experiment.objective, EvidenceBound), "config.objective.name = 'elbo'"
        )
        law, u = mixture_of(run), (jnp.arange(self.noise_levels) + 0.5) / self.noise_levels
        found = {name: self.measure(run, name, law, u) for name in _SCHEDULES}
        unit = "nats/dim"
        for name, (_, totals) in found.items():
            listed = ", ".join(f"{key} {_with_error(*total)}" for key, total in totals.items())
            terminal.say(f"{name}: {listed} ({unit})")

        figure = Figure(figsize=(11, 3.4), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        for name, (curves, totals) in found.items():
            color, gamma = _COLORS[name], curves["gamma"]
            left.plot(u, gamma.mean(axis=1), color=color, label=name)
            left.fill_between(u, gamma.min(axis=1), gamma.max(axis=1), color=color, alpha=0.2)
            at_u, of_u = curves["gradient variance"]
            label = f"{name}: {_with_error(*totals['gradient variance'])}"
            middle.errorbar(u, at_u, 2 * of_u, fmt=".-", color=color, label=label)
            label = f"{name}: {_with_error(*totals['gap'])}"
            draw_line(right, np.asarray(u), curves["gap"], label, color=color)
        gaps = np.array([totals["gap"] for _, totals in found.values()])
        apart = np.abs(gaps[1:, 0] - gaps[0, 0]) / np.hypot(gaps[1:, 1], gaps[0, 1])
        label_axes(left, "gamma, and its range over dimensions", "time", r"$\gamma = -\log$ SNR")
        ratio = {n: t["gradient variance"][0] for n, (_, t) in found.items()}
        least = min(ratio, key=lambda name: ratio[name])
        title = f"Least gradient variance: {least},\n{ratio[least] / ratio['fixed']:.2f} of fixed"
        label_axes(middle, title, "time", "variance of a gradient", yscale="log")
        title = f"DSM - ESM: totals at most {apart.max():.1f} s.e. apart"
        label_axes(right, title, "time", f"gap in a unit of time ({unit})")
        numbers = {
            name: curves_to_json(curves)
            | {f"total {key}": list(value) for key, value in totals.items()}
            for name, (curves, totals) in found.items()
        }
        write_results(run, "learned_gradients", figure, {"u": u.tolist(), **numbers})

    def measure(
        self, run: Run, name: str, law: GaussianMixture, u: Float[Array, " n"]
    ) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
        """Return curves over u, and totals with their standard errors, of one schedule."""
        variant = open_variant(run, name.replace(" ", "_"), _SCHEDULES[name])
        variant.train()
        model, params = variant.experiment.model, variant.params()
        objective, bound = variant.experiment.objective, model.bind(params)

        def loss(network: Any, key: Array, u: Float[Array, ""]) -> Float[Array, ""]:
            data_key, key = jax.random.split(key)
            bound = model.bind(params | {"network": network})
            return objective.mean_error(bound, law.sample(data_key), jnp.array(False), u, key)

        def at_any_time(network: Any, key: Array) -> Float[Array, ""]:
            u_key, key = jax.random.split(key)
            return loss(network, key, jax.random.uniform(u_key))

        keys = jax.random.split(jax.random.key(0), 2 * (self.draws // 2))
        meter, network = GradientMeter(loss, _CHUNK), params["network"]
        moments = [meter(network, keys, at) for at in u]
        many = jax.random.split(jax.random.key(1), self.noise_levels * len(keys))
        total = GradientMeter(at_any_time, _CHUNK)(network, many[: 4 * len(keys)])
        draws = jax.jit(lambda at: draw_terms(bound, law, at, keys))
        gamma = jax.jit(jax.vmap(lambda at: 2 * jnp.ravel(bound.process.log_rho(at))))
        gap, _ = (np.array(part) for part in zip(*[draws(at) for at in u], strict=True))
        curves = {
            "gamma": np.array(gamma(u), float),
            "gradient variance": (
                np.array([one.total_variance for one in moments]),
                np.array([one.standard_error for one in moments]),
            ),
            "gap": _mean(gap, axis=1),
        }
        at = jax.random.uniform(jax.random.key(2), (len(many),))
        gap, excess = jax.jit(lambda at: draw_terms(bound, law, at, many))(at)
        return curves, {
            "gradient variance": (total.total_variance, total.standard_error),
            "gap": _total(gap),
            "ESM": _total(excess),
        }


def mixture_of(run: Run) -> GaussianMixture:
    """Return the law of the data, or a mixture around the training images.

    Raises:
      ConfigError: the data are no mixture, and have no levels that are dequantized uniformly.
    """
    dataset, dequantizer = run.experiment.dataset, run.experiment.model.dequantizer
    if isinstance(dataset.law, GaussianMixture):
        return dataset.law
    need = "data of a mixture, or images with config.objective.dequantization = 'uniform'"
    require(isinstance(dequantizer, Uniform), need)
    assert isinstance(dequantizer, Uniform)
    points: Any = law_of(dataset, Centers(dequantizer.levels, dequantizer.centered))
    count, width = len(points.points), math.exp(-dequantizer.log_scale)
    stds = jnp.full(count, width / math.sqrt(12))
    return GaussianMixture(jnp.full(count, 1 / count), points.points, stds)


def draw_terms(
    model: BoundModel, law: GaussianMixture, u: Float[Array, "..."], keys: Array
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Return the gap and explicit score matching at times u, in nats per dimension, by draws.

    Their integrands are ``d(log rho)/dt (sigma s* + z)^2`` and ``d(log rho)/dt sigma^2 (s - s*)^2``
    with the exact score s*, means over the dimensions.
    """
    exact = exact_model(model.process, law)

    def one(key: Array, t: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        data_key, key = jax.random.split(key)
        x, z = add_noise(model.process, law.sample(data_key), t, key)
        sigma, rate = model.process.sigma(t), model.process.log_rho_rate(t)
        best = exact.score(x, t)
        gap = jnp.mean(rate * (sigma * best + z) ** 2)
        return gap, jnp.mean(rate * (sigma * (model.score(x, t) - best)) ** 2)

    times = jnp.broadcast_to(u, (len(keys),))
    return jax.lax.map(lambda row: one(*row), (keys, times), batch_size=_CHUNK)


def _with_error(value: float, error: float) -> str:
    """Return a number to two digits of its error, at most to whole numbers."""
    if not math.isfinite(error):
        return f"{value:.4g} ± {error}"
    places = max(0, 1 - math.floor(math.log10(max(error, 1e-9))))
    return f"{value:.{places}f} ± {error:.{places}f}"


def _total(draws: Float[Array, " n"]) -> tuple[float, float]:
    mean, error = _mean(np.asarray(draws))
    return float(mean), float(error)


def _mean(draws: Float[np.ndarray, "..."], axis: int = 0) -> Curve:
    error = draws.std(axis=axis, ddof=1) / math.sqrt(draws.shape[axis])
    return draws.mean(axis=axis), error
