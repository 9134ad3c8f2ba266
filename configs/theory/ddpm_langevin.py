"""A network trained with DDPM's simple loss, sampled by its own steps and by annealed Langevin.

The data are the mixture of Song & Ermon 2019 with coordinates divided by 5; the process is VP. The
ladder has 20 levels of rho = sigma/alpha, from 152 to 0.1. The sampled modes of std 0.2 contain the
noise of the last level.

Command: python main.py --config=configs/theory/ddpm_langevin.py --workdir=runs/ddpm --mode=study
Figure: weight of the first mode, +- 0.004: 0.199 by DDPM's steps, 0.222 by annealed Langevin; the
true weight is 0.2. The std within modes is 0.225 and 0.227; the true one is 0.224.
Time: two minutes on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="mixture", scale=5.0)
    config.sde.name = "vp"
    config.model.update(name="mlp", parametrization="noise", label="time", dropout=0.0)
    config.objective.update(name="dsm", weighting="sigma2", levels="continuous", eps=1e-3)
    config.optimizer.update(learning_rate=2e-3, schedule="cosine", decay_steps=6000, warmup=100)
    config.optimizer.update(grad_clip=10.0, ema_decay=0.999)
    config.training.update(steps=6000, batch_size=256, checkpoint_every=0, eval_every=0)
    config.sampling.update(name="annealed_langevin", num_scales=20, eps=0.027, denoise=False)
    config.sampling.update(step_size=1e-3, num_steps=1000)
    config.likelihood.eps = 1e-3
    config.study.name = "ddpm_langevin"
    return config
