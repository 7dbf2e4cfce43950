"""Single keys of a terminal, without Enter; nothing where there is no terminal."""

import os
import select
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec

WAIT = 0.2
"""Seconds between looks at the end."""


def has_keys() -> bool:
    """True when our stdin is a terminal that can be read key by key, and this process is in its foreground."""
    if find_spec("termios") is None:  # not on every system
        return False
    if not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False


@contextmanager
def keys_of_terminal(ended: threading.Event) -> Generator[Iterator[str]]:
    """Gives the keys that are pressed until `ended`; the terminal is left as it was."""
    if not has_keys():
        yield iter(())
        return
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number, termios.TCSADRAIN)  # keys that were pressed early count
        yield _read_keys(number, ended)
    finally:
        with suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(number, termios.TCSADRAIN, before)


def _read_keys(number: int, ended: threading.Event) -> Iterator[str]:
    """Past Python's own buffer: a key in there would not wake `select`."""
    while not ended.is_set():
        ready, _, _ = select.select([number], [], [], WAIT)
        if not ready:
            continue
        try:
            pressed = os.read(number, 64)
        except OSError:  # the terminal has gone
            return
        if not pressed:
            return
        yield from pressed.decode("ascii", "ignore")
