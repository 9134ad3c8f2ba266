"""Shapes of noise schedules under the bound, and joint training of f, g and s to a known optimum.

With fixed ends the bound of a scalar schedule does not depend on its shape (Kingma et al. 2021,
arXiv:2107.00630, eq. 18). That of a schedule for each dimension does, unless the score is exact
(Sahoo et al. 2024, arXiv:2312.13236). The ends, and so f and g, have a gradient. On a mixture whose
scores are known at every noise level, training f, g and s by the bound reaches its entropy; with a
short fixed process the KL of the prior stays.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import GaussianMixture
from gradlog.experiment.run import Run
from gradlog.likelihood import make_bound
from gradlog.losses import DenoisingScoreMatching, EvidenceBound, UniformTime
from gradlog.models import BoundModel
from gradlog.sde_lib import GaussianPath, LearnedGamma, Multivariate
from gradlog.studies.common import write_results
from gradlog.studies.curves import Curve, curves_to_json, draw_error_bars, label_axes
from gradlog.studies.plane import require_mixture

_GAIN = 0.5  # of the wrong score, in the first dimension
_ENDS, _SHORT = (-8.0, 4.0), (-3.0, 0.0)  # gamma at t = 0 and 1, for the shapes and for training
_BATCH, _RATE, _TIMES = 256, 0.03, 64
_TRAINED = {"f, g and s": (True, True), "s alone": (False, True), "f and g alone": (True, False)}


@dataclass(frozen=True)
class LearnedNoise:
    """Draw the bound over shapes of schedules, and three trainings by it.

    Attributes:
      samples: number of data in an average.
      bends: number of shapes.
      process_steps: steps of each training.
    """

    samples: int = 10_000
    bends: int = 9
    process_steps: int = 400

    def __call__(self, run: Run) -> None:
        law = require_mixture(run)
        data_key, key, entropy_key = jax.random.split(run.experiment.streams["eval"], 3)
        xs = jax.vmap(law.sample)(jax.random.split(data_key, self.samples))
        bends = np.linspace(-0.8, 2.4, self.bends)
        shapes = self.measure_shapes(law, xs, key, bends)
        entropy = float(
            jnp.mean(jax.vmap(law.entropy_draw)(jax.random.split(entropy_key, self.samples)))
        )
        trainings = {name: self.train(law, xs, key, *groups) for name, groups in _TRAINED.items()}

        figure = Figure(figsize=(11, 3.3), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        most_of = {}
        for name, curve in shapes.items():
            draw_error_bars(left, bends, curve, name, linestyle="-")
            difference, error = curve
            most = np.argmax(np.abs(difference))
            most_of[name] = f"{difference[most]:.3f} ± {error[most]:.3f}"
            terminal.say(f"{name}: the shape moves the bound by at most {most_of[name]} nats")
        common, alone = (
            most_of[f"{each}, wrong score"] for each in ("all dimensions", "the first")
        )
        title = f"Moved at most by {common} if all bend,\nby {alone} if the first bends alone"
        label_axes(left, title, "bend of the schedule", "bound - that of bend 0 (nats)")
        for name, (losses, _, (gap, error)) in trainings.items():
            smooth = np.convolve(losses - entropy, np.ones(20) / 20, mode="valid")
            middle.plot(smooth, label=f"{name}: {gap:.3f} ± {error:.3f}")
            terminal.say(f"{name}: bound {gap:.4f} ± {error:.4f} nats above the entropy")
        middle.axhline(0.0, color="k", linewidth=0.8)
        label_axes(middle, "Above the entropy, at the end by new draws", "step", "nats")
        for group, norms in trainings["f, g and s"][1].items():
            right.semilogy(norms, label=group, linewidth=0.8)
        label_axes(right, "Gradients of the joint training", "step", "norm (nats)")
        curves = {"bend": bends, **shapes}
        curves |= {f"gap, {name}": (gap, error) for name, (*_, (gap, error)) in trainings.items()}
        numbers = {"entropy": entropy} | curves_to_json(curves)
        write_results(run, "learned_noise", figure, numbers)

    def measure_shapes(self, law, xs, key: Array, bends) -> dict[str, Curve]:
        """Return the bound beside that of a straight schedule, in nats, over the bends."""
        process = Multivariate(law.shape, *_ENDS)
        first = jnp.zeros(law.shape).at[0].set(1.0)
        wrong = 1 - (1 - _GAIN) * first
        cases = {  # the dimensions that bend, and the gain of the score
            "all dimensions, wrong score": (jnp.ones(law.shape), wrong),
            "the first, exact score": (first, jnp.ones(law.shape)),
            "the first, wrong score": (first, wrong),
        }

        def nats(bend, parts, gain):
            path = process.bind({"inside": process.initial().inside | {"b": bend * parts}})
            return np.asarray(bound_nats(path, law, xs, key, gain))

        found = {}
        for name, case in cases.items():
            straight = nats(0.0, *case)
            rows = np.array([nats(bend, *case) - straight for bend in bends])
            found[name] = rows.mean(axis=1), rows.std(axis=1) / math.sqrt(self.samples)
        return found

    def train(self, law, xs, key: Array, moves_process: bool, moves_score: bool):
        """Return losses in nats, norms of gradients, and the gap of the bound at the end.

        The score is that of a mixture whose means, widths and weights are trained.
        """
        process = LearnedGamma(*_SHORT, schedule_features=4, learn_ends=True)
        objective = EvidenceBound(DenoisingScoreMatching(), 0.0, UniformTime(), eps=0.0)
        logits, log_stds = jnp.log(law.weights), jnp.log(law.stds)
        score = {"means": law.means, "log_stds": log_stds, "logits": logits}
        if moves_score:  # the modes begin near the middle, wide and with equal weights
            score = {"means": law.means / 2, "log_stds": log_stds + 1, "logits": 0 * logits}
        start = {"process": process.init(jax.random.key(0)), "score": score}
        learning = optax.adam(optax.cosine_decay_schedule(_RATE, self.process_steps))

        def to_law(score) -> GaussianMixture:
            weights = jax.nn.softmax(score["logits"])
            return replace(
                law, weights=weights, means=score["means"], stds=jnp.exp(score["log_stds"])
            )

        def loss(params, key):
            data_key, u_key, key = jax.random.split(key, 3)
            model = exact_model(process.bind(params["process"]), to_law(params["score"]))
            points = jax.vmap(law.sample)(jax.random.split(data_key, _BATCH))
            u = (jnp.arange(_BATCH) + jax.random.uniform(u_key, (_BATCH,))) / _BATCH
            draw = jax.vmap(lambda *row: objective(model, *row).value)
            return math.prod(law.shape) * jnp.mean(draw(points, u, jax.random.split(key, _BATCH)))

        def advance(carry, key):
            params, state = carry
            value, slope = jax.value_and_grad(loss)(params, key)
            norms = {name: optax.global_norm(tree) for name, tree in slope.items()}
            keep = {"process": moves_process, "score": moves_score}
            slope = {n: jax.tree.map(lambda g, k=keep[n]: g * k, tree) for n, tree in slope.items()}
            updates, state = learning.update(slope, state)
            return (optax.apply_updates(params, updates), state), (value, norms)

        train_key, end_key = jax.random.split(key)
        keys = jax.random.split(train_key, self.process_steps)
        run = jax.jit(lambda start: jax.lax.scan(advance, (start, learning.init(start)), keys))
        (params, _), (losses, norms) = run(start)
        path, end = process.bind(params["process"]), to_law(params["score"])
        above = bound_nats(path, end, xs, end_key, 1.0) + jax.vmap(law.log_density)(xs)
        gap = float(jnp.mean(above)), float(jnp.std(above)) / math.sqrt(self.samples)
        names = {"process": "f and g", "score": "s"}
        return np.asarray(losses), {names[name]: norms[name] for name in norms}, gap


def exact_model(path: GaussianPath, law: GaussianMixture, gain: Any = 1.0) -> BoundModel:
    """Return the model of a law's exact score on a path, times a gain for each dimension."""

    def score(path, law, gain, x, t):
        def log_density(x: Float[Array, "*D"]):
            alpha, sigma = path.alpha(t), path.sigma(t)
            stds = law.stds.reshape(-1, *(1,) * x.ndim)
            variance = jnp.broadcast_to((alpha * stds) ** 2 + sigma**2, law.means.shape)
            terms = (x - alpha * law.means) ** 2 / variance + jnp.log(variance)
            exponents = -0.5 * jnp.sum(terms, axis=range(1, terms.ndim))
            return jax.nn.logsumexp(jnp.log(law.weights) + exponents)

        return gain * jax.grad(log_density)(x)

    return BoundModel(path, Partial(score, path, law, gain))


@jax.jit
def bound_nats(path: GaussianPath, law: GaussianMixture, xs, key: Array, gain):
    """Return the bound on ``-log p(x)`` in nats for each x, by the score of a law."""
    bound = make_bound(_TIMES, eps=0.0, chunk=_TIMES)
    keys = jax.random.split(key, len(xs))
    return -bound(exact_model(path, law, gain), xs, keys).nats
