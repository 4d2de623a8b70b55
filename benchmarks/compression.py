"""What compression and export come to on this machine: the figures the README states.

    python benchmarks/compression.py [SECTION...] [--images N] [--seconds S]

Sections, all by default, in one run:

- int8: MobileNet 1.0 at 224x224 in every format, one thread.
- peers: four networks of keras.applications with drawn weights, as Keras's own
  ``export(format="litert")`` writes them, beside ours with the same weights.
- sparse: the pointwise kernels of a symmetric MobileNet 1.0-224, 80 % zeros, stored
  with and without them.
- channels: MobileNet 1.0-224 cut to half of its multiply-adds.
- digits, fashion: a student for 32x32 images through every recipe. Fashion-MNIST is
  read from ``$KERASNETS_DATA/fashion_mnist`` (its own format), ``--images`` of its
  training images, the same share of each class, and all test images.

Files take turns in one loop; a ratio is the median over the turns, with its 95 %
interval. Accuracy is that of the file on the test images.
"""

import argparse
import functools
import gzip
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the command line does

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from kerasnets import applications, compression, data, export, saving, transfer
from kerasnets.analysis import count_madds
from kerasnets.evaluation import evaluate
from kerasnets.pretrained import from_keras
from kerasnets.training import Recipe, seed_everything, train

SIZE, SEED = 224, 0
# epochs of the teacher, the students, pruning, and of clustering, QAT and fine-tuning
EPOCHS = {"digits": (8, 20, 20, 10), "fashion": (4, 10, 12, 4)}
PEERS = ("MobileNet", "VGG16", "ResNet50", "DenseNet121")


def main() -> None:
    """Run the sections asked for."""
    sections: dict[str, Callable[[Path, argparse.Namespace], Table]] = {
        "int8": formats,
        "peers": peers,
        "sparse": sparse,
        "channels": channels,
        "digits": digits,
        "fashion": fashion,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", default=[], metavar="SECTION")
    parser.add_argument("--images", type=int, default=3_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    for name in arguments.sections or sections:
        if name not in sections:
            parser.error(f"section {name!r} is unknown: {', '.join(sections)}")
        with tempfile.TemporaryDirectory() as folder:
            Console(width=150).print(sections[name](Path(folder), arguments))


def formats(folder: Path, arguments: argparse.Namespace) -> Table:
    """One network in every format."""
    model = drawn(applications.get("mobilenet")())
    pixels = noise(32, SIZE)
    paths = {}
    for name in export.FORMATS:
        images = pixels if name == "int8" else None
        content = export.convert(model, format=name, calibration=images)
        paths[name] = write(folder, name, content)
    return compared("MobileNet 1.0-224", paths, "float32", arguments.seconds)


def peers(folder: Path, arguments: argparse.Namespace) -> Table:
    """Our files beside those that Keras writes of the same networks."""
    table = latency_table("ours / Keras's export of keras.applications")
    table.add_column("size ratio", justify="right")
    table.add_column("logits differ, %", justify="right")
    for name in PEERS:
        # (annotated as str)
        logits: Any = {"weights": None, "classifier_activation": None}
        theirs = drawn(getattr(keras.applications, name)(**logits))
        network = getattr(applications, name)
        form = {"form": "keras"} if name == "ResNet50" else {}
        ours = network(classifier_activation=None, **form)
        from_keras(ours, theirs, network.network.keras)
        paths = {"Keras": folder / f"keras_{name}.tflite"}
        theirs.export(paths["Keras"], format="litert", verbose=False)
        content = export.convert(ours, softmax=False)
        paths["ours"] = write(folder, f"ours_{name}", content)
        pixels = noise(4, SIZE)
        convention = network.network.keras.preprocessing
        given = np.asarray(convention(pixels), "float32")
        answers = [
            export.LiteRTModel(paths[who]).predict([images])[0]
            for who, images in (("ours", pixels), ("Keras", given))
        ]
        apart = 100 * np.abs(answers[0] - answers[1]).max() / np.ptp(answers[1])
        rows = export.bench(paths, reference="Keras", seconds=arguments.seconds)
        sizes = [export.file_sizes(paths[who])[0] for who in ("ours", "Keras")]
        add_latencies(table, name, rows, f"{sizes[0] / sizes[1]:.4f}", f"{apart:.2g}")
    return table


def sparse(folder: Path, arguments: argparse.Namespace) -> Table:
    """Zeros stored or left out."""
    model = drawn(applications.get("mobilenet")(padding="symmetric"))
    for layer in model.layers:
        if layer.name.endswith("pointwise_conv"):
            kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel)).copy()
            kernel[np.abs(kernel) < np.quantile(np.abs(kernel), 0.8)] = 0
            layer.kernel.assign(kernel)
    paths = {
        name: write(folder, name, export.convert(model, sparse=name == "sparse"))
        for name in ("dense", "sparse")
    }
    return compared("80 % zeros, MobileNet 1.0-224", paths, "dense", arguments.seconds)


def channels(folder: Path, arguments: argparse.Namespace) -> Table:
    """Half of the multiply-adds."""
    model = drawn(applications.get("mobilenet")())
    half = compression.prune_channels(model, madds=0.5, multiple=8)
    share = count_madds(half) / count_madds(model)
    images = noise(32, SIZE)
    paths = {
        f"{name}, {kind}": write(
            folder,
            f"{name}_{kind}",
            export.convert(net, calibration=images if kind == "int8" else None),
        )
        for kind in ("float32", "int8")
        for name, net in (("whole", model), ("half", half))
    }
    title = f"MobileNet 1.0-224 at {share:.3f} of its multiply-adds"
    return compared(title, paths, "whole, float32", arguments.seconds)


def digits(folder: Path, arguments: argparse.Namespace) -> Table:
    """The built-in digits."""
    return student(folder, "digits", "digits", arguments.seconds)


def fashion(folder: Path, arguments: argparse.Namespace) -> Table:
    """A part of Fashion-MNIST."""
    source = Path(os.environ["KERASNETS_DATA"]) / "fashion_mnist"
    arrays = {}
    for part, theirs in (("train", "train"), ("test", "t10k")):
        arrays[f"x_{part}"] = idx(source / f"{theirs}-images-idx3-ubyte.gz")
        arrays[f"y_{part}"] = idx(source / f"{theirs}-labels-idx1-ubyte.gz")
    order = np.argsort(arrays["y_train"], kind="stable")
    some = order[:: max(1, len(order) // arguments.images)]
    arrays |= {name: arrays[name][some] for name in ("x_train", "y_train")}
    np.savez(folder / "fashion.npz", **arrays)
    return student(
        folder, "fashion", f"npz:{folder / 'fashion.npz'}", arguments.seconds
    )


def idx(path: Path) -> np.ndarray:
    """An array in MNIST's own format."""
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">i4", content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def student(folder: Path, name: str, source: str, seconds: float) -> Table:
    """A MobileNet 0.25 at 32x32 through every recipe, one row a file."""
    teacher_epochs, epochs, pruning, after = EPOCHS[name]
    prepared = data.prepare(
        data.open_source(source), folder / "data", resolution=32, seed=SEED
    )
    learn = Learner(folder, prepared)
    learn("teacher", "resnet20", {}, teacher_epochs)
    learn("float", "mobilenet", {"alpha": 0.25}, epochs)
    learn("distilled", "mobilenet", {"alpha": 0.25}, epochs, teacher="teacher")
    prune = compression.PruneSettings(sparsity=0.6).with_recipe(epochs=pruning)
    harder = compression.PruneSettings(sparsity=0.8).with_recipe(epochs=pruning)
    cluster = compression.ClusterSettings().with_recipe(epochs=after)
    aware = compression.QATSettings().with_recipe(epochs=after)
    learn.compressed("pruned", "float", [prune])
    learn.compressed("clustered", "float", [cluster])
    learn.compressed("QAT int8", "float", [aware])
    learn.compressed("distilled + pruned", "distilled", [prune], teacher="teacher")
    learn.compressed("PCQAT int8", "float", [harder, cluster, aware])
    before = learn.halved("half", "float", after)
    rows = {
        "float32": ("float", None),
        "PTQ int8": ("float", "int8"),
        "QAT int8": ("QAT int8", "aware"),
        "pruned 60 %": ("pruned", None),
        "pruned 60 % + int8": ("pruned", "int8"),
        "clustered 16 + int8": ("clustered", "int8"),
        "distilled": ("distilled", None),
        "distilled + pruned 60 % + int8": ("distilled + pruned", "int8"),
        "PCQAT 80 %, 16, int8": ("PCQAT int8", "aware"),
        "half the multiply-adds": ("half", None),
        "half the multiply-adds + int8": ("half", "int8"),
    }
    paths = {row: learn.file(*origin) for row, origin in rows.items()}
    found = {
        row.name: row
        for row in export.bench(paths, reference="float32", seconds=3 * seconds)
    }
    trained = len(prepared.train.labels)
    table = latency_table(
        f"{name}: {trained:,} training, {len(prepared.test.labels):,} test images; the "
        f"halved network before it trained on: {before:.2%}"
    )
    for column in ("accuracy", "bytes", "gzip", "gzip ratio"):
        table.add_column(column, justify="right")
    whole = export.file_sizes(paths["float32"])[1]
    for row, path in paths.items():
        size, gzipped = export.file_sizes(path)
        answers = export.Classifier(path).predict(prepared.test.images)
        accuracy = np.mean(answers.argmax(axis=1) == prepared.test.labels)
        texts = (f"{accuracy:.2%}", f"{size:,}", f"{gzipped:,}")
        add_latencies(table, row, [found[row]], *texts, f"{gzipped / whole:.3f}")
    return table


class Learner:
    """Networks for one set of images, trained and compressed into a folder."""

    def __init__(self, folder: Path, prepared: data.PreparedData):
        self.folder, self.data = folder, prepared

    def path(self, name: str) -> Path:
        """Where a network is."""
        return self.folder / f"{name.replace(' ', '_')}.keras"

    def model(self, name: str) -> keras.Model:
        """A network that was trained."""
        return saving.load_model(self.path(name))

    def __call__(
        self,
        name: str,
        network: str,
        arguments: dict[str, Any],
        epochs: int,
        teacher: str | None = None,
    ) -> None:
        """Train a new network."""
        seed_everything(SEED)
        model = applications.build(
            network,
            input_shape=(32, 32, 3),
            classes=len(self.data.class_names),
            classifier_activation=None,
            **arguments,
        )
        self._train(name, model, epochs, 0.05, teacher)

    def _train(
        self,
        name: str,
        model: keras.Model,
        epochs: int,
        rate: float,
        teacher: str | None = None,
    ) -> None:
        learn = train
        if teacher is not None:
            learn = functools.partial(transfer.distill, self.model(teacher))
        feed = data.batches(
            self.data.train,
            size=32,
            batch_size=64,
            seed=SEED,
            preprocessing=applications.preprocessing(model),
        )
        learn(model, feed, Recipe(epochs=epochs, learning_rate=rate))
        saving.save_model(model, self.path(name))

    def compressed(
        self, name: str, origin: str, recipe: list, teacher: str | None = None
    ) -> None:
        """Compress a network."""
        compression.compress(
            self.path(origin),
            self.path(name),
            data=self.folder / "data",
            recipe=recipe,
            teacher_path=None if teacher is None else self.path(teacher),
            seed=SEED,
        )

    def halved(self, name: str, origin: str, epochs: int) -> float:
        """Remove channels and train on; the accuracy in between."""
        model = compression.prune_channels(self.model(origin), madds=0.5, multiple=8)
        before = evaluate(model, self.data.test).accuracy
        seed_everything(SEED)
        self._train(name, model, epochs, 0.02)
        return before

    def file(self, name: str, kind: str | None) -> Path:
        """The LiteRT file of a network, with its labels."""
        if kind == "aware":
            return self.path(name).with_suffix(".tflite")
        images = None
        if kind == "int8":
            images = export.calibration_images(self.data.train, size=32, seed=0).images
        content = export.convert(self.model(name), calibration=images)
        labelled = export.add_metadata(content, name=name, labels=self.data.class_names)
        return write(self.folder, f"{name}_{kind}".replace(" ", "_"), labelled)


def drawn(model: keras.Model) -> keras.Model:
    """The model with drawn weights under which its signals neither die nor explode."""
    random = np.random.default_rng(SEED)
    for layer in model.layers:
        for variable in layer.weights:
            shape = variable.shape
            if "kernel" in variable.name:
                depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
                value = random.normal(0, np.sqrt(2 / fan_in), shape)
            elif variable.name in ("gamma", "moving_variance"):
                value = random.uniform(0.8, 1.2, shape)
            else:
                value = random.normal(0, 0.1, shape)
            variable.assign(value)
    return model


def noise(count: int, size: int) -> np.ndarray:
    """Pixels (count, size, size, 3)."""
    shape = (count, size, size, 3)
    return np.random.default_rng(SEED).integers(0, 256, shape).astype(np.uint8)


def write(folder: Path, name: str, content: bytes) -> Path:
    """Write a LiteRT file."""
    path = folder / f"{name}.tflite"
    path.write_bytes(content)
    return path


def compared(
    title: str, paths: dict[str, Path], reference: str, seconds: float
) -> Table:
    """Latency and size of files of one network."""
    table = latency_table(title)
    for column in ("bytes", "size ratio", "gzip"):
        table.add_column(column, justify="right")
    whole = export.file_sizes(paths[reference])[0]
    for row in export.bench(paths, reference=reference, seconds=seconds):
        size, gzipped = export.file_sizes(paths[row.name])
        texts = (f"{size:,}", f"{size / whole:.4f}", f"{gzipped:,}")
        add_latencies(table, row.name, [row], *texts)
    return table


def latency_table(title: str) -> Table:
    """A table whose first columns say how long files take."""
    table = Table(title=title, title_justify="left")
    table.add_column("file")
    for column in ("median, ms", "95 %", "latency ratio", "95 %"):
        table.add_column(column, justify="right")
    return table


def add_latencies(table: Table, name: str, rows, *texts: str) -> None:
    """A row of what was measured against the reference, or of the reference itself."""
    row = next((row for row in rows if row.ratio), rows[0])
    ratio = row.ratio
    table.add_row(
        name,
        f"{row.ms.median:.3f}",
        f"{row.ms.low:.3f} to {row.ms.high:.3f}",
        f"{ratio.median:.3f}" if ratio else "",
        f"{ratio.low:.3f} to {ratio.high:.3f}" if ratio else "",
        *texts,
    )


if __name__ == "__main__":
    main()
