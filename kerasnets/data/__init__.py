"""Where images come from, and the batches that are made of them.

TensorFlow and TFDS are imported when a pipeline or a TFDS set is first used: decoding
an image costs neither.
"""

from kerasnets.data.augment import Augment, View, some_pixels
from kerasnets.data.checks import check_source
from kerasnets.data.decoded import Split
from kerasnets.data.encoded import EncodedSplit
from kerasnets.data.feed import Feed, SharedFeed
from kerasnets.data.image_store import ImageStore
from kerasnets.data.images import (
    Window,
    decode_image,
    read_image,
    resize_images,
    to_channels,
)
from kerasnets.data.mixing import Mix
from kerasnets.data.pipeline import Batches, batches, images_at_once
from kerasnets.data.sources import (
    Examples,
    LeftOut,
    Source,
    check_class_names,
    open_source,
)
from kerasnets.data.splits import spread
from kerasnets.data.store import (
    PreparedData,
    load_prepared,
    prepare,
)
from kerasnets.data.views import (
    AreaCrop,
    CentreCrop,
    CornerCrop,
    Crop,
    CropBatches,
    RandomCrop,
    crop_batches,
    whole_image,
)

__all__ = [
    "AreaCrop",
    "Augment",
    "Batches",
    "CentreCrop",
    "CornerCrop",
    "Crop",
    "CropBatches",
    "EncodedSplit",
    "Examples",
    "Feed",
    "ImageStore",
    "LeftOut",
    "Mix",
    "PreparedData",
    "RandomCrop",
    "SharedFeed",
    "Source",
    "Split",
    "View",
    "Window",
    "batches",
    "check_class_names",
    "check_source",
    "crop_batches",
    "decode_image",
    "images_at_once",
    "load_prepared",
    "open_source",
    "prepare",
    "read_image",
    "resize_images",
    "some_pixels",
    "spread",
    "to_channels",
    "whole_image",
]
