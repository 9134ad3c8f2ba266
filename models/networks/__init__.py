"""Networks: `(x, label, condition, *, train) -> array like x`, for one example, without batch axis.

`TokenNetwork` makes of each a network from tokens to logits, and `MapNetwork` one with a label for
each dimension.

`label` is the scalar noise label. `condition` is the index of a class from 0 on; `num_classes` or
None stand for no class. Dropout draws from the flax stream "dropout", and only if `train` is true.
"""

from gradlog.models.networks.ddpm import DDPM as DDPM
from gradlog.models.networks.dit import DiT as DiT
from gradlog.models.networks.map_network import MapNetwork as MapNetwork
from gradlog.models.networks.mlp import MLP as MLP
from gradlog.models.networks.ncsn import NCSN as NCSN
from gradlog.models.networks.ncsnpp import NCSNpp as NCSNpp
from gradlog.models.networks.ncsnv2 import NCSNv2 as NCSNv2
from gradlog.models.networks.token_network import TokenNetwork as TokenNetwork
from gradlog.models.networks.vdm import VDM as VDM

NETWORKS = {
    "ddpm": DDPM,
    "dit": DiT,
    "mlp": MLP,
    "ncsn": NCSN,
    "ncsnpp": NCSNpp,
    "ncsnv2": NCSNv2,
    "vdm": VDM,
}
