"""Networks: `(x, label, *, train) -> array like x`, for one example without a batch axis.

`label` is the scalar by which a parametrisation tells the network how noisy x is. Dropout draws
from the flax stream "dropout", and only when `train`.
"""

from models.networks.mlp import MLP
from models.networks.ncsnpp import NCSNpp

NETWORKS = {"mlp": MLP, "ncsnpp": NCSNpp}

__all__ = ["MLP", "NETWORKS", "NCSNpp"]
