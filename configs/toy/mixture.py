"""The two-dimensional mixture of Song & Ermon (2019): 1/5 N([-5,-5], I) + 4/5 N([5,5], I).

Command: python main.py --config=configs/toy/mixture.py --workdir=runs/mixture
Figure: 0.097 +- 0.018 bits/dim (ode). Coordinates are divided by 5. The entropy of the law is the
lower bound for any model: 0.119 nats, or 0.086 bits/dim.
Time: 20 seconds of training on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="mixture", scale=5.0)
    config.model.update(
        name="mlp",
        parametrization="preconditioned",
        sigma_data=1.0,
        label="log_rho",
        embedding_type="fourier_linear",
        fourier_scale=0.5,
        dropout=0.0,
    )
    config.objective.eps = 1e-4
    config.optimizer.update(learning_rate=2e-3, warmup=100, ema_decay=0.999, grad_clip=10.0)
    config.training.update(steps=3000, batch_size=256, checkpoint_every=1000)
    config.eval.batch_size = 500
    config.likelihood.update(divergence="exact", eps=1e-4)
    config.sampling.update(name="probability_flow", num_samples=2000, batch_size=2000, eps=1e-4)
    return config
