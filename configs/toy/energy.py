"""An energy on the mixture 1/5 N([-1.5,-1.5], I) + 4/5 N([1.5,1.5], I), read off against the ODE."""

from configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="mixture", centre=1.5, num_train=100_000)
    config.sde.name = "vp"
    config.model.update(
        name="mlp",
        parametrisation="energy",
        sigma_data=1.5,
        hidden=64,
        label="log_rho",
        embedding_type="fourier_linear",
        fourier_scale=0.5,
        dropout=0.0,
    )
    config.objective.eps = 0.08
    config.optimizer.update(
        learning_rate=2e-3,
        warmup=100,
        schedule="cosine",
        decay_steps=5000,
        ema_decay=0.999,
        grad_clip=10.0,
    )
    config.training.update(steps=5000, batch_size=512, checkpoint_every=0, eval_every=0)
    config.eval.batch_size = 500
    config.likelihood.update(name="ode", divergence="exact", start="as_sample", eps=0.08)
    config.sampling.update(name="probability_flow", num_samples=2000, batch_size=2000, eps=0.08)
    return config
