"""Contrastive divergence of an energy with Langevin chains, and what it costs against denoising.

Hinton 2002, "Training products of experts by minimizing contrastive divergence", Neural Computation
14. The gradient of the likelihood needs samples of the model; a short chain from the data stands
for them. For one step of size a it is ``a/2`` times the gradient of implicit score matching, up to
O(a^2), with noise of order ``sqrt(a)`` (Hyvarinen 2007, "Connections between score matching,
contrastive divergence, and pseudolikelihood", IEEE Transactions on Neural Networks 18).
"""

import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.distributions import GaussianMixture
from gradlog.experiment.run import Run
from gradlog.losses import Loss, OneLevel, add_noise, example_keys
from gradlog.models import DiffusionModel, Params
from gradlog.sampling import LangevinDynamics
from gradlog.studies.common import require, require_energy, write_results
from gradlog.studies.curves import label_axes
from gradlog.studies.plane import PlaneGrid, require_mixture
from gradlog.training import (
    Example,
    ScoreModelTraining,
    Trainable,
    TrainState,
    TrainStep,
    init_state,
)

_CHAINS = (1, 10, 30)  # steps of a chain
_GRID = 161  # points along each side


@dataclass(frozen=True)
class ContrastiveTraining:
    """``E log q(chain end) - E log q(x_t)`` in nats/dim; a chain begins at x_t and is held fixed.

    Attributes:
      model: an energy.
      chain: the Langevin chain; its eps is the time t of the one noise level.
      shape: of one datum.
    """

    model: DiffusionModel
    chain: LangevinDynamics
    shape: tuple[int, ...]

    def init(self, key: Array) -> Params:
        return self.model.init(key, self.shape)

    def loss(self, params: Params, example: Example, key: Array) -> Loss:
        noise_key, chain_key = jax.random.split(example_keys(key).integrand)
        t, log_q = jnp.asarray(self.chain.eps), self.model.log_density_fn(params)
        sampler = self.model.bind(jax.lax.stop_gradient(params))
        x, _ = add_noise(sampler.process, example.x, t, noise_key)
        chain = replace(self.chain, start=lambda model, z, key: z / model.process.alpha(t))
        return Loss((log_q(chain(sampler, x, chain_key).x, t) - log_q(x, t)) / x.size, {})


class Training(NamedTuple):
    """A training: its cost, and how far its density is from the truth, at each measurement.

    Attributes:
      nfe: score evaluations of one example in a step.
      seconds: of training until then.
      kl: KL(p_t || q) in nats, by quadrature.
      density: the last q on the grid.
    """

    nfe: int
    seconds: Float[np.ndarray, " n"]
    kl: Float[np.ndarray, " n"]
    density: Float[np.ndarray, "n n"]


@dataclass(frozen=True)
class ContrastiveDivergence:
    """Train an energy at ``objective.eps`` by ``config.objective``, and by chains of the sampler.

    All have the steps, batches and optimizer of the configuration, and draws of the true law.

    Attributes:
      extent: half the side of the square on which densities are normalized.
      measurements: number of measurements of KL during a training.

    Raises:
      ConfigError: the data are no mixture in the plane, the model is no energy of one level, the
        sampler is no plain Langevin chain, or a training diverges.
    """

    extent: float = 8.0
    measurements: int = 20

    def __call__(self, run: Run) -> None:
        law, experiment = require_mixture(run), run.experiment
        require_energy(run)
        objective, chain, model = experiment.objective, experiment.sampler, experiment.model
        require(isinstance(objective.proposal, OneLevel), "config.objective.levels = 'one'")
        fits = isinstance(chain, LangevinDynamics) and not chain.denoise
        need = "config.sampling.name = 'langevin' with denoise = False"
        require(fits, need)
        assert isinstance(chain, LangevinDynamics)
        first = experiment.config.objective.name
        members: dict[str, tuple[int, Any]] = {
            first: (1, ScoreModelTraining(model, objective, law.shape))
        }
        for n in _CHAINS:  # each step of a chain takes a score, and the loss two energies
            at_level = replace(chain, eps=objective.eps, langevin_steps=n)
            members[f"CD-{n}"] = n + 2, ContrastiveTraining(model, at_level, law.shape)
        grid = PlaneGrid(self.extent, _GRID)
        results = {name: self._train(run, law, grid, *each) for name, each in members.items()}

        steps = np.linspace(0, experiment.training.steps, self.measurements + 1)[1:]
        kl = {name: one.kl[-1] for name, one in results.items()}
        slower = {
            name: one.seconds[-1] / results[first].seconds[-1] for name, one in results.items()
        }
        log_p = law.log_density_fn(experiment.initial_process)
        truth = grid.evaluate(lambda x: jnp.exp(log_p(x, objective.eps)))
        below = np.add.outer(grid.axis, grid.axis) < 0
        weight = lambda density: float(density[below].sum() / density.sum())  # noqa: E731
        share = {name: weight(one.density) for name, one in results.items()}

        figure = Figure(figsize=(13, 3.6), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        along = np.sqrt(2) * grid.axis
        right.fill_between(along, np.diagonal(truth), color="0.85", label="data")
        for name, one in results.items():
            left.plot(one.nfe * steps, one.kl, ".-", label=f"{name}: {one.nfe} NFE a step")
            middle.plot(one.seconds, one.kl, ".-", label=name)
            right.plot(along, np.diagonal(one.density), label=name)
        each = lambda values, unit: ", ".join(f"{n} {v:{unit}}" for n, v in values.items())  # noqa: E731
        unit = r"KL$(p_t\,\|\,q)$ (nats)"
        title = f"nats after {experiment.training.steps} steps:\n{each(kl, '.2g')}"
        x = "score evaluations of an example"
        room = {"xscale": "log", "yscale": "log", "ylim": (1e-3, 4)}
        label_axes(left, title, x, unit, legend="upper right", **room)
        title = f"time of a step in units of {first}'s:\n{each(slower, '.1f')}"
        label_axes(middle, title, "seconds of training", unit, yscale="log")
        title = f"weight of the first mode ({weight(truth):.3f}):\n{each(share, '.3f')}"
        label_axes(right, title, "along the line through the modes", "density")

        for name, one in results.items():
            terminal.say(
                f"{name}, {one.nfe} NFE a step, {one.seconds[-1]:.1f} s: KL {kl[name]:.2g} nats, "
                f"weight of the first mode {share[name]:.3f} (truth {weight(truth):.3f})"
            )
        numbers: dict[str, Any] = {"steps": steps.tolist(), "weight_of_first_mode": share}
        numbers["true_weight"] = weight(truth)
        for name, one in results.items():
            seconds, nats = one.seconds.tolist(), one.kl.tolist()
            numbers[name] = {"nfe": one.nfe, "seconds": seconds, "kl": nats}
        write_results(run, "contrastive_divergence", figure, numbers)

    def _train(
        self, run: Run, law: GaussianMixture, grid: PlaneGrid, nfe: int, trainable: Trainable
    ) -> Training:
        """Train from the run's initial parameters; compilation is not counted."""
        experiment = run.experiment
        t, size, groups = (
            experiment.objective.eps,
            experiment.training.batch_size,
            experiment.groups,
        )
        step = TrainStep(trainable, groups, size)
        key = experiment.streams["train"]
        log_p = law.log_density_fn(experiment.initial_process)

        def one_step(_: Any, state: TrainState) -> TrainState:
            keys = jax.random.split(jax.random.fold_in(key, state.step), size)
            xs = jax.vmap(law.sample)(keys)
            loss, grads = step.loss_and_grads(key, state, xs, jnp.arange(size))
            return step.update(state, loss, grads, state.step + 1)[0]

        @jax.jit
        def measure(state: TrainState) -> tuple[Array, Array]:
            log_q = experiment.model.log_density_fn(state.ema)
            points = jnp.stack(jnp.meshgrid(grid.axis, grid.axis), axis=-1).reshape(-1, 2)
            truth, nats = (jax.vmap(lambda x, f=f: f(x, t))(points) for f in (log_p, log_q))
            cell = (grid.axis[1] - grid.axis[0]) ** 2
            nats = nats - jax.nn.logsumexp(nats) - jnp.log(cell)
            kl = jnp.sum(jnp.exp(truth) * (truth - nats)) * cell
            return kl, jnp.exp(nats).reshape(grid.n, grid.n)

        ends = np.linspace(0, experiment.training.steps, self.measurements + 1).round().astype(int)
        state = init_state(trainable.init(experiment.streams["init"]), groups)
        # One program for every block: the number of steps is an argument.
        block = jax.jit(lambda state, count: jax.lax.fori_loop(0, count, one_step, state))
        jax.block_until_ready(block(state, 0))
        seconds, nats, density = [0.0], [], np.zeros(())
        for before, end in pairwise(ends):
            started = time.perf_counter()
            state = jax.block_until_ready(block(state, int(end - before)))
            seconds.append(seconds[-1] + time.perf_counter() - started)
            kl, density = jax.device_get(measure(state))
            if int(state.step) < end or not np.isfinite(kl):
                raise ConfigError(
                    f"the training diverges before step {end}: take a smaller "
                    "config.sampling.step_size or config.optimizer.learning_rate"
                )
            nats.append(kl)
        return Training(nfe, np.array(seconds[1:]), np.array(nats), density)
