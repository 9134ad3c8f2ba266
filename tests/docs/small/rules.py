"""What makes the documentation's commands small enough to be run: every rule there is.

Commands are given further flags: a key that a command sets itself stays so, but for numbers of
training steps, of which the last ones take the place of those that long runs have.
"""

from pathlib import Path

from gradlog.experiment.loading import load_config

# Of every experiment that a command begins, unless the command says otherwise.
EXPERIMENT = {
    "data.num_train": 64,  # of those that are cut out or drawn
    "data.num_test": 16,
    "training.steps": 4,
    "training.batch_size": 8,
    "training.log_every": 1,
    "training.checkpoint_every": 1,
    "training.eval_every": 0,  # each compiles two more programs
    "training.sample_every": 0,
    "optimizer.warmup": 1,
    "eval.batch_size": 8,
    "eval.num_images": 8,
    "eval.second_look": 4,
    "likelihood.rtol": 1e-2,
    "likelihood.atol": 1e-2,
    "likelihood.intervals": 10,
    "likelihood.rounds": 1,
    "likelihood.samples": 4,
    "likelihood.vlb_steps": 8,
    "likelihood.importance_samples": 2,
    "likelihood.orders": 2,
    "sampling.num_samples": 8,
    "sampling.batch_size": 8,
    "sampling.num_steps": 8,  # the fewest that give a density
    "sampling.langevin_steps": 4,
    "sampling.steps_per_level": 2,
    "sampling.rtol": 1e-2,
    "sampling.atol": 1e-2,
    "classifier.steps": 4,
    "classifier.batch_size": 8,
    "classifier.nf": 8,
    "quality.num_samples": 16,
    "quality.num_reference": 32,
    "quality.fid_groups": 2,  # each has the eigenvalues of 2048 x 2048 numbers for Inception
    "quality.kid_subsets": 4,
    "quality.kid_subset_size": 4,
    "study.samples": 64,
    "study.times": 4,
    "study.window": 3,
    "study.chains": 8,
    "study.frames": 2,
    "study.points": 16,
    "study.gains": 3,
    "study.cells": 50,
    "study.noise_levels": 2,
    "study.draws": 16,
    "study.generator_steps": 4,
    "study.generator_batch": 16,
    "study.measurements": 2,
}
# By network. A config says these anew even where it sets them. An MLP stands for the U-Net of the
# demo: a command would take most of its time to trace that, some ten times in a solver.
NETWORK = {
    "ncsnpp": {"name": "mlp", "hidden": 16, "num_layers": 1},
    "ddpm": {"nf": 32, "ch_mult": (1, 2), "num_res_blocks": 1, "attn_resolutions": ()},
    "ncsnv2": {"nf": 8, "backbone": 64},
    "vdm": {"nf": 8, "num_layers": 1},
    "mlp": {"hidden": 16, "num_layers": 1},
    "dit": {"hidden": 16, "num_layers": 1, "num_heads": 2},
}
# An import has the network and the data of the file that is imported, a small one of score_sde's.
IMPORTED = {
    "data.name": "digits",
    "model.nf": 16,
    "model.ch_mult": (1, 2),
    "model.num_res_blocks": 1,
    "model.attn_resolutions": (4,),
}
LAST_STEP = EXPERIMENT["training.steps"]
CAPPED = ("--config.training.steps", "--config.classifier.steps")
# Benchmarks with flags of their own.
BENCHMARKS = {
    "masked_draws.py": ("--batches=2", "--batch_size=4"),
    "equal_time.py": ("--seconds=1", "--objectives=dsm", "--images=8"),
    "objectives.py": ("--dims=2", "--blocks=1", "--draws=8"),
    "samplers.py": ("--problems=ring", "--count=100", "--budgets=10"),
    "scaling.py": ("--sizes=1",),
}
SWEPT = 2  # runs of a sweep: its first ones


def small(argv: list[str]) -> list[str]:
    """The arguments of a Python program, its file first, with what makes it small."""
    program = Path(argv[0])
    if program.name == "main.py":
        return _experiment(argv)
    if program.parent.name == "benchmarks":
        return [*argv, *BENCHMARKS.get(program.name, ())]
    return argv


def shortened(file: Path) -> None:
    """Makes a sweep's file yield its first runs alone."""
    after = f"""

_all_of_them = sweep


def sweep():
    return list(_all_of_them())[:{SWEPT}]
"""
    file.write_text(file.read_text() + after)


def _experiment(argv: list[str]) -> list[str]:
    argv = [_capped(argument) for argument in argv]
    given = {argument.lstrip("-").partition("=")[0] for argument in argv}
    if "config" not in given:
        return argv
    wanted = {f"config.{key}": value for key, value in _keys(argv).items()}
    return [*argv, *(f"--{key}={value}" for key, value in wanted.items() if key not in given)]


def _capped(argument: str) -> str:
    """Steps no larger than those that are trained: ``--steps`` as many of the last ones."""
    name, _, value = argument.partition("=")
    if name in CAPPED:
        return f"{name}={min(int(value), LAST_STEP)}"
    if name != "--steps" or not value[:1].isdigit():
        return argument
    count = value.count(",") + 1
    return f"--steps={','.join(str(LAST_STEP - back) for back in reversed(range(count)))}"


def _keys(argv: list[str]) -> dict[str, object]:
    file = next(argument for argument in argv if argument.startswith("--config="))
    config = load_config(file.partition("=")[2])
    network = {f"model.{key}": value for key, value in NETWORK[config.model.name].items()}
    cosine = {"optimizer.decay_steps": LAST_STEP} if config.optimizer.decay_steps else {}
    return {**EXPERIMENT, **cosine, **(IMPORTED if "--mode=import" in argv else network)}
