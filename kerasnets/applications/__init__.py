"""The zoo: one family a file, every network by name.

``kerasnets.applications.MobileNet(alpha=0.5)`` is the builder itself,
``kerasnets.applications.build("mobilenet", alpha=0.5)`` the same by its name.
"""

import difflib
from collections.abc import Callable, Iterator
from types import ModuleType

import keras

from kerasnets.applications import (
    alexnet,
    all_cnn,
    bn_inception,
    densenet,
    dsn,
    fitnet,
    googlenet,
    highway,
    inception_resnet,
    inception_v3,
    inception_v4,
    lenet,
    maxout,
    mobilenet,
    mobilenet_v2,
    mobilenet_v3,
    nin,
    prelu_net,
    resnet,
    resnet_cifar,
    resnet_cifar_v2,
    resnet_v2,
    resnext,
    simplenet,
    simpnet,
    squeezenet,
    unet,
    vgg,
    wide_resnet,
)
from kerasnets.applications.alexnet import (
    AlexNet as AlexNet,
    AlexNetOWT as AlexNetOWT,
    AlexNetSingleTower as AlexNetSingleTower,
)
from kerasnets.applications.all_cnn import (
    AllCNNA as AllCNNA,
    AllCNNB as AllCNNB,
    AllCNNBImageNet as AllCNNBImageNet,
    AllCNNC as AllCNNC,
    BaseCNNA as BaseCNNA,
    BaseCNNB as BaseCNNB,
    BaseCNNC as BaseCNNC,
    ConvPoolCNNA as ConvPoolCNNA,
    ConvPoolCNNB as ConvPoolCNNB,
    ConvPoolCNNC as ConvPoolCNNC,
    StridedCNNA as StridedCNNA,
    StridedCNNB as StridedCNNB,
    StridedCNNC as StridedCNNC,
)
from kerasnets.applications.auxiliary import (
    loss_weights as loss_weights,
    without_auxiliary as without_auxiliary,
)
from kerasnets.applications.bn_inception import (
    BNInception as BNInception,
    BNInceptionPlain as BNInceptionPlain,
    BNInceptionSlim as BNInceptionSlim,
)
from kerasnets.applications.builder import ONE_ANSWER
from kerasnets.applications.dense_evaluation import (
    to_fully_convolutional as to_fully_convolutional,
)
from kerasnets.applications.densenet import (
    DenseNet40_12 as DenseNet40_12,
    DenseNet100_12 as DenseNet100_12,
    DenseNet100_24 as DenseNet100_24,
    DenseNet121 as DenseNet121,
    DenseNet161 as DenseNet161,
    DenseNet169 as DenseNet169,
    DenseNet201 as DenseNet201,
    DenseNet264 as DenseNet264,
    DenseNetBC100_12 as DenseNetBC100_12,
    DenseNetBC190_40 as DenseNetBC190_40,
    DenseNetBC250_24 as DenseNetBC250_24,
)
from kerasnets.applications.dsn import (
    DSN as DSN,
)
from kerasnets.applications.fitnet import (
    FitNet1 as FitNet1,
    FitNet2 as FitNet2,
    FitNet3 as FitNet3,
    FitNet3Wide as FitNet3Wide,
    FitNet4 as FitNet4,
)
from kerasnets.applications.googlenet import (
    GoogLeNet as GoogLeNet,
    GoogLeNetBN as GoogLeNetBN,
)
from kerasnets.applications.highway import (
    Highway10 as Highway10,
    Highway19 as Highway19,
)
from kerasnets.applications.inception_resnet import (
    InceptionResNetV1 as InceptionResNetV1,
    InceptionResNetV2 as InceptionResNetV2,
    InceptionResNetV2Drawn as InceptionResNetV2Drawn,
)
from kerasnets.applications.inception_v3 import (
    InceptionV3 as InceptionV3,
)
from kerasnets.applications.inception_v4 import (
    InceptionV4 as InceptionV4,
)
from kerasnets.applications.lenet import (
    LeNet1 as LeNet1,
    LeNet1Original as LeNet1Original,
    LeNet4 as LeNet4,
    LeNet5 as LeNet5,
    LeNet5Original as LeNet5Original,
)
from kerasnets.applications.maxout import (
    MaxoutCIFAR10 as MaxoutCIFAR10,
)
from kerasnets.applications.mobilenet import (
    ConvMobileNet as ConvMobileNet,
    MobileNet as MobileNet,
    ShallowMobileNet as ShallowMobileNet,
)
from kerasnets.applications.mobilenet_v2 import (
    MobileNetV2 as MobileNetV2,
)
from kerasnets.applications.mobilenet_v3 import (
    MobileNetV3Large as MobileNetV3Large,
    MobileNetV3Small as MobileNetV3Small,
)
from kerasnets.applications.nin import (
    NINCIFAR10 as NINCIFAR10,
    NINCIFAR100 as NINCIFAR100,
    NINImageNet as NINImageNet,
)
from kerasnets.applications.prelu_net import (
    PReLUNetA as PReLUNetA,
    PReLUNetB as PReLUNetB,
    PReLUNetC as PReLUNetC,
)
from kerasnets.applications.resnet import (
    Plain18 as Plain18,
    Plain34 as Plain34,
    ResNet18 as ResNet18,
    ResNet34 as ResNet34,
    ResNet50 as ResNet50,
    ResNet101 as ResNet101,
    ResNet152 as ResNet152,
)
from kerasnets.applications.resnet_cifar import (
    Plain20 as Plain20,
    Plain32 as Plain32,
    Plain44 as Plain44,
    Plain56 as Plain56,
    Plain110 as Plain110,
    Plain1202 as Plain1202,
    ResNet20 as ResNet20,
    ResNet32 as ResNet32,
    ResNet44 as ResNet44,
    ResNet56 as ResNet56,
    ResNet110 as ResNet110,
    ResNet1202 as ResNet1202,
    StochasticDepthResNet110 as StochasticDepthResNet110,
    StochasticDepthResNet1202 as StochasticDepthResNet1202,
)
from kerasnets.applications.resnet_cifar_v2 import (
    ResNet110V2 as ResNet110V2,
    ResNet164V2 as ResNet164V2,
    ResNet1001V2 as ResNet1001V2,
)
from kerasnets.applications.resnet_v2 import (
    ResNet18V2 as ResNet18V2,
    ResNet34V2 as ResNet34V2,
    ResNet50V2 as ResNet50V2,
    ResNet101V2 as ResNet101V2,
    ResNet152V2 as ResNet152V2,
    ResNet200V2 as ResNet200V2,
)
from kerasnets.applications.resnext import (
    ResNeXt29_8x64d as ResNeXt29_8x64d,
    ResNeXt29_16x64d as ResNeXt29_16x64d,
    ResNeXt50_32x4d as ResNeXt50_32x4d,
    ResNeXt101_32x4d as ResNeXt101_32x4d,
    ResNeXt101_64x4d as ResNeXt101_64x4d,
)
from kerasnets.applications.simplenet import (
    SimpleNet as SimpleNet,
    SimpleNet5M_M1 as SimpleNet5M_M1,
    SimpleNet5M_M2 as SimpleNet5M_M2,
    SimpleNet9M_M1 as SimpleNet9M_M1,
    SimpleNet9M_M2 as SimpleNet9M_M2,
    SimpleNet310K as SimpleNet310K,
    SimpleNet310KMNIST as SimpleNet310KMNIST,
    SimpleNet460K as SimpleNet460K,
    SimpleNetSmall050_M2 as SimpleNetSmall050_M2,
    SimpleNetSmall075_M2 as SimpleNetSmall075_M2,
    SimpleNetTorch as SimpleNetTorch,
)
from kerasnets.applications.simpnet import (
    SimpNet1M as SimpNet1M,
    SimpNet5_4M as SimpNet5_4M,
    SimpNet8_9M as SimpNet8_9M,
    SimpNet8_9MCIFAR100 as SimpNet8_9MCIFAR100,
    SimpNet300K as SimpNet300K,
    SimpNet300KCIFAR100 as SimpNet300KCIFAR100,
    SimpNet300KMNIST as SimpNet300KMNIST,
    SimpNet600K as SimpNet600K,
    SimpNetMNIST as SimpNetMNIST,
)
from kerasnets.applications.squeezenet import (
    SqueezeNet1_0 as SqueezeNet1_0,
    SqueezeNet1_1 as SqueezeNet1_1,
    SqueezeNetCIFAR as SqueezeNetCIFAR,
    SqueezeNetCIFARBN as SqueezeNetCIFARBN,
)
from kerasnets.applications.unet import (
    UNet as UNet,
    unet_with_encoder as unet_with_encoder,
)
from kerasnets.applications.vgg import (
    VGG11 as VGG11,
    VGG11LRN as VGG11LRN,
    VGG13 as VGG13,
    VGG16 as VGG16,
    VGG16BN as VGG16BN,
    VGG16C as VGG16C,
    VGG19 as VGG19,
)
from kerasnets.applications.wide_resnet import (
    WideResNet16_8 as WideResNet16_8,
    WideResNet16_10 as WideResNet16_10,
    WideResNet22_8 as WideResNet22_8,
    WideResNet28_10 as WideResNet28_10,
    WideResNet40_1 as WideResNet40_1,
    WideResNet40_2 as WideResNet40_2,
    WideResNet40_4 as WideResNet40_4,
    WideResNet40_8 as WideResNet40_8,
    WideResNet50_2 as WideResNet50_2,
)
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing, pixels_of

# in the order of `kerasnets list`
_FAMILIES = (
    lenet,
    alexnet,
    maxout,
    nin,
    vgg,
    googlenet,
    dsn,
    fitnet,
    all_cnn,
    prelu_net,
    bn_inception,
    inception_v3,
    inception_v4,
    inception_resnet,
    highway,
    unet,
    resnet,
    resnet_cifar,
    resnet_v2,
    resnet_cifar_v2,
    wide_resnet,
    resnext,
    densenet,
    squeezenet,
    simplenet,
    simpnet,
    mobilenet,
    mobilenet_v2,
    mobilenet_v3,
)


def _builders(families: tuple[ModuleType, ...]) -> Iterator[tuple[str, Callable]]:
    """(name, builder) of every network: the rows of the families say their names."""
    for family in families:
        for value in vars(family).values():
            if hasattr(value, "network"):
                yield value.network.name.lower(), value


BUILDERS: dict[str, Callable[..., keras.Model]] = dict(_builders(_FAMILIES))


def get(name: str) -> Callable[..., keras.Model]:
    """The builder of that name; case, "-" and "_" do not matter.

    Raises:
        KerasnetsError: no network has that name.
    """
    key = _plain(name)
    for known, builder in BUILDERS.items():
        if _plain(known) == key:
            return builder
    close = difflib.get_close_matches(name.lower(), BUILDERS, n=3, cutoff=0.5)
    known = f"did you mean {' or '.join(close)}?" if close else "see `kerasnets list`"
    raise KerasnetsError(f"network {name!r} is unknown: {known}")


def build(name: str, **arguments) -> keras.Model:
    """Build a network by its name with the arguments of its builder.

    Raises:
        KerasnetsError: no network has that name, or an argument is out of range.
    """
    return get(name)(**arguments)


def check_classifier(name: str) -> None:
    """Raise where no network has that name, or where it does not classify images."""
    network = get(name).network  # type: ignore[attr-defined]
    if network.answer != ONE_ANSWER:
        raise KerasnetsError(
            f"network {name!r} classifies the pixels of an image, not the image: see "
            "`kerasnets list` for others"
        )


def preprocessing(model: keras.Model) -> Preprocessing:
    """What must be done to pixels before ``model`` sees them: see ``pixels_of``.

    Raises:
        KerasnetsError: It is a model of unknown origin.
    """
    return pixels_of(model)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
