"""The networks of ``train_step.py`` as one writes them in plain torch.

Each has the layers of kerasnets' network of the same name. One thing differs: before a
strided 3x3 convolution torch pads on both sides, where Keras's "same" pads at the end
of even sides; cost and parameters are the same, and ``padded_at_end`` makes the outputs
so too.
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

CLASSES = 10


def conv(inputs: int, outputs: int, size: int, stride=1, groups=1, bias=False):
    """Convolution whose output has the side of its input, divided by the stride."""
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=bias)


def conv_bn(inputs: int, outputs: int, size: int, stride=1, groups=1, bias=False):
    """Convolution, BN."""
    return nn.Sequential(
        conv(inputs, outputs, size, stride, groups, bias), nn.BatchNorm2d(outputs)
    )


def bn_relu(channels: int):
    """BN, ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def average_and_classify(channels: int):
    """Global average pooling and the classifier."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)
    )


class BasicBlock(nn.Module):
    """3x3, BN, ReLU, 3x3, BN, + shortcut without parameters (option A), ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = conv_bn(inputs, outputs, 3, stride)
        self.second = conv_bn(outputs, outputs, 3)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x):
        """Maps to maps."""
        y = self.second(functional.relu(self.first(x), inplace=True))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.extra:
            x = functional.pad(x, (0, 0, 0, 0, 0, self.extra))
        return functional.relu(x + y, inplace=True)


def resnet20() -> nn.Module:
    """Three stages of three basic blocks."""
    parts = [conv_bn(3, 16, 3), nn.ReLU(inplace=True)]
    channels = 16
    for filters in (16, 32, 64):
        for block in range(3):
            stride = 2 if filters > 16 and block == 0 else 1
            parts.append(BasicBlock(channels, filters, stride))
            channels = filters
    return nn.Sequential(*parts, average_and_classify(channels))


class PreActivationBlock(nn.Module):
    """BN, ReLU, 3x3, BN, ReLU, 3x3, + input or its projection after the first ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.activate1, self.conv1 = bn_relu(inputs), conv(inputs, outputs, 3, stride)
        self.activate2, self.conv2 = bn_relu(outputs), conv(outputs, outputs, 3)
        same = inputs == outputs
        self.project = None if same else conv(inputs, outputs, 1, stride)

    def forward(self, x):
        """Maps to maps."""
        y = self.activate1(x)
        if self.project is not None:
            x = self.project(y)
        return x + self.conv2(self.activate2(self.conv1(y)))


def wide_resnet16_8() -> nn.Module:
    """Three stages of two blocks, eight times as wide as a ResNet's."""
    channels = 16
    parts: list[nn.Module] = [conv(3, channels, 3)]
    for filters in (128, 256, 512):
        for block in range(2):
            stride = 2 if filters > 128 and block == 0 else 1
            parts.append(PreActivationBlock(channels, filters, stride))
            channels = filters
    return nn.Sequential(*parts, bn_relu(channels), average_and_classify(channels))


class DenseLayer(nn.Module):
    """BN, ReLU, 1x1, BN, ReLU, 3x3; joined to the input."""

    def __init__(self, inputs: int, growth_rate: int):
        super().__init__()
        middle = 4 * growth_rate
        self.parts = nn.Sequential(
            bn_relu(inputs),
            conv(inputs, middle, 1),
            bn_relu(middle),
            conv(middle, growth_rate, 3),
        )

    def forward(self, x):
        """Maps to more maps."""
        return torch.cat([x, self.parts(x)], 1)


def densenet_bc100_12() -> nn.Module:
    """Three blocks of sixteen layers; transitions halve channels and sides."""
    growth_rate = 12
    channels = 2 * growth_rate
    parts: list[nn.Module] = [conv(3, channels, 3)]
    for stage in range(3):
        if stage:
            parts += [
                bn_relu(channels),
                conv(channels, channels // 2, 1),
                nn.AvgPool2d(2),
            ]
            channels //= 2
        for _ in range(16):
            parts.append(DenseLayer(channels, growth_rate))
            channels += growth_rate
    return nn.Sequential(*parts, bn_relu(channels), average_and_classify(channels))


def simpnet300k() -> nn.Module:
    """Thirteen 3x3 convolutions with biases, BN and ReLU; global max pooling."""
    parts, channels = [], 3
    groups = ((30, 40, 40, 40, 50), (50, 50, 50, 50, 58), (58, 70, 90))
    for number, group in enumerate(groups):
        if number:
            parts.append(nn.MaxPool2d(2))
        for filters in group:
            parts += [conv_bn(channels, filters, 3, bias=True), nn.ReLU(inplace=True)]
            channels = filters
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*parts, *head)


class GroupedBottleneck(nn.Module):
    """1x1, BN, ReLU, grouped 3x3, BN, ReLU, 1x1, BN, + shortcut, ReLU."""

    def __init__(
        self, inputs: int, width: int, outputs: int, stride: int, cardinality: int
    ):
        super().__init__()
        self.parts = nn.Sequential(
            conv_bn(inputs, width, 1),
            nn.ReLU(inplace=True),
            conv_bn(width, width, 3, stride, cardinality),
            nn.ReLU(inplace=True),
            conv_bn(width, outputs, 1),
        )
        same = inputs == outputs
        self.project = None if same else conv_bn(inputs, outputs, 1, stride)

    def forward(self, x):
        """Maps to maps."""
        y = self.parts(x)
        if self.project is not None:
            x = self.project(x)
        return functional.relu(x + y, inplace=True)


def resnext29_8x4d() -> nn.Module:
    """Three stages of three blocks with eight groups of 4, 8 and 16 filters."""
    cardinality, channels = 8, 64
    parts = [conv_bn(3, channels, 3), nn.ReLU(inplace=True)]
    for stage in range(3):
        width, outputs = cardinality * 4 * 2**stage, 64 * 2**stage
        for block in range(3):
            stride = 2 if stage and block == 0 else 1
            parts.append(
                GroupedBottleneck(channels, width, outputs, stride, cardinality)
            )
            channels = outputs
    return nn.Sequential(*parts, average_and_classify(channels))


def all_cnn_c() -> nn.Module:
    """Nine convolutions with ReLU, two of them strided; dropout before the stages."""

    def conv_relu(inputs: int, outputs: int, size: int, stride=1):
        return nn.Sequential(
            conv(inputs, outputs, size, stride, bias=True), nn.ReLU(inplace=True)
        )

    return nn.Sequential(
        nn.Dropout(0.2),
        conv_relu(3, 96, 3),
        conv_relu(96, 96, 3),
        conv_relu(96, 96, 3, 2),
        nn.Dropout(0.5),
        conv_relu(96, 192, 3),
        conv_relu(192, 192, 3),
        conv_relu(192, 192, 3, 2),
        nn.Dropout(0.5),
        conv_relu(192, 192, 3),
        conv_relu(192, 192, 1),
        conv_relu(192, CLASSES, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


NETWORKS = {
    "ResNet20": resnet20,
    "WideResNet16_8": wide_resnet16_8,
    "DenseNetBC100_12": densenet_bc100_12,
    "SimpNet300K": simpnet300k,
    "ResNeXt29_8x4d": resnext29_8x4d,
    "AllCNNC": all_cnn_c,
}


def weighted_uses(net: nn.Module, images) -> list[tuple[nn.Module, torch.Size]]:
    """The layers with weights as they are reached, and the shapes of their outputs."""
    uses = []
    handles = [
        module.register_forward_hook(
            lambda module, _, output: uses.append((module, output.shape))
        )
        for module in net.modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter)
    ]
    with torch.inference_mode():
        net(images)
    for handle in handles:
        handle.remove()
    return uses


def madds(uses: list[tuple[nn.Module, torch.Size]]) -> int:
    """Multiply-adds of one image in convolutions and dense layers."""
    return sum(
        shape[1:].numel() * module.weight[0].numel()
        for module, shape in uses
        if isinstance(module, nn.Conv2d | nn.Linear)
    )


def carry_over(
    layers: Sequence[tuple[list[np.ndarray], bool]],
    uses: list[tuple[nn.Module, torch.Size]],
) -> list[nn.Conv2d]:
    """Take the weights of the Keras layers, in the order in which they are reached.

    Branches may be reached in another order here: a layer takes the first weights that
    have its shapes. The wrong ones would show in the output.

    Args:
        layers: of each layer of the Keras model its weights (kernel and bias, or gamma,
            beta, mean and variance), and whether it pads at the end only.
        uses: those of the network, whose weights are overwritten.

    Returns:
        The convolutions that pad at the end only in Keras.

    Raises:
        ValueError: layers here and there differ in number or shapes.
    """
    remaining = [
        ([_torch_layout(array) for array in weights], pads_at_end)
        for weights, pads_at_end in layers
    ]
    at_end = []
    for module, _ in uses:
        own = [
            tensor
            for name in ("weight", "bias", "running_mean", "running_var")
            if (tensor := getattr(module, name, None)) is not None
        ]
        shapes = [tensor.shape for tensor in own]
        found = next(
            (
                number
                for number, (theirs, _) in enumerate(remaining)
                if [tensor.shape for tensor in theirs] == shapes
            ),
            None,
        )
        if found is None:
            raise ValueError(f"kerasnets has no layer like {module}")
        theirs, pads_at_end = remaining.pop(found)
        for mine, value in zip(own, theirs, strict=True):
            mine.data.copy_(value)
        if pads_at_end:
            at_end.append(module)
    if remaining:
        shapes = [tuple(tensor.shape) for left, _ in remaining for tensor in left]
        raise ValueError(f"torch has no layers for weights of the shapes {shapes}")
    return at_end


def _torch_layout(array: np.ndarray) -> torch.Tensor:
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[array.ndim]
    return torch.from_numpy(array.transpose(order).copy())


@contextlib.contextmanager
def padded_at_end(convolutions: Sequence[nn.Conv2d]) -> Iterator[None]:
    """Let 3x3 convolutions of stride 2 pad even sides as "same" does in Keras."""
    before = [convolution.padding for convolution in convolutions]
    handles = [
        convolution.register_forward_pre_hook(
            lambda _, inputs: functional.pad(inputs[0], (0, 1, 0, 1))
        )
        for convolution in convolutions
    ]
    for convolution in convolutions:
        convolution.padding = (0, 0)
    try:
        yield
    finally:
        for convolution, padding, handle in zip(
            convolutions, before, handles, strict=True
        ):
            convolution.padding = padding
            handle.remove()
