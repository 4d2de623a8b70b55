"""DenseNet against keras.applications and Table 1 of the paper."""

import keras
import numpy as np
import pytest

from kerasnets.applications.densenet import (
    DenseNet121,
    DenseNet161,
    DenseNet169,
    DenseNet201,
    DenseNet264,
)
from kerasnets.pretrained import from_keras

SMALL = (32, 32, 3)


def randomise(model, seed):
    """Weights and batch-norm statistics as after some training."""
    random = np.random.default_rng(seed)
    for variable in model.variables:
        if "variance" in variable.path or "gamma" in variable.path:
            value = random.uniform(0.5, 1.5, variable.shape)
        elif "kernel" in variable.path:
            fan_in = np.prod(variable.shape[:-1])
            value = random.normal(0, np.sqrt(2 / fan_in), variable.shape)
        else:
            value = random.normal(0, 0.2, variable.shape)
        variable.assign(value)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (DenseNet121, (75, 64, 3)),
        (DenseNet169, SMALL),
        (DenseNet201, SMALL),
    ],
)
def test_output_equals_keras_applications(build, shape):
    ours = build(shape, classes=20, classifier_activation=None)
    theirs = getattr(keras.applications, build.network.keras.builder)(
        weights=None, input_shape=shape, classes=20, classifier_activation=None
    )
    randomise(theirs, seed=shape[0])
    from_keras(ours, theirs, build.network.keras)
    x = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    expected = np.asarray(theirs(x))
    scale = np.abs(expected).max()
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * scale
    np.testing.assert_allclose(ours(x), expected, rtol=0, atol=1e-5 * scale)


# Table 1: layers of each block, sides of its map; channels are k0 + n k, halved by
# the transitions
@pytest.mark.parametrize(
    ("build", "layers", "channels", "halved"),
    [
        (DenseNet121, (6, 12, 24, 16), (256, 512, 1024, 1024), (128, 256, 512)),
        (DenseNet161, (6, 12, 36, 24), (384, 768, 2112, 2208), (192, 384, 1056)),
        (DenseNet169, (6, 12, 32, 32), (256, 512, 1280, 1664), (128, 256, 640)),
        (DenseNet201, (6, 12, 48, 32), (256, 512, 1792, 1920), (128, 256, 896)),
        (DenseNet264, (6, 12, 64, 48), (256, 512, 2304, 2688), (128, 256, 1152)),
    ],
)
def test_blocks_and_transitions_are_those_of_table_1(build, layers, channels, halved):
    model = build()
    sides = (56, 28, 14, 7)
    assert model.get_layer("stem_conv").output.shape[1:3] == (112, 112)
    for stage, (count, side, width) in enumerate(
        zip(layers, sides, channels, strict=True), start=1
    ):
        last = model.get_layer(f"stage{stage}_block{count}_concat")
        assert last.output.shape[1:] == (side, side, width)
    for stage, width in enumerate(halved, start=1):
        pool = model.get_layer(f"transition{stage}_pool")
        assert isinstance(pool, keras.layers.AveragePooling2D)
        assert pool.output.shape[1:] == (sides[stage], sides[stage], width)
    names = [layer.name for layer in model.layers]
    assert sum("_concat" in name for name in names) == sum(layers)


def test_a_layer_sees_all_maps_before_it_and_adds_k():
    k = 48
    layer = DenseNet161(SMALL).get_layer
    assert layer("stem_pool_pad").input is layer("stem_relu").output
    for number in range(1, 7):
        name = f"stage1_block{number}"
        before = layer(
            f"stage1_block{number - 1}_concat" if number > 1 else "stem_pool"
        )
        assert before.output.shape[-1] == 2 * k + (number - 1) * k
        path = ["1_bn", "1_relu", "1_conv", "2_bn", "2_relu", "2_conv"]
        x = before.output
        for part in path:
            assert layer(f"{name}_{part}").input is x
            x = layer(f"{name}_{part}").output
        assert layer(f"{name}_1_conv").kernel.shape[:2] == (1, 1)
        assert layer(f"{name}_1_conv").filters == 4 * k
        assert layer(f"{name}_2_conv").kernel.shape[:2] == (3, 3)
        joined = layer(f"{name}_concat").input
        assert joined[0] is before.output
        assert joined[1] is x
        assert x.shape[-1] == k
    assert layer("final_bn").input is layer("stage4_block24_concat").output
    assert layer("avg_pool").input is layer("final_relu").output
