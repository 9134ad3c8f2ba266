"""What the command line can do, in words: read before anything heavy is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# What a mode reads before it begins.
RUN = "run"  # the workdir, with its configuration
WORKDIR = "workdir"  # the workdir alone
NOTHING = "nothing"
_BATCHES = "finished batches are kept, and the same command goes on from them"


@dataclass(frozen=True)
class Mode:
    """One of ``--mode``.

    Attributes:
      verb: the function that does it, given ``verbs.Options``: 'package.module:name'.
      summary: what it does, for ``--help``.
      example: a command line of it, without ``python main.py``.
      goes_on: what the same command does after an interruption.
      reads: RUN, WORKDIR or NOTHING.
      several_hosts: whether hosts can do it together.
      computes: whether it needs the devices; else they are left to other processes.
      sections: of the configuration, which a user of this mode may want to change.
    """

    verb: str
    summary: str
    example: str
    goes_on: str
    reads: str = RUN
    several_hosts: bool = True
    computes: bool = True
    sections: tuple[str, ...] = ()


MODES: Mapping[str, Mode] = MappingProxyType(
    {
        "train": Mode(
            "gradlog.cli.verbs.training:train",
            "trains, from where the workdir is",
            "--config=configs/digits.py --workdir=runs/digits --mode=train",
            "the same command goes on from the newest checkpoint",
            sections=("data", "sde", "model", "objective", "optimizer", "training"),
        ),
        "eval": Mode(
            "gradlog.cli.verbs.likelihoods:evaluate",
            "bits per dimension of checkpoints on the test set, with their account and error",
            "--workdir=runs/digits --mode=eval --config.eval.estimators=ode,bound",
            _BATCHES,
            sections=("eval", "likelihood"),
        ),
        "compare": Mode(
            "gradlog.cli.verbs.likelihoods:compare",
            "differences in bits, image by image, of checkpoints or of two runs",
            "--workdir=runs/digits --mode=compare --steps=1000,2000",
            _BATCHES,
            sections=("eval", "likelihood"),
        ),
        "classify": Mode(
            "gradlog.cli.verbs.likelihoods:classify",
            "the class of each test image, by the likelihoods of all classes",
            "--workdir=runs/classes --mode=classify",
            _BATCHES,
            sections=("eval", "likelihood"),
        ),
        "classifier": Mode(
            "gradlog.cli.verbs.training:classifier",
            "trains a classifier of noisy data in the workdir, for guidance and features",
            "--workdir=runs/digits --mode=classifier",
            "the same command goes on from the newest checkpoint",
            sections=("classifier",),
        ),
        "sample": Mode(
            "gradlog.cli.verbs.samples:sample",
            "samples of checkpoints, as arrays and as a picture",
            "--workdir=runs/digits --mode=sample --config.sampling.num_samples=100",
            "the same command draws the samples again",
            sections=("sampling",),
        ),
        "quality": Mode(
            "gradlog.cli.verbs.samples:quality",
            "FID, KID, precision and recall of samples beside the data",
            "--workdir=runs/digits --mode=quality --config.quality.num_samples=297",
            "samples and features that are finished are kept, and the same command goes on",
            sections=("quality", "sampling"),
        ),
        "import": Mode(
            "gradlog.cli.verbs.workdirs:import_checkpoint",
            "makes a checkpoint of score_sde or score_flow into a workdir",
            "--workdir=runs/cifar10 --mode=import --source=checkpoint_26",
            "the same command reads it again",
            several_hosts=False,
        ),
        "encode": Mode(
            "gradlog.cli.verbs.samples:encode",
            "latents of test data by the probability flow, and their reconstructions",
            "--workdir=runs/digits --mode=encode",
            "the same command begins again",
            sections=("sampling",),
        ),
        "export": Mode(
            "gradlog.cli.verbs.exporting:export",
            "a file of the score and the log density for JAX alone, without this repository",
            "--workdir=runs/digits --mode=export",
            "the same command writes the file again",
            several_hosts=False,
            sections=("likelihood",),
        ),
        "study": Mode(
            "gradlog.cli.verbs.studies:study",
            "pictures of what theory claims, trained for if need be",
            "--config=configs/toy/manifold.py --workdir=runs/manifold --mode=study",
            "the same command goes on from what has been trained",
            sections=("study",),
        ),
        "sweep": Mode(
            "gradlog.cli.verbs.sweeping:sweep",
            "trains and evaluates many overrides of a configuration, and compares them",
            "--mode=sweep --sweep=configs/sweeps/digits_weighting_sde.py --workdir=runs/sweep",
            "the same command leaves finished runs alone and goes on with the others",
            several_hosts=False,
            computes=False,
        ),
        "report": Mode(
            "gradlog.cli.verbs.reporting:report",
            "one page of HTML about a run or a sweep, to be read without a network",
            "--workdir=runs/digits --mode=report",
            "the same command writes it again",
            reads=WORKDIR,
            several_hosts=False,
            computes=False,
        ),
        "verify": Mode(
            "gradlog.cli.verbs.workdirs:verify",
            "checks all files of a workdir",
            "--workdir=runs/digits --mode=verify",
            "nothing was changed",
            reads=WORKDIR,
            several_hosts=False,
        ),
        "configs": Mode(
            "gradlog.cli.verbs.showing:configs",
            "lists the experiments that are here: what they are, what to expect, how long it takes",
            "--mode=configs",
            "nothing was changed",
            reads=NOTHING,
            several_hosts=False,
            computes=False,
        ),
        "completion": Mode(
            "gradlog.cli.verbs.showing:completion",
            "prints what bash and zsh need to complete flags, modes, files and keys",
            "--mode=completion",
            "nothing was changed",
            reads=NOTHING,
            several_hosts=False,
            computes=False,
        ),
    }
)
