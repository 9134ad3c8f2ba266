"""What is here, and what can be typed."""

from guide.completion import script
from guide.experiments import show_experiments
from verbs.options import Options


def configs(options: Options) -> None:
    """Lists the experiments."""
    del options
    show_experiments()


def completion(options: Options) -> None:
    """Prints a script that completes command lines in bash and zsh."""
    del options
    print(script(), end="")
