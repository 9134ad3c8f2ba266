"""KL of known data from a model's SDE and from its flow, and the bound on the first, in training.

Song et al. 2021, arXiv:2101.09258, theorem 1: ``KL(p || p_sde) <= J_SM(g^2) + KL(p_T || prior)``.
The loss with the likelihood weighting bounds the SDE's KL; it does not bound the flow's.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import Oracle
from gradlog.evaluation.pictures import save_figure
from gradlog.experiment.reader import ConfigError
from gradlog.run import RunDirectory
from gradlog.storage import write_json
from gradlog.studies.curves import as_json, finish
from gradlog.studies.runs import folder_of
from gradlog.theory.bound import Divergences, Model, Truth, ask_law, ask_model, divergences
from gradlog.theory.fokker_planck import reverse_density
from gradlog.theory.line import Line


class Densities(NamedTuple):
    """Over x at eps after the first of the checkpoints, per unit of x."""

    x: Float[np.ndarray, " n"]
    data: Float[np.ndarray, " n"]
    sde: Float[np.ndarray, " n"]
    flow: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class KLBound:
    """Trains, and measures every checkpoint that is kept, from ``objective.eps`` on.

    Attributes:
      cells: of the grid over x, half of which are steps in log rho.
      half_width: to where the grid reaches to both sides, in standard deviations of the data.
    """

    cells: int = 400
    half_width: float = 6.0

    def __call__(self, run: RunDirectory) -> None:
        law, sde, eps = _law_of(run), run.experiment.sde, run.experiment.loss.eps
        run.train()
        train = run.experiment.dataset.train
        scale = float(np.std(train[np.arange(len(train))]))
        line = Line(scale, self.half_width, self.cells, self.cells // 2)
        truth = jax.jit(lambda: ask_law(law, sde, line, eps))()

        @jax.jit
        def ask(params) -> Model:
            return ask_model(sde, run.experiment.model.score_fn(sde, params), line, eps)

        steps = run.steps("all")
        models = [ask(run.params(step)) for step in steps]
        rows = [divergences(truth, model, sde, line, eps) for model in models]
        figure = _figure(steps, rows, densities_of(truth, models[0], run, line))
        save_figure(folder_of(run) / "kl_bound.png", figure)
        _report(run, steps, rows)


def _law_of(run: RunDirectory) -> Oracle:
    """The law of the run's data.

    Raises:
      ConfigError: it is not known, or not in one dimension.
    """
    law = run.experiment.dataset.law
    if law is None or law.shape != (1,):
        raise ConfigError(
            "this study needs a known law in one dimension: config.data.name = 'mixture', dims = 1"
        )
    return law


def densities_of(truth: Truth, model: Model, run: RunDirectory, line: Line) -> Densities:
    """From densities per unit of u = x/S to those per unit of x."""
    sde, eps = run.experiment.sde, run.experiment.loss.eps
    spread = float(line.spread(sde, sde.log_rho(eps)))
    per_x = [np.exp(np.asarray(log, np.float64)) for log in (truth.log_last, model.log_ode)]
    data, flow = (density / spread for density in per_x)
    sde_density = reverse_density(sde, model.scores, line, eps) / spread
    return Densities(line.centers * spread, data, sde_density, flow)


def _figure(steps: list[int], rows: list[Divergences], first: Densities) -> Figure:
    table = Divergences(*np.array(rows).T)
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.plot(steps, table.bound, ".--", color="C1", label="bound on the SDE's")
    left.plot(steps, table.kl_sde, ".-", color="C1", label="KL from the SDE")
    left.plot(steps, table.kl_ode, ".-", color="C0", label="KL from the flow")
    title = "The likelihood-weighted loss bounds the SDE's KL, not the flow's"
    finish(left, title, "training step", "KL (nats)", xscale="log", yscale="log")
    right.fill_between(first.x, first.data, color="0.85", label="data")
    right.plot(first.x, first.sde, color="C1", label="SDE")
    right.plot(first.x, first.flow, color="C0", label="flow")
    shown = first.x[first.data > 1e-4 * first.data.max()]
    limits = {"xlim": (shown[0], shown[-1]), "ylim": (0, 1.6 * first.data.max())}
    finish(right, f"The densities after {steps[0]} steps", "x", "density", **limits)
    return figure


def _report(run: RunDirectory, steps: list[int], rows: list[Divergences]) -> None:
    columns = Divergences(*np.array(rows).T)._asdict()
    write_json(folder_of(run) / "kl_bound.json", as_json({"step": np.array(steps)} | columns))
    for step, row in ((steps[0], rows[0]), (steps[-1], rows[-1])):
        terminal.say(
            f"step {step}: KL from the SDE {row.kl_sde:.4f}, bound {row.bound:.4f}, "
            f"KL from the flow {row.kl_ode:.4f} nats"
        )
    above = sum(row.kl_ode > row.bound for row in rows)
    terminal.say(f"the flow's lies above the bound at {above} of {len(rows)} checkpoints")
    terminal.say(f"wrote {folder_of(run)}")
