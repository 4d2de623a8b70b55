"""Memory of a search over many trials in one process.

    python benchmarks/trial_memory.py [--trials 50]

Trains MobileNet for an epoch on the digits again and again, each time at another rate,
and prints what the process holds after the first trials and after each tenth.
"""

import argparse
import resource
import tempfile
from pathlib import Path

from kerasnets.jobs import tune
from kerasnets.jobs.tune import stages
from kerasnets.tuning import SearchPlan


def held() -> float:
    """Megabytes of memory that the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Run the trials and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    count = parser.parse_args().trials
    rates = tuple(0.01 + 0.001 * number for number in range(count))
    axes = {"alpha": (0.25,), "learning_rate": rates}
    plan = SearchPlan(axes, "grid", count, 1, "mobilenet", "digits", 32)
    try_out, done = stages.try_out, []

    def counted(job, candidate):
        found = try_out(job, candidate)
        done.append(held())
        if len(done) in (1, 2, 5) or len(done) % 10 == 0:
            print(f"trial {len(done)}: {done[-1]:,.0f} MB", flush=True)
        return found

    stages.try_out = counted
    with tempfile.TemporaryDirectory() as folder:
        tune.run(tune.choose_settings(plan), Path(folder) / "run")


if __name__ == "__main__":
    main()
