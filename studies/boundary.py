"""Score matching of a law with edges, the uniform one: implicit objectives miss what is there.

Implicit score matching integrates by parts, and leaves out the density at the edges (Hyvarinen
2005, theorem 1). So it prefers scores that point inward at the edges, without end. With noise the
density vanishes far away: denoising score matching is exact for its own, noisy law.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import UniformInterval, monte_carlo
from gradlog.experiment.run import Run
from gradlog.losses import INTEGRANDS
from gradlog.models import BoundModel
from gradlog.sde_lib import VE
from gradlog.studies.common import write_results
from gradlog.studies.curves import Curve, curves_to_json, draw_error_bars, label_axes
from gradlog.theory.boundary import boundary_term, implicit_minimizer, implicit_minimum

LAW = UniformInterval(jnp.array(-1.0), jnp.array(1.0))
_SLOPES = np.linspace(0, 6, 7)  # of s = -k x
_DEGREES = (1, 3, 7, 15)
_LEVELS = {"ism": 1e-3, "ssm": 1e-3, "ssm_vr": 1e-3, "fsm": 1e-3, "dsm": 0.3}


@dataclass(frozen=True)
class Boundary:
    """Measure each objective for scores -k x; draw the minimizers. Nothing is trained.

    Attributes:
      samples: number of draws for each point.
    """

    samples: int = 10_000

    def __call__(self, run: Run) -> None:
        key = run.experiment.streams["eval"]
        curves = {name: losses(name, rho, key, self.samples) for name, rho in _LEVELS.items()}
        terms = np.array([boundary_term(lambda x, k=k: -k * x, -1, 1) for k in _SLOPES])
        explicit = _SLOPES**2 / 6
        biases = {
            name: (mean - exact_losses(rho), error)
            for (name, (mean, error)), rho in zip(curves.items(), _LEVELS.values(), strict=True)
        }

        figure = Figure(figsize=(11, 3.3), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        left.plot(_SLOPES, explicit, "k-", label="explicit: the truth")
        left.plot(_SLOPES, explicit + terms, "k--", label="with the boundary term")
        for i, name in enumerate(name for name in curves if name != "dsm"):
            mean, error = curves[name]
            draw_error_bars(left, _SLOPES + 0.08 * (i - 1.5), (mean, error), name)
        best = _SLOPES[np.argmin(explicit + terms)]
        title = (
            f"s = -kx on U[-1, 1]: the implicit losses\nare least at k = {best:g}, the truth at 0"
        )
        label_axes(left, title, "k", "loss (nats / unit$^2$)")
        for name, bias in biases.items():
            draw_error_bars(middle, _SLOPES, bias, name)
        middle.plot(_SLOPES, terms, "k--", label="boundary term, closed form")
        worst = np.max(np.abs(biases["dsm"][0]) / biases["dsm"][1].clip(1e-12))
        title = (
            f"what is missing: {terms[-1]:g} at k = 6;\ndsm deviates by at most {worst:.1f} s.e."
        )
        limits = {"legend": "upper right", "ylim": (-7, 9)}
        label_axes(middle, title, "k", "loss - explicit loss of its own law", **limits)
        x = np.linspace(-1, 1, 401)
        for degree in _DEGREES:
            label = f"degree {degree}: {implicit_minimum(degree):g} nats"
            right.plot(x, implicit_minimizer(degree)(x), label=label)
        right.axhline(0, color="k", linewidth=1)
        least = implicit_minimum(_DEGREES[-1])
        title = f"implicit minimizers over polynomials:\nthe loss falls to {least:g}, truth: 0"
        label_axes(right, title, "x", "score", ylim=(-30, 30))

        for name, (bias, error) in biases.items():
            terminal.say(
                f"{name}: loss minus explicit loss at k = 6: {bias[-1]:.4f} +- {error[-1]:.4f}; "
                f"boundary term {0.0 if name == 'dsm' else terms[-1]:g}"
            )
        numbers = {"slope": _SLOPES, "boundary_term": terms, **curves}
        numbers |= {f"{name}_bias": bias for name, bias in biases.items()}
        write_results(run, "boundary", figure, curves_to_json(numbers))


def losses(name: str, rho: float, key, samples: int) -> Curve:
    """Return an objective for the scores -k x at a noise of rho, in nats per squared unit of x."""
    process, integrand = VE(sigma_min=rho, sigma_max=10.0), INTEGRANDS[name]()

    def draw(k, key):
        data_key, key = jax.random.split(key)
        model = BoundModel(process, lambda x, t: -k * x)
        return integrand(model, LAW.sample(data_key), jnp.zeros(()), key) / rho**2

    at = jax.jit(lambda k: monte_carlo(lambda one: draw(k, one), key, samples))
    means, errors = np.array([at(k) for k in _SLOPES]).T
    return means, errors


def exact_losses(rho: float) -> np.ndarray:
    """Return the explicit loss of -k x, with the constant that each objective leaves out.

    At a noise of 0.001 it is that of the clean law: ``k^2/6``. Denoising at rho has
    ``k^2 (1/3 + rho^2)/2 - k + 1/(2 rho^2)``, because ``E x grad log p = -1`` for every density
    that vanishes far away.
    """
    if rho < 0.01:
        return _SLOPES**2 / 6
    return _SLOPES**2 * (1 / 3 + rho**2) / 2 - _SLOPES + 0.5 / rho**2
