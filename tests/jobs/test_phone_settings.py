"""What the phone job takes where nothing is chosen."""

import functools

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.jobs import phone

# the other precisions ask TensorFlow for the devices
choose_settings = functools.partial(phone.choose_settings, precision="float32")


@pytest.mark.parametrize(
    ("network", "rate"),
    [
        ("resnet20", 0.1),
        ("mobilenetv2", 0.1),
        ("vgg16bn", 0.1),
        ("vgg16", 0.01),
        ("lenet5", 0.01),
        ("allcnnc", 0.01),
    ],
)
def test_networks_without_batch_norm_learn_at_a_tenth_of_the_rate(network, rate):
    settings = choose_settings(teacher=network, student=network)
    assert settings.teacher_recipe.learning_rate == rate
    assert settings.student_recipe.learning_rate == rate


def test_usual_search_of_a_network_has_the_axes_that_it_has():
    assert set(choose_settings().search.axes) == {"alpha", "rho"}
    assert set(choose_settings(student="lenet5").search.axes) == {"rho"}


def test_search_file_of_another_network_is_told(tmp_path):
    file = tmp_path / "search.toml"
    file.write_text('alpha = [0.5]\noracle = "grid"\ntrials = 1\nepochs = 1\n')
    assert choose_settings(search_file=file).search.axes == {"alpha": (0.5,)}
    with pytest.raises(KerasnetsError, match="an axis 'alpha', which 'lenet5' lacks"):
        choose_settings(student="lenet5", search_file=file)
