r"""The network of DDPM on a ladder of 1000 levels, CIFAR-10, as in score_sde_pytorch.

Command: python main.py --config=configs/score_sde/ve/cifar10_ddpm.py \
    --workdir=runs/score_sde_ve_cifar10_ddpm
Figure: not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.smld(published.ddpm(published.cifar10()))
