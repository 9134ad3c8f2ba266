"""Train a score model, evaluate its bits per dimension, draw samples, show what theory claims.

python main.py --config=configs/digits.py --workdir=runs/digits --mode=train
python main.py --workdir=runs/digits --mode=eval --config.eval.estimators=ode,bound
python main.py --workdir=runs/digits --mode=compare --steps=1000,2000
python main.py --workdir=runs/digits --mode=sample --config.sampling.num_samples=100
python main.py --workdir=runs/digits --mode=quality --config.quality.num_samples=297
python main.py --workdir=runs/cifar10 --mode=import --source=checkpoint_26
python main.py --config=configs/toy/manifold.py --workdir=runs/manifold --mode=study
"""

import sys

from absl import app, flags
from ml_collections import ConfigDict

import command_line

GOES_ON = {
    "train": "the same command goes on from the newest checkpoint",
    "eval": "finished batches are kept, and the same command goes on from them",
    "compare": "finished batches are kept, and the same command goes on from them",
    "classifier": "the same command goes on from the newest checkpoint",
    "classify": "finished batches are kept, and the same command goes on from them",
    "encode": "the same command begins again",
    "sample": "the same command draws the samples again",
    "quality": "samples and features that are finished are kept, and the same command goes on",
    "import": "the same command reads it again",
    "study": "the same command goes on from what has been trained",
}


def parse(argv: list[str]) -> list[str]:
    """Reads the flags."""
    return command_line.parse(argv, _experiments_of)


def _experiments_of(source: str, configs: dict[str, ConfigDict]) -> list[str]:
    from run.published import experiments_of  # builds networks: not for reading flags alone

    return experiments_of(source, configs)


def main(argv: list[str]) -> None:
    """Runs the mode that was asked for."""
    if len(argv) > 1:
        command_line.fail(f"{argv[1]!r} is not a flag; flags begin with --")
    from verbs import USER_ERRORS, Hosts, run_verb

    options = flags.FLAGS
    try:
        run_verb(
            options.mode,
            workdir=options.workdir,
            config=command_line.CONFIG.value,
            steps=options.steps,
            against=options.against,
            source=options.source,
            hosts=Hosts(options.distributed, options.coordinator, options.num_hosts, options.host),
            overridden=command_line.overridden(sys.argv[1:]),
        )
    except USER_ERRORS as error:
        command_line.fail(str(error) or type(error).__name__)
    except KeyboardInterrupt:
        print(f"interrupted; {GOES_ON[options.mode]}", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
