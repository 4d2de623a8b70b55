"""A folder of photos becomes a file for a phone: the main job, stage by stage.

    python applications/photos_to_phone.py PHOTOS OUT

PHOTOS has a folder of pictures for each class. This is ``kerasnets phone --data
folder:PHOTOS`` written out, for people who want to change a stage; the command also
continues where it was stopped, and writes a model card.
"""

import sys
from pathlib import Path

import keras

from kerasnets import (
    applications,
    compression,
    data,
    export,
    training,
    transfer,
    tuning,
)
from kerasnets.evaluation import evaluate
from kerasnets.jobs.mirroring import look_at_mirroring
from kerasnets.saving import load_model

SIZE, SEED = 64, 0


def main(photos: str, out: str) -> None:
    """Go from ``photos`` to ``out``/int8.tflite."""
    folder = Path(out)
    source = data.open_source(f"folder:{photos}")
    images = data.prepare(source, folder / "data", resolution=SIZE, seed=SEED)
    classes = len(images.class_names)
    # arrows to the left are no arrows to the right
    mirror = not look_at_mirroring(images.train, seed=SEED).confuses
    moves = data.Augment(translate=0.1, rotate=10, zoom=0.1, flip=mirror)
    feed = data.batches(
        images.train, size=SIZE, batch_size=64, seed=SEED, augment=moves
    )

    training.seed_everything(SEED)
    teacher = applications.ResNet20(
        (SIZE, SIZE, 3), classes=classes, classifier_activation=None
    )
    training.train(teacher, feed, training.Recipe(epochs=12, learning_rate=0.1))
    teacher.save(folder / "teacher.keras")

    def new_student(candidate: tuning.Candidate) -> keras.Model:
        training.seed_everything(SEED)
        return tuning.build_candidate(
            "mobilenet", candidate.values, size=SIZE, classes=classes
        )

    def try_out(candidate: tuning.Candidate) -> dict[str, float]:
        student = new_student(candidate)
        training.train(student, feed, training.Recipe(epochs=8, learning_rate=0.03))
        figures = evaluate(student, images.validation)
        return {"val_loss": figures.loss, "val_accuracy": figures.accuracy}

    within_budget = tuning.feasible_candidates(
        "mobilenet",
        {"alpha": (0.125, 0.25, 0.5)},
        resolution=SIZE,
        classes=classes,
        budget=tuning.Budget(max_madds=4_000_000, max_bytes=350_000),
    )
    trials = tuning.search(
        within_budget, try_out, folder / "search", oracle="grid", trials=3, seed=SEED
    )

    student = new_student(trials[0].candidate)
    recipe = training.Recipe(
        epochs=40, learning_rate=0.03, temperature=4, soft_weight=0.9
    )
    transfer.distill(teacher, student, feed, recipe)
    student.save(folder / "student.keras")

    pruning = compression.PruneSettings(sparsity=0.5)
    compression.compress(
        folder / "student.keras",
        folder / "pruned.keras",
        data=folder / "data",
        recipe=[pruning.with_recipe(epochs=15, augment=moves)],
        teacher_path=folder / "teacher.keras",
        seed=SEED,
    )
    pruned = load_model(folder / "pruned.keras")
    bare = export.convert(pruned, calibration=images.train.images[:200])
    file = folder / "int8.tflite"
    file.write_bytes(
        export.add_metadata(bare, name="photos", labels=images.class_names)
    )
    proof = export.verify(file, pruned, images.test.images, images.test.labels)
    print(f"{file}: {proof.outputs[0].accuracy:.1%} of {proof.examples} photos right")


if __name__ == "__main__":
    main(*sys.argv[1:])
