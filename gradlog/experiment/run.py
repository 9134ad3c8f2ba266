"""A workdir as an object: what the command line does, and what a notebook can do."""

import json
import math
import operator
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from ml_collections import ConfigDict

from gradlog import terminal
from gradlog.compilation_cache import store_compiled_programs
from gradlog.config_error import ConfigError
from gradlog.data import (
    UNKNOWN,
    DataError,
    Dataset,
    LazyDataset,
    check_holds_no_images,
    find_classes,
    names_of_classes,
)
from gradlog.data.user_arrays import check_data, check_points
from gradlog.distributed import check_agreement, check_shared_folder, is_multihost
from gradlog.evaluation.bits_per_dim import PER_IMAGE, RESULT, SETTINGS, EstimatorRun, Result
from gradlog.evaluation.classification import class_log_probs, classify, conditional_log_prob
from gradlog.evaluation.classifier_run import ClassifierRun
from gradlog.evaluation.compression import Compression
from gradlog.evaluation.encoding import EncodingRun
from gradlog.evaluation.export import export_checkpoint, logits_program, score_program
from gradlog.evaluation.likelihood import LikelihoodEvaluator, likelihood_evaluator
from gradlog.evaluation.samples import SampleRun, Samples
from gradlog.evaluation.score_training import retention_of, score_model_training, state_spec
from gradlog.experiment.build import dataset_spec, load_data_or_shape, load_dataset
from gradlog.experiment.compat import resolve_compat
from gradlog.experiment.experiment import ALL_PARTS, Experiment
from gradlog.experiment.keys import flatten, is_location
from gradlog.experiment.loading import defaults, load_saved_config
from gradlog.likelihood import LogDensity, OneDraw, differentiable, log_density_fn
from gradlog.models import Continuous
from gradlog.sde_lib import DISCRETE_PROCESSES, Discrete, GaussianPath
from gradlog.storage import (
    Checkpoints,
    Workdir,
    WorkdirError,
    list_versions,
    read_metrics,
    read_sealed,
)
from gradlog.training import TrainState
from gradlog.training.checkpoint_selection import for_each_checkpoint, select_checkpoints
from gradlog.training.workdir_training import train_in_workdir

Done = TypeVar("Done")
_CLASSES = "data.classes"  # in the identity of a run: the attribute `classes` of its data set
Check = Callable[[list[int]], object]


@dataclass(frozen=True, repr=False)
class Run:
    """One run in its workdir.

    Data are ``(n, *D)`` arrays as stored, in their own units: whole numbers from 0 to
    ``levels - 1``, or floats if they are continuous. Points of the model's space are ``(n, *D)``
    float32 arrays: data with levels lie in [-1, 1] there ([0, 1] if ``config.model.centered`` is
    False). Times are the process's, from 0 to ``experiment.initial_process.t_max``. A ``step`` is
    that of a checkpoint; the default is the newest sound one.

    Attributes:
      workdir: its files.
      experiment: what its configuration builds.
    """

    workdir: Workdir
    experiment: Experiment

    @classmethod
    def open(
        cls,
        path: str | Path,
        config: ConfigDict | None = None,
        overridden: Collection[str] = (),
        load: Callable[[ConfigDict], Dataset] | None = None,
        parts: Collection[str] = ALL_PARTS,
    ) -> "Run":
        """Open a workdir; with a config also one that does not exist yet.

        Compiled programs are stored in ``~/.cache/gradlog/jax``, unless JAX has another folder.

        Args:
          path: the folder of the run.
          config: a whole configuration; the default is the one that the run was made with.
          overridden: dotted keys whose values win over the preset in ``config.compat``.
          load: loads the data, by default `build.load_dataset`. A workdir that is opened without a
            config loads its data at the first use of an example: scores, samples and likelihoods of
            a user's own data need none.
          parts: the parts of a config's experiment that are needed: their mistakes are reported
            now. A workdir that does not exist yet has all parts checked.

        Raises:
          WorkdirError: the workdir belongs to another experiment; or there is none, and no config.
          ConfigError: the config is invalid.
          DataError: the data are not available, or lie in the folder that would be the workdir.
        """
        store_compiled_programs()
        workdir = Workdir(Path(path).expanduser())
        if config is None:
            load = load or partial(_load_at_first_use, workdir)
            experiment = Experiment(resolve_compat(load_workdir_config(workdir)))
        else:
            exists = config.get("compat") and workdir.exists()
            trained = load_workdir_config(workdir) if exists else None
            experiment = Experiment(resolve_compat(config, overridden, trained))
            # Before the data, which may take long to load.
            experiment.check(parts if workdir.exists() else (*ALL_PARTS, *parts))
            if experiment.config.data.name == "folder" and not workdir.exists():
                check_holds_no_images(workdir.root, experiment.config.data.path)
        experiment = experiment.with_data((load or load_dataset)(experiment.config))
        if not workdir.exists():  # an existing run has shown that it fits
            experiment.check(["params_spec"])
        workdir.check(experiment.identity, known_defaults())
        return cls(workdir, experiment)

    def open_like(self, path: str | Path) -> "Run":
        """Open another run with this run's likelihood and eval settings.

        If one process is continuous and the other discrete, estimators of one are none of the
        other: then the other run keeps the estimator of its own config. If only one of them was
        trained with variational dequantization, the other keeps the dequantization of its own.
        """
        config = load_workdir_config(Workdir(Path(path).expanduser()))
        of_tokens = isinstance(self.experiment.process, Discrete)
        with config.unlocked():
            config.eval = self.config.eval.copy_and_resolve_references()
            if of_tokens == (config.sde.name in DISCRETE_PROCESSES):
                own = {key: config.likelihood[key] for key in ("dequantization", "start")}
                config.likelihood = self.config.likelihood.copy_and_resolve_references()
                trained = {self.config.objective.dequantization, config.objective.dequantization}
                if "variational" in trained and len(trained) > 1:
                    config.likelihood.update(own)
            else:
                config.eval.estimators = ()
            config.compat = ""  # the settings hold what this run's preset set
        return Run.open(path, config)

    @property
    def config(self) -> ConfigDict:
        """The whole configuration."""
        return self.experiment.config

    def __repr__(self) -> str:
        """Return a line each for data, process, network, training and bits/dim."""
        dataset, config, steps = self.experiment.dataset, self.config, self.checkpoints.steps()
        values = "continuous" if dataset.levels is None else f"{dataset.levels} levels"
        trained = "no checkpoint yet"
        if steps:
            older = f"{len(steps) - 5} older, " * (len(steps) > 5)
            listed = ", ".join(map(str, steps[-5:]))
            trained = f"{steps[-1]} of {config.training.steps} steps; checkpoints {older}{listed}"
        rows = {
            "data": f"{dataset.name}, {dataset.shape}, {values}",
            "process": config.sde.name,
            "network": f"{config.model.name}, {self.experiment.num_parameters:,} parameters",
            "trained": trained,
            dataset.unit: self._describe_results(),
        }
        lines = "".join(f"\n  {name:<9} {text}" for name, text in rows.items())
        return f"Run({str(self.workdir.root)!r}){lines}"

    def _describe_results(self) -> str:
        """Return the bits/dim of the newest step that has a result, with the number of images."""
        found = self.workdir.root.glob(f"eval/*/*/{RESULT}")
        by_step = sorted((int(path.parts[-3]), path) for path in found if path.parts[-3].isdigit())
        texts = []
        for path in (path for step, path in by_step if step == by_step[-1][0]):
            try:
                result = read_sealed(path, (PER_IMAGE, SETTINGS))
                value, error = float(result["bits_per_dim"]), float(result["standard_error"])
                size = result.get("test_set_size")  # results of version 0.1 have none
                count = f"{result['num_images']}{f' of {size}' if size else ''} images"
                texts.append(f"{value:.4f} ± {error:.4f} ({result['estimator']}, {count})")
            except (OSError, ValueError, TypeError, LookupError, json.JSONDecodeError):
                continue  # a damaged result is an error only where it is used
        return f"{'; '.join(texts)} at step {by_step[-1][0]}" if texts else "not evaluated yet"

    def check_hosts_agree(self) -> None:
        """Check that all hosts have this configuration, data, packages and folder.

        Raises:
          HostError: they differ; every host raises it.
        """
        if not is_multihost():
            return
        settings = flatten(self.config)
        check_agreement(
            {f"config.{key}": repr(value) for key, value in settings if not is_location(key)}
            | {"the data's fingerprint": self.experiment.dataset.fingerprint}
            | {f"the version of {name}": version for name, version in list_versions().items()}
        )
        check_shared_folder(self.workdir.root)

    # --- training and its checkpoints ---------------------------------------------------------

    def train(self) -> None:
        """Train to ``config.training.steps``, from the newest sound checkpoint if there is one.

        A new training begins with the averaged parameters of ``config.training.start_from``.

        Raises:
          ConfigError: the batch does not divide over the devices, the package of the tracker is not
            installed, or the parameters to start from do not fit.
          CheckpointError, Interrupted, NonFiniteError, WorkdirError: see `train_in_workdir`.
        """
        config, source, given = self.config.to_dict(), self.experiment.training.start_from, {}
        if source and not self.checkpoints.steps():
            given = self._params_to_start_from()
        elif source:
            config["training"]["start_from"] = began = self._began_from()
            if Path(source).resolve() != Path(began).resolve():
                terminal.say(
                    f"note: config.training.start_from = {source!r} changes nothing: the run has "
                    "checkpoints, and goes on from the newest"
                )
        train_in_workdir(
            score_model_training(self.workdir, config, self.experiment, known_defaults(), given)
        )

    def _began_from(self) -> str:
        """Return ``training.start_from`` of the stored configuration; '' if it was lost."""
        try:
            return load_workdir_config(self.workdir).training.start_from
        except (ConfigError, WorkdirError):
            return ""

    def _params_to_start_from(self) -> dict[str, Any]:
        """Return the averaged parameters of another run, of the groups that this one has too."""
        source, spec = self.experiment.training.start_from, self.experiment.params_spec
        other = Run.open(source)
        step = other._step(None)
        given = {name: group for name, group in other.params(step).items() if name in spec}
        own, there = self.experiment.settings("model"), other.experiment.settings("model")
        differing = [key for key in own.keys() & there.keys() if own[key] != there[key]]
        for key in sorted(key for key in differing if key.startswith("model.")):
            raise ConfigError(
                f"config.training.start_from = {source!r} has config.{key} = {there[key]!r}, this "
                f"run has {own[key]!r}: a network means the same only with the same config.model"
            )
        for name, group in given.items():
            if jax.tree.map(np.shape, group) != jax.tree.map(np.shape, spec[name]):
                raise ConfigError(
                    f"config.training.start_from = {source!r}: the group {name!r} has other shapes "
                    "there; take a run with the same data and the same process"
                )
        listed = [f"{name} {'as there' if name in given else 'new'}" for name in spec]
        terminal.say(f"starts from step {step} of {source}: {', '.join(listed)}")
        return given

    def metrics(self) -> dict[str, np.ndarray]:
        """Return the logged metrics: by name an array with a row for each logged step.

        'step' is int64, the others are float64: 'loss' and 'held_out_loss' in nats per dimension.
        Losses under two weightings are not comparable. A metric is NaN at steps where it was not
        computed or not finite.
        """
        return to_columns(read_metrics(self.workdir.metrics))

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of the run, which know which of them are sound."""
        self._checkpoints.run = self.workdir.run
        return self._checkpoints

    @cached_property
    def _checkpoints(self) -> Checkpoints:
        return Checkpoints(self.workdir.checkpoints, retention_of(self.experiment.training))

    def steps(self, which: str = "") -> list[int]:
        """Return steps of checkpoints: '' is the newest, 'all' all, or a list such as '1,2'.

        Raises:
          CheckpointError: there is none, none is sound, one in the list is missing, or the list
            cannot be read.
        """
        return select_checkpoints(self.checkpoints, which)

    def at_steps(
        self, which: str, do: Callable[[int], Done], check: Check = lambda steps: None
    ) -> list[Done]:
        """Call a function at each of ``steps(which)``, while a training may go on meanwhile.

        A checkpoint that the training deletes before its turn is skipped with a note, unless the
        list names it. ``check`` receives the steps first, and raises if they cannot be done.
        """
        return for_each_checkpoint(self.checkpoints, which, do, check)

    def state(self, step: int) -> TrainState:
        """Return the training state of a checkpoint."""
        return self.checkpoints.restore(step, state_spec(self.experiment))

    def params(self, step: int | None = None) -> Any:
        """Return the averaged parameters of a checkpoint by group.

        Those of the step that was asked for last stay in memory.
        """
        return self._params_of(self._step(step))

    @cached_property
    def _params_of(self) -> Callable[[int], Any]:
        return lru_cache(maxsize=1)(lambda step: self.state(step).ema)

    def _step(self, step: int | None) -> int:
        return self.steps()[-1] if step is None else operator.index(step)

    # --- likelihoods --------------------------------------------------------------------------

    def results(self, steps: Iterable[int] | str) -> list[Result]:
        """Return the results of each estimator of the config at each step.

        A result that is in the workdir with the same settings is read; others are computed and
        written.

        Args:
          steps: their numbers, or a choice as in ``at_steps``.
        """

        def at_step(step: int) -> list[Result]:
            # Restored at most once: the checkpoint may be deleted meanwhile.
            params = lru_cache(partial(self.params, step))
            fingerprint = self.checkpoints.fingerprint(step)
            return [run(step, fingerprint, params) for run in self._estimator_runs]

        rows = self.at_steps(steps, at_step) if isinstance(steps, str) else map(at_step, steps)
        return [result for column in zip(*rows, strict=True) for result in column]

    @cached_property
    def _estimator_runs(self) -> list[EstimatorRun]:
        # They are kept, so that further checkpoints do not compile again.
        names = self.experiment.estimators
        return [EstimatorRun(self.workdir, self.experiment, name) for name in names]

    def evaluate(self, steps: Iterable[int] | str) -> list[dict[str, Any]]:
        """Return the summaries of ``results``."""
        return [result.summary for result in self.results(steps)]

    def bits_per_dim(self, step: int | None = None) -> dict[str, Any]:
        """Return the summary of the test set by the first estimator of the config.

        'bits_per_dim' is the mean, 'standard_error' its error, 'interval' the interval of 95 per
        cent, and 'account' says where the bits come from. The files are in
        ``eval/STEP/ESTIMATOR``.
        """
        return self.evaluate([self._step(step)])[0]

    def log_prob(
        self,
        x: np.ndarray,
        step: int | None = None,
        condition: np.ndarray | int | str | None = None,
    ) -> np.ndarray:
        """Return the log probability in nats, shape (n,), of data as stored.

        For data with levels it is ``log P``; for continuous data it is a log density, per unit of
        the data. The first estimator of the config computes it, for datum i with the random numbers
        of test datum i. It is NaN where the solver failed.

        Args:
          x: data as stored.
          step: of the checkpoint.
          condition: a class for all, or a class for each, by its name in ``dataset.classes`` (a
            text) or by its number from 0, as in ``dataset.test_labels``; the random numbers stay
            the same. Without it a class-conditional model gives the likelihood of "no class".

        Raises:
          ConfigError: a class is given, and the model is unconditional or has no such class.
          DataError: x is not like the data.
        """
        x, params = check_data(x, self.experiment.dataset), self.params(step)
        stream = self.experiment.streams["eval"]
        if condition is not None:
            labels, dataset = np.asarray(condition), self.experiment.dataset
            if labels.dtype.kind == "U":
                wanted, places = np.unique(labels, return_inverse=True)
                names = names_of_classes(dataset, dataset.num_classes or 0)
                labels = np.asarray(find_classes(wanted.tolist(), names))[places]
            return conditional_log_prob(self._evaluator, params, x, stream, labels)
        return self._evaluator(params, x, stream).nats

    @cached_property
    def _evaluator(self) -> LikelihoodEvaluator:
        # It is kept, so that further data of a size do not compile again.
        first = next(iter(self.experiment.estimators.values()))
        return likelihood_evaluator(self.experiment, first)

    def bits_per_dim_of(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """Return bits per dimension, shape (n,), of data as stored: ``-log_prob(x)/(d log 2)``.

        The mean over the whole test set is ``bits_per_dim``.
        """
        nats = self.log_prob(x, step)
        return -nats / (math.prod(self.experiment.dataset.shape) * math.log(2))

    def class_log_probs(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """Return ``log p(x | c)`` in nats: a row for each datum as stored, a column for each class.

        All classes use the same random numbers.

        Raises:
          ConfigError: the model is unconditional.
        """
        x, params = check_data(x, self.experiment.dataset), self.params(step)
        return class_log_probs(self._evaluator, params, x, self.experiment.streams["eval"])

    def classify(self, step: int | None = None) -> list[dict[str, Any]]:
        """Return, for each estimator, the accuracy on the test set by the likelihood of classes."""
        step = self._step(step)
        return classify(self.workdir, self.experiment, step, self.params(step))

    def log_density_fn(self, adjoint: str | None = None) -> LogDensity:
        """Return ``f(params, x, key)``, the log density in nats of one point, to differentiate.

        x is a point of the model's space, and the parameters are those of ``params()``. For many
        points, map and compile it::

            f = run.log_density_fn()
            slopes = jax.jit(jax.vmap(jax.grad(f, argnums=1), (None, 0, 0)))(params, xs, keys)

        Args:
          adjoint: how an adaptive solver is differentiated, one of `ode.ADJOINTS`.

        Raises:
          ConfigError: the first estimator of the config has no such density or no such adjoint.
        """
        name, estimator = next(iter(self.experiment.estimators.items()))
        if not isinstance(estimator.likelihood, OneDraw):
            raise ConfigError(
                f"config.likelihood.name = {name!r} has no density of a point of the model's space "
                "to differentiate; take 'ode'"
            )
        try:
            likelihood = differentiable(estimator.likelihood.likelihood, adjoint)
        except ValueError as error:
            raise ConfigError(f"config.likelihood.name = {name!r}: {error}") from error
        # Of a point: a decoder would give the probability of a level.
        model = replace(self.experiment.model.in_float32(), dequantizer=Continuous())
        return log_density_fn(likelihood, model.bind)

    def score(self, x: np.ndarray, t: float | np.ndarray, step: int | None = None) -> np.ndarray:
        """Return the score ``d log p_t(x) / dx``, shape (n, *D), per unit of the model's space.

        It is computed in float32, whatever the network was trained in.

        Args:
          x: points (n, *D) of the model's space at noise level t.
          t: one time for all points, or (n,).
          step: of the checkpoint.

        Raises:
          ConfigError: the process is discrete, and has `logits` instead; it is neural; or a latent
            of each datum chooses its noise levels.
          DataError: x does not have the shape of the data, or a time lies outside [0, t_max].
        """
        self.experiment.require_common_levels("a score at a time")
        if not isinstance(self.experiment.initial_process, GaussianPath):
            of_model = "run.experiment.model.bind(run.params())"
            instead = {
                "masks": "run.logits(x)",
                "level_masks": "run.logits(x, t=t)",
                "replacements": "run.logits(x, t=t)",
                "neural": f"{of_model}.datum(x, t)",
                "chain": f"{of_model}.score(x, t) at the ends of its steps",
            }[self.experiment.process.kind]
            raise ConfigError(
                f"config.sde.name = {self.config.sde.name!r} has no score: use {instead}"
            )
        points = check_points(x, self.experiment.dataset, "points")
        times, t_max = np.asarray(t, np.float32), float(self.experiment.initial_process.t_max)
        if times.shape not in ((), (len(points),)):
            raise DataError(f"times of shape {times.shape} do not fit: one, or {len(points)}")
        if not np.all((times >= 0) & (times <= np.float32(t_max))):
            raise DataError(f"times must lie in [0, {t_max:g}], those of the process")
        times = np.broadcast_to(times, (len(points),))
        return np.asarray(self._score_program(self.params(step), points.astype(np.float32), times))

    def logits(self, x: np.ndarray, step: int | None = None, *, t: float = 1.0) -> np.ndarray:
        """Return ``log p(x_l = v | the other tokens)`` in nats, shape (n, *D, levels).

        Args:
          x: tokens (n, *D) as stored. With masks, the number ``levels`` where one is masked; then
            only the rows of masked positions have a meaning.
          step: of the checkpoint.
          t: the time of the tokens; it has no effect with 'masking' and 'one_position'.

        Raises:
          ConfigError: the process is continuous, and has a `score` instead.
          DataError: x does not have the shape of the data, or holds other numbers; or the time lies
            outside [0, 1].
        """
        levels, process = self.experiment.dataset.levels, self.experiment.process
        if not isinstance(process, Discrete) or levels is None:
            raise ConfigError(
                f"config.sde.name = {self.config.sde.name!r} has no logits: use run.score(x, t)"
            )
        tokens = check_points(x, self.experiment.dataset, "tokens")
        largest = levels if process.kind in ("masks", "level_masks") else levels - 1
        if not np.all((tokens >= 0) & (tokens <= largest) & (tokens == np.round(tokens))):
            masked = ", the mask" * (largest == levels)
            raise DataError(f"tokens must be whole numbers from 0 to {largest}{masked}")
        if not 0 <= t <= 1:
            raise DataError(f"t = {t} must lie in [0, 1]")
        times = np.full(len(tokens), t, np.float32)
        return np.asarray(self._logits_program(self.params(step), tokens.astype(np.int32), times))

    @cached_property
    def _logits_program(self) -> Callable[..., jax.Array]:
        return jax.jit(logits_program(self.experiment, lambda params: params))

    @cached_property
    def _score_program(self) -> Callable[..., jax.Array]:
        return jax.jit(score_program(self.experiment, lambda params: params))

    def export(self, path: str | Path, step: int | None = None) -> Path:
        """Write the score, and ``log_prob`` by the first estimator, to a file that needs JAX only.

        Raises:
          ConfigError: the estimator runs on the host.
        """
        step = self._step(step)
        path = Path(path).expanduser()
        return export_checkpoint(path, self.experiment, self.params(step), step)

    # --- files of the length of a likelihood ----------------------------------------------------

    @cached_property
    def compression(self) -> Compression:
        """Compresses and decompresses with the parameters of any checkpoint.

        Raises:
          UserError: the package of the coders is not installed.
        """
        return Compression(self.experiment)

    def compress(self, x: np.ndarray, step: int | None = None) -> bytes:
        """Return a compressed file of data as stored; ``compression`` also says where its bits are.

        Raises:
          ConfigError: the model has no code, or has one with another estimator.
          DataError: x is not like the data.
          UserError: the package of the coders is not installed.
        """
        x, step = check_data(x, self.experiment.dataset), self._step(step)
        return self.compression.compress(self.params(step), step, x).data

    def decompress(self, data: bytes) -> np.ndarray:
        """Return the data (n, *D), as stored, of a compressed file.

        Raises:
          CodeError: it is damaged, and its attributes have what is left; or it does not fit this
            run or this machine.
          UserError: the package of the coders is not installed.
        """
        return self.compression.decompress(self.params, data)

    # --- samples, latents, the classifier of noisy data ---------------------------------------

    @cached_property
    def samples(self) -> SampleRun:
        """Draws samples with the parameters of any checkpoint."""
        return SampleRun(self.workdir, self.experiment, self.classifier)

    def sample(
        self, key: jax.Array | None, n: int, step: int | None = None, *, log_prob: bool = False
    ) -> Samples:
        """Return ``n`` samples in the units of the data: ``x`` (n, *D), with ``nfe`` and ``ok``.

        The same key gives the same samples, and a smaller n gives the first of them. The key of
        ``--mode=sample`` is used for None. Samples have the classes of ``config.sampling.classes``
        in turn, and the known part of the first test data if ``config.sampling.task`` says so. With
        ``log_prob`` a sampler of the flow also returns their log densities in nats, ``log_prob``
        (n,), as with ``config.sampling.log_prob``; see `Samples`.

        Raises:
          CheckpointError: there is no such checkpoint, or a guidance needs a classifier and there
            is none.
          ConfigError: ``log_prob`` is asked for, and the sampler has no densities.
          DataError: test data are needed, and are not available; or the memory cannot hold n
            samples.
          TypeError: the key is no key of JAX.
          ValueError: n is below 1.
        """
        return self.samples.draw(self.params(step), key, n, log_prob=log_prob)

    def save_samples(self, step: int) -> Path:
        """Draw ``config.sampling.num_samples`` samples and write them; return their folder."""
        return self.samples.save(step, self.params(step))

    @cached_property
    def encodings(self) -> EncodingRun:
        """Encodes and decodes with the parameters of any checkpoint."""
        return EncodingRun(self.workdir, self.experiment)

    def encode(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """Return latents (n, *D) of data as stored: points of the prior, by the probability flow.

        Datum i is dequantized with the random numbers of test datum i. A solver that fails leaves a
        row that is not finite or not at its end; ``encodings`` says which.

        Raises:
          DataError: x is not like the data.
        """
        x = check_data(x, self.experiment.dataset)
        return self.encodings.encode(self.params(step), x).end

    def decode(self, z: np.ndarray, step: int | None = None) -> np.ndarray:
        """Return data (n, *D) in their own units from latents: the inverse of ``encode``.

        Raises:
          DataError: z does not have the shape of the data.
        """
        z = check_points(z, self.experiment.dataset, "latents")
        params = self.params(step)
        return self.encodings.to_data(params, self.encodings.decode(params, z).end)

    def save_encodings(self, step: int) -> Path:
        """Encode the first test data, decode them, and write both; return their folder."""
        return self.encodings.save(step, self.params(step))

    @cached_property
    def classifier(self) -> ClassifierRun:
        """The classifier of noisy data in the folder of this run; ``classifier.train()``."""
        root = self.workdir.own("classifier")
        workdir = Workdir(root, f"delete {root}, or use its settings")
        return ClassifierRun(workdir, self.config.to_dict(), self.experiment, known_defaults())


def load_workdir_config(workdir: Workdir) -> ConfigDict:
    """Return the configuration that a workdir was made with.

    Raises:
      WorkdirError: the folder is no workdir.
    """
    if not workdir.exists():
        raise WorkdirError(f"{workdir.root} is not a workdir: it has no config.json")
    return load_saved_config(workdir.config)


def known_defaults() -> dict[str, Any]:
    """Return what to take for a key of the identity that is younger than a workdir."""
    return defaults() | {_CLASSES: UNKNOWN}


def _load_at_first_use(workdir: Workdir, config: ConfigDict) -> Dataset:
    """Return the data of a workdir, loaded when an example is used if their shape is known."""
    spec = dataset_spec(config, workdir)
    fingerprint = workdir.identity.get("data.fingerprint", UNKNOWN)
    if spec is None or fingerprint == UNKNOWN:
        return load_data_or_shape(config, workdir)
    return LazyDataset(replace(spec, fingerprint=fingerprint), lambda: load_dataset(config))


def to_columns(records: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return an array for each name, with a row for each record: 'step' int64, others float64.

    A row is NaN where the record has no value of that name, or one that is not finite.
    """
    names = dict.fromkeys(name for record in records for name in record if name != "step")
    steps = np.array([record["step"] for record in records], np.int64)
    # Files store None for a value that is not finite; NumPy makes NaN of it.
    return {"step": steps} | {
        name: np.array([record.get(name) for record in records], np.float64) for name in names
    }
