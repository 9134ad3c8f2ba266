"""Is a score network of digits secretly the Gaussian mixture around its training images?

The demo's network, trained for a shorter time, beside the score that its loss asks for.

Command: python main.py --config=configs/toy/gmm_digits.py --workdir=runs/gmm_digits --mode=study
Figure: sigma^2 |network - mixture|^2 / d at test images is 0.0017 at rho 2.5, 0.11 at 0.64, 2.1 at
    0.16 and 14 at 0.04. All of the mixture's samples are training images; the network's are none.
    1.94 bits/dim by the network, 3.33 by the best kernel density estimate.
Time: a minute and a half on two CPU cores.
"""

from gradlog.configs import digits


def get_config():
    config = digits.get_config()
    config.optimizer.decay_steps = 2000
    config.training.update(steps=2000, eval_every=0, checkpoint_every=0, sample_every=0)
    config.likelihood.update(name="bound", samples=32)
    config.sampling.update(name="heun", num_steps=30, schedule="karras")
    config.study.update(name="gmm", draws=512, noise_levels=8)
    return config
