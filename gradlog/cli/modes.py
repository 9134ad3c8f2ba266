"""The table of modes: what each does, reads and says, before anything heavy is imported."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from gradlog.terminal import say

if TYPE_CHECKING:
    from gradlog.cli.flags import Options

# What a mode reads before it begins.
RUN = "run"  # the workdir and its configuration
WORKDIR = "workdir"  # the workdir alone
NOTHING = "nothing"
_TRAINING_RESUMES = "the same command resumes from the newest checkpoint"
_BATCHES_RESUME = "finished batches are stored, and the same command resumes from them"
_UNCHANGED = "nothing was changed"
# Parts of an experiment. Every mode that reads checkpoints needs "training": what to keep.
_TRAINING = ("training", "eval", "sampler")
_LIKELIHOOD = ("training", "estimators", "eval")
_SAMPLES = ("training", "sampler", "conditional_sampling", "sampling", "classifier")


@dataclass(frozen=True)
class Mode:
    """One of the values of ``--mode``.

    Attributes:
      run: the function of ``gradlog.cli`` that does it, as 'module.name'. It takes the options.
      summary: what it does, for ``--help``.
      examples: command lines, without ``python main.py``.
      resumes: what the same command does after an interruption.
      keys: keys and sections of the configuration that belong to this mode, for ``--help``.
      parts: names of the parts of an `Experiment` that it uses, beside those that identify a run;
        None for all.
      flags: names of flags that no other mode has.
      reads_steps: whether ``--steps`` selects its checkpoints.
      note: what else ``--help`` says.
      announce: returns the first line from the options and the steps of the checkpoints.
      reads: RUN, WORKDIR or NOTHING.
      several_hosts: whether several hosts can do it together.
      computes: whether it needs the devices; otherwise other processes can have them.
    """

    run: str
    summary: str
    examples: tuple[str, ...]
    resumes: str
    keys: tuple[str, ...] = ()
    parts: tuple[str, ...] | None = None
    flags: tuple[str, ...] = ()
    reads_steps: bool = False
    note: str = ""
    announce: Callable[["Options", list[int]], str] | None = None
    reads: str = RUN
    several_hosts: bool = True
    computes: bool = True


def announce(options: "Options") -> None:
    """Print what is about to be done, in modes that take a while.

    Raises:
      ConfigError: ``config.compat`` is unknown.
    """
    mode = MODES[options.mode]
    if mode.announce is None or options.config is None:
        return
    folder = Path(options.workdir).expanduser() / "checkpoints"
    found = folder.iterdir() if folder.is_dir() else ()
    steps = sorted(int(path.name) for path in found if path.name.isdecimal())
    if options.config.compat:
        # It imports JAX, which takes a second.
        from gradlog.experiment.compat import resolve_compat

        config = resolve_compat(options.config, options.overridden)
        options = dataclasses.replace(options, config=config)
    say(f"{options.mode} {options.workdir}: {mode.announce(options, steps)}")


def _config(options: "Options"):
    assert options.config is not None
    return options.config


def _training(options: "Options", steps: list[int]) -> str:
    last = _config(options).training.steps
    if steps and steps[-1] >= last:
        return f"at step {steps[-1]} already, of {last}"
    begin = f"from step {steps[-1]}" if steps else "from the beginning"
    return f"{begin} to step {last}"


def _differences(options: "Options", steps: list[int]) -> str:
    found = _estimates(options, steps)
    return f"{found}, minus {options.against}" if options.against else found


def _estimates(options: "Options", steps: list[int]) -> str:
    config = _config(options)
    names = config.eval.estimators or (config.likelihood.name,)
    separate = ",".join(names).split(",")  # --config.eval.estimators=ode,bound is one text
    return f"{_checkpoints(options, steps)}, by {', '.join(separate)}"


def _samples(options: "Options", steps: list[int]) -> str:
    sampling = _config(options).sampling
    return f"{_checkpoints(options, steps)}, {sampling.num_samples} samples by {sampling.name}"


def _quality(options: "Options", steps: list[int]) -> str:
    quality = _config(options).quality
    what = f"samples of {quality.samples}" if quality.samples else _checkpoints(options, steps)
    return f"{what}, by the features of {quality.features}"


def _encodings(options: "Options", steps: list[int]) -> str:
    count = _config(options).sampling.num_samples
    return f"{_checkpoints(options, steps)}, at most {count} test data"


def _checkpoints(options: "Options", steps: list[int]) -> str:
    if not steps:
        return "no checkpoint yet"
    if options.steps == "all":
        return f"all {len(steps)} checkpoints"
    named = options.steps.replace(",", ", ") or str(steps[-1])
    return f"step{'s' * (',' in options.steps)} {named}"


MODES: Mapping[str, Mode] = MappingProxyType(
    {
        "train": Mode(
            "actions.train",
            "trains a score model, from the newest checkpoint of the workdir",
            ("--config=configs/digits.py --workdir=runs/digits --mode=train",),
            _TRAINING_RESUMES,
            keys=("data", "sde", "model", "objective", "optimizer", "training"),
            parts=_TRAINING,
            announce=_training,
        ),
        "eval": Mode(
            "actions.evaluate",
            "bits per dimension of checkpoints on the test set, with their account and error",
            ("--workdir=runs/digits --mode=eval --config.eval.estimators=ode,bound",),
            _BATCHES_RESUME,
            keys=("eval", "likelihood"),
            parts=_LIKELIHOOD,
            flags=("summary",),
            announce=_estimates,
            reads_steps=True,
        ),
        "compare": Mode(
            "actions.compare",
            "differences in bits, image by image, between checkpoints or between two runs",
            (
                "--workdir=runs/digits --mode=compare --steps=1000,2000",
                "--workdir=runs/digits --mode=compare --against=runs/other",
            ),
            _BATCHES_RESUME,
            keys=("eval.estimators", "eval.num_images", "likelihood.name"),
            parts=_LIKELIHOOD,
            flags=("against",),
            note=(
                "Both sides are evaluated with the same settings and the same random draws. With "
                "--against the difference is one between two networks. For a difference between "
                "two settings, train several seeds of each: see --help=sweep. The keys of the "
                "estimators are those of --help=eval."
            ),
            reads_steps=True,
            announce=_differences,
        ),
        "classify": Mode(
            "actions.classify",
            "the class of each test image, by the likelihoods of all classes",
            ("--workdir=runs/classes --mode=classify",),
            _BATCHES_RESUME,
            keys=("eval", "likelihood"),
            parts=_LIKELIHOOD,
            announce=_estimates,
            reads_steps=True,
        ),
        "classifier": Mode(
            "actions.train_classifier",
            "trains a classifier of noisy data in the workdir, for guidance and features",
            ("--workdir=runs/digits --mode=classifier",),
            _TRAINING_RESUMES,
            keys=("classifier",),
            parts=("training", "classifier", "eval"),
        ),
        "sample": Mode(
            "actions.sample",
            "samples of checkpoints, as arrays and as a picture",
            ("--workdir=runs/digits --mode=sample --config.sampling.num_samples=100",),
            "the same command draws the samples again",
            keys=("sampling",),
            parts=_SAMPLES,
            announce=_samples,
            reads_steps=True,
        ),
        "quality": Mode(
            "actions.measure_quality",
            "FID, KID, precision and recall of samples beside the data",
            ("--workdir=runs/digits --mode=quality --config.quality.num_samples=297",),
            "finished samples and features are stored, and the same command resumes from them",
            keys=("quality", "sampling"),
            parts=(*_SAMPLES, "quality", "eval"),
            announce=_quality,
            reads_steps=True,
        ),
        "import": Mode(
            "actions.import_checkpoint",
            "makes a workdir of a checkpoint of score_sde or score_flow",
            ("--workdir=runs/cifar10 --mode=import --source=checkpoint_26",),
            "the same command reads it again",
            flags=("source",),
            several_hosts=False,
        ),
        "encode": Mode(
            "actions.encode",
            "latents of test data by the probability flow, and their reconstructions",
            ("--workdir=runs/digits --mode=encode",),
            "the same command begins again",
            keys=("sampling",),
            parts=("training", "encoding", "sampling"),
            announce=_encodings,
            reads_steps=True,
        ),
        "compress": Mode(
            "actions.compress",
            "a file of images, without loss, whose size is their bits/dim by the model",
            (
                "--workdir=runs/masked --mode=compress --output=digits.glog",
                "--workdir=runs/digits --mode=compress --source=DIR --output=images.glog "
                "--config.likelihood.name=vlb --config.likelihood.vlb_steps=100",
            ),
            "the same command begins again",
            keys=("codec", "eval.num_images", "likelihood.vlb_steps", "likelihood.variable"),
            parts=_LIKELIHOOD,
            flags=("source", "output"),
            several_hosts=False,
            reads_steps=True,
        ),
        "decompress": Mode(
            "actions.decompress",
            "every image of a compressed file, bit for bit",
            ("--workdir=runs/masked --mode=decompress --source=digits.glog --output=DIR",),
            "the same command begins again",
            parts=("training",),
            flags=("source", "output"),
            several_hosts=False,
        ),
        "export": Mode(
            "actions.export",
            "a file of the score and the log density for JAX alone, without this repository",
            ("--workdir=runs/digits --mode=export",),
            "the same command writes the file again",
            keys=("likelihood",),
            parts=_LIKELIHOOD,
            several_hosts=False,
            reads_steps=True,
        ),
        "study": Mode(
            "actions.study",
            "pictures of what theory claims, with the training that they need",
            ("--config=configs/toy/manifold.py --workdir=runs/manifold --mode=study",),
            "the same command resumes from what has been trained",
            keys=("study",),
        ),
        "sweep": Mode(
            "actions.sweep",
            "trains and evaluates many overrides of a configuration, and compares them",
            ("--mode=sweep --sweep=configs/sweeps/digits_weighting_sde.py --workdir=runs/sweep",),
            "the same command leaves finished runs alone and resumes the others",
            flags=("sweep", "jobs", "launcher", "dry_run"),
            several_hosts=False,
            computes=False,
        ),
        "report": Mode(
            "actions.report",
            "one page of HTML about a run or a sweep, to be read without a network",
            ("--workdir=runs/digits --mode=report",),
            "the same command writes it again",
            reads=WORKDIR,
            several_hosts=False,
            computes=False,
        ),
        "verify": Mode(
            "actions.verify",
            "checks all files of a workdir",
            ("--workdir=runs/digits --mode=verify",),
            _UNCHANGED,
            reads=WORKDIR,
            several_hosts=False,
        ),
        "configs": Mode(
            "experiments.show_experiments",
            "lists the experiments; with --config it says which ladder of noise the data need",
            ("--mode=configs", "--mode=configs --config=configs/own.py:PATH"),
            _UNCHANGED,
            reads=NOTHING,
            several_hosts=False,
            computes=False,
        ),
        "completion": Mode(
            "completion.print_completion_script",
            "prints what bash and zsh need to complete flags, modes, files and keys",
            ("--mode=completion",),
            _UNCHANGED,
            reads=NOTHING,
            several_hosts=False,
            computes=False,
        ),
    }
)
