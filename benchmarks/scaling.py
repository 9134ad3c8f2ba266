"""Measure the cost of a log density by dimension, at a fixed standard error.

python benchmarks/scaling.py [--json=FILE] [--picture=FILE] [--product_cost=C]

The distribution is a Gaussian with the spectrum of natural images
(gradlog/distributions/stationary.py) at 8x8x1, 16x16x3 and 32x32x3. The score and the prior are
exact, so the only error is that of the estimators. Every estimator is repeated on one image with
other probes. An evaluation is one value of the score, and a Jacobian-vector product counts as C
evaluations.

The script prints and draws the evaluations for a standard error of 0.02 bits/dim, by averaging one
or more runs. It also prints the standard deviation of one run beside its closed form. The formulas
are in docs/scaling.md.
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from benchmarks.common import read_flags, save, show
from gradlog.distributions import StationaryGaussian, natural_images
from gradlog.likelihood import (
    AsSample,
    ODELikelihood,
    Probing,
    Quadrature,
    Rademacher,
    SciPyLikelihood,
    make_exact,
    runs_on_host,
)
from gradlog.likelihood.quadrature import gregory
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sde_lib import VP

SHAPES = ((8, 8, 1), (16, 16, 3), (32, 32, 3))
SDE, EPS, INTERVALS, TARGET = VP(), 1e-3, 24, 0.02
ENDS = (float(SDE.log_rho(EPS)), float(SDE.log_rho(SDE.t_max)))
REPEATS = {"exact": 1, "scipy": 64}  # of the others 256, or 64 of the largest image
SOLVER, FLOW = Adaptive(1e-4, 1e-4), LogRhoFlow()


def make_estimators(law: StationaryGaussian) -> dict:
    """Return estimators by name; those in ``CLOSED_FORMS`` have a known variance."""
    ends: dict[str, Any] = {
        "eps": EPS,
        "start": AsSample(),
        "prior_log_prob": lambda z: law.log_density_fn(SDE)(z, SDE.t_max),
    }
    nodes: dict[str, Any] = {"intervals": INTERVALS, "rounds": 0, **ends}
    return {
        "exact": make_exact(SOLVER, FLOW, chunk=256, **ends),
        "scipy": SciPyLikelihood(1e-5, 1e-5, **ends),
        "ode": ODELikelihood(SOLVER, FLOW, Rademacher(), **ends),
        "quadrature, rademacher": Quadrature(SOLVER, Rademacher(), **nodes),
        "quadrature, probing": Quadrature(SOLVER, Probing(colors=16), **nodes),
    }


def bits_per_dim(law: StationaryGaussian, nats):
    return np.asarray(nats, np.float64) / (law.mean.size * math.log(2))


def fixed_probe_sd(law: StationaryGaussian) -> float:
    """Return the s.d. of one path integral with one fixed probe of random signs, in bits/dim."""
    variance = 2 * law.squared_off_diagonal(law.integrated_flow_jacobian(*ENDS))
    return float(bits_per_dim(law, jnp.sqrt(variance)))


def fresh_probes_sd(law: StationaryGaussian) -> float:
    """Return the s.d. of a quadrature with two new random probes at each node, in bits/dim."""
    at_nodes = jax.vmap(lambda s: law.squared_off_diagonal(law.flow_jacobian(s)))
    variances = at_nodes(jnp.linspace(*ENDS, INTERVALS + 1))
    weights = (ENDS[1] - ENDS[0]) * gregory(INTERVALS)
    return float(bits_per_dim(law, jnp.sqrt(jnp.sum(weights**2 * variances))))


CLOSED_FORMS = {
    "scipy": fixed_probe_sd,
    "ode": fixed_probe_sd,
    "quadrature, rademacher": fresh_probes_sd,
}


def measure(law: StationaryGaussian, name: str, product_cost: float) -> dict:
    """Return a row: the spread over repeats on one image, and the cost of a run."""
    repeats = REPEATS.get(name, 64 if law.mean.size > 1000 else 256)
    likelihood = make_estimators(law)[name]
    x = SDE.perturb(
        law.sample(jax.random.key(1)), EPS, jax.random.normal(jax.random.key(2), law.shape)
    )
    inputs = jnp.tile(x, (repeats, 1, 1, 1)), jax.random.split(jax.random.key(0), repeats)
    model = BoundModel(SDE, law.score_fn(SDE))
    run = lambda xs, keys: likelihood(model, xs, keys)  # noqa: E731
    run = run if runs_on_host(likelihood) else jax.jit(run).lower(*inputs).compile()
    started = time.perf_counter()
    found = jax.device_get(run(*inputs))
    seconds = (time.perf_counter() - started) / repeats
    errors = bits_per_dim(law, found.nats - law.log_density_fn(SDE)(x, EPS))
    cost = float(np.mean(found.nfe + product_cost * found.jvps))
    spread = float(np.std(errors, ddof=1)) if repeats > 1 else 0.0
    return {
        "dims": law.mean.size,
        "estimator": name,
        "forward_evaluations": float(np.mean(found.nfe)),
        "jvp_evaluations": float(np.mean(found.jvps)),
        "repeats": repeats,
        "bias": float(errors.mean()),
        "bias_standard_error": spread / math.sqrt(repeats),
        "standard_deviation": spread,
        "closed_form": CLOSED_FORMS[name](law) if name in CLOSED_FORMS else None,
        "evaluations_to_target": cost * max(1.0, (spread / TARGET) ** 2),
        "seconds_per_image": seconds,
    }


def draw(path: Path, rows: list[dict]) -> None:
    """Draw standard deviations with their closed forms on the left, the cost on the right."""
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    spread, cost = figure.subplots(1, 2)
    draw_spread(spread, rows)
    for name in make_estimators(natural_images(SHAPES[0])):
        own = [row for row in rows if row["estimator"] == name]
        values = [row["evaluations_to_target"] for row in own]
        cost.plot([row["dims"] for row in own], values, "o-", label=name)
    cost.set_title(f"score evaluations per image for ± {TARGET} bits/dim")
    for axes in (spread, cost):
        axes.set(xscale="log", yscale="log", xlabel="dimensions")
        axes.set_xticks([64, 768, 3072], ["64", "768", "3072"])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="lower left" if axes is spread else "upper left")
    figure.savefig(path, dpi=110)


def draw_spread(axes, rows: list[dict]) -> None:
    """Draw lines for the closed forms of gray and color images, and points for measurements."""
    for closed_form, color in ((fixed_probe_sd, "C2"), (fresh_probes_sd, "C3")):
        for channels, style in ((1, "--"), (3, "-")):
            laws = [natural_images((size, size, channels)) for size in (4, 8, 16, 32, 64)]
            values = [closed_form(law) for law in laws]
            axes.plot([law.mean.size for law in laws], values, style, color=color, alpha=0.7)
    for name, color in (("ode", "C2"), ("quadrature, rademacher", "C3")):
        own = [row for row in rows if row["estimator"] == name]
        values = np.array([row["standard_deviation"] for row in own])
        errors = values / np.sqrt(2 * np.array([row["repeats"] for row in own]))
        dims = [row["dims"] for row in own]
        axes.errorbar(dims, values, errors, fmt="o", color=color, label=f"{name}, measured")
    axes.plot([], [], "k--", label="closed form, gray images")
    axes.plot([], [], "k-", label="closed form, color images")
    axes.set_title("standard deviation of one run (bits/dim)")


def main() -> None:
    # A product costs so many values of the score; ``sizes`` counts images, the smallest first.
    flags = read_flags(
        __doc__ or "",
        product_cost=1.5,
        sizes=len(SHAPES),
        picture="docs/figures/likelihood_scaling.png",
    )
    laws = [natural_images(shape) for shape in SHAPES[: flags.sizes]]
    names = list(make_estimators(laws[0]))
    rows = [measure(law, name, flags.product_cost) for law in laws for name in names]
    columns = {
        "dims": "{dims}",
        "estimator": "{estimator}",
        "values": "{forward_evaluations:.4g}",
        "products": "{jvp_evaluations:.4g}",
        "s.d.": "{standard_deviation:.4g}",
        "closed form": "{closed_form!s:.7}",
        "bias": "{bias:.4g}",
        "± s.e.": "{bias_standard_error:.4g}",
        "to target": "{evaluations_to_target:.4g}",
    }
    show(f"cost of ± {TARGET} bits/dim, exact score", columns, rows)
    draw(Path(flags.picture), rows)
    settings = {"target": TARGET, "product_cost": flags.product_cost, "eps": EPS}
    save(flags.json, {**settings, "rows": rows})


if __name__ == "__main__":
    main()
