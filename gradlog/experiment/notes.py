"""Notes on a valid configuration: what a reader of its numbers should know."""

from collections.abc import Collection

from gradlog.distributions import Empirical
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.likelihood_parts import Estimator
from gradlog.losses import ExplicitScoreMatching, GaussianKernel, Ladder
from gradlog.models import Decoder, Dequantizer, LadderIndex
from gradlog.sampling import (
    AnnealedLangevin,
    ConfidenceOrder,
    PredictorCorrector,
    Unmasking,
)

# What training sees under each ``objective.dequantization`` of data with levels.
_TRAINED_ON = {
    "centers": "the centers of their levels",
    "scaled": "levels as they are, scaled",
    "uniform": "uniformly dequantized data",
    "variational": "variationally dequantized data",
}
_SAMPLING = ("sampler", "encoding")  # parts that use ``config.sampling.eps``
MANY_STEPS = 100  # samplers of a higher order need no more


def notes(experiment: Experiment, overridden: Collection[str] = ()) -> list[str]:
    """Return the notes on an experiment, one sentence each.

    Args:
      experiment: with its data; the parts that were built are those that are used.
      overridden: dotted keys that were set on the command line.
    """
    config, found = experiment.config, unread_overrides(experiment, overridden)
    built = experiment.keys_of_parts.keys()  # there are no notes on parts that nothing uses
    estimators = experiment.estimators if "estimators" in built else {}
    sampler = experiment.sampler if "sampler" in built else None

    without_eps = experiment.process.kind != "gaussian"
    trained = config.objective.eps
    used = {"likelihood": bool(estimators), "sampling": not built.isdisjoint(_SAMPLING)}
    for section in (name for name, is_used in used.items() if is_used and not without_eps):
        if config[section].eps < trained:
            found.append(
                f"config.{section}.eps = {config[section].eps} lies below config.objective.eps = "
                f"{trained}: the network has not been trained there"
            )
    if estimators and not without_eps and config.likelihood.eps > trained:
        found.append(
            f"config.likelihood.eps = {config.likelihood.eps} lies above config.objective.eps = "
            f"{trained}: what the network learned below it does not enter the likelihood"
        )

    if experiment.dataset.num_classes and not config.model.num_classes and config.data.read_labels:
        found.append(
            f"config.model.num_classes = 0: the {experiment.dataset.num_classes} classes of "
            f"{experiment.dataset.name} are read and not used by the model"
        )

    unused = {"optimizer.frozen"}.difference(experiment.keys_read, overridden)
    if config.optimizer.frozen and unused and "build_group" in built:
        found.append(
            f"config.optimizer.frozen = {config.optimizer.frozen} freezes nothing: the model has "
            "no group of parameters but 'network'"
        )

    label = experiment.model.noise_label
    if isinstance(label, LadderIndex):
        if not isinstance(getattr(experiment.objective, "proposal", None), Ladder):
            found.append(
                "config.model.label = 'ladder', but config.objective.levels is not: the network "
                "sees the index of the nearest level, not the noise level itself"
            )
        known = (label.num_scales, label.eps)
        if isinstance(sampler, AnnealedLangevin) and (sampler.num_scales, sampler.eps) != known:
            found.append(
                f"the sampler's ladder of {sampler.num_scales} levels down to eps = {sampler.eps} "
                f"is not the network's, of {known[0]} down to {known[1]}: set "
                "config.sampling.num_scales = 0 and config.sampling.eps = config.objective.eps"
            )

    integrand = getattr(experiment.objective, "integrand", None)
    if isinstance(integrand, ExplicitScoreMatching) and isinstance(
        integrand.distribution, Empirical
    ):
        found.append(
            "config.objective.name = 'esm': the score is that of the training set itself, and a "
            "held-out loss is the distance to it at held-out data: it grows as the model learns "
            "the data by heart, and says nothing of the likelihood"
        )

    kernel = getattr(integrand, "kernel", GaussianKernel())
    if not isinstance(kernel, GaussianKernel):
        found.append(
            f"config.objective.kernel = {config.objective.kernel!r}: the network learns the score "
            "of data with this noise. Langevin dynamics samples their law at one level; "
            "likelihoods and the other samplers take the noise to be Gaussian"
        )

    found += [
        f"{name}: {_evaluated_on(estimator)}, but the network was trained on "
        f"{_TRAINED_ON[config.objective.dequantization]}"
        for name, estimator in estimators.items()
        if _points(estimator.dequantizer) != _points(experiment.model.dequantizer)
    ]

    if isinstance(sampler, Unmasking):
        tools = [
            f"config.sampling.{name}"
            for name in ("temperature", "top_p")
            if config.sampling[name] != 1
        ]
        tools += ["config.sampling.name = 'confidence'"] * isinstance(sampler, ConfidenceOrder)
        if tools:
            found.append(
                f"{' and '.join(tools)}: the samples do not have the law of the model, whose bits "
                "are evaluated"
            )

        if sampler.frames and len(experiment.dataset.shape) != 3:
            found.append("config.sampling.frames: only samples of images become an animation")

    steps = config.sampling.num_steps
    other_sampler = "sampling.name" in overridden and "sampling.num_steps" not in overridden
    of_low_order = isinstance(sampler, PredictorCorrector) or without_eps
    on_grid = not of_low_order and hasattr(sampler, "num_steps")
    if other_sampler and on_grid and steps > MANY_STEPS:
        found.append(
            f"config.sampling.name = {config.sampling.name!r} takes config.sampling.num_steps = "
            f"{steps} steps as the config file says; this sampler needs fewer, such as 20 to 50"
        )
    return found


def unread_overrides(experiment: Experiment, overridden: Collection[str]) -> list[str]:
    """Return a note for each key of the command line that no built part reads."""
    return [not_read(key) for key in overridden if key not in experiment.keys_read]


def not_read(key: str) -> str:
    """Return the note on a dotted key that has no effect."""
    return f"config.{key} is not read by this command; it changes nothing"


def _evaluated_on(estimator: Estimator) -> str:
    key = "likelihood.dequantization"
    if key in estimator.settings:
        return f"config.{key} = {estimator.settings[key]!r}"
    return f"it takes {_TRAINED_ON['centers']}"


def _points(dequantizer: Dequantizer) -> Dequantizer:
    """Return the map to the points that a network sees: a decoder's are centers."""
    return dequantizer.as_centers() if isinstance(dequantizer, Decoder) else dequantizer
