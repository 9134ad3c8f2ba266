"""The mixture of configs/toy/mixture.py with a drift that is a network (arXiv:2110.07579).

Command: python main.py --config=configs/learned/mixture_drift.py --workdir=runs/mixture_drift
Figure: not measured.
Time: not measured.
"""

from gradlog.configs.toy import mixture


def get_config():
    config = mixture.get_config()
    config.sde.update(name="learned_drift", chain_steps=16)
    config.objective.name = "elbo"
    config.model.hidden = 64
    config.training.update(steps=1000, batch_size=128)
    config.optimizer.update(schedule="cosine", decay_steps=1000)
    config.likelihood.update(name="bound", samples=64)
    config.sampling.name = "chain_reverse"
    return config
