import numpy as np
import pytest

from kerasnets.evaluation import Judgement, share_interval

# six classes; the label is first, second, first and sixth
ANSWERS = np.array(
    [
        [0.50, 0.10, 0.10, 0.10, 0.10, 0.10],
        [0.05, 0.30, 0.40, 0.10, 0.10, 0.05],
        [0.10, 0.10, 0.15, 0.20, 0.25, 0.20],
        [0.30, 0.25, 0.20, 0.14, 0.09, 0.02],
    ]
)
LABELS = np.array([0, 1, 4, 5])


@pytest.fixture
def judgement():
    return Judgement(ANSWERS, LABELS, tuple("abcdef"))


def test_top_k_by_hand(judgement):
    assert [judgement.top(k) for k in (1, 2, 5, 6)] == [2, 3, 3, 4]


def test_of_equals_the_first_is_taken():
    even = Judgement(np.full((2, 4), 0.25), np.array([0, 3]), tuple("abcd"))
    assert [even.top(k) for k in (1, 2, 3, 4)] == [1, 1, 1, 2]


def test_confusion_by_hand(judgement):
    expected = np.zeros((6, 6), int)
    expected[0, 0] = expected[1, 2] = expected[4, 4] = expected[5, 0] = 1
    np.testing.assert_array_equal(judgement.confusion, expected)


def test_worst_first(judgement):
    # the label of the last has 2 %, that of the second 30 %
    assert judgement.worst(9).tolist() == [3, 1]
    assert judgement.worst(1).tolist() == [3]


def test_figures_as_json(judgement):
    found = judgement.as_json()
    assert found["images"] == 4
    assert found["top1"]["accuracy"] == 0.5
    assert found["top5"]["accuracy"] == 0.75
    ends = share_interval(2, 4)
    assert found["top1"]["interval"] == {"low": ends.low, "high": ends.high}
    assert found["classes"][2] == {"name": "c", "images": 0, "right": 0}
    assert found["classes"][4] == {"name": "e", "images": 1, "right": 1}
    # surer than right: 0.5 - 1, 0.4 - 0, 0.25 - 1, 0.3 - 0, each in a bin of its own
    assert found["calibration_error"] == pytest.approx((0.5 + 0.4 + 0.75 + 0.3) / 4)


def test_of_five_classes_all_are_among_five():
    five = Judgement(np.eye(5), np.arange(5), tuple("abcde"))
    assert five.as_json()["top5"] is None
