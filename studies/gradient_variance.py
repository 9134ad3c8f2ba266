"""The variance of each objective's gradient over noise levels, and what denoising adds to the loss.

All objectives have one minimizer and, but for the steps of finite differences, one expected
gradient; they differ in how much a draw of it varies, and where. Denoising and explicit score
matching differ by half the mean posterior variance of the conditional score, whatever the score.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.evaluation.pictures import save_figure
from gradlog.experiment.losses import law_of
from gradlog.experiment.reader import Reader
from gradlog.losses import OBJECTIVES, SLICE_LAWS
from gradlog.run import RunDirectory
from gradlog.storage import write_json
from gradlog.studies.runs import folder_of
from gradlog.theory.gradients import GradientMeter, GradientMoments, explicit_denoising_gap

_CHUNK = 512
_STYLES = {"esm": "k-", "ism": "k:", "dsm": "o-", "dsm2": "s-", "fsm": "v-", "ssm": "^-"}


@dataclass(frozen=True)
class GradientVariance:
    """Trains, and measures at the averaged parameters, on the ladder of ``objective.eps``.

    Attributes:
      noise_levels: of the ladder, at least 2.
      draws: of the gradient, and ten times as many of the gap, at each level.
    """

    noise_levels: int = 9
    draws: int = 4096

    def __call__(self, run: RunDirectory) -> None:
        run.train()
        sde, loss = run.experiment.sde, run.experiment.loss
        times = sde.ladder(loss.eps, self.noise_levels)
        rho = np.exp(np.asarray(jax.vmap(sde.log_rho)(times), float))
        moments = {name: self._moments(run, name, times) for name in sorted(OBJECTIVES)}
        gaps = self._gaps(run, times)
        folder = folder_of(run)
        save_figure(folder / "gradient_variance.png", _figure(rho, moments, gaps))
        write_json(folder / "gradient_variance.json", _numbers(rho, moments, gaps))
        _say(rho, moments, gaps)
        terminal.say(f"wrote {folder}")

    def _moments(
        self, run: RunDirectory, name: str, times: Float[Array, " levels"]
    ) -> list[GradientMoments]:
        """Of the integrand of one example in nats per dimension, at each time."""
        experiment, law = run.experiment, law_of(run.experiment.dataset)
        reader = Reader(run.config)
        objective = reader.make(
            "objective",
            OBJECTIVES[name],
            oracle=lambda: law,
            slice_law=lambda: reader.pick("objective.slice_law", SLICE_LAWS),
        )

        def loss(params, key, t):
            data_key, key = jax.random.split(key)
            score_fn = experiment.model.score_fn(experiment.sde, params)
            x0 = law.sample(data_key)
            return objective(experiment.sde, score_fn, x0, t, key) / x0.size

        meter, params = GradientMeter(loss, _CHUNK), run.params()
        keys = jax.random.split(jax.random.key(0), 2 * (self.draws // 2))  # in pairs
        return [meter(params, keys, t) for t in times]

    def _gaps(self, run: RunDirectory, times: Float[Array, " levels"]) -> dict[str, np.ndarray]:
        """Measured and as theory has it, with standard errors, in nats; arrays over the times."""
        sde, law = run.experiment.sde, law_of(run.experiment.dataset)
        score_fn = run.experiment.model.score_fn(sde, run.params())
        keys = jax.random.split(jax.random.key(1), 10 * self.draws)
        gap = jax.jit(lambda t: explicit_denoising_gap(law, sde, score_fn, t, keys))
        found = np.array([gap(t) for t in times], float)
        names = ("measured", "theory", "difference")
        return {name: found[:, i] for i, name in enumerate(names)}


Moments = dict[str, list[GradientMoments]]


def _figure(rho: np.ndarray, moments: Moments, gaps: dict[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(7.4, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, found in moments.items():
        deviation = [one.total_variance**0.5 for one in found]
        left.loglog(rho, deviation, _STYLES.get(name, "d-"), markersize=4, label=name)
    left.set(
        xlabel=r"noise level $\sigma/\alpha$",
        title="DSM is quiet at large noise, slices at small",
    )
    left.set_ylabel("std of a gradient (nats / dimension)")
    left.legend(fontsize=7, ncols=2)
    mean, error = gaps["measured"].T
    right.loglog(rho, gaps["theory"][:, 0], "k-", label="half the posterior variance")
    right.errorbar(rho, mean, 2 * error, fmt="o", markersize=4, label="measured, 2 s.e.")
    right.set(xlabel=r"noise level $\sigma/\alpha$", ylabel=r"$J_{DSM} - J_{ESM}$ (nats)")
    right.set_title("what denoising adds: the posterior variance")
    right.legend(fontsize=8)
    for axes in (left, right):
        axes.title.set_fontsize(9)
        axes.grid(alpha=0.3, which="major")
    return figure


def _numbers(rho: np.ndarray, moments: Moments, gaps: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        "rho": rho.tolist(),
        "objectives": {
            name: {
                "total_variance": [one.total_variance for one in found],
                "standard_error": [one.standard_error for one in found],
                "mean_norm": [one.mean_norm for one in found],
            }
            for name, found in moments.items()
        },
        "gap": {name: values.tolist() for name, values in gaps.items()},
    }


def _say(rho: np.ndarray, moments: Moments, gaps: dict[str, np.ndarray]) -> None:
    for name, found in moments.items():
        shown = ((rho[i], found[i].total_variance ** 0.5) for i in (0, len(rho) // 2, -1))
        each = ", ".join(f"{deviation:.3g} at {level:.3g}" for level, deviation in shown)
        terminal.say(f"{name}: deviation of a gradient {each}")
    difference, error = gaps["difference"].T
    worst = np.max(np.abs(difference) / np.maximum(error, 1e-12))
    terminal.say(f"gap of denoising: theory and measurement differ by {worst:.1f} s.e. at most")
