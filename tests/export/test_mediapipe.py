"""MediaPipe Tasks, what most apps use, reads our files.

Set KERASNETS_MEDIAPIPE_PYTHON to the interpreter of an environment that has
tests/mediapipe_requirements.txt.
"""

import json
import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from support.litert import answers
from support.tiny_zoo import TINY
from support.weights import randomise

from kerasnets.export import Classifier, add_metadata, convert
from kerasnets.pixels import UNIT, carry

from .conftest import LABELS

CLIENT = Path(__file__).parent.parent / "support" / "mediapipe_client.py"
pytestmark = pytest.mark.peers


def run(*arguments: str | Path) -> list[dict]:
    """Run a program in MediaPipe's environment; return the JSON lines it prints."""
    python = os.environ["KERASNETS_MEDIAPIPE_PYTHON"]
    command = [python, *map(str, arguments)]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in output.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["float_file", "int8_file"])
def test_mediapipe_answers_like_our_classifier(kind, images, tmp_path, request):
    path = request.getfixturevalue(kind)
    chosen = images[:24]
    pngs = [tmp_path / f"{index}.png" for index in range(len(chosen))]
    for image, png in zip(chosen, pngs, strict=True):
        Image.fromarray(image).save(png)
    theirs = run(CLIENT, path, *pngs)
    ours = Classifier(path).predict(chosen)
    assert [x["label"] for x in theirs] == [LABELS[k] for k in ours.argmax(axis=1)]
    assert len({x["label"] for x in theirs}) >= 3
    scores = [x["score"] for x in theirs]
    np.testing.assert_allclose(scores, ours.max(axis=1), atol=1e-3)


@pytest.fixture(scope="module")
def segmenter():
    """Convolutions to a map of three classes."""
    layers = keras.layers
    inputs = keras.Input((16, 24, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(carry(inputs, UNIT))
    return randomise(keras.Model(inputs, layers.Conv2D(3, 1)(x)), seed=1, head=3)


@pytest.mark.parametrize("kind", ["float32", "int8", "unet", "logits", "normalised"])
def test_mediapipe_segments_like_the_file(kind, segmenter, tmp_path):
    model = segmenter
    if kind == "unet":
        model = randomise(
            TINY["unet"](
                input_shape=(16, 24, 3), classes=3, classifier_activation=None
            ),
            seed=1,
        )
    size = model.input_shape[1:3]
    pixels = np.random.default_rng(0).integers(0, 256, (4, *size, 3), dtype=np.uint8)
    options = {
        "int8": {"calibration": pixels},
        "logits": {"softmax": False},
        "normalised": {"preprocessing": False},
    }
    file = convert(model, **options.get(kind, {}))
    scale = {"mean": (127.5,) * 3, "std": 127.5} if kind == "normalised" else {}
    path = tmp_path / "segmenter.tflite"
    labels = ("sky", "Meer", "東")
    path.write_bytes(add_metadata(file, name="s", labels=labels, **scale))
    ours = answers(file, pixels / np.float32(127.5) - 1 if scale else pixels)
    if kind == "logits":
        ours = np.exp(ours) / np.exp(ours).sum(axis=-1, keepdims=True)
    pngs = [tmp_path / f"{index}.png" for index in range(len(pixels))]
    for image, png in zip(pixels, pngs, strict=True):
        Image.fromarray(image).save(png)
    theirs = run(CLIENT, "--segment", path, *pngs)
    assert all(x["labels"] == list(labels) for x in theirs)
    classes = [x["classes"] for x in theirs]
    np.testing.assert_array_equal(classes, ours.argmax(axis=-1))
    assert len(np.unique(classes)) >= 2
    masks = np.moveaxis(np.array([x["confidences"] for x in theirs]), 1, -1)
    np.testing.assert_allclose(masks, ours, atol=1e-5)


_READ_METADATA = """
import json, sys
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata
from mediapipe.tasks.metadata import schema_py_generated as schema
model = schema.ModelT.InitFromPackedBuf(open(sys.argv[1], "rb").read(), 0)
(entry,) = (x for x in model.metadata if x.name == b"TFLITE_METADATA")
data = bytes(model.buffers[entry.buffer].data)
assert metadata.ModelMetadata.ModelMetadataBufferHasIdentifier(data, 0)
root = metadata.ModelMetadataT.InitFromPackedBuf(data, 0)
(graph,) = root.subgraphMetadata
(image,), (answer,) = graph.inputTensorMetadata, graph.outputTensorMetadata
(unit,), (labels,) = image.processUnits, answer.associatedFiles
assert isinstance(unit.options, metadata.NormalizationOptionsT)
assert labels.type == metadata.AssociatedFileType.TENSOR_AXIS_LABELS
assert image.content.contentProperties.colorSpace == metadata.ColorSpaceType.RGB
texts = [root.name, root.description, root.version, root.author, root.license,
         root.minParserVersion, image.name, image.description, labels.name]
print(json.dumps({"texts": [text.decode() for text in texts],
                  "mean": unit.options.mean.tolist(),
                  "std": unit.options.std.tolist()}))
"""


def test_mediapipes_own_schema_reads_our_metadata(small, tmp_path):
    path = tmp_path / "small.tflite"
    path.write_bytes(
        add_metadata(
            convert(small),
            name="small",
            labels=LABELS,
            description="Ten colours",
            author="A. Author",
            licence="Apache-2.0",
            version="3",
        )
    )
    (read,) = run("-c", _READ_METADATA, path)
    assert read["texts"] == [
        *("small", "Ten colours", "3", "A. Author", "Apache-2.0", "1.0.0"),
        *("image", "RGB image, 16 x 16 pixels, 0 to 255", "labels.txt"),
    ]
    assert (read["mean"], read["std"]) == ([0.0], [1.0])
