"""The launcher with parts that are a few lines of Python, to see what it does when they misbehave.

`python small_demo.py FOLDER [--ready-json] ROLE=BEHAVIOUR…`; a part that is not named just serves.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from proofkey.demo.launcher import Launcher
from proofkey.demo.processes import Part
from proofkey.demo.setting_up import Demo
from proofkey.protocol.text import Secret

READY = (
    "import json, os, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
    "print('starting up', file=sys.stderr, flush=True)\n"
    "def ready():\n"
    "    print(json.dumps({'event': 'ready', 'role': '%s', 'pid': os.getpid()}), flush=True)\n"
)
REFUSE = "print(json.dumps({'event': 'error', 'finding': '%s', 'message': '[server] no'}))\nsys.exit(2)\n"
ONE_LINE = (REFUSE % "CFG-05").strip().replace("\n", "; ")
BEHAVIOURS = {
    "serves": "ready()\ntime.sleep(60)\n",
    "dies": "ready()\n[print(f'line {n} of [the log]', file=sys.stderr) for n in range(40)]\nsys.exit(3)\n",
    "refuses": REFUSE % "CFG-02",
    "taken": REFUSE % "CFG-05",
    "taken_once": "if not os.path.exists('was_taken'):\n    open('was_taken', 'w').close()\n"
    f"    {ONE_LINE}\nready()\ntime.sleep(60)\n",
    "crashes": "raise SystemError('a bug')\n",
    "hangs": "time.sleep(60)\n",
    "clings": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nready()\ntime.sleep(60)\n",
}


def main(folder: Path, *words: str) -> int:
    behaviours = dict(word.split("=") for word in words if "=" in word)

    def start(demo: Demo, role: str, log: Path | None) -> Part:
        program = READY % role + BEHAVIOURS[behaviours.get(role, "serves")]
        return Part(role, [sys.executable, "-I", "-c", program], dict(os.environ), log)

    def make_demo(ports: Mapping[str, int]) -> Demo:
        return Demo(folder, ports, Secret("brave-otter-river-41"), folder / "clock")

    os.chdir(folder)
    return Launcher(make_demo, ready_json="--ready-json" in words, browser=False, start=start).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
