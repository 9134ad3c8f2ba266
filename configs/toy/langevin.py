"""Samples of 1/5 N([-5,-5], I) + 4/5 N([5,5], I): exact, Langevin, annealed Langevin.

Song & Ermon 2019, arXiv:1907.05600, figure 3. The ladder is theirs, from 20 to 1, with 100 steps of
size 0.1 at each of 10 levels. The score is exact. With --config.study.learned=True it is learned as
in the paper, by denoising score matching on the ladder.

Command: python main.py --config=configs/toy/langevin.py --workdir=runs/langevin --mode=study
Figure: weight of the first mode, +- 0.004: 0.494 by Langevin, 0.212 by annealed Langevin; the true
weight is 0.2. With the learned score: 0.463 and 0.220. (200,000 chains give 0.217 +- 0.001.)
Time: twenty seconds on two CPU cores; with training a minute and a half.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.name = "mixture"
    config.sde.update(name="ve", sigma_min=1.0, sigma_max=20.0)
    config.model.update(
        name="mlp",
        num_scales=10,
        label="ladder",
        embedding_type="table",
        parametrization="preconditioned",
        sigma_data=5.1,
        dropout=0.0,
    )
    config.objective.update(name="dsm", levels="ladder", weighting="sigma2", eps=1e-5)
    config.optimizer.update(learning_rate=2e-3, schedule="cosine", decay_steps=4000, warmup=100)
    config.optimizer.update(grad_clip=10.0, ema_decay=0.999)
    config.training.update(steps=4000, batch_size=256, checkpoint_every=0, eval_every=0)
    config.sampling.update(name="annealed_langevin", num_scales=0, eps=1e-5, denoise=False)
    config.sampling.update(step_size=0.1, steps_per_level=100)
    config.study.name = "langevin"
    return config
