"""Compressed files: what is written is read, and no damage passes unseen."""

import numpy as np
import pytest

from gradlog.codec import (
    BitsBack,
    Checks,
    CodeError,
    MaskedTokens,
    join_images,
    read_code,
    write_code,
)

RNG = np.random.default_rng(1)
IMAGES = RNG.integers(0, 4, (11, 2, 3)).astype("<u1")
HEADER = {"step": 3, "levels": 4}
CODECS = {
    "masked": MaskedTokens(lambda x, at: np.full((*at.shape, 4), 0.25), 4, 6, 4, 2),
    "bits-back": BitsBack(
        *(lambda y, i: 0 * y, np.geomspace(0.1, 5, 4), 5.1, np.array([-0.75, -0.25, 0.25, 0.75])),
        **{"uniform": False, "images": 4, "rows": 2, "length": 6, "knots": 3},
    ),
}


def quiet(done):
    del done


def compress(codec):
    blocks = codec.encode(IMAGES.reshape(11, 6).astype(int), quiet)
    return write_code(HEADER, blocks, [Checks.of(part) for part in np.split(IMAGES, [4, 8])])


def decompress(codec, data):
    header, parts, complete = read_code(data)
    assert header == HEADER
    decoded = codec.decode([part.block for part in parts], quiet)
    return join_images(parts, decoded, IMAGES.shape[1:], IMAGES.dtype, complete)


def corrupt(data, rng):
    """Change, remove, insert or exchange some bytes."""
    data, at = bytearray(data), int(rng.integers(len(data)))
    kind = rng.integers(5)
    if kind == 0:
        data[at] ^= 1 << rng.integers(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        del data[at : at + rng.integers(1, 9)]
    elif kind == 3:
        data[at:at] = rng.bytes(int(rng.integers(1, 9)))
    else:
        data[at : at + 16] = rng.bytes(16)
    return bytes(data)


@pytest.mark.parametrize("name", CODECS)
def test_a_file_comes_back(name):
    found = decompress(CODECS[name], compress(CODECS[name]))
    assert found.dtype == IMAGES.dtype
    np.testing.assert_array_equal(found, IMAGES)


def test_zeros_in_place_of_the_header_are_found():
    """The CRC-32 of no bytes is zero."""
    start = compress(CODECS["masked"])[:8]
    with pytest.raises(CodeError, match="header"):
        read_code(start + bytes(100))


@pytest.mark.parametrize("name", CODECS)
def test_every_corruption_is_found_and_no_wrong_image_is_called_sound(name):
    data, rng, recovered = compress(CODECS[name]), np.random.default_rng(2), 0
    for _ in range(1000):
        damaged = corrupt(data, rng)
        if damaged == data:
            continue
        with pytest.raises(CodeError) as error:
            decompress(CODECS[name], damaged)
        if error.value.images is not None:
            sound = error.value.recovered
            np.testing.assert_array_equal(error.value.images[sound], IMAGES[sound])
            assert not error.value.images[~sound].any()
            recovered += sound.any()
    assert recovered > 300


def test_a_damaged_block_costs_its_own_images_alone():
    data = bytearray(compress(CODECS["masked"]))
    data[-1] ^= 1
    with pytest.raises(CodeError, match="8 to 10") as error:
        decompress(CODECS["masked"], bytes(data))
    np.testing.assert_array_equal(error.value.recovered, np.arange(11) < 8)


def test_a_codec_that_computes_otherwise_is_found_by_the_images():
    other = MaskedTokens(lambda x, at: np.tile([0.1, 0.2, 0.3, 0.4], (*at.shape, 1)), 4, 6, 4, 2)
    with pytest.raises(CodeError, match="not decoded") as error:
        decompress(other, compress(CODECS["masked"]))
    assert not error.value.recovered.any()


def test_another_format_is_refused():
    data = bytearray(compress(CODECS["masked"]))
    data[7] = 1
    with pytest.raises(CodeError, match="format 1"):
        read_code(bytes(data))
