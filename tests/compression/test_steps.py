"""What steps do before and after a training, in a process of their own."""

import subprocess
import sys

# TF-MOT turns the whole process to tf_keras
NAMES = """
import keras
from keras import layers
from tensorflow_model_optimization.python.core.sparsity.keras import prune_registry

from kerasnets.compression import PruneSettings, QATSettings
from kerasnets.compression.bridge import from_tf_keras, to_tf_keras
from kerasnets.compression.kernels import _COMPRESSIBLE
from kerasnets.compression.steps import last_step
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT, carry

image = keras.Input((4, 4, 3))
x = layers.Conv2D(8, 3, name="my conv")(carry(image, UNIT))
x = layers.Dense(8, name="\u5c42")(layers.Flatten()(x))
model = keras.Model(image, layers.Dense(8, name="end")(x))
settings = PruneSettings(
    sparsity=0.1, layers=("my conv", "\u5c42"), layer_sparsity={"\u5c42": 0.5}
)
step = last_step(model, to_tf_keras(model), [settings])
step.check()
assert step.settings.layers == ("my_conv", "x"), step.settings
assert step.settings.layer_sparsity == {"x": 0.5}, step.settings
wrapped, end_epoch = step.wrap(10)
end_epoch()
pruned = from_tf_keras(step.unwrap(wrapped), like=model)
names = [[layer.name for layer in one.layers] for one in (pruned, model)]
assert names[0] == names[1], names

# Pixels and Identity need no float_layers
last_step(model, to_tf_keras(model), [QATSettings()]).check()

# zeros that pruning made must stay, others may go
end = pruned.get_layer("end")
end.kernel.assign(0 * end.kernel)
last_step(pruned, to_tf_keras(pruned), [QATSettings()]).check_result(model)
try:
    steps = [settings, QATSettings()]
    last_step(pruned, to_tf_keras(pruned), steps).check_result(model)
except KerasnetsError as error:
    assert "qat left sparsity 0.0000 of" in str(error), error
else:
    raise AssertionError("it lost its zeros")

# what the table says of kernels is what TF-MOT prunes
registry = prune_registry.PruneRegistry._LAYERS_WEIGHTS_MAP
known = {kind.__name__: names for kind, names in registry.items()}
for name, kernel in _COMPRESSIBLE.items():
    assert kernel in known[name], (name, known[name])
of_keras = {name for name, names in known.items() if hasattr(layers, name) and names}
left = of_keras - set(_COMPRESSIBLE)
assert not any("Conv" in name and "Depthwise" not in name for name in left), left
"""


def test_steps_take_the_names_that_the_model_has():
    done = subprocess.run(
        [sys.executable, "-c", NAMES], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
