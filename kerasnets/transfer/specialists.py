"""Networks that each know some confusable classes well, beside one that knows all.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network" (arXiv
1503.02531), section 5. A specialist tells its classes apart and has one more, the
dustbin, for all others. It starts from the generalist's weights and is trained on
images of which half are of its classes; that is put right in its answers afterwards.

Departure: the joint answer is found by steps that each come closer (those of the EM
algorithm: what is minimised is convex in the probabilities), where the paper descends
along the gradient of logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import ops
from scipy.special import log_softmax, softmax

from kerasnets.applications import without_auxiliary
from kerasnets.data import Feed, Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import predict_logits
from kerasnets.pixels import pixels_of
from kerasnets.progress import Progress, silent
from kerasnets.training import Recipe, Training, train
from kerasnets.transfer.features import body
from kerasnets.transfer.finetune import copied
from kerasnets.transfer.linear import LinearClassifier, classifier_of, with_linear

Form = Literal["dustbin", "all"]
# logits between a class that is right and all others
_SURE = 30.0


@dataclass(frozen=True)
class Specialist:
    """A network that tells some classes apart, beside a generalist.

    Attributes:
        classes: Their labels, ascending.
        model: From images to logits: of its classes and the dustbin, or of all classes.
        natural: Share of the training images that are of its classes.
        trained: The same of those that it was trained on.
        form: "dustbin" or "all".
    """

    classes: tuple[int, ...]
    model: keras.Model
    natural: float
    trained: float
    form: Form = "dustbin"

    def probabilities(self, images: Split | Feed) -> np.ndarray:
        """Return those of its classes and of all others together.

        Args:
            images: As ``evaluation.predict_logits`` takes them.

        Returns:
            Float32 (images, its classes and the dustbin).
        """
        logits = predict_logits(self.model, images)
        if self.form == "dustbin":
            shares = {"natural": self.natural, "trained": self.trained}
            return softmax(np.asarray(with_natural_dustbin(logits, **shares)), axis=-1)
        own = softmax(logits, axis=-1)[:, list(self.classes)]
        rest = np.maximum(1 - own.sum(axis=-1, keepdims=True), 0)
        return np.concatenate([own, rest], axis=-1)


def train_specialist(
    generalist: keras.Model,
    classes: Sequence[int],
    images: Split,
    validation: Split,
    recipe: Recipe,
    *,
    form: Form = "dustbin",
    seed: int = 0,
    progress: Progress = silent,
) -> Specialist:
    """Train a specialist that begins as the generalist, and keep its best epoch.

    Half of the images that it learns from are of its classes. The epoch is kept in
    which the cross entropy on as enriched validation images is lowest: a specialist
    overfits early (section 6).

    Args:
        generalist: From images to logits of all classes; it stays as it is.
        classes: Labels of the classes to tell apart, as ``confusable_classes`` gives
            them.
        images: Training images.
        validation: Others.
        recipe: How it is trained.
        form: "dustbin", its classes and one more for all others (section 5.3), or
            "all", all classes: labels are learned on images of its own classes, the
            generalist's soft targets on the others (section 6.1).
        seed: Of the choice of images and of their order.
        progress: Told the steps that are done.

    Raises:
        KerasnetsError: The generalist has other classes or ends in no classifier, no
            image is of these classes or of others, the form is unknown, or the recipe
            of the form "all" changes images, of which the generalist is asked once.
    """
    if form not in get_args(Form):
        raise KerasnetsError(
            f"a specialist of the form {form!r}: {' and '.join(get_args(Form))} are "
            "accepted"
        )
    if form == "all" and (recipe.augment is not None or recipe.mix is not None):
        raise KerasnetsError(
            "a specialist for all classes learns what the generalist says of images as "
            "they are: a recipe without augment and mix is accepted"
        )
    generalist = without_auxiliary(generalist)
    count = generalist.output_shape[-1]
    known = tuple(sorted({*classes}))
    if not known or known[0] < 0 or known[-1] >= count:
        raise KerasnetsError(
            f"a specialist of the classes {tuple(classes)}: labels from 0 to "
            f"{count - 1} are accepted, those of {generalist.name!r}"
        )
    learned = images.picked(enriched(images.labels, known, seed=seed))
    natural, trained = (
        float(np.isin(split.labels, known).mean()) for split in (images, learned)
    )
    judged = validation.picked(enriched(validation.labels, known, seed=seed))
    targets: dict[str, Any] = {}
    if form == "all":
        model = copied(generalist)
        soft = _targets_of_all(generalist, learned, known)
        targets = {"targets": {"soft": soft}}
        recipe = replace(recipe, temperature=1.0, soft_weight=1.0, soft_weight_end=-1.0)
    else:
        model = _with_dustbin(generalist, known)
        learned, judged = (
            replace(split, labels=specialist_labels(split.labels, known))
            for split in (learned, judged)
        )
    feed = batches(
        learned,
        size=model.input_shape[1],
        batch_size=min(recipe.batch_size, len(learned.labels)),
        seed=seed,
        augment=recipe.augment and recipe.augment.fitted(learned),
        mix=recipe.mix,
        classes=model.output_shape[-1],
        preprocessing=pixels_of(model),
        **targets,
    )
    _train_to_best(model, feed, judged, recipe, progress)
    return Specialist(known, model, natural, trained, form)


def joint_probabilities(
    generalist: keras.Model, specialists: Sequence[Specialist], images: Split | Feed
) -> np.ndarray:
    """Ask a generalist and its specialists together, see ``joint_answer``.

    Args:
        generalist: From images to logits.
        specialists: Of its classes.
        images: As ``evaluation.predict_logits`` takes them.

    Returns:
        Float32 (images, classes).
    """
    general = softmax(predict_logits(without_auxiliary(generalist), images), axis=-1)
    answers = [(each.classes, each.probabilities(images)) for each in specialists]
    return np.asarray(ops.convert_to_numpy(joint_answer(general, answers)))


def _with_dustbin(generalist: keras.Model, classes: Sequence[int]) -> keras.Model:
    """A copy that gives logits of these classes, and of all others together.

    The dustbin begins with the mean of the others' weights, and as much more bias as
    they are many: its odds are near to theirs together.
    """
    model = copied(generalist)
    weights = [np.asarray(x, "float64") for x in classifier_of(model).get_weights()]
    kernel = weights[0].reshape(-1, weights[0].shape[-1])
    bias = weights[1] if len(weights) > 1 else np.zeros(kernel.shape[-1])
    own = list(classes)
    others = np.delete(np.arange(kernel.shape[-1]), own)
    kernel, bias = (
        np.concatenate([x[..., own], x[..., others].mean(-1, keepdims=True)], axis=-1)
        for x in (kernel, bias)
    )
    bias[-1] += np.log(len(others))
    return with_linear(body(model), LinearClassifier(kernel, bias, 0.0, 0.0, {}))


def _targets_of_all(
    generalist: keras.Model, images: Split, classes: Sequence[int]
) -> np.ndarray:
    """Logits to learn: the labels of own images, the generalist's of others."""
    logits = predict_logits(generalist, images).astype("float32")
    own = np.isin(images.labels, list(classes))
    logits[own] = _SURE * np.eye(logits.shape[-1])[images.labels[own]]
    return logits


def _train_to_best(
    model: keras.Model, feed: Feed, judged: Split, recipe: Recipe, progress: Progress
) -> None:
    """Train, and go back to the weights of the epoch that was best."""
    best = np.inf
    weights = model.get_weights()

    def told(epoch: int, training: Training) -> None:
        nonlocal best, weights
        del epoch, training
        answers = log_softmax(predict_logits(model, judged), axis=-1)
        loss = -answers[np.arange(len(judged.labels)), judged.labels].mean()
        if loss < best:
            best, weights = loss, model.get_weights()

    train(model, feed, recipe, each_epoch=told, progress=progress)
    model.set_weights(weights)


def confusable_classes(
    probabilities: np.ndarray, groups: int, *, seed: int = 0
) -> tuple[tuple[int, ...], ...]:
    """Divide the classes into groups that a network takes for each other.

    K-means on the columns of the covariance matrix of its answers: classes that are
    often probable together have like columns (section 5.2).

    Args:
        probabilities: Of the generalist, (images, classes), better at a high
            temperature.
        groups: How many, 2 up to the number of classes.
        seed: Of the first centres.

    Returns:
        The classes of each group, ascending; groups by their first class.

    Raises:
        KerasnetsError: There are not so many classes.
    """
    from sklearn.cluster import KMeans

    classes = probabilities.shape[-1]
    if not 2 <= groups <= classes:
        raise KerasnetsError(f"{groups} groups of {classes} classes: 2 to {classes}")
    covariance = np.cov(np.asarray(probabilities, "float64"), rowvar=False)
    means = KMeans(groups, random_state=seed).fit_predict(covariance)
    found = {
        tuple(np.flatnonzero(means == group).tolist()) for group in set(means.tolist())
    }
    return tuple(sorted(found))


def specialist_labels(labels: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Give each label as its place among the classes, or as the dustbin behind them."""
    places = {label: place for place, label in enumerate(classes)}
    flat = [places.get(label, len(classes)) for label in np.ravel(labels).tolist()]
    return np.reshape(np.array(flat, "int32"), np.shape(labels))


def enriched(labels: np.ndarray, classes: Sequence[int], *, seed: int) -> np.ndarray:
    """Choose images of which half are of these classes: all of them, as many others.

    Args:
        labels: Of the training images, (images,).
        classes: Of the specialist.
        seed: Of the choice of the others.

    Returns:
        Positions among the images, ascending.

    Raises:
        KerasnetsError: No image is of these classes, or of any other.
    """
    own = np.isin(labels, list(classes))
    others = np.flatnonzero(~own)
    if not own.any() or not len(others):
        raise KerasnetsError(
            f"{int(own.sum())} images are of the classes {tuple(classes)} and "
            f"{len(others)} of others: some of each are needed"
        )
    count = min(int(own.sum()), len(others))
    chosen = np.random.default_rng(seed).choice(others, count, replace=False)
    return np.sort(np.concatenate([np.flatnonzero(own), chosen]))


def with_natural_dustbin(logits: Any, *, natural: float, trained: float) -> Any:
    """Put right what a specialist expects after it was trained on more of its classes.

    The dustbin's logit grows by the log of how much more often its classes were there
    than they are, beside the others (section 5.3).

    Args:
        logits: Of the specialist, (batch, its classes and the dustbin).
        natural: Share of the images that are of its classes, between 0 and 1.
        trained: That of those it was trained on.

    Returns:
        Logits of the same shape.

    Raises:
        KerasnetsError: A share is none between 0 and 1.
    """
    for name, share in (("natural", natural), ("trained", trained)):
        if not 0 < share < 1:
            raise KerasnetsError(f"share {name} {share}: between 0 and 1 is accepted")
    grown = np.log((1 - natural) / natural) - np.log((1 - trained) / trained)
    shift = np.zeros(logits.shape[-1])
    shift[-1] = grown
    return logits + ops.cast(ops.convert_to_tensor(shift), logits.dtype)


def joint_answer(
    generalist: Any,
    specialists: Sequence[tuple[Sequence[int], Any]],
    *,
    steps: int = 100,
) -> Any:
    """Return the probabilities nearest to those of a generalist and its specialists.

    q that minimises KL(g, q) + sum_m KL(p_m, q_m) for each image, where q_m is q with
    all classes that a specialist does not know added up to its dustbin, over those
    specialists that know the generalist's likeliest class (section 5.5, equation 5).

    Args:
        generalist: Probabilities g, (batch, classes).
        specialists: The classes of each, and its probabilities p_m, (batch, its classes
            and the dustbin).
        steps: The more, the nearer.

    Returns:
        Probabilities q, (batch, classes).

    Raises:
        KerasnetsError: A specialist's answers do not fit its classes.
    """
    general: Any = ops.convert_to_tensor(generalist)
    count = general.shape[-1]
    likeliest = ops.argmax(general, axis=-1)
    inside: list[Any] = []
    outside: list[Any] = []
    known: list[Any] = []
    for classes, given in specialists:
        answers: Any = ops.convert_to_tensor(given)
        if answers.shape[-1] != len(classes) + 1:
            raise KerasnetsError(
                f"a specialist of the classes {tuple(classes)} gives "
                f"{answers.shape[-1]} probabilities: {len(classes)} and one for the "
                "dustbin are accepted"
            )
        mine = np.isin(np.arange(count), list(classes)).astype("float32")
        place = np.zeros((len(classes), count), "float32")
        place[np.arange(len(classes)), list(classes)] = 1
        asked: Any = ops.take(ops.convert_to_tensor(mine), likeliest)
        asked = ops.expand_dims(asked, -1)
        known.append(ops.convert_to_tensor(1 - mine))
        inside.append(asked * ops.matmul(answers[:, :-1], place))
        outside.append(asked * answers[:, -1:])
        # (a specialist that is not asked adds nothing)
    q = general
    for _ in range(steps if specialists else 0):
        total = general + sum(inside)
        for others, dustbin in zip(known, outside, strict=True):
            rest = q * others
            total = total + dustbin * rest / ops.maximum(
                ops.sum(rest, axis=-1, keepdims=True), keras.config.epsilon()
            )
        q = total / ops.sum(total, axis=-1, keepdims=True)
    return q
