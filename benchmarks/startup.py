"""How long the command line takes to start, against what its argument parser alone takes."""

import subprocess
import sys
from time import perf_counter

from benchmarks.ratio import Ratio

ROUNDS = 15


def run() -> list[Ratio]:
    """Each round starts both processes, so that a busy machine slows them alike; the best of each counts."""
    best = {"secret": float("inf"), "typer": float("inf")}
    commands = {
        "secret": [sys.executable, "-m", "proofkey", "secret"],
        "typer": [sys.executable, "-c", "import typer"],
    }
    for _ in range(ROUNDS):
        for name, command in commands.items():
            started = perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            best[name] = min(best[name], perf_counter() - started)
    return [
        Ratio("`proofkey secret` against `python -c 'import typer'`", best["secret"] / best["typer"], 3.0, "low")
    ]


if __name__ == "__main__":
    print(*run(), sep="\n")
