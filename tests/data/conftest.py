import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def save_images():
    """Writes ``count`` different PNG files of random pixels into a folder."""

    def save(folder: Path, count: int, *, first: int = 0) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for i in range(first, first + count):
            pixels = np.random.default_rng(i).integers(0, 256, (10, 12, 3), "uint8")
            files.append(folder / f"{i:03}.png")
            Image.fromarray(pixels).save(files[-1])
        return files

    return save


@pytest.fixture
def real_data() -> Path:
    """Flowers as JPEG files and MNIST as idx files."""
    if "KERASNETS_DATA" not in os.environ:
        pytest.skip("KERASNETS_DATA does not name the folder of the real images")
    return Path(os.environ["KERASNETS_DATA"])
