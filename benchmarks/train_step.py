"""How long a training step takes, beside the same network in plain torch.

    python benchmarks/train_step.py [NAME...] [--rounds N] [--steps N] [--threads N]

Needs torch beside TensorFlow. Networks for 32x32 images and 10 classes learn from
batches of 64 by cross-entropy and SGD with Nesterov momentum 0.9, in float32 on the
CPU. Ours is a step of ``kerasnets.training.train`` itself: Keras's ``fit``, XLA off as
Keras leaves it where there is only a CPU, with loss, accuracy and the learning rate's
schedule. Torch is eager and counts nothing; its maps lie in either order, contiguous
(NCHW) or channels_last. Batches lie ready in memory.

A round is a few steps of each of the three, in an order drawn anew each time, so that
whatever else the machine does hits all alike. The first round warms up and does not
count. Printed are the median times of a step and, for the faster layout of torch, the
median over the rounds of ours / torch with its 95 % interval: below 1 ours is faster.

Each of the three is a process of its own, so that no thread pool or allocator is
shared, and blocks on its standard input while the others work. A turn starts a little
after the last one has ended: torch's OpenMP threads spin for some 10 ms after their
last work, in one process with ours or in another.

What the environment sets holds for ours too, TF_ENABLE_ONEDNN_OPTS for instance: where
it is not set TensorFlow uses oneDNN, as torch does, only on CPUs with AVX-512 VNNI or
better.

Before a round is timed the networks must be the same: the weights of ours are carried
over, and trainable parameters, multiply-adds, rates of dropout and the outputs of a
few images must agree.
"""

import argparse
import functools
import importlib
import inspect
import json
import math
import os
import pickle
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, CLASSES, SHAPE, RATE = 64, 10, (32, 32, 3), 0.001
TINY = "ResNeXt29_8x4d"  # no row of the zoo: the paper's takes many seconds a step
OURS, LAYOUTS = "ours", ("contiguous", "channels_last")
FAMILIES = {
    "ResNet20": "resnet_cifar",
    "WideResNet16_8": "wide_resnet",
    "DenseNetBC100_12": "densenet",
    "SimpNet300K": "simpnet",
    TINY: "resnext",
    "AllCNNC": "all_cnn",
}
CHECKED = 4  # images whose outputs are compared
PAUSE = 0.05  # seconds between two turns
# two libraries add in different orders: the largest difference, in largest logits
TOLERANCE = 1e-4


class Turns:
    """A child's end of the pipes: it works when a line comes in and then answers."""

    def __init__(self):
        # libraries that print must not get between the answers
        self._answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self._start = 0.0

    def wait(self) -> None:
        """Say that the work before is done, with its seconds, and wait for the next."""
        seconds = time.perf_counter() - self._start
        print(json.dumps(seconds), file=self._answers)
        if not sys.stdin.readline():
            sys.exit()
        self._start = time.perf_counter()

    def __call__(self, loss: float) -> None:
        """Wait between two rounds."""
        if not math.isfinite(loss):
            raise ValueError(f"the loss is {loss}: the times are those of no training")
        self.wait()


@dataclass
class Endless:
    """The batches that ``train`` wants: one batch, again and again."""

    images: Any
    labels: Any
    steps_per_epoch: int

    def dataset(self, first: int, last: int):
        """As many as there are steps."""
        import tensorflow as tf

        batch = tf.data.Dataset.from_tensors((self.images, self.labels))
        return batch.repeat(last - first).prefetch(2)


def batch():
    """Images (batch, height, width, channels) and labels, the same for all."""
    import numpy as np

    draw = np.random.default_rng(0)
    images = draw.normal(size=(BATCH, *SHAPE)).astype("float32")
    return images, draw.integers(CLASSES, size=BATCH)


def train_ours(name: str, folder: Path, options: argparse.Namespace) -> None:
    """Train kerasnets' network round by round, and leave its description to torch."""
    turns = Turns()
    import keras
    import tensorflow as tf

    from kerasnets.training import Recipe, train

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    keras.utils.set_random_seed(0)
    model = build(name)
    draw_vectors(model)
    images, labels = batch()
    description = describe(model, images[:CHECKED])
    (folder / "ours.pickle").write_bytes(pickle.dumps(description))
    recipe = Recipe(epochs=options.rounds + 1, learning_rate=RATE, batch_size=BATCH)
    batches: Any = Endless(images, labels, options.steps)
    turns.wait()
    train(model, batches, recipe, each_epoch=lambda _, now: turns(now.loss))


def build(name: str):
    """Our network, ending in logits."""
    family = importlib.import_module(f"kerasnets.applications.{FAMILIES[name]}")
    make = tiny_resnext(family) if name == TINY else getattr(family, name)
    return make(classes=CLASSES, classifier_activation=None)


def tiny_resnext(family):
    """ResNeXt-29 with groups of 4, 8 and 16 filters, and 64 to 256 at a block's end."""
    full = family.ResNeXt29_8x64d
    stages = tuple(
        stage._replace(inner=stage.inner // 16, outer=stage.outer // 4)
        for stage in full.network.stages
    )
    row = replace(full.network, name=TINY, stages=stages)
    return functools.partial(inspect.unwrap(full), row)


def draw_vectors(model) -> None:
    """Draw biases and batch normalisations, so that the output shows each of them."""
    import numpy as np

    draw = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(draw.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean", "bias"):
            variable.assign(draw.normal(0, 0.1, variable.shape))


def describe(model, images) -> dict[str, Any]:
    """What torch's network must have too, and the weights to compare them with."""
    import keras

    from kerasnets.analysis import cost

    costs = cost(model)
    layers = [
        (
            layer.get_weights(),
            isinstance(layer, keras.layers.Conv2D)
            and layer.padding == "same"
            and max(layer.strides) > 1
            and max(layer.kernel_size) > 1,
        )
        for layer in model.layers
        if layer.weights
    ]
    dropout = [
        layer.rate
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout) and layer.rate
    ]
    return {
        "trainable parameters": costs.trainable_params,
        "multiply-adds": costs.madds,
        "dropout": sorted(dropout),
        "layers": layers,
        "outputs": model.predict(images, verbose=0),
    }


def train_torch(
    name: str, layout: str, folder: Path, options: argparse.Namespace
) -> None:
    """Train the network in plain torch round by round."""
    turns = Turns()
    import torch  # pyright: ignore[reportMissingImports]
    from torch_nets import NETWORKS

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    net: Any = NETWORKS[name]()  # pyright misses one of its methods' signatures
    images, labels = map(torch.from_numpy, batch())
    images = images.permute(0, 3, 1, 2).contiguous()
    assert_same(net, images, pickle.loads((folder / "ours.pickle").read_bytes()))
    if layout == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    net.train()
    loss_of = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), RATE, momentum=0.9, nesterov=True)
    turns.wait()
    for _ in range(options.rounds + 1):
        loss = torch.tensor(0.0)
        for _ in range(options.steps):
            optimizer.zero_grad()
            loss = loss_of(net(images), labels)
            loss.backward()
            optimizer.step()
        turns(loss.item())


def assert_same(net, images, ours: dict[str, Any]) -> None:
    """Carry our weights over to torch's network and compare the two."""
    import torch  # pyright: ignore[reportMissingImports]
    import torch_nets

    net.eval()
    uses = torch_nets.weighted_uses(net, images[:1])
    parameters = sum(parameter.numel() for parameter in net.parameters())
    dropout = sorted(
        module.p for module in net.modules() if isinstance(module, torch.nn.Dropout)
    )
    here = {
        "trainable parameters": parameters,
        "multiply-adds": torch_nets.madds(uses),
        "dropout": dropout,
    }
    there = {fact: ours[fact] for fact in here}
    if here != there:
        raise ValueError(f"torch's network has {here}, ours {there}")
    at_end = torch_nets.carry_over(ours["layers"], uses)
    with torch.inference_mode(), torch_nets.padded_at_end(at_end):
        outputs = net(images[:CHECKED])
    expected = torch.from_numpy(ours["outputs"])
    difference = (outputs - expected).abs().max() / expected.abs().max()
    if not difference < TOLERANCE:
        raise ValueError(f"outputs differ by {difference:.1e} of the largest logit")


class Child:
    """The parent's view of a process that trains one of the three."""

    script = __file__

    def __init__(self, who: str, name: str, folder: Path, options: argparse.Namespace):
        command = [sys.executable, self.script, name, "--who", who]
        command += ["--folder", str(folder)]
        for option in ("rounds", "steps", "threads"):
            command += [f"--{option}", str(getattr(options, option))]
        self._log = folder / f"{who}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )
        self._answer()  # it is ready

    def round(self) -> float:
        """The seconds of a round."""
        time.sleep(PAUSE)
        print(file=self._process.stdin)
        return self._answer()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(self._log.read_text().strip().splitlines()[-1])
        return json.loads(line)

    def end(self) -> None:
        """Let it exit."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a step of the three, a value a round, and what follows from them."""
    children: dict[str, Child] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for who in (OURS, *LAYOUTS):
                children[who] = Child(who, name, Path(folder), options)
            seconds = by_turns(children, options)
        finally:
            for child in children.values():
                child.end()
    return {"name": name, "seconds": seconds, **summary(seconds)}


def by_turns(
    children: Mapping[str, Child], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Seconds of a step of each, a value a round, in an order drawn for each round."""
    order = list(children)
    seconds: dict[str, list[float]] = {who: [] for who in order}
    for number in range(options.rounds + 1):
        random.Random(number).shuffle(order)
        for who in order:
            taken = children[who].round()
            if number:
                seconds[who].append(taken / options.steps)
    return seconds


def summary(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, the faster layout of torch, and the ratio to it."""
    medians = {who: statistics.median(times) for who, times in seconds.items()}
    faster = min(LAYOUTS, key=medians.__getitem__)
    ratios = [
        ours / theirs
        for ours, theirs in zip(seconds[OURS], seconds[faster], strict=True)
    ]
    return {
        "medians": medians,
        "faster": faster,
        "ratio": statistics.median(ratios),
        "interval": interval(ratios),
    }


def interval(values: list[float]) -> tuple[float, float]:
    """95 % interval of the median: order statistics, whatever the distribution.

    A value is below the median as often as a coin shows heads; fewer than six values
    give their range, which covers less.
    """
    values, count, outside = sorted(values), len(values), 0
    for left_out in range(count // 2):
        outside += math.comb(count, left_out)
        if 2 * outside > 0.05 * 2**count:
            break
    else:
        left_out = count // 2
    cut = max(0, left_out - 1)
    return values[cut], values[-1 - cut]


def table(results: list[dict[str, Any]]):
    """Milliseconds a step, and the ratio."""
    from rich.table import Table

    shown = Table()
    shown.add_column("network")
    columns = (OURS, *(f"torch {layout}" for layout in LAYOUTS))
    for column in (*columns, "ours / faster torch", "95 % interval"):
        shown.add_column(column, justify="right")
    for result in results:
        milliseconds = [
            f"{1000 * seconds:.1f} ms" for seconds in result["medians"].values()
        ]
        low, high = result["interval"]
        shown.add_row(
            result["name"],
            *milliseconds,
            f"{result['ratio']:.3f}",
            f"{low:.3f} to {high:.3f}",
        )
    return shown


def main() -> None:
    """Measure the networks and print the table."""
    parser = argparse.ArgumentParser(description="Time training beside torch.")
    parser.add_argument("names", nargs="*", help="networks; all when none is given")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=3, help="steps a round")
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="of each"
    )
    parser.add_argument("--json", type=Path, help="a file to write the figures to")
    parser.add_argument("--who", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.names or list(FAMILIES)
    if unknown := sorted(set(names) - set(FAMILIES)):
        parser.error(f"{', '.join(unknown)} unknown: {', '.join(FAMILIES)} are known")
    if options.who == OURS:
        train_ours(names[0], options.folder, options)
        return
    if options.who:
        train_torch(names[0], options.who, options.folder, options)
        return
    from kerasnets.terminal import show

    results, failed = [], False
    for name in names:
        try:
            results.append(measure(name, options))
            print(f"{name}: {results[-1]['ratio']:.3f}", file=sys.stderr, flush=True)
        except RuntimeError as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    show(table(results))
    if options.json:
        settings = {
            "threads": options.threads,
            "steps": options.steps,
            "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        }
        figures = json.dumps({"settings": settings, "networks": results}, indent=2)
        options.json.write_text(figures + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
