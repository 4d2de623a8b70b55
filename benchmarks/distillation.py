"""What a teacher costs a training: time of an epoch, and memory of a step.

    python benchmarks/distillation.py [--images 3200] [--rounds 3]

MobileNet at alpha 0.25 learns from ResNet-20, images of 32x32 in batches of 64, shifted
by up to four pixels: on labels alone, on soft targets that were asked for beforehand,
and beside the teacher. Of each the median epoch, the first left out, which compiles.
Memory is what a process of its own comes to hold at most, beyond what it held when its
networks were built.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets import applications, transfer
from kerasnets.data import Augment, Split, batches
from kerasnets.pixels import pixels_of
from kerasnets.training import Recipe, seed_everything, train

SIDE, BATCH, EPOCHS = 32, 64, 4
AUGMENT = Augment(pad=4)
WAYS = ("labels", "beforehand", "live")
PARTS = ("teacher", "labels", "live")


def networks():
    """Student and teacher, from images to logits."""
    seed_everything(0)
    how: dict[str, Any] = {
        "input_shape": (SIDE, SIDE, 3),
        "classes": 10,
        "classifier_activation": None,
    }
    teacher = applications.build("resnet20", **how)
    return applications.build("mobilenet", alpha=0.25, **how), teacher


def images_of(count: int) -> Split:
    """Images of noise, of ten classes."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, SIDE, SIDE, 3), "uint8")
    return Split(images, np.arange(count) % 10, tuple(map(str, range(count))))


def feed_of(split: Split, student, soft=()):
    """Batches for the student."""
    return batches(
        split,
        size=SIDE,
        batch_size=BATCH,
        seed=0,
        augment=AUGMENT,
        preprocessing=pixels_of(student),
        targets={"soft": soft} if soft else None,
        views=len(soft),
    )


def learn(way: str, split: Split, folder: Path, epochs: int = EPOCHS) -> list[float]:
    """Train a new student; seconds of each epoch but the first."""
    student, teacher = networks()
    recipe = Recipe(epochs, 0.05, batch_size=BATCH)
    ends: list[float] = []

    def told(*_) -> None:
        ends.append(time.perf_counter())

    if way == "live":
        feed = feed_of(split, student)
        transfer.distill(teacher, student, feed, recipe, each_epoch=told)
    else:
        soft = []
        if way == "beforehand":
            soft = transfer.soft_targets(
                teacher, split, augment=AUGMENT, views=epochs, seed=0, folder=folder
            )
        train(student, feed_of(split, student, soft), recipe, each_epoch=told)
    return list(np.diff(ends))


def growth_of(part: str, count: int) -> float:
    """Megabytes that a process grows by at most."""
    split = images_of(count)
    student, teacher = networks()
    before = peak()
    if part == "teacher":
        for images, _ in feed_of(split, student).dataset(0, count // BATCH):
            teacher.predict_on_batch(images)
    else:
        learn(part, split, Path(), epochs=1)
    return peak() - before


def peak() -> float:
    """Megabytes that this process has held at most."""
    # not ru_maxrss, which begins with that of the process that started this one
    status = Path("/proc/self/status").read_text()
    (held,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(held) / 1024


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3_200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", choices=PARTS, help="Of one part, in this process.")
    given = parser.parse_args()
    if given.memory:
        print(growth_of(given.memory, given.images))
        return
    split = images_of(given.images)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.rounds):
            for way in WAYS:
                seconds[way] += learn(way, split, Path(folder))
    epoch = {way: statistics.median(each) for way, each in seconds.items()}
    for way in WAYS:
        share = epoch[way] / epoch["labels"]
        print(f"{way:11} {epoch[way]:6.2f} s an epoch, {share:.2f} of labels alone")
    line = [sys.executable, __file__, "--images", str(given.images), "--memory"]
    grown = {
        part: float(
            subprocess.run(
                [*line, part], check=True, capture_output=True, text=True
            ).stdout.splitlines()[-1]
        )
        for part in PARTS
    }
    print("grows by", ", ".join(f"{part} {mb:,.0f} MB" for part, mb in grown.items()))
    print(f"live of both: {grown['live'] / (grown['teacher'] + grown['labels']):.2f}")


if __name__ == "__main__":
    main()
