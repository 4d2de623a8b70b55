"""What all tests share."""

import os

# before TensorFlow is first imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
