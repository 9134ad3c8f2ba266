"""Every key of a configuration, with its default. Experiments override the keys of this file.

A section holds the keys of all its members together. The member that `name` selects reads its own.
Empty strings and zeros mean "not set" where the comment says nothing else. The comment beside or
above a key says what the key means; ``--help`` and the documentation show it. If the comment begins
with names of members, only these members read the key. An interval at its end is the range of the
numbers; ``(`` and ``)`` exclude their end. `gradlog.data` checks the numbers of its own section.

A workdir that is older than a key is taken to have been made with the key's default, so a default
never changes once it is released.
"""

from gradlog.aliases import Config


def get_config() -> Config:
    """Return a DDPM++ for the digits: a base for experiments."""
    config = Config()
    # Seed of the initial parameters, the noise, the order of the data, and the random draws of
    # evaluation and sampling. [0, 4294967296)
    config.seed = 0
    config.compat = ""  # evaluate by the conventions of another code: 'score_flow' or 'score_sde'
    config.data = data()
    config.sde = sde()
    config.model = model()
    config.objective = objective()
    config.optimizer = optimizer()
    config.training = training()
    config.eval = evaluation()
    config.likelihood = likelihood()
    config.sampling = sampling()
    config.codec = codec()
    config.classifier = classifier()
    config.quality = quality()
    config.study = study()
    return config.lock()  # a misspelled key in an experiment's file is an error


def data() -> Config:
    """The data set."""
    return Config(
        {
            # Name of the data set. Images: 'digits', 'photos', 'cifar10', 'imagenet32', 'tfds';
            # your own data: 'files', 'folder', 'text'; toys: 'mixture', 'moons', 'checkerboard',
            # 'circle'.
            "name": "digits",
            "data_dir": "",  # folder for prepared data sets; empty for ~/.cache/gradlog
            # files, folder, text: your data; cifar10, imagenet32: the official archives.
            "path": "",
            "test_path": "",  # files, text: the test data; empty to hold out a share of `path`
            "tokens": "bytes",  # text: what a token is: 'bytes' of UTF-8 or 'characters'
            "sequence_length": 256,  # text: tokens of a sequence [1, inf)
            # files: number of levels of integer data, such as 256 for 8 bits; 0 for continuous
            # data; -1 if not set.
            "levels": -1,
            # files: where the channels of arrays of four axes are, 'NHWC' (last) or 'NCHW'; '' if
            # the shape leaves no doubt.
            "axes": "",
            "test_fraction": 0.1,  # files, folder, text: share held out if there are no test data
            "seed": 0,  # seed of splits and of synthetic data
            "image_size": 0,  # photos: 16 or 32; folder: resize to this size; 0 keeps the size
            "channels": 0,  # folder: 1 (gray) or 3 (color)
            "num_train": 0,  # photos, toys: number of training examples; 0 for the set's own number
            "num_test": 0,  # photos, toys: number of test examples; 0 for the set's own number
            "scale": 1.0,  # toys: divide the coordinates by this
            "noise": 0.1,  # moons, circle: standard deviation of the noise around the curve
            "dims": 2,  # mixture, circle: dimensions of the space
            "center": 5.0,  # mixture: the two modes are at plus and minus this in every coordinate
            "tfds_name": "",  # tfds: a prepared data set: NAME or NAME/CONFIG, also with :VERSION
            "train_split": "train",  # tfds: training split or a part of it, such as train[:90%]
            "test_split": "test",  # tfds: test split or a part of it, such as test[:50%]
            "version": "new",  # imagenet32: 'new' or 'old'; they are two different data sets
            "random_flip": False,  # mirror training images with probability one half
            "read_labels": False,  # files, folder, tfds, imagenet32: read the classes too
        }
    )


def sde() -> Config:
    """The forward process, which turns data into noise."""
    return Config(
        {
            # Name of the process: 'vp', 'subvp', 've', 'straight', 'ddpm' (discrete time),
            # 'log_snr' (that of VDM), 'blurring', whose high frequencies decay first. Trained:
            # 'learned_gamma', a schedule, 'multivariate', one for each dimension, 'learned_affine',
            # drift and diffusion for each dimension or of low rank, 'neural' (NFDM), the mean,
            # standard deviation and diffusion, and 'learned_drift', a chain whose drift is a
            # network, for points. For data with levels also 'masking', which hides them,
            # 'learned_masking' with a trained rate for each level, 'one_position', which hides one
            # at a time, and 'uniform', which replaces them.
            "name": "vp",
            "beta_min": 0.1,  # vp, subvp, ddpm, learned_drift: noise rate at t = 0 (0, inf)
            "beta_max": 20.0,  # vp, subvp, ddpm, learned_drift: noise rate at t = 1 (0, inf)
            # ve, and the ladder of levels: smallest standard deviation of noise. (0, inf)
            "sigma_min": 0.01,
            # ve, and the ladder of levels: largest standard deviation of noise. (0, inf)
            "sigma_max": 50.0,
            # straight: last time; at t = 1 nothing of the data would be left. (0, 1)
            "t_max": 0.999,
            # ddpm, one_position, the label 'step' and the levels 'steps': number of steps of the
            # chain. [2, inf)
            "num_steps": 1000,
            # log_snr, blurring, learned processes: minus the log signal-to-noise ratio at t = 0
            # [-80, 80]
            "gamma_min": -13.3,
            # log_snr, blurring, learned processes: minus the log signal-to-noise ratio at t = 1
            # [-80, 80]
            "gamma_max": 5.0,
            # learned_gamma: gamma between its ends: a monotone 'network' or a 'polynomial'.
            "schedule": "network",
            "schedule_features": 64,  # learned_gamma: width of the monotone network [1, inf)
            "learn_ends": False,  # learned processes: train gamma_min and gamma_max too
            # multivariate: size of the latent that chooses the schedules of a datum: a set of so
            # many elements; 0 for the same schedules for all data. [0, 10000)
            "latents": 0,
            "latent_ones": 2,  # multivariate: number of elements in the latent [1, 10000)
            # multivariate: width of the networks from data to latents, and from latents to
            # schedules. [1, inf)
            "latent_hidden": 64,
            # learned_affine: what has its own drift and diffusion: 'pixels', 'frequencies' of the
            # cosine transform, or a learned space of 'low_rank'.
            "coordinates": "frequencies",
            "rank": 4,  # learned_affine: dimensions of the learned space [1, inf)
            "blur_max": 20.0,  # blurring: width of the blur at t = 1, in pixels [0, inf)
            "blur_floor": 1e-3,  # blurring: smallest factor of a frequency (0, 1]
            "chain_steps": 32,  # learned_drift: steps of the chain [1, inf)
            "drift_hidden": 64,  # learned_drift: width of its network [1, inf)
            # neural: what depends on the datum beside alpha: the 'mean' or 'mean_and_std'.
            "moves": "mean_and_std",
            # neural: network of the mean and the standard deviation: a 'perceptron', or a second
            # 'model': the network of config.model with parameters of its own.
            "neural_network": "perceptron",
            "neural_hidden": 128,  # neural: width of its perceptrons [1, inf)
            # masking: share of masks at t: t ('linear'), sin(pi t/2) ('cosine'), or a power of t
            # ('polynomial').
            "mask_schedule": "linear",
            # polynomial: the power of t; learned_masking: the smallest one, above 1. (0, inf)
            "exponent": 2.0,
        }
    )


def model() -> Config:
    """The network, its input and the meaning of its output."""
    return Config(
        {
            # Name of the network. Images: 'ncsnpp', 'ddpm', 'ncsn' (of 2019, for a ladder),
            # 'ncsnv2', 'vdm', 'dit' (a transformer, also for sequences); points: 'mlp'. For a
            # discrete process each gets an embedding of the tokens in front, and logits behind.
            "name": "ncsnpp",
            # What the network's output is: 'noise', 'score', 'preconditioned' (EDM), 'velocity', an
            # 'energy' whose gradient is the score, or logits over the 'levels' of each entry.
            "parametrization": "noise",
            # How the network sees the noise level: 'time' is 999 t/t_max, 'sigma' the standard
            # deviation, 'log_rho' is log(rho)/4, 'ladder' the index of a level, 'step' is
            # N t/t_max - 1, 'gamma' the share of log_snr's range of gamma.
            "label": "time",
            # number of levels of the ladder, for label, objective and sampler. [1, 10000000)
            "num_scales": 1000,
            # preconditioned, energy, levels, and the weighting 'edm': standard deviation of the
            # data.
            # (0, inf)
            "sigma_data": 0.5,
            # energy: scale of the energy: 'noise' for data near a manifold, or 'data'.
            "energy_scale": "noise",
            "nf": 128,  # images: number of channels at full resolution [4, inf)
            # ncsnpp, ddpm: channels at each resolution, in units of nf. [1, inf)
            "ch_mult": (1, 2, 2, 2),
            # ncsnpp, ddpm: residual blocks at each resolution; one more on the way up. [1, 1000)
            "num_res_blocks": 4,
            "attn_resolutions": (16,),  # ncsnpp, ddpm: image heights that have attention
            # ncsnpp with blocks 'ddpm', ddpm: whether a convolution resamples.
            "resamp_with_conv": True,
            # ncsnpp, ddpm, vdm, mlp, dit: whether the network sees the noise label.
            "conditional": True,
            "fir": False,  # ncsnpp: whether an anti-aliasing filter resamples
            "fir_kernel": (1, 3, 3, 1),  # ncsnpp: the anti-aliasing filter [0, inf)
            "resblock_type": "biggan",  # ncsnpp: kind of residual block: 'biggan' or 'ddpm'
            # ncsnpp: output summed over resolutions: 'none', 'output_skip' or 'residual'.
            "progressive": "none",
            # ncsnpp: input fed in at each resolution: 'none', 'input_skip' or 'residual'.
            "progressive_input": "none",
            # ncsnpp: how the resampled input joins the features: 'sum', or 'cat' (concatenate).
            "progressive_combine": "sum",
            "centered": True,  # images: the model's space is [-1, 1], or [0, 1] if False
            # ncsnpp, ddpm, ncsnv2: divide the output by the sigma of the label.
            "scale_by_sigma": False,
            # ncsnv2: image size of the architecture: 64 (also for 32), 128 or 256. [1, inf)
            "backbone": 64,
            # ncsnv2: how features are enlarged: 'bilinear' or 'nearest_neighbor'.
            "interpolation": "bilinear",
            "with_fourier_features": True,  # vdm: add Fourier features of the input
            "with_attention": False,  # vdm: attention after every block, not in the middle only
            # mlp, vdm, dit: number of residual blocks; vdm has as many down, and one more up.
            # [0, 1000)
            "num_layers": 3,
            "hidden": 128,  # mlp, dit: width of the layers [1, inf)
            "embedding": 64,  # mlp, dit: number of sines and cosines of the noise label [2, inf)
            "num_heads": 4,  # dit: heads of the attention [1, inf)
            "patch_size": 2,  # dit, images: height and width of the patches [1, inf)
            # dit, sequences: positions that the first layer joins, the own one in the middle; an
            # odd number. [1, inf)
            "window": 1,
            "positions": "learned",  # dit: positions of the sequence: 'learned' or 'rotary'
            # discrete processes, levels: numbers that stand for a token or a noisy level. [1, inf)
            "token_features": 32,
            # ncsnpp, ddpm, vdm, mlp, dit: share of activations that training drops. [0, 1)
            "dropout": 0.1,
            # ncsnpp, ddpm, ncsn, ncsnv2, mlp: activation: 'swish', 'elu', 'relu' or 'lrelu'.
            "nonlinearity": "swish",
            "skip_rescale": True,  # ncsnpp, mlp: divide residual sums by sqrt(2)
            # ncsnpp, mlp, dit: embedding of the noise label: 'positional', 'fourier' (of the
            # logarithm of the label), 'fourier_linear' (of the label), or a 'table' of levels.
            "embedding_type": "positional",
            # ncsnpp, mlp, dit: standard deviation of the Fourier frequencies. (0, inf)
            "fourier_scale": 16.0,
            # ncsnpp, mlp, dit: whether Fourier frequencies are trained.
            "trainable_embedding": False,
            # ncsnpp, mlp: scale of the initial weights in the last layer of each block, and of the
            # network. [0, inf)
            "init_scale": 0.0,
            "num_classes": 0,  # number of classes that the network knows; 0: unconditional [0, inf)
            # images: precision of training and sampling: 'float32' or 'bfloat16'. A likelihood is
            # always computed in float32.
            "dtype": "float32",
            # images: recompute activations for the gradient; takes less memory and more time.
            "remat": False,
            # variational dequantization: width of the networks of its flow. [1, inf)
            "dequantizer_features": 32,
            # variational dequantization: layers of its flow; each moves every second dimension.
            # [1, 1000)
            "dequantizer_layers": 4,
            "dequantizer_bins": 8,  # variational dequantization: bins of its splines [1, 1000)
        }
    )


def objective() -> Config:
    """The training objective."""
    return Config(
        {
            # Kind of score matching: 'dsm' denoising, 'dsm2' denoising of second order, 'esm'
            # explicit, 'ism' implicit, 'ssm' and 'ssm_vr' sliced, 'fsm' by finite differences.
            # 'elbo' is the whole variational bound, which also trains the process. For discrete
            # processes 'masked': the bound by the cross-entropy of masked tokens; or
            # 'score_entropy', the bound of masks and of uniform noise.
            "name": "dsm",
            # Noise levels of training: 'continuous', a 'ladder' of levels, the 'steps' of a chain,
            # or 'one' level at eps.
            "levels": "continuous",
            # Weight of each noise level: 'sigma2', 'likelihood' (g^2), 'edm' or 'one'.
            "weighting": "likelihood",
            # continuous levels: draw t in proportion to the weighting, which lowers the variance.
            "importance_sampling": True,
            # Scale of the loss: 'integral' in nats/dim, or 'score_flow' as in that code.
            "scaling": "integral",
            "reduce_mean": True,  # score_flow: mean over dimensions; if False, half their sum
            # What training sees of integer data k: 'uniform' dequantization, 'scaled' values
            # k/(levels - 1), 'centers' (k + 1/2)/levels, which the bound of elbo decodes and the
            # parametrization 'levels' needs, or 'variational', by a flow that elbo trains.
            "dequantization": "uniform",
            "eps": 1e-5,  # smallest time of training
            # dsm: examples in a target; more make it less noisy and cost memory. [1, inf)
            "reference": 1,
            # dsm: law of the noise: 'gaussian', that of the process; 'laplace'; or 'anisotropic', a
            # Gaussian with another standard deviation in each dimension.
            "kernel": "gaussian",
            # anisotropic: standard deviation in the last dimension over that in the first. (0, inf)
            "anisotropy": 10.0,
            "form": "dsm",  # elbo: 'dsm' denoising or 'ssm' sliced score matching
            # elbo: train the inside of a learned schedule for the variance of the loss, whose mean
            # does not depend on it.
            "variance_training": True,
            "log_rho_mean": -1.2,  # edm: mean of log rho, the log noise-to-signal ratio
            "log_rho_std": 1.2,  # edm: standard deviation of log rho (0, inf)
            "chunk": 128,  # ism: Jacobian products computed at once [1, inf)
            "slices": 1,  # ssm, ssm_vr, fsm, dsm2, elbo: random directions per example [1, inf)
            # ssm, ssm_vr, fsm, dsm2, elbo: law of the directions: 'rademacher', 'gaussian' or
            # 'sphere'.
            "slice_law": "rademacher",
            "fd_step": 0.05,  # fsm: step of the finite differences, in units of sigma (0, inf)
            "trace_weight": 1.0,  # dsm2: weight of the error in the trace of the Jacobian [0, inf)
            # dsm2: weight of the error in the Jacobian along the slices. [0, inf)
            "jacobian_weight": 1.0,
            # masked, score_entropy: what is drawn, spread evenly over a batch: the 'count' of masks
            # or of replaced tokens, or the 'time'.
            "draws": "count",
            # class-conditional models: probability that training hides the class. [0, 1)
            "class_dropout": 0.1,
        }
    )


def optimizer() -> Config:
    """The optimizer, and the averaged parameters."""
    return Config(
        {
            "name": "adam",  # 'adam'; with weight_decay it is AdamW
            "learning_rate": 2e-4,  # learning rate after the warmup [0, inf)
            "schedule": "constant",  # learning rate after the warmup: 'constant' or 'cosine'
            "decay_steps": 0,  # cosine: updates until the learning rate is lowest [0, inf)
            "warmup": 5000,  # updates over which the learning rate grows from zero [0, inf)
            "beta1": 0.9,  # adam: decay of the mean gradient [0, 1)
            "beta2": 0.999,  # adam: decay of the mean squared gradient [0, 1)
            "adam_eps": 1e-8,  # adam: added to the root of the mean squared gradient [0, inf)
            # adam: decay of the weights in units of the learning rate, apart from the gradient.
            # [0, inf)
            "weight_decay": 0.0,
            "decay_biases": True,  # whether weight_decay also applies to biases
            "grad_clip": 1.0,  # largest global norm of the gradient; 0 for no limit [0, inf)
            "accumulate": 1,  # batches per update [1, inf)
            # Decay of the averaged parameters, which are those that are evaluated and sampled.
            # [0, 1)
            "ema_decay": 0.9999,
            # Whether a young average forgets its start faster; score_sde keeps the decay constant.
            "ema_warmup": True,
            # learned processes: learning rate, in units of `learning_rate`. They have no
            # weight_decay. [0, inf)
            "process_rate": 1.0,
            # learned processes: decay of the average; 0 for `ema_decay`. [0, 1)
            "process_ema_decay": 0.0,
            # variational dequantization: learning rate, in units of `learning_rate`. It has no
            # weight_decay. [0, inf)
            "dequantizer_rate": 1.0,
            # variational dequantization: decay of the average; 0 for `ema_decay`. [0, 1)
            "dequantizer_ema_decay": 0.0,
            # Groups of parameters that are not trained: 'network', 'process' of a learned one, or
            # 'dequantizer' of variational dequantization.
            "frozen": (),
        }
    )


def training() -> Config:
    """Length of the training, devices, and what is written on the way."""
    return Config(
        {
            "steps": 1000,  # last step, counted from the beginning of the run [1, inf)
            "batch_size": 64,  # examples per step, on all devices of all hosts together [1, inf)
            # How devices work together: 'pmap' or 'shard_map'; with 'fsdp' each device holds a part
            # of the state.
            "parallel": "pmap",
            "log_every": 50,  # steps between lines of metrics [1, inf)
            "checkpoint_every": 1000,  # steps between checkpoints; 0 for one at the end [0, inf)
            "keep": 5,  # number of newest checkpoints to keep; 0 for all [0, inf)
            "keep_every": 0,  # also keep checkpoints at multiples of this step; 0 for none [0, inf)
            "keep_best": 1,  # also keep this many checkpoints of the lowest held-out loss [0, inf)
            "eval_every": 500,  # steps between held-out losses; 0 for none [0, inf)
            "sample_every": 0,  # steps between pictures of samples; 0 for none [0, inf)
            # Number of steps that training may skip because the loss or the gradient is not finite.
            # [0, inf)
            "max_skips": 0,
            # Folder of a run whose averaged parameters a new training begins with; groups that it
            # lacks begin as usual. Empty for none.
            "start_from": "",
            # Where metrics are shown: 'tensorboard', 'wandb', 'mlflow' or 'none'; see
            # docs/tracking.md.
            "tracker": "tensorboard",
        }
    )


def evaluation() -> Config:
    """Images and estimators of --mode=eval."""
    return Config(
        {
            # Images at once, on all local devices together. It changes rounding errors only.
            # [1, inf)
            "batch_size": 64,
            "estimators": (),  # members of `likelihood`; empty for likelihood.name alone
            "num_images": 0,  # number of test images, from the first on; 0 for all [0, inf)
            # Number of images evaluated again with other random numbers, to split the error.
            # [0, inf)
            "second_look": 16,
            # number of images evaluated again with tighter numerics. [0, inf)
            "convergence_images": 0,
        }
    )


def likelihood() -> Config:
    """The estimators of log probability."""
    return Config(
        {
            # Name of the estimator: 'ode', 'planned', 'quadrature', 'exact', 'scipy', 'bound',
            # 'vlb', 'mmse' (data with levels, not dequantized), or 'importance', which weighs draws
            # of `base`. For discrete processes: 'bound', 'exact' (at most 14 positions), several
            # 'orders' of the positions, or 'upper', which bounds from the other side.
            "name": "ode",
            # ode, exact, scipy, quadrature: relative tolerance of the solver. [0, inf)
            "rtol": 1e-5,
            # ode, exact, scipy, quadrature: absolute tolerance of the solver. (0, inf)
            "atol": 1e-5,
            # Smallest noise level: the time at which the path begins. With start = noised the cost
            # of the step from the data to this level is counted.
            "eps": 1e-5,
            # How a datum gets to eps: 'noised' adds the noise of eps and counts its cost;
            # 'as_sample' takes the datum as it is, as score_flow does.
            "start": "noised",
            "variable": "log_rho",  # variable of integration: 'log_rho' or 't'
            "max_steps": 4096,  # steps of the solver; an image that needs more has failed [1, inf)
            # planned: standard error in bits/dim that the products of a model are planned for.
            # [0, inf)
            "target": 0.02,
            # planned: what has that error: a single 'image', or the 'mean' of the images evaluated;
            # if the test set is not at hand, of eval.num_images or of 1000.
            "target_of": "image",
            # planned, quadrature, exact on a multistep path: intervals between nodes, even in
            # log rho. [1, inf)
            "intervals": 24,
            # quadrature, exact: solver of the path: 'adaptive', or 'multistep' with one evaluation
            # a node.
            "path": "adaptive",
            # planned, multistep: nodes of the predictor; the corrector has one more. [2, 7)
            "order": 4,
            # planned, multistep: an image whose path is less certain than this in bits/dim gets
            # twice the nodes. [0, inf)
            "tolerance": 0.01,
            # quadrature: add rounds of probes until the standard error is this; bits/dim. [0, inf)
            "standard_error": 0.02,
            "rounds": 8,  # quadrature: largest number of rounds [0, inf)
            "node_chunk": 5,  # quadrature: traces computed at once [1, inf)
            "node_divergence": "rademacher",  # quadrature: replaces `divergence`
            "node_probes": 3,  # quadrature: replaces `probes` [1, inf)
            # Dequantization of integer data: 'uniform'; 'truncated_normal', which has the noise of
            # eps inside each level; 'variational', by the flow of objective.dequantization; or
            # 'decoder': none, the centers of the levels get the noise of eps, and a decoder gives
            # the levels back.
            "dequantization": "uniform",
            # ode: trace of the Jacobian. By random probes: 'rademacher', 'gaussian', 'sphere',
            # 'orthogonal', 'probing', 'hutchpp'; or 'exact'.
            "divergence": "rademacher",
            # ode: random probes per image; one probe has no standard error of its own. [1, inf)
            "probes": 1,
            # probing, orthogonal: number of groups of distant dimensions, one product each.
            # [1, inf)
            "colors": 16,
            "rank": 8,  # hutchpp: rank of the sketch, two products each [1, inf)
            # exact: products computed at once; bound, vlb, mmse: times computed at once; discrete
            # processes: masks evaluated at once. [1, inf)
            "chunk": 128,
            "base": "ode",  # importance: the estimator used at each draw
            "importance_samples": 20,  # importance: draws of the dequantization per image [1, inf)
            # bound, vlb, mmse: times per image, or masks of a discrete process; an even number.
            # [1, inf)
            "samples": 128,
            # orders: number of orders per image; each costs one NFE per position. [1, inf)
            "orders": 4,
            "form": "dsm",  # bound: 'dsm' denoising or 'ssm' sliced score matching
            # bound: of the sampler with this share of the reverse SDE's noise. (0, inf)
            "churn": 1.0,
            "vlb_steps": 1000,  # vlb: number of diffusion steps, even in `variable` [1, inf)
        }
    )


def sampling() -> Config:
    """The samplers of --mode=sample; encoding uses some of the keys."""
    return Config(
        {
            # Name of the sampler: 'predictor_corrector', 'probability_flow', 'ddim', 'heun' (EDM),
            # 'dpm_2m', 'dpm_3m', 'dpm_sde', 'annealed_langevin', 'langevin'; docs/samplers.md says
            # which to take. For the process neural 'neural_reverse', for learned_drift
            # 'chain_reverse'. For tokens: 'first_hitting' is exact, 'ancestral' takes num_steps
            # steps, 'remdm' masks again on the way, 'confidence' keeps the likeliest tokens,
            # 'reverse_chain' takes the steps of one_position.
            "name": "predictor_corrector",
            "num_samples": 64,  # number of samples [1, inf)
            "batch_size": 64,  # samples at once, on all local devices together [1, inf)
            "eps": 1e-3,  # time at which sampling ends
            # Return the mean of the data at the end, and not a sample with the noise of eps.
            "denoise": True,
            # Number of steps. For predictor_corrector the number of times from t_max to eps, one
            # more than its steps. probability_flow has it with log_prob only. [1, inf)
            "num_steps": 1000,
            # probability_flow, ddim, heun, dpm_2m, dpm_3m: log p of each sample, by one product a
            # node; with denoise = False and without noise in the steps.
            "log_prob": False,
            "group_size": 1,  # first_hitting: masks that are filled at once; 1 is exact [1, inf)
            # samplers of masks: divides the logits; 1 is the law of the model. (0, inf)
            "temperature": 1.0,
            # samplers of masks: draw the likeliest tokens only, as many as have this probability
            # together; 1 is the law of the model. (0, 1]
            "top_p": 1.0,
            "remask_cap": 0.02,  # remdm: most that is masked again in a step [0, 1]
            # remdm: share of the most that leaves the share of masks as it is. [0, 1]
            "remask_scale": 1.0,
            # confidence: Gumbel noise on the log probabilities at the start, none at the end.
            # [0, inf)
            "confidence_noise": 4.5,
            # samplers of masks, images: number of pictures in an animation of the first samples,
            # unmasking.gif; 0 for none. [0, 1000]
            "frames": 0,
            "schedule": "uniform",  # grid of times: 'uniform', 'quadratic', 'karras' or 'log_snr'
            "karras_exponent": 7.0,  # karras: steps are even in this root of rho (0, inf)
            "eta": 0.0,  # ddim: share of the ancestral noise, from 0 for none to 1 for all [0, inf)
            "churn": 0.0,  # heun: S_churn of EDM; 0 for the probability flow [0, inf)
            "churn_min": 0.0,  # heun: smallest rho at which noise is added [0, inf)
            "churn_max": 0.0,  # heun: largest rho at which noise is added; 0 for no limit [0, inf)
            "churn_noise": 1.0,  # heun: standard deviation of the noise that is added (0, inf)
            # dpm_3m: use the third step of the published code, which is of second order.
            "published_third": False,
            # langevin, annealed_langevin: where chains begin: at a sample of the 'prior', in a
            # 'uniform' cube, or at the training 'data'.
            "start": "prior",
            # uniform: half the side of the cube, in the model's space. (0, inf)
            "start_extent": 1.0,
            # langevin, annealed_langevin: step size at the noise level of eps. (0, inf)
            "step_size": 2e-5,
            "langevin_steps": 1000,  # langevin: steps of the chain [1, inf)
            # annealed_langevin: number of levels; 0 for model.num_scales. [0, inf)
            "num_scales": 10,
            "steps_per_level": 100,  # annealed_langevin: steps at each level [1, inf)
            # predictor_corrector: 'euler_maruyama', 'reverse_diffusion', 'ancestral' or 'none'.
            "predictor": "euler_maruyama",
            "corrector": "none",  # predictor_corrector: 'langevin', 'ald' (annealed) or 'none'
            "snr": 0.16,  # langevin, ald: signal-to-noise ratio of a corrector's step (0, inf)
            # langevin, ald: corrector steps after each predictor step. [1, inf)
            "corrector_steps": 1,
            # euler_maruyama, reverse_diffusion: follow the probability flow, without noise.
            "probability_flow": False,
            "ancestral_variance": "posterior",  # ancestral: variance: 'posterior' or 'beta'
            # langevin: take norms over the whole batch, as score_sde does.
            "batch_norms": False,
            "rtol": 1e-5,  # probability_flow, encoding: relative tolerance of the solver [0, inf)
            "atol": 1e-5,  # probability_flow, encoding: absolute tolerance of the solver (0, inf)
            # probability_flow, encoding: variable of integration: 'log_rho' or 't'.
            "variable": "log_rho",
            # probability_flow, encoding: steps of the solver; a sample that needs more has failed.
            # [1, inf)
            "max_steps": 4096,
            "classes": "",  # classes of the samples in turn: all, 3,5 or cat,dog; empty for none
            # Guidance to the class: 'none', 'classifier_free' or 'classifier'.
            "guidance": "none",
            # classifier_free: s_c + weight (s_c - s_0) for the scores with and without the class; 0
            # is the model as it is. classifier: factor on the classifier's gradient; 1 is Bayes.
            # (-inf, inf)
            "guidance_weight": 1.0,
            # What to draw: 'generate' new samples, or 'inpaint' or 'colorize' the test images.
            "task": "generate",
            # inpaint: the hidden part: 'left', 'right', 'top', 'bottom', 'center', 'random', or an
            # .npy file.
            "mask": "left",
            # inpaint, colorize: candidates from which each sample is chosen; more are more exact.
            # [1, inf)
            "particles": 1,
        }
    )


def codec() -> Config:
    """Compressed files, --mode=compress. A Gaussian process has the steps of the estimator vlb."""
    return Config(
        {
            # Images that share a stack of bits; what is damaged is lost together. More images need
            # less for the initial bits of each. [1, inf)
            "images_per_block": 100,
            # vlb: noise levels at which the squared errors of a block are measured and stored, one
            # byte each. The variances of its steps follow them; 0 for the variances of vlb.
            # [0, 10000)
            "knots": 9,
            # masking: tokens of an image that one evaluation fills; 1 costs the least bits.
            # [1, inf)
            "group_size": 1,
        }
    )


def classifier() -> Config:
    """The classifier of noisy data, for guidance and features; --mode=classifier trains it."""
    return Config(
        {
            "steps": 2000,  # last step of the classifier's training [1, inf)
            "batch_size": 128,  # examples per step of the classifier's training [1, inf)
            "learning_rate": 1e-3,  # learning rate of the classifier's training [0, inf)
            "nf": 32,  # images: number of channels at full resolution [4, inf)
            "hidden": 128,  # width of the dense layers, and number of features [4, inf)
        }
    )


def quality() -> Config:
    """The quality of samples, --mode=quality; docs/quality.md explains each number."""
    return Config(
        {
            # Features that are compared: 'pixels', 'inception' for FID, or 'classifier' for those
            # of the workdir's own classifier.
            "features": "pixels",
            "inception": "",  # inception: inception-2015-12-05.tgz or the .pth file of pytorch-fid
            # inception: how images are resized: 'tensorflow' or 'pytorch_fid'.
            "convention": "tensorflow",
            # number of samples; 0 for as many as the data they are compared with. [0, inf)
            "num_samples": 0,
            # number of data to compare with, drawn at random; 0 for all. [0, inf)
            "num_reference": 0,
            "against": "train",  # data to compare with: 'train' or 'test'
            "neighbors": 3,  # precision, recall: number of nearest neighbors [1, inf)
            # FID: number of groups of samples; each is left out in turn for the standard error.
            # [2, inf)
            "fid_groups": 10,
            "kid_subsets": 100,  # KID: number of subsets [2, inf)
            "kid_subset_size": 1000,  # KID: size of a subset, at most half of the samples [2, inf)
            "samples": "",  # your own samples instead of the model's: an .npz or .npy file
        }
    )


def study() -> Config:
    """Pictures of what theory claims, --mode=study."""
    return Config(
        {
            # Name of the study: 'langevin', 'score_field', 'manifold', 'energy',
            # 'denoising_density', 'entropy', 'fisher', 'kl_bound', 'kl_rates', 'gradient_variance',
            # 'ddpm_langevin', 'gmm', 'boundary', 'contrastive_divergence', 'learned_noise',
            # 'learned_gradients'; of masks: 'few_steps'.
            "name": "",
            "samples": 10_000,  # number of samples of each law [2, inf)
            "bends": 9,  # learned_noise: number of shapes of a schedule [2, inf)
            "process_steps": 400,  # learned_noise: steps of each training [1, inf)
            # entropy, fisher, kl_rates, few_steps: number of points on a curve. [2, inf)
            "times": 40,
            # score_field, energy, denoising_density, contrastive_divergence: half the side of the
            # square. (0, inf)
            "extent": 8.0,
            "window": 15,  # manifold: logged points of a running median [1, inf)
            "learned": False,  # langevin: use a trained score instead of the exact score
            "chains": 300,  # langevin: number of chains in the animations [1, inf)
            "frames": 40,  # langevin: frames of each animation [2, inf)
            "points": 500,  # energy: number of points, of which all pairs are compared [2, inf)
            "near": 1.0,  # fisher: position of the modes in the case of near modes (0, inf)
            # kl_rates: number of wrong scores, each a factor times the true score. [2, inf)
            "gains": 25,
            # kl_bound: cells of the grid on which the model's density is solved. [4, inf)
            "cells": 400,
            "half_width": 6.0,  # kl_bound: half the width of the grid (0, inf)
            # gradient_variance, learned_gradients, gmm: number of noise levels. [2, inf)
            "noise_levels": 9,
            # gradient_variance, learned_gradients, gmm: draws at each noise level. [4, inf)
            "draws": 4096,
            "images": 100,  # gmm: samples of the network, and of the mixture [12, inf)
            "generator_steps": 2000,  # denoising_density: steps of the generator [1, inf)
            # denoising_density: steps of the estimator per generator step. [1, inf)
            "inner_steps": 4,
            "generator_batch": 256,  # denoising_density: examples per step [1, inf)
            "generator_rate": 5e-4,  # denoising_density: learning rate of the generator (0, inf)
            "estimator_rate": 2e-3,  # denoising_density: learning rate of the estimators (0, inf)
            # denoising_density, contrastive_divergence: measurements of the distance to the data.
            # [1, inf)
            "measurements": 20,
        }
    )
