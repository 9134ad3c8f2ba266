"""A generator trained by two energies alone: Bigdeli's denoising density estimators.

Bigdeli et al. 2020, "Learning Generative Models using Denoising Density Estimators",
arXiv:2001.02728. One energy at one level of noise is fitted to the data by DSM, another to what the
generator makes; the generator goes down ``KL(q_t || p_t)``, the mean of their difference. Where
the noisy laws agree the clean ones do, so the samples come to the data and not to the noisy data.
"""

from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from data import Source
from evaluation import terminal
from evaluation.distances import distances_within, random_directions, sliced_wasserstein
from evaluation.pictures import save_figure
from models import Energy
from run import RunDirectory
from storage import write_json
from studies.fields import Grid, draw_map
from studies.generator import Alternation
from studies.runs import folder_of
from wiring.reader import ConfigError

_DIRECTIONS, _SHOWN = 64, 1000  # of the distance; points


@dataclass(frozen=True)
class DenoisingDensity:
    """Trains the data's estimator, then the generator; draws its samples and their distance.

    At one level of noise, ``objective.eps``: ``objective.levels`` is to be 'one'. Raises
    ConfigError if the model is not an energy.

    Attributes:
      extent: half the side of the square that is drawn, in the data's units.
      generator_steps: of the generator.
      inner_steps: of the estimator of its samples, to one of the generator.
      generator_batch: samples in a step of either.
      generator_rate, estimator_rate: Adam's learning rates.
      measurements: of the distance, along training.
    """

    extent: float = 8.0
    generator_steps: int = 2000
    inner_steps: int = 4
    generator_batch: int = 256
    generator_rate: float = 5e-4
    estimator_rate: float = 2e-3
    measurements: int = 20

    def __call__(self, run: RunDirectory) -> None:
        if not isinstance(run.experiment.model.parametrisation, Energy):
            raise ConfigError("this study needs config.model.parametrisation = 'energy'")
        run.train()
        alternation = self._alternation(run)
        dataset = run.experiment.dataset
        train, test = _all(dataset.train), _all(dataset.test)
        curve, samples = self._train(alternation, test, run.experiment.streams["sample"])
        within = distances_within(train, test, random_directions(_DIRECTIONS, test.shape[1]))
        floor = float(np.mean(within)), float(np.std(within))
        found = {"curve": curve, "floor": floor, "start": curve[0][1], "end": curve[-1][1]}
        write_json(folder_of(run) / "denoising_density.json", found)
        picture = self._figure(alternation, test, samples, found)
        save_figure(folder_of(run) / "denoising_density.png", picture)
        terminal.say(
            f"sliced Wasserstein distance of {len(samples)} samples to as many test points: "
            f"{found['start']:.3f} untrained, {found['end']:.3f} trained; two sets of data "
            f"{floor[0]:.3f} +- {floor[1]:.3f}"
        )
        terminal.say(f"wrote {folder_of(run)}")

    def _alternation(self, run: RunDirectory) -> Alternation:
        return Alternation(
            sde=run.experiment.sde,
            t=run.experiment.loss.eps,
            model=run.experiment.model,
            network=run.experiment.model.network,
            data_params=run.params(),
            shape=run.experiment.dataset.shape,
            inner_steps=self.inner_steps,
            batch=self.generator_batch,
            estimator_rate=self.estimator_rate,
            generator_rate=self.generator_rate,
        )

    def _train(self, alternation: Alternation, test: np.ndarray, key: jax.Array):
        """Distances ``(step, distance)`` along training, and the last samples."""
        init_key, sample_key, step_key = jax.random.split(key, 3)
        every = max(1, self.generator_steps // self.measurements)
        draw = jax.jit(partial(alternation.samples, key=sample_key, count=len(test)))
        directions = random_directions(_DIRECTIONS, test.shape[1])

        @jax.jit
        def block(state, key):
            keys = jax.random.split(key, every)
            return jax.lax.scan(lambda s, k: (alternation(s, k), None), state, keys)[0]

        state = alternation.init(init_key)
        samples = np.asarray(draw(state.average))
        curve = [(0, sliced_wasserstein(samples, test, directions))]
        with terminal.progress("generator", 0, self.generator_steps) as update:
            for done in range(every, self.generator_steps + 1, every):
                state = block(state, jax.random.fold_in(step_key, done))
                samples = np.asarray(draw(state.average))
                curve.append((done, sliced_wasserstein(samples, test, directions)))
                update(done, f"distance {curve[-1][1]:.3f}")
        return curve, samples

    def _figure(self, alternation: Alternation, test, samples, found) -> Figure:
        figure = Figure(figsize=(12, 3.1), layout="constrained")
        left, middle, right, last = figure.subplots(1, 4)
        grid = Grid(self.extent, 80)
        log_density = alternation.model.log_density_fn(alternation.sde, alternation.data_params)
        values = grid.values(lambda x: log_density(x, alternation.t))
        title = f"their energy at noise {float(alternation.sde.sigma(alternation.t)):.2g}"
        _draw_points(left, test, self.extent, "data")
        draw_map(middle, grid, np.exp(values - values.max()), title)
        _draw_points(right, samples, self.extent, "generated")
        _draw_curve(last, found)
        return figure


def _all(source: Source) -> np.ndarray:
    return np.asarray(source[np.arange(len(source))])


def _draw_points(axes, points: np.ndarray, extent: float, title: str) -> None:
    axes.plot(*points[:_SHOWN].T, ".", markersize=1.5)
    limits = (-extent, extent)
    axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    axes.set_title(title, fontsize=10)


def _draw_curve(axes, found) -> None:
    steps, distances = np.array(found["curve"]).T
    mean, spread = found["floor"]
    axes.plot(steps, distances, label="generated")
    axes.axhline(mean, color="black", linestyle=":", label="another set of data")
    axes.axhspan(mean - spread, mean + spread, color="black", alpha=0.15)
    axes.set_yscale("log")
    axes.set_yticks([0.03, 0.1, 0.3], ["0.03", "0.1", "0.3"])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="step of the generator", ylabel="sliced Wasserstein distance")
    axes.set_title(f"{found['end']:.3f} at the end; of data {mean:.3f}", fontsize=10)
    axes.legend(fontsize=8)
