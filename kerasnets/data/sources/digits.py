"""Scikit-learn's handwritten digits, as a TFDS set of our own."""

import dataclasses
import tempfile

from kerasnets.data.sources.source import Examples, Source


def open_digits(spec: str) -> Source:
    """The 1,797 digits."""
    return Source(spec, "digits/1.0.0", _load)


def _load() -> Examples:
    """TFDS's files of the digits live no longer than the call."""
    # TFDS takes seconds to import
    from kerasnets.data.digits.digits_dataset_builder import LICENCE, Builder
    from kerasnets.data.sources.tfds import load_builder, prepare_builder

    with tempfile.TemporaryDirectory() as folder:
        builder = Builder(data_dir=folder)
        prepare_builder(builder)
        examples = load_builder(builder)
        contents = list(examples.contents())
    return dataclasses.replace(
        examples, licence=LICENCE, contents=lambda: iter(contents)
    )
