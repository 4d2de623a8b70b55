"""Training on JAX beside timm: images a second, the same batch again and again.

    KERAS_BACKEND=jax python benchmarks/jax_step.py [NETWORK...] [--batch N]
        [--precision mixed_bfloat16|float32] [--steps N] [--size N]

Needs JAX, and torch with timm for the peer, on a machine with a GPU. Ours is a step of
``kerasnets.training.train``, compiled, with loss and accuracy counted. timm's network
is trained eagerly and compiled, channels last, under autocast where ours is in half
precision, by the same SGD with Nesterov momentum. Images lie in the device's memory.

Each of the three works alone, in a process of its own, so that none holds memory that
another wants. Printed are images a second, and ours by the faster of timm's. On a CPU a
small size shows that it runs: --size 64 --batch 4 --steps 2.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

OURS, EAGER, COMPILED = "kerasnets on JAX", "timm, eager", "timm, compiled"
# ours and timm's name for the same network
NETWORKS = {
    "ResNet50": "resnet50",
    "DenseNet121": "densenet121",
    "MobileNet": "mobilenetv1_100",
}
CLASSES, RATE = 1000, 0.01


class Resident:
    """One batch in the device's memory, again and again: a ``Feed``."""

    def __init__(self, options: argparse.Namespace):
        import keras
        import numpy as np

        draw = np.random.default_rng(0)
        shape = (options.batch, options.size, options.size, 3)
        self.images = keras.ops.convert_to_tensor(draw.normal(size=shape), "float32")
        self.labels = keras.ops.convert_to_tensor(
            draw.integers(CLASSES, size=options.batch), "int32"
        )
        self.steps_per_epoch = options.steps

    def dataset(self, first: int, last: int):
        """As many as there are steps."""
        for _ in range(first, last):
            yield self.images, self.labels


def train_ours(options: argparse.Namespace) -> float:
    """Seconds of an epoch of ours behind the first, which compiles."""
    from kerasnets import applications
    from kerasnets.training import Recipe, precision_policy, train

    with precision_policy(options.precision):
        model = applications.build(
            options.networks[0],
            input_shape=(options.size, options.size, 3),
            classes=CLASSES,
            classifier_activation=None,
        )
    times = []
    feed: Any = Resident(options)
    recipe = Recipe(epochs=3, learning_rate=RATE, batch_size=options.batch)
    train(model, feed, recipe, each_epoch=lambda *_: times.append(time.perf_counter()))
    return times[2] - times[1]


def train_timm(options: argparse.Namespace) -> float:
    """Seconds of as many steps of timm's."""
    import timm  # pyright: ignore[reportMissingImports]
    import torch  # pyright: ignore[reportMissingImports]

    device = "cuda" if torch.cuda.is_available() else "cpu"
    net: Any = timm.create_model(NETWORKS[options.networks[0]], num_classes=CLASSES)
    net = net.to(device, memory_format=torch.channels_last).train()
    step_net = torch.compile(net) if options.who == COMPILED else net
    images = torch.randn(options.batch, 3, options.size, options.size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (options.batch,), device=device)
    optimizer = torch.optim.SGD(net.parameters(), RATE, momentum=0.9, nesterov=True)
    is_half = options.precision != "float32"

    def epoch() -> float:
        started = time.perf_counter()
        for _ in range(options.steps):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16, enabled=is_half):
                loss = torch.nn.functional.cross_entropy(step_net(images), labels)
            loss.backward()
            optimizer.step()
        float(loss.detach())  # it waits for the device
        return time.perf_counter() - started

    return [epoch() for _ in range(3)][2]


def main() -> None:
    """Measure the networks, and print the table."""
    parser = argparse.ArgumentParser(description="Time training on JAX beside timm.")
    parser.add_argument("networks", nargs="*", help="all when none is given")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument(
        "--precision",
        choices=("mixed_bfloat16", "float32"),
        default="mixed_bfloat16",
    )
    parser.add_argument("--who", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.who:
        seconds = (train_ours if options.who == OURS else train_timm)(options)
        print(json.dumps(options.steps * options.batch / seconds))
        return
    for network in options.networks or NETWORKS:
        rates = {}
        for who in (OURS, EAGER, COMPILED):
            rates[who] = measure(network, who, options)
            print(f"{network:12} {who:18} {shown(rates[who])}", flush=True)
        theirs = [rate for who, rate in rates.items() if who != OURS and rate]
        if rates[OURS] and theirs:
            print(f"{network:12} ours / theirs {rates[OURS] / max(theirs):14.3f}")


def measure(network: str, who: str, options: argparse.Namespace) -> float | None:
    """Images a second; None where a library is missing."""
    command = [sys.executable, __file__, network, "--who", who]
    for name in ("batch", "size", "steps", "precision"):
        command += [f"--{name}", str(getattr(options, name))]
    result = subprocess.run(
        command,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        print(result.stderr.strip().splitlines()[-1], file=sys.stderr)
        return None
    return json.loads(result.stdout.splitlines()[-1])


def shown(rate: float | None) -> str:
    """A rate, or that there is none."""
    return "not measured" if rate is None else f"{rate:10,.1f} images/s"


if __name__ == "__main__":
    main()
