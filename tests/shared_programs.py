"""Programs that equal experiments share within one process of the tests.

Every run that a test opens would trace and compile its training step, its held-out loss, its
sampler and its estimators again, which took a third of the time of the tests. A program is found
again by all that it was made of: settings and strategies are frozen values.
"""

import json
from functools import cached_property
from types import FunctionType
from typing import Any

import jax
from jax._src import pjit
from jax._src.interpreters import mlir, pxla

from gradlog.evaluation import devices, score_training
from gradlog.evaluation.likelihood import LikelihoodEvaluator
from gradlog.experiment.experiment import Experiment
from gradlog.sde_lib import Multivariate
from gradlog.training import TrainStep, init_state

_PROGRAMS: dict[Any, Any] = {}
# What a training step and its first state are made of, beside the data.
_SECTIONS = ("seed", "compat", "data", "sde", "model", "objective", "optimizer")
_TRAINING = ("batch_size", "max_skips", "parallel")


def forget() -> None:
    """Forget all programs."""
    _PROGRAMS.clear()


def forget_modules() -> None:
    """Forget from which MLIR modules the programs were compiled; the programs stay.

    JAX keeps 2048 modules, each with an MLIR context of 1.3 MB, and a new context looks at all that
    are alive: after 1500 programs the next takes 145 ms instead of 45. These names are private: the
    public ``jax.clear_caches`` would forget the programs too.
    """
    pxla._cached_lowering_to_hlo.cache_clear()
    pjit._pjit_lower.cache_clear()


def load_few_dialects() -> None:
    """Let a new MLIR context load those dialects that programs of a CPU use.

    JAX loads that of NVIDIA's instructions and others too: half of the time of lowering a small
    program, and more than the rest of one that is stored. A program that needs them is refused. JAX
    has no public setting for it.
    """
    mlir.JaxIrContext.load_all_available_dialects = lambda context: context.dialects["func"]


def share() -> None:
    """Let equal experiments share their programs, from now on."""
    make_step, map_batch = score_training.parallel_step, devices.map_batch

    def parallel_step(experiment):
        recipe = ("step", *_recipe(experiment), TrainStep.update, TrainStep.loss_and_grads)
        return _shared(lambda: make_step(experiment), recipe)

    def initial_state(experiment):
        def make():
            trainable = score_training.score_training(experiment)
            return jax.jit(lambda key: init_state(trainable.init(key), experiment.groups))

        return _shared(make, ("init", *_recipe(experiment)))(experiment.streams["init"])

    def shared_map_batch(fn):
        return _shared(lambda: map_batch(fn), ("batch", _value(fn)))

    score_training.parallel_step, score_training.initial_state = parallel_step, initial_state
    devices.map_batch = shared_map_batch
    shapes = Experiment.params_spec.func  # of the parameters: dropout has none

    def params_spec(experiment):
        network = experiment.model.network
        network = network.clone(dropout=0.0) if hasattr(network, "dropout") else network
        trained = jax.eval_shape(experiment.process.init, jax.random.key(0))
        process = experiment.process if trained else None
        recipe = "shapes", network, process, experiment.model.dequantizer, experiment.dataset.shape
        return _shared(lambda: shapes(experiment), recipe)

    Experiment.params_spec = _cached("params_spec", params_spec)
    draw_first = Multivariate.initial  # ten times for an experiment, with two networks

    def initial(process):
        with jax.ensure_compile_time_eval():  # no tracer is kept
            return _shared(lambda: draw_first(process), ("initial", process))

    Multivariate.initial = initial
    LikelihoodEvaluator._programs = _cached(
        "_programs",
        lambda self: _shared(dict, ("estimator", self.likelihood, self.model)),
    )


def _cached(name, find):
    """Return a property that an instance computes once."""
    found = cached_property(find)
    found.attrname = name
    return found


def _shared(make, recipe):
    """Return what was made of the recipe before, or make it."""
    config: Any = jax.config
    setting = config.jax_enable_x64, config.jax_debug_nans, config.jax_debug_infs
    key = (recipe, setting, jax.device_count())
    try:
        if key not in _PROGRAMS:
            _PROGRAMS[key] = make()
    except TypeError:  # something in it is compared by its identity
        return make()
    return _PROGRAMS[key]


def _recipe(experiment):
    config = experiment.config.to_dict()
    chosen = [config[name] for name in _SECTIONS] + [config["training"][key] for key in _TRAINING]
    return json.dumps(chosen, sort_keys=True), experiment.dataset.fingerprint


def _value(given):
    """Return a function as its code and what it closes over, and any other value as it is."""
    if isinstance(given, score_training.HeldOutLoss):
        return given._count
    if not isinstance(given, FunctionType):
        return given
    return given.__code__, tuple(_value(cell.cell_contents) for cell in given.__closure__ or ())
