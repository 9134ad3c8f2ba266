"""The bound over shapes of noise schedules, and joint training of f, g and s on a mixture.

Command: python main.py --config=configs/theory/learned_noise.py --workdir=runs/learned_noise \\
    --mode=study
Figure: with a wrong score the shape moves the bound by at most 0.007 +- 0.007 nats if both
    dimensions share it, and by 0.056 +- 0.008 if one bends alone. Above the entropy after training
    f, g and s: 0.046 +- 0.009 nats; s alone, on a short process: 0.573 +- 0.010.
Time: half a minute on two busy CPU cores.
"""

from gradlog.configs.theory import kl_rates


def get_config():
    config = kl_rates.get_config()
    config.study.update(name="learned_noise", samples=4000)
    return config
