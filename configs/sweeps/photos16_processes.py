"""Fixed and learned processes on 16x16 patches of photographs at equal training time, three seeds.

VP is trained by score matching, the others by the bound: a neural path, a gamma for each pixel and
channel, and a learned gamma with its ends. A step takes 1, 1.09, 1.06 and 1.60 times the CPU time
of one of VP (benchmarks/train_step.py, in one run). All are evaluated by the bound of their own
process in continuous time, with uniform dequantization.

Command: python main.py --mode=sweep --sweep=configs/sweeps/photos16_processes.py \\
    --workdir=runs/photos16_processes
Figure: vp 3.923 +- 0.085 bits/dim on the 384 patches, per pixel 3.959 +- 0.088: +0.036 +- 0.045,
paired, three seeds. Seed 0 alone, minus its vp of 3.948: neural +0.343 +- 0.015, gamma +0.716 +-
0.015.
Time: three to six minutes a run on one core that other jobs shared.
"""

from gradlog.configs import photos16
from gradlog.configs.sweeps.digits_processes import ELBO, NEURAL, PER_PIXEL, at_steps
from gradlog.sweeps.overrides import product, seeds


def get_config():
    config = photos16.get_config()
    config.sde.update(gamma_min=-13.3, gamma_max=5.0)
    config.training.update(eval_every=0, checkpoint_every=0, sample_every=0, keep=1)
    config.eval.update(second_look=0)
    config.likelihood.update(name="bound", samples=32)
    return config


def sweep():
    processes = [
        at_steps(600, "vp", {"sde.name": "vp"}),
        at_steps(550, "neural", NEURAL | {"optimizer.process_rate": 0.25}),
        at_steps(565, "per pixel", PER_PIXEL),
        at_steps(375, "gamma", ELBO | {"sde.name": "learned_gamma", "sde.learn_ends": True}),
    ]
    return product(seeds(3), processes)
