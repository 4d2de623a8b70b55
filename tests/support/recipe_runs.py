"""Recipes run one after the other in one child process: python recipe_runs.py FOLDER.

Importing TF-MOT for each would take the most of the time. FOLDER gets a ``.keras`` file
for each of ``RUNS``, ``refusals.json`` and ``xnnpack.json``.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
from keras import layers

from kerasnets.compression.settings import (
    ClusterSettings,
    PruneSettings,
    QATSettings,
)
from kerasnets.errors import KerasnetsError
from kerasnets.layers import LocalResponseNorm
from kerasnets.pixels import UNIT, carry
from kerasnets.progress import silent
from kerasnets.training import Recipe

ADAM = Recipe(
    epochs=1, batch_size=256, learning_rate=1e-3, optimizer="adam", warmup=0.0
)
SHORT: dict[str, Any] = {"recipe": ADAM}
PRUNE = PruneSettings(**SHORT)
CLUSTER = ClusterSettings(**SHORT, number_of_clusters=8)
QAT = QATSettings(**SHORT)
FLOAT_LAYERS = ("lrn", "multiply")

# name of the run: the network, and what is done with it
RUNS = {
    "two_of_four": (
        "net",
        [
            PruneSettings(
                recipe=replace(ADAM, optimizer="adamw", weight_decay=1e-2, warmup=0.2),
                pattern="2:4",
                sparsity=0.5,
                schedule="constant",
            )
        ],
    ),
    "by_layer": (
        "net",
        [
            PruneSettings(
                **SHORT,
                sparsity=0.3,
                schedule="constant",
                layers=("stem", "point"),
                layer_sparsity={"stem": 0.25},
            ),
            QAT,
        ],
    ),
    "blocks": (
        "bare",
        [
            PruneSettings(
                recipe=replace(ADAM, optimizer="sgd", label_smoothing=0.1),
                sparsity=0.5,
                layers=("logits",),
                block_size=(4, 5),
            )
        ],
    ),
    "channels": (
        "net",
        [
            ClusterSettings(
                **SHORT, number_of_clusters=4, per_channel=True, layers=("stem",)
            ),
            QAT,
        ],
    ),
    "all_three": (
        "net",
        [PruneSettings(**SHORT, sparsity=0.2, spare_ends=True), CLUSTER, QAT],
    ),
    "float_layers": ("odd", [QATSettings(**SHORT, float_layers=FLOAT_LAYERS)]),
}

# what is refused before any training
REFUSED = {
    "lrn": ("odd", [PRUNE, QAT]),
    "zeros": ("by_layer", [CLUSTER, QAT]),  # what the run left
    "no layer": ("net", [QATSettings(float_layers=("lrn1",))]),
    "lost": ("net", [PRUNE, QATSettings(float_layers=("point",))]),
    "blocks": ("net", [PruneSettings(block_size=(2, 2))]),
    "tiles": ("net", [PruneSettings(layers=("logits",), block_size=(5, 1))]),
    "xnnpack": ("net", [PruneSettings(policy="xnnpack")]),
    "name": ("net", [PruneSettings(layers=("depth", "logits"))]),
    "layer_sparsity": ("net", [PruneSettings(layer_sparsity={"depth": 0.5})]),
    "too much": ("net", [PruneSettings(sparsity=0.95, layers=("stem",))]),
    "ends": ("bare", [PruneSettings(spare_ends=True)]),
    "clusters": ("net", [PRUNE, ClusterSettings(number_of_clusters=400)]),
}


def network(name: str) -> keras.Model:
    """Convolutions of all kinds, 8 pixels in, ten classes out.

    Kernels: stem 216, depth 72, point 8 * 32 = 256, logits 32 * 10 = 320: 864.
    """
    keras.utils.clear_session()  # names of operations count from one
    image = keras.Input((8, 8, 3))
    x = carry(image, UNIT)
    if name == "bare":
        x = layers.Flatten()(x)
        return keras.Model(image, layers.Dense(10, name="logits")(x), name=name)
    if name == "symmetric":
        x = layers.ZeroPadding2D(1, name="pad")(x)
    padding = "valid" if name == "symmetric" else "same"
    x = layers.Conv2D(8, 3, 2, padding, use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depth")(x)
    if name == "odd":
        x = LocalResponseNorm(name="lrn")(x)
        x = keras.ops.multiply(x, 2.0)
    x = layers.Conv2D(32, 1, name="point")(x)
    x = layers.ReLU(name="point_relu")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.1, name="dropout")(x)
    wide: Any = keras.initializers.RandomNormal(stddev=2.0)  # answers that differ
    x = layers.Dense(10, kernel_initializer=wide, name="logits")(x)
    return keras.Model(image, x, name=name)


def main(folder: Path) -> None:
    """Run and refuse."""
    from kerasnets.compression import tfmot_steps
    from kerasnets.compression.bridge import to_tf_keras
    from kerasnets.compression.job import Job
    from kerasnets.compression.steps.prune import final_sparsities
    from kerasnets.saving import load_model

    for name, (net, recipe) in RUNS.items():
        job = Job(
            model_path=folder / f"{net}.keras",
            out_path=folder / f"{name}.keras",
            data=folder / "data",
            steps=tuple(recipe),
            teacher_path=None,
            seed=0,
            plugins=(),
            checkpoint_seconds=1000,
        )
        tfmot_steps.run(job, silent)
        job.clean_up()
    refusals = {}
    for name, (net, recipe) in REFUSED.items():
        try:
            tfmot_steps.check(load_model(folder / f"{net}.keras"), recipe)
        except KerasnetsError as error:
            refusals[name] = str(error)
    (folder / "refusals.json").write_text(json.dumps(refusals))
    symmetric = load_model(folder / "symmetric.keras")
    shares = final_sparsities(
        to_tf_keras(symmetric),
        symmetric,
        PruneSettings(sparsity=0.2, policy="xnnpack"),
    )
    (folder / "xnnpack.json").write_text(json.dumps(shares))


if __name__ == "__main__":
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    main(Path(sys.argv[1]))
