"""The papers' recipes: figures that their papers print."""

import numpy as np
import pytest

from kerasnets.data import AreaCrop, Augment, RandomCrop
from kerasnets.errors import KerasnetsError
from kerasnets.training import paper_recipe, paper_recipes
from kerasnets.training.optimizers import learning_rate


@pytest.mark.parametrize("name", paper_recipes())
def test_every_row_is_a_recipe_with_its_source(name):
    row = paper_recipe(name)
    assert row.name == name
    assert "section" in row.source
    assert row.recipe.decay == "l2"
    crop = row.make_crop()
    if crop is None:
        assert row.recipe.augment is not None
    else:
        draws = np.random.default_rng(0)
        window = crop(300, 400, draws)
        assert 0 < window.height <= 300
        assert window.left + window.width <= 400


@pytest.mark.parametrize(
    ("name", "epochs", "rates"),
    [
        # a tenth behind 32k and 48k of 64k steps of 128 of 45,000 images
        ("resnet-cifar", 182, {90: 0.1, 91: 0.01, 135: 0.01, 137: 0.001}),
        # times 0.2 behind 60, 120 and 160 epochs
        ("wide-resnet", 200, {59: 0.1, 60: 0.02, 120: 0.004, 160: 0.0008}),
        # a tenth behind 200, 250 and 300 epochs
        ("all-cnn", 350, {199: 0.05, 200: 0.005, 250: 0.0005, 300: 0.00005}),
        ("densenet-imagenet", 90, {29: 0.1, 30: 0.01, 60: 0.001}),
        ("densenet-cifar", 300, {149: 0.1, 150: 0.01, 225: 0.001}),
        ("stochastic-depth", 500, {249: 0.1, 250: 0.01, 375: 0.001}),
        # a tenth behind 200 epochs and behind 30 more
        ("nin", 260, {199: 0.1, 200: 0.01, 229: 0.01, 230: 0.001}),
        # 4 % less every 8 epochs, and every 8 / 6 epochs
        ("googlenet", 250, {0: 0.01, 8: 0.0096, 80: 0.01 * 0.96**10}),
        ("bn-inception", 52, {0: 0.0075, 4: 0.0075 * 0.96**3}),
        # 6 % less every 2 epochs
        ("inception-v3", 100, {0: 0.045, 2: 0.0423, 50: 0.045 * 0.94**25}),
        ("mobilenet", 100, {0: 0.045, 2: 0.0423}),
        # a tenth behind steps 50,000, 95,000 and 253,000 of 500 an epoch
        ("simplenet", 800, {99: 0.1, 100: 0.01, 190: 0.001, 505: 0.001, 506: 1e-4}),
        ("simpnet", 800, {99: 0.1, 100: 0.01, 190: 0.001, 306: 1e-4}),
        # along a line to zero
        ("squeezenet", 68, {0: 0.04, 17: 0.03, 34: 0.02}),
    ],
)
def test_rates_of_the_papers(name, epochs, rates):
    recipe = paper_recipe(name).recipe
    assert recipe.epochs == epochs
    found = {epoch: float(learning_rate(recipe, epoch, epochs)) for epoch in rates}
    # the shares of the table have four digits
    assert found == pytest.approx(rates, rel=1e-3)


def test_parts_of_the_image():
    assert paper_recipe("alexnet").make_crop() == RandomCrop(0.875)
    assert paper_recipe("densenet-imagenet").make_crop() == AreaCrop()
    # 224 of S in [256, 512]
    vgg = paper_recipe("vgg").make_crop()
    assert vgg == RandomCrop(224 / 512, largest=224 / 256)
    resnet = paper_recipe("resnet-cifar").recipe.augment
    assert resnet == Augment(pad=4, flip=True, border="black")


def test_fields_are_changed_by_their_texts():
    row = paper_recipe(
        "resnet-cifar",
        {
            "epochs": "30",
            "learning_rate": "0.05",
            "nesterov": "True",
            "milestones": "0.6,0.9",
            "augment.flip": "false",
            "augment.border": "mirror",
        },
    )
    recipe = row.recipe
    assert (recipe.epochs, recipe.learning_rate, recipe.nesterov) == (30, 0.05, True)
    assert recipe.milestones == (0.6, 0.9)
    assert recipe.augment == Augment(pad=4, flip=False, border="mirror")
    still = paper_recipe("resnet-cifar", {"augment": "none"}).recipe
    assert still.augment is None
    mirrored = paper_recipe("resnet-cifar", {"augment.flip": "true", "augment": "none"})
    assert mirrored.recipe.augment == Augment(flip=True)
    # what is not changed stays, and so does the row
    assert recipe.batch_size == 128
    assert paper_recipe("resnet-cifar").recipe.epochs == 182


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("resnet20", {}, "no recipe 'resnet20', the nearest is .*; alexnet, vgg, "),
        ("vgg", {"epoch": "3"}, "no key of recipe 'epoch', the nearest is 'epochs'"),
        ("vgg", {"augment": "3"}, "augment '3': none is accepted, or augment.FIELD"),
        ("vgg", {"augment.flap": "1"}, "no key of augment 'flap', the nearest is 'fl"),
        ("vgg", {"epochs": "3.5"}, "epochs '3.5': a whole number is accepted"),
        ("vgg", {"learning_rate": "fast"}, "learning_rate 'fast': a number is"),
        ("vgg", {"nesterov": "maybe"}, "nesterov 'maybe': true or false is accepted"),
        ("vgg", {"milestones": "a,b"}, "milestones 'a,b': numbers with commas"),
        ("vgg", {"epochs": "0"}, "epochs is 0; 1 or more is accepted"),
    ],
)
def test_what_is_no_recipe_is_named(name, changes, message):
    with pytest.raises(KerasnetsError, match=message):
        paper_recipe(name, changes)
