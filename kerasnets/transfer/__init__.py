"""What one network passes to another."""

from kerasnets.transfer.distillation import distiller, fed_with

__all__ = ["distiller", "fed_with"]
