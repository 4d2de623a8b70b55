"""One seed for everything that draws, and a clean start."""

import ctypes
import gc
import random

import keras
import numpy as np


def seed_everything(seed: int) -> None:
    """Make what follows in this process repeat bit for bit on a CPU.

    Seeds Python, NumPy and the backend and switches TensorFlow to deterministic
    operations: the seed alone leaves threads to add in any order. Names that Keras
    makes up start from one again.
    """
    release_memory()
    if keras.backend.backend() == "jax":
        # all that Keras seeds there: its own function imports TensorFlow, where it is
        random.seed(seed)
        np.random.seed(seed)
        return
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def release_memory() -> None:
    """Give back what models that are no longer used have held.

    Compiled training steps lie in reference cycles, and the C library keeps what was
    freed: a search would grow by some 50 MB more a trial.
    """
    keras.backend.clear_session()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
