"""Tests of the options of NCSNpp, and that every combination can be built."""

import functools
import itertools
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models.networks import NCSNpp
from tests.models.small import abstract_init, make, random_variables

X = jax.random.uniform(jax.random.key(1), (4, 4, 2))
LABEL = jnp.float32(3.7)
ONE_LEVEL = {"ch_mult": (1,), "attn_resolutions": ()}


def unet(**overrides: Any) -> NCSNpp:
    """Return a tiny U-Net, by default of one resolution, which compiles fast."""
    return cast(NCSNpp, make("ncsnpp", **(ONE_LEVEL | overrides)))


@functools.cache
def compiled(network: NCSNpp):
    return jax.jit(lambda v, x, label: network.apply(v, x, label, train=False))


def apply(network: NCSNpp, variables, x=X, label=LABEL):
    return compiled(network)(variables, x, label)


FIELDS = ("resblock_type", "progressive", "progressive_input")
FIELDS += ("progressive_combine", "fir", "resamp_with_conv", "skip_rescale")
BLOCKS_AND_PYRAMIDS = itertools.product(
    ("biggan", "ddpm"),
    ("none", "output_skip", "residual"),
    ("none", "input_skip", "residual"),
)
OTHERS = itertools.cycle(
    [
        ("sum", True, True, True),
        ("cat", False, True, False),
        ("sum", True, False, True),
        ("cat", False, False, True),
    ]
)
COMBINATIONS = [(*first, *next(OTHERS)) for first in BLOCKS_AND_PYRAMIDS]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_every_combination_builds(combination):
    network = unet(ch_mult=(1, 2), **dict(zip(FIELDS, combination, strict=True)))
    output, _ = abstract_init(network, X.shape)
    assert output.shape == X.shape


@pytest.mark.parametrize("embedding_type", ["fourier", "positional"])
def test_scale_by_sigma_divides_the_output(embedding_type):
    """By the label itself, or by the entry of the geometric ladder with that index."""
    ladder = {"sigma_min": 0.1, "sigma_max": 20.0, "num_scales": 7}
    plain = unet(embedding_type=embedding_type)
    scaled = unet(embedding_type=embedding_type, scale_by_sigma=True, **ladder)
    variables = random_variables(plain, X.shape)
    sigma = 3.7 if embedding_type == "fourier" else np.geomspace(20.0, 0.1, 7)[3]
    ratio = apply(plain, variables) / apply(scaled, variables)
    np.testing.assert_allclose(ratio, sigma, rtol=1e-4)


def test_data_in_the_unit_interval_are_centered_inside():
    inside, outside = unet(centered=False), unet()
    variables = random_variables(inside, X.shape)
    expected = apply(outside, variables, 2 * X - 1)
    np.testing.assert_allclose(apply(inside, variables), expected, atol=1e-6)


def test_unconditional_ignores_the_label():
    network = unet(conditional=False)
    variables = random_variables(network, X.shape)
    assert not any(name.startswith("Dense") for name in variables["params"])
    first, second = apply(network, variables), apply(network, variables, label=LABEL + 100)
    np.testing.assert_array_equal(first, second)


def test_fourier_equals_fourier_linear_of_the_logarithm():
    logarithmic = unet(embedding_type="fourier")
    linear = unet(embedding_type="fourier_linear")
    variables = random_variables(logarithmic, X.shape)
    expected = apply(linear, variables, label=jnp.log(LABEL))
    np.testing.assert_allclose(apply(logarithmic, variables), expected, atol=1e-5)


def test_fourier_frequencies_train_only_if_trainable():
    """The derivative of the output in their direction is zero if they are fixed."""
    networks = [unet(embedding_type="fourier", trainable_embedding=each) for each in (False, True)]
    params = random_variables(networks[0], X.shape)["params"]
    place = "GaussianFourierProjection_0"

    @jax.jit
    def slopes(w):
        def output(w, network):
            moved = params | {place: {"W": w}}
            return network.apply({"params": moved}, X, LABEL, train=False)

        one = jnp.ones_like(w)
        return [jax.jvp(lambda w, n=n: output(w, n), (w,), (one,))[1] for n in networks]

    fixed, trainable = slopes(params[place]["W"])
    assert not np.any(fixed)
    assert np.abs(trainable).max() > 1e-3


def test_zero_init_scale_starts_at_zero():
    """Whatever the other parameters are, the last convolution is nearly zero at the start."""
    network = unet(init_scale=0.0)
    params = random_variables(network, X.shape)["params"]
    last = max(
        (name for name in params if name.startswith("Conv_")), key=lambda name: int(name[5:])
    )
    init = jax.jit(lambda key: network.init(key, X, LABEL, train=False)["params"][last])
    params = params | {last: init(jax.random.key(0))}
    assert np.abs(compiled(unet())({"params": params}, X, LABEL)).max() < 1e-3


def test_normalization_is_over_the_whole_image():
    """GroupNorm without a batch axis would normalize each row alone."""
    network = unet(conditional=False)
    variables = random_variables(network, X.shape)
    far = X.at[3].multiply(5.0)
    changed = apply(network, variables, far) - apply(network, variables)
    assert np.abs(changed[0]).max() > 1e-3


def test_scale_by_sigma_with_fourier_linear_raises():
    with pytest.raises(ValueError, match="scale_by_sigma"):
        NCSNpp(embedding_type="fourier_linear", scale_by_sigma=True)


@pytest.mark.parametrize("shape", [(6, 8, 1), (8, 6, 1), (8, 8), (1, 8, 8, 1)])
def test_shapes_that_cannot_be_halved_raise(shape):
    network = unet(ch_mult=(1, 1, 1))
    with pytest.raises(ValueError, match="divisible by 4"):
        abstract_init(network, shape)
