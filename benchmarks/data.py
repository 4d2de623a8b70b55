"""How fast images are prepared and fed, beside tf.data decoding them each epoch.

    python benchmarks/data.py FOLDER

FOLDER has one folder of JPEG files a class (maybe within train, validation and test).
The peer decodes with ``tf.io.decode_jpeg``, resizes with antialiasing and augments
whole batches with Keras's random layers. A minute for 2,500 small images.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import keras
import tensorflow as tf

from kerasnets.data import Augment, batches, open_source, prepare

BATCH = 64
AUGMENT = Augment(translate=0.1, rotate=10, zoom=0.1, flip=True)


def main() -> None:
    """Print images a second and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    size = arguments.size

    source = open_source(f"folder:{arguments.folder}")
    paths = [str(path) for path in source.load().contents()]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        data = prepare(source, Path(folder), resolution=size, seed=0)
        prepared = len(paths) / (time.perf_counter() - start)
        print(f"prepare, once                   {prepared:8,.0f} images/s")

        def fed(augment: Augment | None) -> float:
            stream = batches(
                data.train, size=size, batch_size=BATCH, seed=0, augment=augment
            )
            return images_a_second(
                stream.dataset(0, arguments.epochs * stream.steps_per_epoch)
            )

        plain, augmented = fed(None), fed(AUGMENT)
    decoded = images_a_second(decoding(paths, size))
    layers = images_a_second(decoding(paths, size).map(keras_layers()))
    print(f"batches                         {plain:8,.0f} images/s")
    print(f"batches, augmented              {augmented:8,.0f} images/s")
    print(f"tf.data, decoding every epoch   {decoded:8,.0f} images/s")
    print(f"tf.data with Keras layers       {layers:8,.0f} images/s")
    print(f"ratio, not augmented            {plain / decoded:8.2f}")
    print(f"ratio, augmented                {augmented / layers:8.2f}")


def decoding(paths: list[str], size: int) -> tf.data.Dataset:
    """The peer: shuffled files, decoded and resized."""

    def read(path):
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        image = tf.image.resize(image, (size, size), antialias=True)
        return image / 127.5 - 1.0, 0

    return (
        tf.data.Dataset.from_tensor_slices(paths)
        .shuffle(len(paths), seed=0)
        .map(read, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(BATCH, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def keras_layers():
    """What ``AUGMENT`` does, as a map over batches."""
    layers = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
            keras.layers.RandomRotation(10 / 360, fill_mode="nearest"),
            keras.layers.RandomZoom(0.1, fill_mode="nearest"),
        ]
    )
    return lambda images, labels: (layers(images, training=True), labels)


def images_a_second(dataset: Iterable) -> float:
    """Throughput after the first batch, which pays for building the graph."""
    iterator = iter(dataset)
    next(iterator)
    start = time.perf_counter()
    count = sum(len(labels) for _, labels in iterator)
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
