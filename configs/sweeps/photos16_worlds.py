"""Tokens and Gaussian noise on 16x16 patches: photos16.py and discrete/photos16_*.py.

All are trained for the CPU time of 400 steps of the Gaussian model, with one seed. A world whose
step costs more has fewer steps (`COST`). docs/discrete.md says what each number is.

Command: python main.py --mode=sweep --sweep=configs/sweeps/photos16_worlds.py \\
    --workdir=runs/photos16_worlds
Figure: 4.472 +- 0.077 (the Gaussian model), 6.923 +- 0.042 (levels), 7.243 +- 0.027 bits/dim
(masked).
Time: four minutes a run on one core that other jobs shared.
"""

from gradlog.configs import photos16
from gradlog.configs.sweeps.digits_worlds import ESTIMATOR, worlds

STEPS = 400
# CPU time of a training step, in those of configs/photos16.py: benchmarks/train_step.py.
COST = {"photos16_levels": 2.04, "photos16_masked": 1.92}


def get_config():
    config = photos16.get_config()
    config.training.update(eval_every=0, checkpoint_every=0, sample_every=0, keep=1)
    config.eval.second_look = 0
    return config


def sweep():
    gaussian, levels, masked = (
        world | {"likelihood.samples": 16} for world in worlds(photos16, COST, STEPS)
    )
    return [gaussian | {ESTIMATOR: "bound"}, masked, levels]
