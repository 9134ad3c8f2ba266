"""Your own data: `configs/own.py:PATH`, a folder of images, or an .npy or .npz file of arrays.

The data are inspected, and size, levels, network and steps are chosen for a first result soon: in
about five minutes on a CPU, in about an hour on an accelerator. You can override every key. The
rules are in ``gradlog/experiment/own_data.py``.

Command: python main.py --config=configs/own.py:~/pictures --workdir=runs/own
Figure: no reference, the data are yours; a uniform distribution has log2(levels) bits/dim.
Time: five minutes of training on two CPU cores for images of 16x16, one of evaluation.
"""

from ml_collections import ConfigDict

from gradlog.experiment.own_data import own_data_config


def get_config(path: str = "") -> ConfigDict:
    """Return an experiment for the data at a path."""
    return own_data_config(path)
