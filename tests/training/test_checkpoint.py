"""What a checkpoint keeps, and which files it takes for none."""

import pickle
import time

import keras
import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.training import Checkpoint

IDENTITY = {"training": "teacher", "seed": 0}


def variables(value):
    """Weights and a counter, as a model and its optimizer have them."""
    return [
        keras.Variable(np.full((2, 3), value), dtype="float32"),
        keras.Variable(np.array(value), dtype="int32"),
        keras.Variable(np.full((4,), value / 3), dtype="float32"),
    ]


def values(listed):
    return [variable.numpy().tolist() for variable in listed]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "teacher.npz"


@pytest.fixture
def saved(path):
    """A file that holds the 7 of 3 epochs."""
    Checkpoint(path, IDENTITY, seconds=0).save(3, variables(7))
    return path


def assert_taken_for_none(path, identity=IDENTITY, target=None):
    target = variables(1) if target is None else target
    before = values(target)
    assert Checkpoint(path, identity).restore(target) == 0
    assert values(target) == before


def test_state_comes_back(saved):
    target = variables(1)
    assert Checkpoint(saved, IDENTITY).restore(target) == 3
    assert values(target) == values(variables(7))


def test_no_file_is_no_state(path):
    assert_taken_for_none(path)


def test_order_of_the_identity_does_not_matter(saved):
    turned = dict(reversed(IDENTITY.items()))
    assert Checkpoint(saved, turned).restore(variables(1)) == 3


@pytest.mark.parametrize(
    "identity", [{}, {**IDENTITY, "seed": 1}, {**IDENTITY, "more": None}]
)
def test_another_identity_is_another_training(saved, identity):
    assert_taken_for_none(saved, identity)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_truncated_file_counts_as_none(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    assert_taken_for_none(saved)


def test_flipped_byte_counts_as_none(saved):
    content = bytearray(saved.read_bytes())
    # in the middle of the first array of sevens
    content[content.index(np.float32(7).tobytes() * 6) + 5] ^= 0xFF
    saved.write_bytes(content)
    assert_taken_for_none(saved)


def test_other_shapes_count_as_none(saved):
    target = variables(1)
    target[2] = keras.Variable(np.ones(5), dtype="float32")
    assert_taken_for_none(saved, target=target)


def test_more_variables_than_saved_count_as_none(saved):
    assert_taken_for_none(saved, target=[*variables(1), keras.Variable(1.0)])


class Bomb:
    """Goes off when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("the checkpoint was unpickled",))


@pytest.mark.parametrize("entry", ["identity", "done", "variable_0"])
def test_pickled_array_is_refused(saved, entry):
    with np.load(saved) as file:
        content = dict(file)
    content[entry] = np.array([Bomb()], dtype=object)
    np.savez(saved, **content)
    assert_taken_for_none(saved)


def test_pickle_in_place_of_the_file_is_refused(path):
    path.write_bytes(pickle.dumps(Bomb()))
    assert_taken_for_none(path)


def test_single_array_in_place_of_the_file_is_refused(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert_taken_for_none(path)


def test_several_numbers_of_epochs_count_as_none(saved):
    with np.load(saved) as file:
        content = dict(file)
    np.savez(saved, **{**content, "done": np.array([3, 4])})
    assert_taken_for_none(saved)


def test_nothing_is_pickled(saved):
    with np.load(saved, allow_pickle=False) as file:
        names = set(file.files)
        assert all(file[name].dtype != object for name in names)
    assert names == {"identity", "done", *(f"variable_{i}" for i in range(3))}


def test_half_written_file_does_not_matter(saved):
    partial = saved.with_name(f"{saved.name}.partial")
    partial.write_bytes(b"half")
    checkpoint = Checkpoint(saved, IDENTITY, seconds=0)
    assert checkpoint.restore(variables(1)) == 3
    checkpoint.save(4, variables(8))
    assert checkpoint.restore(variables(1)) == 4
    assert not partial.exists()


def test_failed_write_leaves_the_state_before(saved, monkeypatch):
    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(KerasnetsError, match=r"cannot be written .*No space.* is kept"):
        Checkpoint(saved, IDENTITY, seconds=0).save(4, variables(8))
    target = variables(1)
    assert Checkpoint(saved, IDENTITY).restore(target) == 3
    assert values(target) == values(variables(7))


def test_writes_keep_their_distance(path, monkeypatch):
    clock = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    checkpoint = Checkpoint(path, IDENTITY, seconds=10)
    written = []
    for epoch, clock in enumerate([105.0, 110.0, 119.0, 120.0], start=1):  # noqa: B007
        checkpoint.save(epoch, variables(epoch))
        written.append(checkpoint.restore(variables(0)))
    assert written == [0, 2, 2, 4]
    checkpoint.save(5, variables(5), now=True)
    assert checkpoint.restore(variables(0)) == 5


def test_removed_checkpoint_is_gone(saved):
    checkpoint = Checkpoint(saved, IDENTITY)
    checkpoint.remove()
    checkpoint.remove()
    assert not saved.exists()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_behind_a_truncated_file_is_the_one_before(saved, share):
    checkpoint = Checkpoint(saved, IDENTITY, seconds=0)
    checkpoint.save(4, variables(8))
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    target = variables(1)
    assert Checkpoint(saved, IDENTITY).restore(target) == 3
    assert values(target) == values(variables(7))
    # and it goes on from there
    checkpoint.save(5, variables(9))
    assert Checkpoint(saved, IDENTITY).restore(target) == 5
    checkpoint.remove()
    assert not list(saved.parent.iterdir())


def test_writing_takes_its_share_of_the_time_at_most(path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    savez = np.savez

    def slow(*args, **kwargs):
        clock[0] += 3.0
        savez(*args, **kwargs)

    monkeypatch.setattr(np, "savez", slow)
    checkpoint = Checkpoint(path, IDENTITY, seconds=10)
    checkpoint.save(1, variables(1), now=True)
    # 3 seconds are 5 % of 60
    clock[0] += 59
    assert not checkpoint.is_due
    clock[0] += 1
    assert checkpoint.is_due
