"""The child process of ``compress``: ``python -m kerasnets.compression.worker JOB``.

JOB is JSON: that of a ``Job``, whose steps are done, or ``{"model_path", "steps",
"classes", "plugins"}`` of a model that is only checked. Standard output carries one
JSON object a line, ``{"done", "total", "note"}`` and a last ``{"validation"}`` or
``{"error"}``; whatever libraries print goes to standard error. Standard input is a
pipe that the parent never writes to: its end is the parent's.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from kerasnets.children import end_with_parent
from kerasnets.errors import KerasnetsError


def main() -> None:
    """Do the job of the command line."""
    send = _take_stdout()
    end_with_parent()
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # what TF-MOT would set, but too late
    try:
        send({"validation": _do(json.loads(sys.argv[1]), send)})
    except KerasnetsError as error:
        send({"error": str(error)})
        raise
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0]
        send({"error": f"{type(error).__name__}: {first_line}"})
        raise


def _do(record: dict, send: Callable[[dict], None]) -> list[float]:
    """The accuracies; none of a model that is only checked."""
    from kerasnets.compression import tfmot_steps
    from kerasnets.compression.job import Job
    from kerasnets.compression.networks import load_networks
    from kerasnets.compression.settings import from_json
    from kerasnets.saving import import_plugins

    def progress(done: int, total: int, note: str = "") -> None:
        send({"done": done, "total": total, "note": note})

    if "out_path" in record:
        return tfmot_steps.run(Job.from_json(record), progress)
    import_plugins(record["plugins"])
    steps = [from_json(step) for step in record["steps"]]
    path = Path(record["model_path"])
    tfmot_steps.check(load_networks(path, None, steps, record["classes"]).model, steps)
    return []


def _take_stdout() -> Callable[[dict], None]:
    """Keep standard output for messages; prints, C++'s too, go to standard error."""
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return lambda message: print(json.dumps(message), file=stream, flush=True)


if __name__ == "__main__":
    main()
