"""Keycloak: access tokens of a realm, with the usual header or with RFC 9068's."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.protocol.claims import ClaimError, read_object, read_optional_text, read_text, read_texts
from proofkey.protocol.dialect import Claims, Dialect, LoginDialect, Relaxation, Source
from proofkey.providers.reading import STANDARD_TYPE, check_no_other_kind, path_of

_REALMS: Final = "/realms/"
_USES: Final = frozenset({"Bearer", "DPoP"})
_ADD_MAPPER: Final = (
    "add an audience mapper for this API to a client scope of the client (Included Custom Audience)"
)


def _realm_of(issuer: str) -> str | None:
    _, found, realm = path_of(issuer).partition(_REALMS)
    return realm.strip("/") or None if found else None


def _check_use(header: Mapping[str, Any], claims: Claims) -> None:
    """The claim `typ` names the kind; older access tokens carry the nonce of their login, too."""
    check_no_other_kind(claims, ("at_hash", "c_hash"))
    use = read_text(claims, "typ")
    if use not in _USES:
        raise ClaimError(Finding.TOKEN_TYPE, told_by=f"claim typ {use[:32]}")


def _roles(claims: Claims, audience: frozenset[str]) -> tuple[str, ...]:
    """Of the realm, and of the clients that are this API; never those of other clients, such as `account`."""
    roles = list(read_texts(read_object(claims, "realm_access"), "roles"))
    clients = read_object(claims, "resource_access")
    for client in sorted(audience & clients.keys()):
        roles += read_texts(read_object(clients, client), "roles")
    return tuple(dict.fromkeys(roles))


def _is_client_only(claims: Claims, sub: str, client_id: str) -> bool:
    """One of the claims of the scope `service_account`, or its user name outside of a session: a person, who
    always has one (`sid`), may have registered under such a name. Introspection answers name every client."""
    name = read_optional_text(claims, "preferred_username") or ""
    named = ("client_id" in claims and "active" not in claims) or name.startswith("service-account-")
    traces = "clientHost" in claims or "clientAddress" in claims or (named and "sid" not in claims)
    return sub == client_id or traces


KEYCLOAK: Final = Dialect(
    name="keycloak",
    title="Keycloak",
    matches=lambda issuer: _realm_of(issuer) is not None,
    tenant_of=_realm_of,
    header_types=frozenset({STANDARD_TYPE, "jwt"}),
    client_id=("azp",),
    check_use=_check_use,
    roles=_roles,
    is_client_only=_is_client_only,
    remedies={
        Finding.TOKEN_AUDIENCE: _ADD_MAPPER,
        Finding.TOKEN_CLAIM_MISSING: f"no aud: {_ADD_MAPPER}; no sub: give the client the scope basic, or switch "
        "its lightweight access tokens off",
        Finding.TOKEN_IS_ID_TOKEN: "send the access token, not the ID token that came with it",
        Finding.TOKEN_ISSUER: "set KC_HOSTNAME: in development the issuer follows the Host header; use "
        "internal_base_url for another address inside the network",
        Finding.TOKEN_TENANT: "ask the realm whose issuer is configured",
        Finding.TOKEN_SYMMETRIC: "choose RS256 or ES256 as the client's Access token signature algorithm",
        Finding.TOKEN_TYPE: "send the access token: its claim typ is Bearer or DPoP",
    },
    relaxes=(
        Relaxation("RFC 9068 §4 typ", "JWT: the claim typ is Bearer or DPoP; no at_hash or c_hash"),
        Relaxation("RFC 9068 §2.2 client_id", "azp"),
        Relaxation("RFC 9068 §2.2.3.1 roles", "realm_access.roles, and resource_access.<audience>.roles"),
        Relaxation(
            "RFC 9068 §2.2 sub of a client's own token",
            "clientHost or clientAddress; client_id or the user name service-account-…, without sid",
        ),
    ),
    source=Source(title="Keycloak 26.7, in the interop tests", date="2026-11-24", live=True),
    login=LoginDialect(audience_parameter="none", offline_access=False),
)
