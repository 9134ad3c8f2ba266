"""Networks: `(x, label, condition, *, train) -> array like x`, for one example, no batch axis.

`label` is the scalar by which a parametrization tells the network how noisy x is; `condition` the
index of a class from 0 on, `num_classes` or None for no class. Dropout draws from the flax stream
"dropout", and only when `train`.
"""

from gradlog.models.networks.ddpm import DDPM
from gradlog.models.networks.mlp import MLP
from gradlog.models.networks.ncsnpp import NCSNpp
from gradlog.models.networks.ncsnv2 import NCSNv2
from gradlog.models.networks.vdm import VDM

NETWORKS = {"ddpm": DDPM, "mlp": MLP, "ncsnpp": NCSNpp, "ncsnv2": NCSNv2, "vdm": VDM}

__all__ = ["DDPM", "MLP", "NETWORKS", "VDM", "NCSNpp", "NCSNv2"]
