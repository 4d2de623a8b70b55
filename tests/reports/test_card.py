"""The model card says what the run came to."""

import pytest

from kerasnets.reports.card import model_card

SETTINGS = {
    "data": "folder:birds",
    "student": "mobilenet",
    "teacher": "resnet56",
    "teacher_size": 48,
    "seed": 7,
    "teacher_recipe": {"epochs": 12},
    "student_recipe": {"epochs": 41},
    "distil_recipe": {"epochs": 43, "temperature": 4.0, "soft_weight": 0.9},
    "max_madds": 2_000_000,
    "max_bytes": 350_000,
    "pruning": {"sparsity": 0.6, "recipe": {"epochs": 15}},
    "precision": "float32",
}


def figures(accuracy, size):
    return {
        "params": 224_010,
        "madds": 1_712_000,
        "accuracy": accuracy,
        "agreement": 0.9913,
        "sparsity": 0.596,
        "bytes": size,
        "gzip_bytes": size // 2,
        "latency_ms": 0.25,
        "preprocessing": "RGB, (x - [127.5]) / [127.5]",
    }


def results(skipped=0):
    return {
        "data": {
            "classes": ["jay", "owl", "wren"],
            "licence": "CC BY 4.0",
            "images": {"train": 1_234, "validation": 345, "test": 222},
            "skipped": skipped,
        },
        "search": {
            "best": {
                "label": "alpha 0.25 rho 0.8",
                "cost": {"size": 40, "madds": 1_712_000},
            },
            "trials": [{}] * 4,
            "feasible": 9,
        },
        "distil": {"taken": "distilled"},
        "prune": {"taken": "pruned"},
        "quantise": {"calibration": {"images": 200, "split": "train"}},
        "verify": {
            "test_images": 222,
            "models": {
                "teacher": figures(0.98, 3_400_000),
                "student": figures(0.931, 900_000),
                "distilled": figures(0.952, 900_000),
                "pruned": figures(0.951, 900_000),
                "int8": figures(0.9476, 291_406),
            },
        },
    }


@pytest.fixture
def card():
    return model_card(name="birds", settings=SETTINGS, results=results())


def words(text):
    """The text without line breaks, so that a sentence is found where it wraps."""
    return " ".join(text.split())


@pytest.mark.parametrize(
    "sentence",
    [
        "# birds",
        "classifies images of 40x40 pixels into 3 classes: jay, owl, wren.",
        "It is a mobilenet (alpha 0.25 rho 0.8, 1,712,000 multiply-adds)",
        "by `kerasnets phone` on `folder:birds`",
        "over the 222 test images",
        "gives the class of its Keras model on 99.13% of the test images",
        "shape (1, 40, 40, 3) uint8",
        'read_image("IMAGE", 40)',
        "1,234 images for training, 345 for choices, 222 for the figures",
        "fixed by seed 7",
        "Licence of the data: CC BY 4.0.",
        "teacher: resnet56 at 48x48, 12 epochs",
        "4 of 9 networks within 2,000,000 multiply-adds and 350,000 bytes",
        "student: 41 epochs on labels alone, and anew 43 distilled "
        "at temperature 4 with weight 0.9 on the soft targets",
        "60% of the kernel weights, 15 epochs",
        "ranges from 200 training images",
        "precision float32, seed 7",
    ],
)
def test_card_says(card, sentence):
    assert sentence in words(card)


def test_each_file_has_its_row(card):
    rows = [line for line in card.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [
        "teacher.tflite",
        "student.tflite",
        "distilled.tflite",
        "pruned.tflite",
        "int8.tflite",
    ]
    cells = [cell.strip() for cell in rows[-1].strip("|").split("|")]
    assert cells[2:] == [
        "224,010",
        "1.712M",
        "94.76% (90.8-96.9)",
        "60%",
        "291.4 kB",
        "145.7 kB",
        "0.250 ms",
    ]


def test_table_has_as_many_cells_in_each_row(card):
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert len(rows) == 7
    assert len({row.count("|") for row in rows}) == 1


def test_files_that_were_left_out_are_told(card):
    assert "left out" not in card
    assert "222 for the figures. The splits" in words(card)
    skipped = model_card(name="birds", settings=SETTINGS, results=results(skipped=3))
    assert "222 for the figures; 3 bad files were left out." in words(skipped)


def test_card_is_text_that_ends_in_one_line_break(card):
    assert card.endswith("not measured.\n")
    assert not any(line != line.rstrip() for line in card.splitlines())


def test_card_tells_what_is_done_to_the_pixels():
    card = model_card(name="birds", settings=SETTINGS, results=results())
    assert "RGB, (x - [127.5]) / [127.5], is done inside" in card


def test_notes_and_stages_that_were_not_taken_are_told():
    of_run = results()
    of_run["data"]["notes"] = ["left out of the images: 3 HEIC"]
    of_run["prune"] = {"taken": "student", "notes": ["pruning is not taken"]}
    of_run["distil"]["taken"] = "student"
    card = model_card(name="birds", settings=SETTINGS, results=of_run)
    assert "## Notes\n\n- left out of the images: 3 HEIC\n- pruning is not" in card
    assert "the student network in 8 bits" in card
    assert "the student network, small weights set to zero" in card


def test_card_says_how_sure_the_file_is():
    of_run = results()
    int8 = of_run["verify"]["models"]["int8"]
    int8["calibration"] = {"ece": 0.0214}
    counts = {"images": 222, "answered": 200, "right": 198, "silent_right": 13}
    none = {"images": 222, "answered": 0, "right": 0, "silent_right": 210}
    int8["answered"] = [{"at_least": 0.7, **counts}, {"at_least": 0.99, **none}]
    card = model_card(name="birds", settings=SETTINGS, results=of_run)
    assert "| 0.7 | 200 (90.1%) | 99.00% (96.4-99.7) | 2 | 13 |" in card
    assert "| 0.99 | 0 (0.0%) |  | 0 | 210 |" in card
    assert "of such answers that are right: 0.021." in words(card)
    int8["calibration"] |= {"temperature": 1.734, "ece_before": 0.08}
    card = model_card(name="birds", settings=SETTINGS, results=of_run)
    assert "0.021 with the temperature 1.73 that was fitted" in words(card)
    assert "is inside the file, 0.080 without it." in words(card)


def test_card_without_notes_has_no_such_section(card):
    assert "## Notes" not in card
    assert "## How sure" not in card
    assert "the distilled network, small weights set to zero" in card
