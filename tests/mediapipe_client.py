"""Classify images with MediaPipe Tasks, as an Android or iOS app would.

    python tests/mediapipe_client.py FILE.tflite IMAGE...

prints one JSON line an image: its best label and that label's score. It runs in an
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


def main(file: str, *images: str) -> None:
    """Print the best label and its score for every image."""
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=file), max_results=1
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for path in images:
            image = mediapipe.Image.create_from_file(path)
            best = classifier.classify(image).classifications[0].categories[0]
            print(json.dumps({"label": best.category_name, "score": best.score}))


if __name__ == "__main__":
    main(*sys.argv[1:])
