"""Single keys of a terminal, without Enter; nothing where there is no terminal."""

import select
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

WAIT = 0.2
"""Seconds between looks at the end."""


@contextmanager
def keys_of_terminal(ended: threading.Event) -> Generator[Iterator[str]]:
    """Gives the keys that are pressed until `ended`; the terminal is left as it was."""
    if not sys.stdin.isatty():
        yield iter(())
        return
    try:
        import termios
        import tty
    except ImportError:  # a terminal without termios: keys with Enter
        yield _read_keys(ended)
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        yield _read_keys(ended)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _read_keys(ended: threading.Event) -> Iterator[str]:
    while not ended.is_set():
        ready, _, _ = select.select([sys.stdin], [], [], WAIT)
        if not ready:
            continue
        key = sys.stdin.read(1)
        if not key:
            return
        yield key
