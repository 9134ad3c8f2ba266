"""Compressed files beside the likelihood they stand for, and beside PNG, WebP, JPEG XL and xz.

    python benchmarks/codec.py --workdir=runs/masked
    python benchmarks/codec.py --workdir=runs/digits likelihood.name=vlb likelihood.vlb_steps=200

The test set is compressed and decompressed with the settings of the run; further arguments are
keys. The stated bits/dim are those of the first estimator. The other coders get the same images:
each as a file, or all as one picture, one below the other. JPEG XL needs `pip install
pillow-jxl-plugin`.
"""

import argparse
import ast
import importlib
import io
import lzma
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from PIL import Image

from gradlog import Run
from gradlog.evaluation.likelihood import evaluated_source
from gradlog.experiment.loading import load_saved_config
from gradlog.storage import Workdir

CODERS = {
    "PNG": {"format": "PNG", "optimize": True},
    "WebP": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6},
    "JPEG XL": {"format": "JXL", "lossless": True, "effort": 10},
    "xz -9, the numbers in a row": {"format": "xz"},
}


def main() -> None:
    """Print the bits/dim of each, and the images per second of CPU time."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workdir", required=True, help="of a trained model of images")
    parser.add_argument("settings", nargs="*", help="keys of the configuration: KEY=VALUE")
    options = parser.parse_args()
    config = load_saved_config(Workdir(Run.open(options.workdir).workdir.root).config)
    config.update_from_flattened_dict(dict(map(_setting, options.settings)))
    run = Run.open(options.workdir, config)
    source = evaluated_source(run.experiment)
    x = source[np.arange(len(source))]
    run.compress(x)  # compiles
    started = time.process_time()
    step = run.steps()[-1]
    found = run.compression.compress(run.params(step), step, x)
    compressed = time.process_time()
    assert np.array_equal(run.decompress(found.data), x)
    seconds = compressed - started, time.process_time() - compressed
    stated = run.bits_per_dim()
    print(f"{len(x)} images; {stated['estimator']}: {stated['bits_per_dim']:.4f} bits/dim")
    print(f"95 % from {stated['interval']['low']:.4f} to {stated['interval']['high']:.4f}")
    for name, value in found.bits_per_dim.items():
        print(f"  {name:15} {value:.4f}")
    print(f"  {'the file':15} {8 * len(found.data) / x.size:.4f}")
    print(
        "images per second of CPU time: {:.1f} to compress, {:.1f} to decompress".format(
            *(len(x) / np.array(seconds))
        )
    )
    pictures = x.squeeze(-1) if x.shape[-1] == 1 else x
    for name, settings in CODERS.items():
        if name == "JPEG XL" and not find_spec("pillow_jxl"):
            print("JPEG XL is left out: pillow-jxl-plugin is not installed")
            continue
        started = time.process_time()
        each = sum(len(_encode(picture, settings)) for picture in pictures)
        speed = len(x) / (time.process_time() - started)
        together = len(_encode(pictures.reshape(-1, *pictures.shape[2:]), settings))
        sizes = f"{8 * each / x.size:.3f} each alone, {8 * together / x.size:.3f} together"
        print(f"{name}: {sizes}; {speed:.0f} images per second")


def _encode(picture: np.ndarray, settings: dict) -> bytes:
    if settings["format"] == "xz":
        return lzma.compress(picture.tobytes(), preset=9)
    if settings["format"] == "JXL":
        importlib.import_module("pillow_jxl")  # after that Pillow knows the format
    file = io.BytesIO()
    Image.fromarray(picture).save(file, **settings)
    return file.getvalue()


def _setting(text: str) -> tuple:
    key, _, value = text.partition("=")
    with suppress(ValueError, SyntaxError):
        value = ast.literal_eval(value)
    return key, value


if __name__ == "__main__":
    main()
