"""Data sets, networks and processes of the published experiments.

Each function changes a config and returns it. A file in `configs/score_sde/` or
`configs/score_flow/` combines them as the official configuration of the same name does (Song et al.
2021, "Score-Based Generative Modeling through SDEs", arXiv:2011.13456, appendix H; Song, Durkan,
Murray & Ermon 2021, "Maximum Likelihood Training of Score-Based Diffusion Models",
arXiv:2101.09258). The loss and its scale, the optimizer, the averaged parameters, flips and the
range of the images are the official ones. Two things differ. The times of a batch are stratified:
the distribution is the same and the variance is lower. A network of discrete levels is sampled at
its levels of training, while score_sde's grid of times lies up to one level below them.

`--config.compat=score_sde` (`score_flow`) evaluates by the conventions of that code.
"""

from ml_collections import ConfigDict

from gradlog.configs import default

# --- data sets ------------------------------------------------------------------------------


def cifar10() -> ConfigDict:
    """50,000 images of 32x32, randomly flipped in training."""
    config = _images("cifar10")
    config.data.random_flip = True
    config.model.dropout = 0.1
    return config


def imagenet32() -> ConfigDict:
    """1.28 million images of 32x32 of the "new" version; score_flow used the "old" one."""
    config = _images("imagenet32")
    config.model.dropout = 0.0
    return config


def celeba() -> ConfigDict:
    """CelebA at 64x64, randomly flipped."""
    config = _folder(64)
    config.model.dropout = 0.1
    config.sde.sigma_max = 90.0
    config.sampling.snr = 0.17
    return config


def large(size: int = 256) -> ConfigDict:
    """LSUN, CelebA-HQ or FFHQ at 256x256, randomly flipped; longer runs of smaller batches."""
    config = _folder(size)
    config.model.dropout = 0.0
    config.sde.sigma_max = 378.0
    config.training.update(steps=2_400_000, batch_size=64)
    config.sampling.update(snr=0.075, num_samples=16, batch_size=16)
    return _scales(config, 2000)


def megapixel() -> ConfigDict:
    """CelebA-HQ or FFHQ at 1024x1024."""
    config = large(1024)
    config.sde.sigma_max = 1348.0
    config.training.batch_size = 8
    config.sampling.snr = 0.15
    return config


def _folder(size: int) -> ConfigDict:
    config = _images("folder")
    config.data.update(random_flip=True, image_size=size, channels=3)
    return config


def _images(name: str) -> ConfigDict:
    """Return the settings that all published experiments share."""
    config = default.get_config()
    config.data.name = name
    config.objective.update(
        weighting="sigma2",
        importance_sampling=False,
        scaling="score_flow",
        dequantization="scaled",
    )
    config.optimizer.ema_warmup = False
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


# --- networks -------------------------------------------------------------------------------


def ddpmpp(config: ConfigDict, *, deep: bool = False) -> ConfigDict:
    """DDPM++: no filter, no pyramids; deep with twice the blocks."""
    config.model.name = "ncsnpp"
    return _deep(config) if deep else config


def ncsnpp(config: ConfigDict, *, deep: bool = False) -> ConfigDict:
    """NCSN++: anti-aliased resampling and a residual pyramid of the input."""
    config.model.update(fir=True, progressive_input="residual")
    return ddpmpp(config, deep=deep)


def ncsnpp_skips(config: ConfigDict) -> ConfigDict:
    """NCSN++ for large images: pyramids of the input and of the output."""
    config.model.update(fir=True, progressive="output_skip", progressive_input="input_skip")
    config.model.update(ch_mult=(1, 1, 2, 2, 2, 2, 2), num_res_blocks=2)
    return config


def ncsnpp_megapixel(config: ConfigDict) -> ConfigDict:
    """NCSN++ for 1024x1024: eight resolutions, few channels at the highest."""
    ncsnpp_skips(config).model.update(nf=16, ch_mult=(1, 2, 4, 8, 16, 32, 32, 32))
    config.model.num_res_blocks = 1
    return config


def ddpm(config: ConfigDict) -> ConfigDict:
    """The network of DDPM for 32x32."""
    config.model.update(name="ddpm", num_res_blocks=2)
    return config


def ddpm_large(config: ConfigDict) -> ConfigDict:
    """The network of DDPM for 256x256, with a smaller learning rate."""
    ddpm(config).model.ch_mult = (1, 1, 2, 2, 4, 4)
    config.optimizer.learning_rate = 2e-5
    return config


def ncsnv2(config: ConfigDict, *, scales: int, steps: int, snr: float) -> ConfigDict:
    """The RefineNet, and NCSNv2's training and annealed Langevin dynamics (arXiv:2006.09011).

    Samples are the last state, as score_sde has them: its removal of noise does nothing where there
    is no predictor. `--config.sampling.denoise=True` takes the posterior mean, as the paper does.

    Args:
      config: of the data.
      scales: levels of noise.
      steps: of Langevin dynamics at each.
      snr: sets their size.
    """
    config.model.update(name="ncsnv2", nonlinearity="elu")
    config.optimizer.update(learning_rate=1e-4, warmup=0, grad_clip=0.0)
    smld(_scales(config, scales))
    config.sampling.update(predictor="none", corrector="ald", corrector_steps=steps, snr=snr)
    config.sampling.denoise = False
    return config


def _deep(config: ConfigDict) -> ConfigDict:
    config.model.num_res_blocks = 8
    config.training.steps = 950_000
    return config


# --- processes ------------------------------------------------------------------------------


def vp(config: ConfigDict) -> ConfigDict:
    """The VP SDE in continuous time; images in [-1, 1]."""
    config.sampling.update(predictor="euler_maruyama", corrector="none", eps=1e-3)
    return _plan_likelihood(config)


def subvp(config: ConfigDict) -> ConfigDict:
    """The sub-VP SDE in continuous time; images in [-1, 1]."""
    config.sde.name = "subvp"
    return vp(config)


def chain(config: ConfigDict, predictor: str = "ancestral") -> ConfigDict:
    """DDPM: the chain of a thousand steps, trained and sampled at its nodes only."""
    config.sde.update(name="ddpm", num_steps=1000)
    config.model.label = "step"
    config.objective.update(levels="steps", eps=1e-3)
    config.likelihood.eps = 1e-3
    config.sampling.update(predictor=predictor, ancestral_variance="beta", corrector="none")
    config.sampling.update(num_steps=1000, eps=1e-3)
    config.model.num_scales = 1000
    return config


def ve(config: ConfigDict) -> ConfigDict:
    """The VE SDE in continuous time; images in [0, 1], and the network outputs the score."""
    config.sde.name = "ve"
    config.model.update(
        parametrization="score",
        label="sigma",
        embedding_type="fourier",
        scale_by_sigma=True,
        centered=False,
    )
    config.objective.reduce_mean = False
    config.optimizer.ema_decay = 0.999
    config.sampling.update(predictor="reverse_diffusion", corrector="langevin", eps=1e-5)
    return _plan_likelihood(config)


def smld(config: ConfigDict) -> ConfigDict:
    """VE on a ladder of levels from sigma_max to sigma_min; the network sees the level's index."""
    ve(config).model.update(label="ladder", embedding_type="positional")
    config.objective.update(levels="ladder", eps=0.0)
    config.likelihood.update(name="ode", eps=0.0)
    return config


def _plan_likelihood(config: ConfigDict) -> ConfigDict:
    """Plan the products for a standard error of 0.0008 bits/dim of the mean.

    The nodes add their own error, which the result states. It is for small images: the pilot of
    large ones takes too much memory, and their `ode` has a small error for each dimension.
    """
    if config.data.name in ("cifar10", "imagenet32"):
        config.likelihood.update(name="planned", target_of="mean", target=0.0008)
    return config


def _scales(config: ConfigDict, count: int) -> ConfigDict:
    """Set the number of levels of the ladder and of steps of the sampler."""
    config.model.num_scales = config.sampling.num_steps = count
    return config


# --- score_flow -----------------------------------------------------------------------------


def score_flow(config: ConfigDict) -> ConfigDict:
    """ScoreFlow: likelihood weighting and importance sampling of times; samples by the flow.

    The smallest times are those of its configurations: 1e-2 for sub-VP, 5e-5 for VP on ImageNet,
    else 1e-5. Its training without either has `--config.objective.weighting=sigma2` and
    `--config.objective.importance_sampling=False`, and for VP on ImageNet 1e-5 too:
    `--config.objective.eps=1e-5 --config.likelihood.eps=1e-5`.

    For the variational columns of its table train a flow after the score, in a workdir of its own:
    `--config.training.start_from=WORKDIR --config.optimizer.frozen=network
    --config.objective.name=elbo --config.objective.dequantization=variational
    --config.likelihood.dequantization=variational`.
    """
    config.objective.update(weighting="likelihood", importance_sampling=True)
    config.sampling.name = "probability_flow"
    if config.sde.name == "subvp":
        config.objective.eps = config.likelihood.eps = config.sampling.eps = 1e-2
    elif config.data.name == "imagenet32":
        config.objective.eps = config.likelihood.eps = 5e-5
    return config


# --- vdm ------------------------------------------------------------------------------------


def vdm(data: str, *, channels: int = 128) -> ConfigDict:
    """Variational diffusion models (Kingma et al. 2021, arXiv:2107.00630) without augmentation.

    The loss is the bound in continuous time, with the decoder over levels. The schedule is learned:
    its ends by the bound, its inside by the variance of the loss (appendix I), which the released
    code leaves out. Its network is rescaled between the ends, and its features are spread over time
    at the start. The likelihood is the bound. Samples take T = 1000 steps from t = 1 to t = 0,
    hence 1001 times.
    """
    config = _images(data)
    config.sde.update(name="learned_gamma", learn_ends=True, schedule_features=1024)
    config.model.update(name="vdm", label="gamma", nf=channels, num_layers=32, dropout=0.1)
    config.objective.update(name="elbo", importance_sampling=False)
    config.objective.update(dequantization="centers", eps=0.0)
    config.optimizer.update(warmup=100, beta2=0.99, grad_clip=0.0)
    config.optimizer.update(weight_decay=0.01, decay_biases=False)
    config.training.steps = 10_000_000
    config.likelihood.update(name="bound", dequantization="decoder", start="noised", eps=0.0)
    config.sampling.update(predictor="ancestral", corrector="none", denoise=False, eps=0.0)
    config.sampling.num_steps = 1001
    return config


# --- md4 ------------------------------------------------------------------------------------


def md4(data: str, *, channels: int = 128) -> ConfigDict:
    """Masked diffusion on pixels (MD4, Shi et al. 2024, arXiv:2406.04329) without augmentation.

    Their network is VDM's, between an embedding of the levels and logits. It sees the time; here it
    does not, as the optimum does not depend on it. The optimizer, the number of steps and the
    dropout are VDM's. The number of masks is drawn in place of the time, which lowers the variance
    of the loss. Samples take the steps of the cosine schedule.
    """
    config = vdm(data, channels=channels)
    config.sde.update(name="masking", mask_schedule="cosine")
    config.model.update(token_features=channels, with_fourier_features=False)
    config.objective.name = "masked"
    config.optimizer.grad_clip = 1.0
    config.likelihood.update(name="bound", samples=128)
    config.sampling.update(name="ancestral", num_steps=256)
    return config


# --- mulan ----------------------------------------------------------------------------------


def mulan(data: str, *, channels: int, parametrization: str) -> ConfigDict:
    """MuLAN (Sahoo et al. 2024, arXiv:2312.13236): VDM with schedules that a latent chooses.

    The latent is a set of 15 of 50 elements. Here it is drawn by Gumbel noise, and its KL is that
    of the set. The encoder is a perceptron of two layers, where the released code has a U-Net of
    four blocks. The network sees the map of noise levels as further channels. The likelihood is
    their best: the flow, truncated normal noise and 20 importance samples.
    """
    config = vdm(data, channels=channels)
    config.sde.update(name="multivariate", learn_ends=False)
    config.sde.update(latents=50, latent_ones=15, latent_hidden=256)
    config.model.parametrization = parametrization
    config.likelihood.update(name="importance", base="ode", variable="t", start="as_sample")
    config.likelihood.update(dequantization="truncated_normal", importance_samples=20)
    config.sampling.variable = "t"
    return config


# --- nfdm -----------------------------------------------------------------------------------


def nfdm(data: str) -> ConfigDict:
    """NFDM (Bartosh et al. 2024, arXiv:2404.12940) with a Gaussian path of each image.

    Mean and standard deviation of the path are a second network of the kind that estimates the
    image, and g is a perceptron of the time. The formulas are the paper's. Network, optimizer and
    number of steps are those of score_sde's DDPM++, not the paper's. The likelihood is the bound.
    """
    config = ddpmpp(_images(data))
    config.sde.update(name="neural", neural_network="model")
    config.objective.update(name="elbo", dequantization="uniform")
    config.likelihood.name = "bound"
    config.sampling.name = "neural_reverse"
    return config


# --- i-DODE ---------------------------------------------------------------------------------


def idode(data: str, *, channels: int) -> ConfigDict:
    """i-DODE (Zheng et al. 2023, arXiv:2305.03935) on the variance-preserving path, first order.

    VDM's network predicts the velocity. Times are drawn in proportion to the likelihood weighting.
    Training sees the centers of levels, and the likelihood is the flow from their truncated normal
    noise, with planned products. The data are levels, so that the flow turns sharply where the
    noise is as wide as one: 24 nodes would be off by 0.01 bits/dim there, these are by 0.0004 for a
    perfect model. Their second-order training is `--config.objective.name=dsm2`, from the start.
    """
    config = vdm(data, channels=channels)
    config.sde.update(name="log_snr")
    config.model.parametrization = "velocity"
    config.objective.update(name="dsm", weighting="likelihood", importance_sampling=True)
    config.likelihood.update(start="as_sample", dequantization="truncated_normal", intervals=96)
    config.sampling.name = "probability_flow"
    return _plan_likelihood(config)
