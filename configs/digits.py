"""Handwritten digits, 8x8 with 17 levels: the demo."""

from configs import default


def get_config():
    config = default.get_config()
    config.data.name = "digits"
    config.sde.name = "vp"
    config.model.update(
        nf=16,
        ch_mult=(1, 2),
        num_res_blocks=1,
        attn_resolutions=(4,),
        dropout=0.0,
        embedding_type="fourier_linear",
        fourier_scale=1.0,
        label="log_rho",
    )
    config.objective.eps = 1e-3
    config.optimizer.update(
        learning_rate=2e-3,
        schedule="cosine",
        decay_steps=4000,
        warmup=100,
        grad_clip=0.0,
        beta2=0.99,
        ema_decay=0.999,
    )
    config.training.update(steps=4000, batch_size=64, checkpoint_every=1000, eval_every=500)
    config.likelihood.update(eps=1e-3, rtol=1e-4, atol=1e-4)
    config.sampling.update(num_steps=200, num_samples=100, batch_size=100)
    return config
