"""KL of two mixtures along the noise, and its rate; KL of Gaussian models with a wrong score.

Command: python main.py --config=configs/theory/kl_rates.py --workdir=runs/kl_rates --mode=study
Figure: 0.7 times the true score costs the SDE 0.31 nats (its bound: 0.94) and the flow 2.17.
Time: 20 seconds on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="mixture", scale=5.0, num_train=100, num_test=100)
    config.sde.name = "vp"
    config.model.update(name="mlp", dropout=0.0)  # not trained: only the data's law is used
    config.objective.eps = 1e-4
    config.likelihood.eps = 1e-4
    config.study.name = "kl_rates"
    return config
