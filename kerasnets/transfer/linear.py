"""A linear classifier on CNN codes, and the network that ends in it."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.graph import maker
from kerasnets.progress import Progress, silent

# inverse strength of the regularisation of standardised codes
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# what may stand behind a classifier's weights: what is scaled before is scaled after
_SCALES_THROUGH = (
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Dropout,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
)


@dataclass(frozen=True)
class LinearClassifier:
    """A linear classifier of codes.

    Attributes:
        kernel: Float64 (features, classes); the standardisation is folded in.
        bias: Float64 (classes,), likewise.
        strength: scikit-learn's C, chosen by that accuracy.
        accuracy: Share of the validation codes that it gets right, or in
            cross-validation of the training codes.
        tried: That accuracy for each C.
    """

    kernel: np.ndarray
    bias: np.ndarray
    strength: float
    accuracy: float
    tried: dict[float, float]

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Return float64 scores (codes, classes); for softmax they are logits."""
        return codes @ self.kernel + self.bias


def fit_linear(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    kind: Literal["softmax", "svm"] = "softmax",
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 5,
    seed: int = 0,
    progress: Progress = silent,
) -> LinearClassifier:
    """Fit a linear classifier to standardised codes by scikit-learn.

    Of equally accurate ones the most regularised is taken.

    Args:
        train: Codes (images, features) and their labels, 0 to classes - 1.
        validation: Others, which choose C. None where there are too few to spare any:
            cross-validation on the training images chooses then, and all of them
            teach.
        kind: "softmax" (multinomial logistic regression) or "svm" (a linear SVM with
            squared hinge for each class against the rest).
        strengths: The values of C to try.
        folds: Of the cross-validation; fewer where a class has fewer images.
        seed: Of the SVM's order, and of the folds.
        progress: Told how many values of C are tried.

    Raises:
        KerasnetsError: The codes are not finite, labels do not fit them, or a class has
            no training image (without validation images: fewer than two).
    """
    if kind not in ("softmax", "svm"):
        raise KerasnetsError(f"kind {kind!r} is unknown: softmax, svm")
    given = {"train": train} | ({"validation": validation} if validation else {})
    for name, (codes, labels) in given.items():
        _check(name, codes, labels, np.shape(train[0])[-1])
    classes = max(int(np.max(labels)) for _, labels in given.values()) + 1
    counts = np.bincount(train[1], minlength=max(classes, 2))
    least = 1 if validation else 2
    if counts.min() < least:
        few = int(counts.argmin())
        raise KerasnetsError(
            f"class {few} has {counts[few] or 'no'} training image: at least {least} "
            "of each of two or more classes is needed"
        )
    tried: dict[float, float] = {}
    fitted: dict[float, tuple[np.ndarray, np.ndarray]] = {}
    folds = min(folds, int(counts.min()))
    for done, strength in enumerate(sorted(strengths), start=1):
        if validation:
            fitted[strength] = _fit(*train, kind, strength, seed)
            right = _right(*fitted[strength], *validation)
        else:
            right = _cross_validated(*train, kind, strength, folds, seed)
        tried[strength] = float(right.mean())
        progress(done, len(strengths), f"C {strength:g}")
    best = max(tried, key=lambda strength: tried[strength])  # the first of equals
    kernel, bias = fitted.get(best) or _fit(*train, kind, best, seed)
    return LinearClassifier(kernel, bias, best, tried[best], tried)


def _right(
    kernel: np.ndarray, bias: np.ndarray, codes: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Of which codes the label has the largest score."""
    return (codes @ kernel + bias).argmax(axis=1) == labels


def _cross_validated(
    codes: np.ndarray,
    labels: np.ndarray,
    kind: str,
    strength: float,
    folds: int,
    seed: int,
) -> np.ndarray:
    """Of which codes a classifier of the other folds is right."""
    from sklearn.model_selection import StratifiedKFold

    right = np.zeros(len(labels), bool)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for learned, asked in parts.split(codes, labels):
        fitted = _fit(codes[learned], labels[learned], kind, strength, seed)
        right[asked] = _right(*fitted, codes[asked], labels[asked])
    return right


def with_linear(body: keras.Model, classifier: LinearClassifier) -> keras.Model:
    """Return the network that ends in a linear classifier on its codes.

    Args:
        body: From images to codes, as ``transfer.body`` gives it.
        classifier: Of such codes.

    Returns:
        A model from images to logits (batch, classes), the last layer a dense one
        called "logits"; the layers of ``body`` are its own.

    Raises:
        KerasnetsError: The classifier is of codes of another length.
    """
    features, classes = classifier.kernel.shape
    if body.output_shape != (None, features):
        raise KerasnetsError(
            f"{body.name!r} gives {body.output_shape}, the classifier takes codes of "
            f"{features} features"
        )
    head = keras.layers.Dense(classes, dtype="float32", name="logits")
    name = body.name.removesuffix("_codes")
    model = keras.Model(body.inputs, head(body.output), name=name)
    head.set_weights([classifier.kernel, classifier.bias])
    return model


def with_temperature(model: keras.Model, temperature: float) -> keras.Model:
    """Divide a network's logits by a temperature, inside its last weights.

    Args:
        model: From images to logits; it is changed in place. The last of its layers
            that has weights is a dense one or a convolution, without activation.
        temperature: Above 0, as ``evaluation.fit_temperature`` finds it.

    Returns:
        The model.

    Raises:
        KerasnetsError: It ends otherwise, or the temperature is not above 0.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise KerasnetsError(f"temperature {temperature:g}: above 0 is accepted")
    layer = classifier_of(model)
    layer.set_weights([weights / temperature for weights in layer.get_weights()])
    return model


def classifier_of(model: keras.Model) -> Any:
    """The last layer with weights, whose values are the logits but for their place."""
    call = maker(model.outputs[0])
    while isinstance(call.operation, _SCALES_THROUGH) or _is_linear(call.operation):
        call = maker(call.inputs[0])
    layer = call.operation
    kinds = (keras.layers.Dense, keras.layers.Conv2D)
    if not isinstance(layer, kinds) or layer.activation is not keras.activations.linear:
        raise KerasnetsError(
            f"{model.name!r} ends in {layer.name!r}, a {type(layer).__name__}: a dense "
            "layer or a convolution without activation is accepted, which gives logits"
        )
    return layer


def _is_linear(operation: Any) -> bool:
    """Whether it is an activation that does nothing."""
    return (
        isinstance(operation, keras.layers.Activation)
        and operation.activation is keras.activations.linear
    )


def _fit(
    codes: np.ndarray, labels: np.ndarray, kind: str, strength: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias for codes that are not standardised."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC
    from threadpoolctl import threadpool_limits

    scaler = StandardScaler().fit(codes.astype("float64"))
    estimator: Any
    if kind == "softmax":
        estimator = LogisticRegression(C=strength, max_iter=1000)
    else:
        estimator = LinearSVC(C=strength, dual="auto", random_state=seed)
    # products so small take thirty times as long where threads wait for each other
    with warnings.catch_warnings(), threadpool_limits(1):
        # what is not quite at the optimum is judged like the others
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(scaler.transform(codes.astype("float64")), labels)
    kernel, bias = estimator.coef_.T, estimator.intercept_
    if kernel.shape[1] == 1:  # of two classes one score; half of it for, half against
        kernel = kernel * np.array([[-0.5, 0.5]])
        bias = bias * np.array([-0.5, 0.5])
    kernel = kernel / np.asarray(scaler.scale_)[:, None]
    return kernel, bias - np.asarray(scaler.mean_) @ kernel


def _check(name: str, codes: np.ndarray, labels: np.ndarray, length: int) -> None:
    """Raise unless there is a label for each of some finite codes of that length."""
    if np.ndim(codes) != 2 or np.shape(codes)[1] != length or not len(codes):
        raise KerasnetsError(
            f"the {name} codes are of shape {np.shape(codes)}; (images, {length}) is "
            "accepted"
        )
    if np.shape(labels) != (len(codes),):
        raise KerasnetsError(
            f"the {name} labels are of shape {np.shape(labels)}, their codes "
            f"{np.shape(codes)}: one label for each code is accepted"
        )
    if not np.isfinite(codes).all():
        raise KerasnetsError(f"the {name} codes are not all finite")
