"""How a training on very many images starts, and what memory it takes.

    python benchmarks/many_images.py [--images N] [--steps N]

Small JPEGs of 64x48 pixels in a hundred classes are written into a temporary folder and
kept encoded; MobileNet 0.25 learns from random parts of them at 32 pixels, in batches
of 128. That is done twice, each time in a process of its own: the first prepares the
images, the second finds them prepared, as a training that goes on does. Printed are the
seconds of each stage and the peak memory behind it (VmHWM of Linux).
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CLASSES, BATCH, SIZE = 100, 128, 32


def main() -> None:
    """Write the images, and train on them twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        train_some(arguments.child, arguments.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        with stage(f"{arguments.images:,} images written"):
            write_images(Path(folder, "set"), arguments.images)
        given = ("--child", folder, "--steps", str(arguments.steps))
        for title in ("the first time", "again"):
            print(f"\n{title}", flush=True)
            subprocess.run([sys.executable, __file__, *given], check=True)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print how long something took, and the most memory until its end."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    print(f"{name:32}{seconds:8.1f} s{peak / 1e3:10,.0f} MB", flush=True)


def write_images(root: Path, count: int) -> None:
    """Write JPEG files of few pictures; a comment in each tells them apart."""
    import numpy as np
    from PIL import Image

    pictures = []
    for coarse in np.random.default_rng(0).integers(0, 256, (200, 6, 8, 3), "uint8"):
        file = io.BytesIO()
        image = Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)
        image.save(file, "JPEG", quality=75)
        pictures.append(file.getvalue())
    for label in range(CLASSES):
        (root / f"class{label:02}").mkdir(parents=True)
    for i in range(count):
        # of the same class two pictures
        picture = pictures[i % len(pictures)]
        comment = b"\xff\xfe\x00\x0a" + f"{i:08}".encode()
        path = root / f"class{i % CLASSES:02}" / f"{i:08}.jpg"
        path.write_bytes(picture[:2] + comment + picture[2:])


@dataclass(frozen=True)
class FirstSteps:
    """A feed whose epoch has a few steps only."""

    feed: object
    steps_per_epoch: int

    def dataset(self, first: int, last: int):
        """The batches of those steps."""
        return self.feed.dataset(first, last)


def train_some(folder: Path, steps: int) -> None:
    """Train for some steps; the first is told apart."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with stage("imports"):
        from kerasnets import applications
        from kerasnets.data import AreaCrop, crop_batches, open_source, prepare
        from kerasnets.pixels import pixels_of
        from kerasnets.training import Recipe, train
    with stage("listing"):
        source = open_source(f"folder:{folder / 'set'}")
    with stage("preparing"):
        data = prepare(source, folder / "prepared", seed=0, store="encoded", reuse=True)
    with stage("network"):
        model = applications.build(
            "mobilenet",
            input_shape=(SIZE, SIZE, 3),
            alpha=0.25,
            classes=CLASSES,
            classifier_activation=None,
        )
    feed = crop_batches(
        data.train,
        preprocessing=pixels_of(model),
        batch_size=BATCH,
        seed=0,
        crop=AreaCrop(),
        size=SIZE,
    )
    for name, count in (("first step", 1), (f"{steps:,} steps", steps)):
        with stage(name):
            train(model, FirstSteps(feed, count), Recipe(1, 0.01, BATCH))


if __name__ == "__main__":
    main()
