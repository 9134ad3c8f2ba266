"""What a study asks of a configuration, before it trains."""

from gradlog.experiment.reader import ConfigError
from gradlog.models import Energy
from gradlog.run import RunDirectory


def need(holds: bool, what: str) -> None:
    """Raises ConfigError, with the keys and values that the study needs, unless it holds."""
    if not holds:
        raise ConfigError(f"this study needs {what}")


def need_energy(run: RunDirectory) -> None:
    """Raises ConfigError if the model has no density to read off."""
    parametrization = run.experiment.model.parametrization
    need(isinstance(parametrization, Energy), "config.model.parametrization = 'energy'")
