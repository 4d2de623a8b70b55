"""What ``input_pipeline.py`` compares with: torch's DataLoader over Pillow.

As torchvision's references train: RandomResizedCrop, a flip, changes of brightness and
contrast, the colour shift of AlexNet, a tensor of floats. Pillow does what torchvision
does with its images, so that torchvision is not needed.
"""

import math
import random

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from PIL import Image, ImageEnhance
from torch.utils.data import DataLoader, Dataset  # pyright: ignore[reportMissingImports]


class Photographs(Dataset):
    """JPEG files as augmented tensors.

    Args:
        paths: Of the files.
        size: Side of the tensors, in pixels.
        colours: (3, 3), the main colours of the set, a row each.
    """

    def __init__(self, paths: list[str], size: int, colours: np.ndarray):
        self.paths, self.size = paths, size
        self.colours = torch.tensor(colours, dtype=torch.float32)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGB")
        image = image.crop(area(*image.size))
        image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = ImageEnhance.Contrast(image).enhance(1 + random.uniform(-0.2, 0.2))
        image = ImageEnhance.Brightness(image).enhance(1 + random.uniform(-0.1, 0.1))
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        pixels = pixels.to(torch.float32).div_(255)
        pixels += (torch.randn(3) * 0.1 @ self.colours)[:, None, None]
        return pixels.sub_(0.5).div_(0.5), index % 2


def area(width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a part of random area and aspect."""
    for _ in range(10):
        wanted = width * height * random.uniform(0.08, 1.0)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        across, down = round((wanted * aspect) ** 0.5), round((wanted / aspect) ** 0.5)
        if 0 < across <= width and 0 < down <= height:
            left = random.randint(0, width - across)
            top = random.randint(0, height - down)
            return left, top, left + across, top + down
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def loader(
    paths: list[str], size: int, colours: np.ndarray, batch: int, workers: int
) -> DataLoader:
    """Batches of the files, many times over."""
    return DataLoader(
        Photographs(paths * 100, size, colours),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=True,
        # TensorFlow's threads do not survive a fork
        multiprocessing_context="spawn",
    )
