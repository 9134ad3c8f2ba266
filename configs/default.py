"""Every key of a configuration, with its default. Experiments are overrides of this file.

A section holds the keys of all its members together; the member that `name` selects reads its own.
Empty strings and zeros stand for "not given". The comment on a key's line, or above it where there
is no room, says what it means: ``--help`` and the documentation show it. A workdir that is older
than a key is taken to have been made with its default: a default never changes once it is released.
"""

from gradlog.aliases import Config


def get_config() -> Config:
    """A DDPM++ on the digits: a base, rather than an experiment."""
    config = Config()
    config.seed = 0  # of parameters, noise, order of the data
    config.compat = ""  # 'score_flow', 'score_sde': evaluate by the conventions of that code
    config.data = data()
    config.sde = sde()
    config.model = model()
    config.objective = objective()
    config.optimizer = optimizer()
    config.training = training()
    config.eval = evaluation()
    config.likelihood = likelihood()
    config.sampling = sampling()
    config.classifier = classifier()
    config.quality = quality()
    config.study = study()
    return config.lock()  # a misspelt key in an experiment's file is an error


def data() -> Config:
    """What is modeled."""
    return Config(
        {
            # 'digits', 'photos', 'cifar10', 'imagenet32', 'tfds'; your own: 'files', 'folder';
            # toys: 'mixture', 'moons', 'checkerboard', 'circle'.
            "name": "digits",
            "data_dir": "",  # where prepared data sets live; '' for ~/.cache/gradlog
            "path": "",  # files, folder: the data; cifar10, imagenet32: the official archives
            "test_path": "",  # files: test data, else a share of `path`
            "levels": -1,  # files: of integer data (256 for 8 bits); 0 for continuous data
            "test_fraction": 0.1,  # files, folder: held out where no test data are given
            "seed": 0,  # of splits and of synthetic data
            "image_size": 0,  # photos: 16 or 32; folder: resize to this; 0 as they are
            "channels": 0,  # folder: 1 or 3
            "num_train": 0,  # photos, toys: examples to train on; 0 for the set's own number
            "num_test": 0,  # photos, toys: examples to test on; 0 for the set's own number
            "scale": 1.0,  # toys: divides the coordinates
            "noise": 0.1,  # moons, circle: its std
            "dims": 2,  # mixture, circle: of the space they lie in
            "center": 5.0,  # mixture: modes at minus and plus this in every coordinate
            "tfds_name": "",  # tfds: a prepared data set: NAME, NAME/CONFIG, either with :VERSION
            "train_split": "train",  # tfds: also a part, such as train[:90%]
            "test_split": "test",  # tfds: also a part, such as test[:50%]
            "version": "new",  # imagenet32: 'new' or 'old', two data sets
            "random_flip": False,  # images in training: mirrored with probability one half
            "read_labels": False,  # files, tfds, imagenet32: for class-conditional models
        }
    )


def sde() -> Config:
    """The process that makes noise of data."""
    return Config(
        {
            "name": "vp",  # 'vp', 'subvp', 've', 'straight', 'ddpm' (discrete), 'log_snr' (VDM's)
            "beta_min": 0.1,  # vp, subvp, ddpm: noise rate at t = 0
            "beta_max": 20.0,  # vp, subvp, ddpm: noise rate at t = 1
            "sigma_min": 0.01,  # ve, and the ladder: std of the least noise
            "sigma_max": 50.0,  # ve, and the ladder: std of the most noise
            "t_max": 0.999,  # straight: where it ends, before the data are gone at t = 1
            "num_steps": 1000,  # ddpm: steps of the chain; of label 'step' and objective 'steps'
            "gamma_min": -13.3,  # log_snr: minus the log-SNR at t = 0
            "gamma_max": 5.0,  # log_snr: at t = 1
        }
    )


def model() -> Config:
    """The network, what it is told, and what is made of its output."""
    return Config(
        {
            "name": "ncsnpp",  # network: 'ncsnpp', 'ddpm', 'ncsnv2', 'vdm'; 'mlp' for points
            # What the network gives: 'noise', 'score', 'preconditioned' (EDM), 'velocity', or an
            # 'energy'.
            "parametrization": "noise",
            # What it is told: 'time' 999 t/t_max, 'sigma', 'log_rho' log(rho)/4, 'ladder' an index,
            # 'step' N t/t_max - 1, 'gamma' that of log_snr as a share of its range.
            "label": "time",
            "num_scales": 1000,  # levels of the ladder, of label and objective
            "sigma_data": 0.5,  # preconditioned, energy, and the weighting 'edm': std of the data
            "energy_scale": "noise",  # energy: 'noise' for data near a manifold, or 'data'
            "nf": 128,  # images: channels at the full resolution
            "ch_mult": (1, 2, 2, 2),  # ncsnpp, ddpm: channels at each resolution, in units of nf
            "num_res_blocks": 4,  # ncsnpp, ddpm: at each resolution; one more on the way up
            "attn_resolutions": (16,),  # ncsnpp, ddpm: image heights at which there is attention
            "resamp_with_conv": True,  # ncsnpp with blocks 'ddpm', ddpm: resample by a convolution
            "conditional": True,  # ncsnpp, ddpm, mlp: the network is told the noise label
            "fir": False,  # ncsnpp: resample with the anti-aliasing filter
            "fir_kernel": (1, 3, 3, 1),  # ncsnpp: the anti-aliasing filter
            "resblock_type": "biggan",  # ncsnpp: or 'ddpm'
            "progressive": "none",  # ncsnpp: output over resolutions: 'output_skip', 'residual'
            "progressive_input": "none",  # ncsnpp: input over resolutions: 'input_skip', 'residual'
            "progressive_combine": "sum",  # ncsnpp: of the input's with the blocks': or 'cat'
            "centered": True,  # images: the model's space is [-1, 1]; else [0, 1]
            "scale_by_sigma": False,  # ncsnpp, ddpm, ncsnv2: divide the output by the label's sigma
            "backbone": 64,  # ncsnv2: image size that it is for: 64 (and 32), 128 or 256
            "interpolation": "bilinear",  # ncsnv2: or 'nearest_neighbor'
            "with_fourier_features": True,  # vdm: of the input, beside it
            "with_attention": False,  # vdm: after every block, not only in the middle
            "num_layers": 3,  # mlp, vdm: residual blocks; vdm: on the way down, one more up
            "hidden": 128,  # mlp: width
            "embedding": 64,  # mlp: sines and cosines of the label
            "dropout": 0.1,  # all but ncsnv2: share of activations left out in training
            "nonlinearity": "swish",  # all but vdm: or 'elu', 'relu', 'lrelu'
            "skip_rescale": True,  # ncsnpp, mlp: divide residual sums by sqrt(2)
            # ncsnpp, mlp: of the label: 'positional', 'fourier' (of its logarithm),
            # 'fourier_linear', or a 'table' of levels.
            "embedding_type": "positional",
            "fourier_scale": 16.0,  # ncsnpp, mlp: std of the frequencies of a Fourier embedding
            # ncsnpp, mlp: whether the frequencies of a Fourier embedding are learned.
            "trainable_embedding": False,
            "init_scale": 0.0,  # ncsnpp, mlp: of the last layer of each block, and of the network
            "num_classes": 0,  # that the network can be told; 0: unconditional
            # images: or 'bfloat16': of training and samples, never of a likelihood.
            "dtype": "float32",
            "remat": False,  # images: compute activations again on the way back: memory for time
        }
    )


def objective() -> Config:
    """What is minimized."""
    return Config(
        {
            # Score matching: 'dsm' denoising, 'dsm2' of second order, 'esm' explicit, 'ism'
            # implicit, 'ssm', 'ssm_vr' sliced, 'fsm' by finite differences.
            "name": "dsm",
            # Noise levels trained on: 'continuous'; 'ladder', 'steps': of these; 'one': at eps
            # alone.
            "levels": "continuous",
            "weighting": "likelihood",  # 'sigma2', 'likelihood' (g^2), 'edm', 'one'
            "importance_sampling": True,  # continuous: draw t in proportion to the weighting
            "scaling": "integral",  # of the loss, in nats/dim; 'score_flow': as that code has it
            "reduce_mean": True,  # score_flow: over dimensions; else half their sum
            # Integer data: 'uniform'; 'scaled' k/(levels - 1), 'centers' (k + 1/2)/levels.
            "dequantization": "uniform",
            "eps": 1e-5,  # smallest time trained on
            "log_rho_mean": -1.2,  # edm: mean of the log rho that are trained on
            "log_rho_std": 1.2,  # edm: std of the log rho that are trained on
            "chunk": 128,  # ism: products at once
            "slices": 1,  # ssm, ssm_vr, fsm, dsm2: random directions per example
            "slice_law": "rademacher",  # or 'gaussian', 'sphere'
            "fd_step": 0.05,  # fsm: in units of sigma
            "trace_weight": 1.0,  # dsm2: of the mismatch of the Jacobian's trace
            "jacobian_weight": 1.0,  # dsm2: of the mismatch of the Jacobian along the slices
            "class_dropout": 0.1,  # class-conditional models: how often no class is told
        }
    )


def optimizer() -> Config:
    """How it is minimized."""
    return Config(
        {
            "name": "adam",  # 'adam'; with weight_decay AdamW
            "learning_rate": 2e-4,  # after the warmup
            "schedule": "constant",  # of the rate after the warmup: or 'cosine'
            "decay_steps": 0,  # cosine: updates until the rate is at its lowest
            "warmup": 5000,  # updates over which the rate grows from zero
            "beta1": 0.9,  # adam: decay of the mean gradient
            "beta2": 0.999,  # adam: decay of the mean squared gradient
            "adam_eps": 1e-8,  # adam: added to the root of the mean squared gradient
            "weight_decay": 0.0,  # adam: in units of the rate, apart from the gradient
            "decay_biases": True,  # weight_decay: of parameters named bias too
            "grad_clip": 1.0,  # largest global norm; 0 for none
            "accumulate": 1,  # batches to an update
            "ema_decay": 0.9999,  # of the averaged parameters, which are evaluated and sampled
            "ema_warmup": True,  # a young average forgets faster; score_sde has it constant
        }
    )


def training() -> Config:
    """How long, on which devices, and what is written on the way."""
    return Config(
        {
            "steps": 1000,  # until it is done, counted from the beginning
            "batch_size": 64,  # of all devices of all hosts together
            "parallel": "pmap",  # or 'shard_map'; 'fsdp': a part of the state on each device
            "log_every": 50,  # steps between lines of metrics
            "checkpoint_every": 1000,  # steps between checkpoints
            "keep": 5,  # newest checkpoints kept; 0 for all
            "keep_every": 0,  # checkpoints at multiples of this step are kept too; 0 for none
            "keep_best": 1,  # so many of the lowest held-out loss are kept too
            "eval_every": 500,  # steps between held-out losses
            "sample_every": 0,  # steps between pictures of samples
            "max_skips": 0,  # steps left out, not finite in loss or gradient, before training stops
            # Where metrics are shown: 'tensorboard', 'wandb', 'mlflow' or 'none'; docs/tracking.md.
            "tracker": "tensorboard",
        }
    )


def evaluation() -> Config:
    """Which images are evaluated, and by which estimators, for --mode=eval."""
    return Config(
        {
            "batch_size": 64,  # images at once, over all local devices; roundings depend on it
            "estimators": (),  # members of `likelihood`; empty for (likelihood.name,)
            "num_images": 0,  # the first so many of the test set; 0 for all
            "second_look": 16,  # images evaluated again with another draw, for the error's parts
            "convergence_images": 0,  # images evaluated again with tighter numerics
        }
    )


def likelihood() -> Config:
    """The estimators of log p: their numerics, their randomness, where they begin."""
    return Config(
        {
            # Estimator: 'ode', 'quadrature', 'exact', 'scipy', 'bound', 'vlb', or 'importance' (see
            # `base`).
            "name": "ode",
            "rtol": 1e-5,  # ode, exact, scipy, quadrature: relative tolerance of the solver
            "atol": 1e-5,  # ode, exact, scipy, quadrature: absolute tolerance of the solver
            "eps": 1e-5,  # where the data are placed: log p_eps is computed
            "start": "noised",  # at eps: 'noised' and paid for; 'as_sample', as score_flow does
            "variable": "log_rho",  # of integration: 'log_rho' or 't'
            "max_steps": 4096,  # of the solver; an image that needs more has failed
            "intervals": 24,  # quadrature: between nodes even in log rho
            "standard_error": 0.02,  # quadrature: further rounds of probes down to it; bits/dim
            "rounds": 8,  # quadrature: at most so many
            "node_chunk": 5,  # quadrature: calls of the divergence at once
            "node_divergence": "rademacher",  # quadrature: in the place of `divergence`
            "node_probes": 3,  # quadrature: in the place of `probes`
            "dequantization": "uniform",  # or 'truncated_normal': at eps, with the kernel's noise
            # ode: trace of the Jacobian: by random probes 'rademacher', 'gaussian', 'sphere',
            # 'orthogonal', 'probing', 'hutchpp', or 'exact'.
            "divergence": "rademacher",
            "probes": 1,  # ode: random directions per image; one tells no error of its own
            "colors": 16,  # probing, orthogonal: classes of dimensions, one product each
            "rank": 8,  # hutchpp: of the sketch, two products each
            "chunk": 128,  # exact: products at once; bound: times at once
            "base": "ode",  # importance: the estimator used at each draw
            "importance_samples": 20,  # importance: draws of the dequantization per image
            "samples": 128,  # bound, vlb: times per image; even
            "form": "dsm",  # bound: 'dsm' or 'ssm'
            "vlb_steps": 1000,  # vlb: of the diffusion, even in `variable`
        }
    )


def sampling() -> Config:
    """The samplers, for --mode=sample; some keys are of encoding."""
    return Config(
        {
            # Sampler: 'predictor_corrector', 'probability_flow', 'ddim', 'heun' (EDM), 'dpm_2m',
            # 'dpm_3m', 'dpm_sde', 'annealed_langevin', 'langevin'; docs/samplers.md says which to
            # take.
            "name": "predictor_corrector",
            "num_samples": 64,  # samples to draw
            "batch_size": 64,  # samples at once, over all local devices
            "eps": 1e-3,  # time at which sampling ends
            "denoise": True,  # give the mean of the data at the end, not a sample with noise of eps
            # Steps; of predictor_corrector the times, from t_max to eps: one more than its steps.
            "num_steps": 1000,
            "schedule": "uniform",  # of times: 'uniform', 'quadratic', 'karras' or 'log_snr'
            "karras_exponent": 7.0,  # karras: of rho, between whose roots steps are even
            "eta": 0.0,  # ddim: share of the ancestral noise, 0 for none, 1 for all
            "churn": 0.0,  # heun: EDM's S_churn; 0 for the flow alone
            "churn_min": 0.0,  # heun: the rho above which noise is churned
            "churn_max": 0.0,  # heun: the rho below which noise is churned; 0 for no limit
            "churn_noise": 1.0,  # heun: std of the noise that is churned
            "published_third": False,  # dpm_3m: as in published code, of second order
            "step_size": 2e-5,  # langevin, annealed_langevin: at the level of eps
            "langevin_steps": 1000,  # langevin: steps of a chain
            "num_scales": 10,  # annealed_langevin: levels; 0 for those of the model's ladder
            "steps_per_level": 100,  # annealed_langevin: steps at each level
            # predictor_corrector: 'euler_maruyama', 'reverse_diffusion', 'ancestral' or 'none'.
            "predictor": "euler_maruyama",
            "corrector": "none",  # predictor_corrector: 'langevin', 'ald' or 'none'
            "snr": 0.16,  # langevin, ald: signal to noise of a step, which sets its size
            "corrector_steps": 1,  # langevin, ald: after each step of the predictor
            "probability_flow": False,  # euler_maruyama, reverse_diffusion: without noise
            "ancestral_variance": "posterior",  # ancestral: 'posterior' or 'beta'
            "batch_norms": False,  # langevin: norms are means over the batch, as in score_sde
            "rtol": 1e-5,  # probability_flow, and encoding: relative tolerance
            "atol": 1e-5,  # probability_flow, and encoding: absolute tolerance
            "variable": "log_rho",  # probability_flow, and encoding: integrate in 'log_rho' or 't'
            "max_steps": 4096,  # probability_flow, and encoding: what needs more has failed
            "classes": "",  # of the samples, in turn: 'all', or such as '3,5'; '' for none
            "guidance": "none",  # to its class: 'classifier_free', or 'classifier'
            # classifier_free: told + weight (told - untold), 0 for the model as it is; classifier:
            # times the classifier's slope, 1 as Bayes has it.
            "guidance_weight": 1.0,
            "task": "generate",  # or 'inpaint', 'colorize': the test images
            # inpaint: what is hidden: 'left', 'right', 'top', 'bottom', 'center', 'random', or an
            # .npy file.
            "mask": "left",
            "particles": 1,  # inpaint, colorize: of which each sample is chosen; more, nearer
        }
    )


def classifier() -> Config:
    """Of noisy data, for guidance and for features: --mode=classifier trains it in the workdir."""
    return Config(
        {
            "steps": 2000,  # of the classifier's training
            "batch_size": 128,  # of the classifier's training
            "learning_rate": 1e-3,  # of the classifier's training
            "nf": 32,  # images: channels at the full resolution
            "hidden": 128,  # of dense layers; as many features
        }
    )


def quality() -> Config:
    """Of samples beside data, for --mode=quality; docs/quality.md says what each number is."""
    return Config(
        {
            "features": "pixels",  # 'inception' for FID; 'classifier': the workdir's own
            "inception": "",  # inception: inception-2015-12-05.tgz or pytorch-fid's .pth file
            "convention": "tensorflow",  # inception: how images are resized; or 'pytorch_fid'
            "num_samples": 0,  # samples to draw; 0 for as many as the data they are compared with
            "num_reference": 0,  # data to compare with, at random; 0 for all
            "against": "train",  # or 'test'
            "neighbors": 3,  # precision, recall: the nearest so many
            "fid_groups": 10,  # FID's error: of the samples, each left out in turn
            "kid_subsets": 100,  # KID: subsets over which it is averaged
            "kid_subset_size": 1000,  # KID: at most; never more than half of the samples
            "samples": "",  # .npz or .npy of your own, in the place of the model's
        }
    )


def study() -> Config:
    """What theory claims, as pictures, for --mode=study."""
    return Config(
        {
            # What --mode=study shows: 'langevin', 'score_field', 'manifold', 'energy',
            # 'denoising_density', 'entropy', 'fisher', 'kl_bound', 'kl_rates', 'gradient_variance',
            # 'ddpm_langevin'.
            "name": "",
            "samples": 10_000,  # drawn of each law
            "times": 40,  # entropy, fisher, kl_rates: at which curves are drawn
            "extent": 8.0,  # score_field, energy, denoising_density: half the square's side
            "window": 15,  # manifold: logged points to a running median
            "learned": False,  # langevin: with a score that is trained, not the exact one
            "chains": 300,  # langevin: in the animations
            "frames": 40,  # langevin: of each animation
            "points": 500,  # energy: all pairs of which are compared
            "near": 1.0,  # fisher: where modes are that are not far
            "gains": 25,  # kl_rates: wrong scores, each a factor times the right one
            "cells": 400,  # kl_bound: of the grid on which the model's density is solved for
            "half_width": 6.0,  # kl_bound: half the width of the grid
            "noise_levels": 9,  # gradient_variance: at which it is measured
            "draws": 4096,  # gradient_variance: of the gradient, at each level
            "generator_steps": 2000,  # denoising_density: steps of the generator
            "inner_steps": 4,  # denoising_density: of the estimator, to one of the generator
            "generator_batch": 256,  # denoising_density: examples to such a step
            "generator_rate": 5e-4,  # denoising_density: learning rate of the generator
            "estimator_rate": 2e-3,  # denoising_density: learning rate of the estimators
            "measurements": 20,  # denoising_density: of the distance to the data
        }
    )
