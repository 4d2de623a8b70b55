"""The model card of a run, in Markdown."""

from collections.abc import Mapping

from kerasnets.evaluation import Answered
from kerasnets.reports.accuracy import accuracy_text
from kerasnets.reports.tables import figures_row

LIMITS = """## Limits

It knows its classes only and answers every image with one of them. Accuracy is that of
images like those above; on others it was not measured."""

_ROLES = {
    "teacher": "the network that taught, float32",
    "student": "the small network, labels alone, float32",
    "distilled": "the same network and steps, taught, float32",
    "pruned": "the {before} network, small weights set to zero, float32",
    "int8": "the {taken} network in 8 bits: **the file for the phone**",
}


def model_card(*, name: str, settings: Mapping, results: Mapping[str, Mapping]) -> str:
    """What a person must know before using the file of a run.

    Args:
        name: title of the card.
        settings: the settings of the run, as in ``run.json``.
        results: what each stage returned, by its name.
    """
    sections = (
        _head(name, settings, results),
        figures_section(results, _roles(results)),
        *confidence_section(results["verify"]["models"]["int8"]),
        *notes_section(results),
        use_section(results),
        data_section(settings, results["data"]),
        _training(settings, results),
        LIMITS,
    )
    return "\n\n".join(sections) + "\n"


def _roles(results: Mapping[str, Mapping]) -> dict[str, str]:
    """What each file is."""
    taken = {"before": results["distil"]["taken"], "taken": results["prune"]["taken"]}
    return {name: role.format(**taken) for name, role in _ROLES.items()}


def _head(name: str, settings: Mapping, results: Mapping) -> str:
    best = results["search"]["best"]
    size = best["cost"]["size"]
    about = [best["label"], f"{best['cost']['madds']:,} multiply-adds"]
    return f"""# {name}

`int8.tflite` classifies images of {size}x{size} pixels into
{len(results["data"]["classes"])} classes: {", ".join(results["data"]["classes"])}.
It is a {settings["student"]} ({", ".join(filter(None, about))}) trained, distilled,
pruned and quantised by `kerasnets phone` on `{settings["data"]}`."""


def figures_section(results: Mapping[str, Mapping], roles: Mapping[str, str]) -> str:
    """Tell what each file is, its size and how often it is right."""
    models, images = (results["verify"][key] for key in ("models", "test_images"))
    rows = "\n".join(
        f"| `{name}.tflite` | {roles[name]} |"
        f" {' | '.join(figures_row(figures, images))} |"
        for name, figures in models.items()
    )
    return f"""## Figures

Each file on disk, run by LiteRT over the {images} test images, which training, search
and calibration never saw; in brackets the 95 % interval of the accuracy on all such
images (Wilson's). Latency is the median for one image on one thread of the machine of
the run.

| file | what | parameters | multiply-adds | accuracy | zeros | size | gzip | latency |
|---|---|--:|--:|--:|--:|--:|--:|--:|
{rows}

The int8 file gives the class of its Keras model on {models["int8"]["agreement"]:.2%} of
the test images. Parameters count batch-norm statistics, which the files fold away."""


def confidence_section(int8: Mapping) -> list[str]:
    """What its probabilities are worth, where that was measured."""
    if "answered" not in int8:
        return []
    rows = "\n".join(_answered_row(Answered(**row)) for row in int8["answered"])
    return [
        f"""## How sure

Below a probability of one's choice the file need not answer: `kerasnets predict
--at-least P` says "none of these" then. Of the test images, all of which show one of
the classes:

| P | answered | right of these | wrong | kept back although right |
|--:|--:|--:|--:|--:|
{rows}

{_calibration(int8["calibration"])}"""
    ]


def _answered_row(found: Answered) -> str:
    right = ""
    if found.accuracy is not None:
        right = accuracy_text(found.accuracy, found.answered)
    return (
        f"| {found.at_least:g} | {found.answered:,} ({found.share:.1%}) | {right} |"
        f" {found.wrong:,} | {found.silent_right:,} |"
    )


def _calibration(found: Mapping) -> str:
    """How far probabilities are from shares of right answers."""
    text = (
        "Expected calibration error, the mean distance of the probability of an answer"
        f" from the share\nof such answers that are right: {found['ece']:.3f}"
    )
    if "temperature" in found:
        text += (
            f" with the temperature {found['temperature']:.3g}\nthat was fitted to the"
            " validation images and is inside the file"
        )
        if "ece_before" in found:
            text += f", {found['ece_before']:.3f} without it"
    return f"{text}."


def notes_section(results: Mapping[str, Mapping]) -> list[str]:
    """Tell what the stages found besides, if they did."""
    notes = [note for stage in results.values() for note in stage.get("notes", ())]
    lines = "\n".join(f"- {note}" for note in notes)
    return [f"## Notes\n\n{lines}"] if notes else []


def use_section(results: Mapping) -> str:
    """Tell how the file is used."""
    inside = results["verify"]["models"]["int8"]["preprocessing"]
    size = results["search"]["best"]["cost"]["size"]
    return f"""## Use

The file takes RGB pixels from 0 to 255 as they are, shape (1, {size}, {size}, 3) uint8:
the whole image, resized. It returns one probability a class as uint8 (divide by 256).
What the network wants done to the pixels, {inside}, is done inside. Labels,
normalisation and licence are in its metadata.

    kerasnets predict int8.tflite IMAGE...

or in Python, without TensorFlow:

    from kerasnets.data import read_image
    from kerasnets.export import Classifier

    classifier = Classifier("int8.tflite")
    probabilities = classifier.predict(read_image("IMAGE", {size})[None])[0]
    print(classifier.labels[probabilities.argmax()])

MediaPipe's `ImageClassifier` loads every file here."""


def data_section(settings: Mapping, data: Mapping) -> str:
    """Tell which images taught, chose and judged."""
    images = data["images"]
    skipped = f"; {data['skipped']} bad files were left out" if data["skipped"] else ""
    return f"""## Data

`{settings["data"]}`: {images["train"]:,} images for training, {images["validation"]:,}
for choices, {images["test"]:,} for the figures{skipped}. The splits are stratified,
disjoint and fixed by seed {settings["seed"]}; `data/splits.json` of the run lists them.
Licence of the data: {data["licence"]}."""


def _training(settings: Mapping, results: Mapping) -> str:
    search, distil = results["search"], settings["distil_recipe"]
    size, calibration = settings["teacher_size"], results["quantise"]["calibration"]
    pruning = settings["pruning"]
    epochs = pruning["recipe"]["epochs"]
    return f"""## Training

- teacher: {settings["teacher"]} at {size}x{size},
  {settings["teacher_recipe"]["epochs"]} epochs
- search: {len(search["trials"])} of {search["feasible"]} networks within
  {settings["max_madds"]:,} multiply-adds and {settings["max_bytes"]:,} bytes
- student: {settings["student_recipe"]["epochs"]} epochs on labels alone, and anew
  {distil["epochs"]} distilled at temperature {distil["temperature"]:g} with weight
  {distil["soft_weight"]:g} on the soft targets
- pruning: {pruning["sparsity"]:.0%} of the kernel weights, {epochs} epochs
- quantisation: ranges from {calibration["images"]} training images
- precision {settings["precision"]}, seed {settings["seed"]}; `run.json` has the rest"""
