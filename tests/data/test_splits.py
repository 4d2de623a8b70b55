import numpy as np
import pytest

from kerasnets.data.splits import split_indices, spread
from kerasnets.errors import KerasnetsError

NAMES = ("cat", "dog")


def split(labels, parts=None, groups=None, seed=0):
    count = len(labels)
    return split_indices(
        np.array(labels),
        parts or [""] * count,
        groups or [str(i) for i in range(count)],
        NAMES,
        seed,
    )


def counts(indices, labels):
    return np.bincount(np.array(labels)[indices], minlength=2).tolist()


def test_each_class_gives_its_share():
    labels = [0] * 50 + [1] * 20
    parts = split(labels)
    # 20 % and 10 % of 50 and of 20
    assert counts(parts["test"], labels) == [10, 4]
    assert counts(parts["validation"], labels) == [5, 2]
    assert counts(parts["train"], labels) == [35, 14]


def test_splits_share_nothing_cover_everything_and_ascend():
    parts = split([0, 1] * 30)
    together = np.concatenate(list(parts.values()))
    assert sorted(together) == list(range(60))
    assert list(parts) == ["train", "validation", "test"]
    for indices in parts.values():
        assert indices.dtype == np.int64
        assert (np.diff(indices) > 0).all()


def test_seed_decides():
    labels = [0, 1] * 30
    again, other = split(labels), split(labels, seed=1)
    np.testing.assert_array_equal(split(labels)["test"], again["test"])
    assert set(other["test"]) != set(again["test"])


def test_every_class_is_in_every_split_however_small():
    parts = split([0, 0, 0] + [1] * 30)
    for indices in parts.values():
        assert counts(indices, [0] * 3 + [1] * 30)[0] == 1


def test_official_splits_stay_and_the_missing_ones_are_cut_from_train():
    labels = [0] * 20 + [1] * 20
    parts = (["train"] * 10 + ["test"] * 10) * 2
    found = split(labels, parts)
    assert found["test"].tolist() == [*range(10, 20), *range(30, 40)]
    assert counts(found["validation"], labels) == [1, 1]
    assert counts(found["train"], labels) == [9, 9]

    parts = (["train"] * 10 + ["validation"] * 10) * 2
    found = split(labels, parts)
    assert found["validation"].tolist() == [*range(10, 20), *range(30, 40)]
    assert counts(found["test"], labels) == [2, 2]
    assert counts(found["train"], labels) == [8, 8]

    parts = (["train"] * 10 + ["validation"] * 5 + ["test"] * 5) * 2
    for seed in (0, 1):
        assert split(labels, parts, seed=seed)["train"].tolist() == [
            *range(10),
            *range(20, 30),
        ]


@pytest.mark.parametrize("seed", range(5))
def test_equal_images_stay_together(seed):
    labels = [0] * 30 + [1] * 30
    groups = [str(i // 2) for i in range(60)]  # every image twice
    parts = split(labels, groups=groups, seed=seed)
    seen = [{groups[i] for i in indices} for indices in parts.values()]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]
    # 20 % and 10 % of 15 different images, two of each: round(1.5) is 2
    assert counts(parts["test"], labels) == [6, 6]
    assert counts(parts["validation"], labels) == [4, 4]


@pytest.mark.parametrize("seed", range(5))
def test_copies_across_classes_stay_together(seed):
    # image 0 of the cats is also image 0 of the dogs, and so on for five of ten
    cats = [str(i) for i in range(10)]
    groups = cats + cats[:5] + [str(i) for i in range(10, 15)]
    parts = split([0] * 10 + [1] * 10, groups=groups, seed=seed)
    where = {i: part for part, indices in parts.items() for i in indices.tolist()}
    assert all(where[i] == where[10 + i] for i in range(5))


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_copied_many_times_does_not_fill_the_test_split(seed):
    labels = [0] * 88 + [0] * 2 + [1] * 10
    groups = ["placeholder"] * 88 + [str(i) for i in range(12)]
    parts = split(labels, groups=groups, seed=seed)
    assert counts(parts["test"], labels)[0] == 1
    assert counts(parts["train"], labels)[0] == 88


@pytest.mark.parametrize(
    ("labels", "parts", "groups", "message"),
    [
        ([0, 0] + [1] * 9, None, None, "'cat' has 2 images and none is left for train"),
        ([1] * 9, None, None, "'cat' has 0 images"),
        ([0] * 3 + [1] * 9, None, ["a"] * 3 + list("bcdefghij"), "'cat' has 3 images"),
        # an official test split without cats
        ([0] * 9 + [1] * 9, ["train"] * 12 + ["test"] * 6, None, "for test"),
    ],
)
def test_class_with_too_few_images_is_named(labels, parts, groups, message):
    with pytest.raises(KerasnetsError, match=message):
        split(labels, parts, groups)


def test_drawn_images_are_spread_over_the_classes_by_the_seed():
    labels = np.repeat([0, 1, 2], [400, 40, 4])
    drawn = [spread(labels, 30, seed) for seed in (0, 0, 1)]
    assert drawn[0].tolist() == drawn[1].tolist() != drawn[2].tolist()
    for chosen in drawn:
        assert len(set(chosen)) == 30
        assert chosen.tolist() == sorted(chosen)
        assert np.bincount(labels[chosen]).tolist() == [13, 13, 4]
    assert spread(labels, 999, 0).tolist() == list(range(444))
    with pytest.raises(KerasnetsError, match="0 images: 1 or more"):
        spread(labels, 0, 0)


def test_with_more_classes_than_draws_no_class_is_always_left_out():
    labels = np.repeat(np.arange(130), 7)
    drawn = [spread(labels, 100, seed) for seed in range(20)]
    assert all(len(set(labels[chosen])) == 100 for chosen in drawn)
    # a class is missed in all twenty draws once in 5e12
    assert {label for chosen in drawn for label in labels[chosen]} == set(range(130))
    # the last image of a class is drawn as the first is
    places = np.concatenate([chosen % 7 for chosen in drawn])
    assert np.bincount(places).min() > 200
