"""`python -m tests.fuzz [SECONDS] [TARGET…]` runs each target under atheris, in a process each; 30 seconds.

Ends with 1 when a target fell over, and with 0 and a line where atheris is not installed. What made it fall is
kept under `.fuzz/` and is run again with `python -m tests.fuzz repeat TARGET FILE`.
"""

import importlib
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FOUND = Path(".fuzz")
FLAGS = ("-max_len=20000", "-timeout=5", "-rss_limit_mb=1500")
"""Octets and seconds of one input; megabytes of the process."""
WORDS = (
    *[
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "client_id",
        "scope",
        "roles",
        "cnf",
        "jkt",
        "typ",
        "alg",
        "kid",
        "crit",
        "b64",
        "jwk",
        "htm",
        "htu",
        "ath",
        "kty",
        "crv",
    ],
    *[
        "keys",
        "active",
        "token_introspection",
        "access_token",
        "true",
        "null",
        "1e400",
        "NaN",
        "1800000000",
        "ES256",
        "at+jwt",
        "dpop+jwt",
    ],
    *("https://issuer.test", "https://api.test", "Bearer ", "DPoP ", "%2e%2e/", "\\\\u0061", "\\\\ud800"),
)
"""What the fuzzer puts in."""


def main(arguments: list[str]) -> int:
    """The exit status."""
    if arguments[:1] == ["repeat"]:
        return repeat(arguments[1], Path(arguments[2]))
    if arguments[:1] == ["one"]:
        return fuzz(arguments[1], arguments[2], Path(arguments[3]))
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: atheris does not install here; make test runs every target on altered seeds all the same")
        return 0
    from tests.fuzz.targets import TARGETS

    seconds, names = (arguments[0], arguments[1:]) if arguments else ("30", [])
    if not seconds.isdigit() or set(names) - TARGETS.keys():
        print(f"usage: python -m tests.fuzz [SECONDS] [{' | '.join(TARGETS)}]", file=sys.stderr)
        return 2
    return max([run(name, seconds) for name in names or TARGETS])


def run(name: str, seconds: str) -> int:
    """One target in a process of its own, which libFuzzer ends itself; one line about it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz", "one", name, seconds, folder]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode == 0:
        ended = next((line for line in done.stderr.splitlines() if line.startswith("Done ")), "done")
        print(f"fuzz {name}: {ended}, nothing found", flush=True)
        return 0
    print(f"fuzz {name}: FOUND something\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}", flush=True)
    return 1


def fuzz(name: str, seconds: str, folder: Path) -> int:
    """Does not come back: libFuzzer ends the process."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["proofkey"]):
        from tests.fuzz.targets import TARGETS

    seeds = folder / "seeds"
    seeds.mkdir()
    for number, seed in enumerate(TARGETS[name].seeds()):
        (seeds / f"{number:04}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{word}"\n' for word in WORDS))
    FOUND.mkdir(exist_ok=True)
    own = (f"-max_total_time={seconds}", f"-dict={words}", f"-artifact_prefix={FOUND}/{name}-")
    atheris.Setup([sys.argv[0], str(seeds), *FLAGS, *own], TARGETS[name].run)
    atheris.Fuzz()
    return 0


def repeat(name: str, file: Path) -> int:
    """One input again, with its traceback."""
    from tests.fuzz.targets import TARGETS

    TARGETS[name].run(file.read_bytes())
    print("it passes now")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
