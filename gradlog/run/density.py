"""The log density of an experiment's model as a function to be differentiated."""

from gradlog.experiment.experiment import Experiment
from gradlog.experiment.reader import ConfigError
from gradlog.likelihood import LogDensity, OneDraw, differentiable, log_density_fn


def log_density_of(experiment: Experiment, adjoint: str | None) -> LogDensity:
    """By the first estimator of the config, in the model's space; see ``likelihood/density.py``.

    Raises:
      ConfigError: the estimator is of stored data only, runs on the host, or has no such adjoint.
    """
    name, estimator = next(iter(experiment.estimators.items()))
    stored, sde = estimator.likelihood, experiment.sde
    if not isinstance(stored, OneDraw):
        raise ConfigError(
            f"config.likelihood.name = {name!r} has no density of a point of the model's space to "
            "differentiate; take 'ode'"
        )
    try:
        likelihood = differentiable(stored.likelihood, adjoint)
    except ValueError as error:
        raise ConfigError(f"config.likelihood.name = {name!r}: {error}") from error
    model = experiment.model.in_float32()
    return log_density_fn(likelihood, sde, lambda params: model.score_fn(sde, params))
