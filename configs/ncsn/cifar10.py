"""NCSN on CIFAR-10 as published: ten levels, its RefineNet, annealed Langevin dynamics.

Song & Ermon 2019, arXiv:1907.05600, section 5, with the values of its code. Chains begin evenly in
[-1, 1] instead of [0, 1]. The code's step is 2e-5 in its units, `x + a s + sqrt(2 a) z`.

Command: python main.py --config=configs/ncsn/cifar10.py --workdir=runs/ncsn_cifar10
Figure: FID 25.32 and an inception score of 8.87 in its paper (table 1); not measured here.
Time: 200,000 steps at batch 128 (not measured here).
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="cifar10", random_flip=True)
    config.sde.update(name="ve", sigma_min=0.01, sigma_max=1.0)
    config.model.update(name="ncsn", nf=128, nonlinearity="elu", centered=False)
    config.model.update(parametrization="score", label="ladder", num_scales=10)
    config.objective.update(name="dsm", levels="ladder", weighting="sigma2", eps=1e-5)
    config.optimizer.update(learning_rate=1e-3, warmup=0, grad_clip=0.0, ema_decay=0.0)
    config.training.update(steps=200_000, batch_size=128, log_every=100)
    config.training.update(checkpoint_every=5_000, eval_every=5_000, sample_every=0)
    config.likelihood.update(name="quadrature", eps=1e-5)
    config.sampling.update(name="annealed_langevin", num_scales=0, eps=1e-5, denoise=False)
    config.sampling.update(step_size=4e-5, steps_per_level=100, start="uniform")
    return config
