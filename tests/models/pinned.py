"""Outputs of this code, recorded when it agreed with the official arrays of `shared/golden`.

They replace those arrays where the folder is missing. `python -m tests.models.pinned` records them
again. Do this only after `tests/models/test_golden.py` has passed with that folder beside the
repository.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tests.models.official import GOLDEN
from tests.models.small import make, random_variables

PATH = GOLDEN / "pinned_networks.npz"
SHAPE = (8, 8, 3)
_RESIDUAL = {"progressive": "residual", "progressive_input": "residual"}
_VE = {"embedding_type": "fourier", "scale_by_sigma": True, "centered": False}
CASES: dict[str, nn.Module] = {
    "ddpm": make("ddpm"),
    "ddpm_on_a_ladder": make("ddpm", scale_by_sigma=True, resamp_with_conv=False),
    "ddpmpp": make("ncsnpp"),
    "ncsnpp_residual": make("ncsnpp", fir=True, **_RESIDUAL, **_VE),
    "ncsnpp_cat": make(
        "ncsnpp",
        ch_mult=(1, 1, 2),
        progressive="output_skip",
        progressive_input="input_skip",
        progressive_combine="cat",
        skip_rescale=False,
    ),
    "ncsnv2_64": make("ncsnv2", nonlinearity="elu"),
    "ncsnv2_128": make("ncsnv2", nonlinearity="elu", backbone=128),
    "ncsnv2_256": make("ncsnv2", nonlinearity="elu", backbone=256),
    "vdm": make("vdm", with_attention=True),
}


def output(name: str) -> np.ndarray:
    """Return the output at label 3, for parameters and an image from a fixed seed."""
    network = CASES[name]
    image = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    variables = random_variables(network, SHAPE)
    run = jax.jit(lambda v, x: network.apply(v, x, jnp.float32(3.0), train=False))
    return np.asarray(run(variables, image))


if __name__ == "__main__":
    np.savez_compressed(PATH, **{name: output(name) for name in CASES})
