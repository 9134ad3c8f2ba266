"""Fisher against KL divergence of two mixtures with the same modes and other weights.

Song & Ermon 2019, arXiv:1907.05600, section 3.2.2: the score of a mixture of far modes does not
know their weights; with noise that joins the modes it does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import Estimate, GaussianMixture
from gradlog.evaluation.pictures import save_figure
from gradlog.run import RunDirectory
from gradlog.storage import write_json
from gradlog.studies.curves import Drawn, along, as_json, draw_points, finish
from gradlog.studies.modes import mixture_of
from gradlog.studies.runs import folder_of
from gradlog.studies.two_modes import Setting, exactly, two_modes
from gradlog.theory.divergences import fisher_divergence, kl, local_variance


class Sweep(NamedTuple):
    """KL in nats and Fisher in units of 1/std^2 over some length in stds: exact, and estimated."""

    length: Float[np.ndarray, " n"]
    exact_kl: Float[np.ndarray, " n"]
    exact_fisher: Float[np.ndarray, " n"]
    kl: Drawn
    fisher: Drawn


class Local(NamedTuple):
    """Local variance of log p/q in units of 1/std^2 over the width of a neighborhood in stds."""

    length: Float[np.ndarray, " n"]
    variance: Drawn
    fisher: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Fisher:
    """Draws both over the distance of the modes, and over noise; Fisher also as local variance.

    The laws have the weights of the data's mixture and these in reverse order. All happens along
    the line through the modes: in the other directions the two are the same.

    Attributes:
      samples: draws behind each point.
      times: points of each curve.
      near: half the distance of the modes, in stds, at which local variance is drawn.
    """

    samples: int = 10_000
    times: int = 40
    near: float = 1.0

    def __call__(self, run: RunDirectory) -> None:
        law = mixture_of(run)
        farthest = float(jnp.linalg.norm(law.means[1] - law.means[0]) / (2 * law.stds[0]))
        keys = jax.random.split(run.experiment.streams["eval"], 3)
        distance = np.linspace(0.2, farthest, self.times)
        noise = np.geomspace(0.5, 10 * farthest, self.times)
        near = two_modes(law, self.near)
        width = np.geomspace(0.02, 5.0, self.times)
        apart = self._sweep(distance, keys[0], lambda at: (*two_modes(law, at), 0.0))
        noisy = self._sweep(noise, keys[1], lambda at: (*two_modes(law, farthest), at))
        variance = along(width, keys[2], lambda at, key: self._local(*near, key, at))
        local = Local(width, variance, exactly(lambda _: (*near, 0.0), width[:1])[1])
        save_figure(folder_of(run) / "fisher.png", _figure(apart, noisy, local))
        _report(run, apart, noisy, local)

    def _local(self, p: GaussianMixture, q: GaussianMixture, key: Array, width: Array) -> Estimate:
        return local_variance(p, q, key, width, samples=self.samples)

    def _sweep(self, lengths: Float[np.ndarray, " n"], key: Array, setting: Setting) -> Sweep:
        def estimate(divergence: Callable[..., Estimate]) -> Drawn:
            def at(length: Array, one: Array) -> Estimate:
                p, q, noise = setting(length)
                return divergence(p, q, one, 1.0, noise, samples=self.samples)

            return along(lengths, key, at)

        exact = exactly(setting, lengths)
        return Sweep(lengths, *exact, estimate(kl), estimate(fisher_divergence))


def _figure(apart: Sweep, noisy: Sweep, local: Local) -> Figure:
    figure = Figure(figsize=(10, 3.3), layout="constrained")
    far, wide, near = figure.subplots(1, 3)
    _draw_sweep(far, apart, np.ones_like(apart.length), r"Fisher (1/std$^2$)")
    title = "Weights exchanged: Fisher does not\nsee it in far modes, KL does"
    finish(far, title, "half their distance (std)", "divergence", yscale="log", ylim=(1e-8, 5))
    _draw_sweep(wide, noisy, noisy.length**2, r"$\sigma^2$ Fisher")
    title = f"At {apart.length[-1]:.1f} std: noise as wide\nshows it to the score"
    labels = (r"noise $\sigma$ (std)", "divergence")
    finish(wide, title, *labels, xscale="log", yscale="log", ylim=(1e-8, 5))
    near.axhline(local.fisher[0], color="C1", label="Fisher")
    label = r"Var $\log\frac{p}{q}$ within $h$, over $h^2$"
    draw_points(near, local.length, local.variance, label, color="k")
    title = "Fisher is the local variance\nof log p/q"
    finish(near, title, "neighborhood $h$ (std)", r"1/std$^2$", xscale="log", ylim=(0, None))
    return figure


def _draw_sweep(axes, sweep: Sweep, unit: Float[np.ndarray, " n"], fisher: str) -> None:
    axes.plot(sweep.length, sweep.exact_kl, color="C0", label="KL (nats)")
    axes.plot(sweep.length, unit * sweep.exact_fisher, color="C1", label=fisher)
    draw_points(axes, sweep.length, sweep.kl, "", color="C0")
    mean, error = sweep.fisher
    met = mean > 3 * error  # elsewhere hardly a draw comes to where the scores differ
    scaled = (unit * mean)[met], (unit * error)[met]
    draw_points(axes, sweep.length[met], scaled, "from samples", color="C1")


def _report(run: RunDirectory, apart: Sweep, noisy: Sweep, local: Local) -> None:
    parts = {"distance": apart, "noise": noisy, "local": local}
    found = {name: as_json(part._asdict()) for name, part in parts.items()}
    write_json(folder_of(run) / "fisher.json", found)
    terminal.say(
        f"modes {apart.length[-1]:.1f} std from their middle, weights exchanged: "
        f"KL {apart.exact_kl[-1]:.4f} nats, Fisher {apart.exact_fisher[-1]:.1e} / std^2"
    )
    peak = int(np.argmax(noisy.length**2 * noisy.exact_fisher))
    terminal.say(f"noise shows the score most of it at {noisy.length[peak]:.1f} std")
    mean, error = local.variance
    terminal.say(
        f"local variance within {local.length[0]:g} std: {mean[0]:.4f} +- {error[0]:.4f}, "
        f"Fisher {local.fisher[0]:.4f}"
    )
    terminal.say(f"wrote {folder_of(run)}")
