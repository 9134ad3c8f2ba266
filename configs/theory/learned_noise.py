"""The bound over shapes of noise schedules, and joint training of f, g and s on a mixture.

Command: python main.py --config=configs/theory/learned_noise.py --workdir=runs/learned_noise \\
    --mode=study
Figure: not measured.
Time: not measured.
"""

from gradlog.configs.theory import kl_rates


def get_config():
    config = kl_rates.get_config()
    config.study.update(name="learned_noise", samples=4000)
    return config
