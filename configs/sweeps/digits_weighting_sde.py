"""Weighting x SDE on the digits: which weighting gives the fewest bits under which SDE.

Three weightings (likelihood, sigma^2, EDM) under three SDEs (VP, sub-VP, VE) with three seeds each:
27 MLPs of 0.64 million parameters. Times are drawn in proportion to the weighting, and one ODE
estimator evaluates all. With the likelihood weighting the loss bounds the bits. In the 1,500 steps
of this training it need not lower them fastest.

Command: python main.py --mode=sweep --sweep=configs/sweeps/digits_weighting_sde.py \\
    --workdir=runs/weighting_sde --jobs=2
Figure: 2.811 ± 0.016 bits/dim (VP, sigma^2) to 2.951 ± 0.027 (sub-VP, EDM); docs/sweeps.md has
all. A model that knows nothing needs 4.09.
Time: 7 minutes on two CPU cores.
"""

from gradlog.configs import default
from gradlog.sweeps.overrides import grid, product, seeds


def get_config():
    config = default.get_config()
    config.data.name = "digits"
    config.model.update(
        name="mlp",
        parametrization="preconditioned",
        sigma_data=0.75,
        label="log_rho",
        embedding_type="fourier_linear",
        fourier_scale=0.5,
        hidden=256,
        num_layers=3,
        dropout=0.1,
    )
    config.objective.eps = 1e-3
    config.optimizer.update(
        learning_rate=2e-3,
        schedule="cosine",
        decay_steps=1500,
        warmup=100,
        beta2=0.99,
        grad_clip=10.0,
        ema_decay=0.999,
    )
    config.training.update(
        steps=1500, batch_size=128, log_every=100, eval_every=500, checkpoint_every=500, keep=1
    )
    config.eval.update(batch_size=297, second_look=0)
    config.likelihood.update(eps=1e-3, rtol=1e-4, atol=1e-4, probes=2)
    return config


def sweep():
    return product(
        grid(
            {
                "sde.name": ["vp", "subvp", "ve"],
                "objective.weighting": ["likelihood", "sigma2", "edm"],
            }
        ),
        seeds(3),
    )
