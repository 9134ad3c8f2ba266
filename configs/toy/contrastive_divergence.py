"""An energy by contrastive divergence with Langevin chains, against denoising score matching.

The mixture and the network of configs/toy/energy.py, at its one noise level of std 0.5.

Command: python main.py --config=configs/toy/contrastive_divergence.py --workdir=runs/contrastive \\
    --mode=study
Figure: KL(p||q) after 1000 steps: 0.0022 nats by dsm with one NFE a step, 0.022 by chains of one
    step (3 NFE), 0.0043 by ten (12 NFE), 0.0032 by thirty (32 NFE).
Time: half a minute on two CPU cores.
"""

from gradlog.configs.toy import energy


def get_config():
    config = energy.get_config()
    config.objective.update(levels="one", weighting="one")
    config.optimizer.decay_steps = 1000
    config.training.update(steps=1000, batch_size=128)
    config.sampling.update(name="langevin", step_size=0.05, langevin_steps=1)
    config.study.update(name="contrastive_divergence", extent=8.0)
    return config
