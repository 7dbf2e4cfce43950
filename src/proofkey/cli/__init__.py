"""The command line: one file per command, each loaded when it is asked for."""


def main() -> None:
    """Entry point of `proofkey`."""
    raise SystemExit(2)
