"""Networks: `(x, label, condition, *, train) -> array like x`, for one example, no batch axis.

`label` is the scalar by which a parametrisation tells the network how noisy x is; `condition` the
index of a class from 0 on, `num_classes` or None for no class. Dropout draws from the flax stream
"dropout", and only when `train`.
"""

from models.networks.ddpm import DDPM
from models.networks.mlp import MLP
from models.networks.ncsnpp import NCSNpp
from models.networks.ncsnv2 import NCSNv2
from models.networks.vdm import VDM

NETWORKS = {"ddpm": DDPM, "mlp": MLP, "ncsnpp": NCSNpp, "ncsnv2": NCSNv2, "vdm": VDM}

__all__ = ["DDPM", "MLP", "NETWORKS", "VDM", "NCSNpp", "NCSNv2"]
