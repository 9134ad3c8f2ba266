"""Compare with other packages where the truth is known: likelihoods, samples, steps, first answer.

python benchmarks/peers.py [--json=FILE] [--only=likelihood,mixture,sample,step,answer]

The law is Gaussian with the spectrum of natural images, in 64 dimensions, so that its score, its
density and its samples are known. Every package gets this score in the same form, as two products
with a matrix, in float32 and with its own default settings. The Jacobian of such a score is the
same at every point, so that JAX computes an exact trace once for a batch. Hence the second law, a
mixture of three contrasts, whose score has two products with a matrix as well, and is not linear.

The packages are sbgm 0.0.38, diffusionjax 0.1.8, diffusers 0.42 and flow_matching 1.0. One that is
not installed is skipped, and the table says why. sbgm asks for Python 3.12 and for older packages,
but runs with these:

pip install --no-deps --ignore-requires-python sbgm diffusionjax flow_matching
pip install diffusers torch torchvision torchdiffeq beartype einops einx cloudpickle powerbox wandb

- ``likelihood``, ``mixture``: seconds an image of either law in a batch of 64, and the rms error
  of an image in bits/dim. Those above 0.02 do not count.
- ``sample``: seconds for 1,000 samples, and their sliced Wasserstein distance to 10,000 others, in
  units of what 1,000 samples of the law itself have. Those above 1.1 do not count.
- ``step``: milliseconds of a training step of the same network, an MLP of 0.65 million parameters,
  batch 256: by Gradlog, by the packages, and bare (forward, backward and Adam, a fixed batch).
- ``answer``: seconds of a process that imports the package and prints one log density, without and
  with stored compiled programs.

The rows of a task take turns. ``ratio`` is the median time of Gradlog's fastest row that counts
over that of the row: above 1.1 the peer is faster.
"""

import importlib
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from benchmarks.common import read_flags, save, show
from gradlog.distributions import natural_images
from gradlog.evaluation.distances import random_directions, sliced_wasserstein
from gradlog.likelihood import ODELikelihood, Planned, Quadrature, Rademacher, make_exact
from gradlog.likelihood.start import AsSample
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, ExponentialMultistep, LogRhoFlow
from gradlog.sampling import DDIM, DPMSolver2M, LogSNRSchedule
from gradlog.sde_lib import VP
from gradlog.storage import read_json

ROOT = Path(__file__).parents[1]
EPS, DIMS, TARGET, FLOOR = 1e-3, 64, 0.02, 1.1
ROUNDS, IMAGES, SAMPLES, OTHERS, BATCH = 7, 64, 1000, 10_000, 256
LAW, PROCESS = natural_images((8, 8, 1)), VP()
_FEW = 8  # images of a second look
_LEAST_TURNS, _ENOUGH_SECONDS = 2, 4  # a row that took so long has no further turns
Rows = dict[str, Callable[[], Any]]


def spectrum() -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues of the covariance of the law, and its eigenvectors as columns."""
    unit = jnp.eye(DIMS).reshape(DIMS, 8, 8, 1)
    covariance = jax.vmap(partial(LAW.apply_filter, LAW.power))(unit).reshape(DIMS, DIMS)
    values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
    return values.astype(np.float32), vectors.astype(np.float32)


VALUES, VECTORS = spectrum()


@dataclass(frozen=True)
class Contrasts:
    """An even mixture of laws whose standard deviations are those of the law times a factor."""

    factors: tuple[float, ...] = (1.0,)

    @property
    def values(self) -> np.ndarray:
        """Return the eigenvalues of the covariance of each component."""
        return np.square(np.array(self.factors, np.float32))[:, None] * VALUES

    def draw(self, count: int, alpha: float, sigma: float, seed: int) -> np.ndarray:
        """Return points ``alpha x0 + sigma z``."""
        random = np.random.default_rng(seed)
        which = np.arange(count) % len(self.factors)
        std = np.sqrt(alpha**2 * self.values[which] + sigma**2)
        return ((std * random.standard_normal((count, DIMS))) @ VECTORS.T).astype(np.float32)

    def log_density(self, x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        """Return the log density in nats of points ``alpha x0 + sigma z``."""
        variance = alpha**2 * self.values.astype(np.float64) + sigma**2
        squares = (x @ VECTORS)[:, None] ** 2 / variance + np.log(2 * np.pi * variance)
        return logsumexp(-0.5 * np.sum(squares, axis=2), axis=1) - math.log(len(self.factors))

    def score(self, x, t):
        """Return the score at a time of VP; the means are zero."""
        variance = PROCESS.alpha(t) ** 2 * self.values + PROCESS.sigma(t) ** 2
        if len(self.factors) == 1:
            return -((x @ VECTORS) / variance[0]) @ VECTORS.T
        z = x @ VECTORS
        shares = jax.nn.softmax(-0.5 * jnp.sum(z**2 / variance + jnp.log(variance), axis=1))
        return -(z * (shares @ (1 / variance))) @ VECTORS.T

    def torch_velocity(self, torch: Any) -> Callable[[Any, Any], Any]:
        """Return the velocity of ``x_t = t x1 + (1 - t) x0`` for a batch of PyTorch."""
        values, vectors = torch.tensor(self.values), torch.tensor(VECTORS)

        def velocity(x, t):
            z, variance = x @ vectors, t**2 * values + (1 - t) ** 2
            gain = (t * values - (1 - t)) / variance
            if len(self.factors) > 1:
                squares = (z[:, None] ** 2 / variance + torch.log(variance)).sum(2)
                gain = torch.softmax(-0.5 * squares, dim=1) @ gain
            return (z * gain) @ vectors.T

        return velocity


GAUSSIAN, MIXTURE = Contrasts(), Contrasts((0.5, 1.0, 2.0))
MODEL = BoundModel(PROCESS, GAUSSIAN.score)


def torch_score(torch: Any) -> Callable[[Any, Any, Any], Any]:
    """Return ``(x, alpha, sigma) -> score`` of the Gaussian law for a batch of PyTorch."""
    values, vectors = torch.tensor(VALUES), torch.tensor(VECTORS)
    return lambda x, a, s: -((x @ vectors) / (a**2 * values + s**2)) @ vectors.T


def sbgm_process(start: float) -> Any:
    """Return VP with the same noise in sbgm's default steps of 0.1."""
    sde = importlib.import_module("sbgm.sde")
    integral = lambda t: 0.1 * t + 0.5 * 19.9 * t**2  # noqa: E731
    return sde.VPSDE(integral, t0=start)


def sbgm_score(eqx: Any, law: Contrasts) -> Any:
    """Return the score of a law as a model of sbgm."""

    class Known(eqx.Module):
        def __call__(self, t, y, q=None, a=None, *, key=None):
            del q, a, key
            return law.score(y, t)

    return Known()


# --- the tasks: each returns what is timed, by the name of its row --------------------------------


def likelihoods(
    law: Contrasts, skipped: dict[str, str]
) -> tuple[Rows, Callable[[str, Any], float]]:
    """Return log densities of 64 points of a law, and their rms error in bits/dim."""
    alpha, sigma = float(PROCESS.alpha(EPS)), float(PROCESS.sigma(EPS))
    xs = law.draw(IMAGES, alpha, sigma, 0)
    keys, model = jax.random.split(jax.random.key(0), IMAGES), BoundModel(PROCESS, law.score)
    shape, start = (DIMS,), AsSample()
    planned = Planned(EPS)
    plan = planned.plan(jax.device_get(jax.jit(lambda: planned.measure(model, shape))()), shape)
    adaptive = Adaptive(1e-5, 1e-5)
    own = {
        "planned": Planned(EPS, node_colors=jnp.asarray(plan)),
        "quadrature": Quadrature(adaptive, Rademacher(3), EPS),
        "exact": make_exact(adaptive, LogRhoFlow(), EPS, start),
        "exact, multistep": make_exact(
            adaptive, LogRhoFlow(), EPS, start, path=ExponentialMultistep()
        ),
        "ode": ODELikelihood(adaptive, LogRhoFlow(), Rademacher(1), EPS),
    }
    rows: Rows = {f"gradlog {name}": refined(each, model, xs, keys) for name, each in own.items()}
    truth = dict.fromkeys(rows, law.log_density(xs, alpha, sigma))

    if ode := found("sbgm._ode", skipped):
        theirs = sbgm_score(importlib.import_module("equinox"), law)
        process = sbgm_process(EPS)
        for name, settings in {"sbgm exact": {"exact_log_prob": True}, "sbgm": {}}.items():
            one = ode.get_log_likelihood_fn(theirs, process, data_shape=shape, **settings)
            program = jax.jit(jax.vmap(lambda x, key, one=one: one(x, key=key)))
            rows[name], truth[name] = partial(program, jnp.asarray(xs), keys), truth["gradlog ode"]
    if flow_matching := found("flow_matching.solver", skipped):
        torch = importlib.import_module("torch")
        data = torch.tensor(law.draw(IMAGES, 1.0, 0.0, 0))
        normal = torch.distributions.Normal(0.0, 1.0)
        solver = flow_matching.ODESolver(law.torch_velocity(torch))
        for name, exact in {"flow_matching exact": True, "flow_matching": False}.items():
            rows[name] = lambda exact=exact: solver.compute_likelihood(
                data,
                lambda x: normal.log_prob(x).sum(1),
                step_size=None,
                method="dopri5",
                exact_divergence=exact,
            )[1].numpy()
            truth[name] = law.log_density(data.numpy(), 1.0, 0.0)

    def rms(name: str, nats: Any) -> float:
        errors = (np.asarray(nats, np.float64) - truth[name]) / (DIMS * math.log(2))
        return float(np.sqrt(np.mean(errors**2)))

    return rows, rms


def refined(
    estimator: Any, model: BoundModel, xs: np.ndarray, keys: jax.Array
) -> Callable[[], np.ndarray]:
    """Return log densities, those of uncertain paths by the tightened estimator, as runs have."""

    def program(estimator: Any) -> Any:
        def evaluate(xs: Any, keys: Any) -> Any:
            found = estimator(model, xs, keys)
            return found.nats, found.refine

        return jax.jit(evaluate)

    coarse, finer = program(estimator), program(estimator.tightened())

    def call() -> np.ndarray:
        nats, refine = (np.array(each) for each in coarse(xs, keys))
        marked = np.flatnonzero(np.broadcast_to(refine, nats.shape))
        for start in range(0, len(marked), _FEW):
            part = np.resize(marked[start : start + _FEW], _FEW)  # of one shape: compiled once
            nats[part] = finer(xs[part], keys[part])[0]
        return nats

    return call


def samplers(skipped: dict[str, str]) -> tuple[Rows, Callable[[str, Any], float]]:
    """Return 1,000 samples, and their distance to the law in units of the floor."""
    others, directions = GAUSSIAN.draw(OTHERS, 1.0, 0.0, 2), random_directions(200, DIMS)
    floor = sliced_wasserstein(GAUSSIAN.draw(SAMPLES, 1.0, 0.0, 1), others, directions)
    schedule, rows = LogSNRSchedule(), dict[str, Callable[[], Any]]()
    for name, sampler in {
        "dpm_2m, 20": DPMSolver2M(20, EPS, schedule=schedule),
        "ddim, 50": DDIM(50, EPS, schedule=schedule),
    }.items():

        def one(key, sampler=sampler):
            prior_key, path_key = jax.random.split(key)
            return sampler(MODEL, PROCESS.prior_sample(prior_key, (DIMS,)), path_key).x

        program = jax.jit(jax.vmap(one))
        rows[f"gradlog {name}"] = partial(program, jax.random.split(jax.random.key(0), SAMPLES))
    if sample_lib := found("sbgm._sample", skipped):
        model = sbgm_score(importlib.import_module("equinox"), GAUSSIAN)
        of_key = sample_lib.get_ode_sample_fn(model, sbgm_process(EPS), (DIMS,))
        program = jax.jit(jax.vmap(lambda key: of_key(key, None, None)))
        rows["sbgm ode"] = partial(program, jax.random.split(jax.random.key(0), SAMPLES))
    if diffusers := found("diffusers", skipped):
        torch = importlib.import_module("torch")
        score_of = torch_score(torch)
        schedulers = {
            "diffusers DDIM, 50": (diffusers.DDIMScheduler(clip_sample=False), 50),
            "diffusers DPM-Solver++, 20": (diffusers.DPMSolverMultistepScheduler(), 20),
        }

        @torch.no_grad()
        def sample(scheduler, steps):
            scheduler.set_timesteps(steps)
            x = torch.randn(SAMPLES, DIMS, generator=torch.Generator().manual_seed(0))
            for t in scheduler.timesteps:
                square = scheduler.alphas_cumprod[t]
                alpha, sigma = square**0.5, (1 - square) ** 0.5
                x = scheduler.step(-sigma * score_of(x, alpha, sigma), t, x).prev_sample
            return x.numpy()

        rows |= {name: partial(sample, *each) for name, each in schedulers.items()}
    if solvers := found("diffusionjax.solvers", skipped):
        utils = importlib.import_module("diffusionjax.utils")
        noise = jax.vmap(lambda x, t: -PROCESS.sigma(t) * GAUSSIAN.score(x, t))
        times, _ = utils.get_times(num_steps=1000)
        chain = solvers.DDIMVP(noise, eta=0.0, ts=times)
        program = jax.jit(utils.get_sampler((SAMPLES, DIMS), chain))
        rows["diffusionjax DDIM, 1000"] = lambda: program(jax.random.PRNGKey(0))[0]
    if flow_matching := found("flow_matching.solver", skipped):
        torch = importlib.import_module("torch")
        solver = flow_matching.ODESolver(GAUSSIAN.torch_velocity(torch))
        start = torch.randn(SAMPLES, DIMS, generator=torch.Generator().manual_seed(0))
        rows["flow_matching midpoint, 0.05"] = lambda: solver.sample(
            start, step_size=0.05, method="midpoint"
        ).numpy()
    return rows, lambda name, x: sliced_wasserstein(np.asarray(x), others, directions) / floor


def steps(skipped: dict[str, str]) -> tuple[Rows, None]:
    """Return twenty training steps of one network."""
    import optax
    from train_step import bare_step, framework_step

    from gradlog.configs import default
    from gradlog.experiment.build import build, load_dataset

    config = default.get_config()
    folder = Path(tempfile.mkdtemp())
    np.save(folder / "points.npy", GAUSSIAN.draw(4096, 1.0, 0.0, 3))
    config.data.update(name="files", path=str(folder / "points.npy"))
    config.model.update(name="mlp", hidden=272, dropout=0.0)
    config.model.update(parametrization="noise", label="log_rho")
    config.training.batch_size = BATCH
    experiment = build(config, load_dataset(config))
    print(f"network: {experiment.num_parameters:,} parameters")
    own = {"gradlog": framework_step(experiment, BATCH), "bare": bare_step(experiment, BATCH)}
    rows: Rows = {
        name: lambda step=step: [step() for _ in range(20)][-1] for name, step in own.items()
    }
    network = experiment.model.network
    params = jax.jit(experiment.model.init, static_argnums=1)(jax.random.key(0), (DIMS,))

    def apply(params, x, t) -> Any:
        return network.apply({"params": params}, x, PROCESS.log_rho(t) / 4, train=True)

    data = jnp.asarray(GAUSSIAN.draw(BATCH, 1.0, 0.0, 4))
    if train_lib := found("sbgm._train", skipped):
        eqx = importlib.import_module("equinox")

        class Net(eqx.Module):
            params: Any

            def __call__(self, t, y, q=None, a=None, *, key=None):
                del q, a, key
                return -apply(self.params, y, t) / PROCESS.sigma(t)

        process, optimizer = sbgm_process(EPS), optax.adam(1e-4)
        net = Net(params["network"])
        state = [net, optimizer.init(eqx.filter(net, eqx.is_inexact_array)), jax.random.key(0)]

        def run_sbgm():
            for _ in range(20):
                loss, state[0], state[2], state[1] = train_lib.make_step(
                    state[0], process, (data, None, None), state[2], state[1], optimizer
                )
            return loss

        rows["sbgm"] = run_sbgm
    if run_lib := found("diffusionjax.run_lib", skipped):
        utils = importlib.import_module("diffusionjax.utils")
        sde, optimizer = importlib.import_module("diffusionjax.sde").VP(), optax.adam(1e-4)

        class Model:
            @staticmethod
            def apply(params, x, t):
                return jax.vmap(apply, (None, 0, 0))(params, x, t.reshape(-1))

        times, _ = utils.get_times(num_steps=1000)
        solver = importlib.import_module("diffusionjax.solvers").EulerMaruyama(sde, times)
        loss = utils.get_loss(sde, solver, Model, likelihood_weighting=False)
        step = run_lib.get_step_fn(loss, optimizer, train=True, pmap=False)
        carry = [(jax.random.PRNGKey(0), params["network"], optimizer.init(params["network"]))]

        def run_diffusionjax():
            for _ in range(20):
                carry[0], value = step(carry[0], data)
            return value

        rows["diffusionjax"] = run_diffusionjax
    return rows, None


ANSWERS = {
    "gradlog": """
import jax, gradlog
from gradlog.distributions import natural_images
law, sde = natural_images((8, 8, 1)), gradlog.VP()
from gradlog.likelihood import ODELikelihood, Rademacher
from gradlog.ode import Adaptive, LogRhoFlow
estimate = ODELikelihood(Adaptive(1e-5, 1e-5), LogRhoFlow(), Rademacher(1), 1e-3)
x = law.sample(jax.random.key(0))[None]
model = gradlog.BoundModel(sde, law.score_fn(sde))
print(jax.jit(lambda x, k: estimate(model, x, k).nats)(x, jax.random.split(jax.random.key(1), 1)))
""",
    "sbgm": """
import jax, equinox as eqx, sbgm
from gradlog.distributions import natural_images
from gradlog.sde_lib import VP
law, sde = natural_images((8, 8, 1)), VP()
score = law.score_fn(sde)
class Known(eqx.Module):
    def __call__(self, t, y, q=None, a=None, *, key=None):
        return score(y, t)
process = sbgm.sde.VPSDE(lambda t: 0.1 * t + 0.5 * 19.9 * t**2, t0=1e-3)
from sbgm._ode import get_log_likelihood_fn
one = get_log_likelihood_fn(Known(), process, data_shape=(8, 8, 1))
print(one(law.sample(jax.random.key(0)), key=jax.random.key(1)))
""",
}


def answers(skipped: dict[str, str]) -> tuple[Rows, None]:
    """Return processes that print one log density."""
    rows: Rows = {}
    for name, code in ANSWERS.items():
        if name == "sbgm" and not found("sbgm._ode", skipped):
            continue
        for stored in ("cold", "warm"):
            folder = {"JAX_COMPILATION_CACHE_DIR": tempfile.mkdtemp()} if stored == "warm" else {}
            least = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
            path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
            environment = {**os.environ, "PYTHONPATH": path, **folder, **least}
            command = [sys.executable, "-c", code]
            rows[f"{name}, {stored}"] = partial(
                subprocess.run, command, env=environment, check=True, capture_output=True
            )
    return rows, None


def found(name: str, skipped: dict[str, str]) -> Any:
    """Return a module; None if it cannot be imported, with a line in ``skipped``."""
    if name in skipped:
        return None
    try:
        return importlib.import_module(name)
    except Exception as error:  # another package may raise anything
        skipped[name] = f"{type(error).__name__}: {error}"
        return None


TASKS = {
    "likelihood": partial(likelihoods, GAUSSIAN),
    "mixture": partial(likelihoods, MIXTURE),
    "sample": samplers,
    "step": steps,
    "answer": answers,
}
COUNTS = {"likelihood": TARGET, "mixture": TARGET, "sample": FLOOR}
# From the time of a call to that of the table.
UNIT = {"likelihood": 1 / IMAGES, "mixture": 1 / IMAGES, "step": 1e3 / 20}


def measure(task: str, skipped: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of a task, with times that were taken in turn."""
    rows, error_of = TASKS[task](skipped)
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    errors: dict[str, float | None] = dict.fromkeys(rows)
    for turn in range((3 if task == "answer" else ROUNDS) + 1):
        for name, call in rows.items():
            if turn > _LEAST_TURNS and sum(seconds[name]) > _ENOUGH_SECONDS:
                continue
            started = time.perf_counter()
            value = call()
            if isinstance(value, jax.Array):
                jax.block_until_ready(value)
            if turn:  # the first compiles
                seconds[name].append(time.perf_counter() - started)
            elif error_of:
                errors[name] = error_of(name, value)
    table = [
        {
            "task": task,
            "row": name,
            "time": statistics.median(times) * UNIT.get(task, 1),
            "error": errors[name],
            "counts": (errors[name] or 0) <= COUNTS.get(task, 0),
        }
        for name, times in seconds.items()
    ]
    for row in table:
        same = [
            each["time"]
            for each in table
            if each["row"].startswith("gradlog")
            and each["counts"]
            and (task != "answer" or each["row"].split(",")[-1] == row["row"].split(",")[-1])
        ]
        row["ratio"] = min(same) / row["time"] if row["counts"] and same else None
    return table


def main() -> None:
    # The file of figures keeps those of other tasks.
    flags = read_flags(__doc__ or "", only=tuple(TASKS))
    skipped: dict[str, str] = {}
    rows = [row for task in flags.only for row in measure(task, skipped)]
    cells = [
        {
            **row,
            "shown": "-" if row["error"] is None else f"{row['error']:.4f}",
            "times": "-" if row["ratio"] is None else f"{row['ratio']:.2f}",
        }
        for row in rows
    ]
    columns = {"task": "{task}", "row": "{row}", "time": "{time:.5g}"}
    show("", columns | {"error": "{shown}", "ratio": "{times}"}, cells)
    for name, reason in skipped.items():
        print(f"skipped {name}: {reason}")
    if flags.json and Path(flags.json).exists():
        known = read_json(Path(flags.json))["rows"]
        rows += [row for row in known if row["task"] not in flags.only]
    rows.sort(key=lambda row: list(TASKS).index(row["task"]))
    save(flags.json, {"rows": rows, "skipped": skipped})


if __name__ == "__main__":
    main()
