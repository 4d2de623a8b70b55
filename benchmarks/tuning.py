"""What sharing weights saves a search, beside the whole grid and plain Keras Tuner.

    python benchmarks/tuning.py [--seeds 3] [--epochs 12] [--out FOLDER]

MobileNet's width and resolution on the digits: all networks trained alone (the grid),
ranked by one shared training of which the first two are then trained alone, and plain
Keras Tuner (RandomSearch and Hyperband with ``HyperNet``) for as long as that took.
Times are of the processor, so that other work beside it does not count. What a method
chose is judged by what the grid knows of that network. What is measured is kept.
"""

import argparse
import contextlib
import json
import statistics
import time
from pathlib import Path

import keras
import keras_tuner
import numpy as np
from scipy.stats import kendalltau

from kerasnets.data import load_prepared
from kerasnets.jobs import tune
from kerasnets.training import seed_everything
from kerasnets.tuning import HyperNet, SearchPlan

RESOLUTION = 48
AXES = {
    "alpha": tuple(n / 16 for n in range(2, 10)),
    "rho": tuple(side / RESOLUTION for side in (32, 36, 40, 48)),
}
CHOSEN = 2


def searched(oracle: str, trials: int, seed: int, epochs: int, out: Path) -> dict:
    """One search of ours: its seconds, its trials and its ranking."""
    plan = SearchPlan(AXES, oracle, trials, epochs, "mobilenet", "digits", RESOLUTION)
    settings = tune.choose_settings(plan, seed=seed, precision="float32")
    begun = time.process_time()
    result = tune.run(settings, out, fresh=True)
    assert result is not None
    seconds = time.process_time() - begun
    record = json.loads((out / "run.json").read_text())
    (share,) = (x for x in record["stages"] if x["name"] == "share")
    ranking = share["results"]["ranking"]
    return {
        "seconds": seconds,
        "trials": [_found(x.candidate.values, x) for x in result.trials],
        "ranking": [
            [list(x["candidate"]["values"].values()), x["val_accuracy"], x["val_loss"]]
            for x in ranking
        ],
        "test": result.test["accuracy"],
    }


def _found(values, trial) -> list:
    return [list(values.values()), trial.val_accuracy, trial.val_loss]


def plain(kind: str, seconds: float, seed: int, epochs: int, data, out: Path) -> dict:
    """What plain Keras Tuner chooses in so many seconds."""
    seed_everything(seed)
    network = HyperNet(
        "mobilenet", AXES, resolution=RESOLUTION, classes=len(data.class_names)
    )
    base = {"random": keras_tuner.RandomSearch, "hyperband": keras_tuner.Hyperband}
    how = {"max_trials": 10**6} if kind == "random" else {"max_epochs": epochs}
    begun = time.process_time()

    class Limited(base[kind]):
        def run_trial(self, trial, *args, **kwargs):
            if time.process_time() - begun > seconds:
                raise keras_tuner.errors.FatalError("the time is over")
            keras.backend.clear_session()
            return super().run_trial(trial, *args, **kwargs)

    tuner = Limited(
        network,
        objective="val_accuracy",
        seed=seed,
        directory=str(out),
        project_name=kind,
        overwrite=True,
        **how,
    )
    given = {} if kind == "hyperband" else {"epochs": epochs}
    with contextlib.suppress(keras_tuner.errors.FatalError):
        tuner.search(
            np.asarray(data.train.images),
            np.asarray(data.train.labels),
            validation_data=(
                np.asarray(data.validation.images),
                np.asarray(data.validation.labels),
            ),
            batch_size=64,
            verbose=0,
            **given,
        )
    values = tuner.get_best_hyperparameters()[0].values
    done = [x for x in tuner.oracle.trials.values() if x.score is not None]
    return {
        "seconds": time.process_time() - begun,
        "chosen": [values["alpha"], values["rho"]],
        "trials": len(done),
    }


def kept(path: Path, work) -> dict:
    """What is measured already, or is now."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = work()
        path.write_text(json.dumps(found))
    return json.loads(path.read_text())


def one_seed(seed: int, epochs: int, out: Path) -> dict:
    """All four methods on one seed."""
    count = len(AXES["alpha"]) * len(AXES["rho"])
    grid = kept(
        out / "grid.json",
        lambda: searched("grid", count, seed, epochs, out / "grid"),
    )
    shared = kept(
        out / "shared.json",
        lambda: searched("shared", CHOSEN, seed, epochs, out / "shared"),
    )
    data = load_prepared(out / "grid" / "data")
    known = {tuple(values): (right, loss) for values, right, loss in grid["trials"]}
    best = grid["trials"][0]
    row = {
        "points": len(known),
        "grid": best[1],
        "grid_seconds": grid["seconds"],
        "shared_seconds": shared["seconds"],
        "share": shared["seconds"] / grid["seconds"],
        "shared": known[tuple(shared["trials"][0][0])][0],
        "tests": [grid["test"], shared["test"]],
    }
    ranks = {tuple(values): (right, loss) for values, right, loss in shared["ranking"]}
    for index, what in enumerate(("accuracy", "loss")):
        pairs = [(ranks[each][index], known[each][index]) for each in known]
        row[f"tau_{what}"] = float(kendalltau(*zip(*pairs, strict=True)).statistic)
    for kind in ("random", "hyperband"):
        found = kept(
            out / f"{kind}.json",
            lambda kind=kind: plain(
                kind, shared["seconds"], seed, epochs, data, out / "plain"
            ),
        )
        row[kind] = known[tuple(found["chosen"])][0]
        row[f"{kind}_trials"] = found["trials"]
    return row


def main() -> None:
    """Print a row for each seed, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("tuning_benchmark"))
    given = parser.parse_args()
    rows = []
    for seed in range(given.seeds):
        rows.append(one_seed(seed, given.epochs, given.out / f"seed{seed}"))
        print(seed, json.dumps(rows[-1]), flush=True)
    for name in rows[0]:
        values = [row[name] for row in rows]
        if not isinstance(values[0], list):
            print(f"{name:20} {statistics.mean(values):.4f}")


if __name__ == "__main__":
    main()
