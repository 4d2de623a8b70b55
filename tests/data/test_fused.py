"""Parts of JPEGs that TensorFlow decodes alone, beside those that Pillow cuts out."""

import io

import numpy as np
import pytest
from PIL import Image

from kerasnets.data import AreaCrop, Window, read_image
from kerasnets.data.fused import read_part
from kerasnets.data.images import read_header
from kerasnets.data.views import window_at

# Both decode alike, and resize with the same code: a level of rounding is left.
TOLERANCE = 1


def photograph(height, width, mode="RGB", orientation=1, **options):
    """A JPEG file of edges, ramps and some noise."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).normal(0, 8, (height, width))
    ramps = [rows * 2 % 256, columns * 3 % 256, (rows // 9 + columns // 7) % 2 * 200]
    pixels = np.stack(ramps, axis=2) + noise[..., None]
    image = Image.fromarray(pixels.clip(0, 255).astype("uint8")).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, exif=exif, **options)
    return file.getvalue()


def differences(content, sizes=(16, 50, 120), count=8):
    """By how much the two ways differ at most, and how often there are both."""
    header, worst, fused = read_header(content), 0, 0
    for index in range(count):
        window = window_at(AreaCrop(), *header.upright, seed=0, step=0, index=index)
        for size in sizes:
            found = read_part(content, header, window, size)
            expected = read_image(content, size, window=window).astype(int)
            if found is not None:
                fused += 1
                worst = max(worst, np.abs(found - expected).max())
    return worst, fused


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photographs(orientation):
    content = photograph(150, 211, orientation=orientation)
    upright = (150, 211) if orientation < 5 else (211, 150)
    assert read_header(content).upright == upright
    worst, fused = differences(content)
    assert worst <= TOLERANCE
    assert fused >= 16


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_kinds_of_jpeg(mode, progressive, subsampling):
    content = photograph(
        150, 211, mode, progressive=progressive, subsampling=subsampling
    )
    assert read_header(content).is_jpeg
    worst, fused = differences(content)
    assert worst <= TOLERANCE
    assert fused >= 16


def test_a_pixel_and_the_whole():
    content = photograph(40, 61)
    header = read_header(content)
    for window in (
        Window(0, 0, 40, 61),
        Window(0, 0, 1, 1),
        Window(39, 60, 1, 1),
        Window(5, 7, 30, 9, True),
    ):
        found = np.asarray(read_part(content, header, window, 14))
        expected = read_image(content, 14, window=window)
        np.testing.assert_allclose(found, expected.astype(int), atol=TOLERANCE)


def test_no_more_is_decoded_than_the_part():
    content = photograph(400, 300)
    header, window = read_header(content), Window(10, 20, 60, 60)
    half = read_part(content[: len(content) // 2], header, window, 30)
    assert half is not None
    np.testing.assert_array_equal(half, read_part(content, header, window, 30))


def test_what_pillow_is_to_read():
    cmyk = photograph(60, 60, "CMYK")
    assert not read_header(cmyk).is_jpeg
    content = photograph(200, 200)
    header, window = read_header(content), Window(0, 0, 100, 100)
    assert read_part(content, header, window, 20) is not None
    # 6 x 16 pixels and more: at half of its size
    assert read_part(content, header, window, 16) is None
    assert read_part(content[:900], header, window, 20) is None


def test_bounds_of_pixels_are_those_of_pillow(monkeypatch):
    content = photograph(40, 61)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 61)
    window = Window(0, 0, 8, 8)
    assert read_part(content, read_header(content), window, 8) is not None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 61 - 1)
    assert read_part(content, read_header(content), window, 8) is None
