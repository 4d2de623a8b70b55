"""A folder of photos becomes a file for a phone, step by step.

    python applications/photos_to_phone.py PHOTOS OUT

PHOTOS has a folder of pictures for each class. ImageNet weights are Keras's, fetched
where they are not cached. ``kerasnets phone --data folder:PHOTOS`` does this and more:
it chooses the network, lets others teach it, prunes it, and continues when stopped.
"""

import sys
from pathlib import Path

from kerasnets import applications, data, evaluation, export, training, transfer

SIZE, SEED = 128, 0
MOVES = data.Augment(translate=0.1, rotate=10, zoom=0.2, flip=True, contrast=0.2)


def main(photos: str, out: str) -> None:
    """Go from ``photos`` to ``out``/int8.tflite."""
    folder = Path(out)
    source = data.open_source(f"folder:{photos}")
    images = data.prepare(source, folder / "data", resolution=SIZE, seed=SEED)
    training.seed_everything(SEED)
    network = applications.MobileNet((SIZE, SIZE, 3), alpha=0.25, weights="imagenet")

    # a linear classifier on the network's codes, then the whole of it from there on
    recipe = training.Recipe(12, learning_rate=0.01, batch_size=32, augment=MOVES)
    tuned = transfer.finetune(
        network, images.train, images.validation, recipe, seed=SEED
    )
    logits = evaluation.predict_logits(tuned.model, images.validation)
    temperature = evaluation.fit_temperature(logits, images.validation.labels)
    model = transfer.with_temperature(tuned.model, temperature)

    ranges = export.calibration_images(images.train, size=SIZE, seed=SEED)
    bare = export.convert(model, calibration=ranges.images)
    file = folder / "int8.tflite"
    content = export.add_metadata(bare, name="photos", labels=images.class_names)
    file.write_bytes(content)
    proof = export.verify(file, model, images.test.images, images.test.labels)
    print(f"{file}: {proof.outputs[0].accuracy:.1%} of {proof.examples} photos right")


if __name__ == "__main__":
    main(*sys.argv[1:])
