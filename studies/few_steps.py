"""The law of samplers of masks, by the number of their evaluations, with exact conditionals.

Tokens that are filled in one step are drawn independently, although they are not. The error
vanishes with many steps. The probability of the samples does not show every error: a sampler that
prefers likely tokens has likelier samples than the data, and another law. The data are a Markov
chain, whose conditionals under any mask are known, so that all error is the sampler's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import MarkovChain
from gradlog.experiment.run import Run
from gradlog.models import BoundModel
from gradlog.sampling import (
    AncestralUnmasking,
    ConfidenceOrder,
    FirstHitting,
    Remasking,
    Unmasking,
)
from gradlog.sde_lib import Masking
from gradlog.studies.common import write_results
from gradlog.studies.curves import Curve, curves_to_json, draw_error_bars, label_axes

# Of the chain: a token is the one before it with probability STAY.
LENGTH, LEVELS, STAY = 32, 4, 0.8
STEPS = (1, 2, 4, 8, 16, LENGTH)
REMASKED = 0.2  # most that the remasking sampler masks again in a step


@dataclass(frozen=True)
class FewSteps:
    """Draw with each sampler at several numbers of evaluations; compare pairs of neighbors.

    Attributes:
      samples: number of samples from each sampler.
      times: how many of the numbers of evaluations 1, 2, 4, ..., 32 are tried.
    """

    accepts = Masking

    samples: int = 10_000
    times: int = 40

    def __call__(self, run: Run) -> None:
        configured: Any = run.experiment.process
        process = Masking(LEVELS, configured.schedule)
        others = (1 - STAY) / (LEVELS - 1)
        transition = jnp.full((LEVELS, LEVELS), others) + (STAY - others) * jnp.eye(LEVELS)
        law = MarkovChain(jnp.full(LEVELS, 1 / LEVELS), transition, LENGTH)
        model = BoundModel(process, law.logits_fn())
        masks = jnp.full(LENGTH, process.mask)
        tried = STEPS[: self.times]
        streams, log_probs = run.experiment.streams, jax.jit(jax.vmap(law.log_prob))

        def draw(sampler: Unmasking) -> Int[np.ndarray, "samples length"]:
            batch = jax.jit(jax.vmap(lambda key: sampler(model, masks, key).x))
            return np.asarray(batch(jax.random.split(streams["sample"], self.samples)))

        def measure(x) -> tuple[tuple[float, float], tuple[float, float]]:
            nats = log_probs(x) / LENGTH
            error = float(jnp.std(nats) / np.sqrt(len(x)))
            return pair_distance(x, np.asarray(transition) / LEVELS), (float(jnp.mean(nats)), error)

        exact = jax.jit(jax.vmap(law.sample))(jax.random.split(streams["eval"], self.samples))
        (floor, _), truth = measure(np.asarray(exact))
        samplers: Mapping[str, list[Unmasking]] = {
            "ancestral": [AncestralUnmasking(n) for n in tried],
            "remdm": [Remasking(n, REMASKED) for n in tried],
            "confidence": [ConfidenceOrder(n) for n in tried],
            "first_hitting": [FirstHitting(LENGTH // n) for n in tried],
        }
        distances, nats = dict[str, Curve](), dict[str, Curve]()
        for name, members in samplers.items():
            rows = np.array([measure(draw(member)) for member in members])
            distances[name], nats[name] = ((rows[:, i, 0], rows[:, i, 1]) for i in (0, 1))
            terminal.say(
                f"{name}: distance {rows[0, 0, 0]:.4f} with 1 evaluation, {rows[-1, 0, 0]:.4f} +- "
                f"{rows[-1, 0, 1]:.4f} with {tried[-1]}"
            )
        terminal.say(f"exact samples have the distance {floor:.4f}, the noise of their number")

        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for name in samplers:
            style = {"fmt": ".-", "markersize": 7}
            draw_error_bars(left, np.array(tried), distances[name], name.replace("_", " "), **style)
            draw_error_bars(right, np.array(tried), nats[name], name.replace("_", " "), **style)
        left.axhline(floor, color="k", linestyle=":", label="exact samples")
        right.axhline(truth[0], color="k", linestyle=":", label="exact samples")
        scales = {"xscale": "log", "xticks": tried, "xticklabels": tried}
        last = {name: curve[0][-1] for name, curve in distances.items()}
        title = f"Law of two neighbors, to the truth at {tried[-1]} NFE:\n" + ", ".join(
            f"{name.replace('_', ' ')} {value:.4f}" for name, value in last.items()
        )
        label_axes(left, title, "evaluations (NFE)", "total variation", yscale="log", **scales)
        title = f"Log probability of samples at {tried[-1]} NFE:\nconfidence " + (
            f"{nats['confidence'][0][-1]:.3f}, exact samples {truth[0]:.3f} nats"
        )
        label_axes(right, title, "evaluations (NFE)", "nats per token", **scales)
        for axes in (left, right):
            axes.minorticks_off()

        curves = {f"distance_{name}": curve for name, curve in distances.items()}
        curves |= {f"nats_{name}": curve for name, curve in nats.items()}
        numbers = curves_to_json({"evaluations": np.array(tried), **curves})
        numbers |= {"exact_distance": floor, "exact_nats": truth[0]}
        write_results(run, "few_steps", figure, numbers)


def pair_distance(
    x: Int[np.ndarray, "samples length"], law: Float[np.ndarray, "levels levels"]
) -> tuple[float, float]:
    """Return the total variation distance of the law of neighbors, and its standard error.

    The error is that of the delta method: with the signs of the differences as they are, the
    distance is a mean over the samples.
    """
    levels, pairs = len(law), x[:, :-1] * len(law) + x[:, 1:]
    shares = np.bincount(pairs.ravel(), minlength=levels**2) / pairs.size
    signs = np.sign(shares - law.ravel())
    each = 0.5 * np.mean(signs[pairs], axis=1)
    distance = 0.5 * np.sum(np.abs(shares - law.ravel()))
    return float(distance), float(np.std(each) / np.sqrt(len(x)))
