"""A checkpoint of score_sde made into a workdir: its numbers, its training, its mistakes."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from flax.serialization import msgpack_restore, msgpack_serialize

from gradlog.config_error import ConfigError
from gradlog.configs import default, digits
from gradlog.data import UNKNOWN, DataError
from gradlog.evaluation.import_checkpoint import (
    check_conventions,
    import_checkpoint,
    matching_experiments,
)
from gradlog.evaluation.likelihood import likelihood_evaluator
from gradlog.experiment.build import load_data_or_shape, load_shape
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.loading import load_config
from gradlog.experiment.run import Run
from gradlog.likelihood import scipy_ode
from gradlog.models import Uniform
from gradlog.storage import CheckpointError, WorkdirError, read_official
from tests.models.official import GOLDEN

FILE = GOLDEN / "checkpoint_1"
NETWORK = {"nf": 16, "ch_mult": (1, 2), "num_res_blocks": 1, "attn_resolutions": (4,)}


def small(**overrides):
    """The configuration of the golden checkpoint, on the digits."""
    config = default.get_config()
    config.model.update(NETWORK)
    config.optimizer.update(learning_rate=1e-3, ema_decay=0.98, warmup=50)
    config.training.update(batch_size=8, log_every=1, eval_every=0)
    return tiny.with_overrides(config, overrides)


def imported(folder, **overrides):
    run = Run.open(folder, small(**overrides), load=load_shape)
    import_into(run)
    return run


def import_into(run, file=FILE):
    return import_checkpoint(run.workdir, run.config, run.experiment, file)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """The imported workdir: not to be changed."""
    folder = tmp_path_factory.mktemp("imported") / "run"
    imported(folder)
    return folder


@pytest.fixture(scope="module")
def run(workdir):
    return Run.open(workdir)


@pytest.fixture(scope="module")
def expected():
    with np.load(GOLDEN / "checkpoint_1_expected.npz") as file:
        return dict(file)


def test_the_score_is_the_official_one(run, expected):
    """By the averaged parameters and by those that are trained."""
    model, state = run.experiment.model, run.state(600)
    score = jax.jit(lambda params, x, t: jax.vmap(model.bind(params).score)(x, t))
    for params, name in ((state.ema, "params_ema"), (state.params, "optimizer_target")):
        got = score(params, expected["x"], jnp.asarray(expected["t"]))
        wanted = expected[f"score_{name}"]
        assert np.abs(got - wanted).max() < 2e-5 * np.abs(wanted).max()


def test_adam_goes_on_from_its_moments(run):
    state, official = run.state(600), read_official(FILE)
    assert int(state.step) == 600
    get = lambda name: optax.tree_utils.tree_get(state.opt_state, name)  # noqa: E731
    counts = optax.tree_utils.tree_get_all_with_path(state.opt_state, "count")
    assert [int(count) for _, count in counts] == [600, 600]
    for name, moments in (("mu", official.mean), ("nu", official.mean_square)):
        got = get(name)["Conv_0"]["kernel"]
        np.testing.assert_array_equal(got, moments["Conv_0/kernel"])


@jax.tree_util.register_static
class Stored(Uniform):
    """The points as they were dequantized by the official code."""

    def __call__(self, key, x):
        return x, jnp.zeros(())


@pytest.mark.slow
def test_the_likelihood_is_the_golden_one(run, monkeypatch):
    """``config.compat = score_flow`` on the stored points and probes.

    Among the fast tests stand its halves: that the score is the golden network's, above, and that
    a built experiment has the golden bits of that network, in ``test_compat.py``.
    """
    with np.load(GOLDEN / "likelihood_vp.npz") as file:
        golden = dict(file)
    monkeypatch.setattr(scipy_ode, "random_signs", lambda keys, xs: jnp.asarray(golden["epsilon"]))
    experiment = Run.open(run.workdir.root, small(compat="score_flow")).experiment
    evaluator = likelihood_evaluator(experiment, experiment.estimators["scipy"])
    model = dataclasses.replace(evaluator.model, dequantizer=Stored(256))
    evaluator = dataclasses.replace(evaluator, model=model)
    found = evaluator(run.params(), golden["x"], experiment.streams["eval"])
    distance = lambda bits: np.abs(bits - golden["ref64_bpd"]).max()  # noqa: E731
    assert np.all(found.good)
    # SciPy's RK45 at 1e-5 in float32 is chaotic: as near to float64 as the official code was.
    assert distance(found.account.bits_per_dim) <= distance(golden["bpd"])


def save_official(path, spec):
    """Write a checkpoint of a small network as the official code writes it."""
    numbers = np.random.default_rng(0)

    def draw():
        return jax.tree.map(lambda leaf: numbers.normal(0, 0.1, leaf.shape).astype("f4"), spec)

    moments = jax.tree.map(lambda mean: {"grad_ema": mean, "grad_sq_ema": mean**2}, draw())
    optimizer = {"target": draw(), "state": {"step": 600, "param_states": moments}}
    tree = {"step": 600, "lr": 1e-3, "ema_rate": 0.98, "params_ema": draw(), "optimizer": optimizer}
    path.write_bytes(msgpack_serialize(tree))
    return path


def test_training_goes_on(tmp_path):
    least = {"model.nf": 4, "model.ch_mult": (1,), "model.attn_resolutions": ()}
    config = small(**least, **{"training.steps": 602})
    run = Run.open(tmp_path / "run", config, load=load_shape)
    file = save_official(tmp_path / "checkpoint_1", run.experiment.params_spec["network"])
    import_into(run, file)
    Run.open(run.workdir.root, run.config).train()
    assert Run.open(run.workdir.root).metrics()["step"].tolist() == [601, 602]
    provenance = json.loads(run.workdir.provenance.read_text())
    assert provenance["identity"]["data.fingerprint"] != UNKNOWN


def test_a_run_without_its_data_has_their_shape(tmp_path, monkeypatch):
    """Samples need no more: see ``test_run_object.py``."""

    def nothing(config):
        raise DataError("no data")

    monkeypatch.setattr("gradlog.experiment.build.load_dataset", nothing)
    imported(tmp_path / "run")
    run = Run.open(tmp_path / "run", load=load_data_or_shape)
    assert run.experiment.dataset.shape == (8, 8, 1)
    with pytest.raises(DataError, match="this needs the examples of digits: no data"):
        run.log_prob(run.experiment.dataset.test[np.arange(1)])


def test_data_of_unknown_shape_are_an_error(monkeypatch):
    def nothing(config):
        raise DataError("no data")

    monkeypatch.setattr("gradlog.experiment.build.load_dataset", nothing)
    with pytest.raises(DataError, match="no data"):
        load_data_or_shape(tiny.points())


def test_the_file_is_told_in_the_workdir(workdir):
    told = json.loads((workdir / "imported.json").read_text())
    assert told["file"] == "checkpoint_1"
    assert told["step"] == 600
    assert len(told["sha256"]) == 64


def test_a_workdir_is_not_written_over(workdir):
    with pytest.raises(WorkdirError, match="is a workdir already"):
        import_into(Run.open(workdir))


def test_nothing_is_left_of_what_does_not_fit(tmp_path):
    config = small(**{"model.nf": 8})
    run = Run.open(tmp_path / "run", config, load=load_shape)
    with pytest.raises(CheckpointError, match=r"in the file, .* in the model"):
        import_into(run)
    assert not (tmp_path / "run").exists()


VE = {"sde.name": "ve", "model.parametrization": "score"}
NOT_OFFICIAL = [
    ({"sde.name": "straight"}, ["sde.name"]),
    ({"model.parametrization": "score"}, ["model.parametrization"]),
    ({"sde.name": "ddpm", "model.label": "log_rho"}, ["model.label"]),
    ({"sde.name": "subvp", "model.embedding_type": "fourier"}, ["model.embedding_type"]),
    ({"sde.name": "ve"}, ["model.parametrization", "model.label"]),
    (VE | {"model.label": "sigma"}, ["model.embedding_type"]),
    (VE | {"model.label": "ladder", "model.embedding_type": "table"}, ["model.embedding_type"]),
    (VE | {"model.label": "sigma", "model.name": "ncsnv2"}, ["model.label"]),
    (VE | {"model.label": "sigma", "model.name": "ddpm"}, ["model.label"]),
    ({"model.name": "ncsnv2"}, ["sde.name"]),
    ({"model.name": "mlp"}, ["model.name"]),
]


@pytest.mark.parametrize(("overrides", "keys"), NOT_OFFICIAL)
def test_conventions_that_the_official_codes_never_had_are_named(overrides, keys):
    with pytest.raises(ConfigError) as error:
        check_conventions(small(**overrides))
    (line,) = str(error.value).splitlines()
    assert line.count("must be") == len(keys)
    assert all(f"config.{key} = " in line for key in keys)


def test_all_published_experiments_have_conventions_of_the_official_codes():
    folders = [tiny.ROOT / "configs" / name for name in ("score_sde", "score_flow")]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    assert len(files) > 30
    for file in files:
        check_conventions(load_config(str(file)))


def test_the_digits_are_refused_before_anything_is_written(tmp_path):
    config = digits.get_config()
    run = Run.open(tmp_path / "run", config, load=load_shape)
    with pytest.raises(ConfigError) as error:
        import_into(run)
    assert str(error.value) == (
        "for a checkpoint of score_sde or score_flow config.model.parametrization = "
        "'preconditioned' must be 'noise'; config.model.label = 'log_rho' must be 'time' or 'step'"
    )
    assert not (tmp_path / "run").exists()


def test_what_is_missing_and_what_is_extra_is_named(tmp_path):
    tree = msgpack_restore(FILE.read_bytes())
    kernel = tree["params_ema"].pop("Conv_0")
    tree["params_ema"]["Conv_00"] = kernel
    (tmp_path / "checkpoint_2").write_bytes(msgpack_serialize(tree))
    run = Run.open(tmp_path / "run", small(), load=load_shape)
    with pytest.raises(CheckpointError, match="averaged") as error:
        import_into(run, tmp_path / "checkpoint_2")
    assert "Conv_0/kernel is missing" in str(error.value)
    assert "Conv_00/kernel is not in the model" in str(error.value)


# --- which experiment it is of --------------------------------------------------------------


def models_of(configs):
    return {name: (Experiment(config).model, (8, 8, 1)) for name, config in configs.items()}


def test_the_experiment_is_found_by_its_network():
    configs = {
        "small": small(),
        "deeper": small(**{"model.num_res_blocks": 2}),
        "small, other SDE": small(**{"sde.name": "subvp", "model.dropout": 0.5}),
    }
    assert matching_experiments(FILE, models_of(configs)) == ["small", "small, other SDE"]


def test_a_network_of_no_experiment_is_described():
    configs = {"wide": small(**{"model.nf": 32}), "deeper": small(**{"model.num_res_blocks": 2})}
    with pytest.raises(CheckpointError, match="is of no published network: it has 154 arrays"):
        matching_experiments(FILE, models_of(configs))
