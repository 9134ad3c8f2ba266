"""What is here, and what can be typed."""

from gradlog.cli.guide.completion import script
from gradlog.cli.guide.experiments import show_experiments
from gradlog.cli.verbs.options import Options


def configs(options: Options) -> None:
    """Lists the experiments."""
    del options
    show_experiments()


def completion(options: Options) -> None:
    """Prints a script that completes command lines in bash and zsh."""
    del options
    print(script(), end="")
