"""One small network of each family of keras.applications goes there and back."""

import inspect
from typing import Any

import keras
import numpy as np
import pytest
from support.tiers import slowly
from support.weights import randomise

from kerasnets.compression import from_tf_keras, to_tf_keras

APPLICATIONS: Any = keras.applications


def family(builder: str) -> Any:
    """The module of a network, where the builder of its whole family is."""
    return inspect.getmodule(getattr(APPLICATIONS, builder))


def small_resnet(version, options):
    module = family("ResNet50")
    stack = getattr(module, f"stack_residual_blocks_v{version}")
    return module.ResNet(
        lambda x: stack(stack(x, 8, 2, name="conv2"), 16, 2, name="conv3"),
        preact=version == 2,
        use_bias=True,
        **options,
    )


HEADLESS = {"include_top": False, "weights": None, "input_shape": (32, 32, 3)}
NETWORKS = {
    "MobileNet": lambda: APPLICATIONS.MobileNet(alpha=0.25, **HEADLESS),
    "MobileNetV2": lambda: APPLICATIONS.MobileNetV2(alpha=0.35, **HEADLESS),
    # adds, multiplies and divides tensors without layers
    "MobileNetV3": lambda: APPLICATIONS.MobileNetV3Small(**HEADLESS),
    "ResNet": lambda: small_resnet(1, HEADLESS),
    "ResNetV2": lambda: small_resnet(2, HEADLESS),
    "DenseNet": lambda: family("DenseNet121").DenseNet([1, 2, 1, 1], **HEADLESS),
    "InceptionV3": lambda: APPLICATIONS.InceptionV3(
        **HEADLESS | {"input_shape": (75, 75, 3)}
    ),
    "Xception": lambda: APPLICATIONS.Xception(
        **HEADLESS | {"input_shape": (71, 71, 3)}
    ),
    "NASNet": lambda: family("NASNetMobile").NASNet(
        penultimate_filters=96, num_blocks=1, stem_block_filters=8, **HEADLESS
    ),
    "EfficientNet": lambda: family("EfficientNetB0").EfficientNet(
        0.5, 0.1, default_size=32, **HEADLESS
    ),
    "EfficientNetV2": lambda: family("EfficientNetV2B0").EfficientNetV2(
        0.5,
        0.1,
        default_size=32,
        name="efficientnetv2-b0",
        **HEADLESS,
    ),
    # two layers of its own
    "ConvNeXt": lambda: family("ConvNeXtTiny").ConvNeXt(
        [1, 1, 1, 1], [8, 16, 16, 16], drop_path_rate=0.1, **HEADLESS
    ),
    "VGG": lambda: APPLICATIONS.VGG16(**HEADLESS),
}


# the others have the same kinds of layers
QUICK = {"MobileNet", "MobileNetV3", "ResNetV2", "EfficientNet", "ConvNeXt"}


@pytest.mark.parametrize("name", slowly(NETWORKS, QUICK))
def test_it_goes_there_and_back(name):
    keras.utils.set_random_seed(0)
    model = randomise(NETWORKS[name](), gain=None, seed=1)
    net = to_tf_keras(model)
    back = from_tf_keras(net, like=model)
    side = model.input_shape[1]
    images = np.random.default_rng(2).uniform(-1, 1, (2, side, side, 3))
    expected = np.asarray(model(images, training=False))
    for crossed in (net, back):
        found = np.asarray(crossed(images.astype("float32"), training=False))
        scale = np.max(np.abs(expected))
        np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-6)
    assert net.count_params() == model.count_params()
    keras.backend.clear_session()
