"""The channels of a network, followed from layer to layer, and changed in number."""

from kerasnets.channels.groups import Channels, trace
from kerasnets.channels.rebuilding import rebuilt

__all__ = ["Channels", "rebuilt", "trace"]
