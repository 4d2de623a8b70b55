"""What one network passes to another."""

from kerasnets.transfer.distillation import distill, with_input_adapter

__all__ = ["distill", "with_input_adapter"]
