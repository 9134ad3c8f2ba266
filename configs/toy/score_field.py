"""The score of 1/5 N([-5,-5], I) + 4/5 N([5,5], I), learned by sliced score matching.

Song & Ermon 2019, arXiv:1907.05600, figure 2. The learned score is accurate near the data and
inaccurate elsewhere.

Command: python main.py --config=configs/toy/score_field.py --workdir=runs/score_field --mode=study
Figure: the rms error is 0.09 under the density, and 5.0 where there are hardly any points.
Time: one minute on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.name = "mixture"
    config.sde.update(name="ve", sigma_min=0.01, sigma_max=20.0)
    config.model.update(name="mlp", parametrization="score", label="log_rho", dropout=0.0)
    config.model.update(embedding_type="fourier_linear", fourier_scale=0.5)
    config.objective.update(name="ssm_vr", levels="one", weighting="one")
    config.optimizer.update(learning_rate=1e-3, schedule="cosine", decay_steps=6000, warmup=100)
    config.optimizer.update(grad_clip=10.0, ema_decay=0.999)
    config.training.update(steps=6000, batch_size=256, checkpoint_every=0, eval_every=0)
    config.study.name = "score_field"
    return config
