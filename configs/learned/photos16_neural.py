"""8-bit RGB patches, 16x16, with a path that is learned as a whole: NFDM (arXiv:2404.12940).

The network and the optimizer are those of configs/photos16.py; the network estimates the image.

Command: python main.py --config=configs/learned/photos16_neural.py \\
    --workdir=runs/photos16_neural
Figure: 4.291 +- 0.073 bits/dim on the 384 test patches (bound) after 550 steps, by
configs/sweeps/photos16_processes.py; not measured to its end.
Time: a step takes 1.09 times the CPU time of configs/photos16.py.
"""

from gradlog.configs import photos16


def get_config():
    config = photos16.get_config()
    config.sde.name = "neural"
    config.objective.name = "elbo"
    config.optimizer.process_rate = 0.25
    config.likelihood.name = "bound"
    config.sampling.name = "neural_reverse"
    return config
