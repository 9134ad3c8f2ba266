r"""NCSN++ continuous with the VE SDE on CIFAR-10.

It is the same experiment as configs/score_sde/ve/cifar10_ncsnpp_continuous.py.

Command: python main.py --config=configs/ve/cifar10_ncsnpp_continuous.py \
    --workdir=runs/ve_cifar10_ncsnpp
Figure: FID 2.38 in the paper (table 3); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs.score_sde.ve import cifar10_ncsnpp_continuous


def get_config():
    return cifar10_ncsnpp_continuous.get_config()
