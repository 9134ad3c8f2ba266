"""A law with edges, the uniform one, by implicit, sliced and denoising score matching.

Nothing is trained, and the data set is not used: the law is the uniform one on [-1, 1].

Command: python main.py --config=configs/theory/boundary.py --workdir=runs/boundary --mode=study
Figure: the loss of -kx on U[-1, 1] minus the true one is -6.00 +- 0.05 at k = 6, in closed form -6.
Time: 20 seconds on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="mixture", dims=1, scale=5.0, num_train=100, num_test=100)
    config.model.update(name="mlp", dropout=0.0)
    config.study.name = "boundary"
    return config
