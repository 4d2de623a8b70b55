"""From a Keras model to a file: LiteRT, and ONNX and SavedModel by Keras's export."""
