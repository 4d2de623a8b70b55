"""What a run ends in, whatever its network knew before.

The files for the phone are described, proven and measured.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scipy.special import softmax

from kerasnets import __version__, applications, export, transfer
from kerasnets.analysis import count_madds, count_params
from kerasnets.data import Split, resize_images
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import (
    calibration_error,
    confidence_figures,
    fit_temperature,
    predict_logits,
)
from kerasnets.files import write_bytes
from kerasnets.jobs.phone.ranking import LEAST_VALIDATION
from kerasnets.pixels import describe, pixels_of
from kerasnets.runs import Job
from kerasnets.saving import load_model

# the int8 file before it is told what it is
BARE = "work/int8.tflite"
# its network, the temperature folded in
PHONE = "phone.keras"


def calibrate(model: Any, validation: Split) -> float:
    """Fold into a network the temperature that fits the validation images.

    Args:
        model: From images to logits; it is changed in place.
        validation: The images.

    Returns:
        The temperature; 1 where there are too few images to tell it.

    Raises:
        KerasnetsError: The network does not end in weights that give its logits.
    """
    if len(validation.labels) < LEAST_VALIDATION:
        return 1.0
    temperature = fit_temperature(predict_logits(model, validation), validation.labels)
    transfer.with_temperature(model, temperature)
    return temperature


def described(
    job: Job[Any], bare: bytes, model: Any, *, name: str, description: str
) -> bytes:
    """Give a file what a phone shows of it: labels, licence, what it is."""
    data = job.results["data"]
    return export.add_metadata(
        bare,
        name=f"{job.settings.data} {name}",
        description=f"{description} ({describe(pixels_of(model))})",
        labels=data["classes"],
        author=f"kerasnets {__version__}",
        licence=f"data: {data['licence']}",
    )


def int8_bounds(path: Path, images: int) -> export.Bounds:
    """Give what is accepted of an int8 file; two images may have another class.

    Of ten images one is more than the usual share.
    """
    bounds = export.default_bounds(path)
    assert bounds.agreement is not None
    return replace(bounds, agreement=min(bounds.agreement, 1 - 2 / images))


def write_files(
    job: Job[Any], origins: Mapping[str, str], description: Callable[[str], str]
) -> dict:
    """Write the files for the phone: with labels, normalisation and licence inside.

    Args:
        job: Of settings with data and max_bytes.
        origins: For each file the ``.keras`` file of its network; "int8" is quantised
            already.
        description: Of a file, by its name.
    """
    sizes = {}
    for done, (name, origin) in enumerate(origins.items()):
        job.progress(done, len(origins), name)
        model = load_model(job.folder / origin)
        if name == "int8":
            bare = (job.folder / BARE).read_bytes()
        else:
            bare = export.convert(model)
        content = described(job, bare, model, name=name, description=description(name))
        write_bytes(job.folder / f"{name}.tflite", content)
        sizes[name] = len(content)
    if sizes["int8"] > job.settings.max_bytes:
        raise KerasnetsError(
            f"int8.tflite has {sizes['int8']:,} bytes, more than the "
            f"{job.settings.max_bytes:,} asked for: give --max-size {sizes['int8']}"
        )
    return {"bytes": sizes}


def verify_files(
    job: Job[Any], origins: Mapping[str, str], test: Split, temperature: float
) -> dict:
    """Run each file over the test images beside its Keras model; measure it.

    Args:
        job: Of a run whose files are written.
        origins: As for ``write_files``.
        test: The images, at the side of the int8 file or a larger one.
        temperature: That is folded into the network of the int8 file.
    """
    paths = {name: job.folder / f"{name}.tflite" for name in origins}
    latency = export.measure_latency(paths)
    bounds = int8_bounds(paths["int8"], len(test.labels))
    models = {}
    for index, (name, origin) in enumerate(origins.items()):
        model = load_model(job.folder / origin)
        proof = export.verify(
            paths[name],
            model,
            resize_images(test.images, model.input_shape[1]),
            test.labels,
            bounds=bounds if name == "int8" else None,
            sqnr=False,
            progress=lambda done, total, note="", index=index: job.progress(
                index * total + done, len(origins) * total, note
            ),
        )
        (answers,) = proof.outputs
        models[name] = {
            "params": count_params(model),
            "madds": count_madds(model),
            "accuracy": answers.accuracy,
            "agreement": answers.agreement,
            "max_abs_difference": answers.max_abs_difference,
            "sparsity": export.file_sparsity(paths[name]),
            "bytes": proof.size,
            "gzip_bytes": proof.gzip_size,
            "latency_ms": latency[name],
            "preprocessing": str(applications.preprocessing(model)),
        }
    file = export.Classifier(paths["int8"])
    models["int8"] |= confidence_figures(
        file.predict(resize_images(test.images, file.input_size[0])), test.labels
    )
    phone = load_model(job.folder / origins["int8"])
    as_before = softmax(temperature * predict_logits(phone, test), axis=-1)
    models["int8"]["calibration"] |= {
        "temperature": temperature,
        "ece_before": calibration_error(as_before, test.labels),
    }
    return {"test_images": len(test.labels), "threads": 1, "models": models}
