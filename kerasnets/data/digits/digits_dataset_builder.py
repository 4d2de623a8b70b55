"""1,797 handwritten digits, 8x8 pixels, that scikit-learn carries: no download."""

import numpy as np
import tensorflow_datasets as tfds

LICENCE = (
    "CC BY 4.0, E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, "
    "UCI Machine Learning Repository, 1998"
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """The test part of UCI's digits: 43 people wrote 0 to 9, in 17 shades of grey."""

    name = "digits"
    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(8, 8, 1), encoding_format="png"
                    ),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
            license=LICENCE,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        from sklearn.datasets import load_digits

        digits = load_digits()
        # 0 to 16 in the file
        images = np.round(digits.images * (255 / 16)).astype("uint8")
        for i, (image, label) in enumerate(zip(images, digits.target, strict=True)):
            yield i, {"image": image[:, :, None], "label": int(label)}
