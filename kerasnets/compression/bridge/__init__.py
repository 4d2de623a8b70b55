"""From Keras 3 to tf_keras and back; the only importer of tf_keras beside the steps."""

from kerasnets.compression.bridge.convert import (
    TOLERANCE,
    check_equal,
    from_tf_keras,
    names_in_tf_keras,
    to_tf_keras,
)
from kerasnets.compression.bridge.counterparts import register_counterpart
from kerasnets.compression.bridge.wrappers import KerasInside

__all__ = [
    "TOLERANCE",
    "KerasInside",
    "check_equal",
    "from_tf_keras",
    "names_in_tf_keras",
    "register_counterpart",
    "to_tf_keras",
]
