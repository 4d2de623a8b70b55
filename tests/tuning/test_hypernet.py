"""A network of the zoo in Keras Tuner's own tuners."""

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnets import applications
from kerasnets.errors import KerasnetsError
from kerasnets.tuning import Budget, HyperNet

SPACE = {
    "alpha": (0.125, 0.25),
    "rho": (0.8, 1.0),
    "learning_rate": (0.001, 0.01),
    "label_smoothing": (0.0, 0.1),
}


def hypernet(**changes):
    how = {"space": SPACE, "resolution": 40, "classes": 3, **changes}
    return HyperNet(how.pop("builder", applications.MobileNet), how.pop("space"), **how)


def hyperparameters(**values):
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return hp


def test_space_is_what_keras_tuner_chooses_among():
    hp = keras_tuner.HyperParameters()
    hypernet().build(hp)
    assert {x.name: tuple(x.values) for x in hp.space} == SPACE


def test_build_gives_the_network_of_its_values():
    values = {"alpha": 0.25, "rho": 0.8, "learning_rate": 0.01, "label_smoothing": 0.1}
    model = hypernet().build(hyperparameters(**values))
    # images as files hold them, whatever the network takes
    assert (model.input_shape, model.output_shape) == ((None, 40, 40, 3), (None, 3))
    inner = model.layers[-1]
    assert inner.input_shape == (None, 32, 32, 3)
    # a quarter of the paper's 32 channels in the first convolution
    kernels = [w.shape for w in inner.weights if len(w.shape) == 4]
    assert kernels[0] == (3, 3, 3, 8)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_pixels_are_those_of_files():
    """The network itself, given its own preprocessing by hand, answers the same."""
    model = hypernet(space={"rho": (1.0,)}).build(hyperparameters(rho=1.0))
    images = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3)).astype("float32")
    inner = model.layers[-1](images / 127.5 - 1.0, training=False)
    ours = model(images, training=False)
    np.testing.assert_allclose(ours, inner, atol=1e-5)


def test_label_smoothing_is_in_the_loss():
    """Of even answers: log 3, whatever the labels; of sure ones it costs."""
    logits, labels = np.array([[0.0, 0, 0], [9.0, 0, 0]]), np.array([1, 0])
    found = {}
    for smoothing in (0.0, 0.1):
        values = {"alpha": 0.125, "rho": 0.8, "label_smoothing": smoothing}
        model = hypernet().build(hyperparameters(**values))
        found[smoothing] = float(
            model.compute_loss(y=labels, y_pred=keras.ops.convert_to_tensor(logits))
        )
    sure = np.log(np.exp(9) + 2) - 9
    assert found[0.0] == pytest.approx((np.log(3) + sure) / 2, abs=1e-5)
    # a fifteenth of the label is on the two others: 9 of logits each
    smooth = sure + 9 * 2 * 0.1 / 3
    assert found[0.1] == pytest.approx((np.log(3) + smooth) / 2, abs=1e-5)


def test_networks_over_the_budget_are_not_offered():
    hp = keras_tuner.HyperParameters()
    # between alpha 0.125 and 0.25 at 32 pixels
    model = hypernet(budget=Budget(max_madds=400_000)).build(hp)
    choices = {x.name: tuple(x.values) for x in hp.space}
    assert choices["network"] == ("alpha 0.125 rho 0.8", "alpha 0.125 rho 1")
    assert set(choices) == {"network", "learning_rate", "label_smoothing"}
    assert model.layers[-1].input_shape == (None, 32, 32, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"builder": "mobilnet"}, "mobilnet"),
        ({"builder": keras.applications.MobileNetV2}, "no builder of kerasnets.app"),
        ({"space": {"aplha": (1.0,)}}, "an axis 'aplha', the nearest is 'alpha'"),
        ({"space": {"learning_rate": (0.0,)}}, "learning_rate is 0.0; above 0 is"),
        ({"space": {"augment.flap": (0.1,)}}, "no key of augment 'flap'"),
        ({"budget": Budget(max_madds=1000)}, "needs --max-madds"),
    ],
)
def test_what_cannot_be_built_is_told_before_a_trial(changes, message):
    with pytest.raises(KerasnetsError, match=message):
        hypernet(**changes)


def images():
    """Three colours in some noise."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    pixels = random.integers(0, 100, (48, 40, 40, 3))
    pixels[np.arange(48), :, :, labels] += 120
    return pixels.astype("uint8"), labels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tuner", "how"),
    [
        (keras_tuner.RandomSearch, {"max_trials": 2}),
        (keras_tuner.BayesianOptimization, {"max_trials": 2}),
        (keras_tuner.Hyperband, {"max_epochs": 2, "hyperband_iterations": 1}),
    ],
)
def test_tuners_of_keras_tuner_take_it(tmp_path, tuner, how):
    x, y = images()
    found = tuner(
        hypernet(),
        objective="val_accuracy",
        directory=str(tmp_path),
        project_name="search",
        seed=1,
        **how,
    )
    found.search(x, y, validation_data=(x, y), epochs=1, batch_size=16, verbose=0)
    first, again = (found.get_best_models(1)[0] for _ in range(2))
    answers = first.predict(x, verbose=0)
    np.testing.assert_array_equal(answers, again.predict(x, verbose=0))
    # the score of the trial is that of the network which comes back
    best = found.oracle.get_best_trials(1)[0]
    right = float((answers.argmax(axis=-1) == y).mean())
    assert right == pytest.approx(best.score, abs=1e-6)
    # and it is a file as any other
    first.save(tmp_path / "best.keras")
    loaded = keras.models.load_model(tmp_path / "best.keras", compile=False)
    np.testing.assert_array_equal(answers, loaded.predict(x, verbose=0))
