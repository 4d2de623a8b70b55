"""Batches for a training on photographs, beside decoding alone and torch's DataLoader.

    python benchmarks/input_pipeline.py [--folder FOLDER] [--seconds S] [--rounds N]

Needs torch beside TensorFlow (torchvision is not needed: Pillow does what it would).
JPEGs of 500x375 pixels are made of the photographs in FOLDER, or of coarse noise
without it, and kept encoded. Ours is what a training reads: files in a new order, a
part of random area and aspect (Szegedy et al. 2015), mirrored or not, resized to 224
with antialiasing, contrast, brightness and colour (Krizhevsky et al. 2012) changed,
normalised. Beside it:

- the bare fused decode: ``tf.io.decode_and_crop_jpeg`` of parts of the same kind in a
  parallel map of tf.data, and nothing else: no batch can be made of them;
- the same, resized to 224 without and with antialiasing by ``tf.image.resize``, and
  batched;
- torch's DataLoader with a worker for each core (``torch_images.py``).

They take turns of some seconds, so that whatever else the machine does hits all alike.
Printed are medians of images a second and of CPU time an image, on Linux, and of the
ratios in the same round: above 1 ours is faster, or cheaper.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

HEIGHT, WIDTH, SIZE, BATCH = 375, 500, 224, 64
OURS = "ours, all of it"


def main() -> None:
    """Print images a second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = make_photographs(Path(folder, "set"), arguments.folder, arguments.images)
        print(f"{arguments.images} JPEGs of {WIDTH}x{HEIGHT}, {size / 1e3:.0f} kB each")
        streams = contenders(Path(folder))
        found: dict[str, list[Pace]] = {name: [] for name in streams}
        for stream in streams.values():  # not counted: graphs are built
            pace_of(stream, 0.0)
        for _ in range(arguments.rounds):
            for name, stream in streams.items():
                found[name].append(pace_of(stream, arguments.seconds))
    print(f"{'':42}{'images/s':>9}{'ours / it':>12}{'CPU, ms':>10}{'it / ours':>12}")
    for name, paces in found.items():
        pairs = list(zip(found[OURS], paces, strict=True))
        rate = statistics.median(pace.rate for pace in paces)
        faster = statistics.median(ours.rate / it.rate for ours, it in pairs)
        cpu = statistics.median(pace.cpu for pace in paces)
        cheaper = statistics.median(it.cpu / ours.cpu for ours, it in pairs)
        print(f"{name:42}{rate:9,.0f}{faster:12.2f}{1e3 * cpu:10.2f}{cheaper:12.2f}")


def make_photographs(root: Path, photographs: Path | None, count: int) -> float:
    """Write JPEGs in two classes; their mean size in bytes."""
    from PIL import Image

    random, sizes = np.random.default_rng(0), []
    files = sorted(photographs.rglob("*.jpg")) if photographs else []
    for i in range(count):
        if files:
            image = Image.open(files[i * len(files) // count]).convert("RGB")
        else:
            image = Image.fromarray(random.integers(0, 256, (24, 32, 3), "uint8"))
        image = image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        # what is enlarged has lost the grain of a photograph
        pixels = np.asarray(image) + random.normal(0, 5, (HEIGHT, WIDTH, 1))
        content = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(
            content, "JPEG", quality=90
        )
        path = root / f"class{i % 2}" / f"{i:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.getvalue())
        sizes.append(len(content.getvalue()))
    return float(np.mean(sizes))


def contenders(folder: Path) -> dict[str, Iterable[Any]]:
    """Long streams of batches, by what they are."""
    from torch_images import loader

    from kerasnets.data import AreaCrop, Augment, crop_batches, open_source, prepare
    from kerasnets.pixels import UNIT

    source = open_source(f"folder:{folder / 'set'}")
    data = prepare(source, folder / "prepared", seed=0, store="encoded")
    augment = Augment(contrast=0.2, brightness=0.1, colour=0.1).fitted(data.train)
    ours = crop_batches(
        data.train,
        preprocessing=UNIT,
        batch_size=BATCH,
        seed=0,
        crop=AreaCrop(),
        size=SIZE,
        augment=augment,
    )
    paths = [str(folder / "set" / name) for name in data.train.ids]
    workers = os.cpu_count() or 1
    return {
        OURS: ours.dataset(0, 10**9),
        "fused decode, bare": fused(paths),
        "fused decode, resized": fused(paths, antialias=False),
        "fused decode, resized with antialiasing": fused(paths, antialias=True),
        f"torch's DataLoader, {workers} workers": loader(
            paths, SIZE, np.array(augment.colours), BATCH, workers
        ),
    }


def fused(paths: list[str], antialias: bool | None = None) -> Iterable[Any]:
    """Parts decoded alone: batches of them where they are resized, else of sizes."""
    import tensorflow as tf

    from kerasnets.data import AreaCrop
    from kerasnets.data.views import window_at

    crop = AreaCrop()
    windows = np.array(
        [
            window_at(crop, HEIGHT, WIDTH, seed=0, step=0, index=i)[:4]
            for i in range(len(paths))
        ],
        "int32",
    )

    def read(path, window):
        content = tf.io.read_file(path)
        image = tf.io.decode_and_crop_jpeg(content, window, channels=3)
        if antialias is None:
            return tf.shape(image)
        return tf.image.resize(image, (SIZE, SIZE), antialias=antialias)

    return (
        tf.data.Dataset.from_tensor_slices((paths, windows))
        .shuffle(len(paths), seed=0)
        .repeat()
        .map(read, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(BATCH)
        .prefetch(tf.data.AUTOTUNE)
    )


class Pace(NamedTuple):
    """Images a second, and seconds of all cores together for each."""

    rate: float
    cpu: float


def pace_of(stream: Iterable[Any], seconds: float) -> Pace:
    """The pace of a stream, begun anew, behind a second in which it gets going."""
    batches = iter(stream)
    next(batches)
    begun = time.perf_counter()
    while time.perf_counter() - begun < min(1.0, seconds):
        next(batches)
    start, used, count = time.perf_counter(), cpu_seconds(), 0
    while not count or time.perf_counter() - start < seconds:
        next(batches)
        count += BATCH
    return Pace(count / (time.perf_counter() - start), (cpu_seconds() - used) / count)


def cpu_seconds() -> float:
    """What this process and its workers have used."""
    ticks = 0
    for process in (
        "self",
        *(child.pid for child in multiprocessing.active_children()),
    ):
        stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(stat[11]) + int(stat[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
