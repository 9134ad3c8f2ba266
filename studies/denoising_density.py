"""A generator trained by two energies alone: Bigdeli's denoising density estimators.

Bigdeli et al. 2020, "Learning Generative Models using Denoising Density Estimators",
arXiv:2001.02728. One energy at one level of noise is fitted to the data by DSM, another to what the
generator makes; the generator goes down ``KL(q_t || p_t)``, the mean of their difference. Where
the noisy laws agree the clean ones do, so the samples come to the data and not to the noisy data.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from gradlog import terminal
from gradlog.data import Source
from gradlog.evaluation.distances import distances_within, random_directions
from gradlog.evaluation.pictures import save_figure
from gradlog.losses import OneLevel
from gradlog.run import RunDirectory
from gradlog.storage import write_json
from gradlog.studies.fields import Grid, draw_cloud, draw_map
from gradlog.studies.generator import Alternation
from gradlog.studies.generator_training import DIRECTIONS, GeneratorTraining
from gradlog.studies.needs import need, need_energy
from gradlog.studies.runs import folder_of

_SHOWN = 1000  # points


@dataclass(frozen=True)
class DenoisingDensity:
    """Trains the data's estimator, then the generator; draws its samples and their distance.

    At one level of noise, ``objective.eps``.

    Attributes:
      extent: half the side of the square that is drawn, in the data's units.
      generator_steps: of the generator.
      inner_steps: of the estimator of its samples, to one of the generator.
      generator_batch: samples in a step of either.
      generator_rate, estimator_rate: Adam's learning rates.
      measurements: of the distance, along training.

    Raises:
      ConfigError: the data are no points of the plane, or more for testing than for training; the
        model is no energy of one level; or the generator's samples are not finite.
    """

    extent: float = 8.0
    generator_steps: int = 2000
    inner_steps: int = 4
    generator_batch: int = 256
    generator_rate: float = 5e-4
    estimator_rate: float = 2e-3
    measurements: int = 20

    def __call__(self, run: RunDirectory) -> None:
        self._check(run)
        run.train()
        alternation = self._alternation(run)
        dataset = run.experiment.dataset
        train, test = _all(dataset.train), _all(dataset.test)
        training = GeneratorTraining(alternation, test, self.generator_steps, self.measurements)
        curve, samples = training(run.experiment.streams["sample"])
        within = distances_within(train, test, random_directions(DIRECTIONS, test.shape[1]))
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

    def _check(self, run: RunDirectory) -> None:
        dataset = run.experiment.dataset
        plane = dataset.shape == (2,) and dataset.levels is None
        need(plane, "continuous points of the plane: config.data.name = 'moons', or dims = 2")
        need(
            len(dataset.test) <= len(dataset.train),
            "as many training points as test points: raise config.data.num_train",
        )
        need_energy(run)
        need(isinstance(run.experiment.loss.proposal, OneLevel), "config.objective.levels = 'one'")
        positive = min(self.generator_steps, self.measurements) >= 1
        need(positive, "config.study.generator_steps and measurements of at least 1")

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

    def _figure(self, alternation: Alternation, test, samples, found) -> Figure:
        figure = Figure(figsize=(12, 3.1), layout="constrained")
        left, middle, right, last = figure.subplots(1, 4)
        grid = Grid(self.extent, 80)
        log_density = alternation.model.log_density_fn(alternation.sde, alternation.data_params)
        values = grid.values(lambda x: log_density(x, alternation.t))
        title = f"their energy at noise {float(alternation.sde.sigma(alternation.t)):.2g}"
        draw_cloud(left, test[:_SHOWN], self.extent, "data", markersize=1.5)
        draw_map(middle, grid, np.exp(values - values.max()), title)
        draw_cloud(right, samples[:_SHOWN], self.extent, "generated", markersize=1.5)
        _draw_curve(last, found)
        return figure


def _all(source: Source) -> np.ndarray:
    return np.asarray(source[np.arange(len(source))])


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
