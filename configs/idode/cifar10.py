r"""i-DODE on CIFAR-10 (Zheng et al. 2023, arXiv:2305.03935).

Command: python main.py --config=configs/idode/cifar10.py \
    --workdir=runs/idode_cifar10
Figure: 2.56 bits/dim on the better of their paths, by the flow with truncated normal noise, which
    is what --mode=eval computes; not measured here.
Time: as long as VDM (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.idode("cifar10", channels=128)
