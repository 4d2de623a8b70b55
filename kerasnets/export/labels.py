"""Class names that a label file can carry: text, one a line."""

from collections.abc import Sequence

from kerasnets.errors import KerasnetsError


def check_labels(labels: Sequence[str]) -> None:
    """Raise unless a label file can carry these class names.

    Commands ask before they train, since files are written last.

    Args:
        labels: Class names.

    Raises:
        KerasnetsError: One is empty, breaks over lines or is no Unicode text, as a
            folder's name may be.
    """
    for label in labels:
        try:
            label.encode()
        except UnicodeEncodeError as error:
            raise KerasnetsError(
                f"the class name {label!a} is not text in UTF-8, so that no label"
                " file can carry it: rename the class"
            ) from error
        if label.splitlines() != [label]:
            raise KerasnetsError(
                f"the class name {label!r} is not one line of text, so that no label"
                " file can carry it: rename the class"
            )
