r"""Compare objectives on digits by bits per dimension after the same time of training.

python benchmarks/equal_time.py [--seconds=N] [--objectives=dsm,ssm_vr,fsm] [--images=N] \
    [--json=FILE]

The script times the training step of each objective, and gives each as many steps as fit into the
seconds. The learning rate falls to its lowest value at the last step. It trains the network of
configs/digits.py and evaluates the test digits, all or the first N, by quadrature and by the bound.
The seconds count steps only, without compilation and evaluation. Seed, network, optimizer and
weighting are the same for all objectives. ``dsm:N`` is dsm with N examples in a target.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ml_collections import ConfigDict

from benchmarks.common import read_flags, save, show, take_turns
from benchmarks.train_step import framework_step
from gradlog.experiment.loading import load_config
from gradlog.experiment.run import Run
from gradlog.losses import INTEGRANDS

TIMED_STEPS = 60


def make_config(name: str, steps: int, images: int) -> ConfigDict:
    """Return the configuration of the digits with changed objective, steps and test images."""
    config = load_config("configs/digits.py")
    kind, _, reference = name.partition(":")
    rarely = dict.fromkeys(("checkpoint_every", "eval_every", "sample_every"), 0)
    config.update_from_flattened_dict(
        {
            "objective.name": kind,
            "objective.reference": int(reference or 1),
            "optimizer.decay_steps": steps,
            "training.steps": steps,
            **{f"training.{key}": value for key, value in rarely.items()},
            "eval.estimators": ("quadrature", "bound"),
            "eval.num_images": images,
        }
    )
    return config


def measure(name: str, seconds: float, images: int, root: Path) -> dict:
    """Train and evaluate one objective; return a row of the table."""
    experiment = Run.open(root / name, make_config(name, 1, images)).experiment
    step = framework_step(experiment, experiment.training.batch_size)
    each = float(take_turns({name: step}, blocks=1, steps=TIMED_STEPS)[name][0, 0])
    steps = max(1, round(seconds / each))
    run = Run.open(root / f"{name}-{steps}", make_config(name, steps, images))
    started = time.perf_counter()
    run.train()
    trained = time.perf_counter() - started
    row = {
        "objective": name,
        "milliseconds_per_step": 1e3 * each,
        "steps": steps,
        "seconds_with_compilation": trained,
    }
    for summary in run.evaluate(run.steps()):
        row[summary["estimator"]] = summary["bits_per_dim"]
        row[f"{summary['estimator']}_se"] = summary["standard_error"]
    return row


def main() -> None:
    flags = read_flags(
        __doc__ or "",
        seconds=150.0,
        objectives=("dsm", "ssm_vr", "fsm"),
        images=0,
        workdir="runs/equal_time",
    )
    if unknown := {name.partition(":")[0] for name in flags.objectives} - set(INTEGRANDS):
        raise SystemExit(
            f"--objectives: {sorted(unknown)} unknown; choose from {sorted(INTEGRANDS)}"
        )
    root = Path(flags.workdir)
    rows = [measure(name, flags.seconds, flags.images, root) for name in flags.objectives]
    columns = {
        "objective": "{objective}",
        "ms/step": "{milliseconds_per_step:.1f}",
        "steps": "{steps}",
        "quadrature": "{quadrature:.4f} ± {quadrature_se:.4f}",
        "bound": "{bound:.4f} ± {bound_se:.4f}",
    }
    show(f"digits, {flags.seconds:g} s of training steps each, bits/dim ± s.e.", columns, rows)
    save(flags.json, {"seconds": flags.seconds, "rows": rows})


if __name__ == "__main__":
    main()
