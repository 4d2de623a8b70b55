"""One seed for everything that draws."""

import keras


def seed_everything(seed: int) -> None:
    """Make what follows in this process repeat bit for bit on a CPU.

    Seeds Python, NumPy and TensorFlow and switches TensorFlow to deterministic
    operations: the seed alone leaves threads to add in any order. Names that Keras
    makes up start from one again.
    """
    import tensorflow as tf

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
