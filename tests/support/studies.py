"""A study of two networks, small enough to be trained here; the real ones."""

import importlib.util
from pathlib import Path

from kerasnets.studies import Claim, Row, Size, Study

SHORT = {"epochs": "8", "batch_size": "8", "learning_rate": "0.05"}
SHORT |= {"augment.flip": "false", "augment.pad": "0"}


def make_study(seeds=2, changes=SHORT, **given):
    size = Size("Made up.", seeds, changes)
    values = {
        "name": "made_up",
        "title": "Made up",
        "about": "Nothing was published.",
        "data": "npz:colours.npz",
        "rows": (
            Row(
                "small", "lenet1", "resnet-cifar", {}, {"test_error": "1.7"}, "Table 1"
            ),
            Row("large", "lenet5", "resnet-cifar", {"weight_decay": "0.001"}),
        ),
        "claims": (
            Claim("Larger is better.", "Table 1", "test_error", ("small", "large")),
        ),
        "sizes": {"smoke": size, "cpu": size, "paper": size},
    }
    return Study(**{**values, **given})


def load(path: Path):
    """A program of ``applications/`` as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
