"""Records ``quality.npz``: what the reference implementations say of small arrays.

    pip install torch torchvision pytorch-fid torch-fidelity clean-fid scipy
    PYTHONPATH=tests/evaluation python tests/golden/make_quality.py

In an environment of its own: the project needs none of these. Inception's weights are those of
``tests/evaluation/inception_weights.py``, in place of the trained ones.
"""

import importlib.metadata
import io
import json
import platform
import tempfile
from collections import OrderedDict
from pathlib import Path

import inception_weights
import numpy as np
import torch
from cleanfid.fid import frechet_distance, kernel_distance
from pytorch_fid import inception as pytorch_fid
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torch_fidelity.metric_kid import kernel_mmd, kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

GOLDEN = Path(__file__).parent
PACKAGES = ("torch", "torchvision", "pytorch-fid", "torch-fidelity", "clean-fid", "scipy", "numpy")
LAYERS = ("64", "192", "768", "2048")
SPARSE = np.s_[:, ::23, ::23]


def features() -> dict[str, np.ndarray]:
    """Two sets of correlated, skewed points of other means."""
    generator = np.random.Generator(np.random.Philox(5))
    mix = generator.standard_normal((6, 6))
    x = generator.standard_normal((150, 6)) @ mix
    y = np.tanh(generator.standard_normal((130, 6)) @ mix[::-1]) + 0.3
    return {"x": x, "y": y}


def frechet(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    moments = [(a.mean(axis=0), np.cov(a, rowvar=False)) for a in (x, y)]
    both = [*moments[0], *moments[1]]
    return {
        "frechet/pytorch_fid": calculate_frechet_distance(*both),
        "frechet/clean_fid": frechet_distance(*both),
    }


def kernel(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    options = {
        "kid_kernel": "poly",
        "kid_kernel_poly_degree": 3,
        "kid_kernel_poly_gamma": None,
        "kid_kernel_poly_coef0": 1.0,
    }
    subsets = {"kid_subsets": 12, "kid_subset_size": 40, "rng_seed": 2020, "verbose": False}
    found = kid_features_to_metric(*map(torch.from_numpy, (x, y)), **options, **subsets)
    np.random.seed(0)
    return {
        "kernel/of_100": kernel_mmd(x[:100], y[:100], **options),
        "kernel/mean": found["kernel_inception_distance_mean"],
        "kernel/std": found["kernel_inception_distance_std"],
        "kernel/clean_fid_of_100": kernel_distance(x[:100], y[:100], num_subsets=1),
    }


def neighbors(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    result = {}
    for count in (1, 3, 5):
        found = prc_features_to_metric(
            *map(torch.from_numpy, (x, y)),
            prc_neighborhood=count,
            prc_batch_size=64,
            save_cpu_ram=False,
            verbose=False,
        )
        result[f"neighbors/{count}"] = np.array([found["precision"], found["recall"]])
    return result


def resized(images: np.ndarray) -> dict[str, np.ndarray]:
    """Enlarged and reduced, by both conventions."""
    large = inception_weights.images(1, 350, 410)
    result = {}
    for name, pixels in (("small", images[:1]), ("large", large)):
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        found = {
            "tensorflow": interpolate_bilinear_2d_like_tensorflow1x(
                x, size=(299, 299), align_corners=False
            ),
            "pytorch_fid": torch.nn.functional.interpolate(
                x, size=(299, 299), mode="bilinear", align_corners=False
            ),
        }
        for convention, y in found.items():
            result[f"resized/{convention}/{name}"] = y.permute(0, 2, 3, 1).numpy()[SPARSE]
    return result


def inception(images: np.ndarray) -> dict[str, np.ndarray]:
    """Both implementations with the same weights."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    state = state_dict()
    with tempfile.TemporaryDirectory() as folder:
        torch.save(state, file := f"{folder}/weights.pth")
        network = FeatureExtractorInceptionV3("recorded", list(LAYERS), file)
    layers = dict(zip(LAYERS, network(x), strict=True))
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return {
        **{f"inception/tensorflow/{name}": y.numpy() for name, y in layers.items()},
        "inception/pytorch_fid/2048": by_pytorch_fid(x.float() / 255, state),
        "inception/shapes": np.array(json.dumps(shapes)),
    }


def state_dict() -> dict[str, torch.Tensor]:
    """The recorded weights under PyTorch's names."""
    load, torch.load = torch.load, lambda *_, **__: {}
    check = FeatureExtractorInceptionV3.load_state_dict
    FeatureExtractorInceptionV3.load_state_dict = lambda *_: None
    empty = FeatureExtractorInceptionV3("empty", ["2048"], "none").state_dict()
    torch.load, FeatureExtractorInceptionV3.load_state_dict = load, check
    return {
        name: tensor
        if name.endswith("num_batches_tracked")
        else torch.from_numpy(inception_weights.weight(name, tuple(tensor.shape)))
        for name, tensor in empty.items()
    }


def by_pytorch_fid(x: torch.Tensor, state: dict[str, torch.Tensor]) -> np.ndarray:
    pytorch_fid.load_state_dict_from_url = lambda *_, **__: state
    network = pytorch_fid.InceptionV3().eval()
    with torch.no_grad():
        return network(x)[0][:, :, 0, 0].numpy()


def weight_files() -> dict[str, np.ndarray]:
    """A few tensors as ``torch.save`` wrote them until 1.5, and as it has since."""
    backing = torch.arange(24, dtype=torch.float32)
    tensors = OrderedDict(
        plain=backing[:6].reshape(2, 3).clone(),
        turned=backing[6:18].reshape(3, 4).T,
        parameter=torch.nn.Parameter(torch.tensor([0.5, -2.0])),
        half=torch.tensor([1.5, 2.5], dtype=torch.float16),
        count=torch.tensor(7),
    )
    return {
        f"file/{name}": as_bytes(tensors, _use_new_zipfile_serialization=name == "zip")
        for name in ("zip", "legacy")
    }


def as_bytes(value: object, **options) -> np.ndarray:
    torch.save(value, buffer := io.BytesIO(), **options)
    return np.frombuffer(buffer.getvalue(), np.uint8)


if __name__ == "__main__":
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    sets, pixels = features(), inception_weights.images()
    np.savez_compressed(
        GOLDEN / "quality.npz",
        **sets,
        **frechet(**sets),
        **kernel(**sets),
        **neighbors(**sets),
        **resized(pixels),
        **inception(pixels),
        **weight_files(),
        versions=np.array(json.dumps({"python": platform.python_version(), **versions})),
    )
