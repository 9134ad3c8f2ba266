"""Bits per dimension of the test set by one estimator: computed, summarized, written and read.

The folder of a result holds ``settings.json``, all that the numbers depend on; ``per_image.npz``,
the numbers of each image; and ``bits_per_dim.json``, the summary. The summary is written last.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict
from jaxtyping import Bool, Float

from gradlog import terminal
from gradlog.aliases import modern_result, modern_settings
from gradlog.data.dataset import BITS_PER_DIM
from gradlog.distributed import exists_on_hosts, gather, is_writer
from gradlog.evaluation.batch_cache import DAMAGED, PARTIAL, BatchCache
from gradlog.evaluation.likelihood import Evaluation, evaluated_source, likelihood_evaluator
from gradlog.evaluation.uncertainty import (
    DEQUANTIZATION,
    NOISE_AT_EPS,
    changed_fields,
    convergence,
    count_of,
    error_split,
    mean,
)
from gradlog.experiment.experiment import Estimator, Experiment
from gradlog.likelihood import Noised, Part, tightened
from gradlog.models import Continuous, Decoder, Tokens
from gradlog.storage import (
    Workdir,
    WorkdirError,
    digest_params,
    is_damage,
    list_versions,
    read_json,
    read_sealed,
    replace_nonfinite,
    write_json,
    write_npz,
    write_sealed,
)
from gradlog.training.workdir_training import lock_workdir

RESULT = "bits_per_dim.json"
PER_IMAGE = "per_image.npz"
SETTINGS = "settings.json"
NO_CLASS = "no class"  # as in the part of training that `objective.class_dropout` says
# Settings that results of several steps need not share: the device count changes only the cost.
_OF_ONE_STEP = ("parameters", "devices")


@dataclass(frozen=True)
class Result:
    """A finished result.

    Attributes:
      summary: the contents of ``bits_per_dim.json``.
      per_image: the arrays of ``per_image.npz`` by name, in data-set order.
      folder: where the files are.
    """

    summary: dict[str, Any]
    per_image: dict[str, np.ndarray]
    folder: Path = Path()

    @property
    def bits_per_dim(self) -> Float[np.ndarray, " n"]:
        """Return the bits per dimension of each image."""
        return self.per_image["bits_per_dim"]

    @property
    def unit(self) -> str:
        """Return what these bits are called; results of earlier versions have no own unit."""
        return self.summary.get("unit", BITS_PER_DIM)

    @property
    def ok(self) -> Bool[np.ndarray, " n"]:
        """Return which images have a solver that succeeded and a finite result."""
        return self.per_image["ok"]


class EstimatorRun:
    """Evaluates one estimator of an experiment on the test set, for the parameters of any step.

    A result with the same settings is read, not computed again. An interrupted one resumes from its
    finished batches. A result with other settings stays, and the new one is put beside it.
    """

    def __init__(self, workdir: Workdir, experiment: Experiment, name: str):
        self._workdir, self._experiment, self._name = workdir, experiment, name
        self._estimator: Estimator = experiment.estimators[name]
        self._evaluator = likelihood_evaluator(experiment, self._estimator)

    def __call__(self, step: int, fingerprint: str, params: Callable[[], Any]) -> Result:
        """Return the result for the parameters of a step.

        Args:
          step: of the checkpoint.
          fingerprint: of the checkpoint.
          params: returns the parameters. It is not called if the result exists.
        """
        experiment = self._experiment
        parameters = self._known_digest(step, fingerprint) or digest_params(params())
        chosen = {f"eval.{name}": value for name, value in vars(experiment.eval).items()}
        settings = result_settings(experiment, self._estimator, parameters) | chosen
        folder = self._workdir.result("eval", step, self._name, settings=settings)
        compute = lambda: self.evaluate(step, fingerprint, params(), settings, folder)  # noqa: E731
        return finish_once(folder / RESULT, "evaluated", load_result, compute)

    def _known_digest(self, step: int, fingerprint: str) -> str | None:
        """Return the digest of the parameters of a checkpoint, as an earlier result has it."""
        for path in self._workdir.root.glob(f"eval/{step}/*/{RESULT}"):
            with contextlib.suppress(*DAMAGED):
                if read_sealed(path, (PER_IMAGE, SETTINGS)).get("checkpoint") == fingerprint:
                    return read_json(path.with_name(SETTINGS))["parameters"]
        return None

    def evaluate(
        self, step: int, fingerprint: str, params: Any, settings: dict[str, Any], folder: Path
    ) -> Result:
        """Evaluate parameters and write the result to a folder."""
        if is_writer():
            write_json(folder / SETTINGS, settings)  # this claims the folder for these settings
        cache = BatchCache.open(folder, settings)
        evaluator, likelihood = self._evaluator, self._estimator.likelihood
        data, test = evaluated_source(self._experiment), self._experiment.dataset.test
        title = f"{self._name} at step {step}"
        stream = self._experiment.streams["eval"]

        def pass_over(evaluator, source, title, cache, look=0) -> Evaluation:
            with terminal.progress(title, 0, len(source)) as update:
                say = lambda done: update(done, "images")  # noqa: E731
                return evaluator(params, source, stream, say, cache=cache, look=look, plan=plan)

        pilot = self._pilot(params, cache)
        plan = pilot.get("plan")
        evaluation = pass_over(evaluator, data, title, cache)
        if uncertain := int(np.sum(evaluation.values["refine"])):
            terminal.say(
                f"warning: the paths of {uncertain} images stay less certain than "
                "config.likelihood.tolerance; see `discretization` in per_image.npz"
            )

        second, count = None, min(self._experiment.eval.second_look, len(data))
        if count and self._has_unreported_draws(evaluation):
            source, within = test[np.arange(count)], cache.within("second_look")
            second = pass_over(evaluator, source, f"{title}, second look", within, look=1)

        change, count = None, min(self._experiment.eval.convergence_images, len(data))
        tighter = tightened(likelihood)
        if count and tighter is None:
            terminal.say(f"note: {self._name} has no tolerances: its convergence is not measured")
        elif count:
            again = pass_over(
                replace(evaluator, likelihood=tighter),
                test[np.arange(count)],
                f"{title}, tightened",
                cache.within("tightened"),
            )
            change = convergence(evaluation, again, changed_fields(likelihood, tighter))

        about = {
            "estimator": self._name,
            "condition": NO_CLASS if self._evaluator.model.num_classes else None,
            "eps": self._eps(settings),
            "step": step,
            "checkpoint": fingerprint,
            "data_fingerprint": self._experiment.dataset.fingerprint,
            "unit": self._experiment.dataset.unit,
            "test_set_size": len(test),
            "versions": list_versions(),
        }
        summary = summarize(evaluation, about, self._drawn, second, change, pilot)
        if is_writer():
            save_result(folder, evaluation, summary)
            cache.discard()
            if summary["failed"]:
                listed = f"{folder / RESULT} lists them"
                terminal.say(f"warning: the mean is over {summary['mean_over']}; {listed}")
            terminal.say(f"wrote {folder}")
        return Result(summary, per_image_arrays(evaluation), folder)

    def _pilot(self, params: Any, cache: BatchCache) -> dict[str, Any]:
        """Return the plan of host 0, with its costs; see `LikelihoodEvaluator.pilot`.

        It is kept beside the finished batches, so that an interrupted evaluation goes on by it.
        """
        found, kept, place = {}, cache.within("pilot"), np.arange(1)
        if is_writer():
            found = kept.load(place) or self._evaluator.pilot(
                params, self._experiment.dataset.shape
            )
            if found:
                kept.save(place, found)
        return gather(found)[0]

    def _eps(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the smallest noise levels; nothing for tokens, which have none."""
        if "likelihood.eps" not in settings:
            return {}
        return {
            "evaluated": settings["likelihood.eps"],
            "trained": self._experiment.config.objective.eps,
            "start": settings.get("likelihood.start", "noised"),  # as every bound starts
        }

    def _has_unreported_draws(self, evaluation: Evaluation) -> bool:
        """Return whether something is drawn whose error the estimator does not report."""
        errors = [error[evaluation.good] for error in evaluation.errors.values()]
        return bool(self._drawn) or any(np.isnan(error).any() for error in errors)

    @property
    def _drawn(self) -> tuple[str, ...]:
        """Return the draws that place a datum. A bound reports its noise at eps with its times."""
        inner = getattr(self._estimator.likelihood, "likelihood", None)
        noised = isinstance(getattr(inner, "start", None), Noised)
        dequantized = not isinstance(self._estimator.dequantizer, Continuous | Tokens | Decoder)
        return (DEQUANTIZATION,) * dequantized + (NOISE_AT_EPS,) * noised


def result_settings(
    experiment: Experiment, estimator: Estimator, parameters: str
) -> dict[str, Any]:
    """Return what the numbers of an estimator depend on, beside the choice of images."""
    return {
        **estimator.settings,
        "seed": experiment.seed,
        "data.fingerprint": experiment.dataset.fingerprint,
        "parameters": parameters,
        "devices": jax.local_device_count(),
    }


def finish_once(
    path: Path, done: str, load: Callable[[Path], Any], compute: Callable[[], Any]
) -> Any:
    """Return the finished result of a folder, or compute it while no other process does.

    The file at the path is written last, and tells that the rest has been ``done``.
    """

    def known() -> Any:
        if not exists_on_hosts(path):
            return None
        terminal.say(f"already {done}: {path.parent}")
        BatchCache(path.parent / PARTIAL).discard()  # of a process that was killed before it could
        return load(path.parent)

    if found := known():
        return found
    with lock_workdir(path.parent):  # another process may have finished meanwhile
        return known() or compute()


def summarize(
    evaluation: Evaluation,
    about: dict[str, Any],
    drawn: Sequence[str] = (DEQUANTIZATION,),
    second: Evaluation | None = None,
    convergence: dict[str, Any] | None = None,
    pilot: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the contents of ``bits_per_dim.json``.

    Means are over the images whose solver succeeded. ``num_images`` counts them, ``failed`` lists
    the others, and ``mean_over`` says both in words. ``standard_error`` is that of the mean over
    images, in bits/dim, and ``interval`` is Student's. ``estimator_standard_error`` is the part of
    it from the estimator's own random draws: probes, or the times of a bound. It holds for a fixed
    place of each datum (its dequantization and its noise at eps), and is null where one draw an
    image gives no estimate. ``error_split`` has all parts. ``discretization`` is the change by the
    last refinement of the nodes. ``plan`` is the number of colors at each node, from the data to
    t_max, of an estimator that plans it, empty for an exact trace at all; ``pilot`` is what the
    plan cost: the numbers of evaluations and the seconds include its share. Without a good image
    there are no numbers.

    Args:
      evaluation: of every image.
      about: what a reader needs to compute it again, by the names in the file: estimator, step and
        checkpoint; the data's fingerprint, size and 'unit' of bits; 'eps', the smallest noise
        levels 'evaluated' and 'trained', and 'start', how a datum gets there; the 'condition' that
        a class-conditional model is evaluated under; versions of packages.
      drawn: the draws that place a datum, see `uncertainty.error_split`.
      second: a second look at the first images, for the split; it does not enter the mean.
      convergence: the change under tighter numerics; None if it was not measured.
      pilot: the plan and its costs, as `LikelihoodEvaluator.pilot` returns them.
    """
    good, account = evaluation.good, evaluation.account
    of_good = lambda nats: account.to_bits_per_dim(nats[good])  # noqa: E731
    total = mean(account.bits_per_dim[good])
    own_noise = of_good(evaluation.standard_error)
    refinement = mean(of_good(evaluation.values["discretization"]))
    terms = account.terms.items() if good.any() else ()
    nfe, jvps = evaluation.values["nfe"], evaluation.values["jvps"]
    costs = {name: float(cost) for name, cost in (pilot or {}).items() if name != "plan"}
    share = {name: costs.get(name, 0.0) / len(nfe) for name in ("nfe", "jvps")}
    summary = {
        "bits_per_dim": total.value,
        "standard_error": total.standard_error,
        "interval": total.interval,
        "estimator_standard_error": float(np.sqrt(np.sum(own_noise**2)) / len(own_noise))
        if len(own_noise)
        else math.nan,
        "error_split": error_split(evaluation, second, drawn),
        "second_look": 0 if second is None else len(second.good),
        "nats_per_dim": total.value * math.log(2),
        "num_images": int(good.sum()),
        "failed": np.flatnonzero(~good).tolist(),
        "mean_over": count_of(int(good.sum()), int((~good).sum())),
        "discretization": None
        if math.isnan(refinement.value)
        else {
            "bits_per_dim": refinement.value,
            "standard_error": refinement.standard_error,
        },
        "convergence": convergence,
        "nfe": float(np.mean(nfe)) + share["nfe"],
        "nfe_max": int(np.max(nfe)),
        "forward_evaluations": float(np.mean(nfe)) + share["nfe"],
        "jvp_evaluations": float(np.mean(jvps)) + share["jvps"],
        "plan": None if evaluation.plan is None else evaluation.plan.tolist(),
        "pilot": costs or None,
        "seconds": evaluation.seconds + costs.get("seconds", 0.0),
        "compile_seconds": evaluation.compile_seconds + costs.get("compile_seconds", 0.0),
        "account": [
            {
                "term": str(part),
                "meaning": part.meaning,
                "bits_per_dim": mean(of_good(nats)).value,
                "nats": mean(nats[good]).value,
                "standard_error": mean(of_good(nats)).standard_error,
            }
            for part, nats in terms
        ],
        **about,
    }
    return replace_nonfinite(summary)


def per_image_arrays(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Return the arrays of ``per_image.npz``, in data-set order.

    'bits_per_dim', and 'standard_error' in bits/dim by all random draws of the estimator, also by
    source: 'standard_error_probes'. 'ok'. The terms of the account in nats: 'nats_prior'. Every
    other number of the estimator has its own name and unit: 'nfe', 'jvps', 'freedom' (degrees of
    freedom of the standard error), 'discretization' in nats. Errors hold for a fixed place of the
    datum, as one draw of its dequantization and of the noise at eps gives it.
    """
    account = evaluation.account
    to_error = lambda nats: np.abs(account.to_bits_per_dim(nats))  # noqa: E731
    named = ("parts", "errors", "ok")
    others = {k: v for k, v in evaluation.values.items() if k not in named}
    flat: Any = flatten_dict(others, sep="_")
    return {
        "bits_per_dim": account.bits_per_dim,
        "standard_error": to_error(evaluation.standard_error),
        **{f"standard_error_{name}": to_error(nats) for name, nats in evaluation.errors.items()},
        "ok": evaluation.good,
        **{f"nats_{name}": term for name, term in account.terms.items()},
        **flat,
    }


def save_result(folder: Path, evaluation: Evaluation, summary: dict[str, Any]) -> None:
    """Write a result beside its settings; ``bits_per_dim.json`` comes last and seals the others."""
    write_npz(folder / PER_IMAGE, per_image_arrays(evaluation))
    write_sealed(folder / RESULT, summary, [PER_IMAGE, SETTINGS])


def load_result(folder: Path) -> Result | None:
    """Load a finished result, also one of version 0.1; return None if there is none.

    Raises:
      WorkdirError: the result is damaged.
    """
    if not (folder / RESULT).exists():
        return None
    with reading_result(folder, "eval"):
        summary = modern_result(read_sealed(folder / RESULT, (PER_IMAGE, SETTINGS)))
        for line in summary.get("account", ()):
            if "meaning" not in line:  # version 0.1 did not write it
                line["meaning"] = _meaning(line["term"])
        with np.load(folder / PER_IMAGE) as arrays:
            return Result(summary, modern_result(dict(arrays)), folder)


def _meaning(term: str) -> str:
    """Return the meaning of a term; it is empty for a term of an estimator that is not imported."""
    try:
        return Part.named(term).meaning
    except KeyError:
        return ""


def common_settings(folder: Path) -> dict[str, Any]:
    """Return the settings, by dotted key, that results of several steps share to be comparable.

    Raises:
      DamagedFileError: they cannot be read.
    """
    found = modern_settings(read_json(folder / SETTINGS))
    return {name: value for name, value in found.items() if name not in _OF_ONE_STEP}


@contextlib.contextmanager
def reading_result(folder: Path, mode: str) -> Iterator[None]:
    """Raise WorkdirError, which names the folder, if a finished result in it is damaged.

    An OSError that is no damage passes through.

    Args:
      folder: of the result.
      mode: the mode of the command line that computes the result again.
    """
    try:
        yield
    except DAMAGED as error:
        if isinstance(error, OSError) and not is_damage(error):
            raise
        raise WorkdirError(
            f"the result in {folder} is damaged ({str(error) or type(error).__name__}); move that "
            f"folder elsewhere, and --mode={mode} computes it again"
        ) from error
