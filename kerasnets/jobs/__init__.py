"""The commands as functions: ``jobs.phone.run``, ``jobs.export.run`` and so on.

A file a command; each is imported when it is first used.
"""

import importlib
from types import ModuleType

_JOBS = ("compress", "export", "phone", "verify")


def __getattr__(name: str) -> ModuleType:
    if name in _JOBS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_JOBS]
