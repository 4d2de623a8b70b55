"""What all tests share."""

import os

# before TensorFlow is first imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_collection_modifyitems(items):
    """The slow ones first: no worker is left with them in the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
