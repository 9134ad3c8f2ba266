"""NCSN on the handwritten digits: a ladder of noise levels and annealed Langevin dynamics.

Song & Ermon 2019, arXiv:1907.05600: 20 levels, geometric from 10 to 0.05. The network sees the
index of the level. Training is denoising score matching with the weighting sigma^2. Sampling takes
100 Langevin steps at each level. The U-Net is that of the demo.

Command: python main.py --config=configs/ncsn/digits.py --workdir=runs/ncsn
Figure: nearly all samples look like digits. The model is not made for likelihoods: quadrature gives
2.0 bits/dim, and finer nodes change this by 0.02, because the score jumps between the levels.
Time: four minutes of training, half a minute of sampling (2001 evaluations), two of evaluation.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.name = "digits"
    config.sde.update(name="ve", sigma_min=0.05, sigma_max=10.0)
    config.model.update(
        nf=16,
        ch_mult=(1, 2),
        num_res_blocks=1,
        attn_resolutions=(4,),
        dropout=0.0,
        parametrization="preconditioned",
        sigma_data=0.75,
        label="ladder",
        embedding_type="table",
        num_scales=20,
    )
    config.objective.update(name="dsm", levels="ladder", weighting="sigma2", eps=1e-5)
    config.optimizer.update(
        learning_rate=4e-3,
        schedule="cosine",
        decay_steps=4000,
        warmup=100,
        beta2=0.99,
        grad_clip=10.0,
        ema_decay=0.999,
    )
    config.training.update(steps=4000, eval_every=500, checkpoint_every=1000, sample_every=0)
    config.likelihood.update(name="quadrature", eps=1e-5)
    config.sampling.update(name="annealed_langevin", num_scales=0, eps=1e-5)
    config.sampling.update(step_size=5e-4, steps_per_level=100)
    config.sampling.update(num_samples=100, batch_size=100)
    return config
