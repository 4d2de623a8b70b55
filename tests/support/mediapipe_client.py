"""Classify or segment images with MediaPipe Tasks, as an Android or iOS app would.

    python tests/support/mediapipe_client.py FILE.tflite IMAGE...
    python tests/support/mediapipe_client.py --segment FILE.tflite IMAGE...

prints one JSON line an image: its best label and that label's score; or the labels, the
class of each pixel and the confidence masks, a map for each label. It runs in an
environment of its own (tests/mediapipe_requirements.txt): MediaPipe requires absl-py 2,
TF-MOT absl-py 1.
"""

import json
import sys

import mediapipe  # pyright: ignore[reportMissingImports]
from mediapipe.tasks.python import (  # pyright: ignore[reportMissingImports]
    BaseOptions,
    vision,
)


def classify(file: str, *images: str) -> None:
    """Print the best label and its score for every image."""
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=file), max_results=1
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for path in images:
            image = mediapipe.Image.create_from_file(path)
            best = classifier.classify(image).classifications[0].categories[0]
            print(json.dumps({"label": best.category_name, "score": best.score}))


def segment(file: str, *images: str) -> None:
    """Print labels, the class of each pixel and the masks for every image."""
    options = vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_path=file),
        output_category_mask=True,
        output_confidence_masks=True,
    )
    with vision.ImageSegmenter.create_from_options(options) as segmenter:
        for path in images:
            result = segmenter.segment(mediapipe.Image.create_from_file(path))
            masks = [mask.numpy_view().squeeze() for mask in result.confidence_masks]
            answer = {
                "labels": segmenter.labels,
                "classes": result.category_mask.numpy_view().squeeze().tolist(),
                "confidences": [mask.tolist() for mask in masks],
            }
            print(json.dumps(answer))


if __name__ == "__main__":
    if sys.argv[1] == "--segment":
        segment(*sys.argv[2:])
    else:
        classify(*sys.argv[1:])
