"""8-bit RGB patches, 16x16, of scikit-learn's two photographs.

Command: python main.py --config=configs/photos16.py --workdir=runs/photos16
Figure: 3.16 +- 0.08 bits/dim on the 384 test patches (ode). The patches lie side by side in two
pictures. They are not independent, so the standard error is too small.
Time: 19 minutes of training on two busy CPU cores, one minute of evaluation.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="photos", image_size=16)
    config.model.update(
        nf=16,
        ch_mult=(1, 2, 2),
        num_res_blocks=1,
        attn_resolutions=(8,),
        dropout=0.0,
        parametrization="preconditioned",
        label="log_rho",
        embedding_type="fourier_linear",
        fourier_scale=0.5,
    )
    config.objective.eps = 1e-5
    config.optimizer.update(
        learning_rate=2e-3, schedule="cosine", decay_steps=4000, warmup=100, ema_decay=0.999
    )
    config.training.update(steps=4000, batch_size=64)
    config.eval.batch_size = 96
    config.likelihood.update(eps=1e-5, rtol=1e-4, atol=1e-4)
    config.likelihood.update(node_divergence="probing", node_probes=2, colors=12, node_chunk=1)
    config.sampling.update(num_steps=200, eps=1e-4)
    return config
