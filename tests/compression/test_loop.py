"""The training loop of TF-MOT's steps, in a process of its own."""

import subprocess
import sys

# TF-MOT turns the whole process to tf_keras
STRIDES = """
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from kerasnets.training.native import pixels_first

def strides(model):
    call = tf.function(lambda x: model(x, training=True))
    graph = call.get_concrete_function(tf.zeros((2, *model.input_shape[1:]))).graph
    found = [x for x in graph.get_operations() if x.type == "Conv2D"]
    return [x.get_attr("strides")[1:3] for x in found]

for wrapped in (
    lambda model: model,
    tfmot.sparsity.keras.prune_low_magnitude,
    tfmot.quantization.keras.quantize_model,
):
    image = tf_keras.Input((8, 8, 4))
    x = tf_keras.layers.Conv2D(20, 1, strides=2)(image)
    x = tf_keras.layers.Conv2D(6, 1, strides=2)(x)
    model = wrapped(tf_keras.Model(image, x))
    with pixels_first(model.submodules):
        print(strides(model))
    print(strides(model))
"""


def test_wrapped_convolutions_of_few_channels_take_their_pixels_first():
    done = subprocess.run(
        [sys.executable, "-c", STRIDES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    inside, outside = "[[1, 1], [2, 2]]", "[[2, 2], [2, 2]]"
    assert done.stdout.splitlines() == [inside, outside] * 3
