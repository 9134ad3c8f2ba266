"""Configurations: each file builds, each key is read, each mistake is one line."""

import functools
import inspect
import re
from collections import ChainMap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax.traverse_util import flatten_dict
from hypothesis import given, settings, strategies as st

from gradlog.cli.modes import MODES
from gradlog.config_error import ConfigError
from gradlog.configs import default
from gradlog.data import DATASETS, DataError
from gradlog.data.dataset import from_arrays
from gradlog.evaluation.devices import AXIS
from gradlog.evaluation.likelihood import likelihood_evaluator
from gradlog.evaluation.quality import features
from gradlog.experiment.build import build, check_config, load_dataset
from gradlog.experiment.experiment import ALL_PARTS, CONVENTIONS, FEATURES
from gradlog.experiment.keys import identifies_workdir, keys
from gradlog.experiment.likelihood_parts import estimator_names
from gradlog.experiment.loading import load_config
from gradlog.experiment.notes import notes, unread_overrides
from gradlog.experiment.run import Run
from gradlog.experiment.sampling_parts import BATCH_AXES
from gradlog.experiment.schema import LARGEST, check_ranges, find_problem
from gradlog.experiment.training_parts import ELBO, OPTIMIZERS
from gradlog.likelihood import DIVERGENCES, LIKELIHOODS
from gradlog.losses import (
    KERNELS,
    LEVELS,
    OBJECTIVES,
    SCALINGS,
    SLICE_LAWS,
    WEIGHTINGS,
    AnisotropicKernel,
    ScoreFlow,
)
from gradlog.models import (
    NETWORKS,
    NOISE_LABELS,
    PARAMETRIZATIONS,
    TRAINING_DEQUANTIZERS,
    Continuous,
    TruncatedNormal,
    Uniform,
)
from gradlog.ode import FLOWS, PATHS
from gradlog.sampling import (
    CORRECTORS,
    GUIDANCES,
    PREDICTORS,
    SAMPLERS_BY_KIND,
    STARTS,
    TIME_SCHEDULES,
)
from gradlog.sde_lib import (
    BY_DIMENSION,
    DISCRETE_PROCESSES,
    LEARNED,
    MASK_SCHEDULES,
    SDES,
    VP,
    LearnedNumbers,
)
from gradlog.studies import STUDIES
from gradlog.training import (
    MAPPINGS,
    SCHEDULES,
    RandomFlip,
    ScoreModelTraining,
    TrainStep,
    init_state,
)

CONFIGS = tiny.ROOT / "configs"
SHARED = {"__init__.py", "default.py", "own.py", "published.py"}
FILES = sorted(
    str(path.relative_to(tiny.ROOT))
    for path in CONFIGS.rglob("*.py")
    if path.relative_to(CONFIGS).as_posix() not in SHARED
)
PUBLISHED = tuple(
    f"configs/{code}/"
    for code in ("idode", "md4", "mulan", "nfdm", "score_flow", "score_sde", "vdm")
)
UNPUBLISHED = [file for file in FILES if not file.startswith(PUBLISHED)]
TOYS = ("mixture", "moons", "checkerboard", "circle")
IMAGES = {"digits": ((8, 8, 1), 17), "photos": ((16, 16, 3), 256), "text": ((128,), 97)}
POINTS = from_arrays(
    "points", np.zeros((9, 2), np.float32), np.zeros((9, 2), np.float32), levels=None
)
DIGITS = from_arrays("d", *(np.zeros((9, 8, 8, 1), np.uint8),) * 2, levels=17)


_load = functools.cache(load_config)  # what changes a configuration takes a copy


def _dataset(config):
    """Data of the right shape: nothing is downloaded to trace a program."""
    if config.data.name in TOYS:
        return load_dataset(_edited(config, **{"data.num_train": 9, "data.num_test": 9}))
    size = config.data.image_size if config.data.name == "folder" else 32
    shape, levels = IMAGES.get(config.data.name, ((size, size, 3), 256))
    images = np.zeros((4, *shape), np.uint8)
    return _labeled(config.data.name, images, levels, config.model.num_classes)


def _labeled(name, images, levels, classes):
    """A data set of these images, with labels where there are classes."""
    if not classes:
        return from_arrays(name, images, images, levels=levels)
    labels = np.zeros(len(images), int)
    told = {"num_classes": classes, "train_labels": labels, "test_labels": labels}
    return from_arrays(name, images, images, levels=levels, **told)


def _edited(config, **changes):
    """A copy with ``{"section.key": value}`` applied."""
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict(changes)
    return config


# Of each network the least that has all its parts.
SHALLOW = {
    "ddpm": {"model.nf": 32, "model.num_res_blocks": 1, "model.ch_mult": (1, 2)},
    "mlp": {"model.num_layers": 1},
    "ncsnpp": {"model.nf": 8, "model.num_res_blocks": 1, "model.ch_mult": (1, 2)},
    "ncsn": {},
    "ncsnv2": {"model.backbone": 64},
    "vdm": {"model.num_layers": 1},
    "dit": {"model.num_layers": 1},
}


def _shallow(config):
    """The same experiment with a network that is traced in no time, and smaller images.

    tests/test_published.py counts the parameters of networks as deep as they are.
    """
    config = _edited(config, **SHALLOW[config.model.name])
    if config.data.name == "folder":
        config = _edited(config, **{"data.image_size": 32})
    return config


def _one_of_each(kind, without):
    """The first file of each kind, but of some kinds."""
    found = {}
    for file in FILES:
        found.setdefault(kind(_load(file)), file)
    return [file for name, file in found.items() if name not in without]


# --- files ----------------------------------------------------------------------------------


def test_the_promised_files_are_there():
    for sde in ("vp", "subvp", "ve"):
        for data in ("cifar10", "imagenet32"):
            for network in ("ddpmpp", "ncsnpp"):
                assert f"configs/{sde}/{data}_{network}_continuous.py" in FILES
    assert {"configs/digits.py", "configs/photos16.py", "configs/toy/mixture.py"} <= set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_the_head_of_a_file_states_its_command_and_its_figure(file):
    head = inspect.cleandoc(re.match(r'r?"""(.*?)"""', Path(tiny.ROOT, file).read_text(), re.S)[1])
    assert "\nFigure: " in head
    assert "\nTime: " in head
    named = r"^Command: python main\.py (?:--config|--mode=sweep --sweep)=(\S+)"
    command = re.search(named, head, re.M)
    assert command
    assert command[1] == file


# What a file chooses that is no published experiment; tests/test_published.py has those.
# network, process, estimators, sampler, smallest times of training, likelihood and sampling.
CHOSEN_BY_FILE = """
conditional/digits                 ncsnpp vp    bound      predictor_corrector 0.001  0.001  0.001
digits                             ncsnpp vp    ode        predictor_corrector 0.001  0.001  0.001
discrete/digits_levels             ncsnpp vp      mmse     predictor_corrector 0.001  0.001  0.001
discrete/digits_masked             ncsnpp masking bound    first_hitting       0.001  0.001  0.001
discrete/digits_rates              ncsnpp learned_masking bound ancestral      0.001  0.001  0.001
discrete/digits_uniform            ncsnpp uniform bound    ancestral           0.001  0.001  0.001
discrete/photos16_levels           ncsnpp vp      mmse     predictor_corrector 1e-05  1e-05  0.0001
discrete/photos16_masked           ncsnpp masking bound    first_hitting       1e-05  1e-05  0.0001
discrete/text                      dit    masking bound    first_hitting       1e-05  1e-05  0.001
learned/digits_affine              ncsnpp learned_affine ode predictor_corrector 0    0      0
learned/digits_blurring            ncsnpp blurring ode   predictor_corrector 0      0      0
learned/digits_gamma               ncsnpp learned_gamma ode predictor_corrector 0     0      0
learned/digits_latent              ncsnpp multivariate ode predictor_corrector 0      0      0
learned/digits_neural              ncsnpp neural bound     neural_reverse      0.001  0.001  0.001
learned/digits_per_pixel           ncsnpp multivariate ode predictor_corrector 0      0      0
learned/digits_variational         ncsnpp vp    ode        predictor_corrector 0.001  0.001  0.001
learned/mixture_drift          mlp  learned_drift bound chain_reverse       0.0001 0.0001 0.0001
learned/photos16_gamma             ncsnpp learned_gamma ode predictor_corrector 0     0      0
learned/photos16_latent            ncsnpp multivariate ode predictor_corrector 0      0      0
learned/photos16_neural            ncsnpp neural bound     neural_reverse      1e-05  1e-05  0.0001
learned/photos16_per_pixel         ncsnpp multivariate ode predictor_corrector 0      0      0
ncsn/cifar10                ncsn   ve    quadrature annealed_langevin   1e-05  1e-05  1e-05
ncsn/digits                        ncsnpp ve    quadrature annealed_langevin   1e-05  1e-05  1e-05
ncsn/manifold_cifar10       ncsnpp ve    ode        predictor_corrector 1e-05  1e-05  0.001
photos16                           ncsnpp vp    ode        predictor_corrector 1e-05  1e-05  0.0001
subvp/cifar10_ddpmpp_continuous    ncsnpp subvp planned    probability_flow    0.01   0.01   0.01
subvp/cifar10_ncsnpp_continuous    ncsnpp subvp planned    probability_flow    0.01   0.01   0.01
subvp/imagenet32_ddpmpp_continuous ncsnpp subvp planned    probability_flow    0.01   0.01   0.01
subvp/imagenet32_ncsnpp_continuous ncsnpp subvp planned    probability_flow    0.01   0.01   0.01
sweeps/digits_processes            ncsnpp vp    bound      predictor_corrector 0.001  0.001  0.001
sweeps/digits_weighting_sde        mlp    vp    ode        predictor_corrector 0.001  0.001  0.001
sweeps/digits_worlds               ncsnpp vp    ode        predictor_corrector 0.001  0.001  0.001
sweeps/photos16_processes          ncsnpp vp    bound      predictor_corrector 1e-05  1e-05  0.0001
sweeps/photos16_worlds             ncsnpp vp    ode        predictor_corrector 1e-05  1e-05  0.0001
theory/boundary                    mlp    vp    ode        predictor_corrector 1e-05  1e-05  0.001
theory/ddpm_langevin               mlp    vp    ode        annealed_langevin   0.001  0.001  0.027
theory/entropy                     mlp    vp    ode        predictor_corrector 0.0001 0.0001 0.001
theory/few_steps                   ncsnpp masking bound    first_hitting       0.001  0.001  0.001
theory/fisher                      mlp    vp    ode        predictor_corrector 0.0001 0.0001 0.001
theory/gradient_variance           mlp    vp    ode        predictor_corrector 0.01   0.01   0.01
theory/kl_bound                    mlp    vp    ode        predictor_corrector 0.001  0.001  0.001
theory/learned_gradients           mlp    log_snr ode      predictor_corrector 0      0      0
theory/learned_gradients_digits    mlp    log_snr ode      predictor_corrector 0      0      0
theory/learned_noise               mlp    vp    ode        predictor_corrector 0.0001 0.0001 0.001
theory/kl_rates                    mlp    vp    ode        predictor_corrector 0.0001 0.0001 0.001
toy/contrastive_divergence  mlp    vp    ode        langevin            0.165  0.165  0.165
toy/denoising_density              mlp    ve    ode        predictor_corrector 1e-05  1e-05  0.001
toy/energy                         mlp    vp    ode        probability_flow    0.165  0.165  0.165
toy/gmm_digits                     ncsnpp vp    bound      heun                0.001  0.001  0.001
toy/langevin                       mlp    ve    ode        annealed_langevin   1e-05  1e-05  1e-05
toy/manifold                       mlp    ve    ode        predictor_corrector 1e-05  1e-05  0.001
toy/manifold_digits                ncsnpp ve    ode        predictor_corrector 1e-05  1e-05  0.001
toy/mixture                        mlp    vp    ode        probability_flow    0.0001 0.0001 0.0001
toy/score_field                    mlp    ve    ode        predictor_corrector 1e-05  1e-05  0.001
ve/cifar10_ddpmpp_continuous       ncsnpp ve    planned    predictor_corrector 1e-05  1e-05  1e-05
ve/cifar10_ncsnpp_continuous       ncsnpp ve    planned    predictor_corrector 1e-05  1e-05  1e-05
ve/imagenet32_ddpmpp_continuous    ncsnpp ve    planned    predictor_corrector 1e-05  1e-05  1e-05
ve/imagenet32_ncsnpp_continuous    ncsnpp ve    planned    predictor_corrector 1e-05  1e-05  1e-05
vp/cifar10_ddpmpp_continuous       ncsnpp vp    planned    probability_flow    1e-05  1e-05  0.001
vp/cifar10_ncsnpp_continuous       ncsnpp vp    planned    probability_flow    1e-05  1e-05  0.001
vp/imagenet32_ddpmpp_continuous    ncsnpp vp    planned    probability_flow    5e-05  5e-05  0.001
vp/imagenet32_ncsnpp_continuous    ncsnpp vp    planned    probability_flow    5e-05  5e-05  0.001
"""


def _choices(file):
    config = _load(file)
    estimators = ",".join(config.eval.estimators) or config.likelihood.name
    names = (config.model.name, config.sde.name, estimators, config.sampling.name)
    sections = (config.objective, config.likelihood, config.sampling)
    return [*names, *(f"{section.eps:g}" for section in sections)]


def test_files_choose_what_the_table_says():
    table = {name: row for name, *row in map(str.split, CHOSEN_BY_FILE.strip().splitlines())}
    assert {file[len("configs/") : -len(".py")]: _choices(file) for file in UNPUBLISHED} == table


@pytest.mark.parametrize("file", UNPUBLISHED)
def test_a_file_builds(file):
    """tests/test_published.py builds the published ones; networks are traced below."""
    config = _shallow(_load(file))
    experiment = build(config, _dataset(config))
    assert experiment.estimators
    assert experiment.sampler
    assert experiment.build_group("network")


def _assert_training_traces(experiment):
    """Trace a training step; return the shapes of the parameters."""
    trainable = ScoreModelTraining(
        experiment.model,
        experiment.objective,
        experiment.dataset.shape,
        experiment.augmentation,
        experiment.class_dropout,
    )
    step = TrainStep(trainable, experiment.groups, 2)
    state = jax.eval_shape(lambda p: init_state(p, experiment.groups), experiment.params_spec)
    batch = jax.ShapeDtypeStruct((2, *experiment.dataset.shape), experiment.dataset.train.dtype)
    positions = jax.ShapeDtypeStruct((2,), jnp.int32)
    loss, grads = jax.eval_shape(step.loss_and_grads, jax.random.key(0), state, batch, positions)
    assert (loss.value.shape, loss.value.dtype) == ((), jnp.float32)
    layout = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)  # noqa: E731
    assert layout(grads) == layout(state.params)
    assert {leaf.dtype for leaf in jax.tree.leaves(grads)} == {jnp.dtype("float32")}
    return state.params


@pytest.mark.parametrize("file", _one_of_each(lambda config: config.model.name, without={"mlp"}))
def test_the_training_step_of_each_network_traces(file):
    config = _shallow(_load(file))
    _assert_training_traces(build(config, _dataset(config)))


# A test trains a run of each of these, evaluates it by all estimators of its file, and samples.
WITH_A_RUN = {"vp", "masking", "learned_masking", "uniform"}
WITH_A_RUN |= {"learned_affine", "learned_drift", "neural"}


@pytest.mark.parametrize("file", _one_of_each(lambda config: config.sde.name, without=WITH_A_RUN))
def test_training_step_likelihoods_and_sampler_of_each_other_process_trace(file):
    """With an MLP: a solver traces its network ten times over."""
    small = {"model.name": "mlp", "model.hidden": 8, "model.num_layers": 1}
    config = _edited(_load(file), **small)
    experiment = build(config, _dataset(config))
    params, dataset = _assert_training_traces(experiment), experiment.dataset
    batch = jax.ShapeDtypeStruct((2, *dataset.shape), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 2)
    assert experiment.estimators
    for estimator in experiment.estimators.values():

        def likelihood(params, xs, estimator=estimator):
            model = experiment.model.bind(params).replace(dequantizer=estimator.dequantizer)
            found = estimator.likelihood(model, xs, keys)
            return found.nats, found.latent

        nats, latent = jax.eval_shape(likelihood, params, batch)
        assert (nats.shape, nats.dtype) == ((2,), jnp.float32)
        assert latent.shape == (2, *dataset.shape)

    def sample(params, z):
        model = experiment.model.bind(params).draw_latent(keys[1])
        return model.to_data(experiment.sampler(model, z, keys[0]).x)

    z = jax.ShapeDtypeStruct(dataset.shape, jnp.float32)
    samples = jax.eval_shape(sample, params, z)
    assert (samples.shape, samples.dtype) == (dataset.shape, dataset.train.dtype)


# --- keys -----------------------------------------------------------------------------------


def _flat(config):
    return flatten_dict(config.to_dict(), sep=".")


REGISTRIES = {
    "data.name": DATASETS,
    "sde.name": {**SDES, **BY_DIMENSION, **LEARNED, **DISCRETE_PROCESSES},
    "sde.mask_schedule": MASK_SCHEDULES,
    "model.name": NETWORKS,
    "model.parametrization": PARAMETRIZATIONS,
    "model.label": NOISE_LABELS,
    "objective.name": ChainMap(*OBJECTIVES.values()),
    "objective.levels": {"continuous": lambda: None, **LEVELS},
    "objective.weighting": WEIGHTINGS,
    "objective.kernel": KERNELS,
    "objective.dequantization": TRAINING_DEQUANTIZERS,
    "objective.scaling": SCALINGS,
    "optimizer.name": OPTIMIZERS,
    "optimizer.schedule": SCHEDULES,
    "training.parallel": MAPPINGS,
    "likelihood.name": LIKELIHOODS,
    "likelihood.divergence": DIVERGENCES,
    "likelihood.variable": FLOWS,
    "likelihood.path": PATHS,
    "sampling.name": ChainMap(*SAMPLERS_BY_KIND.values()),
    "sampling.schedule": TIME_SCHEDULES,
    "sampling.predictor": PREDICTORS,
    "sampling.corrector": CORRECTORS,
    "sampling.start": STARTS,
    "sampling.variable": FLOWS,
    "sampling.guidance": GUIDANCES,
}
CHOICES = [(key, name) for key, registry in REGISTRIES.items() for name in registry]
CHOICES += [("likelihood.name", name) for name in ("importance", "orders", "upper")]
CHOICES += [("sde.schedule", "polynomial"), ("likelihood.dequantization", "variational")]
CHOICES += [("sampling.task", "generate"), ("sampling.task", "inpaint")]
TOLD = {"model.num_classes": 10, "sampling.classes": "3"}
# What goes with a learned process.
OF_LEARNED = {"sde.name": "learned_gamma", "objective.name": ELBO, "model.label": "log_rho"}
OF_MAPS = {"likelihood.variable": "t", "sampling.variable": "t"}
OF_MAPS |= {"objective.importance_sampling": False}
OF_LEARNED |= {"objective.importance_sampling": False, "objective.eps": 0.0}
OF_VARIATIONAL = {"objective.name": ELBO, "objective.dequantization": "variational"}
OF_NEURAL = {
    "sde.name": "neural",
    "objective.name": ELBO,
    "likelihood.name": "bound",
    "sampling.name": "neural_reverse",
}
OF_CHAIN = OF_NEURAL | {"sde.name": "learned_drift", "sampling.name": "chain_reverse"}
# What else must be said for a member to be used at all.
NEEDED = {
    "optimizer.schedule": {"optimizer.decay_steps": 10},
    "likelihood.divergence": {"likelihood.rank": 2},
    "likelihood.path": {"likelihood.name": "quadrature"},
    "sampling.predictor": {"sampling.name": "predictor_corrector"},
    "sampling.corrector": {"sampling.name": "predictor_corrector"},
    "sampling.variable": {"sampling.name": "probability_flow"},
    "sampling.schedule": {"sampling.name": "heun"},
    "sampling.start": {"sampling.name": "langevin"},
    "sde.mask_schedule": {"sde.name": "masking"},
    "sde.schedule": OF_LEARNED,
}
# What goes with a discrete process.
OF_TOKENS = {
    "sde.name": "masking",
    "objective.name": "masked",
    "likelihood.name": "bound",
    "sampling.name": "first_hitting",
}
OF_ONE_POSITION = ("one_position", "reverse_chain")
# What else goes with a process that has no masks, or masks with rates of their own.
OF_PROCESS = {
    "learned_masking": {"sampling.name": "ancestral"},
    "uniform": {"objective.name": "score_entropy", "sampling.name": "ancestral"},
}
DISCRETE = {*DISCRETE_PROCESSES, *OBJECTIVES["masks"], *SAMPLERS_BY_KIND["masks"]}
DISCRETE |= {"orders", "upper"}


# What the networks of images need of a small configuration.
IMAGE_NETWORKS = {
    "ddpm": {"model.nf": 32},
    "ncsnpp": {},
    "ncsn": {"model.nf": 8, "model.label": "ladder"},
    "ncsnv2": {"model.nf": 8},
    "vdm": {"model.nf": 64, "model.num_layers": 1},
    "dit": {"model.num_layers": 1},
}


def _with(key, name):
    """A small configuration that uses this member, and data it fits."""
    if key == "sde.mask_schedule" or (key in OF_TOKENS and name in DISCRETE):
        chain = {"sde.name": "one_position"} if name in OF_ONE_POSITION else {}
        own = OF_PROCESS.get(name, {})
        return tiny.images(**OF_TOKENS | chain | own | {key: name}), DIGITS
    if name == "levels":
        return tiny.digits(**{key: name, "objective.dequantization": "centers"}), DIGITS
    if name in ("importance", "mmse"):
        return tiny.images(**{key: name}), DIGITS
    if name == "variational":
        return tiny.images(**OF_VARIATIONAL | {key: name}), DIGITS
    for own in (OF_NEURAL, OF_CHAIN):
        if name in own.values() and name not in (ELBO, "bound"):
            return tiny.points(**own | {key: name}), POINTS
    if name in (*LEARNED, *BY_DIMENSION, ELBO):
        maps = OF_MAPS if name in ("multivariate", "learned_affine", "blurring") else {}
        return tiny.points(**OF_LEARNED | maps | {key: name}), POINTS
    if key in ("sampling.guidance", "sampling.task"):
        return tiny.images(**TOLD | {key: name}), _labeled("d", DIGITS.train, 17, 10)
    if key == "model.name" and name in IMAGE_NETWORKS:
        return tiny.images(**IMAGE_NETWORKS[name] | {key: name}), DIGITS
    return tiny.points(**NEEDED.get(key, {}) | {key: name}), POINTS


@functools.cache
def _keys_read_by(key, name):
    return build(*_with(key, name)).keys_read


@pytest.mark.parametrize(("key", "name"), CHOICES)
def test_every_member_of_every_registry_can_be_chosen(key, name):
    assert key in _keys_read_by(key, name)


def test_every_key_of_the_defaults_is_read_by_some_member():
    read = set().union(*(_keys_read_by(key, name) for key, name in CHOICES))
    unread = set(_flat(default.get_config())) - read
    assert {key for key in unread if not key.startswith(("study.", "codec."))} == set()


def test_every_key_of_the_studies_is_a_parameter_of_one_with_the_same_default():
    parameters = {}
    for study in STUDIES.values():
        for parameter in inspect.signature(study).parameters.values():
            known = parameters.setdefault(parameter.name, parameter.default)
            assert known == parameter.default, parameter.name
    assert {"name": "", **parameters} == default.get_config().study.to_dict()


# Parameters that are shared parts, made of other keys, or Flax's own.
PARTS = {"solver", "flow", "divergence", "prior_log_prob", "predictor", "corrector", "schedule"}
PARTS |= {"distribution", "draw", "slice_law", "norm_axes", "examples"}
PARTS |= {"integrand", "kernel", "offset", "proposal", "node_colors", "forward_network"}
OTHERS = {"parent", "name", "adjoint"}
# A key names what is made.
MADE = {"kernel", "start", "slice_law", "schedule", "path"}
# A network reads these from the section of the SDE.
FROM_SDE = {"sigma_min", "sigma_max"}


@pytest.mark.parametrize("key", REGISTRIES)
def test_every_parameter_of_every_member_is_a_key_of_its_section(key):
    section = default.get_config()[key.split(".")[0]]
    for name, member in REGISTRIES[key].items():
        parameters = set(inspect.signature(member).parameters) - PARTS - OTHERS
        if key == "sde.name":
            parameters -= {"levels", "shape"}  # the data's
        if key == "model.name":
            parameters -= FROM_SDE
        if key == "objective.weighting":
            parameters -= {"sigma_data"}  # the model's
        if key in ("objective.dequantization", "model.parametrization"):
            parameters -= {"levels"}  # the data's
            section = default.get_config()["model"]
        if key == "objective.levels":
            parameters -= {"num_scales", "num_steps"}  # the model's, the process's
        if key == "model.label":
            parameters -= {"eps"}  # the objective's
            parameters -= {"num_steps", "gamma_min", "gamma_max"}  # the process's
        assert parameters <= set(section), f"{name} of {key}"


# Published settings of the U-Net that are not a vector's.
DIFFERENT = {"mlp": {"dropout", "skip_rescale"}, "ncsnpp": set()}


@pytest.mark.parametrize("key", REGISTRIES)
def test_the_default_of_a_member_is_that_of_its_key(key):
    config = default.get_config()
    section = config[key.split(".")[0]]
    for name, member in REGISTRIES[key].items():
        for parameter in inspect.signature(member).parameters.values():
            if parameter.name in OTHERS | MADE | DIFFERENT.get(name, set()):
                continue
            source = config.sde if key == "model.name" and parameter.name in FROM_SDE else section
            if parameter.default is not parameter.empty and parameter.name in source:
                assert source[parameter.name] == parameter.default, f"{name}.{parameter.name}"


STABLE = [
    "seed",
    "data.name",
    "sde.name",
    "model.name",
    "objective.name",
    "objective.weighting",
    "objective.importance_sampling",
    "training.steps",
    "training.batch_size",
    "training.parallel",
    "eval.batch_size",
    "eval.estimators",
    "likelihood.name",
    "likelihood.rtol",
    "likelihood.atol",
    "likelihood.eps",
    "likelihood.divergence",
    "likelihood.probes",
    "sampling.name",
    "sampling.num_samples",
]


def test_the_keys_that_stay_are_there():
    assert set(STABLE) <= set(_flat(default.get_config()))


def test_the_process_of_a_name_does_not_read_the_numbers_of_another():
    vp = build(tiny.points(**{"sde.t_max": 0.5}), POINTS)
    assert vp.process.t_max == 1.0
    straight = build(tiny.points(**{"sde.name": "straight", "sde.t_max": 0.5}), POINTS)
    assert straight.process.t_max == 0.5


def test_the_estimators_default_to_the_likelihoods_name():
    assert list(build(tiny.points(), POINTS).estimators) == ["ode"]
    bound = tiny.points(**{"likelihood.name": "bound"})
    assert list(build(bound, POINTS).estimators) == ["bound"]


@pytest.mark.parametrize("listed", [("bound", "ode"), ("bound,ode",), ("bound, ode", "bound")])
def test_estimators_are_a_tuple_or_a_comma_separated_list(listed):
    experiment = build(tiny.points(**{"eval.estimators": listed}), POINTS)
    assert list(experiment.estimators) == ["bound", "ode"]
    settings = {name: set(e.settings) for name, e in experiment.estimators.items()}
    assert "likelihood.samples" in settings["bound"] - settings["ode"]
    assert "likelihood.rtol" in settings["ode"] - settings["bound"]


AT_EPS = {"likelihood.dequantization": "truncated_normal", "likelihood.start": "as_sample"}


def test_the_truncated_normal_has_the_kernel_at_eps_and_a_note_says_what_was_trained():
    experiment = build(tiny.images(**AT_EPS), DIGITS)
    alpha, sigma = float(experiment.process.alpha(1e-5)), float(experiment.process.sigma(1e-5))
    want = TruncatedNormal(17, centered=True, alpha=alpha, sigma=sigma)
    assert experiment.estimators["ode"].dequantizer == want
    evaluator = likelihood_evaluator(experiment, experiment.estimators["ode"])
    assert evaluator.model.dequantizer == want
    assert experiment.estimators["ode"].settings.items() >= AT_EPS.items()
    assert experiment.model.dequantizer == build(tiny.images(), DIGITS).model.dequantizer
    (note,) = notes(experiment)
    assert "truncated_normal" in note
    assert note.endswith("the network was trained on uniformly dequantized data")


def test_dequantization_is_that_of_training_by_default_and_continuous_data_have_none():
    config = tiny.images()
    experiment = build(config, DIGITS)
    assert experiment.estimators["ode"].dequantizer == experiment.model.dequantizer
    assert notes(experiment) == []
    points = build(tiny.points(**AT_EPS), POINTS)
    assert points.estimators["ode"].dequantizer == Continuous()
    assert not any("dequantize" in note for note in notes(points))


def test_the_streams_of_randomness_are_all_different_and_the_seeds():
    data = {}
    for seed in (0, 1):
        for name, key in build(tiny.points(seed=seed), POINTS).streams.items():
            data[seed, name] = tuple(np.asarray(jax.random.key_data(key)).tolist())
    assert len(set(data.values())) == len(data) == 10


def test_a_sampler_does_not_change_the_identity():
    """Nor does its ladder, whose number of levels is a key of the model."""
    changes = {"sampling.name": "annealed_langevin", "sampling.num_scales": 0}
    with_ladder = build(tiny.images(**changes, **{"model.name": "vdm", "model.nf": 64}), DIGITS)
    without = build(tiny.images(**{"model.name": "vdm", "model.nf": 64}), DIGITS)
    assert with_ladder.sampler.num_scales == with_ladder.config.model.num_scales
    assert with_ladder.identity == without.identity
    assert "model.num_scales" not in without.identity


def test_an_evaluation_builds_no_optimizer():
    experiment = build(tiny.points(), POINTS)
    assert experiment.estimators
    assert experiment.identity
    assert "groups" not in vars(experiment)


def test_a_part_is_built_once():
    experiment = check_config(tiny.points())
    training = experiment.training
    with_data = experiment.with_data(POINTS)
    assert with_data.training is training
    assert with_data.objective is with_data.objective


def test_names_that_are_written_twice_agree():
    assert set(FEATURES) == set(features.FEATURES)
    assert set(CONVENTIONS) == set(features.CONVENTIONS)
    assert BATCH_AXES[1] == AXIS


def test_the_identity_holds_what_a_training_depends_on_and_nothing_else():
    identity = build(tiny.points(), POINTS).identity
    assert all(identifies_workdir(key) for key in identity)
    expected = {"seed", "data.name", "data.fingerprint", "sde.beta_max", "model.hidden"}
    expected |= {"objective.eps", "optimizer.learning_rate", "optimizer.ema_decay"}
    assert expected <= set(identity)
    # Keys that this experiment does not read do not make it another.
    assert not {"sde.sigma_max", "model.nf", "objective.log_rho_mean", "data.path"} & set(identity)


# --- mistakes -------------------------------------------------------------------------------


def _complaint(changes, dataset=POINTS, config=None):
    with pytest.raises(ConfigError) as caught:
        build(_edited(config or tiny.points(), **changes), dataset).check()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"objective.reference": 8}, "objective.reference"),
        ({"objective.name": "esm", "objective.dequantization": "centers"}, "model.num_classes"),
    ],
)
def test_targets_of_all_classes_are_refused_for_a_model_of_classes(changes, named):
    classes = {"model.num_classes": 10, **changes}
    assert named in _complaint(classes, _labeled("d", DIGITS.train, 17, 10), tiny.images())


def test_a_table_of_levels_needs_the_label_of_the_ladder():
    changes = {"model.name": "ncsn", "model.label": "log_rho"}
    assert "model.label" in _complaint(changes, DIGITS, tiny.images())


@pytest.mark.parametrize("key", REGISTRIES)
def test_an_unknown_name_is_named_with_the_choices(key):
    changes = NEEDED.get(key, {}) | {key: "vpp"}
    message = _complaint(changes)
    assert "'vpp' is unknown; choose" in message
    choices = estimator_names() if key == "likelihood.name" else sorted(REGISTRIES[key])
    assert str(choices) in message
    assert key in message or key == "likelihood.name"


def test_an_unknown_data_set_is_an_error_before_anything_is_read():
    with pytest.raises(ConfigError, match=r"config\.data\.name = 'cifar' is unknown; choose one"):
        load_dataset(tiny.points(**{"data.name": "cifar"}))


def test_a_data_sets_own_complaint_is_passed_on():
    with pytest.raises(DataError, match=r"config\.data\.scale = -1\.0 must be positive"):
        load_dataset(tiny.points(**{"data.scale": -1.0}))


@pytest.mark.parametrize("listed", [("ode", "elbo"), ("ode,elbo",), ("ode,",)])
def test_an_unknown_estimator_is_named_with_the_choices(listed):
    message = _complaint({"eval.estimators": listed})
    assert message.startswith("config.eval.estimators: '")
    assert f"choose from {estimator_names()}" in message


@pytest.mark.parametrize("section", ["objective", "likelihood", "sampling"])
@pytest.mark.parametrize("eps", [0.0, -1e-5, 1.0, 2.0, float("nan")])
def test_eps_outside_the_processes_times_is_an_error(section, eps):
    message = _complaint({f"{section}.eps": eps})
    wanted = "lie in (0, 1.0)" if np.isfinite(eps) else "be a finite number"
    assert message == f"config.{section}.eps = {eps} must {wanted}"


def test_eps_is_held_against_the_end_of_its_own_process():
    message = _complaint({"sde.name": "straight", "sde.t_max": 0.5, "sampling.eps": 0.6})
    assert message == "config.sampling.eps = 0.6 must lie in (0, 0.5)"


WITH_RANGE = {key.name for key in keys().values() if key.interval}
# Beyond its range a key may have a relation to another.
RELATED = {"optimizer.accumulate", "sde.sigma_min", "sde.sigma_max"}


def _numbers_of(key):
    """Numbers of the key's type, most of them near its default or the ends of its range."""
    low, high = (float(end) for end in keys()[key].interval[1:-1].split(","))
    default_value = _flat(default.get_config())[key]
    ends = [end for end in (low, high) if np.isfinite(end)] + [0.0]
    if type(default_value) is float:
        below = [float(np.nextafter(end, -np.inf)) for end in ends]
        return st.sampled_from([*ends, *below, -1.0, np.nan, np.inf]) | st.floats()
    whole = st.sampled_from([int(end) + step for end in ends for step in (-1, 0, 1)])
    whole = whole | st.integers(-(2**40), 2**40)
    return st.lists(whole, max_size=3).map(tuple) if type(default_value) is tuple else whole


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data(), key=st.sampled_from(sorted(WITH_RANGE - RELATED)))
def test_a_number_outside_its_range_is_refused_by_its_key_and_no_other_is(data, key):
    value = data.draw(_numbers_of(key))
    numbers = value if isinstance(value, tuple) else (value,)
    interval = keys()[key].interval
    low, high = (float(end) for end in interval[1:-1].split(","))
    inside = bool(numbers) and all(
        np.isfinite(n)
        and (low < n < high or (n, interval[0]) == (low, "[") or (n, interval[-1]) == (high, "]"))
        for n in numbers
    )
    large = any(isinstance(n, int) and abs(n) >= LARGEST for n in numbers) and key != "seed"
    config = _edited(default.get_config(), **{key: value})
    problem = find_problem(config)
    if not problem:
        try:
            check_ranges(config)
        except ConfigError as error:
            problem = str(error)
    assert problem.startswith(f"config.{key} = ") if large or not inside else problem == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [("optimizer.accumulate", 1001), ("sde.sigma_min", 50.0), ("sde.sigma_max", 0.01)],
)
def test_numbers_that_do_not_go_together_are_an_error(key, value):
    """1001 batches are more than the steps of training; sigma_min must lie below sigma_max."""
    named = "sde.sigma_min" if key == "sde.sigma_max" else key
    assert _complaint({key: value}).startswith(f"config.{named} = ")


# Keys that the process checks, or for which every number is allowed.
WITHOUT_RANGE = {"objective.eps", "likelihood.eps", "sampling.eps", "objective.log_rho_mean"}


def test_every_number_has_a_range():
    numbers = {
        key
        for key, value in _flat(default.get_config()).items()
        if type(value) in (int, float) and not key.startswith("data.")
    }
    assert {key for key in numbers if not keys()[key].interval} <= WITHOUT_RANGE


def test_zero_may_mean_never_all_or_none():
    zeros = ("checkpoint_every", "keep", "eval_every", "sample_every")
    changes = {f"training.{key}": 0 for key in zeros} | {"eval.num_images": 0}
    build(_edited(tiny.points(), **changes, **{"optimizer.grad_clip": 0.0}), POINTS)


def test_a_cosine_without_its_length_is_an_error():
    message = _complaint({"optimizer.schedule": "cosine", "optimizer.decay_steps": 0})
    assert "optimizer.decay_steps must be at least 1 for the schedule 'cosine'" in message


def test_a_network_that_does_not_fit_the_data_is_an_error():
    message = _complaint({"model.name": "ncsnpp"})
    assert message.startswith("config.model does not fit data of shape (2,): ")
    message = _complaint({"model.ch_mult": (1,) * 5}, DIGITS, tiny.images())
    assert "does not fit data of shape (8, 8, 1)" in message
    assert "divisible by 16" in message


CHOSEN = ["nonlinearity", "embedding_type", "resblock_type", "progressive", "dtype"]


@pytest.mark.parametrize("key", CHOSEN)
def test_an_unknown_choice_of_a_network_is_named_with_the_choices(key):
    message = _complaint({f"model.{key}": "no"}, DIGITS, tiny.images())
    assert message.startswith(f"config.model: {key} = 'no' is unknown; choose one of [")


def test_a_truncated_normal_that_would_be_noised_again_is_an_error():
    changes = AT_EPS | {"likelihood.start": "noised"}
    message = _complaint(changes, DIGITS, tiny.images())
    assert message.startswith("config.likelihood.dequantization = 'truncated_normal' gives samples")
    assert message.endswith("needs config.likelihood.start = 'as_sample', got 'noised'")
    message = _complaint(AT_EPS | {"eval.estimators": ("ode", "bound")}, DIGITS, tiny.images())
    assert "'bound'" in message


def test_an_unknown_dequantization_is_named_with_the_choices():
    with pytest.raises(
        ConfigError, match=r"'normal' is unknown; choose one of \['decoder', 'truncated_normal'"
    ):
        check_config(tiny.images(**{"likelihood.dequantization": "normal"}))


def test_a_sketch_that_is_larger_than_the_data_is_an_error():
    message = _complaint({"likelihood.divergence": "hutchpp"})
    assert message == (
        "config.likelihood: hutchpp needs rank <= 2, the dimensions of the data; got rank = 8"
    )


def test_a_bound_that_cannot_be_is_an_error():
    message = _complaint({"likelihood.name": "bound", "likelihood.samples": 7})
    assert message.startswith("config.likelihood: samples = 7 must be even and at least 2")
    message = _complaint({"likelihood.name": "bound", "likelihood.form": "ism"})
    assert message.endswith("form = 'ism' is unknown; choose one of ['dsm', 'ssm']")


def test_the_official_scaling_needs_a_weighting_that_the_official_code_has():
    changes = {"objective.scaling": "score_flow", "objective.weighting": "edm"}
    assert _complaint(changes) == (
        "config.objective.scaling = 'score_flow' needs one of ('likelihood', 'sigma2'), got "
        "config.objective.weighting = 'edm'"
    )


def test_the_official_scaling_is_not_of_one_level():
    changes = {"objective.scaling": "score_flow", "objective.levels": "one"}
    assert _complaint(changes).endswith("got config.objective.levels = 'one'")


@pytest.mark.parametrize("levels", ["ladder", "steps"])
def test_the_official_losses_of_discrete_levels_have_one_weighting(levels):
    changes = {"objective.scaling": "score_flow", "objective.levels": levels}
    build(_edited(tiny.points(), **changes, **{"objective.weighting": "sigma2"}), POINTS)
    assert _complaint(changes | {"objective.weighting": "likelihood"}) == (
        "config.objective.scaling = 'score_flow' needs one of ('sigma2',), got "
        "config.objective.weighting = 'likelihood'"
    )


@pytest.mark.parametrize("section", ["objective", "likelihood", "sampling"])
@pytest.mark.parametrize("name", ["ve", "log_snr"])
def test_a_process_with_noise_at_time_zero_may_begin_there(section, name):
    at_0 = {"sde.name": name, f"{section}.eps": 0.0}
    build(_edited(tiny.points(), **at_0), POINTS)
    message = _complaint(at_0 | {f"{section}.eps": -0.1})
    assert message == f"config.{section}.eps = -0.1 must lie in [0, 1.0)"


def test_a_log_snr_that_would_not_fall_is_an_error():
    message = _complaint({"sde.name": "log_snr", "sde.gamma_min": 6.0})
    assert message == "config.sde: gamma_min = 6.0 must be below gamma_max = 5.0"
    assert _complaint({"sde.gamma_max": float("nan")}).endswith("nan must be a finite number")


def test_points_of_the_plane_are_not_mirrored():
    message = _complaint({"data.random_flip": True})
    assert message == (
        "config.data.random_flip = True mirrors images (height, width, channels); points has the "
        "shape (2,)"
    )
    experiment = build(tiny.images(**{"data.random_flip": True}), DIGITS)
    assert experiment.augmentation == RandomFlip()
    assert experiment.identity["data.random_flip"] is True


@pytest.mark.parametrize(
    ("name", "words"), [("scaled", "levels as they are, scaled"), ("centers", "the centers of")]
)
def test_a_note_tells_that_a_likelihood_stands_on_other_points_than_the_training(name, words):
    experiment = build(tiny.images(**{"objective.dequantization": name}), DIGITS)
    assert experiment.model.dequantizer == TRAINING_DEQUANTIZERS[name](17, centered=True)
    assert experiment.estimators["ode"].dequantizer == Uniform(17, centered=True)
    (note,) = notes(experiment)
    assert f"but the network was trained on {words}" in note


@pytest.mark.parametrize("process", ["ddpm", "subvp", "vp"])
def test_where_there_is_no_noise_no_score_is_asked_for(process):
    changes = {"sde.name": process, "sampling.eps": 0.0}
    assert _complaint(changes) == "config.sampling.eps = 0.0 must lie in (0, 1.0)"


def test_a_chain_is_one_for_process_objective_and_label():
    discrete = {"sde.name": "ddpm", "objective.levels": "steps", "model.label": "step"}
    experiment = build(tiny.points(**discrete, **{"sde.num_steps": 77}), POINTS)
    parts = (experiment.process, experiment.objective.proposal, experiment.model.noise_label)
    assert [part.num_steps for part in parts] == [77, 77, 77]


def test_a_scaling_is_part_of_the_identity():
    identity = build(tiny.points(), POINTS).identity
    assert identity["objective.scaling"] == "integral"
    official = build(tiny.points(**{"objective.scaling": "score_flow"}), POINTS)
    assert official.objective.scaling == ScoreFlow(reduce_mean=True)
    added = {"objective.scaling": "score_flow", "objective.reduce_mean": True}
    assert official.identity == identity | added


def test_explicit_score_matching_takes_the_law_of_the_data_or_their_empirical_law():
    explicit = {"objective.name": "esm"}
    known = load_dataset(tiny.points())
    assert build(tiny.points(**explicit), known).objective.integrand.distribution is known.law
    empirical = build(tiny.points(**explicit), POINTS).objective.integrand.distribution
    np.testing.assert_array_equal(empirical.points, POINTS.train)


@pytest.mark.parametrize(("name", "first"), [("centers", 0.5 / 17), ("scaled", 0.0)])
def test_explicit_score_matching_of_levels_takes_the_points_that_training_sees(name, first):
    changes = {"objective.name": "esm", "objective.dequantization": name, "model.centered": False}
    experiment = build(tiny.images(**changes), DIGITS)
    points = experiment.objective.integrand.distribution.points
    assert points.shape == DIGITS.train.shape
    np.testing.assert_allclose(points.min(), first, atol=1e-7)
    assert any("training set" in note for note in notes(experiment))


def test_the_noise_of_denoising_is_that_of_its_key_and_a_note_says_what_it_excludes():
    changes = {"objective.kernel": "anisotropic", "objective.anisotropy": 4.0}
    experiment = build(tiny.points(**changes), POINTS)
    assert experiment.objective.integrand.kernel == AnisotropicKernel(4.0)
    gaussian = build(tiny.points(), POINTS)
    said = [any("objective.kernel" in n for n in notes(each)) for each in (experiment, gaussian)]
    assert said == [True, False]


def test_explicit_score_matching_of_random_points_is_an_error():
    message = _complaint({"objective.name": "esm"}, DIGITS, tiny.images())
    assert "config.objective.dequantization = 'centers'" in message


def test_a_table_of_levels_needs_a_label_that_is_a_level():
    message = _complaint({"model.embedding_type": "table", "model.label": "time"})
    assert message.endswith("needs config.model.label = 'ladder', got 'time'")


@pytest.mark.parametrize("law", SLICE_LAWS)
def test_slices_have_the_law_of_their_key(law):
    changes = {"objective.name": "ssm", "objective.slice_law": law, "objective.slices": 3}
    objective = build(tiny.points(**changes), POINTS).objective.integrand
    assert (objective.slice_law, objective.slices) == (SLICE_LAWS[law], 3)


LADDER = {"objective.levels": "ladder", "model.label": "ladder", "model.num_scales": 7}
LADDER |= {"sampling.name": "annealed_langevin", "sampling.num_scales": 0}
LADDER |= {"objective.eps": 1e-2, "sampling.eps": 1e-2}


def test_a_ladder_is_one_for_objective_label_and_sampler():
    experiment = build(tiny.points(**LADDER), POINTS)
    parts = (experiment.objective.proposal, experiment.model.noise_label, experiment.sampler)
    assert [part.num_scales for part in parts] == [7, 7, 7]
    assert experiment.model.noise_label.eps == experiment.objective.eps
    assert notes(experiment) == []


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"sampling.eps": 1e-1}, "of 7 levels down to eps = 0.1 is not the network's, of 7 down"),
        ({"sampling.num_scales": 12}, "the sampler's ladder of 12 levels"),
        ({"objective.levels": "continuous"}, "config.objective.levels is not: the network sees"),
    ],
)
def test_another_ladder_than_the_networks_is_told(change, note):
    experiment = build(tiny.points(**LADDER | change), POINTS)
    assert any(note in found for found in notes(experiment))


def test_a_missing_key_is_named():
    config = tiny.points().copy_and_resolve_references()
    with config.unlocked():
        del config.objective["eps"]
    with pytest.raises(ConfigError, match=r"config\.objective\.eps is missing; see configs/def"):
        build(config, POINTS)


def test_an_override_that_nothing_reads_is_told():
    experiment = build(tiny.points(), POINTS)
    found = unread_overrides(experiment, ["sde.sigma_max", "sde.beta_max"])
    assert found == ["config.sde.sigma_max is not read by this command; it changes nothing"]


def test_a_network_alone_that_cannot_be_frozen_is_told():
    """From a file; an override is told as one that nothing reads."""
    experiment = build(tiny.points(**{"optimizer.frozen": ("network",)}), POINTS)
    assert "optimizer.frozen" not in experiment.identity
    (found,) = (note for note in notes(experiment) if "frozen" in note)
    assert "('network',)" in found
    assert not any("freezes" in note for note in notes(experiment, ["optimizer.frozen"]))


# --- parts ----------------------------------------------------------------------------------


def _opened(workdir, mode, **overrides):
    return Run.open(workdir, tiny.points(**overrides), parts=MODES[mode].parts)


@pytest.mark.parametrize("mode", [mode for mode in MODES if MODES[mode].parts is not None])
def test_the_parts_of_a_mode_exist(mode):
    assert {*MODES[mode].parts} <= {*ALL_PARTS, "encoding"}


@pytest.mark.parametrize(
    ("mode", "unused"),
    [
        ("eval", ("sampler", "conditional_sampling", "classifier", "quality")),
        ("sample", ("estimators", "eval", "quality")),
        ("train", ("estimators", "conditional_sampling", "classifier", "quality")),
        ("encode", ("sampler", "estimators", "quality")),
    ],
)
def test_a_mode_builds_the_parts_that_it_needs(trained, mode, unused):
    experiment = _opened(trained, mode).experiment
    notes(experiment, ["likelihood.rtol", "sampling.num_steps"])
    assert not {*unused, "groups"} & {*vars(experiment), *experiment.keys_of_parts}


WRONG = {"sampling.name": "no_sampler", "likelihood.name": "no_estimator"}


@pytest.mark.parametrize(
    ("mode", "key"), [("eval", "likelihood.name"), ("sample", "sampling.name")]
)
def test_a_wrong_value_is_reported_by_the_modes_that_use_it(trained, mode, key):
    others = {name: value for name, value in WRONG.items() if name != key}
    _opened(trained, mode, **others)
    with pytest.raises(ConfigError, match=key):
        _opened(trained, mode, **WRONG)


@pytest.mark.parametrize("key", WRONG)
def test_a_new_workdir_has_every_part_checked(tmp_path, key):
    with pytest.raises(ConfigError, match=key):
        _opened(tmp_path / "new", "train", **{key: WRONG[key]})


def test_a_process_with_trained_numbers_is_a_group_that_is_trained(monkeypatch):
    """A training moves its numbers: test_fitting.py."""

    def make(beta_min, beta_max):
        return LearnedNumbers(VP(beta_min, beta_max), ("beta_max",))

    monkeypatch.setitem(SDES, "learned_vp", make)
    fixed = {"likelihood.dequantization": "truncated_normal", "likelihood.start": "as_sample"}
    learned = {"sde.name": "learned_vp", "objective.name": "elbo", "model.label": "log_rho"}
    fixed |= {"likelihood.name": "ode"} | learned
    experiment = build(tiny.digits(**fixed), DIGITS)
    with pytest.raises(ConfigError, match=r"likelihood\.dequantization"):
        _ = experiment.estimators
    experiment = build(tiny.points(**learned), POINTS)
    assert set(experiment.groups) == set(experiment.params_spec) == {"network", "process"}
    assert set(experiment.params_spec["process"]) == {"log_beta_max"}
    assert experiment.estimators
    assert experiment.sampler
