"""What the phone job takes where nothing is chosen."""

import functools
from dataclasses import fields, replace

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.jobs import phone

SETTINGS = [field.name for field in fields(phone.Settings)]

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


def first_redone(**changes) -> str:
    """The first stage that uses what is changed."""
    before = choose_settings()
    after = replace(before, **changes)
    changed = {
        each for each in SETTINGS if getattr(before, each) != getattr(after, each)
    }
    return next(stage.name for stage in phone.STAGES if changed & set(stage.uses))


def test_each_recipe_redoes_its_own_stage_and_not_those_before():
    chosen = choose_settings()
    hotter = replace(chosen.distil_recipe, temperature=8.0)
    assert first_redone(distil_recipe=hotter) == "distil"
    shorter = replace(chosen.student_recipe, epochs=3)
    assert first_redone(student_recipe=shorter) == "search"
    still = replace(chosen.teacher_recipe, augment=None)
    assert first_redone(teacher_recipe=still) == "teacher"
    assert first_redone(pruning=chosen.pruning.with_recipe(epochs=3)) == "prune"


def test_each_setting_redoes_a_stage():
    used = {name for stage in phone.STAGES for name in stage.uses}
    assert used == set(SETTINGS)


WHOLE = 'alpha = [0.5]\noracle = "grid"\ntrials = 1\nepochs = 1\n'


def test_tighter_budget_of_a_search_file_holds(tmp_path):
    file = tmp_path / "search.toml"
    file.write_text(f'{WHOLE}[budget]\nmax_madds = "1M"\nmax_size = "900kB"\n')
    chosen = choose_settings(search_file=file, max_madds=3_000_000)
    assert (chosen.max_madds, chosen.max_bytes) == (1_000_000, 350_000)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (WHOLE.replace("grid", "hyperband"), "the oracle hyperband"),
        (WHOLE.replace("grid", "shared"), "the oracle shared"),
        (f'start = "imagenet"\n{WHOLE}', 'start = "imagenet"'),
        (f'network = ["mobilenet", "shallowmobilenet"]\n{WHOLE}', "several networks"),
        (f"{WHOLE}[recipe]\nbatch_size = 8\n", "a recipe"),
        (f'{WHOLE}[budget]\nmax_latency = "5ms"\n', "max_params or max_latency"),
    ],
)
def test_what_a_search_file_has_for_tune_alone_is_told(tmp_path, text, what):
    file = tmp_path / "search.toml"
    file.write_text(text)
    with pytest.raises(KerasnetsError, match=f"has {what}, which is of kerasnets tune"):
        choose_settings(search_file=file)
