"""Whole batches changed by Keras's layers: RandAugment, erased parts, mixed images.

Keras draws from generators with a state; here each step begins with generators of its
own, so that a batch depends on the seed and the step alone.
"""

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kerasnets.errors import KerasnetsError

# RandAugment has a generator, which batches in several threads would share
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Mix:
    """Random changes of whole batches; 0 leaves a change out.

    Attributes:
        rand_augment: Strength of RandAugment (Cubuk et al. 2019, section 3), above 0 to
            1; Keras draws the operations once for all images of a batch.
        operations: Of RandAugment, one after another.
        erase: Largest share of an image that noise takes the place of (Zhong et al.
            2017, section 3), up to 1.
        mixup: Alpha of the Beta distribution of the shares in which two images and
            their labels are mixed (Zhang et al. 2017, section 2).
        cutmix: Alpha likewise of a part of one image put into another (Yun et al. 2019,
            section 3.1). With both each batch has one of them, as often.
    """

    rand_augment: float = 0.0
    operations: int = 2
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self):
        for name, valid, accepted in (
            ("rand_augment", 0 <= self.rand_augment <= 1, "0 to 1"),
            ("operations", self.operations >= 1, "1 or more"),
            ("erase", 0 <= self.erase <= 1, "0 to 1"),
            ("mixup", self.mixup >= 0, "0 or more"),
            ("cutmix", self.cutmix >= 0, "0 or more"),
        ):
            if not valid:
                raise KerasnetsError(
                    f"mix {name} is {getattr(self, name)}; {accepted} is accepted"
                )

    @property
    def of_labels(self) -> bool:
        """Whether labels become shares of the classes."""
        return bool(self.mixup or self.cutmix)

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, draws: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return changed copies of a batch.

        Args:
            images: Float32 (batch, side, side, 3) with values 0 to 255.
            labels: Shares of the classes (batch, classes).
            draws: What is drawn depends on it only.
        """
        from keras import ops

        with _ONE_AT_A_TIME:
            for layer in self._of_images:
                images, labels = _changed(layer, draws, images, labels)
            if self._of_pairs:
                layer = self._of_pairs[int(draws.integers(len(self._of_pairs)))]
                images, labels = _changed(layer, draws, images, labels)
        as_array: Any = ops.convert_to_numpy
        return (
            as_array(images).astype("float32"),
            as_array(labels).astype("float32"),
        )

    @cached_property
    def _of_images(self) -> list[Any]:
        from keras import layers

        made: list[Any] = []
        if self.rand_augment:
            made.append(
                layers.RandAugment(
                    value_range=(0, 255),
                    num_ops=self.operations,
                    factor=self.rand_augment,
                    data_format="channels_last",
                )
            )
        if self.erase:
            made.append(
                layers.RandomErasing(
                    scale=(0.02 * self.erase, self.erase),
                    value_range=(0, 255),
                    data_format="channels_last",
                )
            )
        return made

    @cached_property
    def _of_pairs(self) -> list[Any]:
        from keras import layers

        made: list[Any] = []
        if self.mixup:
            made.append(layers.MixUp(alpha=self.mixup, data_format="channels_last"))
        if self.cutmix:
            # a number is the largest alpha there, drawn anew for each batch
            alpha: Any = (self.cutmix, self.cutmix)
            made.append(layers.CutMix(factor=alpha, data_format="channels_last"))
        return made


def _changed(
    layer: Any, draws: np.random.Generator, images: Any, labels: Any
) -> tuple[Any, Any]:
    """What a layer of Keras makes of a batch."""
    import keras

    generator: Any = keras.random.SeedGenerator(int(draws.integers(2**31)))
    if isinstance(layer, keras.layers.RandAugment):
        # it draws from its own generator, whatever it is given
        layer.generator.state.assign(generator.state)
    how = layer.get_random_transformation(images, seed=generator)
    return layer.transform_images(images, how), layer.transform_labels(labels, how)
