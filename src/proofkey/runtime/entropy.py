"""The one door to randomness."""

import secrets
from collections.abc import Callable

Entropy = Callable[[], str]
"""256 fresh random bits as 43 base64url characters."""


def system_entropy() -> str:
    """From the operating system."""
    return secrets.token_urlsafe(32)


def system_bytes(count: int) -> bytes:
    """So many random bytes from the operating system."""
    return secrets.token_bytes(count)
