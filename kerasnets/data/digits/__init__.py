"""The handwritten digits of scikit-learn as a TFDS data set."""
