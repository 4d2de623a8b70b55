"""Whether other pixels than those found explain a file or its model better.

File and model may agree and both be wrong: the conventions in use are tried on some of
the examples.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from kerasnets.export.verification.comparison import NOTICEABLE, picked
from kerasnets.export.verification.io_matching import IOMatching
from kerasnets.pixels import CAFFE, RAW, TORCH, UNIT, Preprocessing, describe

# enough to see that a file or a model was made for other pixels
_SOME = 64
_BATCH = 32
_CONVENTIONS = (RAW, Preprocessing((0.0,) * 3, (255.0,) * 3), UNIT, TORCH, CAFFE)
# In units of the deviation of a draw: one in thirty thousand is beyond by chance.
_CERTAIN = 4.0


def other_pixels(
    matching: IOMatching, arrays: Sequence[np.ndarray], labels: np.ndarray | None
) -> Iterator[str]:
    """Yield a line where other pixels than those found explain file or model better.

    A file with a wrong normalisation answers like the model does for pixels that are
    preprocessed otherwise. A model whose own pixels were found wrongly is right more
    often with other ones, beyond chance.
    """
    if not matching.are_pixels(arrays) or len(matching.model.outputs[0].shape) != 2:
        return
    some, wanted = picked(arrays, _SOME), matching.preprocessing
    truth = None
    if labels is not None and matching.classes and not matching.pixels_stated:
        (truth,) = picked([np.asarray(labels)], _SOME)
    answers = matching.file.predict(matching.file_inputs(some))[0]
    ours = _expected(matching, some, wanted)
    others = [one.fitted(wanted.size, some[0].shape[-1]) for one in _CONVENTIONS]
    found = [_expected(matching, some, other) for other in others]
    far, *distances = (np.abs(answers - x).mean() for x in (ours, *found))
    nearest = int(np.argmin(distances))
    if far > NOTICEABLE and distances[nearest] < far / 4:
        yield (
            f"the file answers like the model does for {describe(others[nearest])}; the"
            f" model wants {describe(wanted)}"
        )
    for other, theirs in zip(others, found, strict=True):
        if truth is not None and _is_righter(theirs, ours, truth):
            right, more = (np.mean(x.argmax(axis=-1) == truth) for x in (ours, theirs))
            yield (
                f"the model is right on {right:.2%} of {len(truth)} images with"
                f" {describe(wanted)}, and on {more:.2%} with {describe(other)}: say"
                " which it wants, --pixels or pixels="
            )


def _expected(
    matching: IOMatching, arrays: Sequence[np.ndarray], pixels: Preprocessing
) -> np.ndarray:
    """What the file should answer if the model wanted these pixels."""
    starts = range(0, len(arrays[0]), _BATCH)
    batches = ([array[i : i + _BATCH] for array in arrays] for i in starts)
    return np.concatenate([matching.expected(batch, pixels)[0] for batch in batches])


def _is_righter(answers: np.ndarray, ours: np.ndarray, truth: np.ndarray) -> bool:
    """Whether answers are right more often, beyond chance (McNemar's test)."""
    there, here = (scores.argmax(axis=-1) == truth for scores in (answers, ours))
    gained, lost = np.sum(there & ~here), np.sum(here & ~there)
    return bool(gained - lost >= _CERTAIN * math.sqrt(max(gained + lost, 1)))
