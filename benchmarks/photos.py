"""What photographs come to: the figures of docs/benchmarks.md.

    python benchmarks/photos.py codes|jobs|guide|few FOLDER --weights FOLDER
        [--seeds 0 1 2]

The second folder holds ImageNet weights in the files that keras.applications looks for;
test images are the fifth of train that the job keeps apart, another one for each seed.

codes   a linear classifier on the codes of MobileNets: what it gets right of the test
        images, the seconds from decoded images to the classifier, multiply-adds
jobs    ``kerasnets phone`` under two budgets: accuracy of the files, seconds, memory
guide   ``transfer.finetune`` beside the recipe of Keras's guide to transfer learning
        (frozen base and dropout, then all of it at a rate of 1e-5), with the same
        network, weights, photographs, epochs and augmentation
few     10, 30, 100 and 320 photographs of each class: from random weights, a linear
        classifier on the codes of the smallest MobileNet, that network tuned on labels
        and, for as many steps, on the answers of a linear classifier on a larger one,
        and what ``recommend`` says; judged by all other photographs, which choose
        nothing
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# alpha, side and name of the file
NETWORKS = (
    (0.25, 128, "mobilenet_2_5_128_tf.h5"),
    (0.5, 160, "mobilenet_5_0_160_tf.h5"),
    (0.75, 192, "mobilenet_7_5_192_tf.h5"),
)
BUDGETS = (("15M", "350kB"), ("250M", "3MB"))
EPOCHS = 12
COUNTS = (10, 30, 100, 320)
WAYS = ("scratch", "linear", "tuned", "distilled")
# of few: of scratch, and of tuning and distilling
SCRATCH_EPOCHS, FEW_EPOCHS, VIEWS = 20, 16, 4


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("codes", "jobs", "guide", "few"))
    parser.add_argument("folder")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budgets", nargs="+", default=[b for b, _ in BUDGETS])
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--ways", nargs="+", default=WAYS)
    arguments = parser.parse_args()
    # the files lie in the folder models of KERAS_HOME
    os.environ["KERAS_HOME"] = str(arguments.weights.absolute().parent)
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the command line does
    if arguments.what == "jobs":
        for madds, size in BUDGETS:
            if madds in arguments.budgets:
                print_jobs(arguments.folder, madds, size, arguments.seeds)
    elif arguments.what == "codes":
        print_codes(arguments.folder, arguments.weights, arguments.seeds)
    elif arguments.what == "few":
        print_few(
            *(arguments.folder, arguments.weights, arguments.seeds),
            *(arguments.counts, arguments.ways),
        )
    else:
        print_guide(arguments.folder, arguments.weights, arguments.seeds)


def print_jobs(folder: str, madds: str, size: str, seeds: list[int]) -> None:
    """Run the job under a budget for each seed, and print what its files get right."""
    rows: dict[str, list[float]] = {}
    for seed in seeds:
        found, seconds = run_job(folder, madds, size, seed)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
        for name, figures in found["models"].items():
            rows.setdefault(f"{name}, %", []).append(100 * figures["accuracy"])
        stages = {each["name"]: each for each in found["stages"]}
        ready = ("data", "rank", "first")
        rows.setdefault("first.tflite after, s", []).append(
            sum(stages[name]["seconds"] for name in ready)
        )
        rows.setdefault("int8, kB", []).append(found["models"]["int8"]["bytes"] / 1e3)
        rows.setdefault("job, s", []).append(seconds)
        rows.setdefault("peak so far, GB", []).append(peak)
        taken = [stages[name]["results"]["taken"] for name in ("distil", "quantise")]
        label = stages["search"]["results"]["best"]["label"]
        print(f"# seed {seed}: {label}, {', then '.join(taken)}", flush=True)
    print(f"--max-madds {madds} --max-size {size}, seeds {seeds}")
    for name, values in rows.items():
        each = "  ".join(f"{value:8.2f}" for value in values)
        print(f"{name:24} {each}   mean {statistics.mean(values):8.2f}", flush=True)


def run_job(folder: str, madds: str, size: str, seed: int) -> tuple[dict, float]:
    """``run.json`` of a job, and its seconds."""
    with tempfile.TemporaryDirectory() as kept:
        out = Path(kept) / "run"
        started = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, "-m", "kerasnets", "phone"),
                *("--data", f"folder:{folder}", "--out", str(out)),
                *("--max-madds", madds, "--max-size", size, "--seed", str(seed)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - started
        return json.loads((out / "run.json").read_text("utf-8")), seconds


def print_codes(folder: str, weights: Path, seeds: list[int]) -> None:
    """Fit each network's classifier for each seed and print the table."""
    for alpha, side, name in NETWORKS:
        accuracies, seconds, madds = [], [], 0
        for seed in seeds:
            accuracy, taken, madds = measure_codes(
                folder, alpha, side, weights / name, seed
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


def measure_codes(
    folder: str, alpha: float, side: int, weights: Path, seed: int
) -> tuple[float, float, int]:
    """Accuracy on the test images, seconds and multiply-adds."""
    from kerasnets import applications, transfer
    from kerasnets.analysis import count_madds
    from kerasnets.data import open_source, prepare
    from kerasnets.evaluation import evaluate

    base = applications.MobileNet((side, side, 3), alpha=alpha, weights=weights)
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


def print_guide(folder: str, weights: Path, seeds: list[int]) -> None:
    """Tune the smallest network both ways, and print accuracies and seconds."""
    from kerasnets.data import open_source, prepare

    alpha, side, name = NETWORKS[0]
    for seed in seeds:
        with tempfile.TemporaryDirectory() as kept:
            source = open_source(f"folder:{folder}")
            data = prepare(source, Path(kept), resolution=side, seed=seed)
            for way in (tune_ours, tune_as_guide):
                started = time.perf_counter()
                accuracy = way(data, alpha, side, weights / name, seed)
                seconds = time.perf_counter() - started
                print(f"seed {seed} {way.__name__}: {accuracy:.2%}, {seconds:.0f} s")


def tune_ours(data, alpha: float, side: int, weights: Path, seed: int) -> float:
    """A linear classifier first, then rates by stage: accuracy on the test images."""
    from kerasnets import applications, transfer
    from kerasnets.data import Augment
    from kerasnets.evaluation import evaluate
    from kerasnets.training import Recipe, seed_everything

    seed_everything(seed)
    base = applications.MobileNet((side, side, 3), alpha=alpha, weights=weights)
    moves = Augment(flip=True, rotate=36.0)
    recipe = Recipe(EPOCHS, learning_rate=0.01, batch_size=32, augment=moves)
    tuned = transfer.finetune(base, data.train, data.validation, recipe, seed=seed)
    return evaluate(tuned.model, data.test).accuracy


def tune_as_guide(data, alpha: float, side: int, weights: Path, seed: int) -> float:
    """As keras.io/guides/transfer_learning: half of the epochs on the frozen base."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(seed)
    whole = keras.applications.MobileNet(
        (side, side, 3), alpha=alpha, weights=str(weights)
    )
    # its last map, as include_top=False gives it
    last = whole.get_layer("conv_pw_13_relu").output
    base: Any = keras.Model(whole.inputs, last)
    base.trainable = False
    image = keras.Input((side, side, 3))
    x = keras.layers.RandomFlip("horizontal")(image)
    x = keras.layers.RandomRotation(0.1)(x)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = base(x, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    model = keras.Model(image, keras.layers.Dense(len(data.class_names))(x))
    pixels = np.asarray(data.train.images)
    silent: Any = 0  # annotated as a text
    for trainable, rate in ((False, 1e-3), (True, 1e-5)):
        base.trainable = trainable
        model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.fit(
            pixels, data.train.labels, batch_size=32, epochs=EPOCHS // 2, verbose=silent
        )
    answers = model.predict(np.asarray(data.test.images), verbose=silent)
    return float((answers.argmax(axis=1) == data.test.labels).mean())


def print_few(
    folder: str, weights: Path, seeds: list[int], counts: list[int], ways: list[str]
) -> None:
    """Learn each way from some images of each class; print shares with intervals."""
    import numpy as np

    from kerasnets import transfer
    from kerasnets.data import Split, open_source, prepare, spread
    from kerasnets.evaluation import share_interval

    right: dict[tuple[str, int], list[int]] = {}
    asked = 0
    for seed in seeds:
        with tempfile.TemporaryDirectory() as kept:
            source = open_source(f"folder:{folder}")
            side = NETWORKS[2][1]
            data = prepare(source, Path(kept), resolution=side, seed=seed)
            others = [data.validation, data.test]
            judges = Split(
                np.concatenate([part.images for part in others]),
                np.concatenate([part.labels for part in others]),
                tuple(name for part in others for name in part.ids),
            )
            asked += len(judges.labels)
            classes = len(data.class_names)
            for count in counts:
                chosen = spread(data.train.labels, count * classes, seed)
                train = data.train.picked(chosen)
                start = _Few(train, weights, classes, seed)
                for way in ways:
                    began = time.perf_counter()
                    model = getattr(start, way)()
                    seconds = time.perf_counter() - began
                    share = _share(model, judges)
                    right.setdefault((way, count), []).append(
                        round(share * len(judges.labels))
                    )
                    print(
                        f"# seed {seed}, {count} a class, {way}: {share:.2%}, "
                        f"{seconds:.0f} s",
                        flush=True,
                    )
                found = transfer.similarity(start.codes, train, seed=seed)
                said = transfer.recommend(count, classes, found.value)
                print(f"# recommended: {said.way} ({said.case})", flush=True)
                same = {"linear": "linear", "all": "tuned"}.get(said.way)
                if same in ways:
                    times = right[same, count][-1]
                else:
                    model = {
                        "linear": start.linear,
                        "earlier": lambda start=start, at=found.best: start.earlier(at),
                        "top": start.top,
                        "all": start.tuned,
                    }[said.way]()
                    times = round(_share(model, judges) * len(judges.labels))
                right.setdefault(("recommended", count), []).append(times)
    print(f"seeds {seeds}, {asked:,} answers in all; in brackets 95 % (Wilson)")
    for way in (*ways, "recommended"):
        cells = []
        for count in counts:
            found = share_interval(sum(right[way, count]), asked)
            cells.append(
                f"{sum(right[way, count]) / asked:6.1%} "
                f"({100 * found.low:.1f}-{100 * found.high:.1f})"
            )
        print(f"{way:12} {'  '.join(cells)}")


def _share(model, split) -> float:
    from kerasnets.evaluation import evaluate

    return evaluate(model, split).accuracy


class _Few:
    """The ways of learning from some images."""

    def __init__(self, train, weights: Path, classes: int, seed: int):
        from kerasnets import applications, transfer
        from kerasnets.training import seed_everything

        seed_everything(seed)
        self.train, self.weights, self.seed = train, weights, seed
        self.classes = classes
        self.codes, self.teacher = (
            transfer.body(
                applications.MobileNet(
                    (side, side, 3), alpha=alpha, weights=weights / name
                )
            )
            for alpha, side, name in (NETWORKS[0], NETWORKS[2])
        )

    def linear(self):
        """Fit a linear classifier to the codes; cross-validation chooses C."""
        return self._linear(self.codes)

    def _linear(self, codes):
        from kerasnets import transfer
        from kerasnets.transfer.finetune import copied

        found = transfer.features(codes, self.train, layer=codes.layers[-1].name)
        head = transfer.fit_linear((found, self.train.labels), seed=self.seed)
        return transfer.with_linear(copied(codes), head)

    def earlier(self, layer: str):
        """Fit a linear classifier to the codes of an earlier layer."""
        from kerasnets import transfer

        return self._linear(transfer.body(self.codes, layer))

    def top(self):
        """Tune the last stage on labels."""
        from kerasnets import transfer

        return self._tuned(None, transfer.stages(self.codes)[-1][0])

    def tuned(self):
        """Tune all of it on labels."""
        return self._tuned(None)

    def distilled(self):
        """Tune all of it on a larger network's answers to four views of each image."""
        from kerasnets import transfer

        teacher, moves = self._linear(self.teacher), self._recipe(1).augment
        assert moves is not None
        with tempfile.TemporaryDirectory() as kept:
            soft = transfer.soft_targets(
                teacher,
                self.train,
                augment=moves,
                views=VIEWS,
                seed=self.seed,
                folder=Path(kept),
            )
        return self._tuned(soft)

    def _tuned(self, soft, start: str | None = None):
        from kerasnets import transfer

        model, recipe = self.linear(), self._recipe(FEW_EPOCHS)
        began = time.perf_counter()
        feed = self._feed(model, recipe, soft)
        transfer.train_stages(model, feed, recipe, start=start)
        seconds = time.perf_counter() - began
        print(f"# {seconds / recipe.epochs:.2f} s an epoch", flush=True)
        return model

    def scratch(self):
        """Train the same network from random weights."""
        from kerasnets import applications
        from kerasnets.training import (
            seed_everything,
            suggest_learning_rate,
            train,
        )

        seed_everything(self.seed)
        alpha, side, _ = NETWORKS[0]
        model = applications.MobileNet(
            (side, side, 3),
            alpha=alpha,
            classes=self.classes,
            classifier_activation=None,
        )
        recipe = self._recipe(SCRATCH_EPOCHS, suggest_learning_rate(model))
        train(model, self._feed(model, recipe, None), recipe)
        return model

    def _recipe(self, epochs: int, rate: float = 0.01):
        from kerasnets import transfer
        from kerasnets.data import Augment
        from kerasnets.training import Recipe

        moves = {"translate": 0.1, "rotate": 10.0, "zoom": 0.2, "flip": True}
        recipe = Recipe(
            epochs,
            learning_rate=rate,
            batch_size=32,
            weight_decay=1e-4,
            temperature=2.0,
            soft_weight=0.7,
            augment=Augment(**moves, brightness=0.1, contrast=0.2),
        )
        return transfer.enough_epochs(recipe, len(self.train.labels))

    def _feed(self, model, recipe, soft):
        from kerasnets.data import batches
        from kerasnets.pixels import pixels_of

        return batches(
            self.train,
            size=model.input_shape[1],
            batch_size=recipe.batch_size,
            seed=self.seed,
            augment=recipe.augment,
            preprocessing=pixels_of(model),
            views=0 if soft is None else VIEWS,
            targets={} if soft is None else {"soft": soft},
        )


if __name__ == "__main__":
    main()
