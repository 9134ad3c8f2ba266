"""Train a small model from Python, without a configuration file and without a workdir.

For checkpoints, resumption, several devices' state and files of results, use a `Run`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int, Num

from gradlog import terminal
from gradlog.compilation_cache import store_compiled_programs
from gradlog.data import BatchStream, DataError, LabeledSource
from gradlog.data.user_arrays import check_labels, check_stored
from gradlog.evaluation.likelihood import LikelihoodEvaluator
from gradlog.evaluation.samples import SampleDriver
from gradlog.likelihood import (
    AsStored,
    ChainLikelihood,
    JumpBound,
    LevelBound,
    MaskedBound,
    NeuralLikelihood,
    Noised,
    ODELikelihood,
    OneDraw,
    StoredLikelihood,
    mean_standard_error,
)
from gradlog.likelihood.divergences import Exact, Rademacher
from gradlog.losses import (
    ChainBound,
    DenoisingScoreMatching,
    EvidenceBound,
    LevelMaskedBound,
    Likelihood,
    MaskedCrossEntropy,
    NeuralBound,
    Objective,
    ScoreEntropy,
    ScoreMatching,
    UniformLogRho,
    UniformTime,
)
from gradlog.models import BoundModel, Continuous, DiffusionModel, Variational
from gradlog.models.diffusion_model import Params
from gradlog.ode import Adaptive, LogRhoFlow, TimeFlow
from gradlog.sampling import (
    DDIM,
    AncestralReplacing,
    ChainReverse,
    DPMSolver2M,
    FirstHitting,
    LevelUnmasking,
    LogSNRSchedule,
    NeuralReverse,
    Sampler,
)
from gradlog.sde_lib import SDE, Discrete, Kind, check_eps, check_process
from gradlog.training import (
    MAPPINGS,
    ParallelStep,
    ParameterGroup,
    Plan,
    ScoreModelTraining,
    TrainStep,
    adam,
    init_state,
    train,
)

EPS = 1e-3  # the smallest noise level, in time
_EXACT_DIMS = 16  # so many Jacobian products give the exact trace
_BATCH = 256  # examples or samples at once
_DRAWS, _STEPS = 128, 250  # of a bound, for each example; of a sampler

# By the kind of the process: the objective, the estimator of log probability and the sampler. (To
# pyright a sampler of masks is no `Sampler`, since its `accepts` is a class variable.)
DEFAULTS: dict[Kind, tuple[Objective, StoredLikelihood, Any]] = {
    "masks": (MaskedCrossEntropy(), AsStored(MaskedBound(_DRAWS)), FirstHitting()),
    "level_masks": (LevelMaskedBound(), AsStored(LevelBound(_DRAWS)), LevelUnmasking(_STEPS)),
    "replacements": (ScoreEntropy(), AsStored(JumpBound(_DRAWS)), AncestralReplacing(_STEPS)),
    "neural": (NeuralBound(), OneDraw(NeuralLikelihood(_DRAWS)), NeuralReverse(_STEPS)),
    "chain": (ChainBound(), OneDraw(ChainLikelihood(_DRAWS)), ChainReverse()),
}


class BitsPerDim(NamedTuple):
    """A mean over data with its standard error, in bits per dimension of stored data."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class FittedModel:
    """A trained model. Data and samples are in the units of the training data.

    Attributes:
      model: what was fixed before training.
      params: the averaged parameters by group.
      shape: of one example.
      losses: the mean loss of every logged step, in nats per dimension.
      eps: the smallest time, at which likelihoods by the flow begin and samples of it end.
    """

    model: DiffusionModel
    params: Params
    shape: tuple[int, ...]
    losses: np.ndarray
    eps: float = EPS

    @property
    def bound(self) -> BoundModel:
        """The model with its parameters, in float32: for every estimator and sampler."""
        return self.model.in_float32().bind(self.params)

    def log_prob(
        self,
        x: Num[np.ndarray, "n *D"],
        key: jax.Array,
        likelihood: StoredLikelihood | None = None,
        condition: int | None = None,
    ) -> Float[np.ndarray, " n"]:
        """Return the log probability of stored data in nats; NaN where the solver failed.

        For data with levels it is ``log P`` of the levels, for continuous data a log density. An
        estimator is compiled at its first call.

        Args:
          x: data as stored.
          key: of the probes and the dequantization; example i depends on the key and on i alone.
          likelihood: the estimator; by default the probability-flow ODE with the exact trace, or
            from 17 dimensions on with Hutchinson's trace of two probes. A process without a flow,
            such as masks, has a lower bound.
          condition: the class, of a class-conditional model.

        Raises:
          DataError: x is not like the training data, or the model has no such class.
          ValueError: the estimator needs another kind of process.
        """
        dims = int(np.prod(self.shape))
        likelihood = likelihood or default_likelihood(self.model, dims, self.eps)
        check_process(likelihood, self.model.process)
        x = check_stored(x, self.shape, _levels_of(self.model), "those of the model")
        if likelihood not in self._evaluators:
            evaluator = LikelihoodEvaluator(likelihood, self.model.in_float32(), _BATCH)
            self._evaluators[likelihood] = evaluator
        if condition is not None:
            check_labels([condition], 1, self.model.num_classes)
        evaluate = self._evaluators[likelihood]
        return evaluate(self.params, x, key, condition=condition).nats

    def bits_per_dim(
        self,
        x: Num[np.ndarray, "n *D"],
        key: jax.Array,
        likelihood: StoredLikelihood | None = None,
    ) -> BitsPerDim:
        """Return the mean bits per dimension of stored data, with its standard error.

        Data whose solver failed make the mean NaN. The arguments are those of ``log_prob``.
        """
        bits = -self.log_prob(x, key, likelihood) / (np.prod(self.shape) * np.log(2))
        return BitsPerDim(float(np.mean(bits)), mean_standard_error(bits))

    def sample(
        self,
        n: int,
        key: jax.Array,
        sampler: Sampler | None = None,
        condition: int | None = None,
    ) -> Num[np.ndarray, "n *D"]:
        """Return n samples, as the data are stored.

        A line on the terminal counts the samples whose solver failed. Samples of continuous data
        are NaN there.

        Args:
          n: the number of samples.
          key: sample i depends on the key and on i alone.
          sampler: see `default_sampler`. It is compiled at its first call.
          condition: the class, of a class-conditional model.

        Raises:
          DataError: the model has no such class, or the memory cannot hold n samples.
          ValueError: n is below 1, or the sampler needs another kind of process.
        """
        if n < 1:
            raise ValueError(f"n = {n} samples: choose 1 or more")
        sampler = sampler or default_sampler(self.model, self.eps)
        check_process(sampler, self.model.process)
        if sampler not in self._drivers:
            driver = SampleDriver(sampler, self.model.in_float32(), self.shape, _BATCH)
            self._drivers[sampler] = driver
        if condition is not None:
            check_labels([condition], 1, self.model.num_classes)
        labels = None if condition is None else np.full(n, condition, np.int32)
        samples = self._drivers[sampler](self.params, n, key, labels=labels)
        x, failed = samples.x, ~samples.ok
        if failed.any():
            terminal.say(
                f"warning: {failed.sum()} of {n} samples failed: not finite, or not finished"
            )
            if np.issubdtype(x.dtype, np.floating):
                x = np.where(failed.reshape(n, *(1,) * len(self.shape)), np.nan, x).astype(x.dtype)
        return x

    @cached_property
    def _evaluators(self) -> dict[StoredLikelihood, LikelihoodEvaluator]:
        return {}

    @cached_property
    def _drivers(self) -> dict[Sampler, SampleDriver]:
        return {}


def fit(
    model: DiffusionModel,
    data: Num[np.ndarray, "n *D"],
    objective: Objective | None = None,
    *,
    steps: int,
    batch_size: int = 128,
    optimizer: optax.GradientTransformation | None = None,
    ema_decay: float = 0.999,
    groups: Mapping[str, ParameterGroup] | None = None,
    labels: Int[np.ndarray, " n"] | None = None,
    class_dropout: float = 0.1,
    eps: float = EPS,
    seed: int = 0,
    log_every: int = 100,
    log: Callable[[int, dict[str, float]], Any] = lambda step, metrics: None,
) -> FittedModel:
    """Train a model on an array, and return it with its averaged parameters.

    The batches, the noise and the initial parameters are functions of the seed: the same call gives
    the same model.

    >>> import jax, numpy as np
    >>> from gradlog import DiffusionModel, MLP, Noise, ScaledTime, VP, fit
    >>> points = np.random.default_rng(0).normal(size=(512, 2)).astype("float32")
    >>> model = DiffusionModel(VP(), MLP(hidden=16), Noise(), ScaledTime())
    >>> fitted = fit(model, points, steps=4, batch_size=64)
    >>> fitted.sample(3, jax.random.key(0)).shape
    (3, 2)

    Args:
      model: the process, the network and the meaning of its output.
      data: the examples as stored. Integer data need a model with a dequantizer. Continuous data
        are rounded to float32, and a line on the terminal says so if they have more digits.
      objective: by default denoising score matching with the likelihood weighting and importance
        sampling of times (Song et al. 2021, arXiv:2101.09258), down to eps; for a learned
        process or dequantizer the whole bound; for a discrete process the bound of its kind.
      steps: number of updates, 1 or more.
      batch_size: examples per update; a multiple of the number of devices.
      optimizer: by default Adam with a cosine schedule from 2e-3.
      ema_decay: decay of the averaged parameters.
      groups: the settings of single groups of parameters, "network", "process" or "dequantizer"; an
        optimizer None freezes a group. The other groups have the optimizer and decay above.
      labels: the class of each example, 0 to ``model.num_classes - 1``; None if it has no classes.
      class_dropout: the probability that a class-conditional model gets no class, so that it
        learns the score of all classes together as well.
      eps: the smallest time of training, likelihoods and samples; 0 only if the process has noise
        there. The members of `DEFAULTS` have none.
      seed: of everything random.
      log_every: updates over which a logged loss is the mean, 1 or more.
      log: is called with the step and its metrics.

    Raises:
      NonFiniteError: the loss or its gradient is not finite.
      DataError: there are no data, they are not finite, or not among the levels of the model; or
        the labels are not one class for each example.
      ValueError: a number lies outside of its range, the batch does not divide over the devices,
        the model has no such group, or the objective needs another kind of process.
    """
    for name, count in (("steps", steps), ("log_every", log_every)):
        if count < 1:
            raise ValueError(f"{name} = {count}: choose 1 or more")
    store_compiled_programs()
    objective = objective or default_objective(model, eps)
    check_process(objective, model.process)
    check_eps(eps, model.process)
    data = _check_examples(data, model)
    if labels is not None:
        check_labels(labels, len(data), model.num_classes)
    elif model.num_classes:
        raise DataError(f"labels are missing: the model has num_classes = {model.num_classes}")
    optimizer = optimizer or default_optimizer(steps)
    shape = data.shape[1:]
    trainable = ScoreModelTraining(model, objective, shape, class_dropout=class_dropout)
    init_key, train_key = jax.random.split(jax.random.key(seed))
    spec = jax.eval_shape(trainable.init, init_key)
    groups = dict.fromkeys(spec, ParameterGroup(optimizer, ema_decay)) | dict(groups or {})
    step = ParallelStep(TrainStep(trainable, groups, batch_size), train_key, MAPPINGS["pmap"]())
    state = step.initialize(lambda: init_state(trainable.init(init_key), groups))
    source = data if labels is None else LabeledSource(data, np.asarray(labels))
    losses = []

    def record(number: int, metrics: dict[str, float]) -> None:
        losses.append(metrics["loss"])
        log(number, metrics)

    keep_nothing = lambda number, state, notes: None  # noqa: E731
    plan = Plan(steps, log_every, steps, record, keep_nothing)
    state = train(step, state, BatchStream(source, batch_size, seed), plan)
    params = jax.tree.map(jnp.asarray, step.fetch(state.ema))
    return FittedModel(model, params, shape, np.asarray(losses), eps)


def _levels_of(model: DiffusionModel) -> int | None:
    """Return the number of levels of the data; None for continuous ones."""
    return getattr(model.dequantizer, "levels", None)


def _check_examples(data: Any, model: DiffusionModel) -> Num[np.ndarray, "n *D"]:
    """Return the training data as an array of numbers that the model can have.

    Raises:
      DataError: the model cannot have such data.
    """
    data = np.asarray(data)
    data = check_stored(data, data.shape[1:], _levels_of(model), "the levels of the dequantizer")
    if not isinstance(model.dequantizer, Continuous):
        return data
    if isinstance(model.process, Discrete):
        raise DataError(
            f"{type(model.process).__name__} needs tokens: give the model Tokens(levels=...) as "
            "its dequantizer"
        )
    if data.dtype.kind != "f":
        raise DataError(
            f"data of type {data.dtype} are levels, whose density is infinite: give the model a "
            "dequantizer, such as Uniform(levels=256), or pass continuous numbers as floats"
        )
    if not np.can_cast(data.dtype, np.float32):
        terminal.say(f"note: the data are {data.dtype} numbers, rounded to float32")
    return data.astype(np.float32, copy=False)


def default_objective(model: DiffusionModel, eps: float) -> Objective:
    """Return denoising score matching, or the bound if more than the score has trained numbers.

    If its schedule is learned, times are uniform from 0 on: the schedule decides their noise
    levels, and each dimension may have its own. Processes of other kinds have `DEFAULTS`.
    """
    if model.process.kind in DEFAULTS:
        return DEFAULTS[model.process.kind][0]
    integrand, even = DenoisingScoreMatching(), UniformLogRho()
    if isinstance(model.process, SDE) and not isinstance(model.dequantizer, Variational):
        return ScoreMatching(integrand, Likelihood(), even, eps)
    path = model.process.initial()
    if path.INSIDE or not isinstance(path, SDE):
        return EvidenceBound(integrand, 0.0, UniformTime(), 0.0)
    return EvidenceBound(integrand, 0.0, even, eps)


def default_optimizer(steps: int) -> optax.GradientTransformation:
    """Return Adam with a short warmup and a cosine schedule from 2e-3 over the steps."""
    return adam(
        optax.cosine_decay_schedule(2e-3, steps, alpha=0.01),
        warmup=min(100, steps // 10),
        beta1=0.9,
        beta2=0.999,
        adam_eps=1e-8,
        weight_decay=0.0,
        grad_clip=10.0,
        accumulate=1,
    )


def default_likelihood(model: DiffusionModel, dims: int, eps: float) -> StoredLikelihood:
    """Return the estimator by the probability-flow ODE, with tolerances of 1e-4.

    A process without such a flow has the bound, with 128 draws for each example.
    """
    if model.process.kind in DEFAULTS:
        return DEFAULTS[model.process.kind][1]
    flow = LogRhoFlow() if isinstance(model.process.initial(), SDE) else TimeFlow()
    divergence = Exact(chunk=dims) if dims <= _EXACT_DIMS else Rademacher(probes=2)
    return OneDraw(ODELikelihood(Adaptive(1e-4, 1e-4), flow, divergence, eps, start=Noised()))


def default_sampler(model: DiffusionModel, eps: float) -> Sampler:
    """Return DPM-Solver++(2M) with 40 steps; DDIM where each dimension has its own noise level.

    Masks are filled one by one, without an error of steps. Other kinds have `DEFAULTS`.
    """
    if model.process.kind in DEFAULTS:
        return DEFAULTS[model.process.kind][2]
    if isinstance(model.process.initial(), SDE):
        return DPMSolver2M(num_steps=40, eps=eps, schedule=LogSNRSchedule())
    return DDIM(num_steps=_STEPS, eps=eps)
