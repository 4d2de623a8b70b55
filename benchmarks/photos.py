"""What pretrained codes are worth on photographs: the figures of docs/benchmarks.md.

    python benchmarks/photos.py FOLDER --weights FOLDER [--seeds 0 1 2]

A linear classifier is fitted to the codes of MobileNets whose ImageNet weights lie in
the second folder, in the files that keras.applications looks for; its C is chosen on
the validation images. Printed are what it gets right of the test images, the seconds
from decoded images to the classifier, and the multiply-adds of the network.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import keras

from kerasnets import transfer
from kerasnets.analysis import count_madds
from kerasnets.data import open_source, prepare
from kerasnets.evaluation import evaluate

# alpha, side and name of the file
NETWORKS = (
    (0.25, 128, "mobilenet_2_5_128_tf.h5"),
    (0.5, 160, "mobilenet_5_0_160_tf.h5"),
    (0.75, 192, "mobilenet_7_5_192_tf.h5"),
)


def main() -> None:
    """Fit each network's classifier for each seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    for alpha, side, name in NETWORKS:
        accuracies, seconds, madds = [], [], 0
        for seed in arguments.seeds:
            accuracy, taken, madds = measure(
                arguments.folder, alpha, side, arguments.weights / name, seed
            )
            accuracies.append(100 * accuracy)
            seconds.append(taken)
        each = "  ".join(f"{accuracy:5.2f}" for accuracy in accuracies)
        print(
            f"alpha {alpha} at {side}: {madds / 1e6:.1f}M madds, {each} "
            f"(mean {statistics.mean(accuracies):.2f}) %, "
            f"{statistics.mean(seconds):.0f} s",
            flush=True,
        )


def measure(
    folder: str, alpha: float, side: int, weights: Path, seed: int
) -> tuple[float, float, int]:
    """Accuracy on the test images, seconds and multiply-adds."""
    base = keras.applications.MobileNet(
        (side, side, 3), alpha=alpha, weights=str(weights)
    )
    with tempfile.TemporaryDirectory() as kept:
        source = open_source(f"folder:{folder}")
        data = prepare(source, Path(kept), resolution=side, seed=seed)
        started = time.perf_counter()
        train, validation = (
            (transfer.features(base, split), split.labels)
            for split in (data.train, data.validation)
        )
        head = transfer.fit_linear(train, validation, seed=seed)
        seconds = time.perf_counter() - started
        model = transfer.with_linear(transfer.body(base), head)
        return evaluate(model, data.test).accuracy, seconds, count_madds(model)


if __name__ == "__main__":
    main()
