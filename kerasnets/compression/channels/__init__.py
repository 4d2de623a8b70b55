"""Channels removed for real, with Keras and NumPy alone."""

from kerasnets.compression.channels.prune import CRITERIA, prune_channels

__all__ = ["CRITERIA", "prune_channels"]
