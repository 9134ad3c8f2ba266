"""Every key of a configuration, with its default. Experiments are overrides of this file.

A section holds the keys of all its members together; the member that `name` selects reads its own.
Empty strings and zeros stand for "not given". A workdir that is older than a key is taken to have
been made with its default: a default never changes once it is released.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """A DDPM++ on the digits: a base, rather than an experiment."""
    config = ConfigDict()
    config.seed = 0  # of parameters, noise, order of the data
    config.compat = ""  # 'score_flow', 'score_sde': as they do; wiring/compat.py has the keys set
    config.data = data()
    config.sde = sde()
    config.model = model()
    config.objective = objective()
    config.optimizer = optimizer()
    config.training = training()
    config.eval = ConfigDict(
        {
            "batch_size": 64,  # images at once, over all local devices; no number depends on it
            "estimators": (),  # members of `likelihood`; empty for (likelihood.name,)
            "num_images": 0,  # the first so many of the test set; 0 for all
            "second_look": 16,  # images evaluated again with another draw, for the error's parts
            "convergence_images": 0,  # images evaluated again with tighter numerics
        }
    )
    config.likelihood = likelihood()
    config.sampling = sampling()
    config.classifier = classifier()
    config.quality = quality()
    config.study = study()
    return config.lock()  # a misspelt key in an experiment's file is an error


def data() -> ConfigDict:
    return ConfigDict(
        {
            "name": "digits",
            "data_dir": "",  # where prepared data sets live; '' for ~/.cache/gradlog
            "path": "",  # files, folder: the data; cifar10, imagenet32: the official archives
            "test_path": "",  # files: test data, else a share of `path`
            "levels": -1,  # files: of integer data (256 for 8 bits); 0 for continuous data
            "test_fraction": 0.1,  # files, folder: held out where no test data are given
            "seed": 0,  # of splits and of synthetic data
            "image_size": 0,  # photos: 16 or 32; folder: resize to this; 0 as they are
            "channels": 0,  # folder: 1 or 3
            "num_train": 0,
            "num_test": 0,
            "scale": 1.0,  # toys: divides the coordinates
            "noise": 0.1,  # moons, circle: its std
            "dims": 2,  # mixture, circle: of the space they lie in
            "centre": 5.0,  # mixture: modes at minus and plus this in every coordinate
            "tfds_name": "",
            "train_split": "train",
            "test_split": "test",
            "version": "new",  # imagenet32: 'new' or 'old', two data sets
            "random_flip": False,  # images in training: mirrored with probability one half
            "read_labels": False,  # tfds, imagenet32
        }
    )


def sde() -> ConfigDict:
    return ConfigDict(
        {
            "name": "vp",
            "beta_min": 0.1,
            "beta_max": 20.0,
            "sigma_min": 0.01,
            "sigma_max": 50.0,
            "t_max": 0.999,  # straight
            "num_steps": 1000,  # ddpm: of the chain; of label 'step' and objective 'steps'
            "gamma_min": -13.3,  # log_snr: minus the log-SNR at t = 0
            "gamma_max": 5.0,  # log_snr: at t = 1
        }
    )


def model() -> ConfigDict:
    return ConfigDict(
        {
            "name": "ncsnpp",
            "parametrisation": "noise",
            # What it is told: 'time' 999 t/t_max, 'sigma', 'log_rho' log(rho)/4, 'ladder' an index,
            # 'step' N t/t_max - 1, 'gamma' that of log_snr as a share of its range.
            "label": "time",
            "num_scales": 1000,  # of the ladder: of label and objective
            "sigma_data": 0.5,  # preconditioned, energy, and the weighting 'edm': std of the data
            "energy_scale": "noise",  # energy: 'noise' for data near a manifold, or 'data'
            # ncsnpp, ddpm, and some of them ncsnv2, vdm
            "nf": 128,
            "ch_mult": (1, 2, 2, 2),
            "num_res_blocks": 4,
            "attn_resolutions": (16,),
            "resamp_with_conv": True,
            "conditional": True,
            "fir": False,
            "fir_kernel": (1, 3, 3, 1),
            "resblock_type": "biggan",
            "progressive": "none",
            "progressive_input": "none",
            "progressive_combine": "sum",
            "centered": True,  # the model's space is [-1, 1]; else [0, 1]
            "scale_by_sigma": False,
            # ncsnv2
            "backbone": 64,  # image size that it is for: 64 (and 32), 128 or 256
            "interpolation": "bilinear",  # or 'nearest_neighbor'
            # vdm
            "with_fourier_features": True,  # of the input, beside it
            "with_attention": False,  # after every block, not only in the middle
            # mlp, vdm
            "num_layers": 3,
            # mlp
            "hidden": 128,
            "embedding": 64,
            # most
            "dropout": 0.1,
            "nonlinearity": "swish",
            "skip_rescale": True,
            "embedding_type": "positional",
            "fourier_scale": 16.0,
            "trainable_embedding": False,
            "init_scale": 0.0,
            "num_classes": 0,  # that the network can be told; 0: unconditional
            # Those of images.
            "dtype": "float32",  # or 'bfloat16': of training and samples, never of a likelihood
            "remat": False,  # compute activations again on the way back: less memory, more time
        }
    )


def objective() -> ConfigDict:
    return ConfigDict(
        {
            "name": "dsm",
            # 'ladder', 'steps': the mean over the levels of these; 'one': at eps alone.
            "levels": "continuous",
            "weighting": "likelihood",  # 'sigma2', 'likelihood' (g^2), 'edm', 'one'
            "importance_sampling": True,  # continuous: draw t in proportion to the weighting
            "scaling": "integral",  # over time, in nats/dim; 'score_flow': as that code has it
            "reduce_mean": True,  # score_flow: over dimensions; else half their sum
            # Integer data: 'uniform'; 'scaled' k/(levels - 1), 'centres' (k + 1/2)/levels.
            "dequantisation": "uniform",
            "eps": 1e-5,  # smallest time trained on
            "log_rho_mean": -1.2,  # edm
            "log_rho_std": 1.2,  # edm
            "chunk": 128,  # ism: products at once
            "slices": 1,  # ssm, ssm_vr, fsm, dsm2: random directions per example
            "slice_law": "rademacher",  # or 'gaussian', 'sphere'
            "fd_step": 0.05,  # fsm: in units of sigma
            "trace_weight": 1.0,  # dsm2: of the mismatch of the Jacobian's trace
            "jacobian_weight": 1.0,  # dsm2: of the mismatch of the Jacobian along the slices
            "class_dropout": 0.1,  # class-conditional models: how often no class is told
        }
    )


def optimizer() -> ConfigDict:
    return ConfigDict(
        {
            "name": "adam",
            "learning_rate": 2e-4,
            "schedule": "constant",
            "decay_steps": 0,  # cosine: updates until the rate is at its lowest
            "warmup": 5000,  # updates
            "beta1": 0.9,
            "beta2": 0.999,
            "adam_eps": 1e-8,
            "weight_decay": 0.0,
            "decay_biases": True,  # weight_decay: of parameters named bias too
            "grad_clip": 1.0,  # largest global norm; 0 for none
            "accumulate": 1,  # batches to an update
            "ema_decay": 0.9999,
            "ema_warmup": True,  # a young average forgets faster; score_sde has it constant
        }
    )


def training() -> ConfigDict:
    return ConfigDict(
        {
            "steps": 1000,
            "batch_size": 64,  # of all devices of all hosts together
            "parallel": "pmap",  # or 'shard_map'; 'fsdp': a part of the state on each device
            "log_every": 50,  # steps; for the three below 0 means never but at the end
            "checkpoint_every": 1000,
            "keep": 5,  # newest checkpoints kept; 0 for all
            "keep_every": 0,  # and those of each whole multiple of this step; 0 for none
            "keep_best": 1,  # and as many of the lowest held-out loss
            "eval_every": 500,  # held-out loss
            "sample_every": 0,  # sample pictures
            "max_skips": 0,  # steps left out, not finite in loss or gradient, before training stops
        }
    )


def likelihood() -> ConfigDict:
    return ConfigDict(
        {
            "name": "ode",
            "rtol": 1e-5,
            "atol": 1e-5,
            "eps": 1e-5,  # where the data are placed: log p_eps is computed
            "start": "noised",  # at eps: 'noised' and paid for; 'as_sample', as score_flow does
            "variable": "log_rho",  # of integration: 'log_rho' or 't'
            "max_steps": 4096,
            "intervals": 24,  # quadrature: between nodes even in log rho
            "standard_error": 0.02,  # quadrature: further rounds of probes down to it; bits/dim
            "rounds": 8,  # quadrature: at most so many
            "node_chunk": 5,  # quadrature: calls of the divergence at once
            "node_divergence": "rademacher",  # quadrature: in the place of `divergence`
            "node_probes": 3,  # quadrature: in the place of `probes`
            "dequantisation": "uniform",  # or 'truncated_normal': at eps, with the kernel's noise
            "divergence": "rademacher",
            "probes": 1,
            "colours": 16,  # probing, orthogonal: classes of dimensions, one product each
            "rank": 8,  # hutchpp: of the sketch, two products each
            "chunk": 128,  # exact: products at once; bound: times at once
            "base": "ode",  # importance: the estimator used at each draw
            "importance_samples": 20,  # importance: draws of the dequantisation per image
            "samples": 128,  # bound, vlb: times per image; even
            "form": "dsm",  # bound: 'dsm' or 'ssm'
            "vlb_steps": 1000,  # vlb: of the diffusion, even in `variable`
        }
    )


def sampling() -> ConfigDict:
    return ConfigDict(
        {
            "name": "predictor_corrector",
            "num_samples": 64,
            "batch_size": 64,
            "eps": 1e-3,
            "denoise": True,
            # Steps; of predictor_corrector the times, from t_max to eps: one more than its steps.
            "num_steps": 1000,
            "schedule": "uniform",  # of times: 'uniform', 'quadratic', 'karras' or 'log_snr'
            "karras_exponent": 7.0,  # karras: of rho, between whose roots steps are even
            "eta": 0.0,  # ddim: share of the ancestral noise, 0 for none, 1 for all
            "churn": 0.0,  # heun: EDM's S_churn; 0 for the flow alone
            "churn_min": 0.0,  # heun: the rho above which noise is churned
            "churn_max": 0.0,  # heun: the rho below which it is; 0 for no limit
            "churn_noise": 1.0,  # heun: std of what is added
            "published_third": False,  # dpm_3m: as in published code, of second order
            "step_size": 2e-5,  # langevin, annealed_langevin: at the level of eps
            "langevin_steps": 1000,  # langevin
            "num_scales": 10,  # annealed_langevin: levels; 0 for those of the model's ladder
            "steps_per_level": 100,  # annealed_langevin
            "predictor": "euler_maruyama",
            "corrector": "none",
            "snr": 0.16,
            "corrector_steps": 1,
            "probability_flow": False,  # euler_maruyama, reverse_diffusion: without noise
            "ancestral_variance": "posterior",  # ancestral: 'posterior' or 'beta'
            "batch_norms": False,  # langevin: norms are means over the batch, as in score_sde
            "rtol": 1e-5,  # probability_flow, and encoding
            "atol": 1e-5,
            "variable": "log_rho",
            "max_steps": 4096,
            "classes": "",  # of the samples, in turn: 'all', or such as '3,5'; '' for none
            "guidance": "none",  # to its class: 'classifier_free', or 'classifier'
            "guidance_weight": 1.0,
            "task": "generate",  # or 'inpaint', 'colourise': the test images
            "mask": "left",  # inpaint: what is hidden: a part's name, or an .npy file
            "particles": 1,  # inpaint, colourise: of which each sample is chosen; more, nearer
        }
    )


def classifier() -> ConfigDict:
    """Of noisy data, for guidance and for features: --mode=classifier trains it in the workdir."""
    return ConfigDict(
        {
            "steps": 2000,
            "batch_size": 128,
            "learning_rate": 1e-3,
            "nf": 32,  # images: channels at the full resolution
            "hidden": 128,  # of dense layers; as many features
        }
    )


def quality() -> ConfigDict:
    """Of samples beside data, for --mode=quality; docs/quality.md says what each number is."""
    return ConfigDict(
        {
            "features": "pixels",  # 'inception' for FID; 'classifier': the workdir's own
            "inception": "",  # its weights: inception-2015-12-05.tgz or pytorch-fid's .pth
            "convention": "tensorflow",  # inception: how images are resized; or 'pytorch_fid'
            "num_samples": 0,  # 0 for as many as the data they are compared with
            "num_reference": 0,  # of those data, at random; 0 for all
            "against": "train",  # or 'test'
            "neighbours": 3,  # precision, recall: the nearest so many
            "fid_groups": 10,  # FID's error: of the samples, each left out in turn
            "kid_subsets": 100,
            "kid_subset_size": 1000,  # at most; never more than half of the samples
            "samples": "",  # .npz or .npy of your own, in the place of the model's
        }
    )


def study() -> ConfigDict:
    return ConfigDict(
        {
            "name": "",  # what --mode=study shows
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
            "half_width": 6.0,  # kl_bound: of that grid
            "noise_levels": 9,  # gradient_variance
            "draws": 4096,  # gradient_variance: of the gradient, at each level
            "generator_steps": 2000,  # denoising_density
            "inner_steps": 4,  # denoising_density: of the estimator, to one of the generator
            "generator_batch": 256,  # denoising_density
            "generator_rate": 5e-4,  # denoising_density: learning rate
            "estimator_rate": 2e-3,  # denoising_density: learning rate
            "measurements": 20,  # denoising_density: of the distance to the data
        }
    )
