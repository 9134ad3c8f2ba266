"""What the published experiments on 32x32 images share (Song et al. 2021, appendix H).

Each file of `configs/vp/`, `configs/subvp/` and `configs/ve/` is a data set, a network and an SDE
of this one. Networks and optimiser are those of score_sde's `*_continuous` configurations; VP and
sub-VP are trained with ScoreFlow's likelihood weighting, importance sampling and smallest times.
The published CIFAR-10 models saw randomly flipped images; here images are not flipped.
"""

from ml_collections import ConfigDict

from configs import default


def vp(data: str, network: str) -> ConfigDict:
    """VP with likelihood weighting and importance sampling (ScoreFlow)."""
    config = _base(data, network)
    if data == "imagenet32":
        config.objective.eps = config.likelihood.eps = 5e-5
    return config


def subvp(data: str, network: str) -> ConfigDict:
    """Sub-VP with likelihood weighting and importance sampling (ScoreFlow)."""
    config = _base(data, network)
    config.sde.name = "subvp"
    config.objective.eps = config.likelihood.eps = config.sampling.eps = 1e-2
    return config


def ve(data: str, network: str) -> ConfigDict:
    """VE: the network divides by sigma and is the score; images in [0, 1]; weighting sigma^2."""
    config = _base(data, network)
    config.sde.name = "ve"
    config.model.update(
        parametrisation="score",
        label="sigma",
        embedding_type="fourier",
        scale_by_sigma=True,
        centered=False,
    )
    config.objective.update(weighting="sigma2", importance_sampling=False)
    config.optimizer.ema_decay = 0.999
    config.sampling.update(predictor="reverse_diffusion", corrector="langevin", eps=1e-5)
    return config


NETWORKS = {
    # DDPM++: no filter, no pyramids.
    "ddpmpp": {},
    # NCSN++: anti-aliased resampling and a residual pyramid of the input.
    "ncsnpp": {"fir": True, "progressive_input": "residual"},
}


def _base(data: str, network: str) -> ConfigDict:
    config = default.get_config()
    config.data.name = data
    config.model.update(NETWORKS[network])
    config.model.dropout = 0.0 if data == "imagenet32" else 0.1
    config.training.update(
        steps=1_300_000,
        batch_size=128,
        log_every=100,
        checkpoint_every=50_000,
        eval_every=5_000,
        sample_every=50_000,
    )
    config.eval.batch_size = 256
    config.likelihood.chunk = 4
    config.sampling.update(num_samples=256, batch_size=256)
    return config
