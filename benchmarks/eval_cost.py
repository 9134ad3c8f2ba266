"""Measure the compiled size and the time of the evaluation of runs, beside those of the first.

python benchmarks/eval_cost.py WORKDIR ... [--images=N] [--repeats=N] [--estimators=bound,ode] \\
    [--json=FILE]

For each estimator of each run the script compiles the program that `--mode=eval` runs, and runs it
on the first test images in one batch, in turn with the others. It prints the seconds of
compilation, the instructions of the optimized program, its temporary memory, the evaluations of the
network for an image, and the median seconds of a batch with its ratio to the first run.
"""

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import numpy as np

from benchmarks.common import save, show, take_turns
from gradlog.evaluation.devices import key_data_by_index, map_batch, place
from gradlog.evaluation.likelihood import likelihood_evaluator, numbers_of
from gradlog.experiment.run import Run

INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.-]+ = ", re.MULTILINE)


def compile_evaluation(
    run: Run, estimator: str, images: int
) -> tuple[Callable[[], Any], dict[str, Any]]:
    """Return the compiled program of an estimator on a batch, and what it took."""
    experiment, indices = run.experiment, np.arange(images)
    evaluator = likelihood_evaluator(experiment, experiment.estimators[estimator])

    def evaluate(params: Any, rows: Any) -> dict[str, Any]:
        x, key_data = rows
        model = evaluator.model.bind(params)
        return numbers_of(evaluator.likelihood(model, x, jax.random.wrap_key_data(key_data)))

    rows = experiment.dataset.test[indices], key_data_by_index(experiment.streams["eval"], indices)
    params = place(run.params())
    lowered = map_batch(evaluate).lower(params, rows)
    started = time.perf_counter()
    program: Any = lowered.compile()
    seconds = time.perf_counter() - started
    return partial(program, params, rows), {
        "workdir": str(run.workdir.root),
        "process": experiment.config.sde.name,
        "estimator": estimator,
        "compile_seconds": seconds,
        "instructions": len(INSTRUCTION.findall(program.as_text())),
        "megabytes": program.memory_analysis().temp_size_in_bytes / 2**20,
        "nfe": float(np.mean(program(params, rows)["nfe"])),
    }


def measure(workdirs: list[str], estimators: list[str], images: int, repeats: int) -> list[dict]:
    """Return a row for each estimator of each run."""
    rows, programs = [], {}
    for estimator in estimators:
        for workdir in workdirs:
            run = Run.open(workdir)
            config = run.config.copy_and_resolve_references()
            config.eval.estimators = (estimator,)
            program, row = compile_evaluation(Run.open(workdir, config), estimator, images)
            programs[estimator, workdir] = program
            rows.append(row)
    seconds = take_turns(programs, repeats)
    for row, each in zip(rows, seconds.values(), strict=True):
        first = seconds[row["estimator"], workdirs[0]]
        row["seconds"] = statistics.median(each)
        row["ratio"] = statistics.median(a / b for a, b in zip(each, first, strict=True))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workdirs", nargs="+")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--estimators", default="bound", help="names with commas")
    parser.add_argument("--json", default="", help="a file for the figures")
    flags = parser.parse_args()
    # A program that was stored would not show how long it compiles.
    jax.config.update("jax_enable_compilation_cache", False)
    rows = measure(flags.workdirs, flags.estimators.split(","), flags.images, flags.repeats)
    columns = {
        "run": "{workdir}",
        "process": "{process}",
        "estimator": "{estimator}",
        "compile s": "{compile_seconds:.1f}",
        "instructions": "{instructions}",
        "MiB": "{megabytes:.0f}",
        "NFE": "{nfe:.0f}",
        "s": "{seconds:.3f}",
        "ratio": "{ratio:.2f}",
    }
    show(f"--mode=eval of {flags.images} images; ratios to the first run", columns, rows)
    save(flags.json, {"images": flags.images, "rows": rows})


if __name__ == "__main__":
    main()
