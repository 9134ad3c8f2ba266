"""Sliced score matching of CIFAR-10, with and without noise N(0, 1e-4) on pixels in [0, 1].

Song & Ermon 2019, arXiv:1907.05600, figure 1, with a network of residual blocks at three
resolutions, as in its code. The study of configs/toy/manifold_digits.py, for whoever has the data.

Command: python main.py --config=configs/ncsn/manifold_cifar10.py --workdir=runs/manifold_cifar10 \\
    --mode=study --config.data.path=ARCHIVE
Figure: not measured here; in the paper the loss converges with noise, and fluctuates without.
Time: 50,000 steps at batch 128, twice (not measured here).
"""

from gradlog.configs.toy import manifold_digits


def get_config():
    config = manifold_digits.get_config()
    config.data.name = "cifar10"
    config.sde.sigma_min = 0.01
    config.model.update(nf=32, ch_mult=(1, 2, 4), nonlinearity="elu", centered=False)
    config.model.conditional = False  # there is one noise level
    config.optimizer.warmup = 0
    config.training.update(steps=50_000, batch_size=128, log_every=100)
    return config
