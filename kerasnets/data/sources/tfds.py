"""Images from TFDS: of a set that lies in its folder; nothing is fetched unasked."""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from kerasnets.data.sources.source import (
    Examples,
    LeftOut,
    Source,
    check_class_names,
)
from kerasnets.errors import KerasnetsError


def open_tfds(spec: str, name: str) -> Source:
    """The TFDS set of that name, which must have been prepared before.

    Raises:
        KerasnetsError: There is none, it is not one for image classification, or it is
            not in TFDS's folder.
    """
    builder = find_builder(name)
    check_class_names(_class_names(builder))
    if not builder.is_prepared():
        raise KerasnetsError(
            f"{spec} is not in {builder.data_path}: give --download to fetch and "
            "prepare it, or name the folder in which it lies in TFDS_DATA_DIR"
        )
    return Source(spec, builder.info.full_name, lambda: load_builder(builder))


def find_builder(name: str) -> tfds.core.DatasetBuilder:
    """The TFDS set of that name.

    Raises:
        KerasnetsError: There is none, or it is not one for image classification.
    """
    try:
        builder = tfds.builder(name, try_gcs=False)
    except Exception as error:  # parser, registry and configurations have their own
        raise KerasnetsError(
            f"tfds:{name} is unknown to TFDS: {_first_line(error)}"
        ) from error
    _keys(builder)
    return builder


def prepare_builder(builder: tfds.core.DatasetBuilder) -> None:
    """Fetch and prepare a TFDS set, unless it is there.

    Raises:
        KerasnetsError: That cannot be done, most often for lack of a network.
    """
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it announces itself
            builder.download_and_prepare()
    except Exception as error:  # TFDS lets through whatever its downloader raises
        raise KerasnetsError(
            f"tfds:{builder.info.name} cannot be prepared here: {_first_line(error)}; "
            "prepare it where there is a network and name its folder in TFDS_DATA_DIR"
        ) from error


def load_builder(builder: tfds.core.DatasetBuilder) -> Examples:
    """Read the labels of a TFDS set that was prepared.

    Its splits train, validation and test are used, all splits if none is called train;
    images without a label (-1, in the test splits of competitions) are not.
    """
    image, label = _keys(builder)
    named = [s for s in ("train", "validation", "test") if s in builder.info.splits]
    has_parts = "train" in named
    splits = named if has_parts else sorted(builder.info.splits)
    labels = {
        split: np.array([x[label] for x in _encoded(builder, split, image)], "int64")
        for split in splits
    }
    used = [(s, int(i)) for s in splits for i in np.flatnonzero(labels[s] >= 0)]

    def contents() -> Iterator[bytes]:
        for split in splits:
            for example in _encoded(builder, split, image):
                if example[label] >= 0:
                    yield example[image]

    return Examples(
        class_names=_class_names(builder),
        licence=f"see {builder.info.homepage or 'the page of the data set in TFDS'}",
        ids=tuple(f"{split}/{i}" for split, i in used),
        labels=np.array([labels[split][i] for split, i in used], "int64"),
        parts=tuple(split if has_parts else "" for split, _ in used),
        contents=contents,
        left_out=tuple(
            LeftOut(f"{split}/{i}", "", "image without a label")
            for split in splits
            for i in np.flatnonzero(labels[split] < 0)
        ),
    )


def _features(builder: tfds.core.DatasetBuilder) -> dict[str, Any]:
    features: Any = builder.info.features
    return dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}


def _class_names(builder: tfds.core.DatasetBuilder) -> tuple[str, ...]:
    return tuple(_features(builder)[_keys(builder)[1]].names)


def _keys(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    """The names of the features that hold the image and its class."""
    features = _features(builder)
    images = [k for k, f in features.items() if isinstance(f, tfds.features.Image)]
    labels = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    if not images or not labels:
        raise KerasnetsError(
            f"tfds:{builder.info.name} has the features {', '.join(features)}: an "
            "image and a class label are needed"
        )
    # which of several, the set says itself
    chosen = builder.info.supervised_keys or ()
    image = next((k for k in images if k in chosen), images[0])
    return image, next((k for k in labels if k in chosen), labels[0])


def _encoded(builder: Any, split: str, image: str):
    """The examples of a split in the order of its files, images still encoded."""
    return tfds.as_numpy(
        builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders={image: tfds.decode.SkipDecoding()},
        )
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
