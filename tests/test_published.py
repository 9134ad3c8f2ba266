"""The published experiments: each is there and builds, with the official network and values."""

import csv
import functools

import jax
import numpy as np
import pytest
import tiny

from gradlog.experiment.build import build, load_shape
from gradlog.experiment.keys import flatten
from gradlog.experiment.loading import load_config
from gradlog.experiment.notes import notes
from gradlog.losses import EvidenceBound, Ladder, ScoreFlow, Steps, UniformLogRho, UniformTime
from gradlog.models import (
    Decoder,
    LadderIndex,
    NoiseLevel,
    ScaledTime,
    StepIndex,
    TruncatedNormal,
    Velocity,
)
from gradlog.sampling import Ancestral, AnnealedLangevinDynamics, Langevin, NoCorrector, NoPredictor
from gradlog.training import RandomFlip, Unchanged
from tests.models.official import GOLDEN

CONFIGS = tiny.ROOT / "configs"


def _rows():
    with open(GOLDEN / "param_counts.csv") as file:
        return list(csv.DictReader(file))


def _file(row):
    return f"configs/{row['source']}/{row['config'].replace('.', '/')}.py"


PUBLISHED = {_file(row): row for row in _rows()}


@functools.cache
def _experiment(file):
    config = load_config(file)
    return build(config, load_shape(config))


# A file of score_sde_pytorch that no parameter count is stored for.
UNCOUNTED = "configs/score_sde/ve/cifar10_ddpm.py"


def test_there_is_a_file_for_each_published_configuration_and_no_other():
    folders = [CONFIGS / name for name in ("score_sde", "score_flow")]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    names = {file.relative_to(tiny.ROOT).as_posix() for file in files}
    assert names == set(PUBLISHED) | {UNCOUNTED}


def test_ddpm_on_a_ladder_is_told_the_level_and_divides_by_its_sigma():
    experiment = _experiment(UNCOUNTED)
    network = experiment.model.network
    assert (type(network).__name__, type(experiment.process).__name__) == ("DDPM", "VE")
    assert (network.scale_by_sigma, network.centered, network.num_res_blocks) == (True, False, 2)
    assert isinstance(experiment.model.noise_label, LadderIndex)
    assert isinstance(experiment.objective.proposal, Ladder)
    assert experiment.objective.scaling == ScoreFlow(reduce_mean=False)
    assert experiment.sampler.corrector == Langevin(snr=0.16, corrector_steps=1)
    assert not isinstance(experiment.sampler.predictor, NoPredictor)


@pytest.mark.parametrize("file", PUBLISHED)
def test_the_network_has_as_many_parameters_as_the_official_one(file):
    experiment = _experiment(file)
    row, shape = PUBLISHED[file], experiment.dataset.shape
    assert shape == (int(row["image_size"]),) * 2 + (3,)
    assert experiment.num_parameters == int(row["parameters"])


@pytest.mark.parametrize("file", PUBLISHED)
def test_nothing_about_it_has_to_be_noted_but_the_points_that_likelihoods_stand_on(file):
    experiment = _experiment(file)
    (note,) = notes(experiment)
    assert "trained on levels as they are, scaled" in note


def _by_name(names):
    """The process, label, levels and predictor that the name of a configuration stands for."""
    sde, *_, last = names
    if sde == "ve" and "continuous" in last:
        return "VE", NoiseLevel, UniformTime
    if sde == "ve":
        return "VE", LadderIndex, Ladder
    if "continuous" not in last and sde == "vp":
        return "DDPM", StepIndex, Steps
    return {"vp": "VP", "subvp": "SubVP"}[sde], ScaledTime, UniformTime


@pytest.mark.parametrize("file", PUBLISHED)
def test_process_label_and_levels_are_those_of_its_name(file):
    experiment = _experiment(file)
    source, config = PUBLISHED[file]["source"], PUBLISHED[file]["config"]
    process, label, proposal = _by_name(config.split("."))
    proposal = UniformLogRho if source == "score_flow" else proposal
    objective = experiment.objective
    assert type(experiment.process).__name__ == process
    assert isinstance(experiment.model.noise_label, label)
    assert isinstance(objective.proposal, proposal)
    # FFHQ at 1024 is the one VE experiment whose loss is a mean.
    mean = process != "VE" or config == "ve.ffhq_ncsnpp_continuous"
    assert objective.scaling == ScoreFlow(reduce_mean=mean)
    flips = Unchanged() if "imagenet32" in config else RandomFlip()
    assert experiment.augmentation == flips
    assert not experiment.groups["network"].ema_warmup


def test_levels_of_a_ladder_go_down_to_sigma_min():
    experiment = _experiment("configs/score_sde/ve/ncsnv2/celeba.py")
    objective, process = experiment.objective, experiment.process
    us = (np.arange(500, dtype=np.float32) + 0.5) / 500
    times = jax.vmap(lambda u: objective.proposal(process, objective.eps, u)[0])(us)
    np.testing.assert_allclose(
        jax.vmap(process.sigma)(times), np.geomspace(90, 0.01, 500), rtol=2e-5
    )
    indices = jax.vmap(lambda t: experiment.model.noise_label(process, t))(times)
    np.testing.assert_array_equal(indices, np.arange(500))


# From the official files: what each overrides beside its network and its process.
VALUES = {
    "score_sde/ve/cifar10_ncsnpp_deep_continuous": {
        "training.steps": 950_000,
        "sde.sigma_max": 50.0,
        "optimizer.ema_decay": 0.999,
        "optimizer.learning_rate": 2e-4,
        "sampling.snr": 0.16,
        "model.dropout": 0.1,
    },
    "score_sde/ve/celeba_ncsnpp": {
        "sde.sigma_max": 90.0,
        "sampling.snr": 0.17,
        "model.embedding_type": "positional",
    },
    "score_sde/ve/bedroom_ncsnpp_continuous": {
        "sde.sigma_max": 378.0,
        "sampling.snr": 0.075,
        "sampling.num_steps": 2000,
        "training.batch_size": 64,
        "training.steps": 2_400_000,
        "model.dropout": 0.0,
        "optimizer.ema_decay": 0.999,
    },
    "score_sde/ve/church_ncsnpp_continuous": {"sde.sigma_max": 380.0},
    "score_sde/ve/celebahq_256_ncsnpp_continuous": {"sde.sigma_max": 348.0},
    "score_sde/ve/ffhq_256_ncsnpp_continuous": {"sde.sigma_max": 348.0},
    "score_sde/ve/celebahq_ncsnpp_continuous": {
        "sde.sigma_max": 1348.0,
        "sampling.snr": 0.15,
        "optimizer.ema_decay": 0.9999,
        "training.batch_size": 8,
    },
    "score_sde/ve/ncsnv2/cifar10": {
        "optimizer.learning_rate": 1e-4,
        "optimizer.warmup": 0,
        "optimizer.grad_clip": 0.0,
        "optimizer.ema_decay": 0.999,
        "model.num_scales": 232,
        "sampling.num_steps": 232,
        "sampling.snr": 0.176,
        "sampling.corrector_steps": 5,
        "sampling.denoise": False,
    },
    "score_sde/ve/ncsnv2/bedroom": {
        "sde.sigma_max": 190.0,
        "model.num_scales": 1086,
        "sampling.snr": 0.095,
        "sampling.corrector_steps": 3,
        "optimizer.ema_decay": 0.9999,
        "training.batch_size": 128,
    },
    "score_sde/vp/ddpm/church": {
        "optimizer.learning_rate": 2e-5,
        "optimizer.ema_decay": 0.9999,
        "training.batch_size": 64,
        "model.num_scales": 1000,
        "sde.num_steps": 1000,
        "sampling.num_steps": 1000,
        "model.dropout": 0.0,
    },
    "score_sde/vp/ddpm/cifar10_unconditional": {"model.conditional": False},
    "score_sde/subvp/cifar10_ddpmpp_continuous": {
        "objective.eps": 1e-5,
        "likelihood.eps": 1e-5,
        "sampling.eps": 1e-3,
        "optimizer.ema_decay": 0.9999,
        "training.steps": 1_300_000,
    },
    "score_flow/vp/cifar10_ddpmpp_continuous": {"objective.eps": 1e-5, "sampling.eps": 1e-3},
    "score_flow/vp/imagenet32_ddpmpp_deep_continuous": {
        "objective.eps": 5e-5,
        "training.steps": 950_000,
        "model.dropout": 0.0,
    },
    "score_flow/subvp/cifar10_ddpmpp_deep_continuous": {
        "objective.eps": 1e-2,
        "likelihood.eps": 1e-2,
        "sampling.eps": 1e-2,
        "sampling.name": "probability_flow",
    },
}


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, values in VALUES.items() for key in values]
)
def test_a_value_is_that_of_the_official_file(name, key):
    section, field = key.split(".")
    config = load_config(f"configs/{name}.py")
    assert config[section][field] == VALUES[name][key]


# What all of them have, from the official files and, for the smallest time of score_sde's samples,
# its code. sigma_max is of VE alone.
EVERY_FILE = """
score_sde/subvp/cifar10_ddpm_continuous                  -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_sde/subvp/cifar10_ddpmpp_continuous                -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_sde/subvp/cifar10_ncsnpp_continuous                -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_sde/subvp/cifar10_ddpmpp_deep_continuous           -  0.16 0.9999 2e-4  950000 128 1e-3 0.1
score_sde/subvp/cifar10_ncsnpp_deep_continuous           -  0.16 0.9999 2e-4  950000 128 1e-3 0.1
score_sde/ve/bedroom_ncsnpp_continuous               378.0 0.075  0.999 2e-4 2400000  64 1e-5 0.0
score_sde/ve/celebahq_256_ncsnpp_continuous          348.0 0.075  0.999 2e-4 2400000  64 1e-5 0.0
score_sde/ve/church_ncsnpp_continuous                380.0 0.075  0.999 2e-4 2400000  64 1e-5 0.0
score_sde/ve/ffhq_256_ncsnpp_continuous              348.0 0.075  0.999 2e-4 2400000  64 1e-5 0.0
score_sde/ve/celebahq_ncsnpp_continuous             1348.0  0.15 0.9999 2e-4 2400000   8 1e-5 0.0
score_sde/ve/ffhq_ncsnpp_continuous                 1348.0  0.15 0.9999 2e-4 2400000   8 1e-5 0.0
score_sde/ve/celeba_ncsnpp                            90.0  0.17  0.999 2e-4 1300000 128 1e-5 0.1
score_sde/ve/cifar10_ddpm                             50.0  0.16  0.999 2e-4 1300000 128 1e-5 0.1
score_sde/ve/cifar10_ncsnpp                           50.0  0.16  0.999 2e-4 1300000 128 1e-5 0.1
score_sde/ve/cifar10_ncsnpp_continuous                50.0  0.16  0.999 2e-4 1300000 128 1e-5 0.1
score_sde/ve/cifar10_ncsnpp_deep_continuous           50.0  0.16  0.999 2e-4  950000 128 1e-5 0.1
score_sde/ve/ncsnv2/bedroom                          190.0 0.095 0.9999 1e-4 2400000 128 1e-5 0.0
score_sde/ve/ncsnv2/celeba                            90.0 0.128  0.999 1e-4 1300000 128 1e-5 0.1
score_sde/ve/ncsnv2/cifar10                           50.0 0.176  0.999 1e-4 1300000 128 1e-5 0.1
score_sde/vp/cifar10_ddpmpp                              -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_sde/vp/cifar10_ddpmpp_continuous                   -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_sde/vp/cifar10_ncsnpp                              -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_sde/vp/cifar10_ncsnpp_continuous                   -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_sde/vp/cifar10_ddpmpp_deep_continuous              -  0.16 0.9999 2e-4  950000 128 1e-3 0.1
score_sde/vp/cifar10_ncsnpp_deep_continuous              -  0.16 0.9999 2e-4  950000 128 1e-3 0.1
score_sde/vp/ddpm/bedroom                                - 0.075 0.9999 2e-5 2400000  64 1e-3 0.0
score_sde/vp/ddpm/celebahq                               - 0.075 0.9999 2e-5 2400000  64 1e-3 0.0
score_sde/vp/ddpm/church                                 - 0.075 0.9999 2e-5 2400000  64 1e-3 0.0
score_sde/vp/ddpm/cifar10                                -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_sde/vp/ddpm/cifar10_continuous                     -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_sde/vp/ddpm/cifar10_unconditional                  -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_flow/subvp/cifar10_ddpmpp_continuous               -  0.16 0.9999 2e-4 1300000 128 1e-2 0.1
score_flow/subvp/cifar10_ddpmpp_deep_continuous          -  0.16 0.9999 2e-4  950000 128 1e-2 0.1
score_flow/subvp/imagenet32_ddpmpp_continuous            -  0.16 0.9999 2e-4 1300000 128 1e-2 0.0
score_flow/subvp/imagenet32_ddpmpp_deep_continuous       -  0.16 0.9999 2e-4  950000 128 1e-2 0.0
score_flow/vp/cifar10_ddpmpp_continuous                  -  0.16 0.9999 2e-4 1300000 128 1e-3 0.1
score_flow/vp/cifar10_ddpmpp_deep_continuous             -  0.16 0.9999 2e-4  950000 128 1e-3 0.1
score_flow/vp/imagenet32_ddpmpp_continuous               -  0.16 0.9999 2e-4 1300000 128 1e-3 0.0
score_flow/vp/imagenet32_ddpmpp_deep_continuous          -  0.16 0.9999 2e-4  950000 128 1e-3 0.0
"""
COLUMNS = (
    "sde.sigma_max",
    "sampling.snr",
    "optimizer.ema_decay",
    "optimizer.learning_rate",
    "training.steps",
    "training.batch_size",
    "sampling.eps",
    "model.dropout",
)
TABLE = {name: row for name, *row in map(str.split, EVERY_FILE.strip().splitlines())}


def test_every_file_has_its_row():
    assert {f"configs/{name}.py" for name in TABLE} == set(PUBLISHED) | {UNCOUNTED}


@pytest.mark.parametrize("name", TABLE)
def test_values_are_those_of_the_official_file(name):
    config = load_config(f"configs/{name}.py")
    wanted = dict(zip(COLUMNS, TABLE[name], strict=True))
    if config.sde.name != "ve":
        assert wanted.pop("sde.sigma_max") == "-"
    found = {key: config[key.split(".")[0]][key.split(".")[1]] for key in wanted}
    assert found == {key: float(value) for key, value in wanted.items()}


SAMPLERS = {
    "score_sde/vp/cifar10_ddpmpp": (Ancestral("beta"), NoCorrector()),
    "score_sde/ve/ncsnv2/cifar10": (NoPredictor(), AnnealedLangevinDynamics(0.176, 5)),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_sampler_is_the_official_one(name):
    experiment = _experiment(f"configs/{name}.py")
    sampler = experiment.sampler
    assert (sampler.predictor, sampler.corrector) == SAMPLERS[name]


def test_ncsnv2_is_sampled_without_a_posterior_mean_at_the_end():
    experiment = _experiment("configs/score_sde/ve/ncsnv2/cifar10.py")
    assert experiment.sampler.evaluations == 232 * 5


def test_ve_is_sampled_by_predictor_and_langevin_corrector():
    experiment = _experiment("configs/score_sde/ve/church_ncsnpp_continuous.py")
    assert experiment.sampler.corrector == Langevin(snr=0.075, corrector_steps=1)
    assert experiment.sampler.num_steps == 2000


def test_a_chain_is_sampled_at_its_nodes():
    """A thousand steps, each told the index that it was trained with."""
    experiment = _experiment("configs/score_sde/vp/ddpm/cifar10.py")
    sampler, sde, label = experiment.sampler, experiment.process, experiment.model.noise_label
    times = sampler.times(sde)
    indices = jax.vmap(lambda t: label(sde, t))(times)
    np.testing.assert_allclose(indices, np.arange(999, -1, -1), atol=2e-4)
    assert sampler.evaluations == 1000


@pytest.mark.parametrize(("name", "n"), [("cifar10", 128), ("imagenet32", 256)])
def test_vdm_has_its_network_and_its_schedule_from_time_zero_on(name, n):
    experiment = _experiment(f"configs/vdm/{name}.py")
    assert experiment.objective.eps == 0
    assert isinstance(experiment.objective, EvidenceBound)
    assert isinstance(experiment.objective.proposal, UniformTime)
    sampler, sde = experiment.sampler, experiment.initial_process
    labels = [experiment.model.noise_label(sde, t) for t in (0.0, 0.25, 1.0)]
    np.testing.assert_allclose(labels, [0, 0.25, 1], atol=0.02)  # a straight line at the start
    assert set(experiment.params_spec) == {"network", "process"}
    # Their bound, on the centers of the levels, which a decoder gives back.
    assert notes(experiment) == []
    assert isinstance(experiment.estimators["bound"].dequantizer, Decoder)
    assert (sampler.evaluations, sampler.denoise) == (1000, False)
    times = sampler.times(sde)
    np.testing.assert_allclose(times, np.linspace(1, 0, 1001), atol=1e-6)
    # Added up from the paper's description: weights, biases and scales of each kind of layer.
    down, up = 22 * n**2 + 6 * n, 33 * n**2 + 9 * n
    embedding, ends = 20 * n**2 + 8 * n, (9 * 15 * n + n) + (2 * n + 9 * 3 * n + 3)
    attention = 2 * n + 4 * (n**2 + n)
    total = (32 + 2) * down + 33 * up + attention + embedding + ends
    network = experiment.params_spec["network"]
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == total


def test_mulan_is_vdm_with_maps_and_a_latent():
    n, experiment = 128, _experiment("configs/mulan/cifar10.py")
    sde, estimator = experiment.process, experiment.estimators["importance"]
    assert (sde.shape, sde.latents, sde.latent_ones) == ((32, 32, 3), 50, 15)
    assert estimator.likelihood.samples == 20
    # The noise of the ends is known before training, as the truncated normal needs it.
    np.testing.assert_allclose(estimator.dequantizer.sigma**2, 1 / (1 + np.exp(13.3)), rtol=1e-5)
    vdm = _experiment("configs/vdm/cifar10.py").params_spec["network"]
    network = experiment.params_spec["network"]
    count = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))  # noqa: E731
    # Three more channels, each with its four Fourier features, go in, and three come out.
    assert count(network) - count(vdm) == 9 * 15 * n + (9 * 3 * n + 3)


def test_nfdm_has_a_second_network_like_that_of_the_score():
    n, experiment = 128, _experiment("configs/nfdm/cifar10.py")
    row = PUBLISHED["configs/score_sde/vp/cifar10_ddpmpp_continuous.py"]
    count = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))  # noqa: E731
    spec = experiment.params_spec
    assert count(spec["network"]) == int(row["parameters"])
    # Three more channels go in, and three come out: mean and standard deviation.
    ends = 9 * 3 * n + (9 * 3 * n + 3)
    assert count(spec["process"]["moments"]) == count(spec["network"]) + ends


def test_md4_is_vdm_without_the_time_between_an_embedding_and_logits():
    """The table of the paper has 28 million parameters, those that see the time included."""
    n, levels, widths = 128, 256, 3 * 128
    network, vdm = (
        _experiment(f"configs/{code}/cifar10.py").params_spec["network"] for code in ("md4", "vdm")
    )
    count = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))  # noqa: E731
    time = 67 * 4 * n**2 + 20 * n**2 + 8 * n  # of the label, in each residual block and before them
    ends = 9 * n * (widths - 15) + (9 * n + 1) * (widths - 3)  # of the channels in and out
    tokens = (levels + 1) * n + 2 * n + (n + 1) * levels  # embedding, normalization, logits
    assert count(network) == count(vdm) - time + ends + tokens == 26_788_608


def test_idode_predicts_the_velocity_at_times_by_importance():
    experiment = _experiment("configs/idode/cifar10.py")
    assert isinstance(experiment.model.parametrization, Velocity)
    assert isinstance(experiment.objective.proposal, UniformLogRho)
    assert isinstance(experiment.estimators["planned"].dequantizer, TruncatedNormal)


WIDER = {"model.nf": 256}
OF_IMAGENET = {
    "mulan": WIDER
    | {
        "model.parametrization": "noise",
        "training.steps": 2_000_000,
        "training.batch_size": 512,
    },
    "nfdm": {},
    "idode": WIDER,
}


@pytest.mark.parametrize("code", OF_IMAGENET)
def test_the_experiment_of_imagenet32_is_that_of_cifar10_but_for_these_values(code):
    files = [f"configs/{code}/{name}.py" for name in ("cifar10", "imagenet32")]
    one, other = (dict(flatten(load_config(file))) for file in files)
    assert one.keys() == other.keys()
    differing = {key: value for key, value in other.items() if one[key] != value}
    assert differing == {"data.name": "imagenet32"} | OF_IMAGENET[code]


@pytest.mark.parametrize(("asked", "found"), [(0, 1000), (50, 50)])
def test_products_are_planned_for_the_mean_also_without_the_test_set(asked, found):
    config = load_config("configs/score_sde/vp/cifar10_ddpmpp_continuous.py")
    config.eval.num_images = asked
    experiment = build(config, load_shape(config))
    assert experiment.estimators["planned"].likelihood.likelihood.examples == found
