"""Images in the size that a model takes."""

import numpy as np

from kerasnets.jobs import images


def test_grey_is_the_luma_of_the_colours():
    primary = np.eye(3, dtype="uint8")[:, None, None] * np.uint8(255)
    grey = images.fitted(primary, (1, 1), 1)
    # 0.299, 0.587 and 0.114 of 255 (ITU-R BT.601)
    assert grey.reshape(-1).tolist() == [76, 150, 29]
