"""Runs that go on where they were stopped: the stages, and what is recorded of them.

The names are imported when they are first used: reading a record costs no Keras import.
"""

from typing import TYPE_CHECKING

from kerasnets.lazy import names_of

if TYPE_CHECKING:
    from kerasnets.runs.engine import Display, Job, Stage, run_stages
    from kerasnets.runs.history import HISTORY, read_history
    from kerasnets.runs.record import RUN_FILE, Run, open_run, read_run
    from kerasnets.runs.together import follow, in_all_processes

__all__ = [
    "HISTORY",
    "RUN_FILE",
    "Display",
    "Job",
    "Run",
    "Stage",
    "follow",
    "in_all_processes",
    "open_run",
    "read_history",
    "read_run",
    "run_stages",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        **dict.fromkeys(("Display", "Job", "Stage", "run_stages"), "engine"),
        **dict.fromkeys(("HISTORY", "read_history"), "history"),
        **dict.fromkeys(("RUN_FILE", "Run", "open_run", "read_run"), "record"),
        **dict.fromkeys(("follow", "in_all_processes"), "together"),
    },
)
