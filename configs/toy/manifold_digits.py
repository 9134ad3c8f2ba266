"""Sliced score matching of digits, with and without a little noise.

Song & Ermon 2019, arXiv:1907.05600, figure 1, which has CIFAR-10. Pixels lie on a lattice, and many
of a digit's are always black: without noise the loss has no minimum. CIFAR-10, as in the paper, is
configs/ncsn/manifold_cifar10.py.

Command: python main.py --config=configs/toy/manifold_digits.py --workdir=runs/manifold_digits \\
    --mode=study
Figure: with noise of std 0.1 the loss is -18 in the third quarter of training and -20 in the last.
    Without noise it is -700 and -1080, and jumps between -450 and -2130 in the last.
Time: one minute on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.name = "digits"
    config.sde.update(name="ve", sigma_min=0.1, sigma_max=1.0)
    config.model.update(nf=8, ch_mult=(1, 2), num_res_blocks=1, attn_resolutions=(), dropout=0.0)
    config.model.update(parametrization="score", label="log_rho")
    config.objective.update(name="ssm", levels="one", weighting="one", dequantization="scaled")
    config.optimizer.update(learning_rate=1e-3, warmup=50, grad_clip=0.0, ema_decay=0.99)
    config.training.update(steps=600, batch_size=64, log_every=10, eval_every=0)
    config.training.update(checkpoint_every=0)
    config.study.name = "manifold"
    return config
