"""Exported files tried out and run, without TensorFlow."""
