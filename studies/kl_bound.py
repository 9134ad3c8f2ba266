"""KL of known data from a model's SDE and from its flow, and the bound on the first, in training.

Song et al. 2021, arXiv:2101.09258, theorem 1: ``KL(p || p_sde) <= J_SM(g^2) + KL(p_T || prior)``.
The loss with the likelihood weighting bounds the SDE's KL; it does not bound the flow's. The bound
is the KL of whole paths, which Girsanov's sum along simulated paths shows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.experiment.run import Run
from gradlog.sde_lib import SDE
from gradlog.studies.common import write_results
from gradlog.studies.curves import curves_to_json, draw_error_bars, label_axes
from gradlog.theory.bound import (
    Divergences,
    LawTables,
    ModelTables,
    measure_divergences,
    path_kl,
    tabulate_law,
    tabulate_model,
)
from gradlog.theory.fokker_planck import LineGrid, reverse_density


class Densities(NamedTuple):
    """Densities over x at eps, per unit of x: of the data, of the SDE and of the flow."""

    x: Float[np.ndarray, " n"]
    data: Float[np.ndarray, " n"]
    sde: Float[np.ndarray, " n"]
    flow: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class KLBound:
    """Train, then measure every checkpoint, from ``objective.eps`` on.

    Attributes:
      cells: number of cells of the grid over x; the grid has half as many steps in log rho.
      half_width: half the width of the grid, in standard deviations of the data.
      samples: number of paths for Girsanov's sum.
    """

    cells: int = 400
    half_width: float = 6.0
    samples: int = 10_000

    def __call__(self, run: Run) -> None:
        law, sde = run.experiment.dataset.law, run.experiment.initial_process
        eps = run.experiment.objective.eps
        if law is None or law.shape != (1,):
            raise ConfigError(
                "this study needs a known law in one dimension: config.data.name = 'mixture', "
                "dims = 1"
            )
        run.train()
        train = run.experiment.dataset.train
        scale = float(np.std(train[np.arange(len(train))]))
        grid = LineGrid(scale, self.half_width, self.cells, self.cells // 2)
        truth = jax.jit(lambda: tabulate_law(law, sde, grid, eps))()

        @jax.jit
        def tabulate(params) -> ModelTables:
            return tabulate_model(run.experiment.model.bind(params), grid, eps)

        @jax.jit
        def girsanov(params):
            model = run.experiment.model.bind(params)
            return path_kl(law, model, eps, jax.random.key(1), samples=self.samples)

        steps = run.steps("all")
        paths = np.array([girsanov(run.params(step)) for step in steps]).T
        models = [tabulate(run.params(step)) for step in steps]
        rows = [measure_divergences(truth, model, sde, grid, eps) for model in models]
        table = Divergences(*np.array(rows).T)

        figure = Figure(figsize=(9, 3.5), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        left.plot(steps, table.bound, ".--", color="C1", label="bound on the SDE's")
        left.plot(steps, table.kl_sde, ".-", color="C1", label="KL from the SDE")
        left.plot(steps, table.kl_ode, ".-", color="C0", label="KL from the flow")
        shown = slice(0, None, max(1, len(steps) // 6))
        points = np.array(steps)[shown], (paths[0][shown], paths[1][shown])
        draw_error_bars(left, *points, "KL of paths, simulated", color="k", zorder=3)
        above = sum(row.kl_ode > row.bound for row in rows)
        title = f"The flow's KL is above the SDE's bound at {above} of {len(rows)} checkpoints"
        label_axes(left, title, "training step", "KL (nats)", xscale="log", yscale="log")
        first = densities_per_x(truth, models[0], sde, grid, eps)
        right.fill_between(first.x, first.data, color="0.85", label="data")
        right.plot(first.x, first.sde, color="C1", label="SDE")
        right.plot(first.x, first.flow, color="C0", label="flow")
        shown = first.x[first.data > 1e-4 * first.data.max()]
        limits = {"xlim": (shown[0], shown[-1]), "ylim": (0, 1.6 * first.data.max())}
        title = (
            f"after {steps[0]} steps: KL {rows[0].kl_sde:.2f} from the SDE,\n"
            f"{rows[0].kl_ode:.2f} from the flow"
        )
        label_axes(right, title, "x", "density", **limits)

        for step, row in ((steps[0], rows[0]), (steps[-1], rows[-1])):
            terminal.say(
                f"step {step}: KL from the SDE {row.kl_sde:.4f}, bound {row.bound:.4f}, "
                f"KL from the flow {row.kl_ode:.4f} nats"
            )
        off = (paths[0] - table.bound) / paths[1]
        terminal.say(
            f"KL of paths by Girsanov's sum, {paths[0][-1]:.4f} +- {paths[1][-1]:.4f} nats at the "
            f"end, deviates from the bound by {np.sqrt(np.mean(off**2)):.1f} s.e. (rms)"
        )
        terminal.say(f"the flow's KL exceeds the bound at {above} of {len(rows)} checkpoints")
        curves = {"step": np.array(steps), "path_kl": (paths[0], paths[1])} | table._asdict()
        numbers = curves_to_json(curves)
        write_results(run, "kl_bound", figure, numbers)


def densities_per_x(
    law: LawTables, model: ModelTables, sde: SDE, grid: LineGrid, eps: float
) -> Densities:
    """Return densities per unit of x; the tables have them per unit of u = x/S."""
    spread = float(grid.spread(sde, sde.log_rho(eps)))
    data, flow = (
        np.exp(np.asarray(log_density, np.float64)) / spread
        for log_density in (law.log_last, model.log_ode)
    )
    sde_density = reverse_density(sde, model.scores, grid, eps) / spread
    return Densities(grid.centers * spread, data, sde_density, flow)
