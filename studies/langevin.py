"""Samples of a mixture of distant modes: exact, by Langevin dynamics, by annealed Langevin.

Song & Ermon 2019, arXiv:1907.05600, figure 3. At one noise level the score does not determine the
weights of distant modes, and a chain stays at the mode where it began. A chain that starts at large
noise finds the weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import GaussianMixture
from gradlog.evaluation.pictures import render, save_gif
from gradlog.experiment.run import Run
from gradlog.models import BoundModel
from gradlog.sampling import LangevinDynamics
from gradlog.sampling.langevin import LangevinChain
from gradlog.studies.common import study_folder, write_results
from gradlog.studies.plane import (
    draw_modes,
    draw_noisy,
    draw_samples,
    report_diverged,
    require_annealed_langevin,
    require_mixture,
    share_of_first_mode,
)

_MILLISECONDS = 100  # a frame


@dataclass(frozen=True)
class Langevin:
    """Sample with ``config.sampling``'s annealed chain, and with as many steps at its last level.

    Attributes:
      learned: whether to train a score first; otherwise the exact score is used.
      samples: number of samples from each sampler.
      chains: number of chains in the animations.
      frames: number of frames of each animation.
    """

    learned: bool = False
    samples: int = 10_000
    chains: int = 300
    frames: int = 40

    def __call__(self, run: Run) -> None:
        law, sde = require_mixture(run), run.experiment.initial_process
        annealed = require_annealed_langevin(run)
        plain = LangevinDynamics(
            annealed.eps,
            annealed.denoise,
            annealed.step_size,
            annealed.num_scales * annealed.steps_per_level,
            start=annealed.start,
        )
        model = BoundModel(sde, law.score_fn(sde))
        if self.learned:
            run.train()
            model = run.experiment.model.bind(run.params())
        exact = draw_noisy(law, sde, annealed.eps, run.experiment.streams["eval"], self.samples)
        samples = {"exact": np.asarray(exact)}
        for name, sampler in (("langevin", plain), ("annealed_langevin", annealed)):
            samples[name] = draw_samples(run, sampler, model, self.samples)
            frames = self._frames(run, law, sampler, model, name)
            save_gif(study_folder(run) / f"{name}.gif", map(render, frames), _MILLISECONDS)

        figure = Figure(figsize=(10, 3.7), layout="constrained")
        truth = float(law.weights[0])
        off = {name: share_of_first_mode(law, x)[0] - truth for name, x in samples.items()}
        titles = (
            f"exact samples:\nweight off by {off['exact']:+.3f}",
            f"Langevin, {plain.evaluations} NFE:\nweight off by {off['langevin']:+.3f}",
            f"annealed Langevin, {annealed.evaluations} NFE:\n"
            f"weight off by {off['annealed_langevin']:+.3f}",
        )
        for axes, x, title in zip(figure.subplots(1, 3), samples.values(), titles, strict=True):
            draw_modes(axes, law, x, title)

        numbers: dict[str, float] = {"true": truth}
        nfe = {"langevin": plain.evaluations, "annealed_langevin": annealed.evaluations}
        terminal.say(f"true weight of the first mode: {truth:.3f}")
        for name, x in samples.items():
            share, error = share_of_first_mode(law, x)
            numbers |= {name: share, f"{name}_standard_error": error, f"{name}_samples": len(x)}
            numbers[f"{name}_diverged"] = self.samples - len(x)
            numbers[f"{name}_nfe"] = nfe.get(name, 0)
            terminal.say(
                f"{name.replace('_', ' ')}, {nfe.get(name, 0)} NFE: {share:.4f} +- {error:.4f}"
            )
        write_results(run, "langevin", figure, numbers)

    def _frames(
        self,
        run: Run,
        law: GaussianMixture,
        sampler: LangevinChain,
        model: BoundModel,
        name: str,
    ) -> Iterator[Figure]:
        """Yield pictures of the chains from their starts on, with noise level and step number."""

        def one(model, key):
            prior_key, path_key = jax.random.split(key)
            z = model.process.prior_sample(prior_key, law.shape)
            return sampler.path(model, z, path_key, self.frames)

        keys = jax.random.split(run.experiment.streams["sample"], self.chains)
        paths = np.asarray(jax.jit(jax.vmap(one, (None, 0), out_axes=1))(model, keys))
        ok = np.asarray(np.isfinite(paths).all(axis=(0, 2)))
        report_diverged(ok)
        rho = np.exp(jax.vmap(model.process.log_rho)(sampler.schedule(model.process)[0]))
        steps_done = np.round(np.linspace(0, len(rho), self.frames)).astype(int)
        for x, steps in zip(paths[:, ok], steps_done, strict=True):
            figure = Figure(figsize=(3.6, 3.9), layout="constrained")
            level = f"noise {rho[max(steps - 1, 0)]:.1f}, step {steps} of {len(rho)}"
            title = f"{name.replace('_', ' ').replace('lan', 'Lan')}\n{level}"
            draw_modes(figure.subplots(), law, x, title)
            yield figure
