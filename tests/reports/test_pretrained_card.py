"""The model card of a run from ImageNet weights says what was decided, and by what."""

import pytest
from scipy.stats import binomtest

from kerasnets.reports.pretrained_card import pretrained_card

SETTINGS = {
    "data": "folder:birds",
    "seed": 7,
    "max_madds": 15_000_000,
    "max_bytes": 350_000,
    "max_latency": None,
    "on_phone": False,
    "max_loss": 1.0,
    "distil_recipe": {"temperature": 2.0},
}


def row(label, madds, size, accuracy, images=500):
    cost = {"madds": madds, "int8_bytes": size, "size": 128}
    return {"label": label, "cost": cost, "accuracy": accuracy, "images": images}


def figures(accuracy):
    return {
        "params": 219_829,
        "madds": 13_315_328,
        "accuracy": accuracy,
        "agreement": 0.98,
        "sparsity": 0.3,
        "bytes": 299_800,
        "gzip_bytes": 200_000,
        "latency_ms": 0.3,
        "preprocessing": "RGB, (x - [127.5]) / [127.5]",
    }


def validation(accuracy):
    return {"validation": {"accuracy": accuracy}}


SMALL = row("MobileNet alpha 0.25 at 128", 13_315_328, 292_805, 0.8)
LARGE = row("MobileNet alpha 0.5 at 160", 76_015_360, 962_533, 0.86)


def results(**changes):
    return {
        "data": {
            "classes": ["jay", "owl"],
            "licence": "CC BY 4.0",
            "images": {"train": 1_000, "validation": 500, "test": 400},
            "skipped": 0,
        },
        "rank": {"rows": [SMALL], "by_cross_validation": False},
        "search": {"best": SMALL, "tuned": {}},
        "teacher": {
            "rows": [LARGE, SMALL],
            "members": ["MobileNet alpha 0.5 at 160"],
            "validation": {"accuracy": 0.9},
        },
        "distil": {
            "taken": "distilled",
            "epochs": {"student": 10, "distilled": 16},
            "linear": validation(0.8),
            "student": validation(0.85),
            "distilled": validation(0.86),
        },
        "prune": {
            "taken": "pruned",
            "tried": [
                {"sparsity": 0.5, "accuracy": 0.82},
                {"sparsity": 0.3, "accuracy": 0.856},
            ],
        },
        "quantise": {
            "taken": "pruned",
            "tried": {"pruned": {"accuracy": 0.854}},
            "calibration": {"images": 200},
        },
        "verify": {
            "test_images": 400,
            "models": {
                name: figures(0.87)
                for name in ("linear", "student", "distilled", "pruned", "int8")
            },
        },
        **changes,
    }


def card(settings=SETTINGS, **changes):
    text = pretrained_card(name="birds", settings=settings, results=results(**changes))
    return " ".join(text.split())


@pytest.mark.parametrize(
    "sentence",
    [
        "ImageNet weights (MobileNet alpha 0.25 at 128, 13,315,328 multiply-adds)",
        "Within 15,000,000 multiply-adds, 350,000 bytes each network",
        "on its codes, on the validation images (in brackets",
        "| MobileNet alpha 0.25 at 128 | 13.32M | 292.8 kB | 80.00% (",
        "![accuracy against cost](ranking.svg)",
        "`--max-madds 76015360 --max-size 962533` for MobileNet alpha 0.5 at 160",
        "1 points of them. The teacher, MobileNet alpha 0.5 at 160, is right on",
        "| tuned on labels, 10 epochs | 85.00%",
        "| tuned on the teacher's answers, 16 epochs, temperature 2 | 86.00%",
        "| pruned, 50% zeros | 82.00%",
        "| int8 of: pruned | 85.40%",
        "Taken: distilled, then pruned.",
        "the distilled network, small weights set to zero",
        "the pruned network in 8 bits: **the file for the phone**",
    ],
)
def test_card_says(sentence):
    assert sentence in card()


def test_shares_have_the_interval_of_the_images_that_they_are_of():
    low, high = binomtest(400, 500).proportion_ci(method="wilson")
    assert f"80.00% ({100 * low:.1f}-{100 * high:.1f})" in card()


def test_what_nobody_did_is_not_told():
    text = card(
        rank={"rows": [SMALL], "by_cross_validation": True},
        teacher={"rows": [], "members": []},
        distil={"taken": "linear", "epochs": {}, "linear": validation(0.8)},
        prune={"taken": "linear", "tried": []},
        verify={
            "test_images": 10,
            "models": {"linear": figures(0.8), "int8": figures(0.8)},
        },
    )
    assert "in cross-validation of the training and validation images" in text
    assert "No network that was ranked beyond this budget is more accurate." in text
    assert "teacher" not in text
    assert "Chance" not in text
    assert "zeros |" not in text.partition("## Decisions")[2]


def test_what_short_tunings_decided_is_told():
    text = card(search={"best": SMALL, "tuned": {"one": 0.8, "other": 0.7}})
    assert "few epochs, which decided: one, 80.00% (76.3-83.3); other, 70.00%" in text


def test_latency_is_part_of_the_budget():
    within = {**SETTINGS, "max_latency": 5.0}
    assert "350,000 bytes, 5 ms each" in card(within)
    assert "350,000 bytes, 5 ms on the phone each" in card({**within, "on_phone": True})
