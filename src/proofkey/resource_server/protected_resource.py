"""An API's policy, and the rules that an access token has to meet there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from proofkey.errors import ConfigurationError, InsufficientRole, InsufficientScope, UserNeeded
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, verify_access_token
from proofkey.protocol.dialect import RFC9068, Dialect
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


def build_policy(
    issuer: str,
    audience: str | Sequence[str],
    *,
    algorithms: Iterable[str] = ALGORITHM_NAMES,
    leeway: int = LEEWAY,
) -> ResourcePolicy:
    """RFC 9700 §2.3: never without an audience; RFC 8725 §3.1: never without a list of algorithms.

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
    return ResourcePolicy(issuer=Issuer(issuer), audience=frozenset(names), algorithms=allowed, leeway=leeway)


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


def check_scope(token: AccessToken, needed: Sequence[str]) -> None:
    """RFC 6750 §3.1: every scope that the operation needs, compared as whole values.

    Raises: InsufficientScope.
    """
    missing = [scope for scope in needed if scope not in token.scope]
    if missing:
        raise InsufficientScope(
            Finding.SCOPE_INSUFFICIENT,
            scope=tuple(needed),
            missing=" ".join(missing),
            had=" ".join(token.scope),
            sub=token.sub,
        )


def check_roles(token: AccessToken, allowed: Sequence[str]) -> None:
    """RFC 9068 §2.2.3.1: at least one of the roles.

    Raises: InsufficientRole.
    """
    if not any(role in token.roles for role in allowed):
        raise InsufficientRole(
            Finding.ROLE_INSUFFICIENT, roles=tuple(allowed), had=" ".join(token.roles), sub=token.sub
        )


def check_user(token: AccessToken) -> None:
    """RFC 9068 §5: a client's own token never acts as a person.

    Raises: UserNeeded.
    """
    if token.is_client_only:
        raise UserNeeded(Finding.USER_NEEDED, client_id=token.client_id)
