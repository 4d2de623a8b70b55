"""All that can be known of a set before an image is decoded."""

from collections import defaultdict

import numpy as np

from kerasnets.data.formats import kinds_read
from kerasnets.data.sources.source import (
    Examples,
    Source,
    check_class_names,
    complaint,
    count_kinds,
)
from kerasnets.data.splits import split_indices
from kerasnets.errors import KerasnetsError


def check_source(
    source: Source, *, seed: int = 0, skip_bad_images: bool = False
) -> Examples:
    """Load a set and check all that can be known before an image is decoded.

    Args:
        source: The set.
        seed: Of the splits.
        skip_bad_images: Leave out, however many they are, files that are called like
            images and are none, links to no file, pictures that lie in two classes, and
            pictures of kinds that are not read.

    Raises:
        KerasnetsError: There is a bad image or one that lies in two classes; most
            pictures of a class are of kinds that are not read; there is one class only,
            or one with too few images for the splits.
    """
    examples = source.load()
    faults = [each.fault for each in examples.left_out if each.fault]
    if not skip_bad_images:
        if faults:
            raise KerasnetsError(complaint(faults))
        _check_unread(source.spec, examples)
    check_class_names(examples.class_names)
    if len(examples.class_names) < 2:
        raise KerasnetsError(f"{source.spec} has one class; two or more are needed")
    split_indices(
        examples.labels, examples.parts, examples.ids, examples.class_names, seed
    )
    return examples


def _check_unread(spec: str, examples: Examples) -> None:
    """Raise where most pictures of a class are of kinds that are not read."""
    read = np.bincount(examples.labels, minlength=len(examples.class_names))
    unread = defaultdict(list)
    for each in examples.left_out:
        if each.is_picture:
            unread[each.class_name].append(each)
    for name, count in zip(examples.class_names, read.tolist(), strict=True):
        if len(unread[name]) > count:
            kinds = [f"{n} {kind}" for kind, n in count_kinds(unread[name]).items()]
            raise KerasnetsError(
                f"{spec}: of the {count + len(unread[name])} pictures of class "
                f"{name!r} {len(unread[name])} are not read: {', '.join(kinds)}; "
                f"{kinds_read()} are; give --skip-bad-images to do without them"
            )
