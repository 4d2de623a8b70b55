"""How long the zoo takes to build, beside keras.applications and timm.

    python benchmarks/build.py [NAME...] [--pairs N]

Each network is built in a process of its own: first ours alone, for its peak memory;
then pairs of ours and its peer in keras.applications (random weights, default
arguments), whose order changes from pair to pair. The ratio is the median over the
pairs of ours / theirs: below 1 ours is faster. Where timm is installed, its peer is
built in the same pairs; it runs on torch, so it is another machine, not a target.
Last comes the length of the family files beside those of keras.applications.
"""

import argparse
import ast
import importlib.util
import inspect
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def measure(name: str, pairs: int) -> dict:
    """Build one network and its peers here; seconds, ratio, memory."""
    import keras

    from kerasnets import applications

    build = applications.get(name)
    peers = peers_of(build.network)
    keras.Input((1, 1, 1))  # whatever is loaded at first use
    before = peak_bytes()
    build()
    memory = peak_bytes() - before
    seconds = {"ours": [], **{peer: [] for peer in peers}}
    order = [("ours", build), *peers.items()]
    for peer in peers.values():
        peer()  # its first time, as ours had one
    for number in range(pairs):
        random.Random(number).shuffle(order)
        for who, make in order:
            keras.utils.clear_session()
            start = time.perf_counter()
            make()
            seconds[who].append(time.perf_counter() - start)
    ratios = {
        who: statistics.median(
            ours / theirs for ours, theirs in zip(seconds["ours"], times, strict=True)
        )
        for who, times in seconds.items()
        if who != "ours"
    }
    medians = {who: statistics.median(times) for who, times in seconds.items()}
    return {"seconds": medians, "ratios": ratios, "memory": memory}


def peers_of(network) -> dict:
    """The builders of the same network elsewhere."""
    import keras

    peers = {}
    if network.keras is not None:
        theirs = getattr(keras.applications, network.keras.builder)
        peers["keras"] = lambda: theirs(weights=None)
    if network.torch is not None and importlib.util.find_spec("timm"):
        import timm  # pyright: ignore[reportMissingImports]  (a guest)

        # timm has most of torchvision's networks under the same name
        if network.torch.builder in timm.list_models():
            peers["timm"] = lambda: timm.create_model(network.torch.builder)
    return peers


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure_in_child(name: str, pairs: int) -> dict:
    """``measure`` in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--pairs", str(pairs)]
    child = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(child.stdout.splitlines()[-1])


def cell(values: dict[str, float], who: str, width: int) -> str:
    """The value of a peer, or room for it."""
    return f"{values[who]:.2f}".rjust(width) if who in values else " " * width


def print_lengths() -> None:
    """Lines of code of each family file, and of keras.applications' where it has it."""
    import keras

    from kerasnets import applications

    families: dict[str, tuple[int, dict[str, int]]] = {}
    for build in applications.BUILDERS.values():
        source = Path(inspect.getfile(inspect.unwrap(build)))
        rows, theirs = families.setdefault(source.stem, (lines_of_code(source), {}))
        peer = build.network.keras
        if peer is not None:
            module = inspect.unwrap(getattr(keras.applications, peer.builder))
            file = Path(inspect.getfile(module))
            theirs[file.stem] = lines_of_code(file)
    print("\nlines of code, without docstrings, comments and blank lines")
    for family, (rows, theirs) in families.items():
        there = " + ".join(f"{stem} {n}" for stem, n in theirs.items())
        print(f"{family:20} {rows:5}   {there}")


def lines_of_code(path: Path) -> int:
    """Lines that hold code: of statements and expressions, docstrings left out."""
    tree, lines = ast.parse(path.read_text("utf-8")), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.stmt | ast.expr | ast.arg | ast.alias):
            compound = hasattr(node, "body") and isinstance(node, ast.stmt)
            last = node.lineno if compound else (node.end_lineno or node.lineno)
            lines.update(range(node.lineno, last + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines.difference_update(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(lines)


def main() -> None:
    """Measure and print a line for each network."""
    parser = argparse.ArgumentParser(description="Time the builders of the zoo.")
    parser.add_argument("names", nargs="*", help="networks; all when none is given")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.pairs)))
        return
    from kerasnets import applications

    names = arguments.names or list(applications.BUILDERS)
    print(f"{'network':24} {'ours':>8} {'keras':>8} {'ratio':>6} {'timm':>8} memory")
    for name in names:
        result = measure_in_child(name, arguments.pairs)
        seconds, ratios = result["seconds"], result["ratios"]

        print(
            f"{name:24} {seconds['ours']:6.2f} s {cell(seconds, 'keras', 8)} "
            f"{cell(ratios, 'keras', 6)} {cell(seconds, 'timm', 8)} "
            f"{result['memory'] / 1e6:6.0f} MB",
            flush=True,
        )
    print_lengths()


if __name__ == "__main__":
    main()
