"""Networks against torchvision and timm: their outputs, stored; ours, computed.

Both sides draw each weight from its name (tests/goldens/seeded.py). The outputs are
made by tests/goldens/make.py where torch is installed.
"""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from goldens import seeded
from support.tiers import slowly

from kerasnets import applications
from kerasnets.pretrained import from_torch

GOLDENS = Path(__file__).parent.parent / "goldens" / "outputs.json"
NETWORKS = json.loads(GOLDENS.read_text("utf-8"))["networks"]
ROLES = {"gamma": "weight", "beta": "bias", "bias": "bias", "alpha": "weight"}


def drawn_state(model, counterpart):
    """The state dict of the counterpart, as far as our network has its layers."""
    state = {}
    for layer in model.layers:
        for variable in layer.weights:
            role, shape = variable.name, tuple(variable.shape)
            role = ROLES.get(role, role.replace("moving_", "running_"))
            role = {"running_variance": "running_var"}.get(role, role)
            if role == "kernel":
                role, shape = "weight", (shape[-1], shape[-2], *shape[:-2])
            name = f"{counterpart.layer(layer.name)}.{role}"
            state[name] = seeded.tensor(name, shape)
    return state


def test_every_network_with_a_counterpart_has_a_golden():
    known = {
        name: f"{builder.network.torch.library} {builder.network.torch.builder}"
        for name, builder in applications.BUILDERS.items()
        if builder.network.torch is not None
    }
    assert known == {name: golden["counterpart"] for name, golden in NETWORKS.items()}
    assert GOLDENS.stat().st_size < 50_000


# several copies of more weights fill the memory of a quick test
SMALL = [name for name in NETWORKS if applications.get(name).network.params < 12e6]


@pytest.mark.parametrize("name", slowly(NETWORKS, SMALL))
def test_output_equals_that_of_the_counterpart(name):
    golden = NETWORKS[name]
    build, size = applications.get(name), golden["size"]
    forms = {"form": "torch"} if "form" in inspect.signature(build).parameters else {}
    model = build(
        (size, size, 3), classes=seeded.CLASSES, classifier_activation=None, **forms
    )
    from_torch(model, drawn_state(model, build.network.torch), build.network.torch)
    expected = np.asarray(golden["logits"])
    # the two images differ: no constant hides a slip
    assert np.ptp(expected, axis=0).max() > 1e-2 * np.abs(expected).max()
    logits = model.predict(seeded.images(size), verbose=0)
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max())
