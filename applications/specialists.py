"""Specialists for classes that are taken for each other, beside a generalist.

    python applications/specialists.py --size cpu --data idx:FOLDER --out RUNS

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", section
5: a generalist's answers say which classes it confuses; for each group of them a copy
of it learns to tell them apart, and all are asked together. ``--publish
docs/literature`` writes the page.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from scipy.special import softmax

from kerasnets.files import write_text
from kerasnets.progress import Progress
from kerasnets.studies import Claim, Picture, Row, Size, Study, main

ABOUT = """Hinton et al. 2015 print 25.0 % right for a generalist on JFT, 100 million
images of 15,000 classes, and 26.1 % beside 61 specialists of 300 classes each. Here the
generalist is LeNet-5 on Fashion-MNIST, its classes are divided into three groups by
k-means on the covariance of its soft targets for the validation images, and each group
of two classes or more gets a specialist that begins as the generalist: one with a
dustbin class for all others, as in section 5.3, or one for all classes that learns
labels of its own and the generalist's soft targets of the others, as in section 6.1.
Each keeps its best epoch on validation images. A tenth of the training images is kept
for these."""

SOURCE = "Hinton et al. 2015, Table 4, of JFT"
ALONE = "generalist"
DUSTBIN, WHOLE = "and specialists", "and specialists for all classes"
PLAIN = {"augment": "none", "epochs": "10"}


def asked_beside(
    form: Literal["dustbin", "all"],
    folder: Path,
    data: str,
    seed: int,
    changes: Mapping[str, str],
    progress: Progress,
) -> dict[str, float]:
    """Train specialists of the generalist in a folder; the error of all together."""
    from kerasnets.data import open_source, prepare
    from kerasnets.evaluation import predict_logits
    from kerasnets.saving import load_model
    from kerasnets.training import paper_recipe
    from kerasnets.transfer import (
        confusable_classes,
        joint_probabilities,
        train_specialist,
    )

    generalist = load_model(folder / "model.keras")
    recipe = dict(changes)
    groups, temperature = int(recipe.pop("groups")), float(recipe.pop("softness"))
    with tempfile.TemporaryDirectory() as place:
        side = generalist.input_shape[1]
        images = prepare(open_source(data), Path(place), resolution=side, seed=seed)
        soft = softmax(
            predict_logits(generalist, images.validation) / temperature, axis=-1
        )
        found = [
            classes
            for classes in confusable_classes(soft, groups, seed=seed)
            if len(classes) > 1
        ]
        known = [
            train_specialist(
                generalist,
                classes,
                images.train,
                images.validation,
                paper_recipe("lenet5", recipe).recipe,
                form=form,
                seed=seed,
                progress=progress,
            )
            for classes in found
        ]
        labels = images.test.labels
        answers = {
            "alone": predict_logits(generalist, images.test).argmax(-1),
            "together": joint_probabilities(generalist, known, images.test).argmax(-1),
        }
    wrong = {
        name: [
            100 * float(np.mean(given[labels == label] != label))
            for label in range(len(images.class_names))
        ]
        for name, given in answers.items()
    }
    record = {"classes": images.class_names, "groups": found, "wrong": wrong}
    write_text(folder / f"beside-{form}.json", json.dumps(record) + "\n")
    return {"test_error": round(100 * float(np.mean(answers["together"] != labels)), 4)}


def dustbin_specialists(*given) -> dict[str, float]:
    """Specialists with a dustbin class."""
    return asked_beside("dustbin", *given)


def specialists_for_all_classes(*given) -> dict[str, float]:
    """Specialists that know all classes."""
    return asked_beside("all", *given)


def draw_classes(figure: Figure, folders: Mapping[str, Path], data: str) -> None:
    """Draw the error of each class, alone and beside specialists."""
    del data
    record = json.loads((folders[ALONE] / "beside-dustbin.json").read_text("utf-8"))
    order = [label for group in record["groups"] for label in group]
    order += [x for x in range(len(record["classes"])) if x not in order]
    axes = figure.subplots()
    for place, (name, colour) in enumerate(
        {"alone": "#56b4e9", "together": "#0072b2"}.items()
    ):
        errors = [record["wrong"][name][label] for label in order]
        at = np.arange(len(order)) + 0.4 * place - 0.2
        axes.bar(at, errors, 0.38, color=colour, label=name)
    ends = np.cumsum([len(group) for group in record["groups"]])
    for end in ends[: len(ends) if ends[-1] < len(order) else -1]:
        axes.axvline(end - 0.5, color="#000000", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(order)), [record["classes"][x] for x in order])
    axes.set_xlabel("class; groups of specialists apart")
    axes.set_ylabel("error on test images, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


ASKED = {**PLAIN, "learning_rate": "0.01", "groups": "3", "softness": "4"}


STUDY = Study(
    name="specialists",
    title="Specialists beside a generalist",
    about=ABOUT,
    data="idx:fashion_mnist",
    rows=(
        Row(ALONE, "lenet5", "lenet5", PLAIN, {"test_error": "75.0"}, SOURCE),
        Row(
            DUSTBIN,
            "lenet5",
            "lenet5",
            ASKED,
            {"test_error": "73.9"},
            SOURCE,
            of=ALONE,
            ask=dustbin_specialists,
        ),
        Row(
            WHOLE,
            "lenet5",
            "lenet5",
            ASKED,
            of=ALONE,
            ask=specialists_for_all_classes,
        ),
    ),
    claims=(
        Claim(
            "A generalist errs less beside its specialists.",
            "Hinton et al. 2015, Table 4",
            "test_error",
            (ALONE, DUSTBIN),
        ),
        Claim(
            "Specialists that learn the generalist's soft targets of other classes do "
            "not overfit, and err less.",
            "Hinton et al. 2015, section 6.1, proposed",
            "test_error",
            (DUSTBIN, WHOLE),
        ),
    ),
    sizes={
        "smoke": Size(
            "The built-in digits: nothing but that it runs.",
            seeds=1,
            changes={"epochs": "3", "batch_size": "16"},
        ),
        "cpu": Size("All of Fashion-MNIST.", seeds=3),
        "paper": Size("100 epochs.", seeds=3, changes={"epochs": "100"}),
    },
    pictures=(
        Picture(
            "classes",
            "Errors of each class, of the generalist alone and together with its "
            "specialists, whose groups stand apart; seed 0.",
            (8.4, 3.4),
            draw_classes,
        ),
    ),
)

if __name__ == "__main__":
    main(STUDY)
