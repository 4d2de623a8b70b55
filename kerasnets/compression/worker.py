"""The child process of ``compress``: ``python -m kerasnets.compression.worker JOB``.

JOB is JSON. Standard output carries one JSON object a line, ``{"done", "total",
"note"}`` and a last ``{"validation"}`` or ``{"error"}``; whatever libraries print goes
to standard error. Standard input is a pipe that the parent never writes to: its end is
the parent's.
"""

import json
import os
import sys
import threading
from collections.abc import Callable

from kerasnets.errors import KerasnetsError


def main() -> None:
    """Run the job of the command line."""
    send = _take_stdout()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # what TF-MOT would set, but too late
    try:
        from kerasnets.compression.child import compress_here

        accuracies = compress_here(
            **json.loads(sys.argv[1]),
            progress=lambda done, total, note="": send(
                {"done": done, "total": total, "note": note}
            ),
        )
        send({"validation": accuracies})
    except KerasnetsError as error:
        send({"error": str(error)})
        raise
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0]
        send({"error": f"{type(error).__name__}: {first_line}"})
        raise


def _take_stdout() -> Callable[[dict], None]:
    """Keep standard output for messages; prints, C++'s too, go to standard error."""
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return lambda message: print(json.dumps(message), file=stream, flush=True)


def _end_with_parent() -> None:
    os.read(0, 1)  # returns at the end of the pipe, however the parent ended
    os._exit(1)


if __name__ == "__main__":
    main()
