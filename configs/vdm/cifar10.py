r"""VDM on CIFAR-10 (Kingma et al. 2021, arXiv:2107.00630).

Command: python main.py --config=configs/vdm/cifar10.py \
    --workdir=runs/vdm_cifar10
Figure: 2.65 bits/dim (table 1), by the variational bound with a learned noise schedule, which
    is what --mode=eval computes; not measured here.
Time: 10 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.vdm("cifar10")
