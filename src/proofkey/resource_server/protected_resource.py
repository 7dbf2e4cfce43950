"""An API's policy, and the rules that an access token has to meet there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, verify_access_token
from proofkey.protocol.dialect import RFC9068, Dialect, check_verifies
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.metadata import check_issuer
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Instant, Issuer

LEEWAY: Final = 10
LONGEST_LEEWAY: Final = 60
"""Seconds between the issuer's clock and ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicy:
    """Whose tokens an API takes, for which of its names, signed how. Made by `build_policy`."""

    issuer: Issuer
    """Whose metadata and keys count."""
    audience: frozenset[str]
    algorithms: frozenset[str] = ALGORITHM_NAMES
    leeway: int = LEEWAY
    dialect: Dialect = RFC9068
    token_issuers: frozenset[str] = frozenset()
    """Every `iss` that tokens of this issuer may carry; empty: the issuer itself."""
    until: Instant | None = None
    """From this instant on its tokens are refused."""

    @property
    def issuers(self) -> frozenset[str]:
        """Every `iss` that tokens of this issuer may carry."""
        return self.token_issuers or frozenset({self.issuer})


def build_policy(
    issuer: str,
    audience: str | Sequence[str],
    *,
    algorithms: Iterable[str] = ALGORITHM_NAMES,
    leeway: int = LEEWAY,
    dialect: Dialect = RFC9068,
    tenants: Sequence[str] = (),
    until: Instant | None = None,
) -> ResourcePolicy:
    """RFC 9700 §2.3: never without an audience; RFC 8725 §3.1: never without a list of algorithms.

    `tenants` are for providers that serve many with one issuer. The dialect may narrow the algorithms.
    Raises: ConfigurationError.
    """
    check_issuer(issuer)
    names = (audience,) if isinstance(audience, str) else tuple(audience)
    if not names or not all(name.strip() for name in names):
        raise ConfigurationError(
            Finding.CONFIG_MISSING, key="audience", fix='audience="https://api.example", the API\'s identifier'
        )
    allowed = frozenset(algorithms)
    if not allowed or not allowed <= ALGORITHM_NAMES:
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="algorithms", unknown=", ".join(sorted(allowed - ALGORITHM_NAMES))
        )
    if not 0 <= leeway <= LONGEST_LEEWAY:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="leeway", fix="0 to 60 seconds")
    return ResourcePolicy(
        issuer=Issuer(issuer),
        audience=frozenset(names),
        algorithms=_narrowed(allowed, dialect),
        leeway=leeway,
        dialect=dialect,
        token_issuers=_read_token_issuers(issuer, dialect, tenants),
        until=until,
    )


def _narrowed(allowed: frozenset[str], dialect: Dialect) -> frozenset[str]:
    check_verifies(dialect)
    common = allowed if dialect.algorithms is None else allowed & dialect.algorithms
    if not common:
        fix = f"one of {', '.join(sorted(dialect.algorithms or ()))}"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="algorithms", value=dialect.name, fix=fix)
    return common


def _read_token_issuers(issuer: str, dialect: Dialect, tenants: Sequence[str]) -> frozenset[str]:
    """RFC 8725 §3.8: a closed list. Empty when it is the issuer alone, which is compared faster."""
    if tenants and dialect.token_issuers is RFC9068.token_issuers:  # they would look checked, and not be
        fix = f"{dialect.title} has one issuer for each tenant: name that"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="tenants", value=", ".join(tenants)[:200], fix=fix)
    allowed = dialect.token_issuers(issuer, tuple(tenants))
    return frozenset() if allowed == frozenset({issuer}) else allowed


def read_token(
    token: str, keys: KeySet, policy: ResourcePolicy, now: Instant, *, bound: bool = False
) -> AccessToken:
    """RFC 9068 §4: the signature first, then every claim. `bound` as in `read_access_token`.

    Raises: InvalidToken.
    """
    return verify_access_token(
        token,
        keys,
        issuer=policy.token_issuers or policy.issuer,
        audience=policy.audience,
        now=now,
        algorithms=policy.algorithms,
        leeway=policy.leeway,
        dialect=policy.dialect,
        bound=bound,
    )
