"""Measure options of DDPM++: attention, bfloat16 and rematerialization against none of them.

python benchmarks/networks.py [--size=digits|32] [--nf=N] [--batch=N] [--steps=N] [--json=FILE]

The reference is the same network with attention written out (a softmax between two einsums), in
float32, without rematerialization. Each variant changes one thing more. The script compiles a
training step (forward, backward, Adam on a noised batch) and an evaluation as samplers make it. All
variants then take turns, block by block, in one process. Figures are medians over blocks. A ratio
is the reference's time divided by the variant's in the same block, so above 1 is faster.

"kept" is the size of the arrays that the forward pass of a step saves for its backward pass. "plan"
is the memory that XLA plans in addition to the arguments. On CPU, XLA recomputes nothing, so
rematerialization saves memory on accelerators only.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.common import read_flags, save, show, take_turns
from gradlog.models.networks import NCSNpp, attention

SHAPES = {"digits": (8, 8, 1), "32": (32, 32, 3)}
FIELDS: dict[str, dict[str, Any]] = {
    "digits": {"ch_mult": (1, 2), "num_res_blocks": 1, "attn_resolutions": (4,)},
    "32": {"ch_mult": (1, 2, 2, 2), "num_res_blocks": 2, "attn_resolutions": (16,)},
}
REFERENCE = "reference"
VARIANTS: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "attention": {},
    "attention, remat": {"remat": True},
    "attention, bfloat16": {"dtype": "bfloat16"},
    "attention, bfloat16, remat": {"dtype": "bfloat16", "remat": True},
}

Run = Callable[[], Any]


def written_out(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Compute attention as the published code does: all weights, their softmax, the sum."""
    weights = jnp.einsum("bhwc,bHWc->bhwHW", query, key) * query.shape[-1] ** -0.5
    flat = jax.nn.softmax(weights.reshape(*weights.shape[:3], -1), axis=-1)
    return jnp.einsum("bhwHW,bHWc->bhwc", flat.reshape(weights.shape), value)


@contextmanager
def attention_of(variant: str) -> Iterator[None]:
    """Replace the attention of programs that are traced inside this context."""
    chosen = written_out if variant == REFERENCE else attention.attend
    with mock.patch.object(attention, "attend", chosen):
        yield


def compiled_step(network: NCSNpp, params: Any, xs: jax.Array, labels: jax.Array):
    """Return a training step on one noised batch, its arguments, and the arrays that it saves."""
    optimizer = optax.adam(1e-4)

    def loss(params: Any, key: jax.Array) -> jax.Array:
        def apply(x, label, key) -> Any:
            return network.apply({"params": params}, x, label, train=True, rngs={"dropout": key})

        return jnp.mean((jax.vmap(apply)(xs, labels, jax.random.split(key, len(xs))) - xs) ** 2)

    def step(params, opt_state, key):
        updates, opt_state = optimizer.update(jax.grad(loss)(params, key), opt_state)
        return optax.apply_updates(params, updates), opt_state

    arguments = (params, optimizer.init(params), jax.random.key(1))
    kept = jax.eval_shape(
        lambda p, key: jax.vjp(partial(loss, key=key), p)[1], params, arguments[2]
    )
    return jax.jit(step).lower(*arguments).compile(), arguments, kept


def compiled_evaluation(network: NCSNpp, params: Any, xs: jax.Array, labels: jax.Array):
    """Return the network on a batch without dropout, and its arguments; it saves no arrays."""

    def evaluate(params, xs, labels):
        return jax.vmap(partial(network.apply, {"params": params}, train=False))(xs, labels)

    arguments = (params, xs, labels)
    return jax.jit(evaluate).lower(*arguments).compile(), arguments, ()


def programs(size: str, nf: int, batch: int) -> dict[tuple[str, str], tuple[Run, dict[str, float]]]:
    """Return by (work, variant) a run of it, and the megabytes that it saves and plans."""
    shape = SHAPES[size]
    xs = jax.random.normal(jax.random.key(0), (batch, *shape))
    labels = jnp.linspace(1.0, 999.0, batch)
    make = partial(NCSNpp, nf=nf, **FIELDS[size])
    init = jax.jit(partial(make().init, train=False))
    params = init(jax.random.key(2), xs[0], labels[0])["params"]
    found = {}
    for variant, fields in VARIANTS.items():
        with attention_of(variant):
            for work, compiled in (("step", compiled_step), ("evaluation", compiled_evaluation)):
                program, arguments, kept = compiled(make(**fields), params, xs, labels)
                plan = program.memory_analysis()
                assert plan is not None
                bytes_kept = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(kept))
                memory = {
                    "kept_megabytes": bytes_kept / 2**20,
                    "planned_megabytes": plan.temp_size_in_bytes / 2**20,
                }
                found[work, variant] = (partial(program, *arguments), memory)
    return found


def rows_of(seconds: dict[Any, np.ndarray], memory: dict[Any, dict], batch: int) -> list[dict]:
    """Return a row for each program: its times, its ratio to the reference, its memory."""
    rows = []
    for (work, variant), blocks in seconds.items():
        ratios = seconds[work, REFERENCE][:, 0] / blocks[:, 0]
        median = float(np.median(blocks[:, 0]))
        rows.append(
            {
                "work": work,
                "variant": variant,
                "milliseconds": 1e3 * median,
                "images_per_second": batch / median,
                "ratio": float(np.median(ratios)),
                "ratio_range": [float(min(ratios)), float(max(ratios))],
            }
            | memory[work, variant]
        )
    return rows


def main() -> None:
    # The size is 'digits' or '32'.
    flags = read_flags(__doc__ or "", size="digits", nf=32, batch=32, steps=5, blocks=7)
    made = programs(flags.size, flags.nf, flags.batch)
    runs = {name: run for name, (run, _) in made.items()}
    memory = {name: held for name, (_, held) in made.items()}
    rows = rows_of(take_turns(runs, flags.blocks, flags.steps), memory, flags.batch)
    columns = {
        "work": "{work}",
        "network": "{variant}",
        "ms": "{milliseconds:.1f}",
        "images/s": "{images_per_second:.0f}",
        "ratio": "{ratio:.2f}",
        "blocks": "{ratio_range[0]:.2f} .. {ratio_range[1]:.2f}",
        "kept MB": "{kept_megabytes:.1f}",
        "plan MB": "{planned_megabytes:.1f}",
    }
    title = f"{flags.size}, nf {flags.nf}, batch {flags.batch}"
    show(title, columns, sorted(rows, key=lambda row: row["work"]))
    about = {"size": flags.size, "nf": flags.nf, "batch_size": flags.batch, "blocks": flags.blocks}
    save(flags.json, {**about, "rows": rows})


if __name__ == "__main__":
    main()
