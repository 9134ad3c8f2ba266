"""Fixed and learned processes on the digits at about equal training time, with three seeds each.

VP is trained by score matching. By the bound are trained: a neural path, a gamma for each pixel, a
learned gamma with its ends, gammas that a latent chooses, and a drift and a diffusion for each
frequency. The numbers of steps are those of 30 s of one core, where a step of VP takes 39 ms. A
step of the others takes 1.11, 1.13, 2.05, 1.60 and 1.32 times its CPU time
(benchmarks/train_step.py). All are evaluated by the bound of their own process in continuous time,
with uniform dequantization.

Command: python main.py --mode=sweep --sweep=configs/sweeps/digits_processes.py \\
    --workdir=runs/digits_processes
Figure: vp 2.136 +- 0.011 bits/dim, neural 2.120 +- 0.012 with three seeds each: -0.0165 +- 0.0028,
paired. With seed 0 alone, minus vp: multivariate +0.030 +- 0.004, learned_gamma +0.171 +- 0.004.
The latent and the frequencies were not trained.
Time: two to five minutes a run on a core that other jobs shared.
"""

from gradlog.configs import digits
from gradlog.sweeps.overrides import product, seeds

ELBO = {
    "objective.name": "elbo",
    "objective.importance_sampling": False,
    "objective.eps": 0.0,
    "likelihood.eps": 0.0,
    "sampling.eps": 0.0,
}
PER_PIXEL = ELBO | {"sde.name": "multivariate"}
NEURAL = {"sde.name": "neural", "objective.name": "elbo", "sampling.name": "neural_reverse"}


def at_steps(count, label, process):
    return {"label": label} | process | {"training.steps": count, "optimizer.decay_steps": count}


def get_config():
    config = digits.get_config()
    config.sde.update(gamma_min=-11.0, gamma_max=5.0)
    config.training.update(eval_every=0, checkpoint_every=0, sample_every=0, keep=1)
    config.eval.update(second_look=0)
    config.likelihood.update(name="bound", samples=256)
    return config


def sweep():
    processes = [
        at_steps(780, "vp", {"sde.name": "vp"}),
        at_steps(690, "neural", NEURAL | {"optimizer.process_rate": 0.25}),
        at_steps(690, "per pixel", PER_PIXEL),
        at_steps(380, "gamma", ELBO | {"sde.name": "learned_gamma", "sde.learn_ends": True}),
        at_steps(490, "latent", PER_PIXEL | {"sde.latents": 16}),
        at_steps(590, "frequencies", ELBO | {"sde.name": "learned_affine", "sde.learn_ends": True}),
    ]
    return product(seeds(3), processes)
