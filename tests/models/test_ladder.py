"""Tests of networks whose label is an index of a noise ladder, or that have no label."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import NOISE_LABELS, DiffusionModel, LadderIndex, Noise, Score
from gradlog.models.networks import NETWORKS
from gradlog.sde_lib import SDES
from tests.models.small import declares, make, random_variables

EPS, LEVELS = 1e-3, 12
SHAPES = {"dit": (4, 4, 2), "mlp": (3,), "ncsnpp": (4, 4, 2)}
LABEL = LadderIndex(LEVELS, EPS)
WITH_TABLE = [name for name in sorted(NETWORKS) if declares(name, "embedding_type")]


@pytest.fixture(params=SDES)
def sde(request):
    return SDES[request.param]()


def test_times_of_a_ladder_have_the_labels_from_zero_on(sde):
    labels = jax.jit(lambda: jax.vmap(lambda t: LABEL(sde, t))(sde.ladder(EPS, LEVELS)))()
    np.testing.assert_array_equal(labels, np.arange(LEVELS))
    assert labels.dtype == jnp.float32


def test_largest_noise_has_label_zero(sde):
    assert LABEL(sde, sde.t_max) == 0
    assert LABEL(sde, EPS) == LEVELS - 1


def test_label_is_that_of_the_nearest_level_in_log_rho(sde):
    @jax.jit
    def levels(times):
        log_rhos = [jax.vmap(sde.log_rho)(ts) for ts in (sde.ladder(EPS, LEVELS), times)]
        return *log_rhos, jax.vmap(lambda t: LABEL(sde, t))(times)

    with jax.enable_x64(True):
        times = np.random.default_rng(0).uniform(1e-5, sde.t_max, 500)
        ladder, log_rho, labels = jax.device_get(levels(times))
    distance = np.abs(ladder - log_rho[:, None])
    nearest = np.argmin(distance, axis=1)
    assert len(set(nearest)) > LEVELS // 3  # uniform times crowd at the large noise
    np.testing.assert_array_equal(labels, nearest)


def test_label_has_derivative_zero(sde):
    value, slope = jax.jit(lambda t: jax.jvp(lambda t: LABEL(sde, t), (t,), (1.0,)))(0.3)
    assert slope == 0
    assert value == LABEL(sde, 0.3)
    assert jax.grad(lambda t: LABEL(sde, t))(0.3) == 0


def test_only_labels_of_ladders_and_steps_need_settings():
    needed = {"ladder": (LEVELS, EPS), "step": (1000,)}
    for name, label in NOISE_LABELS.items():
        arguments = needed.get(name, ())
        assert hash(label(*arguments)) == hash(label(*arguments))


@pytest.mark.parametrize("num_scales", [1, 0, -3])
def test_ladder_with_one_level_raises(num_scales):
    with pytest.raises(ValueError, match=f"num_scales must be at least 2, got {num_scales}"):
        LadderIndex(num_scales, EPS)


@pytest.mark.parametrize("name", WITH_TABLE)
def test_table_has_one_vector_for_each_level(name):
    network = make(name, embedding_type="table", num_scales=LEVELS)
    variables, x = random_variables(network, SHAPES[name]), jnp.ones(SHAPES[name])
    table = variables["params"].pop("Embed_0")["embedding"]
    assert table.shape[0] == LEVELS

    @jax.jit
    def run(table, label):
        params = variables["params"] | {"Embed_0": {"embedding": table}}
        return network.apply({"params": params}, x, label, train=False)

    outputs = []
    for level in range(LEVELS):
        others = np.arange(LEVELS)[:, None] != level
        alone = run(np.where(others, np.nan, table), np.float32(level))
        outputs.append(run(table, np.float32(level)))
        np.testing.assert_array_equal(alone, outputs[-1])
    gaps = np.abs(np.stack(outputs)[:, None] - np.stack(outputs)).reshape(LEVELS, LEVELS, -1)
    assert gaps.max(axis=-1)[~np.eye(LEVELS, dtype=bool)].min() > 1e-3


# The table is that of `embeddings.embed_label`, which is common to all networks.
def test_table_starts_with_rows_of_unit_variance():
    network = make("mlp", embedding_type="table", num_scales=500)
    rngs, label = jax.random.key(0), jnp.zeros(())
    init = jax.jit(lambda x: network.init(rngs, x, label, train=False)["params"]["Embed_0"])
    table = init(jnp.ones(SHAPES["mlp"]))["embedding"]
    np.testing.assert_allclose(np.var(table), 1, rtol=4 * np.sqrt(2 / table.size))


@pytest.mark.parametrize("process", ["ve", "vp"])
def test_score_with_a_ladder_label_is_that_of_the_nearest_level(process):
    sde = SDES[process]()
    network = make("mlp", embedding_type="table", num_scales=LEVELS)
    model = DiffusionModel(sde, network, Score(), LABEL)
    params, x = random_variables(network, (3,))["params"], jnp.array([0.3, -1.0, 2.0])
    score = jax.jit(lambda t: model.bind({"network": params}).score(x, t))

    @jax.jit
    def times():
        levels = sde.ladder(EPS, LEVELS)
        log_rho = sde.log_rho(levels[4])
        return levels, sde.time_of_log_rho(log_rho + 0.2 * (sde.log_rho(levels[3]) - log_rho))

    levels, near = jax.device_get(times())
    np.testing.assert_array_equal(score(near), score(levels[4]))
    assert np.abs(score(levels[3]) - score(levels[4])).max() > 1e-3


@pytest.mark.parametrize(("name", "process"), [("mlp", "vp"), ("ncsnpp", "ve")])
def test_unconditional_network_that_predicts_noise_is_that_of_ncsnv2(name, process):
    """``s = F(x)/sigma`` (Song & Ermon 2020, arXiv:2006.09011, technique 3): F has no label."""
    network, process = make(name, conditional=False), SDES[process]()
    model = DiffusionModel(process, network, Noise(), NOISE_LABELS["time"]())
    variables, x = random_variables(network, SHAPES[name]), jnp.ones(SHAPES[name])
    score = jax.jit(lambda t: model.bind({"network": variables["params"]}).score(x, t))
    noise = [-process.sigma(t) * score(t) for t in (0.1, 0.4, 0.8)]
    np.testing.assert_allclose(noise[1:], [noise[0]] * 2, rtol=1e-5, atol=1e-6)
    assert np.abs(noise[0]).max() > 0.1


def test_unconditional_mlp_has_no_parameters_for_the_label():
    sizes = {
        conditional: sum(
            leaf.size for leaf in jax.tree.leaves(random_variables(make("mlp", **c), (3,)))
        )
        for conditional, c in ((True, {}), (False, {"conditional": False}))
    }
    # Of 16 hidden units: the map of 8 sines and cosines, and one map into each of two blocks.
    assert sizes[True] - sizes[False] == (8 * 16 + 16) + 2 * (16 * 16 + 16)
