"""A linear classifier on codes is scikit-learn's, in the network too."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from kerasnets import transfer
from kerasnets.data import open_source, prepare
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.pixels import UNIT, carry
from kerasnets.saving import load_model, save_model


def clouds(classes, count=60, features=6, seed=0):
    """Codes around a point for each class, in very different units."""
    random = np.random.default_rng(seed)
    middles = np.random.default_rng(9).normal(0, 1.5, (classes, features))
    labels = np.arange(count) % classes
    codes = middles[labels] + random.normal(size=(count, features))
    units = 10.0 ** np.arange(-2, features - 2)
    return (codes * units).astype("float32"), labels


def network(features):
    """Images of one pixel, whose codes are its channels and their squares."""
    image = keras.Input((1, 1, 3))
    x = carry(image, UNIT)
    x = keras.layers.Conv2D(features, 1, activation="tanh")(x)
    return keras.Model(image, keras.layers.Flatten()(x), name="net_codes")


@pytest.mark.parametrize("kind", ["softmax", "svm"])
@pytest.mark.parametrize("classes", [2, 4])
def test_scores_are_those_of_scikit_learn(kind, classes):
    codes, labels = clouds(classes)
    found = transfer.fit_linear(
        (codes, labels), clouds(classes, seed=1), kind=kind, strengths=[0.1]
    )
    estimator = (
        LogisticRegression(C=0.1, max_iter=1000)
        if kind == "softmax"
        else LinearSVC(C=0.1, dual="auto", random_state=0)
    )
    theirs = make_pipeline(StandardScaler(), estimator).fit(
        codes.astype("float64"), labels
    )
    scores = theirs.decision_function(codes)
    if classes == 2:
        np.testing.assert_allclose(np.diff(found(codes))[:, 0], scores, atol=1e-5)
    else:
        np.testing.assert_allclose(found(codes), scores, atol=1e-5)
    if kind == "softmax":
        powers = np.exp(found(codes))
        np.testing.assert_allclose(
            powers / powers.sum(axis=1, keepdims=True),
            theirs.predict_proba(codes),
            atol=1e-6,
        )


def test_the_network_answers_like_the_classifier(tmp_path):
    body = network(6)
    images = np.random.default_rng(0).normal(size=(80, 1, 1, 3)).astype("float32")
    labels = (images[:, 0, 0, 0] > 0).astype(int) + (images[:, 0, 0, 1] > 0)
    codes = body.predict(images, verbose=0)
    found = transfer.fit_linear((codes[:60], labels[:60]), (codes[60:], labels[60:]))
    assert found.accuracy == found.tried[found.strength] == max(found.tried.values())
    model = transfer.with_linear(body, found)
    assert model.name == "net"
    save_model(model, tmp_path / "net.keras")
    answers = load_model(tmp_path / "net.keras").predict(images, verbose=0)
    np.testing.assert_allclose(answers, found(codes), rtol=1e-5, atol=1e-5)


def test_the_strength_is_chosen_on_validation():
    random = np.random.default_rng(0)
    codes = random.normal(size=(40, 200)).astype("float32")
    labels = (codes[:, 0] + random.normal(0, 1, 40) > 0).astype(int)
    other = random.normal(size=(2000, 200)).astype("float32")
    found = transfer.fit_linear((codes, labels), (other, (other[:, 0] > 0).astype(int)))
    assert list(found.tried) == sorted(found.tried)
    # of equals the first, which is the most regularised
    best = max(found.tried.values())
    assert found.strength == min(c for c, right in found.tried.items() if right == best)


def test_without_validation_images_folds_choose_and_all_images_teach():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    codes, labels = clouds(3)
    found = transfer.fit_linear((codes, labels), folds=4, seed=1)
    folds = StratifiedKFold(4, shuffle=True, random_state=1)
    for strength, accuracy in found.tried.items():
        theirs = make_pipeline(
            StandardScaler(), LogisticRegression(C=strength, max_iter=1000)
        )
        scores = cross_val_score(theirs, codes, labels, cv=folds)
        # folds of one size
        assert accuracy == pytest.approx(scores.mean())
    theirs = make_pipeline(
        StandardScaler(), LogisticRegression(C=found.strength, max_iter=1000)
    ).fit(codes, labels)
    np.testing.assert_array_equal(found(codes).argmax(axis=1), theirs.predict(codes))


def test_a_class_of_one_image_has_no_folds():
    codes, labels = clouds(3)
    labels = np.where(np.arange(len(labels)) == 0, 3, labels)
    with pytest.raises(KerasnetsError, match="class 3 has 1 training image: at least"):
        transfer.fit_linear((codes, labels))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "tree"}, "kind 'tree' is unknown: softmax, svm"),
        ({"labels": np.zeros(60, int)}, "class 1 has no training image"),
        ({"labels": np.arange(60) % 3 * 2}, "class 1 has no training image"),
        ({"labels": np.zeros(59, int)}, "one label for each code"),
        ({"codes": np.full((60, 6), np.nan)}, "codes are not all finite"),
        ({"codes": np.zeros((0, 6)), "labels": np.zeros(0, int)}, r"\(0, 6\)"),
    ],
)
def test_what_cannot_be_fitted_is_told(change, message):
    codes, labels = clouds(3)
    train = change.pop("codes", codes), change.pop("labels", labels)
    with pytest.raises(KerasnetsError, match=message):
        transfer.fit_linear(train, (codes, labels), **change)


def test_a_classifier_of_other_codes_is_refused():
    found = transfer.fit_linear(clouds(3), clouds(3))
    with pytest.raises(KerasnetsError, match=r"takes codes of 6 features"):
        transfer.with_linear(network(5), found)


def head(end):
    """The ends of networks of the zoo, behind codes of four values."""
    image = keras.Input((2, 2, 4))
    mean = keras.layers.GlobalAveragePooling2D()(image)
    if end == "dense":
        return keras.Model(image, keras.layers.Dense(3, name="logits")(mean))
    if end == "convolution":
        x = keras.layers.Reshape((1, 1, 4))(mean)
        x = keras.layers.Conv2D(3, 1)(keras.layers.Dropout(0.5)(x))
        x = keras.layers.Activation("linear")(keras.layers.Flatten()(x))
        return keras.Model(image, x)
    x = keras.layers.Conv2D(3, 1)(image)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize("end", ["dense", "convolution", "pooled"])
def test_logits_are_divided_by_the_temperature(end):
    model = head(end)
    random = np.random.default_rng(0)
    weights = [random.normal(size=x.shape) for x in model.get_weights()]
    model.set_weights(weights)
    images = random.normal(size=(8, 2, 2, 4)).astype("float32")
    before = model.predict(images, verbose=0)
    assert transfer.with_temperature(model, 2.5) is model
    after = model.predict(images, verbose=0)
    np.testing.assert_allclose(after, before / 2.5, rtol=1e-6, atol=1e-6)


def test_a_head_that_gives_no_logits_gets_no_temperature():
    model = head("dense")
    for last in (
        keras.layers.Softmax(name="last"),
        keras.layers.Dense(3, activation="softmax", name="last"),
        keras.layers.ReLU(name="last"),
    ):
        ended = keras.Model(model.input, last(model.output), name="net")
        with pytest.raises(KerasnetsError, match="'net' ends in 'last', a"):
            transfer.with_temperature(ended, 2.0)
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(KerasnetsError, match="above 0 is accepted"):
            transfer.with_temperature(model, temperature)


@pytest.mark.slow
def test_flowers_on_pretrained_codes(tmp_path):
    """Another program's figure: 81 % with alpha 0.25 at 128 pixels."""
    folder = Path(os.environ.get("KERASNETS_DATA", ""))
    weights = folder / "pretrained" / "models" / "mobilenet_2_5_128_tf.h5"
    if not weights.is_file():
        pytest.skip("KERASNETS_DATA does not name a folder with pretrained weights")
    model = keras.applications.MobileNet(
        (128, 128, 3), alpha=0.25, weights=str(weights)
    )
    source = open_source(f"folder:{folder}/flowers_folder/flowers")
    data = prepare(source, tmp_path, resolution=128, seed=0)
    codes = {
        part: transfer.features(model, getattr(data, part))
        for part in ("train", "validation", "test")
    }
    found = transfer.fit_linear(
        (codes["train"], data.train.labels),
        (codes["validation"], data.validation.labels),
    )
    net = transfer.with_linear(transfer.body(model), found)
    assert evaluate(net, data.validation).accuracy == found.accuracy
    right = (found(codes["test"]).argmax(axis=1) == data.test.labels).mean()
    assert 0.78 < right < 0.86
