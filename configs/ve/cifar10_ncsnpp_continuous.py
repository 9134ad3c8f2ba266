r"""NCSN++ continuous with the VE SDE on CIFAR-10.

The published experiment configs/score_sde/ve/cifar10_ncsnpp_continuous.py, where its figures are.

Command: python main.py --config=configs/ve/cifar10_ncsnpp_continuous.py \
    --workdir=runs/ve_cifar10_ncsnpp
Figure: see there.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs.score_sde.ve import cifar10_ncsnpp_continuous


def get_config():
    return cifar10_ncsnpp_continuous.get_config()
