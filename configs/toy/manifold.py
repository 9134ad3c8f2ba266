"""The score of a circle in ten dimensions by sliced score matching, with and without noise.

Song & Ermon 2019, arXiv:1907.05600, figure 1, in small. Without noise the loss has no minimum.

Command: python main.py --config=configs/toy/manifold.py --workdir=runs/manifold --mode=study
Figure: the loss converges with noise of std 0.05. Without noise it keeps falling and jumping.
Time: a minute and a half on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="circle", dims=10, noise=0.0)
    config.sde.update(name="ve", sigma_min=0.05, sigma_max=1.0)
    config.model.update(name="mlp", parametrization="score", label="log_rho", dropout=0.0)
    config.model.update(embedding_type="fourier_linear", fourier_scale=0.5)
    config.objective.update(name="ssm", levels="one", weighting="one")
    config.optimizer.update(learning_rate=1e-3, warmup=100, grad_clip=0.0, ema_decay=0.999)
    config.training.update(steps=4000, batch_size=256, log_every=20, eval_every=0)
    config.training.update(checkpoint_every=0)
    config.study.name = "manifold"
    return config
