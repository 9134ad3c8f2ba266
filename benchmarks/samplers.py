"""Measure sample quality against score evaluations for every sampler, on two laws and on digits.

python benchmarks/samplers.py [--problems=ring,clusters,digits] [--count=N] [--budgets=10,20,50,200]
    [--slow=1000] [--workdir=runs/digits] [--json=FILE] [--picture=FILE]

Quality is the sliced Wasserstein distance of order 2 to fresh draws of the true distribution. The
floor is the distance of as many true draws. Two problems have an exact score, so that the sampler
is the only source of error: a ring of eight Gaussians in the plane, and ten Gaussians in 64
dimensions, both under VP.

On digits the script trains a model if the workdir has none. There the distance, in levels, is to
the training set, and the floor is that of the test set. Budgets count score evaluations. ``--slow``
adds a budget for the predictor-corrector sampler alone.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from benchmarks.common import load_or_train, read_flags, save, show
from gradlog.distributions import GaussianMixture
from gradlog.evaluation.distances import random_directions, sliced_wasserstein
from gradlog.evaluation.pictures import save_figure
from gradlog.evaluation.samples import SampleDriver
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sampling import (
    DDIM,
    Ancestral,
    DPMSolver2M,
    DPMSolver3M,
    DPMSolverSDE,
    EulerMaruyama,
    Heun,
    KarrasSchedule,
    Langevin,
    LogSNRSchedule,
    NoCorrector,
    PredictorCorrector,
    ProbabilityFlow,
    ReverseDiffusion,
    Sampler,
)
from gradlog.sde_lib import VP

EPS = 1e-3
DIRECTIONS = 200
TOLERANCES = (1e-1, 1e-3, 1e-5)  # of the adaptive flow
Draw = Callable[[Sampler], tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Problem:
    """A law for the samplers; ``draw`` returns samples and the mean number of evaluations."""

    name: str
    draw: Draw
    truth: np.ndarray
    others: np.ndarray  # fresh draws of the truth

    def distance(self, x: np.ndarray) -> float:
        directions = random_directions(DIRECTIONS, self.truth.shape[1])
        return sliced_wasserstein(x, self.truth, directions)


def predicting(predictor) -> Callable[[int], Sampler]:
    return lambda budget: PredictorCorrector(predictor, NoCorrector(), budget, EPS)


def on_grid(member, schedule, **options) -> Callable[[int], Sampler]:
    """Return a sampler by budget: as many steps as it allows, and one evaluation to denoise."""
    steps = lambda budget: (budget - 1) // member.EVALUATIONS_PER_STEP  # noqa: E731
    return lambda budget: member(steps(budget), EPS, schedule=schedule, **options)


def corrected(budget: int) -> Sampler:
    return PredictorCorrector(ReverseDiffusion(), Langevin(), budget // 2, EPS)


# The schedules are those that the methods were published with.
SLOW = {
    "Euler-Maruyama": predicting(EulerMaruyama()),
    "reverse diffusion": predicting(ReverseDiffusion()),
    "ancestral": predicting(Ancestral("posterior")),
    "predictor-corrector": corrected,
}
FAST = {
    "DDIM": on_grid(DDIM, LogSNRSchedule()),
    "DDIM, eta 1": on_grid(DDIM, LogSNRSchedule(), eta=1.0),
    "Heun": on_grid(Heun, KarrasSchedule()),
    "Heun, churn 10": on_grid(Heun, KarrasSchedule(), churn=10.0),
    "DPM-Solver++ 2M": on_grid(DPMSolver2M, LogSNRSchedule()),
    "DPM-Solver++ 3M": on_grid(DPMSolver3M, LogSNRSchedule()),
    "DPM-Solver++ SDE": on_grid(DPMSolverSDE, LogSNRSchedule()),
}


def oracle_problem(name: str, law: GaussianMixture, count: int) -> Problem:
    """Return the problem of sampling with the exact score of a law."""
    sde = VP()

    def draw(sampler: Sampler) -> tuple[np.ndarray, float]:
        def one(key):
            prior_key, path_key = jax.random.split(key)
            z = sde.prior_sample(prior_key, law.shape)
            return sampler(BoundModel(sde, law.score_fn(sde)), z, path_key)

        found = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), count))
        return np.asarray(found.x), float(np.mean(found.nfe))

    sets = jax.vmap(law.sample)(jax.random.split(jax.random.key(1), 2 * count))
    return Problem(name, draw, *np.split(np.asarray(sets), 2))


def ring(count: int) -> Problem:
    angles = 2 * np.pi * np.arange(8) / 8
    means = jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=1), jnp.float32)
    return oracle_problem(
        "ring", GaussianMixture(jnp.full(8, 1 / 8), means, jnp.full(8, 0.05)), count
    )


def clusters(count: int) -> Problem:
    means = 0.5 * jax.random.normal(jax.random.key(7), (10, 64))
    law = GaussianMixture(jnp.arange(1, 11) / 55, means, jnp.linspace(0.05, 0.3, 10))
    return oracle_problem("clusters", law, count)


def digits(workdir: str) -> Problem:
    run = load_or_train("configs/digits.py", workdir)
    experiment, params = run.experiment, run.params()
    train, test = (
        np.asarray(s[np.arange(len(s))])
        for s in (experiment.dataset.train, experiment.dataset.test)
    )

    def draw(sampler: Sampler) -> tuple[np.ndarray, float]:
        driver = SampleDriver(sampler, experiment.model, experiment.dataset.shape, len(test))
        found = driver(params, len(test), jax.random.key(0))
        return found.x.reshape(len(test), -1), float(found.nfe.mean())

    return Problem("digits", draw, train.reshape(len(train), -1), test.reshape(len(test), -1))


def adaptive(tolerance: float) -> Sampler:
    return ProbabilityFlow(Adaptive(tolerance, tolerance), LogRhoFlow(), EPS)


def measured(problem: Problem, budgets: Sequence[int], slow: Sequence[int]) -> list[dict[str, Any]]:
    """Return a row for each sampler and budget."""
    cases = [(n, make(b)) for n, make in {**SLOW, **FAST}.items() for b in budgets]
    cases += [("predictor-corrector", corrected(b)) for b in slow]
    cases += [("adaptive flow", adaptive(tolerance)) for tolerance in TOLERANCES]
    rows = []
    for name, sampler in cases:
        x, nfe = problem.draw(sampler)
        distance = problem.distance(x)
        rows.append({"problem": problem.name, "sampler": name, "nfe": nfe, "distance": distance})
        print(f"{problem.name}: {name}, {nfe:.0f} evaluations: {distance:.4f}", flush=True)
    return rows


def picture(path: Path, rows: list[dict[str, Any]], floors: dict[str, float]) -> None:
    """Draw distance against evaluations: a panel for each problem, with the floor."""
    figure = Figure(figsize=(5 * len(floors) + 2, 5), layout="constrained")
    panels = figure.subplots(1, len(floors), squeeze=False)[0]
    for axes, (problem, floor) in zip(panels, floors.items(), strict=True):
        for i, name in enumerate([*SLOW, *FAST, "adaptive flow"]):
            own = [r for r in rows if (r["problem"], r["sampler"]) == (problem, name)]
            points = sorted((r["nfe"], r["distance"]) for r in own)
            style = "--" if name in SLOW else "-"
            axes.loglog(
                *zip(*points, strict=True), style, marker=".", color=f"C{i % 10}", label=name
            )
        axes.axhline(floor, color="black", linewidth=0.8)
        axes.set_title(f"{problem} (line: the floor)")
        axes.set_xlabel("evaluations of the score")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("sliced Wasserstein distance to the truth")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    save_figure(path, figure)


def main() -> None:
    # Samples of an oracle, and budgets of all samplers and of predictor-corrector alone.
    flags = read_flags(
        __doc__ or "",
        problems=("ring", "clusters", "digits"),
        count=4000,
        budgets=(10, 20, 50, 200),
        slow=(1000,),
        workdir="runs/digits",
        picture="",
    )
    known: dict[str, Callable[[], Problem]] = {
        "ring": lambda: ring(flags.count),
        "clusters": lambda: clusters(flags.count),
        "digits": lambda: digits(flags.workdir),
    }
    rows, floors = [], {}
    for name in flags.problems:
        problem = known[name]()
        floors[name] = problem.distance(problem.others)
        rows += measured(problem, flags.budgets, flags.slow)
    for name, floor in floors.items():
        distances: dict[str, list[str]] = {}
        for row in (row for row in rows if row["problem"] == name):
            in_floors = f"{row['distance'] / floor:.2f} ({row['nfe']:.0f})"
            distances.setdefault(row["sampler"], []).append(in_floors)
        cells = [{"name": n, "distances": "  ".join(d)} for n, d in distances.items()]
        title = f"{name}: distance, by the floor of {floor:.4f} (evaluations)"
        show(title, {"sampler": "{name}", "distances": "{distances}"}, cells)
    save(flags.json, {"count": flags.count, "floors": floors, "rows": rows})
    if flags.picture:
        picture(Path(flags.picture), rows, floors)


if __name__ == "__main__":
    main()
