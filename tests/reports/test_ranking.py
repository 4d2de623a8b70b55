"""The picture of accuracy against cost."""

from xml.etree import ElementTree

from kerasnets.reports.ranking import draw_ranking


def row(label, madds, accuracy):
    interval = [accuracy - 0.03, accuracy + 0.02]
    return {
        "label": label,
        "cost": {"madds": madds},
        "accuracy": accuracy,
        "interval": interval,
    }


ROWS = [row("small", 13_000_000, 0.8), row("large", 240_000_000, 0.9)]


def draw(tmp_path, rows=ROWS, chosen="small"):
    draw_ranking(tmp_path / "a.svg", rows, chosen=chosen, max_madds=15_000_000)
    return (tmp_path / "a.svg").read_bytes()


def test_same_rows_give_the_same_picture(tmp_path):
    first = draw(tmp_path)
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert draw(tmp_path) == first
    # a network that was ranked as a teacher too is drawn once
    assert draw(tmp_path, [*ROWS, ROWS[0]]) == first
    assert draw(tmp_path, chosen="large") != first


def test_one_network_is_a_picture_too(tmp_path):
    assert ElementTree.fromstring(draw(tmp_path, ROWS[:1])) is not None
