"""Zitadel: access tokens of applications whose token type is JWT."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.protocol.claims import read_object
from proofkey.protocol.dialect import Claims, Dialect, LoginDialect, Relaxation, Source
from proofkey.protocol.token_kind import ID_TOKEN_MARKS
from proofkey.providers.reading import (
    STANDARD_TYPE,
    check_no_other_kind,
    check_not_for_its_client,
    host_of,
    is_host_below,
)

_ROLES: Final = "urn:zitadel:iam:org:project:roles"
_SET_JWT: Final = "set the application's Auth Token Type to JWT, or verify by introspection"
_MARKS: Final = (*ID_TOKEN_MARKS, "azp", "amr")


def _is_zitadel(issuer: str) -> bool:
    return is_host_below(issuer, "zitadel.cloud")


def _check_use(header: Mapping[str, Any], claims: Claims) -> None:
    """ID tokens carry client_id too, and the same audiences, but also azp, and a hash or a nonce."""
    check_no_other_kind(claims, _MARKS)
    check_not_for_its_client(claims, "client_id")


def _roles(claims: Claims, audience: frozenset[str]) -> tuple[str, ...]:
    """The names in the object of roles: of the API's own project where the token has them apart, else of the
    client's project."""
    own = [f"urn:zitadel:iam:org:project:{project}:roles" for project in sorted(audience)]
    names = [name for name in own if name in claims] or [_ROLES]
    return tuple(dict.fromkeys(role for name in names for role in read_object(claims, name)))


ZITADEL: Final = Dialect(
    name="zitadel",
    title="Zitadel",
    matches=_is_zitadel,
    tenant_of=lambda issuer: host_of(issuer) if _is_zitadel(issuer) else None,
    header_types=frozenset({STANDARD_TYPE, "jwt", ""}),
    check_use=_check_use,
    roles=_roles,
    opaque_remedy=_SET_JWT,
    remedies={
        Finding.TOKEN_IS_OPAQUE: _SET_JWT,
        Finding.TOKEN_ENCRYPTED: _SET_JWT,
        Finding.TOKEN_AUDIENCE: "request the scope urn:zitadel:iam:org:project:id:<project id>:aud, and name the "
        "project id as audience",
    },
    relaxes=(
        Relaxation(
            "RFC 9068 §4 typ", "JWT or none: no nonce, at_hash, c_hash, azp, amr; aud is not client_id alone"
        ),
        Relaxation("RFC 9068 §2.2.3.1 roles", f"the names in {_ROLES}, or in those of the API's project"),
        Relaxation("RFC 9068 §2.2 sub of a client's own token", "nothing: a service user looks like a person"),
    ),
    source=Source(title="zitadel/oidc, pkg/oidc/token.go; Zitadel Docs: Claims", date="2026-11"),
    login=LoginDialect(audience_parameter="scope"),
)
