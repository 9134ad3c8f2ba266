"""Samples of a mixture of far modes: exact, by Langevin dynamics, by annealed Langevin dynamics.

Song & Ermon 2019, arXiv:1907.05600, figure 3: at one noise level the score does not know the
weights of modes that lie far apart, and a chain stays where it began; from large noise down it
finds them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import GaussianMixture
from gradlog.evaluation.animations import save_gif
from gradlog.evaluation.pictures import save_figure
from gradlog.run import RunDirectory
from gradlog.sampling import LangevinDynamics
from gradlog.sampling.chains import LangevinChain
from gradlog.storage import write_json
from gradlog.studies.modes import (
    annealed_of,
    draw_exact,
    draw_points,
    draw_samples,
    mixture_of,
    say_diverged,
    share_of_first_mode,
)
from gradlog.studies.runs import folder_of

_MILLISECONDS = 100


@dataclass(frozen=True)
class Langevin:
    """Draws with ``config.sampling``'s annealed chain, and with as many steps at its last level.

    Attributes:
      learned: with a score that is trained first, not the exact one.
      samples: of which the weights are told.
      chains: that move in the animations.
      frames: of each animation.
    """

    learned: bool = False
    samples: int = 10_000
    chains: int = 300
    frames: int = 40

    def __call__(self, run: RunDirectory) -> None:
        law, annealed = mixture_of(run), annealed_of(run)
        plain = LangevinDynamics(
            annealed.eps,
            annealed.denoise,
            annealed.step_size,
            annealed.num_scales * annealed.steps_per_level,
        )
        score_fn = self._score_fn(run, law)
        drawn = {"exact": draw_exact(run, law, annealed, self.samples)}
        for name, sampler in (("langevin", plain), ("annealed_langevin", annealed)):
            drawn[name] = draw_samples(run, sampler, score_fn, self.samples)
            frames = self._frames(run, law, sampler, score_fn, name)
            save_gif(folder_of(run) / f"{name}.gif", frames, _MILLISECONDS)
        save_figure(folder_of(run) / "langevin.png", _panels(law, drawn))
        _report(run, law, drawn, self.samples)

    def _score_fn(self, run: RunDirectory, law: GaussianMixture):
        if not self.learned:
            return law.score_fn(run.experiment.sde)
        run.train()
        return run.experiment.model.score_fn(run.experiment.sde, run.params())

    def _frames(
        self, run: RunDirectory, law: GaussianMixture, sampler: LangevinChain, score_fn, name: str
    ) -> Iterator[Figure]:
        """The chains from their starts on, with the noise level and the number of steps."""
        sde = run.experiment.sde

        def one(key):
            prior_key, path_key = jax.random.split(key)
            z = sde.prior_sample(prior_key, law.shape)
            return sampler.path(sde, score_fn, z, path_key, self.frames)

        keys = jax.random.split(run.experiment.streams["sample"], self.chains)
        paths = np.asarray(jax.jit(jax.vmap(one, out_axes=1))(keys))
        ok = np.asarray(np.isfinite(paths).all(axis=(0, 2)))
        say_diverged(ok)
        rho = np.exp(jax.vmap(sde.log_rho)(sampler.schedule(sde)[0]))
        done = np.round(np.linspace(0, len(rho), self.frames)).astype(int)
        for x, steps in zip(paths[:, ok], done, strict=True):
            figure = Figure(figsize=(3.6, 3.9), layout="constrained")
            level = f"noise {rho[max(steps - 1, 0)]:.1f}, step {steps} of {len(rho)}"
            title = f"{name.replace('_', ' ').replace('lan', 'Lan')}\n{level}"
            draw_points(figure.subplots(), law, x, title)
            yield figure


def _panels(law: GaussianMixture, drawn: dict[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(10, 3.7), layout="constrained")
    titles = (
        "exact samples",
        "Langevin:\nwrong weights",
        "annealed Langevin:\nnearly the right weights",
    )
    for axes, x, title in zip(figure.subplots(1, 3), drawn.values(), titles, strict=True):
        draw_points(axes, law, x, title)
    return figure


def _report(
    run: RunDirectory, law: GaussianMixture, drawn: dict[str, np.ndarray], samples: int
) -> None:
    found = {"true": float(law.weights[0])}
    terminal.say(f"weight of the first mode: {found['true']:.3f} in truth")
    for name, x in drawn.items():
        share, error = share_of_first_mode(law, x)
        found |= {name: share, f"{name}_standard_error": error, f"{name}_samples": len(x)}
        found[f"{name}_diverged"] = samples - len(x)
        terminal.say(f"{name.replace('_', ' ')}: {share:.4f} +- {error:.4f}")
    write_json(folder_of(run) / "langevin.json", found)
    terminal.say(f"wrote {folder_of(run)}")
