"""Records the official NCSN of 2019 on random parameters: ``model_ncsn_8x8x3_nf4.npz``.

    python -m venv /tmp/ncsn
    /tmp/ncsn/bin/pip install torch numpy
    /tmp/ncsn/bin/python tests/golden/make_ncsn.py CHECKOUT_OF_ERMONGROUP_NCSN

Not a part of the tests, which have no PyTorch. The network is ``CondRefineNetDilated`` in float64;
its parameters, image and cotangent are float32 numbers, with the names of our modules. The script
also prints the number of parameters of the published networks.
"""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

sys.path.insert(0, sys.argv[1])
module = importlib.import_module("models.cond_refinenet_dilated")


def official(size, channels, nf, levels):
    data = SimpleNamespace(image_size=size, channels=channels, logit_transform=False)
    model = SimpleNamespace(ngf=nf, num_classes=levels)
    return module.CondRefineNetDilated(SimpleNamespace(data=data, model=model))


def convolution(place, conv):
    """Return the arrays of a convolution: (out, in, h, w) becomes (h, w, in, out)."""
    yield f"{place}/kernel", conv.weight.permute(2, 3, 1, 0)
    if conv.bias is not None:
        yield f"{place}/bias", conv.bias


def norm(place, module):
    for name, table in zip(
        ("gamma", "alpha", "beta"), module.embed.weight.chunk(3, 1), strict=True
    ):
        yield f"{place}/{name}", table


def residual(place, block):
    yield from norm(f"{place}/InstanceNorm2dPlus_0", block.normalize1)
    yield from convolution(f"{place}/Conv_0", block.conv1)
    yield from norm(f"{place}/InstanceNorm2dPlus_1", block.normalize2)
    if hasattr(block.conv2, "conv"):  # with the mean of 2x2 pixels
        yield from convolution(f"{place}/ConvMeanPool_0/Conv_0", block.conv2.conv)
        yield from convolution(f"{place}/ConvMeanPool_1/Conv_0", block.shortcut.conv)
        return
    yield from convolution(f"{place}/Conv_1", block.conv2)
    if hasattr(block, "shortcut"):
        yield from convolution(f"{place}/Conv_2", block.shortcut)


def units(place, block):
    for i in range(block.n_blocks):
        for j in range(2):
            yield from norm(
                f"{place}/InstanceNorm2dPlus_{2 * i + j}", getattr(block, f"{i + 1}_{j + 1}_norm")
            )
            yield from convolution(
                f"{place}/Conv_{2 * i + j}", getattr(block, f"{i + 1}_{j + 1}_conv")
            )


def chain(place, block):
    for i, (normalize, conv) in enumerate(zip(block.norms, block.convs, strict=True)):
        yield from norm(f"{place}/InstanceNorm2dPlus_{i}", normalize)
        yield from convolution(f"{place}/Conv_{i}", conv)


def refine(place, block):
    for i, adapt in enumerate(block.adapt_convs):
        yield from units(f"{place}/RCUBlock_{i}", adapt)
    if block.n_blocks > 1:
        yield from chain(f"{place}/MSFBlock_0", block.msf)
    yield from chain(f"{place}/CRPBlock_0", block.crp)
    yield from units(f"{place}/RCUBlock_{block.n_blocks}", block.output_convs)


def parameters(network):
    yield from convolution("Conv_0", network.begin_conv)
    blocks = [*network.res1, *network.res2, *network.res3, *network.res4]
    for i, block in enumerate(blocks):
        yield from residual(f"ResidualBlock_{i}", block)
    for i in range(4):
        yield from refine(f"RefineBlock_{i}", getattr(network, f"refine{i + 1}"))
    yield from norm("InstanceNorm2dPlus_0", network.normalizer)
    yield from convolution("Conv_1", network.end_conv)


def main():
    for settings in ((32, 3, 128, 10), (28, 1, 64, 10)):
        count = sum(p.numel() for p in official(*settings).parameters())
        print("image size, channels, ngf, levels", *settings, "has", count, "parameters")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    levels, nf = 3, 4
    network = official(8, 3, nf, levels)
    with torch.no_grad():
        for p in network.parameters():  # none is nearly zero
            p.copy_((p + 0.2 * torch.randn_like(p)).float().double())
    draw = lambda: torch.randn(4, 3, 8, 8).float().double()  # noqa: E731
    x, cotangent, labels = draw().requires_grad_(), draw(), torch.tensor([0, 1, 2, 1])
    output = network(x, labels)
    (vjp,) = torch.autograd.grad(output, x, cotangent)
    images = {"x": x, "output": output, "cotangent": cotangent, "vjp_x": vjp}
    arrays = {name: image.permute(0, 2, 3, 1) for name, image in images.items()}
    arrays |= {f"params/{name}": value for name, value in parameters(network)}
    model = {"name": "ncsn", "nf": nf, "num_scales": levels, "nonlinearity": "elu"}
    np.savez_compressed(
        Path(__file__).with_name("model_ncsn_8x8x3_nf4.npz"),
        config=repr({"model": model, "data": {"centered": False}}),
        labels=labels.numpy().astype(np.float32),
        **{name: value.detach().numpy().astype(np.float32) for name, value in arrays.items()},
    )


if __name__ == "__main__":
    main()
