import io

import numpy as np
import pytest
from PIL import Image

from kerasnets.data import decode_image, read_image, resize_images
from kerasnets.data.formats import HEAD, kind_of
from kerasnets.errors import KerasnetsError


def encoded(image: Image.Image, form: str = "PNG", **settings) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **settings)
    return file.getvalue()


def orientation(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


@pytest.mark.parametrize(
    ("number", "upright"),
    [
        (1, [[1, 2, 3], [4, 5, 6]]),
        (3, [[6, 5, 4], [3, 2, 1]]),  # upside down
        (6, [[4, 1], [5, 2], [6, 3]]),  # to be turned clockwise
        (8, [[3, 6], [2, 5], [1, 4]]),  # to be turned anticlockwise
    ],
)
def test_exif_orientation_is_applied(number, upright):
    stored = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], "uint8"))
    image = decode_image(encoded(stored, exif=orientation(number)))
    np.testing.assert_array_equal(np.asarray(image)[:, :, 0], upright)


def test_exif_orientation_of_a_jpeg_that_is_decoded_at_a_fraction():
    stored = np.zeros((400, 800, 3), "uint8")
    stored[:, 400:] = 255  # the right half is white
    content = encoded(Image.fromarray(stored), "JPEG", exif=orientation(6))
    image = decode_image(content, at_least=(50, 50))
    assert image.size == (50, 100)  # an eighth, turned
    assert np.asarray(image)[:40].max() < 10  # what was left is on top
    assert np.asarray(image)[60:].min() > 245


def test_damaged_exif_of_good_pixels_leaves_them_as_they_are():
    stored = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], "uint8"))
    content = encoded(stored, exif=b"Exif\0\0no TIFF header at all")
    np.testing.assert_array_equal(
        np.asarray(decode_image(content))[:, :, 0], [[1, 2, 3], [4, 5, 6]]
    )


def test_sixteen_bits_are_scaled_and_not_clipped():
    pixels = np.array([[0, 257, 128 * 257, 65535]], "uint16")
    image = decode_image(encoded(Image.fromarray(pixels)))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image)[0, :, 1], [0, 1, 128, 255])


def test_palette_and_grey_become_rgb():
    colours = Image.new("P", (2, 1))
    colours.putpalette([10, 20, 30, 200, 100, 50])
    colours.putpixel((1, 0), 1)
    for form in ("PNG", "GIF", "BMP"):
        np.testing.assert_array_equal(
            np.asarray(decode_image(encoded(colours, form))),
            [[[10, 20, 30], [200, 100, 50]]],
        )
    grey = decode_image(encoded(Image.new("L", (1, 1), 77)))
    assert grey.getpixel((0, 0)) == (77, 77, 77)
    one_bit = decode_image(encoded(Image.new("1", (1, 1), 1)))
    assert one_bit.getpixel((0, 0)) == (255, 255, 255)


def test_cmyk_becomes_rgb():
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    image = decode_image(encoded(cyan, "JPEG", quality=95))
    np.testing.assert_allclose(image.getpixel((8, 8)), (0, 255, 255), atol=3)


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (200, 0, 0, 255), (200, 0, 0)),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),  # a fifth of black over white
        ("LA", (0, 51), (204, 204, 204)),
    ],
)
def test_transparent_pixels_lie_on_white(mode, pixel, expected):
    assert decode_image(encoded(Image.new(mode, (1, 1), pixel))).getpixel((0, 0)) == (
        expected
    )


def test_transparent_palette_entry_lies_on_white():
    image = Image.new("P", (1, 1))
    image.putpalette([9, 9, 9])
    content = encoded(image, transparency=0)
    assert decode_image(content).getpixel((0, 0)) == (255, 255, 255)


def test_first_frame_of_a_gif():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(content).getpixel((0, 0)) == (255, 0, 0)


def test_webp_and_the_jpeg_of_cameras_that_holds_two_pictures():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("white", "black")]
    mpo = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert decode_image(mpo).getpixel((8, 8)) == (255, 255, 255)
    webp = encoded(frames[0], "WEBP", lossless=True)
    assert decode_image(webp).getpixel((8, 8)) == (255, 255, 255)


def test_avif():
    content = encoded(Image.new("RGB", (16, 12), (200, 30, 60)), "AVIF", quality=95)
    image = decode_image(content)
    assert image.size == (16, 12)
    np.testing.assert_allclose(image.getpixel((8, 6)), (200, 30, 60), atol=3)


@pytest.mark.parametrize(
    ("number", "upright"), [(1, (64, 32)), (6, (32, 64))], ids=["upright", "turned"]
)
def test_heic_of_a_phone(number, upright):
    import pillow_heif as heif

    stored = np.zeros((32, 64, 3), "uint8")
    stored[:, 32:] = 255  # the right half is white
    file, image = io.BytesIO(), heif.from_pillow(Image.fromarray(stored))
    image.info["exif"] = orientation(number).tobytes()  # the file's own turn as well
    image.save(file, quality=-1)
    image = decode_image(file.getvalue())
    assert image.size == upright
    assert np.asarray(image)[:8, :8].max() < 5
    assert np.asarray(image)[-8:, -8:].min() > 250


def test_heic_without_its_reader_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("kerasnets.data.formats._has_heif", lambda: False)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(100))
    with pytest.raises(KerasnetsError) as error:
        decode_image(path)
    assert str(error.value) == (
        f"{path}: HEIC image; needs pip install 'kerasnets[heic]'"
    )


@pytest.mark.parametrize(
    ("kind", "content"),
    [(form, encoded(Image.new("RGB", (8, 8)), form)) for form in ("JPEG", "PNG", "BMP")]
    + [(form, encoded(Image.new("P", (8, 8)), form)) for form in ("GIF", "TIFF")]
    + [
        ("AVIF", encoded(Image.new("RGB", (8, 8)), "AVIF")),
        ("WebP", encoded(Image.new("RGB", (8, 8)), "WEBP")),
        ("JPEG", encoded(Image.new("RGB", (8, 8)), "MPO")),
        ("HEIC", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
        # any image of the boxes' kind, of which the brands behind say which
        ("AVIF", b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif"),
        ("video", b"\0\0\0\x14ftypqt  \0\0\0\0qt  "),
        ("camera raw", b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom"),
        ("", b"BMW is what this text is about, and not a picture."),
        ("", b""),
    ],
)
def test_kind_is_told_by_the_first_bytes(kind, content):
    assert kind_of(content[:HEAD]) == kind


def test_large_jpeg_is_decoded_at_a_fraction_though_the_whole_is_over_the_bound(
    tmp_path,
):
    # 196 megapixels: Pillow refuses to open what has more than 179
    path = tmp_path / "photo.jpg"
    Image.new("L", (14_000, 14_000), 77).save(path, quality=50)
    np.testing.assert_allclose(read_image(path, 8), np.full((8, 8, 3), 77), atol=2)
    assert decode_image(path, at_least=(100, 100)).size == (1750, 1750)
    with pytest.raises(KerasnetsError, match="14000x14000 pixels; at most"):
        decode_image(path)


@pytest.mark.parametrize(
    ("form", "settings"), [("PNG", {}), ("JPEG", {"progressive": True})]
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_cannot_be_decoded_at_a_fraction_is_bounded_as_a_whole(
    monkeypatch, form, settings
):
    content = encoded(Image.new("L", (400, 300)), form, **settings)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    with pytest.raises(KerasnetsError, match="400x300 pixels; at most 100,000"):
        read_image(content, 4)


def test_truncated_jpeg_is_named_with_the_reason(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    whole = encoded(Image.fromarray(noise), "JPEG")
    path = tmp_path / "half.jpg"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(KerasnetsError, match=r"half\.jpg: .*truncated"):
        decode_image(path)


@pytest.mark.parametrize("content", [b"", b"It is a text.\n", b"%!PS-Adobe-3.0 EPSF-3"])
def test_what_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "note.jpg"
    path.write_bytes(content)
    with pytest.raises(KerasnetsError, match=r"note\.jpg: not an image") as error:
        decode_image(path)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(KerasnetsError, match=r"gone\.png: no such file"):
        decode_image(tmp_path / "gone.png")
    with pytest.raises(KerasnetsError, match="Is a directory"):
        decode_image(tmp_path)


def test_content_is_called_what_the_caller_calls_it():
    with pytest.raises(KerasnetsError, match=r"^train/7: not an image"):
        read_image(b"text", 8, name="train/7")


def test_decompression_bomb_is_refused(monkeypatch):
    content = encoded(Image.new("L", (40, 30)))
    # the bound between Pillow's warning and its error
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1199)
    with pytest.raises(KerasnetsError, match="1200 pixels"):
        decode_image(content)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1200)
    assert decode_image(content).size == (40, 30)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bomb_is_refused_where_warnings_are_not_errors(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1199)
    with pytest.raises(KerasnetsError, match="40x30 pixels; at most 1,199"):
        decode_image(encoded(Image.new("L", (40, 30))))


def test_whole_image_is_stretched():
    pixels = np.zeros((10, 20), "uint8")
    pixels[:, 10:] = 200
    small = read_image(encoded(Image.fromarray(pixels)), 4)
    assert small.shape == (4, 4, 3)
    assert small.dtype == np.uint8
    # triangles that end 5 pixels from their middle: the second has weights 0.4 and 0.2
    # of 5 in the right half
    np.testing.assert_array_equal(small[0, :, 0], [0, 24, 176, 200])
    assert read_image(encoded(Image.fromarray(pixels)), (3, 5)).shape == (3, 5, 3)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3)])
def test_pixels_are_read_like_a_file(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, "uint8")
    np.testing.assert_array_equal(
        read_image(pixels, (4, 6)), np.broadcast_to(pixels.reshape(4, 6, -1), (4, 6, 3))
    )
    file = encoded(Image.fromarray(pixels.squeeze()))
    np.testing.assert_array_equal(read_image(pixels, 3), read_image(file, 3))


def test_resize_images_is_read_image_for_arrays():
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 9, 3), "uint8")
    resized = resize_images(images, 4)
    np.testing.assert_array_equal(resized[1], read_image(images[1], 4))
    np.testing.assert_array_equal(resize_images(images, 9), images)


def test_real_jpeg_files_are_close_to_a_plain_decode(real_data):
    files = sorted(real_data.glob("flowers_folder/flowers/val/*/*.jpg"))[::50]
    assert len(files) == 10
    for file in files:
        plain = (
            Image.open(file).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
        )
        difference = read_image(file, 32).astype(int) - np.asarray(plain)
        assert np.abs(difference).mean() < 1  # in two steps here, in one there
