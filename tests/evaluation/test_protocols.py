import pytest

from kerasnets.data import Window
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import PROTOCOLS, protocol_of

# 256 x 256, as AlexNet's images are, and one of 512 x 384
SQUARE, WIDE = Window(0, 0, 256, 256), Window(0, 0, 384, 512)


def windows(name, image, **given):
    protocol = protocol_of(name, **{"size": 224, "resize": 256, **given})
    assert protocol.windows is not None
    return protocol.windows(image)


def test_whole_and_centre():
    assert windows("whole", WIDE) == [WIDE]
    # 224 of 256 are 336 of 384 pixels
    assert windows("centre", WIDE) == [Window(24, 88, 336, 336)]
    assert windows("centre", SQUARE, scales=[224]) == [SQUARE]


def test_ten_crops_of_alexnet():
    corners = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    plain = [Window(*corner, 224, 224) for corner in corners]
    mirrored = [each._replace(is_mirrored=True) for each in plain]
    assert windows("ten-crop", SQUARE) == plain + mirrored
    # of a wide image those of the square in its middle
    of_wide = windows("ten-crop", WIDE)
    assert [(w.top, w.left) for w in of_wide[:5]] == [
        *((0, 64), (0, 112), (48, 64), (48, 112), (24, 88))
    ]


def test_144_crops_of_googlenet():
    found = windows("144-crop", WIDE)
    assert len(found) == 144
    # 224 of 352, at the largest scale, of the right square
    side = round(384 * 224 / 352)
    assert Window(0, 512 - side, side, side) in found
    # the left, the middle and the right square itself, and mirrored, at each scale
    for left in (0, 64, 128):
        assert found.count(Window(0, left, 384, 384)) == 4
        assert found.count(Window(0, left, 384, 384, True)) == 4
    tall = windows("144-crop", Window(0, 0, 512, 384))
    assert {(w.top, w.left) for w in tall if w.height == 384} == {
        *((0, 0), (64, 0), (128, 0))
    }


def test_150_crops_of_vgg_at_three_scales():
    found = windows("multi-crop", SQUARE)
    assert len(found) == len(set(found)) + 48  # 224 of 224 is one place, 25 times
    assert len(found) == 150
    at_256 = {(w.top, w.left) for w in found if w.height == 224}
    assert at_256 == {(8 * i, 8 * j) for i in range(5) for j in range(5)}
    jittered = protocol_of("multi-crop", size=224, resize=256, scales=[256, 384, 512])
    assert jittered.scales == (256, 384, 512)


def test_scales_of_the_paper():
    # Table 4: Q of a network of S = 384
    found = protocol_of("multi-scale", size=224, resize=384)
    assert (found.scales, found.slides, found.windows) == ((352, 384, 416), True, None)
    assert protocol_of("dense", size=224, resize=256).scales == (256,)
    both = protocol_of("dense+multi-crop", size=224, resize=384)
    assert both.slides
    assert both.windows is not None
    assert not protocol_of("multi-crop", size=224, resize=384).slides
    # of 32 pixels in proportion, and never smaller than the network's images
    assert protocol_of("multi-scale", size=32, resize=40).scales == (35, 40, 45)
    assert protocol_of("multi-scale", size=32, resize=32).scales == (32, 32, 37)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("all", {}, "protocol 'all' is unknown: whole, centre"),
        ("whole", {"scales": [256]}, "protocol whole with the scales 256: none is"),
        ("centre", {"scales": [1, 2]}, "the scales 1, 2: 1 is accepted"),
        ("dense", {"scales": [200]}, "scale 200 is smaller than .* 224 pixels"),
    ],
)
def test_what_no_protocol_takes(name, given, message):
    with pytest.raises(KerasnetsError, match=message):
        protocol_of(name, size=224, resize=256, **given)


def test_every_name_is_a_protocol():
    for name in PROTOCOLS:
        assert protocol_of(name, size=96, resize=110).name == name
