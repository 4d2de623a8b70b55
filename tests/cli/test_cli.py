"""The command line: what a person types, reads and gets as exit status."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from support.tiny_files import network, save_colours

from kerasnets import phone
from kerasnets.cli import app
from kerasnets.data.stream import Like, streamed
from kerasnets.errors import KerasnetsError
from kerasnets.jobs import export

EXAMPLE = Path(__file__).parents[2] / "saved_models" / "digits-mobilenet"


def photos(folder: Path, **counts: int) -> Path:
    """A folder a class with that many different pictures."""
    random = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = random.integers(0, 256, (40, 40, 3), "uint8")
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_help_names_the_commands_and_loads_no_keras():
    code = "import sys; sys.argv[1:] = ['--help']; from kerasnets.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "heavy = {'keras', 'tensorflow', 'numpy'} & set(sys.modules)\n"
    code += "assert not heavy, heavy"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    commands = {"phone", "predict", "list", "summary", "plot"}
    commands |= {"finetune", "tune", "compress", "export", "verify", "bench"}
    assert commands <= set(done.stdout.split())


def test_version(run):
    code, out, _ = run("--version")
    assert (code, out.strip()) == (0, "0.1.0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "digit"], "data 'digit' is unknown: digits, tfds:NAME"),
        (["--data", "npz:none.npz"], "none.npz"),
        (["--data", "folder:none"], "folder:none"),
        (
            ["--teacher", "resnet21"],
            "network 'resnet21' is unknown: did you mean resnet",
        ),
        (["--student", "phonenet"], "'phonenet' is unknown"),
        (["--max-madds", "many"], "'many' is not a count like 2M"),
        (["--max-size", "0"], "'0' is not a size like 350kB"),
        (["--trials", "0"], "trials 0 is not a whole number of 1 or more"),
        (["--resolution", "0"], "resolution 0 is not"),
        (["--seed", "-1"], "seed -1 is not a whole number of 0 or more"),
        (["--precision", "half"], "'half' is unknown: auto, float32, mixed_float16"),
        (["--search", "none.toml"], "search file none.toml: No such file"),
    ],
)
def test_bad_value_gets_one_line(complaint, tmp_path, arguments, message):
    assert message in complaint("phone", *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fone"], "No such command 'fone'"),
        (["phone", "--colour"], "No such option: --colour"),
        (["phone", "--seed", "x"], "Invalid value for '--seed'"),
        (["predict"], "Missing argument"),
        (["predict", "a.tflite", "a.png", "--top", "0"], "Invalid value for '--top'"),
    ],
)
def test_wrong_usage_gets_one_line(complaint, arguments, message):
    assert message in complaint(*arguments, status=2)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "folder:photos"),
        ({"cats": 5}, "folder:photos"),
        ({"cats": 5, "dogs": 2}, "'dogs' has 2"),
    ],
)
def test_folder_that_cannot_be_split(complaint, tmp_path, counts, message):
    (tmp_path / "photos").mkdir()
    photos(tmp_path / "photos", **counts)
    assert message in complaint("phone", "--data", "folder:photos")


def test_bad_pictures_are_named(complaint, tmp_path):
    folder = photos(tmp_path / "photos", cats=5, dogs=5)
    (folder / "cats" / "letter.jpg").write_text("Dear cat")
    line = complaint("phone", "--data", "folder:photos")
    assert "letter.jpg" in line
    assert "--skip-bad-images" in line


def test_budget_that_nobody_meets_names_the_smallest_that_would(complaint):
    line = complaint("phone", "--max-madds", "1k")
    assert "no mobilenet of the search fits 1,000 multiply-adds" in line
    assert "--max-madds 2" in line  # alpha 0.125 at 32x32: some 0.2 million


def test_folder_of_another_run_is_kept(complaint, tmp_path):
    identity = {"data": "digits", "seed": 7}
    content = {"format": 1, "identity": identity, "stages": [], "models": {}}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text(json.dumps(content))
    line = complaint("phone", "--out", "out")
    assert "holds a run with seed 7, not 0" in line
    assert "--fresh" in line
    assert json.loads((tmp_path / "out" / "run.json").read_text()) == content


def test_damaged_run_json_is_kept(complaint, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text('{"format": 1, "sta')
    line = complaint("phone", "--out", "out")
    assert "run.json is damaged" in line
    assert (tmp_path / "out" / "run.json").read_text() == '{"format": 1, "sta'


def test_folder_with_other_things_is_kept(complaint, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("all of it")
    for option in ([], ["--fresh"]):
        assert "thesis.txt" in complaint("phone", "--out", "out", *option)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "all of it"


def test_folder_that_cannot_be_made(complaint, tmp_path):
    (tmp_path / "file").write_text("")
    assert "file is a file" in complaint("phone", "--out", "file")
    assert "Not a directory" in complaint("phone", "--out", "file/out")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "out/teacher.keras"),
            "out/teacher.keras: No space left on device",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "out"),
            "out: Permission denied",
        ),
        (
            RuntimeError("lost\nin space"),
            "RuntimeError: lost in space (--debug shows where)",
        ),
        (
            ValueError(
                "Exception encountered when calling Conv2D.call().\n\n"
                "\x1b[1mNegative dimension size\x1b[0m\n\n"
                "Arguments received by Conv2D.call():\n  • inputs=tf.Tensor(...)"
            ),
            "ValueError: Negative dimension size (--debug shows where)",
        ),
    ],
)
def test_failure_within_a_stage_gets_one_line(monkeypatch, complaint, error, line):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(phone, "run", fail)
    assert complaint("phone") == line


def test_debug_shows_the_traceback(monkeypatch, run):
    def fail(*_, **__):
        raise RuntimeError("lost")

    monkeypatch.setattr(phone, "run", fail)
    code, _, err = run("phone", "--debug")
    assert code == 1
    assert "Traceback" in err


def test_phone_prints_figures_notes_and_files(monkeypatch, run):
    given = {}

    def stand_in(**arguments):
        given.update(arguments)
        paths = (Path("out"), Path("out/int8.tflite"), Path("out/a"), Path("out/card"))
        return phone.PhoneResult(*paths, {}, 360, ("left out of the images: 3 HEIC",))

    monkeypatch.setattr(phone, "run", stand_in)
    code, out, _ = run("phone", "--no-mirror")
    assert code == 0
    assert out.splitlines()[-3:] == [
        "left out of the images: 3 HEIC",
        "out/int8.tflite",
        "out/card",
    ]
    assert given["mirror"] is False
    # what the help shows is what is taken
    for name in ("display", "on_start", "out", "fresh", "devices"):
        del given[name]
    settings = phone.choose_settings(**{**given, "precision": "float32"})
    assert (settings.max_madds, settings.max_bytes) == (2_000_000, 350_000)
    assert (settings.teacher, settings.student) == ("resnet20", "mobilenet")


def test_interruption_says_how_to_go_on(monkeypatch, complaint):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(phone, "run", interrupt)
    assert "the same command continues" in complaint("phone", status=130)


def test_predict_reads_the_example_of_the_readme(run):
    picture = EXAMPLE / "seven.png"
    code, out, err = run("predict", EXAMPLE / "int8.tflite", picture)
    assert (code, err) == (0, "")
    name, _, answer = out.strip().rpartition(": ")
    assert name == str(picture)
    assert answer.startswith("7 ")
    assert answer.endswith("%")


def test_predict_answers_for_the_good_pictures_and_names_the_bad(run, tmp_path):
    (tmp_path / "bad.jpg").write_text("no picture")
    model, good = EXAMPLE / "int8.tflite", EXAMPLE / "seven.png"
    code, out, err = run("predict", model, "bad.jpg", good, "--top", "3")
    assert code == 1
    assert out.count("%") == 3
    assert "bad.jpg" in err


def test_predict_answers_none_of_these_below_a_probability(run, tmp_path):
    from PIL import Image

    turned = tmp_path / "turned.png"
    with Image.open(EXAMPLE / "seven.png") as seven:
        seven.transpose(Image.Transpose.ROTATE_180).save(turned)
    call = ("predict", EXAMPLE / "int8.tflite", EXAMPLE / "seven.png", turned)
    _, plain, _ = run(*call)
    seven, other = (line.rpartition(": ")[2] for line in plain.splitlines())
    assert float(other.split()[1].rstrip("%")) < 95  # it knows no such digit
    code, out, err = run(*call, "--at-least", "0.95")
    assert (code, err) == (0, "")
    assert [line.rpartition(": ")[2] for line in out.splitlines()] == [
        seven,
        f"none of these ({other})",
    ]
    assert run(*call, "--at-least", "0")[1] == plain


@pytest.mark.parametrize("content", [None, b"", b"no model", b"\x1c\0\0\0TFL3" * 9])
def test_predict_refuses_what_is_no_model(complaint, tmp_path, content):
    if content is not None:
        (tmp_path / "model.tflite").write_bytes(content)
    line = complaint("predict", "model.tflite", EXAMPLE / "seven.png")
    assert "model.tflite" in line


def test_neighbours_prints_what_is_near_and_doubtful(here, run):
    from PIL import Image

    Image.new("RGB", (30, 20), (200, 10, 10)).save("red.png")
    call = ("neighbours", "net.keras", "red.png", *DATA, "--k", "2")
    code, out, err = run(*call, "--suspects", "3", "--out", "sheet.png")
    assert code == 0
    assert err.startswith("[1/1] neighbours ...")
    lines = out.splitlines()
    assert lines[0].split() == ["image", "label", "distance", "near", "it"]
    assert lines[2].startswith("red.png")
    assert "images whose label may be wrong" in lines[-2]
    assert lines[-1] == "sheet.png"
    with Image.open("sheet.png") as sheet:
        assert sheet.format == "PNG"
    _, out, _ = run(*call, "--json")
    (one,) = json.loads(out)["neighbours"]
    assert [near["label"] for near in one["nearest"]] == [lines[2].split()[1]] * 2


def test_evaluate_prints_shares_with_intervals(here, run):
    call = ("evaluate", "net.keras", *DATA, "--images", "9")
    code, out, err = run(*call, "--protocol", "whole", "--protocol", "ten-crop")
    assert code == 0, err
    rows = [line.split() for line in out.splitlines() if line.startswith("net.keras")]
    assert [row[1] for row in rows] == ["whole", "ten-crop"]
    assert all(row[2].endswith("%") and row[3].startswith("(") for row in rows)
    assert out.splitlines()[-1] == "9 test images"
    _, out, _ = run(*call, "--json")
    (row,) = json.loads(out)["rows"]
    assert row["images"] == 9
    _, out, _ = run(*call, "--table", "--protocol", "dense", "--scales", "12")
    error = 100 * (1 - row["top1"]["accuracy"])
    assert out.splitlines()[0].startswith("| network | side of training images, S |")
    assert out.splitlines()[2].startswith("| net.keras | 9 | 12 | dense | ")
    assert 0 <= error <= 100
    code, _, err = run(*call, "--scales", "12,x")
    assert (code, "scales '12,x': whole numbers" in err) == (2, True)


def test_train_says_what_recipe_and_key_are_meant(here, run):
    call = ("train", "lenet5", *DATA, "--out", "run", "--recipe")
    code, _, err = run(*call, "resnet-cifr")
    assert code == 1
    assert "no recipe 'resnet-cifr', the nearest is 'resnet-cifar'; alexnet," in err
    code, _, err = run(*call, "resnet-cifar", "--set", "epochs")
    assert (code, "--set 'epochs': KEY=VALUE is accepted" in err) == (2, True)
    code, _, err = run(*call, "resnet-cifar", "--set", "epoch=3")
    assert (code, "the nearest is 'epochs'" in err) == (1, True)
    assert not Path("run").exists()


def test_list_shows_every_network(run):
    code, out, _ = run("list")
    assert code == 0
    assert "ResNet1202" in out
    assert "19,510,906" in out
    assert "He et al. 2015" in out
    assert len(out.splitlines()) >= 17


def test_list_chooses_and_sorts(run):
    _, out, err = run(
        *("list", "--family", "cifar-resnet", "--filter", "plain", "--json"),
        *("--max-params", "1M", "--max-madds", "100M", "--sort", "madds"),
    )
    assert err == ""
    assert [(row["name"], row["madds"]) for row in json.loads(out)] == [
        ("Plain20", 40_551_040),
        ("Plain32", 68_862_592),
        ("Plain44", 97_174_144),
    ]


def test_list_of_nothing(run):
    code, out, _ = run("list", "--max-params", "1")
    assert (code, out) == (0, "no network matches these filters\n")
    assert json.loads(run("list", "--max-params", "1", "--json")[1]) == []


def test_list_of_pretrained_weights_shows_those_that_are_here(
    run, monkeypatch, tmp_path
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    code, out, _ = run("list", "--pretrained", "--filter", "mobilenetv2")
    assert (code, out) == (0, f"none of 22 files is in {tmp_path / 'models'}\n")
    path = tmp_path / "models" / "mobilenet_2_5_128_tf.h5"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    _, out, _ = run("list", "--pretrained")
    assert out.splitlines()[-1].split() == ["MobileNet", "alpha=0.25", "128", str(path)]
    (row,) = json.loads(run("list", "--pretrained", "--json")[1])
    assert (row["arguments"], row["path"]) == ({"alpha": 0.25}, str(path))
    _, out, _ = run("list", "--pretrained", "--family", "lenet")
    assert out == "keras.applications has no network that matches these filters\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["list", "--family", "oak"], 1, "family 'oak' is unknown: LeNet, "),
        (["list", "--max-madds", "few"], 1, "'few' is not a count like 2M"),
        (["list", "--sort", "fame"], 2, "'fame' is not one of 'name', 'year'"),
        (["summary", "oak"], 1, "network 'oak' is unknown"),
        (["summary", "mobilenet", "--size", "8"], 1, "(8, 8, 3) is too small"),
        (["summary", "lenet5", "--rho", "0.5"], 1, "'lenet5' has no rho: leave --rho"),
        (["summary", "lenet5", "--classes", "0"], 1, "classes 0 is not"),
        (["plot", "lenet5", "--alpha", "2"], 1, "'lenet5' has no alpha: leave --alpha"),
        (["plot", "lenet5", "--out", "a.gif"], 1, "'a.gif' does not end in .svg or"),
        (["plot", "lenet5", "--out", "no/a.svg"], 1, "No such file or directory"),
    ],
)
def test_what_a_network_lacks_gets_one_line(complaint, arguments, status, message):
    assert message in complaint(*arguments, status=status)


def test_summary_shows_layers_and_sums(run):
    code, out, _ = run("summary", "mobilenet", "--alpha", "0.25", "--rho", "0.5")
    assert code == 0
    assert "stage5_block2_pointwise_conv" in out
    assert "475,544" in out
    assert "paper's table" not in out  # that is of the default arguments


def test_summary_compares_with_the_paper(run):
    _, out, _ = run("summary", "lenet5original")
    assert "parameters    60,000: as expected" in out
    assert "multiply-adds 326,520: as expected" in out


def test_summary_of_another_size_keeps_the_channels(run):
    _, out, _ = run("summary", "lenet5", "--size", "40")
    assert "40x40x1" in out


def test_plot_draws_the_same_picture_each_time(run, tmp_path):
    assert run("plot", "lenet5")[:2] == (0, "lenet5.svg\n")
    picture = (tmp_path / "lenet5.svg").read_bytes()
    assert picture.startswith(b"<?xml")
    assert run("plot", "lenet5", "--out", "again.svg")[0] == 0
    assert (tmp_path / "again.svg").read_bytes() == picture
    assert run("plot", "lenet5", "--size", "40", "--out", "large.PNG")[0] == 0
    assert (tmp_path / "large.PNG").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "again.svg",
        "large.PNG",
        "lenet5.svg",
    ]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A network, its int8 file, images, and what is none of them."""
    folder = tmp_path_factory.mktemp("files")
    network().save(folder / "net.keras")
    other = network()
    head = other.get_layer("logits")
    head.kernel.assign(-head.kernel)
    other.save(folder / "other.keras")
    silent = keras.Sequential([keras.Input((8, 8, 3)), *network().layers[2:]])
    silent.save(folder / "silent.keras")
    save_colours(folder / "colours.npz")
    export.run(
        folder / "net.keras",
        folder / "net.tflite",
        format="int8",
        data=f"npz:{folder / 'colours.npz'}",
    )
    whole = (folder / "net.tflite").read_bytes()
    (folder / "short.tflite").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.tflite").write_bytes(b"")
    (folder / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    (folder / "two.txt").write_text("cat\ndog\n")
    return folder


@pytest.fixture
def here(files, tmp_path, run):
    """Those files under their names in the folder of the command."""
    del run  # which goes there
    for file in files.iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


DATA = ["--data", "npz:colours.npz"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compress no.keras out.keras", "no.keras cannot be read: No such file"),
        ("compress net.h5 out.keras", "net.h5 is a whole-model HDF5 file"),
        ("compress net.tflite out.keras", "net.tflite"),
        ("compress net.keras out.h5", "name a .keras file"),
        ("compress net.keras out.tflite", "name a .keras file"),
        ("compress net.keras no/out.keras", "there is no folder 'no'"),
        ("compress net.keras out.keras --recipe melt", "recipe 'melt' is unknown: "),
        (
            "compress net.keras out.keras --recipe qat --sparsity 0.5",
            "recipe 'qat' has no sparsity: leave it out",
        ),
        (
            "compress net.keras out.keras --sparsity 2",
            "0 <= initial_sparsity <= sparsity < 1 is accepted",
        ),
        ("compress net.keras out.keras --madds 0.5", "'pcqat' has no madds"),
        ("compress net.keras out.keras --epochs 0", "epochs 0 is not"),
        ("compress net.keras out.keras --pixels 0..9", "pixels '0..9' are not known"),
        ("compress net.keras out.keras --teacher no.keras", "no.keras cannot be"),
        ("export net.keras out.tflite --format int4", "format 'int4' is unknown: "),
        ("export net.keras out.keras", "name a .tflite file"),
        ("export net.keras no/out.tflite", "there is no folder 'no'"),
        ("export net.keras out.tflite --labels two.txt", "2 labels were given for 3"),
        ("export net.keras out.tflite --labels no.txt", "no.txt: No such file"),
        ("export net.keras out.tflite --licence MIT", "licence would be lost"),
        ("export net.keras out.tflite --resize-from 9", "HEIGHTxWIDTH is accepted"),
        ("export net.keras out.tflite --resize-from 0x9", "HEIGHTxWIDTH is accepted"),
        ("export net.keras out.onnx --format onnx --io uint8", "takes no data"),
        (
            "export net.keras out.tflite --io float32 --sparse --format int8",
            "name data",
        ),
        ("export silent.keras out.tflite", "say --pixels, or pixels= in Python"),
        ("export net.keras out.tflite --pixels 1:0", "pixels '1:0' are not known"),
        ("verify net.tflite --model silent.keras", "say --pixels"),
        ("verify no.tflite --model net.keras", "no.tflite cannot be read"),
        ("verify empty.tflite --model net.keras", "empty.tflite is not a LiteRT"),
        ("verify short.tflite --model net.keras", "short.tflite"),
        ("verify net.tflite --model net.h5", "net.h5 is a whole-model HDF5"),
        ("verify net.tflite --model net.keras --images -1", "images -1 is not"),
        ("bench no.tflite", "no.tflite cannot be read"),
        ("bench empty.tflite", "empty.tflite is not a LiteRT"),
        ("bench short.tflite", "short.tflite"),
        ("bench net.tflite --reference empty.tflite", "empty.tflite"),
        ("bench net.tflite --threads 0", "--threads 0: 1 or more"),
        ("bench net.tflite --runs 0", "runs is 0; it must be 1 or more"),
        ("bench net.tflite --serial x", "go with --phone"),
        ("neighbours no.keras a.png", "no.keras cannot be read: No such file"),
        ("neighbours net.keras a.png", "a.png: no such file"),
        ("neighbours net.keras two.txt", "two.txt: not an image"),
        ("neighbours net.keras", "nothing is asked: name an image, or"),
        ("neighbours net.keras --suspects 1 --layer pol", "no layer 'pol'; near it"),
        ("neighbours net.keras --suspects 1 --out a.svg", "does not end in .png"),
        ("neighbours silent.keras --suspects 1", "say --pixels"),
        ("neighbours lenett a.png", "network 'lenett' is unknown: did you mean"),
        ("predict empty.tflite a.png", "empty.tflite is not a LiteRT"),
        ("predict short.tflite a.png", "short.tflite"),
        ("predict a.tflite a.png --at-least 70", "--at-least 70: 0 to 1 is accepted"),
        ("predict a.tflite a.png --at-least -0.1", "--at-least -0.1: 0 to 1"),
        ("predict a.tflite a.png --at-least nan", "--at-least nan: 0 to 1"),
    ],
)
def test_what_a_step_cannot_use_gets_one_line(here, complaint, line, message):
    before = sorted(here.iterdir())
    command, *arguments = line.split()
    if command in ("compress", "verify", "neighbours"):
        arguments += DATA
    assert message in complaint(command, *arguments)
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compress net.keras out.keras", "Missing option '--data'"),
        ("verify net.tflite --data digits", "Missing option '--model'"),
        ("export net.keras out.tflite --io int8", "Invalid value for '--io'"),
        ("bench", "Missing argument"),
    ],
)
def test_wrong_usage_of_a_step_gets_one_line(complaint, line, message):
    assert message in complaint(*line.split(), status=2)


def test_output_of_before_stays_when_the_call_fails(here, complaint):
    for name in ("out.keras", "out.tflite"):
        (here / name).write_bytes(b"of before")
    complaint("export", "net.keras", "out.tflite", "--labels", "two.txt")
    complaint("compress", "net.keras", "out.keras", "--data", "npz:two.txt")
    for name in ("out.keras", "out.tflite"):
        assert (here / name).read_bytes() == b"of before"


def test_steps_from_a_model_to_a_measured_file(here, run):
    code, out, _ = run(
        *("compress", "net.keras", "small.keras", *DATA),
        *("--recipe", "channels", "--madds", "0.6", "--epochs", "1"),
    )
    assert code == 0
    assert out.endswith("small.keras\n")
    code, out, _ = run(
        *("export", "small.keras", "small.tflite", "--format", "int8", *DATA),
        *("--calibration", "20", "--author", "me"),
    )
    assert code == 0
    assert out.startswith("small.tflite: ")
    verify = ("verify", "small.tflite", "--model", "small.keras", *DATA)
    code, out, _ = run(*verify, "--agreement", "0")
    assert code == 0
    assert "probabilities" in out
    code, out, _ = run(*verify, "--agreement", "0", "--images", "5", "--json")
    figures = json.loads(out)
    assert (code, figures["holds"], figures["examples"]) == (0, True, 5)
    assert not list(here.glob("*.data"))


def test_pixels_and_output_that_are_said_are_printed(here, run):
    said = ("--pixels", "0..1", "--output", "logits")
    code, out, _ = run("export", "silent.keras", "said.tflite", *said)
    assert code == 0
    line = "pixels 0 to 255, normalised inside: x / 255"
    assert out.splitlines()[-1] == line
    verify = ("verify", "said.tflite", "--model", "silent.keras", *DATA)
    code, out, _ = run(*verify, *said)
    assert code == 0
    assert line in out
    # what the exporter assumed is not what the verifier goes by
    code, _, err = run(*verify, "--pixels", "-1..1", "--output", "logits")
    assert code == 1
    assert "said.tflite is out of bounds" in err


def test_what_a_folder_holds_beside_images_is_told(here, run):
    for number in range(30):
        path = here / "colours" / "rgb"[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = [(250, 9, number), (9, 250, number), (number, 9, 250)][number % 3]
        Image.new("RGB", (8, 8), colour).save(path)
    (here / "colours" / "r" / "clip.mp4").write_bytes(b"a film")
    data, line = ("--data", "folder:colours"), "left out of the images: 1 video"
    int8 = ("--format", "int8", "--calibration", "20")
    for more in ((), int8):
        code, _, err = run("export", "net.keras", "told.tflite", *data, *more)
        assert (code, err.count(line)) == (0, 1)
    verify = ("verify", "told.tflite", "--model", "net.keras", "--agreement", "0")
    code, out, err = run(*verify, *data, "--max-difference", "1", "--json")
    assert (code, err.count(line)) == (0, 1)
    assert json.loads(out)["holds"]


def test_verify_names_the_bound_that_does_not_hold(here, run):
    code, out, err = run(
        *("verify", "net.tflite", "--model", "other.keras", *DATA, "--json"),
        *("--accuracy", "0", "--max-difference", "1"),
    )
    assert code == 1
    figures = json.loads(out)
    assert not figures["holds"]
    (failure,) = figures["failures"]
    assert failure.startswith("probabilities: the best class agrees on")
    last = err.splitlines()[-1]
    assert last == f"kerasnets: net.tflite is out of bounds: {failure}"


def test_bench_prints_json_of_each_file(here, run):
    code, out, _ = run(
        *("bench", "net.tflite", "--reference", EXAMPLE / "int8.tflite", "--json"),
        *("--runs", "3", "--warmup", "0", "--threads", "2"),
    )
    rows = json.loads(out)
    assert code == 0
    assert [(Path(row["name"]).name, row["threads"]) for row in rows] == [
        ("int8.tflite", 1),
        ("net.tflite", 1),
        ("int8.tflite", 2),
        ("net.tflite", 2),
    ]
    assert [row["ratio"] is None for row in rows] == [True, False, True, False]
    assert all(row["runs"] == 3 and row["ms"]["median"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "jax"}, "Keras is set to backend 'jax', and this needs 'tensor"),
        ({"floatx": "float64"}, "Keras is set to floatx 'float64'"),
        ({"image_data_format": "channels_first"}, "image_data_format 'channels_first'"),
        ({}, "data 'none' is unknown"),
    ],
)
def test_settings_of_keras_that_do_not_fit_are_told(tmp_path, settings, message):
    """In a process of its own: Keras reads its file once."""
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    environment.pop("KERAS_BACKEND", None)
    done = subprocess.run(
        [sys.executable, "-m", "kerasnets", "phone", "--data", "none"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert message in line


def test_backend_of_the_environment_comes_first(tmp_path):
    code = "from kerasnets import jobs; jobs.compress"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "KERAS_HOME": str(tmp_path),
            "KERAS_BACKEND": "jax",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
    )
    assert "KerasnetsError: Keras is set to backend 'jax'" in done.stderr


def test_images_are_fetched_before_anything_else(complaint, run):
    for command in ("phone", "compress", "export", "verify", "evaluate"):
        assert "--download" in run(command, "--help")[1]
    message = complaint(
        *("evaluate", "none.keras", "--data", "tfds:no_such_set", "--download")
    )
    assert message.startswith("tfds:no_such_set is unknown to TFDS")


def test_damage_that_is_found_while_a_batch_is_read_gets_one_line():
    def read(step):
        raise KerasnetsError(f"{step}.jpg: image file is truncated")

    stream = streamed(
        read, lambda tensors: (tensors["x"], 0), {"x": Like((), "int64")}, 7, 9
    )
    with pytest.raises(Exception, match="truncated") as error:
        list(stream)
    assert not isinstance(error.value, KerasnetsError)
    assert app._one_line(error.value) == "7.jpg: image file is truncated"
