"""A generator trained by two energies alone: Bigdeli's denoising density estimators.

Bigdeli et al. 2020, "Learning Generative Models using Denoising Density Estimators",
arXiv:2001.02728. One energy at one noise level is fitted to the data by denoising score matching,
another to the generator's samples. The generator minimizes ``KL(q_t || p_t)``, the mean of their
difference. If the noisy laws agree, so do the clean ones. So the samples match the data, not the
noisy data.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from gradlog import terminal
from gradlog.evaluation.distances import distances_within, random_directions
from gradlog.experiment.run import Run
from gradlog.losses import OneLevel
from gradlog.studies.common import require, require_energy, write_results
from gradlog.studies.generator import DIRECTIONS, Alternation, Generator, train_generator
from gradlog.studies.plane import PlaneGrid, draw_cloud, draw_map

_SHOWN = 1000  # points


@dataclass(frozen=True)
class DenoisingDensity:
    """Train the data's estimator, then the generator; draw its samples and their distance.

    The one noise level is at ``objective.eps``.

    Attributes:
      extent: half the side of the drawn square, in the data's units.
      generator_steps: number of the generator's steps.
      inner_steps: number of the estimator's steps for each of the generator's.
      generator_batch: number of samples in a step of either.
      generator_rate, estimator_rate: Adam's learning rates.
      measurements: number of measurements of the distance during training.

    Raises:
      ConfigError: the data are not points of the plane, or there are more for testing than for
        training; the model is no energy of one level; or the generator diverges.
    """

    extent: float = 8.0
    generator_steps: int = 2000
    inner_steps: int = 4
    generator_batch: int = 256
    generator_rate: float = 5e-4
    estimator_rate: float = 2e-3
    measurements: int = 20

    def __call__(self, run: Run) -> None:
        model, dataset = run.experiment.model, run.experiment.dataset
        plane = dataset.shape == (2,) and dataset.levels is None
        require(plane, "continuous points of the plane: config.data.name = 'moons', or dims = 2")
        require(
            len(dataset.test) <= len(dataset.train),
            "as many training points as test points: raise config.data.num_train",
        )
        require_energy(run)
        one_level = isinstance(run.experiment.objective.proposal, OneLevel)
        require(one_level, "config.objective.levels = 'one'")
        positive = min(self.generator_steps, self.measurements) >= 1
        require(positive, "config.study.generator_steps and measurements of at least 1")
        sde, t = run.experiment.initial_process, run.experiment.objective.eps
        run.train()

        alternation = Alternation(
            generator=Generator(model.network, float(model.noise_label(sde, t)), dataset.shape),
            model=model,
            data_params=run.params(),
            t=t,
            inner_steps=self.inner_steps,
            batch=self.generator_batch,
            estimator_rate=self.estimator_rate,
            generator_rate=self.generator_rate,
        )
        train, test = (np.asarray(x[np.arange(len(x))]) for x in (dataset.train, dataset.test))
        key = run.experiment.streams["sample"]
        curve, samples = train_generator(
            alternation, test, self.generator_steps, self.measurements, key
        )
        within = distances_within(train, test, random_directions(DIRECTIONS, test.shape[1]))
        floor, spread = float(np.mean(within)), float(np.std(within))
        start, end = curve[0][1], curve[-1][1]

        figure = Figure(figsize=(12, 3.1), layout="constrained")
        left, middle, right, last = figure.subplots(1, 4)
        title = f"data: two sets are {floor:.3f} apart"
        draw_cloud(left, test[:_SHOWN], self.extent, title, markersize=1.5)
        grid = PlaneGrid(self.extent, 80)
        log_density = model.log_density_fn(alternation.data_params)
        values = grid.evaluate(lambda x: log_density(x, t))
        title = f"their energy at noise {float(sde.sigma(t)):.2g}"
        draw_map(middle, grid, np.exp(values - values.max()), title)
        title = f"generated: {end:.3f} from the data"
        draw_cloud(right, samples[:_SHOWN], self.extent, title, markersize=1.5)
        last.plot(*np.array(curve).T, label="generated")
        last.axhline(floor, color="black", linestyle=":", label="another set of data")
        last.axhspan(floor - spread, floor + spread, color="black", alpha=0.15)
        last.set_yscale("log")
        last.set_yticks([0.03, 0.1, 0.3], ["0.03", "0.1", "0.3"])
        last.yaxis.set_minor_formatter(NullFormatter())
        last.set(xlabel="step of the generator", ylabel="sliced Wasserstein distance")
        last.set_title(f"from {start:.3f} untrained to {end:.3f}", fontsize=10)
        last.legend(fontsize=8)

        terminal.say(
            f"sliced Wasserstein distance of {len(samples)} samples to as many test points: "
            f"{start:.3f} untrained, {end:.3f} trained; two sets of data {floor:.3f} +- "
            f"{spread:.3f}"
        )
        numbers = {"curve": curve, "floor": (floor, spread), "start": start, "end": end}
        write_results(run, "denoising_density", figure, numbers)
