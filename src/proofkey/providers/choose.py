"""Which dialect an issuer speaks."""

from collections.abc import Mapping
from typing import Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.dialect import RFC9068, Dialect

DIALECTS: Final[Mapping[str, Dialect]] = {RFC9068.name: RFC9068}
"""By name."""


def dialect_for(issuer: str) -> Dialect:
    """The dialect whose matcher takes that issuer; strict RFC 9068 for everybody else."""
    return next(
        (dialect for dialect in DIALECTS.values() if dialect is not RFC9068 and dialect.matches(issuer)), RFC9068
    )


def dialect_named(name: str) -> Dialect:
    """Raises: ConfigurationError when there is none of that name."""
    try:
        return DIALECTS[name]
    except KeyError:
        known = ", ".join(sorted(DIALECTS))
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="dialect", value=name[:64], fix=f"one of {known}"
        ) from None
