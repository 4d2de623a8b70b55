"""A small network of each family, for tests that compute.

Run as a program it prints their outputs on the backend of KERAS_BACKEND, as JSON.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Callable

import keras
import numpy as np

from kerasnets import applications as zoo
from kerasnets.analysis import shapes_only
from kerasnets.applications import builder, residual
from support.weights import randomise


def smaller(build, **changes):
    """The builder of the same network with another row."""
    return builder.variant(
        build.__wrapped__, dataclasses.replace(build.network, **changes)
    )


def changed(rows, **values) -> tuple:
    """Rows of stages or layers with other values."""
    return tuple(dataclasses.replace(row, **values) for row in rows)


def one_block(build) -> tuple:
    """The stages of an Inception-ResNet with one block each."""
    return changed(build.network.stages, blocks=1)


def some_modules(build, *names) -> dict:
    """Some of the modules of an Inception."""
    return {name: build.network.modules[name] for name in names}


def at(size, channels=3, **arguments) -> dict:
    """Arguments for small images of ten classes."""
    return {"input_shape": (size, size, channels), "classes": 10, **arguments}


ONE_EACH = (1, 1, 1, 1)
SMALL_BASIC = residual.stages(ONE_EACH, 8, 8)
SMALL_BOTTLENECK = residual.stages(ONE_EACH, 8, 32)
SMALL_CIFAR_BASIC = residual.stages((1, 1, 1), 16, 16)
SMALL_CIFAR_BOTTLENECK = residual.stages((1, 1, 1), 16, 64)

# name of the network: its builder with the row made small, and arguments
_ROWS = {
    "lenet1original": (zoo.LeNet1Original, {}),
    "lenet1": (zoo.LeNet1, {}),
    "lenet4": (zoo.LeNet4, {}),
    "lenet5original": (zoo.LeNet5Original, {}),
    "lenet5": (zoo.LeNet5, {}),
    "alexnet": (zoo.AlexNet, at(67, dense_units=64, dropout=0.0)),
    "alexnetowt": (zoo.AlexNetOWT, at(67, dense_units=64, dropout=0.0)),
    "vgg11lrn": (zoo.VGG11LRN, at(32, dense_units=64, dropout=0.0)),
    "vgg16bn": (zoo.VGG16BN, at(32, dense_units=64, dropout=0.0)),
    "googlenet": (zoo.GoogLeNet, at(64)),
    "googlenetbn": (zoo.GoogLeNetBN, at(64)),
    "bninception": (
        smaller(
            zoo.BNInception,
            modules=some_modules(zoo.BNInception, "3a", "3c", "4a", "4e", "5b"),
        ),
        at(32),
    ),
    "inceptionv3": (
        smaller(
            zoo.InceptionV3,
            modules=some_modules(
                zoo.InceptionV3, "mixed5b", "mixed6a", "mixed6b", "mixed7a", "mixed7c"
            ),
        ),
        at(75),
    ),
    "inceptionv4": (
        smaller(
            zoo.InceptionV4,
            modules=some_modules(
                zoo.InceptionV4,
                "inception_a1",
                "reduction_a",
                "inception_b1",
                "reduction_b",
                "inception_c1",
            ),
        ),
        at(75),
    ),
    "inceptionresnetv1": (
        smaller(zoo.InceptionResNetV1, stages=one_block(zoo.InceptionResNetV1)),
        at(75),
    ),
    "inceptionresnetv2": (
        smaller(zoo.InceptionResNetV2, stages=one_block(zoo.InceptionResNetV2)),
        at(75),
    ),
    "resnet18": (smaller(zoo.ResNet18, stages=SMALL_BASIC), at(32)),
    "resnet50": (smaller(zoo.ResNet50, stages=SMALL_BOTTLENECK), at(32)),
    "plain18": (smaller(zoo.Plain18, stages=SMALL_BASIC), at(32)),
    "resnet18v2": (
        smaller(zoo.ResNet18V2, stages=residual.stages(ONE_EACH, 16, 16)),
        at(32),
    ),
    "resnet50v2": (
        smaller(zoo.ResNet50V2, stages=residual.stages(ONE_EACH, 16, 64)),
        at(32),
    ),
    "wideresnet50_2": (
        smaller(zoo.WideResNet50_2, stages=residual.stages(ONE_EACH, 16, 32)),
        at(32),
    ),
    "resnext50_32x4d": (
        smaller(
            zoo.ResNeXt50_32x4d, stages=residual.stages(ONE_EACH, 32, 64, groups=8)
        ),
        at(32),
    ),
    "densenet121": (
        smaller(zoo.DenseNet121, stages=(2,) * 4, growth_rate=8, stem_filters=16),
        at(32),
    ),
    "preluneta": (
        smaller(zoo.PReLUNetA, filters=(8, 16, 16), depth=1),
        at(64, dense_units=64),
    ),
    "squeezenet1_0": (zoo.SqueezeNet1_0, at(67)),
    "squeezenet1_1": (zoo.SqueezeNet1_1, at(67)),
    "mobilenet": (
        smaller(zoo.MobileNet, stages=((64,), (128, 128), (256,), (512,), (1024,))),
        at(32, alpha=0.25),
    ),
    "shallowmobilenet": (zoo.ShallowMobileNet, at(32, alpha=0.25)),
    "convmobilenet": (zoo.ConvMobileNet, at(32, alpha=0.125)),
    "mobilenetv2": (
        smaller(
            zoo.MobileNetV2,
            stages=tuple(
                dataclasses.replace(stage, blocks=min(2, stage.blocks))
                for stage in zoo.MobileNetV2.network.stages
            ),
        ),
        at(32, alpha=0.35),
    ),
    "mobilenetv3large": (
        smaller(
            zoo.MobileNetV3Large,
            stages=tuple(
                dataclasses.replace(stage, expansions=stage.expansions[:2])
                for stage in zoo.MobileNetV3Large.network.stages
            ),
        ),
        at(32, alpha=0.25),
    ),
    "mobilenetv3small": (zoo.MobileNetV3Small, at(32, alpha=0.25)),
    "resnet20": (zoo.ResNet20, {}),
    "plain20": (zoo.Plain20, {}),
    "stochasticdepthresnet110": (
        smaller(zoo.StochasticDepthResNet110, stages=SMALL_CIFAR_BASIC),
        {},
    ),
    "resnet110v2": (smaller(zoo.ResNet110V2, stages=SMALL_CIFAR_BASIC), {}),
    "resnet164v2": (smaller(zoo.ResNet164V2, stages=SMALL_CIFAR_BOTTLENECK), {}),
    "wideresnet28_10": (
        smaller(zoo.WideResNet28_10, stages=residual.stages((1, 1, 1), 32, 32)),
        {},
    ),
    "resnext29_8x64d": (
        smaller(
            zoo.ResNeXt29_8x64d,
            stages=residual.stages((1, 1, 1), 16, 32, groups=4),
            stem_filters=16,
        ),
        {},
    ),
    "densenet40_12": (smaller(zoo.DenseNet40_12, stages=(2, 2, 2)), {}),
    "densenetbc100_12": (smaller(zoo.DenseNetBC100_12, stages=(2, 2, 2)), {}),
    "nincifar10": (zoo.NINCIFAR10, at(16, dropout=0.0)),
    "allcnnc": (zoo.AllCNNC, at(16, dropout=0.0, input_dropout=0.0)),
    "convpoolcnnb": (zoo.ConvPoolCNNB, at(16, dropout=0.0, input_dropout=0.0)),
    "dsn": (zoo.DSN, at(16, dropout=0.0)),
    "maxoutcifar10": (
        smaller(
            zoo.MaxoutCIFAR10,
            convolutions=changed(zoo.MaxoutCIFAR10.network.convolutions, filters=8),
            units=16,
        ),
        {"input_dropout": 0.0, "dropout": 0.0},
    ),
    "fitnet1": (smaller(zoo.FitNet1, groups=((16,), (16,), (16,)), units=16), {}),
    "highway19": (
        smaller(
            zoo.Highway19,
            stages=changed(zoo.Highway19.network.stages, filters=8, highways=1),
        ),
        {"dropout": 0.0},
    ),
    "highway10": (zoo.Highway10, {"width": 8, "dropout": 0.0}),
    "simplenet310k": (zoo.SimpleNet310K, {}),
    "simplenet5m_m2": (
        smaller(
            zoo.SimpleNet5M_M2,
            layers=tuple(
                dataclasses.replace(row, filters=row.filters // 8)
                for row in zoo.SimpleNet5M_M2.network.layers
            ),
        ),
        at(64),
    ),
    "simpnet300kcifar100": (zoo.SimpNet300KCIFAR100, at(32)),
    "squeezenetcifarbn": (zoo.SqueezeNetCIFARBN, {}),
    "mlp1200": (
        zoo.MLP1200,
        {"dense_units": 32, "input_dropout": 0.0, "dropout": 0.0},
    ),
    "unet": (zoo.UNet, at(32, filters=8, depth=2, padding="same", dropout=0.0)),
}
TINY = {
    name: functools.partial(build, **arguments)
    for name, (build, arguments) in _ROWS.items()
}


# families made for photos that no test teaches digits: they get drawn weights
DRAWN = (
    "alexnet",
    "vgg11lrn",
    "googlenet",
    "bninception",
    "inceptionv4",
    "inceptionresnetv1",
    "resnet18",
    "resnet18v2",
    "preluneta",
)
# graphs of many layers
LONG = (
    *("googlenet", "bninception", "inceptionv3", "inceptionv4", "inceptionresnetv1"),
    *("densenet121", "mobilenetv2", "mobilenetv3large"),
)


def images(model: keras.Model, count: int = 2) -> np.ndarray:
    """Random images of the model's size."""
    random = np.random.default_rng(0)
    return random.normal(size=(count, *model.input_shape[1:])).astype("float32")


def graph(build, **arguments) -> str:
    """What a network is made of, but for names of the model and seeds."""
    config = shapes_only(lambda: build(**arguments)).get_config()
    del config["name"]
    return re.sub(r"'seed': \d+", "", str(config))


def of_each_function() -> dict[Callable, list[str]]:
    """The tiny networks that each function builds, by name."""
    found: dict = {}
    for name, build in TINY.items():
        found.setdefault(build.func.__wrapped__, []).append(name)
    return found


def one_a_function() -> list[str]:
    """The first tiny network of each function; what builders share is one of them."""
    return [names[0] for names in of_each_function().values()]


def one_a_family() -> dict:
    """The first tiny network of each family."""
    chosen: dict = {}
    for name, build in TINY.items():
        chosen.setdefault(build.func.network.family, (name, build))
    return dict(chosen.values())


def outputs() -> dict[str, list]:
    """The logits of a network of each family, with drawn weights, for two images."""
    results = {}
    for name, build in one_a_family().items():
        model = randomise(build(classifier_activation=None))
        x = images(model) * np.array([1.0, 0.2], "float32")[:, None, None, None]
        results[name] = model.predict(x, verbose=0).tolist()
    return results


if __name__ == "__main__":
    print(json.dumps(outputs()))
