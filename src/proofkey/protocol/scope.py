"""Scopes: a list of tokens in one string."""

import re
from collections.abc import Iterable
from typing import Final

from proofkey.errors import InvalidScope
from proofkey.findings import Finding

# RFC 6749 Appendix A.4: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ), one space between two
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")


MAX_LENGTH: Final = 4096
"""Characters of a scope parameter."""


def parse_scope(text: str) -> tuple[str, ...]:
    """The scope tokens in their order, each once; "" gives none (RFC 6749 §3.3).

    Raises: InvalidScope when a character may not stand in a scope, a separator is not one single space, or it is
    longer than 4096 characters.
    """
    if not text:
        return ()
    if len(text) > MAX_LENGTH or not _SCOPE.fullmatch(text):
        raise InvalidScope(Finding.SCOPE_MALFORMED)
    return tuple(dict.fromkeys(text.split(" ")))


def format_scope(scopes: Iterable[str]) -> str:
    """One string for a message; each token once, in the order given.

    Raises: InvalidScope when a token has a character that it may not have.
    """
    text = " ".join(dict.fromkeys(scopes))
    if text and not _SCOPE.fullmatch(text):
        raise InvalidScope(Finding.SCOPE_MALFORMED)
    return text
