"""Check and measure an accelerator: the published arrays, and DDPM++ on 32x32 images.

python benchmarks/accelerator.py [--minutes=N] [--peak=N] [--json=FILE] [--small]

It takes at most ``--minutes``: a row that would begin later is left out, and named. The parts are

- ``golden``: networks, losses and a likelihood in float32 against the stored arrays of the official
  code, with TF32 allowed (JAX's default precision) and without. The likelihood asks for float32
  itself, so both of its rows are the same.
- ``agreement``: three training steps by pmap, shard_map and fsdp: the largest difference to pmap,
  as a share of each leaf's largest number.
- ``training``: images/s of DDPM++ on CIFAR-10's shape, 62 million parameters, with Adam, clipping
  and averages. ``share of peak`` divides the FLOPs that XLA counts by the time and by the
  ``--peak`` of the device in TFLOP/s; the table below has the peaks of bfloat16 by device.
- ``likelihood``: images/s of `quadrature` along the multistep path.
- ``sampling``: images/s of DPM-Solver++(2M) with 20 steps.

``--small`` runs every part on a tiny network, to show that the script works.
"""

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.common import read_flags, save, seconds_of, show
from gradlog.data import BatchStream
from gradlog.likelihood import DIVERGENCES, Quadrature
from gradlog.losses import DenoisingScoreMatching, ScoreMatching, Sigma2, UniformTime
from gradlog.models import DiffusionModel, Noise, ScaledTime, Uniform
from gradlog.models.networks import MLP, NCSNpp
from gradlog.ode import ExponentialMultistep
from gradlog.sampling import DPMSolver2M
from gradlog.sde_lib import VP
from gradlog.training import (
    MAPPINGS,
    ParallelStep,
    ParameterGroup,
    ScoreModelTraining,
    TrainStep,
    init_state,
)

# Dense bfloat16, TFLOP/s, by the maker's data sheet.
PEAKS = {
    "NVIDIA A100": 312.0,
    "NVIDIA H100": 989.0,
    "NVIDIA H200": 989.0,
    "TPU v4": 275.0,
    "TPU v5 lite": 197.0,
    "TPU v5p": 459.0,
}
PRECISIONS = {"TF32 allowed": None, "float32": "float32"}
DDPMPP = partial(
    NCSNpp, nf=128, ch_mult=(1, 2, 2, 2), num_res_blocks=4, attn_resolutions=(16,), dropout=0.1
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """The sizes of what is measured: DDPM++ of the CIFAR-10 experiments, or a tiny network."""

    shape: tuple[int, ...] = (32, 32, 3)
    network: Callable[..., nn.Module] = DDPMPP
    golden: tuple[str, ...] = (
        "model_ddpmpp_vp_ddpmblock_16x16x3_nf16",
        "model_ncsnpp_ve_ddpmblock_fir_16x16x3_nf16",
        "model_ncsnpp_ve_skip_16x16x3_nf16",
    )
    precisions: tuple[str, ...] = tuple(PRECISIONS)
    # (batch, dtype, remat), the most wanted first.
    training: tuple[tuple[int, str, bool], ...] = (
        (128, "float32", False),
        (128, "bfloat16", False),
        (512, "bfloat16", False),
        (1024, "bfloat16", True),
        (256, "bfloat16", False),
        (1024, "bfloat16", False),
        (512, "float32", True),
    )
    dtypes: tuple[str, ...] = ("float32", "bfloat16")  # of samples
    steps: int = 20
    agreement_batch: int = 64
    images: int = 64
    samples: int = 256
    solver_steps: int = 20


SMALL = Size(
    shape=(2, 2, 1),
    network=partial(MLP, hidden=8, num_layers=1),
    golden=("model_ddpmpp_vp_ddpmblock_16x16x3_nf16",),
    precisions=("float32",),
    training=((4, "float32", False),),
    dtypes=("float32",),
    steps=1,
    agreement_batch=4,
    images=2,
    samples=2,
    solver_steps=2,
)


class Clock:
    """The time that is left."""

    def __init__(self, minutes: float):
        self._end = time.monotonic() + 60 * minutes
        self.left_out: list[str] = []

    def allows(self, what: str, seconds: float) -> bool:
        """Return whether a row that takes so long may begin, and note the row if it may not."""
        allowed = time.monotonic() + seconds < self._end
        if not allowed:
            self.left_out.append(what)
        return allowed


def make_model(size: Size, dtype: str = "float32", remat: bool = False) -> DiffusionModel:
    """Return the model of images of 256 levels."""
    options = {"dtype": dtype} if dtype != "float32" else {}
    network = size.network(**options, **({"remat": True} if remat else {}))
    return DiffusionModel(VP(), network, Noise(), ScaledTime(), Uniform(256))


def make_images(size: Size, count: int) -> np.ndarray:
    """Return random images: the cost does not depend on what they show."""
    return np.random.default_rng(0).integers(0, 256, (count, *size.shape), np.uint8)


# --- golden ---------------------------------------------------------------------------------


def golden(size: Size, clock: Clock) -> Iterator[Row]:
    """Yield the largest error of each stored array, as a share of its largest number.

    The arrays are those of the tests, so the part is left out if pytest is not installed.
    """
    if importlib.util.find_spec("pytest") is None:
        clock.left_out.append("golden, which needs pytest")
        return
    sys.path.insert(1, str(Path(__file__).parents[1] / "tests" / "likelihood"))
    from test_likelihood_golden_networks import (  # pyright: ignore[reportMissingImports]
        bits_per_dim,
        stored,
        tight,
    )

    from tests.losses.test_score_flow import compiled, evaluate, golden as stored_loss

    for precision in size.precisions:
        for cached in (compiled, evaluate, tight):
            cached.cache_clear()
        with jax.default_matmul_precision(PRECISIONS[precision]):
            for name in size.golden:
                if clock.allows(f"golden, {name}, {precision}", 30):
                    for what, error in network_errors(name).items():
                        yield {"what": f"{name}: {what}", "precision": precision, "error": error}
            if clock.allows(f"golden, loss, {precision}", 40):
                values, grads = evaluate("vp", "lw0_iw0", official=True)
                wanted = stored_loss("vp")
                for what, got in (
                    ("per_sample", values),
                    ("grad_norm", optax.global_norm(grads)),
                ):
                    error = relative(got, wanted[f"lw0_iw0_mean1/{what}"])
                    yield {"what": f"loss_vp: {what}", "precision": precision, "error": error}
            if clock.allows(f"golden, likelihood, {precision}", 60):
                with jax.default_matmul_precision("float32"):  # as every evaluation does
                    found = bits_per_dim(tight("vp"))
                error = float(np.abs(found - stored("vp")["ref64_bpd"][:2]).max())
                yield {"what": "likelihood_vp: bits/dim", "precision": precision, "error": error}


def network_errors(name: str) -> dict[str, float]:
    """Return the errors of a network's output and of its vector-Jacobian product."""
    from tests.models.official import GOLDEN, load_golden

    network, params, arrays = load_golden(GOLDEN / f"{name}.npz")

    @jax.jit
    def both(params, x, labels, cotangent):
        def batched(x):
            return jax.vmap(partial(network.apply, {"params": params}, train=False))(x, labels)

        output, vjp = jax.vjp(batched, x)
        return output, vjp(cotangent)[0]

    output, vjp_x = both(params, arrays["x"], arrays["time_cond"], arrays["cotangent"])
    return {"output": relative(output, arrays["output"]), "vjp": relative(vjp_x, arrays["vjp_x"])}


def relative(got: Any, wanted: Any) -> float:
    """Return the largest difference, as a share of the largest wanted number."""
    return float(np.max(np.abs(got - wanted)) / np.max(np.abs(wanted)))


# --- training -------------------------------------------------------------------------------


def make_step(
    size: Size, batch: int, mapping: str = "pmap", **fields: Any
) -> tuple[ParallelStep, Any]:
    """Return the training step of score_sde's loss, and the state before the first step."""
    model = make_model(size, **fields)
    objective = ScoreMatching(DenoisingScoreMatching(), Sigma2(), UniformTime(), 1e-5)
    trainable = ScoreModelTraining(model, objective, size.shape)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(2e-4))
    groups = {"network": ParameterGroup(optimizer)}
    step = ParallelStep(TrainStep(trainable, groups, batch), jax.random.key(1), MAPPINGS[mapping]())
    init = lambda: init_state(trainable.init(jax.random.key(0)), groups)  # noqa: E731
    return step, step.initialize(init)


def training(size: Size, clock: Clock, peak: float | None) -> Iterator[Row]:
    """Yield a row for each batch size and precision: speed, memory and share of the peak."""
    images = make_images(size, 2048 if size.steps > 1 else 16)
    for batch, dtype, remat in size.training:
        name = f"training, batch {batch}, {dtype}{', remat' * remat}"
        if not clock.allows(name, 75):
            continue
        row: Row = {"batch": batch, "dtype": dtype, "remat": remat}
        try:
            yield row | measure_training(size, images, batch, peak, dtype=dtype, remat=remat)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            yield row | {"out_of_memory": True}


def measure_training(
    size: Size, images: np.ndarray, batch: int, peak: float | None, **fields: Any
) -> Row:
    """Return the figures of some steps after the first, which compiles."""
    step, state = make_step(size, batch, **fields)
    stream = BatchStream(images, batch, 0)
    number, metrics = 0, {}

    def do(steps: int) -> Any:
        nonlocal state, metrics, number
        for _ in range(steps):
            number += 1
            state, metrics = step(state, stream[number - 1], number)
        return metrics

    compile_seconds = seconds_of(partial(do, 1))
    seconds = seconds_of(partial(do, size.steps), repeats=3) / size.steps
    flops = 3 * batch * forward_flops(size)  # a backward pass costs two forward passes
    memory = jax.local_devices()[0].memory_stats() or {}
    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "images_per_second": batch / seconds,
        "teraflops": flops / seconds / 1e12,
        "share_of_peak": flops / seconds / 1e12 / peak / jax.device_count() if peak else None,
        "compile_seconds": compile_seconds,
        "peak_gigabytes": memory.get("peak_bytes_in_use", 0) / 2**30 or None,
        "loss": float(metrics["loss"]),
    }


def forward_flops(size: Size) -> float:
    """Return the FLOPs of the network for one image, as XLA counts them."""
    model = make_model(size)
    spec = jax.eval_shape(lambda key: model.init(key, size.shape), jax.random.key(0))
    x, t = jax.ShapeDtypeStruct(size.shape, jnp.float32), jax.ShapeDtypeStruct((), jnp.float32)
    lowered = jax.jit(lambda params, x, t: model.bind(params).score(x, t)).lower(spec, x, t)
    analysis: Any = lowered.cost_analysis()
    return float(analysis["flops"])


def agreement(size: Size, clock: Clock) -> Iterator[Row]:
    """Yield the difference of each mapping of a training step to pmap, after three steps."""
    ends = {}
    stream = BatchStream(make_images(size, 256), size.agreement_batch, 0)
    for mapping in MAPPINGS:
        if not clock.allows(f"agreement, {mapping}", 60):
            continue
        step, state = make_step(size, size.agreement_batch, mapping)
        for number in range(1, 4):
            state, _ = step(state, stream[number - 1], number)
        ends[mapping] = step.fetch(state.params)
        errors = jax.tree.map(
            lambda a, b: np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-30),
            ends[mapping],
            ends["pmap"],
        )
        yield {"mapping": mapping, "difference": float(max(jax.tree.leaves(errors)))}


# --- likelihood and sampling ----------------------------------------------------------------


def timed(run: Callable[[], Any], clock: Clock, what: str, count: int) -> Row | None:
    """Return images/s of a compiled function, by the mean of two calls after the first."""
    if not clock.allows(what, 90):
        return None
    first, seconds = seconds_of(run), seconds_of(run, repeats=2)
    return {
        "images": count,
        "images_per_second": count / seconds,
        "compile_seconds": first - seconds,
    }


def likelihood(size: Size, clock: Clock) -> Iterator[Row]:
    """Yield the speed of `quadrature`: one evaluation a node, one draw of probing."""
    model = make_model(size)
    params = jax.jit(lambda key: model.init(key, size.shape))(jax.random.key(0))
    estimator = Quadrature(
        ExponentialMultistep(), DIVERGENCES["probing"](colors=2), eps=1e-5, rounds=0
    )
    xs = 2 * (make_images(size, size.images) + 0.5) / 256 - 1
    keys = jax.random.split(jax.random.key(2), size.images)

    @jax.jit
    def run(params, xs, keys):
        with jax.default_matmul_precision("float32"):
            found = estimator(model.bind(params), xs, keys)
            return found.nats, found.nfe, found.jvps

    call = partial(run, params, jnp.asarray(xs, jnp.float32), keys)
    if row := timed(call, clock, "likelihood", size.images):
        _, nfe, jvps = jax.device_get(call())
        yield row | {
            "forward_evaluations": float(nfe.mean()),
            "jvp_evaluations": float(jvps.mean()),
        }


def sampling(size: Size, clock: Clock) -> Iterator[Row]:
    """Yield the speed of DPM-Solver++(2M)."""
    for dtype in size.dtypes:
        model = make_model(size, dtype=dtype)
        params = jax.jit(lambda key, model=model: model.init(key, size.shape))(jax.random.key(0))
        sampler = DPMSolver2M(size.solver_steps, 1e-3)

        @jax.jit
        def run(params, zs, keys, model=model, sampler=sampler):
            bound = model.bind(params)
            return jax.vmap(lambda z, key: sampler(bound, z, key).x)(zs, keys)

        zs = jax.random.normal(jax.random.key(3), (size.samples, *size.shape))
        call = partial(run, params, zs, jax.random.split(jax.random.key(4), size.samples))
        if row := timed(call, clock, f"sampling, {dtype}", size.samples):
            yield {"dtype": dtype, "steps": size.solver_steps, **row}


def main(arguments: list[str] | None = None) -> None:
    # The peak is that of the device in bfloat16, TFLOP/s.
    options = read_flags(__doc__ or "", arguments, minutes=8.0, peak=0.0, small=False)
    kind = jax.devices()[0].device_kind
    peak = options.peak or next((v for name, v in PEAKS.items() if kind.startswith(name)), None)
    size, clock = SMALL if options.small else Size(), Clock(options.minutes)
    started = time.monotonic()
    report: dict[str, Any] = {
        "devices": jax.device_count(),
        "jax": jax.__version__,
        "peak_teraflops": peak,
    }
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "training": lambda: training(size, clock, peak),
        "golden": lambda: golden(size, clock),
        "likelihood": lambda: likelihood(size, clock),
        "sampling": lambda: sampling(size, clock),
        "agreement": lambda: agreement(size, clock),
    }
    for name, rows in parts.items():
        report[name] = []
        for row in rows():
            report[name].append(row)
            # After each row, so that an end by force loses one row at most.
            save(options.json, report)
        keys = dict.fromkeys(key for row in report[name] for key in row)
        cells = [{key: _shown(row.get(key, "")) for key in keys} for row in report[name]]
        show(f"{name}, {kind}", {key.replace("_", " "): f"{{{key}}}" for key in keys}, cells)
    report |= {"left_out": clock.left_out, "seconds": time.monotonic() - started}
    save(options.json, report)
    for what in clock.left_out:
        print(f"left out of {options.minutes:g} minutes: {what}")


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
