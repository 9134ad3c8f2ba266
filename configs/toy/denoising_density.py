"""A generator of two moons, trained by two energies: Bigdeli's denoising density estimators.

Bigdeli et al. 2020, arXiv:2001.02728, at one noise level of standard deviation 0.2.

Command: python main.py --config=configs/toy/denoising_density.py --workdir=runs/dde --mode=study
Figure: the sliced Wasserstein distance of 2,000 samples to 2,000 test points falls from 0.54 to
0.028. For another 2,000 points of the data the distance is 0.031 +- 0.005.
Time: one minute on two CPU cores.
"""

from gradlog.configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="moons")
    config.sde.update(name="ve", sigma_min=0.2, sigma_max=20.0)
    config.model.update(name="mlp", parametrization="energy", sigma_data=0.8, hidden=64)
    config.model.update(label="log_rho", embedding_type="fourier_linear", dropout=0.0)
    config.objective.update(levels="one", weighting="one")
    config.optimizer.update(learning_rate=2e-3, warmup=100, ema_decay=0.999, grad_clip=10.0)
    config.training.update(steps=4000, batch_size=512, checkpoint_every=0, eval_every=0)
    config.study.update(name="denoising_density", extent=2.5)
    return config
