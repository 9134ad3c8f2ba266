"""Fisher against KL divergence of two mixtures with the same modes and other weights.

Command: python main.py --config=configs/theory/fisher.py --workdir=runs/fisher --mode=study
Figure: with modes 7.1 std from their middle, KL is 0.832 nats and the Fisher divergence
1e-10 / std^2. The variance of log p/q is 1.23: Poincare's constant is above 1e10 std^2.
Time: 25 seconds on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="mixture", scale=5.0, num_train=100, num_test=100)
    config.sde.name = "vp"
    config.model.update(name="mlp", dropout=0.0)  # not trained: only the data's law is used
    config.objective.eps = 1e-4
    config.likelihood.eps = 1e-4
    config.study.name = "fisher"
    return config
