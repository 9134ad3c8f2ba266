"""Fixed and learned processes on the digits: VP, learned gamma, per pixel, per pixel by a latent.

Each has three seeds at the same number of steps, and is evaluated by the bound of its own process
in continuous time, with uniform dequantization. A step of a learned process evaluates the network
twice, so it takes about twice the time.

Command: python main.py --mode=sweep --sweep=configs/sweeps/digits_processes.py \\
    --workdir=runs/digits_processes --jobs=2
Figure: not measured.
Time: not measured.
"""

from gradlog.configs import digits
from gradlog.sweeps.overrides import product, seeds

_LEARNED = {
    "objective.name": "elbo",
    "objective.importance_sampling": False,
    "objective.eps": 0.0,
    "likelihood.eps": 0.0,
    "sampling.eps": 0.0,
}
_PER_PIXEL = _LEARNED | {"sde.name": "multivariate"}


def get_config():
    config = digits.get_config()
    config.sde.update(gamma_min=-11.0, gamma_max=5.0)
    config.eval.update(second_look=0)
    config.likelihood.name = "bound"
    return config


def sweep():
    processes = [
        {"sde.name": "vp"},
        _LEARNED | {"sde.name": "learned_gamma", "sde.learn_ends": True},
        _PER_PIXEL,
        _PER_PIXEL | {"sde.latents": 16},
    ]
    return product(processes, seeds(3))
