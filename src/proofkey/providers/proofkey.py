"""Our own server: RFC 9068 without a departure."""

from dataclasses import replace
from typing import Final

from proofkey.protocol.dialect import RFC9068, Source


def _matches(issuer: str) -> bool:
    return False


PROOFKEY: Final = replace(
    RFC9068,
    name="proofkey",
    title="Proofkey",
    matches=_matches,
    source=Source(title="this package's own server, in its tests", date="2026-11-24", live=True),
)
"""Chosen by name only: any issuer that no other dialect takes is held to the same rules."""
