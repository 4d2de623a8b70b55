"""Runs that go on where they were stopped: the stages, and what is recorded of them."""

from kerasnets.runs.engine import Display, Job, Stage, run_stages, show_nothing
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
    "show_nothing",
]
