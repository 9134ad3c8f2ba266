"""Gradient variance, and the gap of DSM to ESM, of a fixed and two learned schedules: a mixture.

Command: python main.py --config=configs/theory/learned_gradients.py --workdir=runs/learned \\
    --mode=study
Figure: the gap is 2.65 +- 0.05 (fixed), 2.58 +- 0.03 (variance-trained) and 2.69 +- 0.06 nats/dim
    (per dimension). The variance of a gradient is 1110 +- 30, 980 +- 30 and 1780 +- 100.
Time: four minutes of one core that other jobs shared.
"""

from gradlog.configs.theory import gradient_variance


def get_config():
    config = gradient_variance.get_config()
    config.sde.update(name="log_snr", gamma_min=-8.0, gamma_max=4.0)
    config.objective.update(name="elbo", importance_sampling=False, eps=0.0)
    config.likelihood.update(eps=0.0, variable="t")
    config.sampling.update(eps=0.0, variable="t")
    config.training.steps = 1000
    config.optimizer.update(schedule="cosine", decay_steps=1000, process_rate=10.0)
    config.study.update(name="learned_gradients", draws=1024)
    return config
