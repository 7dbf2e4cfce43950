"""Microsoft Entra ID: v1 and v2 access tokens of one tenant, or of an allowed list of tenants."""

import re
from collections.abc import Mapping
from typing import Any, Final

from proofkey.errors import ConfigurationError, InvalidScope
from proofkey.findings import Finding
from proofkey.protocol.claims import ClaimError, read_optional_text, read_text, read_texts
from proofkey.protocol.dialect import Claims, Dialect, LoginDialect, Relaxation, Source
from proofkey.protocol.scope import parse_scope
from proofkey.providers.reading import STANDARD_TYPE, check_has_any, check_no_other_kind, host_of, path_of

_GLOBAL: Final = "login.microsoftonline.com"
_HOSTS: Final = frozenset({_GLOBAL, "login.microsoftonline.us", "login.partner.microsoftonline.cn"})
_V1_HOST: Final = "sts.windows.net"
_SHARED: Final = frozenset({"common", "organizations"})
_PERSONAL: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of all personal accounts, for which `consumers` stands."""
_GUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ASK_FOR_SCOPE: Final = "request a scope of this API: api://<application id>/<scope>"


def _is_entra(issuer: str) -> bool:
    return host_of(issuer) in _HOSTS or host_of(issuer) == _V1_HOST


def _tenant_of(issuer: str) -> str | None:
    """The first segment of the path: a GUID, a domain name, or `common` and its like."""
    return path_of(issuer)[1:].partition("/")[0].lower() or None if _is_entra(issuer) else None


def _token_issuers(issuer: str, tenants: tuple[str, ...]) -> frozenset[str]:
    """v1 and v2 issuers of the issuer's own tenant, or of every allowed one under `common` or `organizations`."""
    tenant = _tenant_of(issuer)
    if tenant is None:  # another host, by dialect="entra"
        return frozenset({issuer})
    _check_form(issuer, tenant)
    if tenant in _SHARED:
        if not tenants:
            raise ConfigurationError(
                Finding.CONFIG_MISSING,
                key="tenants",
                issuer=issuer,
                fix=f'tenants=("<directory id>", …): {tenant} takes the accounts of every tenant there is',
            )
        allowed = tuple(name.lower() for name in tenants)
    else:
        allowed = (_PERSONAL if tenant == "consumers" else tenant,)
        if tenants and {name.lower() for name in tenants} != set(allowed):
            fix = f"https://{_GLOBAL}/organizations/v2.0 as issuer, for several tenants"
            raise ConfigurationError(Finding.CONFIG_VALUE, key="tenants", issuer=issuer, fix=fix)
    return frozenset(name for one in allowed for name in _issuers_of(issuer, one))


def _check_form(issuer: str, tenant: str) -> None:
    host = host_of(issuer)
    expected = f"https://{_V1_HOST}/{tenant}/" if host == _V1_HOST else f"https://{host}/{tenant}/v2.0"
    if issuer.lower() != expected:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="issuer", value=issuer[:200], fix=expected)


def _issuers_of(issuer: str, tenant: str) -> tuple[str, ...]:
    """National clouds have v2 issuers of their own; their v1 issuers stand in no document that we have."""
    if not _GUID.fullmatch(tenant):
        fix = "the directory (tenant) id, a GUID: tokens carry no domain name"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="tenants", value=tenant[:64], fix=fix)
    host = host_of(issuer)
    own = f"https://{_GLOBAL if host == _V1_HOST else host}/{tenant}/v2.0"
    return (own, f"https://{_V1_HOST}/{tenant}/") if host in (_GLOBAL, _V1_HOST) else (own,)


def _metadata_issuer(issuer: str) -> frozenset[str]:
    """`common` and `organizations` answer with the template `{tenantid}`, `consumers` with its tenant's GUID."""
    tenant = _tenant_of(issuer)
    if tenant in _SHARED:
        return frozenset({f"https://{host_of(issuer)}/{{tenantid}}/v2.0"})
    if tenant == "consumers":
        return frozenset({f"https://{host_of(issuer)}/{_PERSONAL}/v2.0"})
    return frozenset({issuer, issuer.lower()})


def _check_use(header: Mapping[str, Any], claims: Claims) -> None:
    """`typ` is always JWT, and an ID token has the same aud where API and client share a registration: what an ID
    token never has is azp or appid; what an access token always has is a scope or a role."""
    check_no_other_kind(claims)
    check_has_any(claims, "azp", "appid")
    if not _scope(claims) and not read_texts(claims, "roles"):
        raise ClaimError(Finding.TOKEN_PERMITS_NOTHING)
    tenant = read_text(claims, "tid")
    if _tenant_of(read_text(claims, "iss")) not in (None, tenant.lower()):
        raise ClaimError(Finding.TOKEN_TENANT, tid=tenant[:64])


def _scope(claims: Claims) -> tuple[str, ...]:
    """`scp`: delegated scopes, in one string, without the API's prefix."""
    scope = read_optional_text(claims, "scp")
    try:
        return () if scope is None else parse_scope(scope)
    except InvalidScope as error:
        raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="scp") from error


def _is_client_only(claims: Claims, sub: str, client_id: str) -> bool:
    """`idtyp` is app (an optional claim), or nothing was delegated and the subject is the application's own
    object: a person's `sub` is never their `oid`."""
    kind = read_optional_text(claims, "idtyp")
    return kind == "app" if kind is not None else "scp" not in claims and sub == claims.get("oid")


def _user_key(claims: Claims) -> tuple[str, str]:
    """(tid, oid): the same for every application, as `sub` is not; an e-mail address is no key at all."""
    return read_text(claims, "tid"), read_text(claims, "oid")


ENTRA: Final = Dialect(
    name="entra",
    title="Microsoft Entra ID",
    matches=_is_entra,
    token_issuers=_token_issuers,
    metadata_issuer=_metadata_issuer,
    tenant_of=_tenant_of,
    header_types=frozenset({STANDARD_TYPE, "jwt"}),
    client_id=("azp", "appid"),
    jti=("jti", "uti"),
    jti_required=False,
    check_use=_check_use,
    scope=_scope,
    is_client_only=_is_client_only,
    user_key=_user_key,
    opaque_remedy=f"{_ASK_FOR_SCOPE}: tokens for Microsoft's own APIs may be opaque or encrypted",
    remedies={
        Finding.TOKEN_IS_GRAPH: f"{_ASK_FOR_SCOPE}, in place of User.Read and other scopes of Microsoft Graph",
        Finding.TOKEN_IS_ID_TOKEN: f"send the access token, and {_ASK_FOR_SCOPE}",
        Finding.TOKEN_AUDIENCE: f"{_ASK_FOR_SCOPE}; v1 tokens are for api://<application id>, v2 tokens "
        "(requestedAccessTokenVersion 2) for the application id: give both as audience",
        Finding.TOKEN_ISSUER: "set api.requestedAccessTokenVersion to 2 in the API's registration, and the issuer "
        "to https://login.microsoftonline.com/<directory id>/v2.0",
        Finding.TOKEN_TENANT: "sign in at an allowed tenant, or add the directory id to tenants",
        Finding.TOKEN_PERMITS_NOTHING: f"{_ASK_FOR_SCOPE}; give applications an app role of this API",
        Finding.TOKEN_SIGNATURE: f"{_ASK_FOR_SCOPE}: tokens for Microsoft's own APIs never verify elsewhere",
    },
    relaxes=(
        Relaxation("RFC 9068 §4 typ", "JWT: no nonce, at_hash or c_hash; azp or appid; scp or roles"),
        Relaxation("RFC 9068 §4 iss", "v1 and v2 issuers of the allowed tenants; tid is the issuer's tenant"),
        Relaxation("RFC 9068 §2.2 client_id", "azp (v2) or appid (v1)"),
        Relaxation("RFC 9068 §2.2 jti", "uti, where there is one"),
        Relaxation("RFC 9068 §2.2.3 scope", "scp, a string"),
        Relaxation("RFC 9068 §2.2 sub of a client's own token", "idtyp app, or no scp and sub is oid"),
        Relaxation("RFC 9068 §5 iss and sub as the person's key", "tid and oid"),
    ),
    source=Source(title="Microsoft Learn: access token claims reference", date="2026-11"),
    login=LoginDialect(force_pkce=True, audience_parameter="scope", exchange="on_behalf_of"),
)
