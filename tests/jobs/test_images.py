"""Images in the size that a model takes."""

import numpy as np
import pytest

from kerasnets.data.sources import _OF_FILES
from kerasnets.jobs import images


@pytest.mark.parametrize("kind", ["digits", "tfds", *_OF_FILES])
def test_images_of_each_source_have_a_side(kind):
    assert images.usual_side(f"{kind}:there") in (32, 40, 96)


def test_photographs_alone_may_be_mirrored():
    for data, photos in (("csv:a.csv", True), ("folder:a", True), ("idx:a", False)):
        assert images.of_photographs(data) == photos
        augment = images.usual_augment(data, mirror=True)
        assert (augment.flip, augment.border == "mirror") == (photos, photos)
        assert not images.usual_augment(data, mirror=False).flip


def test_grey_is_the_luma_of_the_colours():
    primary = np.eye(3, dtype="uint8")[:, None, None] * np.uint8(255)
    grey = images.fitted(primary, (1, 1), 1)
    # 0.299, 0.587 and 0.114 of 255 (ITU-R BT.601)
    assert grey.reshape(-1).tolist() == [76, 150, 29]
