"""The variance of each objective's gradient over noise levels, and the gap of DSM to ESM.

The data are the mixture of Song & Ermon 2019 with coordinates divided by 5. The network is an MLP
after a short training by denoising, so that its gradients are not yet zero.

Command: python main.py --config=configs/theory/gradient_variance.py --workdir=runs/gradients \\
    --mode=study
Figure: the standard deviation of one example's gradient at rho = 20, 0.94 and 0.045: 0.0023, 0.38
    and 0.13 (esm), 0.0073, 1.8 and 3.8 (dsm), 0.22, 6.7 and 0.89 (ssm_vr; fsm as it). The variance
    that theory gives for denoising agrees with V(DSM) - V(ESM) to 1.0 s.e. over nine levels.
Time: one minute on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="mixture", scale=5.0)
    config.model.update(
        name="mlp",
        hidden=64,
        parametrization="preconditioned",
        sigma_data=1.0,
        label="log_rho",
        embedding_type="fourier_linear",
        fourier_scale=0.5,
        dropout=0.0,
    )
    config.objective.update(name="dsm", eps=1e-2)
    config.optimizer.update(learning_rate=2e-3, warmup=50, ema_decay=0.99, grad_clip=10.0)
    config.training.update(steps=300, batch_size=256, checkpoint_every=0, eval_every=0)
    config.likelihood.eps = 1e-2
    config.sampling.eps = 1e-2
    config.study.name = "gradient_variance"
    return config
