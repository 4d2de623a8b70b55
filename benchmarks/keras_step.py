"""How long a training step takes, beside plain Keras: its MobileNet and its ``fit``.

    python benchmarks/keras_step.py [--rounds N] [--steps N]

MobileNet at alpha 0.25 learns from batches of 64 images of 96x96 and 10 classes, in
float32 on the CPU. Plain Keras is ``keras.applications.MobileNet``, compiled with SGD,
cross-entropy and accuracy, and ``fit`` on arrays in memory, all else as it comes: once
with TensorFlow's own choice of kernels, once with oneDNN's, which ``kerasnets`` sets
(``TF_ENABLE_ONEDNN_OPTS``). Ours is a step of ``kerasnets.training.train``.

A round is a few steps of each of the three, in an order drawn anew each time; the first
one does not count. Printed are median milliseconds of a step and the median over the
rounds of ours / theirs with its 95 % interval: below 1 ours is faster.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from train_step import Child, Endless, Turns, by_turns, interval

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NAME, SHAPE, BATCH, CLASSES, RATE = "MobileNet", (96, 96, 3), 64, 10, 0.01
OURS, PEERS = "kerasnets", ("keras", "keras, oneDNN")


class Peer(Child):
    """A process of this script."""

    script = __file__

    def __init__(self, who: str, folder: Path, options: argparse.Namespace):
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
        if who == PEERS[0]:
            del os.environ["TF_ENABLE_ONEDNN_OPTS"]
        super().__init__(who, NAME, folder, options)


def arrays(steps: int):
    """Images and labels of so many batches, the same for all."""
    import numpy as np

    draw = np.random.default_rng(0)
    images = draw.normal(size=(steps * BATCH, *SHAPE)).astype("float32")
    return images, draw.integers(CLASSES, size=steps * BATCH)


def train_ours(options: argparse.Namespace) -> None:
    """Train kerasnets' network round by round."""
    turns = Turns()
    import keras

    from kerasnets.applications import MobileNet
    from kerasnets.training import Recipe, train

    keras.utils.set_random_seed(0)
    model = MobileNet(
        alpha=0.25, input_shape=SHAPE, classes=CLASSES, classifier_activation=None
    )
    images, labels = arrays(1)
    recipe = Recipe(epochs=options.rounds + 1, learning_rate=RATE, batch_size=BATCH)
    feed = Endless(images, labels, options.steps)
    turns.wait()
    train(model, feed, recipe, each_epoch=lambda _, now: turns(now.loss))


def train_keras(options: argparse.Namespace) -> None:
    """Train that of keras.applications, with what ``fit`` does by itself."""
    turns = Turns()
    import keras

    keras.utils.set_random_seed(0)
    none: Any = None  # Keras annotates weights as a string
    model = keras.applications.MobileNet(
        alpha=0.25, input_shape=SHAPE, classes=CLASSES, weights=none
    )
    model.compile(
        optimizer=keras.optimizers.SGD(RATE),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    images, labels = arrays(options.steps)
    turns.wait()
    model.fit(
        images,
        labels,
        batch_size=BATCH,
        epochs=options.rounds + 1,
        verbose=0,  # pyright: ignore[reportArgumentType]  (annotated as str)
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda _, logs: turns(logs["loss"])
            )
        ],
    )


def main() -> None:
    """Time the three by turns, and print the table."""
    parser = argparse.ArgumentParser(description="Time training beside plain Keras.")
    parser.add_argument("name", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=5, help="steps a round")
    parser.add_argument("--threads", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--who", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.who:
        (train_ours if options.who == OURS else train_keras)(options)
        return
    seconds = measure(options)
    for who, times in seconds.items():
        ratios = [a / b for a, b in zip(seconds[OURS], times, strict=True)]
        low, high = interval(ratios)
        line = f"{who:15} {1000 * statistics.median(times):7.1f} ms"
        if who != OURS:
            ratio = statistics.median(ratios)
            line += f"   ours / theirs {ratio:.3f} ({low:.3f} to {high:.3f})"
        print(line)
    sys.exit()


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of a step of each, a value a round."""
    children: dict[str, Peer] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for who in (OURS, *PEERS):
                children[who] = Peer(who, Path(folder), options)
            return by_turns(children, options)
        finally:
            for child in children.values():
                child.end()


if __name__ == "__main__":
    main()
