"""The commands as functions: ``jobs.phone.run``, ``jobs.export.run`` and so on.

A file a command; each is imported when it is first used.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType

from kerasnets.errors import KerasnetsError

_NEEDED = {
    "backend": "tensorflow",
    "floatx": "float32",
    "image_data_format": "channels_last",
}
_JOBS = ("compress", "export", "finetune", "grow", "neighbours", "phone", "verify")


def __getattr__(name: str) -> ModuleType:
    if name in _JOBS:
        _check_keras()
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _check_keras() -> None:
    """Raise unless Keras is set up as the jobs need it, in one line that says how."""
    if "keras" not in sys.modules:
        # with another backend that is not installed, Keras cannot even be imported
        _check("backend", os.environ.get("KERAS_BACKEND") or _configured())
    import keras

    _check("backend", keras.config.backend())
    _check("floatx", keras.config.floatx())
    _check("image_data_format", keras.config.image_data_format())


def _configured() -> object:
    """The backend in Keras's own file of settings."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        settings = json.loads((Path(home) / "keras.json").read_text("utf-8"))
        return settings.get("backend", _NEEDED["backend"])
    except (OSError, ValueError, AttributeError):
        return _NEEDED["backend"]


def _check(name: str, value: object) -> None:
    where = "keras.json or KERAS_BACKEND" if name == "backend" else "keras.json"
    if value != _NEEDED[name]:
        raise KerasnetsError(
            f"Keras is set to {name} {value!r}, and this needs {_NEEDED[name]!r}:"
            f" change it in {where}"
        )


def __dir__() -> list[str]:
    return [*globals(), *_JOBS]
