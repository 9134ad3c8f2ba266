r"""Measure the compiled size and the time of evaluations, beside those of the first configuration.

python benchmarks/eval_cost.py [--config=FILE,FILE] [--estimators=bound,vlb] [--images=N] \
    [--samples=N] [--repeats=N] [--json=FILE]

For each estimator of each configuration the script compiles the program that `--mode=eval` runs,
and runs it on the first test images in one batch, in turn with the others. It prints the CPU
seconds of compilation, the instructions of the optimized program, its temporary memory, the
evaluations of the network for an image, and the median seconds of a batch with its ratio to the
first configuration. The parameters are those before training: without an adaptive solver the cost
depends on none.
"""

import re
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import numpy as np

from benchmarks.common import read_flags, save, show, take_turns
from gradlog.evaluation.devices import key_data_by_index, map_batch, place
from gradlog.evaluation.likelihood import likelihood_evaluator, numbers_of
from gradlog.evaluation.score_training import initial_state
from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.loading import load_config

INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.-]+ = ", re.MULTILINE)
LEARNED = ("gamma", "per_pixel", "latent", "neural", "affine", "blurring")
FILES = ("configs/digits.py", *(f"configs/learned/digits_{name}.py" for name in LEARNED))


def compile_evaluation(
    file: str, estimator: str, images: int, samples: int
) -> tuple[Callable[[], Any], dict[str, Any]]:
    """Return the compiled program of an estimator on a batch, and what it took."""
    config, indices = load_config(file), np.arange(images)
    config.likelihood.update(name=estimator, samples=samples)
    experiment = build(config, load_dataset(config))
    evaluator = likelihood_evaluator(experiment, experiment.estimators[estimator])

    def evaluate(params: Any, rows: Any) -> dict[str, Any]:
        x, key_data = rows
        model = evaluator.model.bind(params)
        return numbers_of(evaluator.likelihood(model, x, jax.random.wrap_key_data(key_data)))

    rows = experiment.dataset.test[indices], key_data_by_index(experiment.streams["eval"], indices)
    params = place(initial_state(experiment).params)
    lowered = map_batch(evaluate).lower(params, rows)
    started = time.process_time()
    program: Any = lowered.compile()
    seconds = time.process_time() - started
    return partial(program, params, rows), {
        "config": file,
        "process": config.sde.name,
        "estimator": estimator,
        "compile_seconds": seconds,
        "instructions": len(INSTRUCTION.findall(program.as_text())),
        "megabytes": program.memory_analysis().temp_size_in_bytes / 2**20,
        "nfe": float(np.mean(program(params, rows)["nfe"])),
    }


def main() -> None:
    flags = read_flags(
        __doc__ or "", config=FILES, estimators=("bound",), images=8, samples=32, repeats=7
    )
    # A program that was stored would not show how long it compiles.
    jax.config.update("jax_enable_compilation_cache", False)
    programs, rows = {}, []
    for estimator in flags.estimators:
        for file in flags.config:
            program, row = compile_evaluation(file, estimator, flags.images, flags.samples)
            programs[estimator, file] = program
            rows.append(row)
    seconds = take_turns(programs, flags.repeats)
    for row, each in zip(rows, seconds.values(), strict=True):
        first = seconds[row["estimator"], flags.config[0]]
        row["seconds"] = float(np.median(each[:, 0]))
        row["ratio"] = float(np.median(each[:, 0] / first[:, 0]))
    columns = {
        "configuration": "{config}",
        "process": "{process}",
        "estimator": "{estimator}",
        "compile s": "{compile_seconds:.1f}",
        "instructions": "{instructions}",
        "MiB": "{megabytes:.1f}",
        "NFE": "{nfe:.0f}",
        "s": "{seconds:.3f}",
        "ratio": "{ratio:.2f}",
    }
    show(f"--mode=eval of {flags.images} images; ratios to the first", columns, rows)
    save(flags.json, {"images": flags.images, "samples": flags.samples, "rows": rows})


if __name__ == "__main__":
    main()
