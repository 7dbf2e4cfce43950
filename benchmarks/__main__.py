"""Every benchmark, as ratios measured in one run: `python -m benchmarks [--json] [--strict] [NAME…]`."""

import argparse
import importlib
import json
import sys
from dataclasses import asdict

from benchmarks.ratio import Ratio

MODULES = ("verify", "cached", "dpop", "request", "peers", "server", "scale", "startup")
"""Each is a module here with `run() -> list[Ratio]`."""


def main(arguments: list[str]) -> int:
    """0, or with --strict 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(MODULES)}; all when none is given"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a bar is missed")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.names) - set(MODULES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    ratios: list[Ratio] = []
    for name in chosen.names or MODULES:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        ratios.extend(importlib.import_module(f"benchmarks.{name}").run())
    print(document(ratios) if chosen.json else table(ratios))
    return 1 if chosen.strict and not all(ratio.passed for ratio in ratios) else 0


def document(ratios: list[Ratio]) -> str:
    """The same as JSON: a list of objects with name, value, bar, better, passed."""
    return json.dumps([asdict(ratio) | {"passed": ratio.passed} for ratio in ratios])


def table(ratios: list[Ratio]) -> str:
    """One line per ratio: name, value, bar, pass or miss."""
    width = max((len(ratio.name) for ratio in ratios), default=0)
    lines = [f"{'':{width}}  ratio    bar"]
    for ratio in ratios:
        sign, verdict = "≤" if ratio.better == "low" else "≥", "pass" if ratio.passed else "MISS"
        judged = "" if ratio.bar is None else f"  {sign} {ratio.bar:4.2f}  {verdict}"
        lines.append(f"{ratio.name:{width}}  {ratio.value:5.2f}{judged}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
