r"""DDPM on CIFAR-10, a network that does not see the step: NCSNv2's technique 3 (arXiv:2006.09011).

Command: python main.py --config=configs/score_sde/vp/ddpm/cifar10_unconditional.py \
    --workdir=runs/score_sde_vp_ddpm_cifar10_unconditional
Figure: not measured here, and none is published.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    config = published.chain(published.ddpm(published.cifar10()))
    config.model.conditional = False
    return config
