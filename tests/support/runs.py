"""A run of ``kerasnets train`` as it leaves one, without a training."""

import json

RECIPE = {"epochs": 3, "learning_rate": 0.1, "milestones": [0.5], "augment": None}
EPOCHS = """epoch,loss,accuracy,validation_loss,validation_accuracy,seconds
1,2.0,0.25,1.9,0.5,1.5
2,1.5,0.5,1.6,0.75,2.25
3,1.0,0.75,1.7,0.625,2.25
"""


def write_run(folder, *, network="lenet5", seed=0, stages=3, epochs=3, **recipe):
    """A run as ``jobs.train`` leaves it behind some of its stages."""
    folder.mkdir(parents=True, exist_ok=True)
    share = {"accuracy": 0.9, "interval": {"low": 0.8, "high": 0.95}}
    settings = {"network": network, "data": "digits", "seed": seed, "key": folder.name}
    done = [
        ("data", settings, {"images": {"train": 900, "validation": 100, "test": 50}}),
        (
            "train",
            {"recipe": {**RECIPE, **recipe}, "precision": "float32", "key": seed},
            {"params": 61_706, "madds": 416_520, "best_epoch": 2},
        ),
        (
            "evaluate",
            {"paper": "resnet-cifar", "source": "He et al. 2015", "changes": recipe},
            {
                "test": {
                    "best.keras": {"images": 50, "top1": share},
                    "model.keras": {"images": 50, "top1": {**share, "accuracy": 0.5}},
                }
            },
        ),
    ]
    record = {
        "format": 1,
        "kerasnets": "0.1.0",
        "identity": {
            "network": network,
            "recipe": "resnet-cifar",
            "data": "digits",
            "seed": seed,
        },
        "stages": [
            {"name": name, "seconds": 1, "settings": told, "results": got, "files": {}}
            for name, told, got in done[:stages]
        ],
        "models": {},
    }
    (folder / "run.json").write_text(json.dumps(record))
    if epochs:
        text = "".join(EPOCHS.splitlines(keepends=True)[: epochs + 1])
        (folder / "history.csv").write_text(text)
    return folder
