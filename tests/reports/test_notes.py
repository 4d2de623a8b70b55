"""What a run tells besides its figures."""

from kerasnets.reports import notes


def test_left_out_names_counts_and_kinds():
    line = notes.left_out_line({"HEIC": 1_069, "bad image": 2})
    assert line == "left out of the images: 1,069 HEIC, 2 bad image"


def test_mirroring_says_why():
    line = notes.mirroring_line({"accuracy": 0.914, "mirrored": 0.1})
    assert "are not mirrored" in line
    assert "91% of images right, and 10% of their mirror images" in line


def test_stage_not_taken_says_both_figures():
    line = notes.not_taken_line("pruning", {"accuracy": 0.975}, {"accuracy": 0.9})
    assert line == (
        "pruning is not taken: 90.00% of the validation images are right,"
        " 97.50% without it"
    )
