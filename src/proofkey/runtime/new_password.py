"""What a new password must be: long, not well known, not made of the user's or the service's name.

No composition rules and no expiry (NIST SP 800-63B-4 §3.1.1.2); the reason of a refusal is told.
"""

import re
from collections.abc import Callable
from functools import cache
from math import log10
from threading import Lock
from typing import Any, Final

from proofkey.errors import PasswordRefused, missing_extra
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.runtime.passwords import SHORTEST, password_bytes

FEWEST_GUESSES: Final = 10
"""Decimal digits of the number of guesses below which a password is easy to guess (zxcvbn's best score)."""
WINDOW: Final = 64
"""Characters given to zxcvbn at once: its time grows with the square of the length."""

_estimating: Final = Lock()  # zxcvbn keeps the context words in a module global


def check_password(password: Secret, *, username: str, service_name: str = "") -> None:
    """Judges a new password; takes up to half a second of CPU time, so servers call it in a thread.

    Raises: PasswordRefused: too short (15 characters), too long (1024 bytes), well known or easy to guess, or
    made of the username or the service's name.
    """
    text = password_bytes(password).decode()
    if len(text) < SHORTEST:
        raise PasswordRefused(Finding.PASSWORD_TOO_SHORT)
    words = _context_words(username, service_name)
    if _is_made_of(text, words):
        raise PasswordRefused(Finding.PASSWORD_CONTEXT)
    if text.casefold() in _well_known() or _guesses(text, []) < FEWEST_GUESSES:
        raise PasswordRefused(Finding.PASSWORD_COMMON)
    if _guesses(text, words) < FEWEST_GUESSES:
        raise PasswordRefused(Finding.PASSWORD_CONTEXT)


def _context_words(username: str, service_name: str) -> list[str]:
    """The names whole, without separators, and their parts of three characters and more."""
    words: dict[str, None] = {}
    for name in (username.casefold(), service_name.casefold()):
        parts = [part for part in re.split(r"[\W_]+", name) if part]
        for word in (name, "".join(parts), *parts):
            if len(word) >= 3:
                words[word] = None
    return list(words)


def _is_made_of(text: str, words: list[str]) -> bool:
    """True when nothing but the words, digits and separators is there."""
    rest = text.casefold()
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != text.casefold() and not any(character.isalpha() for character in rest)


def _guesses(text: str, words: list[str]) -> float:
    """Decimal digits of the guesses that the stronger end of the password takes."""
    zxcvbn = _zxcvbn()
    period = _period(text)
    if period <= len(text) // 2:
        text = text[:period] * 2
    ends = {text[:WINDOW], text[-WINDOW:]}
    with _estimating:
        return max(log10(float(zxcvbn(end, user_inputs=words)["guesses"])) for end in ends)


def _period(text: str) -> int:
    """The length of the shortest piece whose repetitions begin with the text (Knuth, Morris, Pratt)."""
    borders = [0] * len(text)
    border = 0
    for position in range(1, len(text)):
        while border and text[position] != text[border]:
            border = borders[border - 1]
        border += text[position] == text[border]
        borders[position] = border
    return len(text) - border


@cache
def _zxcvbn() -> Callable[..., Any]:
    """The estimator; its lists take a tenth of a second to load, so nobody pays who judges no password."""
    try:
        from zxcvbn import zxcvbn
    except ImportError as error:
        raise missing_extra("server", error.name) from error
    estimate: Callable[..., Any] = zxcvbn
    return estimate


@cache
def _well_known() -> frozenset[str]:
    """Whole passwords of zxcvbn's list that are long enough to be asked about."""
    _zxcvbn()
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    listed: str | list[str] = FREQUENCY_LISTS["passwords"]
    known = listed.split(",") if isinstance(listed, str) else listed
    return frozenset(word for word in known if len(word) >= SHORTEST)
