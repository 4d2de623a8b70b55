"""A study run: what it leaves, that it goes on, what its command says."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.runs import write_run
from support.studies import SHORT, load, make_study
from support.tiny_files import save_colours

from kerasnets.errors import KerasnetsError
from kerasnets.jobs import train
from kerasnets.jobs.teaching import Teaching
from kerasnets.studies import (
    Claim,
    Picture,
    Row,
    adjusted_biases,
    main,
    page,
    publish,
    read_results,
    run_study,
)

APPLICATIONS = Path(__file__).parents[2] / "applications"
STUDIES = [x for x in APPLICATIONS.glob("*.py") if "STUDY" in x.read_text()]


@pytest.fixture
def data(tmp_path):
    save_colours(tmp_path / "colours.npz")
    return f"npz:{tmp_path / 'colours.npz'}"


def judged(*right):
    """Of 10, 20 and 20 images of each class so many right."""
    classes = [
        {"name": name, "images": images, "right": count}
        for name, images, count in zip("abc", (10, 20, 20), right, strict=True)
    ]
    return {"top1": {"accuracy": sum(right) / 50}, "classes": classes}


@pytest.fixture
def trained(monkeypatch):
    """Names of the trainings that are asked for; nothing is trained."""
    return untrained(monkeypatch)[0]


@pytest.fixture
def taught(monkeypatch):
    """The same, and by whom each is taught, by name."""
    return untrained(monkeypatch)


def untrained(monkeypatch):
    names, teachings = [], {}

    def run(network, out, *, seed, teaching, train_images, **given):
        assert bool(given["grow_from"]) == ("grown" in out.name)
        names.append(
            out.name if train_images is None else f"{out.name}: {train_images}"
        )
        write_run(out, network=network, seed=seed)
        (out / "data").mkdir(exist_ok=True)
        (out / "data" / "train_images.npy").write_bytes(b"many")
        if teaching:
            teachings[out.name] = teaching
            record = json.loads((out / "run.json").read_text())
            _, learned, evaluated = record["stages"]
            learned["settings"] |= {"only": [], "without": list(teaching.without)}
            # (without adjusted biases b is hardly answered)
            evaluated["results"]["test"] = {
                train.LAST: judged(10, 5, 20),
                train.ADJUSTED: judged(10, 18, 17),
            }
            (out / "run.json").write_text(json.dumps(record))
        return SimpleNamespace()

    monkeypatch.setattr(train, "run", run)
    return names, teachings


def test_what_it_leaves(data, tmp_path, trained):
    results = run_study(make_study(), "cpu", data=data, out=tmp_path / "out")
    # each seed goes through all rows before the next
    assert trained == ["small-seed0", "large-seed0", "small-seed1", "large-seed1"]
    run = results["runs"][0]
    # of the last epoch and its weights, in percent; ``write_run`` has what they are
    assert (run["training_error"], run["test_error"]) == (25.0, 50.0)
    assert (run["seconds"], run["params"], run["madds"]) == (6.0, 61_706, 416_520)
    assert run["images"] == {"train": 900, "validation": 100, "test": 50}
    assert read_results(tmp_path / "out" / "results.json") == results
    assert (tmp_path / "out" / "page.md").read_text() == page(results)
    assert (tmp_path / "out" / "curves.svg").read_bytes().startswith(b"<?xml")
    with (tmp_path / "out" / "epochs.csv").open(newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows[:3] == [
        ("small", "0", "1", "75.0", "50.0"),
        ("small", "0", "2", "50.0", "25.0"),
        ("small", "0", "3", "25.0", "37.5"),
    ]
    assert len(rows) == 12
    # what is done needs its images no more
    assert not (tmp_path / "out" / "large-seed1" / "data").exists()


def test_only_what_is_left_is_trained(data, tmp_path, trained, monkeypatch):
    run = train.run

    def killed(network, out, **given):
        if out.name == "large-seed0":
            raise KeyboardInterrupt
        return run(network, out, **given)

    study, out = make_study(seeds=1), tmp_path / "out"
    monkeypatch.setattr(train, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, "cpu", data=data, out=out)
    assert not (out / "results.json").exists()
    monkeypatch.setattr(train, "run", run)

    def again(study, **given):
        trained.clear()
        run_study(study, "cpu", data=data, out=out, **given)
        return list(trained)

    assert again(study) == ["large-seed0"]
    assert again(study) == []
    (out / "small-seed0" / "history.csv").unlink()
    assert again(study) == ["small-seed0"]
    assert again(make_study(seeds=2)) == ["small-seed1", "large-seed1"]
    shorter = make_study(seeds=1, changes={**SHORT, "epochs": "7"})
    assert again(shorter) == ["small-seed0", "large-seed0"]
    assert again(shorter, fresh=True) == ["small-seed0", "large-seed0"]
    np.savez(tmp_path / "colours.npz", **other_images())
    assert again(shorter) == ["small-seed0", "large-seed0"]


def taught_study(seeds=2, changes=SHORT, **teaching):
    """A small network that a large one teaches, as it is and adjusted."""
    named = {"network": "lenet1", "recipe": "resnet-cifar"}
    return make_study(
        seeds=seeds,
        rows=(
            Row("large", "lenet5", "resnet-cifar", changes),
            Row("small", **named, taught_by="large", teaching=teaching),
            Row("small, adjusted", **named, of="small", ask=adjusted_biases),
        ),
        claims=(
            Claim("b is known.", "2015", "unseen_error", ("small", "small, adjusted")),
        ),
    )


def test_a_row_is_taught_by_the_network_of_another_with_its_seed(
    data, tmp_path, taught
):
    names, teachings = taught
    study, out = taught_study(without=("b",)), tmp_path / "out"
    results = run_study(study, "cpu", data=data, out=out)
    assert names == ["large-seed0", "small-seed0", "large-seed1", "small-seed1"]
    assert teachings == {
        f"small-seed{seed}": Teaching((out / f"large-seed{seed}",), without=("b",))
        for seed in (0, 1)
    }
    runs = {run["row"]: run for run in results["runs"]}
    # 35 of 50 images, 5 of the 20 of b; adjusted 45, and 18
    small, adjusted = runs["small"], runs["small, adjusted"]
    assert (small["test_error"], small["unseen_error"]) == (30.0, 75.0)
    assert (adjusted["test_error"], adjusted["unseen_error"]) == (10.0, 10.0)
    # nothing was trained for that
    assert adjusted["seconds"] == 0
    assert "training_error" not in adjusted
    assert "unseen_error" not in runs["large"]
    (claim,) = results["claims"]
    assert (
        claim["why"] == "small minus small, adjusted: +65.00 points (+65.00 to +65.00)"
    )
    told = page(results)
    assert "| `resnet-cifar`, taught by large, without b |" in told
    assert "| small: adjusted biases |" in told
    # curves are of what was trained
    with (out / "epochs.csv").open(newline="") as file:
        assert {row["row"] for row in csv.DictReader(file)} == {"large", "small"}


def test_epochs_are_counted_until_as_good_as_another_row(data, tmp_path, trained):
    named = {"recipe": "resnet-cifar", "changes": SHORT}
    study = make_study(
        rows=(
            Row("scratch", "lenet5", **named),
            Row("narrow", "lenet1", **named),
            Row("grown", "lenet5", **named, grown_from="narrow"),
        ),
        claims=(Claim("Sooner.", "2016", "epochs", ("scratch", "grown")),),
        as_good_as="scratch",
    )
    out = tmp_path / "out"
    run_study(study, "cpu", data=data, out=out)
    # ``write_run`` ends at 0.625 of the validation images, which come with epoch 2
    for seed in (0, 1):
        path = out / f"grown-seed{seed}" / "history.csv"
        path.write_text(path.read_text().replace("1.9,0.5,", "1.9,0.7,"))
        path = out / f"narrow-seed{seed}" / "history.csv"
        path.write_text(path.read_text().replace("0.75,2.25", "0.25,2.25"))
        path.write_text(path.read_text().replace("0.625,2.25", "0.25,2.25"))
    results = run_study(study, "cpu", data=data, out=out)
    epochs = {run["row"]: run["epochs"] for run in results["runs"]}
    assert epochs == {"scratch": 2, "grown": 1, "narrow": 4}
    (claim,) = results["claims"]
    assert claim["why"] == "scratch minus grown: +1.00 epochs (+1.00 to +1.00)"
    told = " ".join(page(results).split())
    assert "grown from narrow |" in told
    assert "validation images as scratch is in the end" in told


def test_a_tree_teaches_without_a_teacher(data, tmp_path, taught):
    _, teachings = taught
    teaching = {"tree": (("0", "1"), "2"), "tree_share": 0.2}
    row = Row("alike", "lenet5", "resnet-cifar", SHORT, teaching=teaching)
    results = run_study(
        make_study(rows=(row,), claims=(), seeds=1),
        "cpu",
        data=data,
        out=tmp_path / "out",
    )
    assert teachings == {"alike-seed0": Teaching(**teaching)}
    assert ", tree (0 1) 2, tree_share 0.2 |" in page(results)


def test_what_is_asked_of_a_network_is_asked_once(data, tmp_path, trained):
    asked = []

    def errors_by_hand(folder, spec, seed, changes, progress):
        asked.append((folder.name, spec, seed, changes))
        progress(1, 2, "half")
        return {"test_error": 12.5}

    def again(**changes):
        asked.clear()
        named = {"recipe": "resnet-cifar", "changes": SHORT}
        more = Row("more", "lenet5", "", changes, of="large", ask=errors_by_hand)
        rows = (Row("large", "lenet5", **named), more)
        study = make_study(rows=rows, claims=(), seeds=1, changes={"epochs": "7"})
        return run_study(study, "cpu", data=data, out=tmp_path / "out")

    results = again(groups="3")
    changes = {"groups": "3", "epochs": "7"}
    assert asked == [("large-seed0", data, 0, changes)]
    large, more = results["runs"]
    assert (more["test_error"], more["params"]) == (12.5, large["params"])
    assert "| large: errors by hand, groups 3 |" in page(results)
    again(groups="3")
    assert asked == []
    again(groups="4")
    assert len(asked) == 1
    assert trained == ["large-seed0"]


def test_a_student_is_taught_again_with_its_teacher(data, tmp_path, taught):
    names, _ = taught

    def again(**given):
        names.clear()
        study = taught_study(seeds=1, **given)
        run_study(study, "cpu", data=data, out=tmp_path / "out")
        return list(names)

    assert again() == ["large-seed0", "small-seed0"]
    assert again() == []
    assert again(without=("b",)) == ["small-seed0"]
    # tuples are lists in the record
    assert again(without=("b",)) == []
    other = {**SHORT, "weight_decay": "0.01"}
    assert again(without=("b",), changes=other) == ["large-seed0", "small-seed0"]


def test_pictures_are_drawn_and_published(data, tmp_path, trained):
    def draw(figure, folders, data):
        asked.append(({x: folder.name for x, folder in folders.items()}, data))
        figure.text(0.5, 0.5, "drawn by hand")

    asked = []
    study = make_study(pictures=(Picture("both", "Two folders.", (3, 2), draw),))
    out, pages = tmp_path / "out", tmp_path / "literature"
    results = run_study(study, "cpu", data=data, out=out)
    assert asked == [({"small": "small-seed0", "large": "large-seed0"}, data)]
    picture = (out / "both.svg").read_bytes()
    # 3 inches of 72 points
    assert b'width="216pt" height="144pt"' in picture
    publish(study, pages, results, out)
    assert (pages / "made_up_both.svg").read_bytes() == picture
    told = (pages / "made_up.md").read_text()
    assert "![Two folders.](made_up_both.svg)\n\nTwo folders.\n" in told


def other_images():
    random = np.random.default_rng(1)
    return {
        "x_train": random.integers(0, 256, (60, 8, 8, 3), "uint8"),
        "y_train": np.arange(60) % 3,
    }


def test_a_row_may_learn_from_fewer_images_and_a_run_have_fewer_seeds(
    data, tmp_path, trained
):
    def run(images, seeds=1):
        trained.clear()
        row = Row("few", "lenet1", "resnet-cifar", SHORT, train_images=images)
        study = make_study(rows=(row,), claims=())
        return run_study(study, "cpu", data=data, out=tmp_path / "out", seeds=seeds)

    assert "| `resnet-cifar`, " in page(run(None))
    assert "25 of the images |" in page(run(25))
    assert trained == ["few-seed0: 25"]
    run(25, seeds=2)
    assert trained == ["few-seed1: 25"]
    with pytest.raises(KerasnetsError, match="seeds 0 is not a whole number of 1 or"):
        run(25, seeds=0)


def test_damaged_record_is_told(data, tmp_path):
    (tmp_path / "runs.json").write_text('{"small-seed0": 3}')
    with pytest.raises(KerasnetsError, match="is damaged"):
        run_study(make_study(), "cpu", data=data, out=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--size or --publish is needed"),
        (["--size", "cpu"], "where are the images? --data npz:colours.npz"),
        (["--size", "cpu", "--data", "npz:missing.npz"], "there is no such file"),
    ],
)
def test_errors_are_one_line(study, arguments, message, capfd, monkeypatch, tmp_path):
    monkeypatch.delenv("KERASNETS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(study, arguments)
    assert stopped.value.code == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("made_up: ")
    assert message in line


def test_command_writes_and_publishes(data, tmp_path, monkeypatch, capfd, trained):
    monkeypatch.setenv("KERASNETS_DATA", str(tmp_path))
    study, pages = make_study(seeds=1), tmp_path / "literature"
    main(study, ["--publish", str(pages)])
    assert "Not run at this size yet." in (pages / "made_up.md").read_text()
    out = ["--out", str(tmp_path / "out"), "--publish", str(pages)]
    main(study, ["--size", "cpu", *out])
    assert capfd.readouterr().err.splitlines()[-1] == str(tmp_path / "out")
    found = {path.name for path in pages.iterdir()}
    assert found == {
        "README.md",
        *(f"made_up.{x}" for x in ("json", "md", "csv", "svg")),
    }
    kept = (pages / "made_up.json").read_text()
    assert len(json.loads(kept)["runs"]) == 2
    # nothing of the machine
    assert str(tmp_path) not in kept
    # without a size the page is written from what is there
    main(study, ["--publish", str(pages)])
    assert (pages / "made_up.json").read_text() == kept


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES))
def test_smoke(name, tmp_path):
    study = load(APPLICATIONS / f"{name}.py").STUDY
    main(study, ["--size", "smoke", "--out", str(tmp_path)])
    results = read_results(tmp_path / "results.json")
    assert [run["row"] for run in results["runs"]] == [row.name for row in study.rows]
    assert all(0 <= run["test_error"] < 95 for run in results["runs"])
    assert {claim["verdict"] for claim in results["claims"]} == {
        "not seen at this size"
    }
