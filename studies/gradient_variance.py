"""The variance of each objective's gradient over noise levels, and what denoising adds.

All objectives have the same minimizer. All have the same expected gradient too, except for the
steps of finite differences. They differ in the variance of one draw. Denoising and explicit score
matching differ by half the mean posterior variance of the conditional score, for every score. The
variances of their gradients differ by that of the target's part that the parameters can follow.
"""

import math
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.experiment.reader import Reader
from gradlog.experiment.run import Run
from gradlog.experiment.training_parts import law_of
from gradlog.losses import INTEGRANDS, SLICE_LAWS, GaussianKernel
from gradlog.sde_lib import SDE
from gradlog.studies.common import write_results
from gradlog.studies.curves import Curve, curves_to_json, rms_deviation
from gradlog.theory.gradients import (
    GradientMeter,
    GradientMoments,
    denoising_variance,
    explicit_denoising_gap,
)

_CHUNK = 512
_STYLES = {"esm": "k-", "ism": "k:", "dsm": "o-", "dsm2": "s-", "fsm": "v-", "ssm": "^-"}


@dataclass(frozen=True)
class GradientVariance:
    """Train, then measure at the averaged parameters, on the ladder of ``objective.eps``.

    Attributes:
      noise_levels: number of noise levels, at least 2.
      draws: number of gradients at each level; the gap takes ten times as many draws.
    """

    noise_levels: int = 9
    draws: int = 4096

    def __call__(self, run: Run) -> None:
        sde = run.experiment.initial_process
        run.train()
        times = sde.ladder(run.experiment.objective.eps, self.noise_levels)
        rho = np.exp(np.asarray(jax.vmap(sde.log_rho)(times), float))
        moments = {
            name: measure_gradients(run, name, times, self.draws) for name in sorted(INTEGRANDS)
        }
        gaps = measure_gaps(run, times, 10 * self.draws)

        added = measure_added(run, times, 10 * self.draws)
        pairs = list(zip(moments["dsm"], moments["esm"], strict=True))
        difference = [dsm.total_variance - esm.total_variance for dsm, esm in pairs]
        error = [np.hypot(dsm.standard_error, esm.standard_error) for dsm, esm in pairs]
        added_deviation = rms_deviation((np.array(difference), np.array(error)), added)

        figure = Figure(figsize=(11, 3.3), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        for name, rows in moments.items():
            deviation = [one.total_variance**0.5 for one in rows]
            left.loglog(rho, deviation, _STYLES.get(name, "d-"), markersize=4, label=name)
        others = [name for name in moments if name != "esm"]
        quietest = [min(others, key=lambda n: moments[n][i].total_variance) for i in (0, -1)]
        first, last = quietest
        left.set_title(
            f"quietest beside esm: {first} at rho {rho[0]:.0f},\n{last} at {rho[-1]:.2g}"
        )
        left.set_ylabel("std of a gradient (nats / dimension)")
        left.legend(fontsize=7, ncols=2)
        mean, error = gaps["measured"].T
        right.loglog(rho, gaps["theory"][:, 0], "k-", label="half the posterior variance")
        right.errorbar(rho, mean, 2 * error, fmt="o", markersize=4, label="measured, 2 s.e.")
        right.set_title(f"denoising adds up to {mean.max():.2f} nats\nto the loss")
        right.set_ylabel(r"$J_{DSM} - J_{ESM}$ (nats)")
        right.legend(fontsize=8)
        middle.loglog(rho, added[0], "k-", label="variance given x, by theory")
        label = "total: V(DSM) - V(ESM), 2 s.e."
        middle.errorbar(rho, difference, 2 * np.array(error), fmt="o", markersize=4, label=label)
        total = [dsm.total_variance for dsm, _ in pairs]
        middle.loglog(rho, total, ":", color="C0", label="V(DSM)")
        middle.set_title(
            f"what denoising adds to the variance:\n{added_deviation:.1f} s.e. (rms) from theory"
        )
        middle.set_ylabel("variance of a gradient")
        middle.legend(fontsize=7)
        for axes in (left, middle, right):
            axes.set_xlabel(r"noise level $\sigma/\alpha$")
            axes.title.set_fontsize(9)
            axes.grid(alpha=0.3, which="major")

        for name, rows in moments.items():
            shown = ((rho[i], rows[i].total_variance ** 0.5) for i in (0, len(rho) // 2, -1))
            each = ", ".join(f"{deviation:.3g} at {level:.3g}" for level, deviation in shown)
            terminal.say(f"{name}: standard deviation of a gradient {each}")
        difference, error = gaps["difference"].T
        worst = np.max(np.abs(difference) / np.maximum(error, 1e-12))
        terminal.say(f"gap of denoising: theory and measurement differ by at most {worst:.1f} s.e.")
        terminal.say(
            f"what denoising adds to the gradient's variance: by theory {added[0].max():.3g}, "
            f"rms deviation of V(DSM) - V(ESM) over the levels {added_deviation:.1f} s.e."
        )
        by_schedule = variance_by_schedule(sde, times, moments["dsm"])
        terminal.say(
            "standard deviation of the gradient of the likelihood-weighted loss at one draw (dsm): "
            + ", ".join(f"{v**0.5:.3g} with {name}" for name, v in by_schedule.items())
        )
        numbers = {
            "rho": rho.tolist(),
            "dsm_by_schedule": by_schedule,
            "denoising_variance": curves_to_json({"theory": added}),
            "objectives": {
                name: {
                    "total_variance": [one.total_variance for one in rows],
                    "standard_error": [one.standard_error for one in rows],
                    "mean_norm": [one.mean_norm for one in rows],
                }
                for name, rows in moments.items()
            },
            "gap": {name: values.tolist() for name, values in gaps.items()},
        }
        write_results(run, "gradient_variance", figure, numbers)


def measure_gradients(
    run: Run, name: str, times: Float[Array, " levels"], draws: int
) -> list[GradientMoments]:
    """Return moments of an integrand's gradient for one example, at each time.

    In nats per dimension. Data and noise have independent keys.
    """
    model = run.experiment.model
    law = law_of(run.experiment.dataset, model.dequantizer)
    reader = Reader(run.config)
    integrand = reader.make(
        "objective",
        INTEGRANDS[name],
        distribution=lambda: law,
        slice_law=lambda: reader.pick("objective.slice_law", SLICE_LAWS),
        kernel=GaussianKernel,
    )

    def loss(params, key, t):
        data_key, key = jax.random.split(key)
        x0 = law.sample(data_key)
        return integrand(model.bind(params), x0, t, key) / x0.size

    meter, params = GradientMeter(loss, _CHUNK), run.params()
    keys = jax.random.split(jax.random.key(0), 2 * (draws // 2))  # in pairs
    return [meter(params, keys, t) for t in times]


def variance_by_schedule(
    sde: SDE, times: Float[Array, " levels"], rows: list[GradientMoments]
) -> dict[str, float]:
    """Return the total variance of the gradient of the likelihood-weighted loss at one draw.

    The loss is ``2 int d(log rho) integrand``. A schedule is the density of log rho from which the
    level is drawn. The variance is ``4 (int M/q - |int mean|^2)`` with the second moment M at a
    level, least for q proportional to ``sqrt M``: that is what training a scalar schedule for the
    variance of the gradient can reach. Levels are even in log rho; the integrals are trapezoidal
    sums.
    """
    log_rho, rate = (np.asarray(jax.vmap(f)(times), float) for f in (sde.log_rho, sde.log_rho_rate))
    weights = np.full(len(times), abs(log_rho[1] - log_rho[0]))
    weights[[0, -1]] /= 2
    means = np.array([np.concatenate([np.ravel(x) for x in jax.tree.leaves(r.mean)]) for r in rows])
    second = np.array([row.total_variance for row in rows]) + np.sum(means**2, axis=1)
    densities = {
        "times even in t": 1 / rate,
        "levels even in log rho": np.ones(len(times)),
        "the best density of levels": np.sqrt(second),
    }
    square = float(np.sum((weights @ means) ** 2))
    return {
        name: 4 * (float((weights @ (second / q)) * (weights @ q)) - square)
        for name, q in densities.items()
    }


def measure_gaps(run: Run, times: Float[Array, " levels"], draws: int) -> dict[str, np.ndarray]:
    """Return the gap in nats at each time: measured, by theory, and their difference.

    Each is an array of pairs of mean and standard error.
    """
    law = law_of(run.experiment.dataset, run.experiment.model.dequantizer)
    model = run.experiment.model.bind(run.params())
    keys = jax.random.split(jax.random.key(1), draws)
    gap = jax.jit(lambda t: explicit_denoising_gap(law, model.process, model.score, t, keys))
    table = np.array([gap(t) for t in times], float)
    return {name: table[:, i] for i, name in enumerate(("measured", "theory", "difference"))}


def measure_added(run: Run, times: Float[Array, " levels"], draws: int) -> Curve:
    """Return what denoising adds to the total variance of the gradient, by theory, at each time.

    For one example, in nats per dimension, with standard errors.
    """
    model, params, sde = run.experiment.model, run.params(), run.experiment.initial_process
    law = law_of(run.experiment.dataset, model.dequantizer)
    score_fn = lambda params, x, t: model.bind(params).score(x, t)  # noqa: E731
    square = math.prod(law.shape) ** 2  # of the factor 1/d of the loss
    key = jax.random.key(2)
    at = jax.jit(lambda t: denoising_variance(law, sde, score_fn, params, t, key, samples=draws))
    means, errors = np.array([at(t) for t in times], float).T / square
    return means, errors
