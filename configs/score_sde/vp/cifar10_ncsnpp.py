r"""NCSN++ as a discrete chain on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/vp/cifar10_ncsnpp.py \
    --workdir=runs/score_sde_vp_cifar10_ncsnpp
Figure: not measured here, and none is published.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.chain(published.ncsnpp(published.cifar10()), predictor="reverse_diffusion")
