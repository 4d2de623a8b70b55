"""Whether an exported file answers like its Keras model, and where it does not."""
