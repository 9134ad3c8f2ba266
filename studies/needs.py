"""What a study asks of a configuration, before it trains."""

from models import Energy
from run import RunDirectory
from wiring.reader import ConfigError


def need(holds: bool, what: str) -> None:
    """Raises ConfigError, with the keys and values that the study needs, unless it holds."""
    if not holds:
        raise ConfigError(f"this study needs {what}")


def need_energy(run: RunDirectory) -> None:
    """Raises ConfigError if the model has no density to read off."""
    parametrisation = run.experiment.model.parametrisation
    need(isinstance(parametrisation, Energy), "config.model.parametrisation = 'energy'")
